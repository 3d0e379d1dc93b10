"""The dialects of JUnit that `docs/reference/junit.md` tells, each by a file that is written as its tool does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulseq.models import Status
from pulseq.node.junit_builder import JunitCase
from pulseq.node.read_junit import read_junit

DIALECTS = Path(__file__).parent / "junit_dialects"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "junit.md"
PASSED, FAILED, ERROR, SKIPPED = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED

Told = tuple[str, str, Status, float]
EXPECTED: dict[str, list[Told]] = {
    "surefire": [
        ("com.shop.CartTest", "adds", PASSED, 0.004),
        ("com.shop.CartTest", "importsAll", PASSED, 1250.0),
        ("com.shop.CartTest", "asksTheBank", PASSED, 0.25),
        ("com.shop.CartTest", "totals", FAILED, 0.01),
        ("com.shop.CartTest", "refunds", SKIPPED, 0.0),
        ("com.shop.StockTest", "", ERROR, 0.002),
    ],
    "gradle": [
        ("com.shop.CartTest", "adds()", PASSED, 0.017),
        ("com.shop.CartTest", "[1] 5", PASSED, 0.001),
        ("com.shop.CartTest", "asksTheBank()", PASSED, 0.001),
        ("com.shop.CartTest", "totals()", FAILED, 0.002),
        ("com.shop.CartTest", "refunds()", SKIPPED, 0.0),
    ],
    "jest": [
        ("cart adds", "cart adds", PASSED, 0.012),
        ("cart totals", "cart totals", FAILED, 0.002),
        ("cart refunds", "cart refunds", SKIPPED, 0.0),
        ("undefined", "[suite]", ERROR, 0.0),
        ("Test suite failed to run", "/shop/bank.test.js", ERROR, 0.0),
    ],
    "mocha": [
        ("cart", "adds", PASSED, 0.001),
        ("cart", "totals", FAILED, 0.002),
        ("cart", '"before each" hook for "refunds"', FAILED, 0.0),
        ("cart", "ships", SKIPPED, 0.0),
    ],
    "gotestsum": [
        ("shop/cart", "TestAdds", PASSED, 0.0),
        ("shop/cart", "TestBank", PASSED, 0.1),
        ("shop/cart", "TestTotals/of_two", FAILED, 0.0),
        ("shop/cart", "TestRefunds", SKIPPED, 0.0),
        ("", "TestMain", FAILED, 0.0),
    ],
    "ctest": [
        ("adds", "adds", PASSED, 0.0123),
        ("totals", "totals", FAILED, 1.5),
        ("ships", "ships", SKIPPED, 0.0),
        ("refunds", "refunds", SKIPPED, 0.01),
        ("pays", "pays", ERROR, 0.0),
    ],
    "googletest": [
        ("Cart", "Adds", PASSED, 0.001),
        ("Cart", "Totals", FAILED, 0.0),
        ("Cart", "DISABLED_Ships", SKIPPED, 0.0),
        ("Cart", "Refunds", SKIPPED, 0.0),
        ("Cart", "Pays/0", PASSED, 0.002),
        ("", "", FAILED, 0.0),
    ],
    "catch2": [
        ("cart.global", "adds", PASSED, 0.001),
        ("cart.global", "totals/of two", FAILED, 0.001),
        ("cart.global", "asks the bank", ERROR, 0.001),
        ("cart.global", "refunds", SKIPPED, 0.0),
        ("cart.global", "rounds", SKIPPED, 0.0),
    ],
    "nunit": [
        ("Shop.CartTests", 'Adds(2,"a")', PASSED, 0.0123),
        ("Shop.CartTests", "Totals", FAILED, 1.25),
        ("Shop.CartTests", "Refunds", SKIPPED, 0.0),
        ("Shop.CartTests", "Ships", SKIPPED, 7e-6),
    ],
    "xunit": [
        ("Shop.CartTests", "Shop.CartTests.Adds(a: 1, b: 2)", PASSED, 0.005),
        ("Shop.CartTests", "Shop.CartTests.Totals", FAILED, 62.5),
        ("Shop.CartTests", "Shop.CartTests.Refunds", SKIPPED, 0.0),
        ("Shop.StockTests", "Shop.StockTests.Counts", PASSED, 0.01),
        ("Shop.Stock.Tests.dll", "[suite]", ERROR, 0.0),
    ],
    "phpunit": [
        ("Shop.CartTest", "testAdds", PASSED, 6.2e-5),
        ("Shop.CartTest", "testTotals", FAILED, 0.001),
        ("Shop.CartTest", "testBank", ERROR, 0.002),
        ("Shop.CartTest", "testRefunds", SKIPPED, 0.0),
        ("Shop.CartTest", "testOld", PASSED, 0.001),
        ("Shop.CartTest", 'testPays with data set "cash"', PASSED, 0.003),
    ],
    "rspec": [
        ("spec.cart_spec", "Shop::Cart adds", PASSED, 0.000412),
        ("spec.cart_spec", "Shop::Cart totals", FAILED, 0.001),
        ("spec.cart_spec", "Shop::Cart refunds", SKIPPED, 0.0),
    ],
    "playwright": [
        ("cart.spec.ts", "[chromium] cart › adds", PASSED, 0.5),
        ("cart.spec.ts", "[chromium] cart › ships", SKIPPED, 0.0),
        ("cart.spec.ts", "[firefox] cart › adds", FAILED, 1.25),
        ("bank.spec.ts", "pays", PASSED, 0.2),
    ],
    "rspec-outside": [("rspec", "[suite]", ERROR, 0.0)],
    "robot": [
        ("Shop.Cart", "Adds", PASSED, 0.105),
        ("Shop.Cart", "Totals", FAILED, 1.004),
        ("Shop.Cart", "Refunds", SKIPPED, 0.0),
    ],
}


def cases(dialect: str) -> dict[str, JunitCase]:
    found = read_junit(DIALECTS / f"{dialect}.xml")
    assert found.trouble is None
    return {case.name: case for case in found.cases}


def read(directory: Path, text: str) -> list[JunitCase]:
    (directory / "junit.xml").write_text(text)
    found = read_junit(directory / "junit.xml")
    assert found.trouble is None
    return list(found.cases)


@pytest.mark.parametrize("dialect", EXPECTED)
def test_a_dialect_is_read_as_its_tool_means_it(dialect: str) -> None:
    found = read_junit(DIALECTS / f"{dialect}.xml")
    told = [(case.classname, case.name, case.status, pytest.approx(case.time)) for case in found.cases]
    assert (EXPECTED[dialect], None) == (told, found.trouble)


def test_every_dialect_has_a_file_and_its_place_in_the_documentation() -> None:
    told = {word.lower() for word in re.findall(r"^\| ([A-Za-z0-9]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {path.stem for path in DIALECTS.iterdir()} == set(EXPECTED)
    assert {dialect.partition("-")[0] for dialect in EXPECTED} <= told


def test_tries_before_a_pass_are_kept_in_their_order() -> None:
    tries = cases("surefire")["asksTheBank"].tries
    stack = "java.net.SocketTimeoutException: no answer\n\tat com.shop.Bank.ask(Bank.java:31)"
    told = [(one.status, one.message, one.text) for one in tries]
    assert [(FAILED, "no answer", stack), (ERROR, "refused", "java.io.IOException: refused")] == told


def test_what_failed_in_every_try_has_the_verdict_of_its_failure() -> None:
    case = cases("surefire")["totals"]
    assert ("expected: <5> but was: <4>", "at CartTest.java:17") == (case.message, case.text)
    assert ["expected: <5> but was: <3>"] == [one.message for one in case.tries]


def test_text_of_a_try_without_a_stack_trace_is_its_own(tmp_path: Path) -> None:
    flaky = "<flakyFailure message='m'>at A<system-out>o</system-out></flakyFailure>"
    (case,) = read(tmp_path, f"<testsuite><testcase name='a'>{flaky}</testcase></testsuite>")
    assert ["at A"] == [one.text for one in case.tries]


def test_a_go_test_that_ran_twice_is_one_test(tmp_path: Path) -> None:
    bank = cases("gotestsum")["TestBank"]
    assert [(FAILED, "Failed", 0.2)] == [(one.status, one.message, one.time) for one in bank.tries]


def test_what_a_package_of_go_says_has_the_name_of_the_package_beside_it() -> None:
    assert "shop/stock" == cases("gotestsum")["TestMain"].suite


def test_all_failures_of_a_case_are_told() -> None:
    case = cases("googletest")["Totals"]
    assert (case.message.partition("\n")[0], case.text) == ("cart.cc:10", "cart.cc:10 4 5, cart.cc:11 false")


def test_a_failure_that_catch2_takes_for_none_is_told_and_does_not_count() -> None:
    case = cases("catch2")["rounds"]
    assert (SKIPPED, True) == (case.status, "CHECK( 1 == 2 )" in case.text)


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("name='a' classname='a' status='notrun'><skipped message='Fixture dependency failed'/", ERROR),
        ("name='a' classname='a' status='notrun'><skipped message='SKIP_REGULAR_EXPRESSION_MATCHED'/", SKIPPED),
        ("name='a' classname='a' status='notrun'><skipped message='Disabled'/", SKIPPED),
        ("name='a' classname='a' status='notrun'><skipped/", SKIPPED),
        ("name='a' classname='B' status='notrun'><skipped message='not here'/", SKIPPED),
        ("name='a' classname='a'><skipped message='not here'/", SKIPPED),
    ],
)
def test_what_ctest_could_not_run_is_an_error_and_no_other_skip_is(tmp_path: Path, case: str, status: Status) -> None:
    assert [status] == [one.status for one in read(tmp_path, f"<testsuite><testcase {case}></testcase></testsuite>")]


def test_what_phpunit_warns_of_is_no_failure() -> None:
    assert ("PHPUnit\\Framework\\Warning\nassertOld() is deprecated",) == cases("phpunit")["testOld"].warnings


@pytest.mark.parametrize(
    ("suite", "told"),
    [
        ("<testsuite name='S'><error message='m'>t</error></testsuite>", [("S", "[suite]", ERROR, "m", "t")]),
        (
            "<testsuite name='S'><testcase name='a'/><failure type='T'/></testsuite>",
            [("S", "a", PASSED, "", ""), ("S", "[suite]", FAILED, "T", "")],
        ),
        ("<testsuite name='S'><skipped message='m'/></testsuite>", [("S", "[suite]", SKIPPED, "m", "")]),
        ("<testsuite name='S'><skipped/><testcase name='a'/></testsuite>", [("S", "a", PASSED, "", "")]),
        (
            "<testsuite name='S' tests='1' errors='1'><testcase name='a'/></testsuite>",
            [
                ("S", "a", PASSED, "", ""),
                ("S", "[suite]", ERROR, "the suite says errors=1, and none of its cases says which", ""),
            ],
        ),
        (
            "<testsuites failures='2'><testsuite name='S' failures='2'/></testsuites>",
            [("S", "[suite]", FAILED, "the suite says failures=2, and none of its cases says which", "")],
        ),
        (
            "<testsuite name='S' tests='3' skipped='3'/>",
            [("S", "[suite]", SKIPPED, "the suite says skipped=3, and has no case", "")],
        ),
        (
            "<testsuite name='S' failures='1'><testcase name='a'><flakyFailure/></testcase></testsuite>",
            [("S", "a", PASSED, "", "")],
        ),
        (
            "<testsuite name='S' failures='7'><testcase name='a'><error/></testcase></testsuite>",
            [("S", "a", ERROR, "", "")],
        ),
        ("<testsuite name='S' errors='many' skipped='' failures='-1'/>", []),
        ("<testsuite name='S' errors='99999999999999999999'/>", []),
    ],
)
def test_what_a_suite_says_as_a_whole_is_told_where_no_case_says_it(
    tmp_path: Path, suite: str, told: list[tuple[str, str, Status, str, str]]
) -> None:
    assert told == [(one.classname, one.name, one.status, one.message, one.text) for one in read(tmp_path, suite)]


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ("status='failed'", FAILED),
        ("status='fail'", FAILED),
        ("result='Error'", ERROR),
        ("status='run' result='suppressed'", SKIPPED),
        ("status='Ignored'", SKIPPED),
        ("status='notrun' result='failed'", FAILED),
        ("status='whatever'", PASSED),
    ],
)
def test_a_case_without_an_element_is_what_it_says_of_itself(tmp_path: Path, attributes: str, status: Status) -> None:
    (case,) = read(tmp_path, f"<testsuite><testcase name='a' {attributes}/></testsuite>")
    assert status is case.status


def test_an_element_says_more_than_an_attribute(tmp_path: Path) -> None:
    (case,) = read(tmp_path, "<testsuite><testcase name='a' status='failed'><skipped/></testcase></testsuite>")
    assert SKIPPED is case.status


@pytest.mark.parametrize(
    "inside",
    [
        "<testcase name='b'><failure/></testcase>",
        "<testsuite name='T'><testcase name='b'/></testsuite>",
        "<system-out><testcase name='b'><failure/></testcase></system-out>",
        "<properties><failure/></properties>",
    ],
)
def test_what_stands_where_no_tool_puts_it_is_no_test_and_no_verdict(tmp_path: Path, inside: str) -> None:
    found = read(tmp_path, f"<testsuite><testcase name='a'>{inside}</testcase><testcase name='c'/></testsuite>")
    assert [("a", PASSED), ("c", PASSED)] == [(case.name, case.status) for case in found]
