"""The JUnit files that a command leaves on its node."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pulseq.engine.junit_cases import find_cases
from pulseq.engine.work import CasesFound
from pulseq.models import AttemptResult, CommandBody, Reason, Status, TestCase

STARTED = time.time()
TWO_CASES = """<testsuite name="shop">
  <testcase classname="shop.Cart" name="total" time="0.25"/>
  <testcase classname="shop.Cart" name="refund" time="0.5">
    <failure message="4 is not 5">Cart.java:17</failure>
  </testcase>
</testsuite>"""


def java(cwd: Path, junit: str = "**/*.xml") -> TestCase:
    return TestCase("java", CommandBody(("./gradlew",), junit=junit), variant="jdk=21", cwd=str(cwd))


def find(cwd: Path, junit: str = "**/*.xml") -> CasesFound:
    result = AttemptResult("java", 2, "n1", Status.PASSED, "jdk=21", started_at=STARTED)
    return find_cases(java(cwd, junit), result)


def leave(directory: Path, text: str, name: str = "build/TEST-Cart.xml", written_at: float = STARTED + 1) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (written_at, written_at))


def test_each_case_has_a_result_of_the_attempt_that_left_it(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES)
    passed, failed = find(tmp_path).cases
    assert passed == AttemptResult(
        "java::shop.Cart::total",
        2,
        "n1",
        Status.PASSED,
        "jdk=21",
        started_at=STARTED,
        duration=0.25,
        metrics={"duration": 0.25, "response_time": 0.25},
    )
    assert (failed.test_id, failed.status, failed.reason, failed.error) == (
        "java::shop.Cart::refund",
        Status.FAILED,
        Reason.ASSERTION,
        "4 is not 5\nCart.java:17",
    )


@pytest.mark.parametrize(
    ("child", "status", "reason"),
    [
        ("<error message='boom'/>", Status.ERROR, Reason.EXCEPTION),
        ("<skipped/>", Status.SKIPPED, Reason.SKIP),
    ],
)
def test_a_case_says_why_it_did_not_pass(tmp_path: Path, child: str, status: Status, reason: Reason) -> None:
    leave(tmp_path, f"<testsuite><testcase classname='A' name='b'>{child}</testcase></testsuite>")
    (case,) = find(tmp_path).cases
    assert (case.status, case.reason) == (status, reason)


def test_a_file_of_an_earlier_run_is_not_this_attempts(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, written_at=STARTED - 60)
    found = find(tmp_path)
    assert (found.cases, found.trouble) == ((), "no file written by this attempt matches '**/*.xml'")


def test_old_files_beside_new_ones_are_left_out(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "old.xml", written_at=STARTED - 60)
    leave(tmp_path, "<testsuite><testcase classname='A' name='b'/></testsuite>", "new.xml")
    assert [case.test_id for case in find(tmp_path).cases] == ["java::A::b"]


def test_a_file_systems_rounded_time_is_new_enough(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, written_at=STARTED - 1)
    assert len(find(tmp_path).cases) == 2


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase")
    found = find(tmp_path)
    assert found.cases == ()
    assert str(tmp_path / "build/TEST-Cart.xml") in (found.trouble or "")


def test_a_file_without_cases_is_told(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite/>")
    found = find(tmp_path)
    assert (found.cases, found.trouble) == ((), "the JUnit files hold no test case")


def test_cases_with_one_name_are_counted_through_all_files(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "1.xml")
    leave(tmp_path, TWO_CASES, "2.xml")
    assert [case.test_id for case in find(tmp_path).cases] == [
        "java::shop.Cart::total",
        "java::shop.Cart::refund",
        "java::shop.Cart::total#2",
        "java::shop.Cart::refund#2",
    ]


def test_a_name_that_looks_counted_does_not_meet_one_that_is(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase name='b'/><testcase name='b#2'/><testcase name='b'/></testsuite>")
    ids = [case.test_id for case in find(tmp_path).cases]
    assert len(set(ids)) == 3


def test_a_glob_is_relative_to_where_the_test_runs(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "here/a.xml")
    leave(tmp_path, TWO_CASES, "elsewhere/a.xml")
    assert len(find(tmp_path, "here/*.xml").cases) == 2


def test_a_directory_with_glob_characters_in_its_name_is_only_a_name(tmp_path: Path) -> None:
    leave(tmp_path / "job[1]", TWO_CASES)
    assert len(find(tmp_path / "job[1]").cases) == 2


def test_a_case_without_a_class_is_named_after_its_test(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase name='b'/></testsuite>")
    assert [case.test_id for case in find(tmp_path).cases] == ["java::b"]


def test_a_case_without_a_name_is_not_its_test(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase/></testsuite>")
    assert [case.test_id for case in find(tmp_path).cases] == ["java::unnamed"]


def test_a_file_that_vanishes_is_no_ones(tmp_path: Path) -> None:
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere")
    assert find(tmp_path).trouble == "no file written by this attempt matches '**/*.xml'"
