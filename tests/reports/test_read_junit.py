"""Reading JUnit files of other tools, and refusing what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import Status
from pulseq.reports.read_junit import JunitCase, JunitFileError, read_junit

GRADLE = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="com.shop.CartTest" tests="3" skipped="1" failures="1" errors="0" timestamp="2026-05-28T10:00:00">
  <properties/>
  <testcase name="adds()" classname="com.shop.CartTest" time="0.017"/>
  <testcase name="totals()" classname="com.shop.CartTest" time="0.002">
    <failure message="expected: &lt;5&gt; but was: &lt;4&gt;" type="AssertionFailedError">AssertionFailedError
  at CartTest.totals(CartTest.java:17)</failure>
  </testcase>
  <testcase name="empties()" classname="com.shop.CartTest" time="0.0"><skipped/></testcase>
  <system-out><![CDATA[of the suite]]></system-out>
</testsuite>"""
JEST = """<testsuites name="jest tests" tests="2">
  <testsuite name="outer"><testsuite name="cart">
    <testcase classname="cart adds" name="cart adds" time="0.1"/>
  </testsuite>
  <testcase name="bare"><error type="TypeError">boom</error><system-out>said</system-out></testcase></testsuite>
</testsuites>"""
SUREFIRE = """<testsuite name="s" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <testcase name="flaky" classname="C" time="1,234.5">
    <flakyFailure message="m"><stackTrace>t</stackTrace></flakyFailure></testcase>
  <testcase name="never" classname="C" time="0.1"><failure message="first">one</failure>
    <rerunFailure message="again"><stackTrace>two</stackTrace></rerunFailure></testcase>
</testsuite>"""
GOOGLETEST = """<testsuites><testsuite name="S">
  <testcase name="off" status="notrun" time="0." classname="S"/></testsuite></testsuites>"""


def read(directory: Path, text: str | bytes) -> list[JunitCase]:
    path = directory / "junit.xml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_junit([path])


def test_a_gradle_file_has_a_case_for_each_test(tmp_path: Path) -> None:
    said = "AssertionFailedError\n  at CartTest.totals(CartTest.java:17)"
    expected = [
        JunitCase("com.shop.CartTest", "adds()", 0.017, Status.PASSED),
        JunitCase("com.shop.CartTest", "totals()", 0.002, Status.FAILED, "expected: <5> but was: <4>", said),
        JunitCase("com.shop.CartTest", "empties()", 0.0, Status.SKIPPED),
    ]
    assert expected == read(tmp_path, GRADLE)


def test_nested_suites_are_read_and_name_the_cases_that_have_no_class(tmp_path: Path) -> None:
    expected = [
        JunitCase("cart adds", "cart adds", 0.1, Status.PASSED),
        JunitCase("outer", "bare", 0.0, Status.ERROR, "TypeError", "boom", "said"),
    ]
    assert expected == read(tmp_path, JEST)


def test_what_surefire_ran_again_is_judged_by_its_end(tmp_path: Path) -> None:
    expected = [
        JunitCase("C", "flaky", 1234.5, Status.PASSED),
        JunitCase("C", "never", 0.1, Status.FAILED, "first", "one"),
    ]
    assert expected == read(tmp_path, SUREFIRE)


def test_a_case_that_was_not_run_is_skipped(tmp_path: Path) -> None:
    assert [JunitCase("S", "off", 0.0, Status.SKIPPED)] == read(tmp_path, GOOGLETEST)


def test_an_error_weighs_more_than_a_failure(tmp_path: Path) -> None:
    text = "<testsuite><testcase name='a'><failure/><error/><skipped/></testcase></testsuite>"
    assert [case.status for case in read(tmp_path, text)] == [Status.ERROR]


@pytest.mark.parametrize("time", ["", "soon", "nan", "-1", "1e999"])
def test_a_time_that_is_none_is_zero(tmp_path: Path, time: str) -> None:
    assert [case.time for case in read(tmp_path, f"<testsuite><testcase time='{time}'/></testsuite>")] == [0.0]


def test_elements_within_a_failure_are_part_of_its_text(tmp_path: Path) -> None:
    text = "<testsuite><testcase><failure>a<b>c</b>d</failure></testcase></testsuite>"
    assert [case.text for case in read(tmp_path, text)] == ["acd"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not readable as XML"),
        ("<testsuite><testcase>", "not readable as XML"),
        ("<html/>", "its root is 'html'"),
        ("<!DOCTYPE testsuite [<!ENTITY a 'b'>]><testsuite/>", "document type"),
        ("<!DOCTYPE testsuite SYSTEM 'file:///etc/passwd'><testsuite/>", "document type"),
        ("<testsuite>&a;</testsuite>", "not readable as XML"),
        ("<?xml version='1.0' encoding='no-such'?><testsuite/>", "not readable as XML"),
    ],
)
def test_what_is_no_junit_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(JunitFileError, match=f"junit.xml: .*{said}"):
        read(tmp_path, text)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(JunitFileError, match=r"gone\.xml: No such file"):
        read_junit([tmp_path / "gone.xml"])


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.xml").write_text(GRADLE)
    with pytest.raises(JunitFileError, match=r"big\.xml: larger than 100 bytes"):
        read_junit([tmp_path / "big.xml"], max_bytes=100)


def test_a_pipe_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    with pytest.raises(JunitFileError, match=r"pipe\.xml: not a regular file"):
        read_junit([tmp_path / "pipe.xml"])


@given(st.binary())
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    with pytest.raises(JunitFileError):
        read(tmp_path_factory.getbasetemp(), data)


def test_the_message_is_that_of_the_worst_verdict(tmp_path: Path) -> None:
    text = '<testsuite><testcase name="t"><skipped message="s"/><failure message="f"/></testcase></testsuite>'
    assert [(case.status, case.message) for case in read(tmp_path, text)] == [(Status.FAILED, "f")]
