"""The HTML page as a browser shows it: what is found, unfolded, shared by its address, and printed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulseq.events import RunNote
from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports.html import write_html
from tests.reports.browser import PROGRAM, Browser, open_browser

pytestmark = [pytest.mark.system, pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine")]

FAILED, ERROR, PASSED = (Status.FAILED, Reason.ASSERTION), (Status.ERROR, Reason.EXCEPTION), (Status.PASSED, None)
SHOWN = (
    "Array.from(document.querySelectorAll('{}')).filter((one) => one.checkVisibility()).map((one) => one.textContent)"
)
ROWS = SHOWN.format("#tests tbody tr td.name")
FAILURES = SHOWN.format("details.failure summary .name")
HEADINGS = SHOWN.format("h2")
OPEN = "Array.from(document.querySelectorAll('details.failure')).map((one) => one.open)"
STATE = "document.getElementById('shown').textContent"
HASH = "location.hash"
SAID = ("the till is wrong", "no till at all", "looked for a till", "'a&b' == '#x=y'")


needs_pdftotext = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="there is no pdftotext on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def record(plot: Callable, tell_story: Callable) -> RunRecord:
    plots = [
        plot("cart-total", outcomes=(FAILED,), error="E  assert 4 == 5\nshop.py:17: the till is wrong"),
        plot("cart-empty", outcomes=(ERROR,), error="RuntimeError: no till at all", output="looked for a till"),
        plot("pay <later>", outcomes=(FAILED,), error="E  assert 'a&b' == '#x=y'"),
        plot("search", outcomes=(FAILED, PASSED), error="once it found nothing"),
        *(plot(f"page-{number}") for number in range(6)),
    ]
    story = tell_story(plots)
    story.moments.insert(-1, (1.0, RunNote("a note that belongs to no test")))
    return story.record


@pytest.fixture
def page(record: RunRecord, tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    with file.open("wb") as stream:
        write_html(record, stream)
    return file


@pytest.fixture
def shown(browser: Browser, page: Path) -> Iterator[Browser]:
    browser.complaints.clear()
    browser.resize(1200)
    browser.open(page)
    yield browser
    assert [] == browser.complaints


def print_text(browser: Browser, folder: Path) -> str:
    """The words on the paper."""
    (folder / "page.pdf").write_bytes(browser.print_pdf())
    command = ["pdftotext", "-layout", folder / "page.pdf", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def go(browser: Browser, selector: str) -> str:
    """Follow a link within the page; the address when it has been followed."""
    turned = "new Promise((done) => addEventListener('hashchange', done, {once: true}))"
    return str(
        browser.ask(f"(() => {{ const turned = {turned}; {_click(selector)}; return turned; }})().then(() => {HASH})")
    )


def _click(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}).click()"


def click(browser: Browser, selector: str) -> None:
    browser.ask(_click(selector))


def test_words_filter_failures_and_table_together(shown: Browser) -> None:
    shown.type_into("find", "CART")

    assert ["cart-total", "cart-empty"] == shown.ask(FAILURES)
    assert {"cart-total", "cart-empty"} == set(shown.ask(ROWS))
    assert "2 of 10 tests: “CART”" == shown.ask(STATE)
    assert "Flaky" not in shown.ask(HEADINGS)
    assert "Notes" in shown.ask(HEADINGS)


def test_words_of_an_error_find_the_row_of_its_test_too(shown: Browser) -> None:
    shown.type_into("find", "till at all")

    assert (["cart-empty"], ["cart-empty"]) == (shown.ask(FAILURES), shown.ask(ROWS))


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("failed", {"cart-total", "pay <later>"}),
        ("failed error", {"cart-total", "pay <later>", "cart-empty"}),
        ("flaky", {"search"}),
    ],
)
def test_a_verdict_may_be_chosen(shown: Browser, page: Path, kind: str, rows: set[str]) -> None:
    shown.ask(
        f"const show = document.getElementById('show'); show.value = {kind!r}; show.dispatchEvent(new Event('change'))"
    )

    assert rows == set(shown.ask(ROWS))
    assert rows - {"search"} == set(shown.ask(FAILURES))


def test_a_view_is_in_the_address_and_comes_back_with_it(shown: Browser, page: Path) -> None:
    shown.type_into("find", "a&b #x=y")
    address = shown.ask(HASH)
    shown.reload()
    again = (shown.ask(HASH), shown.ask(ROWS), shown.ask("document.getElementById('find').value"))
    shown.open(page, address)

    assert (address, ["pay <later>"], "a&b #x=y") == again
    assert ["pay <later>"] == shown.ask(ROWS)


def test_without_words_the_address_is_as_it_was(shown: Browser) -> None:
    shown.type_into("find", "cart")
    shown.ask("const find = document.getElementById('find'); find.value = ''; find.dispatchEvent(new Event('input'))")

    assert ("", "", 10) == (shown.ask(HASH), shown.ask(STATE), len(shown.ask(ROWS)))


@pytest.mark.parametrize(
    "hash_", ["#find=%E0%A4%A&show=nonsense", "#=", "#&&==&", "#at=gone&find=", "#gone", "#show=<b>"]
)
def test_an_address_of_nonsense_is_a_page_all_the_same(shown: Browser, page: Path, hash_: str) -> None:
    shown.open(page, hash_)

    assert "" == shown.ask("document.getElementById('show').value")
    assert ["Tests"] == shown.ask(HEADINGS)[-1:]


def test_a_way_from_the_table_opens_its_failure(shown: Browser) -> None:
    click(shown, "#tests a[href='#t2']")

    assert ("#t2", [False, True, False]) == (
        shown.ask(HASH),
        shown.ask(f"new Promise(requestAnimationFrame).then(() => {OPEN})"),
    )


def test_a_way_within_a_filtered_page_keeps_its_filter(shown: Browser) -> None:
    shown.type_into("find", "cart")

    assert "#find=cart&at=t2" == go(shown, "#tests a[href='#t2']")
    shown.reload()
    assert ([False, True, False], 2) == (shown.ask(OPEN), len(shown.ask(ROWS)))


def test_all_failures_are_unfolded_and_folded_at_once(shown: Browser) -> None:
    click(shown, "#expand")
    unfolded = shown.ask(OPEN)
    click(shown, "#collapse")

    assert ([True] * 3, [False] * 3) == (unfolded, shown.ask(OPEN))


def test_a_page_without_failures_has_nothing_to_unfold(
    browser: Browser, plot: Callable, tell_story: Callable, tmp_path: Path
) -> None:
    file = tmp_path / "green.html"
    with file.open("wb") as stream:
        write_html(tell_story([plot("a")]).record, stream)
    browser.open(file)

    assert [None, 1] == browser.ask(f"[document.getElementById('expand'), {ROWS}.length]")


@needs_pdftotext
def test_paper_has_every_traceback_and_the_screen_is_as_before(shown: Browser, tmp_path: Path) -> None:
    text = print_text(shown, tmp_path)

    assert [] == [words for words in SAID if words not in text]
    assert "expand all" not in text
    assert [False] * 3 == shown.ask(OPEN)


@needs_pdftotext
def test_paper_has_every_traceback_also_where_no_script_runs(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        text = print_text(browser, tmp_path)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)

    assert [] == [words for words in SAID if words not in text]


@needs_pdftotext
def test_each_sheet_of_a_long_table_has_its_heads(browser: Browser, checkout: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    with file.open("wb") as stream:
        write_html(checkout.record, stream)
    browser.open(file)

    sheets = print_text(browser, tmp_path).split("\f")
    assert [] == [sheet for sheet in sheets if "stock-" in sheet and not re.search(r"verdict +test +node", sheet)]


def test_a_printed_filter_is_told_on_the_paper(shown: Browser) -> None:
    shown.type_into("find", "cart")
    shown.call("Emulation.setEmulatedMedia", media="print")
    try:
        told = shown.ask(SHOWN.format(".controls > *"))
    finally:
        shown.call("Emulation.setEmulatedMedia", media="")

    assert ["2 of 10 tests: “cart”"] == told


@pytest.mark.parametrize("width", [360, 400, 768, 1200])
def test_nothing_is_wider_than_the_window(shown: Browser, width: int) -> None:
    shown.resize(width)
    click(shown, "#expand")

    assert shown.ask("document.documentElement.scrollWidth") <= width
    assert [] == shown.ask(
        "Array.from(document.querySelectorAll('.scroll'), (one) => one.scrollWidth - one.clientWidth).filter(Boolean)"
    )


def test_paper_is_light_whatever_the_screen_is(shown: Browser) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    shown.call("Emulation.setEmulatedMedia", media="screen", **dark)
    on_screen = shown.ask(background)
    shown.call("Emulation.setEmulatedMedia", media="print", **dark)
    on_paper = shown.ask(background)
    shown.call("Emulation.setEmulatedMedia", media="", features=[])

    assert ("rgb(21, 25, 29)", "rgb(255, 255, 255)") == (on_screen, on_paper)
