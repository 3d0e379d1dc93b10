"""A run as an HTML page: what it says, and that no text in it can do anything."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.events import (
    AttemptFinished,
    EntryCollected,
    NodeHealth,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult, Liveness, PytestWarning, Reason, Status
from pulseq.records import RunRecord, fold
from pulseq.reports.html import write_html

FAILED = (Status.FAILED, Reason.ASSERTION)
PASSED = (Status.PASSED, None)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
ATTACKS = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "</style></title></pre></textarea><svg onload=alert(1)>",
    "'\"><a href=javascript:alert(1)>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--",
    "]]>",
    "javascript:alert(1)",
    "\x00\x1b[31m\ud800\u202e",
]
HOSTILE = ANY_TEXT | st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=3).map("".join)
VOID = {"meta", "link", "input"}
KNOWN_TAG = re.compile(
    "html|head|meta|title|link|style|script|body|a|header|main|section|div|p|span|h1|h2|h3|dl|dt|dd|time|svg|rect|line"
    "|text|g|details|summary|pre|ol|ul|li|table|thead|tbody|tr|th|td|label|input|select|option|button|code|b"
)


@dataclass
class Element:
    """An element with its text and that of the elements within it."""

    tag: str
    attributes: dict[str, str]
    text: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        return " ".join("".join(self.text).split())


class Reader(HTMLParser):
    """Reads a page into its elements; an end that does not fit its start is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attributes})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text.append(data)

    def close(self) -> None:
        super().close()
        assert self._open == []


def page_of(record: RunRecord, **more: object) -> str:
    stream = io.BytesIO()
    write_html(record, stream, **more)
    return stream.getvalue().decode()


def read(record: RunRecord, **more: object) -> list[Element]:
    reader = Reader()
    reader.feed(page_of(record, **more))
    reader.close()
    return reader.elements


def said_by(elements: list[Element], tag: str, kind: str = "") -> list[str]:
    return [one.said for one in elements if one.tag == tag and kind in one.attributes.get("class", "")]


def one_of(elements: list[Element], tag: str) -> Element:
    [element] = [one for one in elements if one.tag == tag]
    return element


def hostile_record(text: str, other: str, status: Status, reason: Reason, flaky: bool) -> RunRecord:
    result = AttemptResult(
        text, 1, other, status, other, reason, started_at=1.0, error=other, output=text, metrics={text: 1.0}
    )
    told = {"xpassed": other, "properties": (("property", text, other),), "subtests": {"skipped": 1, text: 2}}
    last = AttemptResult(text, 2, text, status, other, reason, error=text, warnings=(text, other), **told)
    return fold(
        [
            RunStarted(other, text, 1.0, other),
            PrefectRunKnown("f", text),
            NodeJoined(other, text, 1, {text: other, other: text}),
            NodeLost(other, text),
            RunNote(text),
            TestPlanned(text, other, text, "call", "medium", location=text),
            TestPlanned(other + "2", text, text, "call", "medium"),
            AttemptFinished(result),
            EntryCollected(text, other, 1, 1, (PytestWarning(text, other, text, other),)),
            AttemptFinished(last),
            SessionFinished(text, other, 1, other, text, properties=((text, other),)),
            SessionFinished(text, other + "2", 1, text, other),
            TestClosed(text, other, status, reason, flaky, 2, other, text),
            RunFinished(2.0, 1.0, 1, text),
        ]
    )


def test_a_node_of_another_host_says_where_it_is() -> None:
    record = fold(
        [
            RunStarted("r", "s", 1.0, "0"),
            NodeJoined("n", "lab1<", 1, {"os": "linux"}, labels={"way": "ssh"}),
            NodeJoined("m", "here", 1, {"os": "linux"}, labels={"way": "local"}),
            NodeHealth("n", Liveness.ACTIVE, clock_offset=-41.2, clock_uncertainty=0.1),
        ]
    )
    assert ["linux", "linux; on lab1<; clock 41.2 s behind"] == said_by(read(record), "span", "offers")


def test_the_head_says_suite_verdict_and_counts(checkout) -> None:
    elements = read(checkout.record)
    told = (one_of(elements, "h1").said, said_by(elements, "p", "verdict"), said_by(elements, "span", "count"))
    expected = (
        "checkout",
        ["✗failed"],
        ["2 failed", "2 errors (1 without a verdict)", "114 passed", "1 skipped", "1 xfailed", "1 flaky", "in 24.1 s"],
    )
    assert expected == told


def test_sections_come_with_the_picture_first_and_the_table_last(checkout) -> None:
    expected = [
        "Timeline",
        "Failures",
        "No verdict of their own",
        "Flaky",
        "Notes",
        "Durations",
        "Nodes",
        "Where the results are",
        "Tests",
    ]
    assert expected == said_by(read(checkout.record), "h2")


def test_every_failure_is_folded_with_its_error_and_output(checkout) -> None:
    elements = read(checkout.record)
    [first, *_] = said_by(elements, "details")
    told = [word in first for word in ("cart-total (browser=chrome)", "assert cart.total() == 5", "total 4", "1.20 s")]
    assert ([True] * 4, 3) == (told, len(said_by(elements, "summary")))


def test_a_row_of_the_table_leads_to_its_failure(checkout) -> None:
    elements = read(checkout.record)
    anchors = {one.attributes["id"] for one in elements if one.tag == "details"}
    links = {one.attributes["href"] for one in elements if one.tag == "a"}
    assert {f"#{anchor}" for anchor in anchors} <= links


def test_a_flaky_test_is_told_with_all_its_attempts(checkout) -> None:
    [card] = [said for said in said_by(read(checkout.record), "ul", "cards") if "search-index" in said]
    assert ("passed on attempt 2" in card, "✗failed (assertion) on bench-2" in card, "✓passed on" in card) == (
        True,
        True,
        True,
    )


def test_what_pytest_told_besides_is_on_the_page(plot, tell_story: Callable) -> None:
    told = {
        "xpassed": "issue 12",
        "subtests": {"passed": 2, "skipped": 1},
        "properties": (("property", "ticket", "7"),),
        "pytest_warnings": (PytestWarning("UserWarning", "look", "t.py:3"),),
    }
    record = tell_story([plot("a", told=told)]).record
    record.apply(SessionFinished("unit", "n", 1, "coverage is 3 %", "a.py 3 %"))
    elements = read(record)
    heads = said_by(elements, "h2")
    assert [head for head in heads if head in ("Warnings", "unit", "Properties")] == ["Warnings", "unit", "Properties"]
    assert said_by(elements, "pre") == ["coverage is 3 %", "a.py 3 %"]
    assert "xpassed: issue 12 · 3 subtests: 2 passed, 1 skipped" in said_by(elements, "span", "said")
    assert said_by(elements, "span", "warning") == ["t.py:3: UserWarning: look"]


def test_of_very_many_warnings_the_number_is_told(plot, tell_story: Callable) -> None:
    warnings = tuple(PytestWarning("UserWarning", str(index)) for index in range(203))
    elements = read(tell_story([plot("a", told={"pytest_warnings": warnings})]).record)
    assert (200, ["… and 3 more, not shown here"]) == (
        len(said_by(elements, "span", "warning")),
        [said for said in said_by(elements, "p", "quiet") if "more" in said],
    )


def test_a_test_without_a_verdict_is_told_with_its_reason(checkout) -> None:
    [card] = [said for said in said_by(read(checkout.record), "ul", "cards") if "login-edge" in said]
    assert "nearest is bench-1: browser is chrome" in card


def test_places_and_the_flow_run_are_told(checkout) -> None:
    elements = read(checkout.record, locations={"journal": "runs/r/journal.jsonl"})
    told = said_by(elements, "dd")
    assert ("runs/r/journal.jsonl" in told, "http://127.0.0.1:4200/runs/flow-run/f1" in told) == (True, True)


def test_a_run_that_is_not_finished_says_so_and_names_what_is_open(checkout) -> None:
    elements = read(fold(event for _, event in checkout.until(5.0)))
    told = (said_by(elements, "p", "verdict"), "Not finished" in said_by(elements, "h2"))
    assert (["!not finished"], True) == told


def test_a_record_of_nothing_is_a_page() -> None:
    elements = read(RunRecord())
    assert (said_by(elements, "h2"), said_by(elements, "span", "count")) == (["Tests"], ["no test has a verdict"])


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (0, "passed", ("passed", "✓passed")),
        (1, "failed", ("failed", "✗failed")),
        (2, "interrupted", ("error", "!interrupted")),
        (5, "nothing_to_run", ("skipped", "–nothing to run")),
        (10, "no_verdict", ("error", "!no verdict")),
        (77, "unheard of", ("error", "!unheard of")),
    ],
)
def test_the_verdict_is_a_mark_and_a_word_beside_the_colour(code: int, reason: str, expected: tuple[str, str]) -> None:
    elements = read(fold([RunFinished(1.0, 1.0, code, reason)]))
    assert expected == (one_of(elements, "header").attributes["class"], said_by(elements, "p", "verdict")[0])


def test_the_page_asks_nobody_for_anything(checkout) -> None:
    page = page_of(checkout.record)
    loads = re.findall(r"\bsrc=|@import|url\(|<(?:img|iframe|object|embed|form)\b", page)
    links = {one.attributes["href"][:5] for one in read(checkout.record) if one.tag == "link"}
    assert ([], {"data:"}) == (loads, links)


def test_the_pages_own_policy_allows_its_one_style_and_its_one_script(checkout) -> None:
    elements = read(checkout.record)
    [policy] = [one.attributes["content"] for one in elements if "Policy" in one.attributes.get("http-equiv", "")]

    def hash_of(tag: str) -> str:
        source = "".join(one_of(elements, tag).text)
        return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()

    expected = [f"style-src 'sha256-{hash_of('style')}'", f"script-src 'sha256-{hash_of('script')}'"]
    assert ("default-src 'none'", expected) == (policy.split("; ")[0], policy.split("; ")[1:3])


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://[", "//x"])
def test_an_address_that_is_no_web_address_is_text_and_no_link(url: str) -> None:
    elements = read(fold([PrefectRunKnown("f", url)]))
    links = {one.attributes["href"] for one in elements if one.tag == "a"}
    assert ({"#all"}, True) == (links, url in said_by(elements, "dd"))


def test_a_flow_run_without_an_address_is_told_by_its_id() -> None:
    elements = read(fold([PrefectRunKnown("f-1", None)]))
    links = {one.attributes["href"] for one in elements if one.tag == "a"}
    assert ({"#all"}, True) == (links, "f-1" in said_by(elements, "dd"))


@pytest.mark.parametrize("attack", ATTACKS[:-1])
def test_an_attack_is_shown_as_it_was_written(attack: str) -> None:
    elements = read(hostile_record(attack, "n", Status.FAILED, Reason.ASSERTION, False))
    assert (one_of(elements, "h1").said, attack in said_by(elements, "pre")) == (attack, True)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=10)
@given(HOSTILE, HOSTILE, st.sampled_from(Status), st.sampled_from(Reason), st.booleans())
def test_no_text_adds_an_element_an_attribute_or_a_link(
    text: str, other: str, status: Status, reason: Reason, flaky: bool
) -> None:
    elements = read(hostile_record(text, other, status, reason, flaky), locations={text: other})
    tags = [one.tag for one in elements]
    attributes = {name for one in elements for name in one.attributes}
    strange = [name for name in attributes if name.startswith("on") or name in ("style", "src", "srcdoc", "action")]
    links = [one.attributes["href"] for one in elements if one.tag == "a"]
    assert (
        [tag for tag in tags if not KNOWN_TAG.fullmatch(tag)],
        tags.count("script"),
        tags.count("style"),
        strange,
    ) == ([], 1, 1, [])
    assert [link for link in links if not re.match(r"#[a-z0-9]+\Z|https?://", link)] == []


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=10)
@given(HOSTILE, HOSTILE)
def test_no_text_hides_or_turns_what_the_page_shows(text: str, other: str) -> None:
    page = page_of(hostile_record(text, other, Status.ERROR, Reason.EXCEPTION, False))
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page) == []


def test_a_page_of_very_many_failures_with_much_to_say_stays_small(plot, tell_story: Callable) -> None:
    error = "<&>\n" * 2_000
    plots = [plot(f"test-{index}" + "<" * 150, outcomes=(FAILED,), error=error, output=error) for index in range(1500)]
    assert len(page_of(tell_story(plots).record)) < 3_000_000


def test_a_page_of_very_many_tests_says_how_many_are_not_on_it(plot, tell_story: Callable) -> None:
    plots = [plot(f"t{index}", 0.01, (FAILED if index == 7000 else PASSED,)) for index in range(7001)]
    page = page_of(tell_story(plots).record)
    told = ("1001 tests are listed" in page, "6000 more are not shown here" in page, len(page) < 3_000_000)
    assert (True, True, True) == told


def test_bars_are_told_from_each_other_by_words_too(checkout) -> None:
    titles = said_by(read(checkout.record), "title")
    assert "cart-total (browser=chrome): failed (assertion), attempt 2, 1.20 s from 0:01" in titles


def test_a_lost_node_is_told_with_why(plot, tell_story: Callable) -> None:
    story = tell_story([plot("a")], {"n1": (1, {})})
    story.moments.insert(-1, (1.0, NodeLost("n1", "no heartbeat for 60 s")))
    [row] = [said for said in said_by(read(story.record), "tr") if said.startswith("n1")]
    assert "lost: no heartbeat for 60 s" in row
