"""The JUnit files that a command leaves on its node."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from pulseq.bounds import MOST_ERROR_CHARACTERS
from pulseq.execution.runtime.blotting import Blotter
from pulseq.execution.runtime.found_files import Mark
from pulseq.models import AttemptResult, CommandBody, Reason, SimulateBody, Status, TestCase
from pulseq.node.junit_cases import find_cases, leaves_cases, note_files
from pulseq.protocol.from_node import CasesFound

STARTED = time.time()
TWO_CASES = """<testsuite name="shop">
  <testcase classname="shop.Cart" name="total" time="0.25"/>
  <testcase classname="shop.Cart" name="refund" time="0.5">
    <failure message="4 is not 5">Cart.java:17</failure>
  </testcase>
</testsuite>"""
ONE_CASE = "<testsuite><testcase classname='A' name='b'/></testsuite>"


def java(cwd: Path, junit: str = "**/*.xml") -> TestCase:
    return TestCase("java", CommandBody(("./gradlew",), junit=junit), variant="jdk=21", cwd=str(cwd))


def find(cwd: Path, junit: str = "**/*.xml", before: frozenset[Mark] = frozenset()) -> CasesFound:
    result = AttemptResult("java", 2, "n1", Status.PASSED, "jdk=21", started_at=STARTED)
    return find_cases(java(cwd, junit), result, before)


def leave(directory: Path, text: str, name: str = "build/TEST-Cart.xml") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def ids(found: CasesFound) -> list[str]:
    return [case.test_id for case in found.cases]


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
    assert (None, "4 is not 5") == (passed.short, failed.short)


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


def test_only_a_command_with_a_glob_leaves_cases(tmp_path: Path) -> None:
    tests = [java(tmp_path), TestCase("true", CommandBody(("true",))), TestCase("load", SimulateBody())]
    assert [True, False, False] == [leaves_cases(test) for test in tests]


def test_a_file_of_before_the_attempt_is_not_this_attempts_however_new_it_is(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES)
    found = find(tmp_path, before=note_files(java(tmp_path)))
    assert (found.cases, found.trouble) == (
        (),
        "no file written by this attempt matches '**/*.xml'; 1 file of before it does: have the tool write it again",
    )


@pytest.mark.parametrize("junit", ["build", "build/"])
def test_a_directory_in_the_place_of_a_glob_is_told_with_what_has_its_files(tmp_path: Path, junit: str) -> None:
    leave(tmp_path, TWO_CASES)
    said = (
        f"no file written by this attempt matches '{junit}', which is a directory: 'build/**/*.xml' has the files in it"
    )
    assert ((), said) == ((found := find(tmp_path, junit)).cases, found.trouble)


def test_a_file_that_was_only_moved_is_not_this_attempts(tmp_path: Path) -> None:
    path = leave(tmp_path, TWO_CASES)
    leave(tmp_path, TWO_CASES, "build/TEST-Bank.xml")
    before = note_files(java(tmp_path))
    path.rename(tmp_path / "build" / "old.xml")
    assert (find(tmp_path, before=before).trouble or "").endswith(
        "2 files of before it do: have the tool write them again"
    )


def test_a_file_is_this_attempts_however_old_it_says_it_is(tmp_path: Path) -> None:
    before = note_files(java(tmp_path))
    path = leave(tmp_path, ONE_CASE)
    os.utime(path, (STARTED - 3600, STARTED - 3600))
    assert ["java::A::b"] == ids(find(tmp_path, before=before))


def test_a_file_that_is_written_again_is_this_attempts(tmp_path: Path) -> None:
    path = leave(tmp_path, ONE_CASE)
    os.utime(path, (STARTED - 3600, STARTED - 3600))
    before = note_files(java(tmp_path))
    path.write_text(ONE_CASE)
    assert ["java::A::b"] == ids(find(tmp_path, before=before))


def test_old_files_beside_new_ones_are_left_out(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "old.xml")
    before = note_files(java(tmp_path))
    leave(tmp_path, ONE_CASE, "new.xml")
    assert ["java::A::b"] == ids(find(tmp_path, before=before))


def test_a_broken_file_is_a_result_of_its_own_beside_the_cases_of_others(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "build/a.xml")
    leave(tmp_path, "<testsuite><testcase name='x'/><testcase", "build/b.xml")
    leave(tmp_path, "<failsafe-summary result='255'/>", "build/c.xml")
    leave(tmp_path, ONE_CASE, "build/d.xml")
    found = find(tmp_path)
    assert ["java::shop.Cart::total", "java::shop.Cart::refund", "java::x", "java::A::b"] == ids(found)
    assert [
        ("java::[build/b.xml]", Status.ERROR, Reason.SETUP),
        ("java::[build/c.xml]", Status.ERROR, Reason.SETUP),
    ] == [(bad.test_id, bad.status, bad.reason) for bad in found.bad_files]
    assert (found.bad_files[1].error or "").startswith("build/c.xml: its root is 'failsafe-summary'")
    assert found.trouble is None


def test_a_broken_file_elsewhere_has_its_whole_path(tmp_path: Path) -> None:
    path = leave(tmp_path / "elsewhere", "")
    (tmp_path / "here").mkdir()
    assert [f"java::[{path}]"] == [bad.test_id for bad in find(tmp_path / "here", f"{path.parent}/*.xml").bad_files]


def test_a_files_name_that_is_no_text_can_be_written(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.xml")).write_text("")
    assert ["java::[\\xff.xml]"] == [bad.test_id for bad in find(tmp_path).bad_files]


def test_files_and_suites_without_trouble_are_told(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "a.xml")
    leave(tmp_path, "<testsuite name='S'><error/><testcase classname='T' name='x'/></testsuite>", "b.xml")
    leave(tmp_path, "", "c.xml")
    assert {
        "java::[a.xml]",
        "java::shop.Cart::[suite]",
        "java::shop::[suite]",
        "java::[b.xml]",
        "java::T::[suite]",
    } == set(find(tmp_path).sound)


def test_a_file_without_cases_is_told(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite/>")
    found = find(tmp_path)
    assert (found.cases, found.trouble) == ((), "the JUnit files hold no test case")


def test_tries_that_the_tool_made_are_results_of_the_same_test(tmp_path: Path) -> None:
    flaky = "<flakyFailure message='no answer'><stackTrace>at Bank</stackTrace></flakyFailure>"
    leave(tmp_path, f"<testsuite><testcase classname='A' name='b' time='2'>{flaky}</testcase></testsuite>")
    assert [
        ("java::A::b", Status.FAILED, Reason.ASSERTION, "no answer\nat Bank"),
        ("java::A::b", Status.PASSED, None, None),
    ] == [(case.test_id, case.status, case.reason, case.error) for case in find(tmp_path).cases]


def test_cases_with_one_name_are_counted_through_all_files(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "1.xml")
    leave(tmp_path, TWO_CASES, "2.xml")
    assert ids(find(tmp_path)) == [
        "java::shop.Cart::total",
        "java::shop.Cart::refund",
        "java::shop.Cart::total#2",
        "java::shop.Cart::refund#2",
    ]


def test_a_name_that_looks_counted_does_not_meet_one_that_is(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase name='b'/><testcase name='b#2'/><testcase name='b'/></testsuite>")
    assert len(set(ids(find(tmp_path)))) == 3


def test_a_link_that_leads_round_multiplies_no_case(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES)
    (tmp_path / "build" / "again").symlink_to(tmp_path)
    shutil.copy(tmp_path / "build" / "TEST-Cart.xml", tmp_path / "copy.txt")
    assert ["java::shop.Cart::total", "java::shop.Cart::refund"] == ids(find(tmp_path))


def test_a_glob_is_relative_to_where_the_test_runs(tmp_path: Path) -> None:
    leave(tmp_path, TWO_CASES, "here/a.xml")
    leave(tmp_path, TWO_CASES, "elsewhere/a.xml")
    assert len(find(tmp_path, "here/*.xml").cases) == 2


def test_a_directory_with_glob_characters_in_its_name_is_only_a_name(tmp_path: Path) -> None:
    leave(tmp_path / "job[1]", TWO_CASES)
    assert len(find(tmp_path / "job[1]").cases) == 2


def test_a_case_without_a_class_is_named_after_its_test(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase name='b'/></testsuite>")
    assert ids(find(tmp_path)) == ["java::b"]


def test_a_case_without_a_name_is_not_its_test(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase/></testsuite>")
    assert ids(find(tmp_path)) == ["java::unnamed"]


@pytest.mark.parametrize(
    ("case", "test_id"),
    [
        ("<testcase name='' classname='C'><error/></testcase>", "java::C::[suite]"),
        ("<testcase name='' classname=''><failure/></testcase>", "java::S::[suite]"),
        ("<testcase name='' classname='C'/>", "java::C::unnamed"),
        ("<testcase name='TestMain' classname=''/>", "java::S::TestMain"),
    ],
)
def test_what_has_no_class_or_name_has_its_suites(tmp_path: Path, case: str, test_id: str) -> None:
    leave(tmp_path, f"<testsuite name='S'>{case}</testsuite>")
    assert ids(find(tmp_path)) == [test_id]


def test_a_name_with_colons_is_told_apart_from_its_class(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase name='Shop::Cart adds' classname='spec'/><testcase name='b'/></testsuite>")
    assert {"java::spec::Shop::Cart adds": "Shop::Cart adds"} == find(tmp_path).names


def test_what_a_tool_warns_of_is_a_warning(tmp_path: Path) -> None:
    leave(tmp_path, "<testsuite><testcase name='b'><warning>old</warning></testcase></testsuite>")
    assert [("old",)] == [case.warnings for case in find(tmp_path).cases]


def test_ids_and_texts_have_no_secrets_also_where_they_are_cut(tmp_path: Path) -> None:
    text = "x" * (MOST_ERROR_CHARACTERS // 2 - 40) + "hunter2" + "x" * MOST_ERROR_CHARACTERS
    case = f"<testcase classname='A hunter2' name='b hunter2'><failure message='hunter2'>{text}</failure></testcase>"
    leave(tmp_path, f"<testsuite name='S hunter2'>{case}{case}</testsuite>", "hunter2.xml")
    leave(tmp_path, "<none", "hunter2/bad.xml")
    passed = AttemptResult("java", 1, "n1", Status.PASSED)

    found = find_cases(java(tmp_path), passed, frozenset(), Blotter(["hunter2"]))

    assert [result.test_id for result in found.cases] == ["java::A ***::b ***", "java::A ***::b ***#2"]
    assert [result.test_id for result in found.bad_files] == ["java::[***/bad.xml]"]
    assert "hunt" not in str(found)


def test_a_file_that_vanishes_is_no_ones(tmp_path: Path) -> None:
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere")
    assert find(tmp_path).trouble == "no file written by this attempt matches '**/*.xml'"
