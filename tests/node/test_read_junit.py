"""Reading JUnit files of other tools, and refusing what is none."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import Status
from pulseq.node.junit_builder import JunitCase, JunitTry
from pulseq.node.read_junit import JunitFile, read_junit

SHOP = "com.shop.CartTest"
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
    return list(read_junit(path).cases)


def test_a_gradle_file_has_a_case_for_each_test(tmp_path: Path) -> None:
    said = "AssertionFailedError\n  at CartTest.totals(CartTest.java:17)"
    expected = [
        JunitCase(SHOP, "adds()", 0.017, Status.PASSED, suite=SHOP),
        JunitCase(SHOP, "totals()", 0.002, Status.FAILED, "expected: <5> but was: <4>", said, suite=SHOP),
        JunitCase(SHOP, "empties()", 0.0, Status.SKIPPED, suite=SHOP),
    ]
    assert expected == read(tmp_path, GRADLE)


def test_nested_suites_are_read_and_name_the_cases_that_have_no_class(tmp_path: Path) -> None:
    expected = [
        JunitCase("cart adds", "cart adds", 0.1, Status.PASSED, suite="cart"),
        JunitCase("outer", "bare", 0.0, Status.ERROR, "TypeError", "boom", "said", "outer"),
    ]
    assert expected == read(tmp_path, JEST)


def test_what_surefire_ran_again_is_judged_by_its_end(tmp_path: Path) -> None:
    expected = [
        JunitCase("C", "flaky", 1234.5, Status.PASSED, suite="s", tries=(JunitTry(Status.FAILED, "m", "t"),)),
        JunitCase(
            "C",
            "never",
            0.1,
            Status.FAILED,
            "first",
            "one",
            suite="s",
            tries=(JunitTry(Status.FAILED, "again", "two"),),
        ),
    ]
    assert expected == read(tmp_path, SUREFIRE)


def test_a_case_that_was_not_run_is_skipped(tmp_path: Path) -> None:
    assert [JunitCase("S", "off", 0.0, Status.SKIPPED, suite="S")] == read(tmp_path, GOOGLETEST)


def test_an_error_weighs_more_than_a_failure(tmp_path: Path) -> None:
    text = "<testsuite><testcase name='a'><failure/><error/><skipped/></testcase></testsuite>"
    assert [case.status for case in read(tmp_path, text)] == [Status.ERROR]


def test_elements_within_a_failure_are_part_of_its_text(tmp_path: Path) -> None:
    text = "<testsuite><testcase><failure>a<b>c</b>d</failure></testcase></testsuite>"
    assert [case.text for case in read(tmp_path, text)] == ["acd"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        (" ", "not readable as XML"),
        ("<testsuite><testcase>", "not readable as XML"),
        ("<html/>", "its root is 'html'"),
        ("<!DOCTYPE testsuite [<!ENTITY a 'b'>]><testsuite/>", "document type"),
        ("<!DOCTYPE testsuite SYSTEM 'file:///etc/passwd'><testsuite/>", "document type"),
        ("<testsuite>&a;</testsuite>", "not readable as XML"),
        ("<?xml version='1.0' encoding='no-such'?><testsuite/>", "its encoding is 'no-such'"),
        ("\0" * 100, "not readable as XML"),
    ],
)
def test_what_is_no_junit_file_is_told_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "junit.xml").write_text(text)
    trouble = read_junit(tmp_path / "junit.xml", shown="out/junit.xml").trouble or ""
    assert re.fullmatch(rf"out/junit\.xml: .*{said}.* is expected.*", trouble, re.DOTALL), trouble


TORN = "<testsuite name='S' tests='3'><testcase name='a'/><testcase name='b'><failure message='no'/></testcase>"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("", "no element found"),
        ("<testcase name='c'><system-out>half", "within the case 'S::c'"),
        ("<testcase name='c'><system-out>&#27", "within the case 'S::c'"),
        ("</testsuit>", "mismatched tag"),
        ("</testsuite></testsuite>", "not well-formed"),
        ("</testsuite>trailing", "junk after document element"),
    ],
)
def test_a_torn_file_has_the_cases_before_the_tear(tmp_path: Path, rest: str, why: str) -> None:
    (tmp_path / "junit.xml").write_text(TORN + rest)
    found = read_junit(tmp_path / "junit.xml")
    assert [("a", Status.PASSED), ("b", Status.FAILED)] == [(case.name, case.status) for case in found.cases]
    assert why in (found.trouble or "")
    assert (found.trouble or "").endswith("What could be read of it counts: 2 cases")


@given(st.integers(0, len(SUREFIRE)))
def test_a_file_that_is_cut_anywhere_has_no_case_that_it_did_not_end(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.xml"
    path.write_text(SUREFIRE[:cut])
    found = read_junit(path)
    assert found.cases == read_junit_whole(tmp_path_factory).cases[: SUREFIRE[:cut].count("</testcase>")]
    assert (found.trouble is None) == (cut == len(SUREFIRE))


def read_junit_whole(tmp_path_factory: pytest.TempPathFactory) -> JunitFile:
    path = tmp_path_factory.getbasetemp() / "whole.xml"
    path.write_text(SUREFIRE)
    return read_junit(path)


def test_a_file_with_a_forbidden_character_has_all_its_cases(tmp_path: Path) -> None:
    (tmp_path / "esc.xml").write_text(
        "<testsuite><testcase name='a'><failure message='\x1b[31mred'/></testcase><testcase name='b'/></testsuite>"
    )
    found = read_junit(tmp_path / "esc.xml", shown="esc.xml")
    assert [("a", "\ufffd[31mred"), ("b", "")] == [(case.name, case.message) for case in found.cases]
    assert found.trouble == (
        "esc.xml: has the character U+001B in line 1, which XML does not allow; "
        "well-formed XML is expected, so have the tool leave it out. What could be read of it counts: 2 cases"
    )


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    assert "gone.xml: No such file or directory; a JUnit file is expected" in (
        read_junit(tmp_path / "gone.xml").trouble or ""
    )


def test_a_file_over_the_limit_is_told(tmp_path: Path) -> None:
    (tmp_path / "big.xml").write_text(GRADLE)
    assert "big.xml: larger than 100 bytes" in (read_junit(tmp_path / "big.xml", max_bytes=100).trouble or "")


def test_a_pipe_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    assert "pipe.xml: not a regular file" in (read_junit(tmp_path / "pipe.xml").trouble or "")


@given(st.binary())
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junit.xml"
    path.write_bytes(data)
    assert read_junit(path).trouble


def test_the_message_is_that_of_the_worst_verdict(tmp_path: Path) -> None:
    text = '<testsuite><testcase name="t"><skipped message="s"/><failure message="f"/></testcase></testsuite>'
    assert [(case.status, case.message) for case in read(tmp_path, text)] == [(Status.FAILED, "f")]
