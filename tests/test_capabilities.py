"""The requirements language: what fits, what does not, and the words for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.capabilities import (
    Miss,
    describe_requirements,
    match,
    nearest_miss,
    parse_requirement,
    parse_size,
    read_labels,
    requirement_key,
)

NODE = {
    "os": "Linux",
    "browser": ("chrome", "firefox"),
    "memory": "8GB",
    "python": "3.12.1",
    "cpus": 4,
    "ios": "17.10",
    "load": 0.5,
    "gpu": True,
    "display": False,
}


def fits(requirement: object, offered: object, name: str = "thing") -> bool:
    return match({name: requirement}, {name: offered}).fits  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("os", "linux"),
        ("os", "!=windows"),
        ("os", "!= windows, != macos"),
        ("os", ["windows", "LINUX"]),
        ("browser", "firefox"),
        ("browser", "!=safari"),
        ("memory", "8GB"),
        ("memory", "4GiB"),
        ("memory", "==8000MB"),
        ("memory", ">=8GB"),
        ("memory", "<1TB"),
        ("memory", ">7.9gb,<=8 GB"),
        ("python", 3.12),
        ("python", "3.12.1"),
        ("python", ">=3.9"),
        ("python", ">=3.11,<3.14"),
        ("python", "!=3.11"),
        ("cpus", 4),
        ("cpus", "4"),
        ("cpus", ">=2"),
        ("cpus", "!=8"),
        ("ios", ">=17.4"),
        ("load", ">=0.25"),
        ("load", 0.5),
        ("gpu", True),
        ("display", False),
        ("tpu", False),
        ("tpu", [False, "v5"]),
    ],
)
def test_this_node_meets(name: str, wanted: object) -> None:
    assert match({name: wanted}, NODE).fits  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("os", "windows"),
        ("os", "!=LINUX"),
        ("browser", "!=chrome"),
        ("browser", ["safari", "edge"]),
        ("memory", "16GB"),
        ("memory", "8GiB"),
        ("memory", "==4GB"),
        ("memory", "!=8GB"),
        ("memory", ">8GB"),
        ("memory", 8),
        ("python", "3.1"),
        ("python", 3.11),
        ("python", ">=3.13"),
        ("python", "!=3.12"),
        ("cpus", 2),
        ("cpus", ">4"),
        ("gpu", False),
        ("gpu", "nvidia"),
        ("display", True),
        ("display", "!=4k"),
        ("tpu", True),
        ("tpu", "!=v5"),
        ("tpu", ">=1"),
    ],
)
def test_this_node_does_not_meet(name: str, wanted: object) -> None:
    assert not match({name: wanted}, NODE).fits  # type: ignore[dict-item]


def test_a_decimal_that_is_offered_as_a_number_is_no_version() -> None:
    assert [fits(">=17.4", "17.10"), fits(">=17.4", 17.1)] == [True, False]


def test_a_python_that_yaml_read_as_a_number_is_a_version() -> None:
    assert fits(">=3.9", 3.12, "python")


@pytest.mark.parametrize("name", ["python", "chrome_version", "Version"])
def test_a_capability_named_as_a_version_is_one(name: str) -> None:
    assert [fits("<3.9", 3.1, name), fits(">=3.9", 3.12, name)] == [True, True]


def test_a_word_that_only_looks_like_a_version_stays_a_word() -> None:
    assert [fits("3", "3c"), fits("3C", "3c"), fits("8", "v8")] == [False, True, False]


def test_one_value_has_to_stand_the_whole_range() -> None:
    assert [fits(">=2,<3", (1, 4)), fits(">=2,<3", (1, 2, 4))] == [False, True]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("8GB", 8_000_000_000),
        ("8GiB", 8 * 1024**3),
        ("512 kB", 512_000),
        ("512KB", 512_000),
        ("1.5MB", 1_500_000),
        ("2TB", 2 * 10**12),
        ("100B", 100),
        ("8", None),
        ("5G", None),
        ("8iB", None),
        ("GB", None),
        ("-8GB", None),
    ],
)
def test_a_size_is_a_number_and_a_unit(written: str, size: int | None) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "found nothing, expected a word, a number, a size, a version, true, false, or a list of these"),
        ({}, "found a mapping, expected a word, a number, a size, a version, true, false, or a list of these"),
        ([["a"]], "found a list, expected a word, a number, a size, a version, true, false, or a list of these"),
        ([], "found an empty list, expected at least one value"),
        ("  ", "found an empty string, expected a word, a number, a size or a version"),
        (float("nan"), "found nan, expected a finite number"),
        ("=>8GB", "found '=>8GB', expected one of >= <= > < == != and then a value"),
        ("~=3.11", "found '~=3.11', expected one of >= <= > < == != and then a value"),
        (">=3.11,3.14", "found '3.14', expected one of >= <= > < == != and then a value"),
        (">=", "found '>=', expected one of >= <= > < == != and then a value"),
        (">chrome", "found '>chrome', expected a number, a size or a version after >"),
    ],
)
def test_what_is_no_expression_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_requirement(value)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        ({"browser": "firefox"}, "browser=firefox"),
        ({"browser": ["chrome", "firefox"]}, "browser=chrome|firefox"),
        ({"memory": "8GB"}, "memory>=8GB"),
        ({"memory": "==8GB"}, "memory==8GB"),
        ({"python": ">=3.11,<3.14", "os": "!=windows"}, "python>=3.11,<3.14 and os!=windows"),
        ({"gpu": True, "display": False}, "gpu and no display"),
        ({"gpu": [False, "amd"]}, "no gpu or gpu=amd"),
    ],
)
def test_requirements_are_told_in_words(requirements: dict[str, object], words: str) -> None:
    assert describe_requirements(requirements) == words  # type: ignore[arg-type]


def test_a_miss_says_what_was_wanted_and_what_there_is() -> None:
    misses = match({"browser": "safari", "os": "linux", "tpu": True}, NODE).misses
    assert misses == (Miss("browser", "browser=safari", "chrome|firefox"), Miss("tpu", "tpu", None))
    assert [str(miss) for miss in misses] == [
        "wants browser=safari, has browser=chrome|firefox",
        "wants tpu, has no tpu",
    ]


def test_the_nearest_node_misses_fewest() -> None:
    offers = {"node1": {"os": "linux"}, "node2": {"os": "linux", "browser": "chrome"}}
    expected = "no node fits browser=firefox: nearest is node2, which has browser=chrome"
    assert nearest_miss({"browser": "firefox"}, offers) == expected


def test_among_equals_the_nearest_node_is_closest_in_numbers() -> None:
    offers = {"small": {"memory": "2GB"}, "large": {"memory": "6GB"}, "none": {}}
    expected = "no node fits memory>=8GB and gpu: nearest is large, which has memory=6GB and no gpu"
    assert nearest_miss({"memory": ">=8GB", "gpu": True}, offers) == expected


def test_without_nodes_there_is_no_nearest() -> None:
    assert nearest_miss({"gpu": True}, {}) == "no node fits gpu: there are no nodes"


def test_equal_requirements_have_one_key_in_any_order() -> None:
    assert requirement_key({"a": 1, "b": "x"}) == requirement_key({"b": "x", "a": 1})


def test_values_that_python_takes_for_equal_have_keys_of_their_own() -> None:
    assert len({requirement_key({"a": value}) for value in (1, True, "1", 1.0, (1,), (True,))}) == 6


words = st.from_regex(r"[a-z][a-z0-9 _.-]{0,10}[a-z0-9]", fullmatch=True)
sizes = st.builds("{}{}".format, st.integers(0, 10_000), st.sampled_from(["kB", "MB", "GiB", "TB"]))
versions = st.builds("{}.{}".format, st.integers(0, 30), st.integers(0, 30))
orders = st.sampled_from([">=", "<=", ">", "<", "==", "!="])
comparisons = st.lists(st.builds("{}{}".format, orders, sizes | versions), min_size=1, max_size=3).map(",".join)
scalars = (
    words
    | sizes
    | versions
    | comparisons
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
requirements = scalars | st.lists(scalars, min_size=1, max_size=4)


@given(requirements)
def test_a_requirement_reads_back_as_it_is_written(value: object) -> None:
    requirement = parse_requirement(value)
    assert parse_requirement(requirement.value) == requirement


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_sizes_compare_as_their_bytes(wanted: int, offered: int) -> None:
    assert fits(f">={wanted}kB", f"{offered * 1000}B") == (offered >= wanted)
    assert fits(f"{wanted}kB", f"{offered}KB") == (offered >= wanted)
    assert fits(f"<{wanted}KiB", f"{offered}KiB") == (offered < wanted)


@given(st.integers(), st.integers())
def test_an_order_and_its_opposite_are_never_both_met(wanted: int, offered: int) -> None:
    assert fits(f">={wanted}", offered) != fits(f"<{wanted}", offered)


@given(st.one_of(words, sizes, versions), st.one_of(words, sizes, versions))
def test_a_value_is_equal_or_it_is_not(wanted: str, offered: str) -> None:
    assert fits(f"=={wanted}", offered) != fits(f"!={wanted}", offered)


@given(st.one_of(words, sizes, versions))
def test_every_value_meets_itself_without_case(value: str) -> None:
    assert fits(value.upper(), value)


@given(requirements)
def test_only_absence_is_met_by_a_node_without_the_capability(value: object) -> None:
    asks_absence = value is False or (isinstance(value, list) and any(one is False for one in value))
    assert match({"thing": value}, {}).fits == asks_absence  # type: ignore[dict-item]


def test_labels_of_a_command_line_are_capabilities() -> None:
    words = ["browser=chrome", "browser = firefox", "arm=true", "memory=16GB", "python=3.10", "cpus=8", "speed=1.5"]
    told = read_labels([*words, "note=a=b"])

    numbers = {"cpus": 8, "speed": 1.5}
    assert {
        "browser": ("chrome", "firefox"),
        "arm": True,
        "memory": "16GB",
        "python": "3.10",
        "note": "a=b",
    } | numbers == told
    assert match({"browser": "firefox", "arm": True, "memory": ">=8GB", "python": ">=3.9"}, told).fits


@pytest.mark.parametrize("text", ["chrome", "=chrome", "browser=", "memory=>=8GB"])
def test_what_is_no_label_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=f"found '{text}', expected "):
        read_labels([text])
