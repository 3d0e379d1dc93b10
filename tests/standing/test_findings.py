"""What is said of a machine, rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.orchestration.api_address import without_secrets
from pulseq.standing.findings import (
    Finding,
    Grade,
    Need,
    judge_clock,
    judge_disk,
    judge_files,
    judge_libraries,
    judge_memory,
    judge_ports,
    judge_processes,
    judge_processors,
    judge_proxy,
    judge_python,
    judge_temporary,
    worst,
)

OK, ATTENTION, BAD = Grade
NEED = Need(nodes=2, slots=4)
GB = 10**9
SECRET = st.text("abcxyz0189-_.~", min_size=6, max_size=20).map(lambda text: f"hush{text}")


@pytest.mark.parametrize(
    ("finding", "grade"),
    [
        (judge_python((3, 12, 1), "linux", "x"), OK),
        (judge_python((3, 14, 0), "linux", "x"), ATTENTION),
        (judge_python((3, 12, 1), "darwin", "x"), BAD),
        (judge_memory(8 * GB, 4 * GB, NEED), OK),
        (judge_memory(8 * GB, NEED.memory_bytes, NEED), ATTENTION),
        (judge_memory(8 * GB, NEED.memory_bytes - 1, NEED), BAD),
        (judge_processors(4, 4, 8.0), OK),
        (judge_processors(4, 4, 8.1), ATTENTION),
        (judge_disk("disk", "/x", 5 * GB, "ext4"), OK),
        (judge_disk("disk", "/x", 5 * GB, ""), OK),
        (judge_disk("disk", "/x", 5 * GB, "nfs4"), ATTENTION),
        (judge_disk("disk", "/x", GB // 2, "ext4"), ATTENTION),
        (judge_disk("disk", "/x", GB // 20, "nfs4"), BAD),
        (judge_disk("disk", "/x", 5 * GB, "ext4", "cannot be written: Read-only file system"), BAD),
        (judge_files(1024, 4096, 500), OK),
        (judge_files(None, None, 500), OK),
        (judge_files(256, 4096, 500), ATTENTION),
        (judge_files(256, 499, 500), BAD),
        (judge_processes(None, 10**6, NEED), OK),
        (judge_processes(100, 100 - NEED.processes, NEED), OK),
        (judge_processes(100, 101 - NEED.processes, NEED), BAD),
        (judge_clock("now", 1.9, -100.0), OK),
        (judge_clock("now", -3.0, 0.0), ATTENTION),
        (judge_clock("now", 3.0, 0.0), ATTENTION),
        (judge_clock("now", 0.0, 60.0), ATTENTION),
        (judge_ports(1, 2), OK),
        (judge_ports(1, 2, "none can be used: refused"), BAD),
        (judge_proxy([]), OK),
        (judge_proxy(["HTTP_PROXY"]), OK),
    ],
)
def test_a_rule_has_its_bounds_and_says_what_to_do_beyond_them(finding: Finding, grade: Grade) -> None:
    assert finding.grade is grade
    assert bool(finding.advice) == (grade is not OK)


def test_libraries_are_held_against_what_the_package_asks_for() -> None:
    wanted = ["one>=2,<3", "two", "three>=1; python_version < '3'", "four; extra == 'dev'", "no requirement !"]

    fine = judge_libraries(wanted, {"one": "2.1", "two": "0.1"})
    wrong = judge_libraries(wanted, {"one": "3.0"})

    assert (fine.grade, fine.found) == (OK, "one 2.1, two 0.1")
    assert (wrong.grade, wrong.found) == (BAD, "one 3.0, two missing")
    assert wrong.advice.startswith("expected one<3,>=2, two:")


def test_a_long_temporary_directory_is_told_where_nothing_worse_is() -> None:
    fine = judge_disk("temporary", "/x", 5 * GB, "ext4")
    full = judge_disk("temporary", "/x", 0, "ext4")

    assert judge_temporary(fine, "/tmp") == fine
    assert judge_temporary(fine, "/" + "é" * 25).grade is ATTENTION
    assert judge_temporary(full, "/" + "x" * 90) == full


@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 600), st.integers(0, 600))
def test_more_nodes_and_slots_never_need_less(nodes: int, slots: int, more_nodes: int, more_slots: int) -> None:
    little, much = Need(nodes, slots), Need(nodes + more_nodes, slots + more_slots)

    assert little.memory_bytes <= much.memory_bytes
    assert little.processes <= much.processes


@given(st.lists(st.sampled_from(Grade)))
def test_the_worst_is_what_counts(grades: list[Grade]) -> None:
    findings = [Finding("x", grade, "") for grade in grades]

    assert worst(findings) is (BAD if BAD in grades else ATTENTION if ATTENTION in grades else OK)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://me:pass@host.example/api?key=1#x", "https://host.example/api"),
        ("http://[::1]:4200/api", "http://[::1]:4200/api"),
        ("http://host:port/api", "an address that is none"),
        ("me:pass@host", "an address that is none"),
        ("", "an address that is none"),
        ("http://[", "an address that is none"),
    ],
)
def test_an_address_is_shown_without_who_asks(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


@given(SECRET, SECRET, SECRET, SECRET)
def test_no_secret_of_an_address_is_shown(user: str, password: str, query: str, fragment: str) -> None:
    shown = without_secrets(f"https://{user}:{password}@example.org:443/api?token={query}#{fragment}")

    assert shown == "https://example.org:443/api"
