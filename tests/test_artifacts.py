"""Names that any disk can have, of what tests leave behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.artifacts import Artifact, distinct, folder_of_test, safe_path, say_size, warn_of_missing

#: What a disk may have as a name, bytes that are no UTF-8 included.
names = st.binary(min_size=1, max_size=255).map(lambda raw: raw.replace(b"/", b"_").decode("utf-8", "surrogateescape"))
paths = st.lists(names | st.sampled_from(["..", ".", "a", "A", "shot.png"]), min_size=1, max_size=12)


@pytest.mark.parametrize("path", ["shot.png", "screens/page 2.png", ".hidden", "päge[1].tar.gz", "a-1.2.3"])
def test_a_name_that_is_safe_stays_as_it_is(path: str) -> None:
    assert path == safe_path(path.split("/"))


@pytest.mark.parametrize(
    ("parts", "start", "end"),
    [
        (["a\x1b[31m.png"], "a_[31m-", ".png"),
        (["..", "..", "etc"], "_-", "/etc"),
        (["a\nb\x00.txt"], "a_b_-", ".txt"),
        (["what?.log"], "what_-", ".log"),
        (["\udcff\udcfe.bin"], "__-", ".bin"),
        (["x" * 255 + ".tar.gz"], "xxxx", ".tar.gz"),
        (["a\u202egnp.exe"], "a_gnp-", ".exe"),
        (["dot."], "dot-", ""),
    ],
)
def test_a_hostile_name_is_made_safe(parts: list[str], start: str, end: str) -> None:
    safe = safe_path(parts)
    assert (True, True) == (safe.startswith(start), safe.endswith(end)), safe


@given(paths)
def test_a_safe_path_stays_below_is_bounded_and_is_safe_again(parts: list[str]) -> None:
    safe = safe_path(parts)
    told = safe.split("/")
    assert not {"", ".", ".."} & set(told)
    assert all(len(one.encode()) <= 120 and one.isprintable() for one in told)
    assert len(safe.encode()) <= 480
    assert not set('"*:<>?\\|') & set(safe)
    assert safe == safe_path(told)


@given(paths, paths)
def test_two_paths_never_become_one(one: list[str], other: list[str]) -> None:
    assert (one == other) == (safe_path(one) == safe_path(other))


@given(st.lists(st.sampled_from(["a", "A", "a/b", "a-2", "b.txt", "B.txt", "a/b/c"]), max_size=12))
def test_distinct_names_are_files_and_never_a_directory_of_another(told: list[str]) -> None:
    unique = distinct(told)
    known = {name.casefold() for name in unique}
    folders = {name[:place] for name in known for place, one in enumerate(name) if one == "/"}
    assert (len(told), set()) == (len(known), known & folders)


def test_distinct_leaves_a_name_that_nothing_else_has() -> None:
    assert ["a.txt", "b.txt", "a-2.txt", "a-3.txt"] == distinct(["a.txt", "b.txt", "a.txt", "a.txt"])


def test_the_folder_of_a_test_is_its_id_as_far_as_it_can_be() -> None:
    assert "checkout" == folder_of_test("checkout", "")
    assert "checkout [browser=firefox]" == folder_of_test("checkout", "browser=firefox")
    assert folder_of_test("tests/a.py::test_b", "").startswith("tests_a.py__test_b-")
    assert folder_of_test("a/b", "") != folder_of_test("a:b", "")


def test_what_is_missing_is_a_line_for_each_reason() -> None:
    files = [Artifact(name, 1, "f00d", "text/plain", trouble="lost") for name in "abcde"]
    assert (
        "artifacts that did not come home: a, b, c and 2 more (lost)",
        "artifacts that did not come home: x (full)",
    ) == warn_of_missing([*files, Artifact("x", 1, "f00d", "", trouble="full"), Artifact("y", 1, "", "", "here")])


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (12_345, "12.3 kB"), (999_700, "1 MB"), (2_000_000_000, "2 GB")],
)
def test_sizes_are_said_in_three_digits(size: int, said: str) -> None:
    assert said == say_size(size)
