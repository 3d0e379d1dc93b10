import json
import math
import zlib
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    EntryCollected,
    Event,
    NodeHealth,
    NodeJoined,
    NodeLost,
    PrefectRunKnown,
    RunFinished,
    RunNote,
    RunStarted,
    SessionFinished,
    TestClosed,
    TestExpanded,
    TestPlanned,
)
from pulseq.models import AttemptResult, Liveness, PytestWarning, Reason, Status
from pulseq.results.codec import DamagedLine, decode_line, encode_line, general_text, number

# Any text at all, lone surrogates and NUL included.
texts = st.text(st.characters(), max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**40)
scalars = texts | counts | numbers | st.booleans()
capabilities = st.dictionaries(texts, scalars | st.lists(scalars).map(tuple))
options = st.dictionaries(texts, st.recursive(scalars | st.none(), lambda inner: st.lists(inner)))
statuses = st.sampled_from(Status)
reasons = st.none() | st.sampled_from(Reason)

pytest_warnings = st.lists(st.builds(PytestWarning, texts, texts, texts, texts), max_size=3).map(tuple)

results = st.builds(
    AttemptResult,
    test_id=texts,
    attempt=counts,
    node_id=texts,
    status=statuses,
    variant=texts,
    reason=reasons,
    started_at=numbers,
    duration=numbers,
    queue_seconds=numbers,
    error=st.none() | texts,
    output=texts,
    output_bytes=counts,
    exit_code=st.none() | counts,
    signal=st.none() | counts,
    metrics=st.dictionaries(texts, numbers),
    simulated=st.booleans(),
    leaked_processes=counts,
    warnings=st.lists(texts).map(tuple),
    pytest_warnings=pytest_warnings,
    xpassed=st.none() | texts,
    properties=st.lists(st.tuples(texts, texts, texts), max_size=3).map(tuple),
    subtests=st.dictionaries(texts, counts, max_size=4),
    rerun=st.booleans(),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(RunStarted, run_id=texts, suite=texts, started_at=numbers, version=texts, options=options),
    st.builds(PrefectRunKnown, flow_run_id=texts, url=st.none() | texts),
    st.builds(NodeJoined, node_id=texts, host=texts, slots=counts, capabilities=capabilities),
    st.builds(NodeLost, node_id=texts, why=texts),
    st.builds(NodeHealth, texts, st.sampled_from(Liveness), st.none() | texts, texts, latency=st.none() | numbers),
    st.builds(TestPlanned, texts, texts, texts, texts, texts, st.none() | texts, st.none() | numbers, capabilities),
    st.builds(TestExpanded, texts, texts, counts),
    st.builds(EntryCollected, texts, texts, counts, counts, pytest_warnings),
    st.builds(
        SessionFinished,
        *(texts, texts, counts, st.none() | texts, texts, pytest_warnings),
        st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    ),
    st.builds(AttemptStarted, texts, texts, counts, texts, st.none() | texts),
    st.builds(AttemptFinished, results),
    st.builds(TestClosed, texts, texts, statuses, reasons, st.booleans(), counts, st.none() | texts, st.none() | texts),
    st.builds(RunNote, texts),
    st.builds(RunFinished, numbers, numbers, counts, texts),
)


@given(seq=counts, time=numbers, event=events)
def test_every_event_comes_back_as_it_went_in(seq: int, time: float, event: Event) -> None:
    entry = decode_line(encode_line(seq, time, event), 7)
    assert (seq, time, event, 7) == (entry.seq, entry.time, entry.event, entry.end_offset)


@given(event=events)
def test_a_line_is_json_without_a_break_in_it(event: Event) -> None:
    line = encode_line(1, 2.0, event)
    assert line.index(b"\n") == len(line) - 1
    assert list(json.loads(line)) == ["seq", "time", "kind", "data", "crc"]


@given(event=events, data=st.data())
def test_a_line_with_one_bit_turned_is_never_believed(event: Event, data: st.DataObject) -> None:
    line = bytearray(encode_line(1, 2.0, event))
    position = data.draw(st.integers(0, len(line) - 2))
    line[position] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedLine):
        decode_line(bytes(line))


@given(event=events, data=st.data())
def test_a_line_without_its_end_is_never_believed(event: Event, data: st.DataObject) -> None:
    line = encode_line(1, 2.0, event)
    with pytest.raises(DamagedLine):
        decode_line(line[: data.draw(st.integers(0, len(line) - 2))])


def test_a_kind_is_the_class_in_snake_case() -> None:
    assert b'"kind":"prefect_run_known"' in encode_line(1, 2.0, PrefectRunKnown("f", None))


def test_an_event_of_a_newer_version_is_refused_by_name() -> None:
    line = _with_checksum('{"seq":1,"time":2.0,"kind":"node_sang","data":{}')
    with pytest.raises(DamagedLine, match="'node_sang', is unknown to this version"):
        decode_line(line)


def test_what_a_newer_version_tells_of_a_warning_is_left_out() -> None:
    result = '{"test_id":"t","attempt":1,"node_id":"n","status":"passed","pytest_warnings":[%s]}'
    told = result % '{"category":"UserWarning","message":"m","colour":"red"}'
    event = decode_line(
        _with_checksum(f'{{"seq":1,"time":2.0,"kind":"attempt_finished","data":{{"result":{told}}}')
    ).event
    warned = AttemptResult("t", 1, "n", Status.PASSED, pytest_warnings=(PytestWarning("UserWarning", "m"),))
    assert AttemptFinished(warned) == event


def test_a_field_of_a_newer_version_is_left_out() -> None:
    line = _with_checksum('{"seq":1,"time":2.0,"kind":"run_note","data":{"text":"hi","colour":"red"}')
    assert RunNote("hi") == decode_line(line).event


@pytest.mark.parametrize("data", ["{}", "[]", '{"text":"a","seq":1}', "7"])
def test_an_event_without_its_fields_is_refused(data: str) -> None:
    line = _with_checksum(f'{{"seq":1,"time":2.0,"kind":"node_lost","data":{data}')
    with pytest.raises(DamagedLine, match="no event that this version knows"):
        decode_line(line)


def test_a_metric_that_is_not_finite_is_left_out_with_a_warning() -> None:
    metrics = {"good": 1.0, "bad": math.nan, "worse": math.inf, "huge": 10**400}
    result = AttemptResult("t", 1, "n", Status.PASSED, metrics=metrics, warnings=("w",))
    event = decode_line(encode_line(1, 2.0, AttemptFinished(result))).event
    assert isinstance(event, AttemptFinished)
    assert event.result.metrics == {"good": 1.0}
    assert event.result.warnings[:2] == ("w", "metric 'bad' was nan, not a finite number: left out")
    assert len(event.result.warnings) == 4


@pytest.mark.parametrize("value", [True, 2**70, Decimal("1.5")])
def test_a_metric_is_a_number_for_whoever_reads_it(value: float) -> None:
    result = AttemptResult("t", 1, "n", Status.PASSED, metrics={"m": value})
    event = decode_line(encode_line(1, 2.0, AttemptFinished(result))).event
    assert isinstance(event, AttemptFinished)
    assert (float(value), ()) == (event.result.metrics["m"], event.result.warnings)
    assert not isinstance(event.result.metrics["m"], bool)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "make",
    [
        lambda value: RunFinished(value, 1.0, 0, "passed"),
        lambda value: TestPlanned("t", "", "t", "call", "low", None, value),
        lambda value: TestPlanned("t", "", "t", "call", "low", requirements={"cpu": value}),
        lambda value: TestPlanned("t", "", "t", "call", "low", requirements={"cpu": (value, 1)}),
        lambda value: AttemptFinished(AttemptResult("t", 1, "n", Status.PASSED, started_at=value)),
        lambda value: AttemptFinished(AttemptResult("t", 1, "n", Status.PASSED, duration=value)),
        lambda value: AttemptFinished(AttemptResult("t", 1, "n", Status.PASSED, queue_seconds=value)),
    ],
)
def test_any_other_number_that_is_not_finite_is_refused(make: Callable[[float], Event], value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_line(1, 2.0, make(value))


def test_metrics_whose_sum_is_past_any_number_are_each_kept() -> None:
    result = AttemptResult("t", 1, "n", Status.PASSED, metrics={"a": 1.5e308, "b": 1.5e308})
    assert AttemptFinished(result) == decode_line(encode_line(1, 2.0, AttemptFinished(result))).event


def test_what_stands_at_its_default_is_left_out() -> None:
    planned = _data_of(TestPlanned("t", "", "t", "call", "low"))
    assert planned == {"test_id": "t", "variant": "", "name": "t", "body": "call", "priority": "low"}
    started = _data_of(AttemptStarted("t", "", 1, "n"))
    assert started == {"test_id": "t", "variant": "", "attempt": 1, "node_id": "n"}
    finished = _data_of(AttemptFinished(AttemptResult("t", 1, "n", Status.PASSED)))
    assert finished == {"result": {"test_id": "t", "attempt": 1, "node_id": "n", "status": "passed"}}


def test_everything_else_is_there() -> None:
    result = AttemptResult(
        *("t", 1, "n", Status.ERROR, "v", Reason.TIMEOUT, 1.0, 2.0, 3.0, "late", "out", 3, 1, 9),
        metrics={"m": 1},
        simulated=True,
        leaked_processes=2,
        warnings=("w",),
    )
    told = _data_of(AttemptFinished(result))["result"]
    assert AttemptResult(**told | {"warnings": tuple(told["warnings"])}) == result
    closed = _data_of(TestClosed("t", "v", Status.ERROR, Reason.TIMEOUT, False, 1, "n", "late"))
    assert (closed["reason"], closed["node_id"], closed["error"]) == ("timeout", "n", "late")


def test_options_may_hold_paths_sets_and_mappings() -> None:
    given = {"path": Path("a/b"), "ids": frozenset({"b", "a"}), "more": MappingProxyType({"x": 1})}
    event = decode_line(encode_line(1, 2.0, RunStarted("r", "s", 1.0, "0", given))).event
    assert RunStarted("r", "s", 1.0, "0", {"path": "a/b", "ids": ["a", "b"], "more": {"x": 1}}) == event


def test_what_json_cannot_hold_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="a complex"):
        encode_line(1, 2.0, RunStarted("r", "s", 1.0, "0", {"z": 1j}))


def _data_of(event: Event) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(encode_line(1, 2.0, event))["data"]
    return data


def _with_checksum(head: str) -> bytes:
    return f'{head},"crc":"{zlib.crc32(head.encode()):08x}"}}\n'.encode()


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53) | st.booleans())
def test_a_number_comes_back_as_the_very_same(value: float) -> None:
    assert value == json.loads(number(value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"found {value}, expected a finite number"):
        number(value)


def test_an_integer_past_any_float_is_refused() -> None:
    with pytest.raises(OverflowError):
        number(10**400)


def test_the_general_encoder_knows_mappings_sets_and_paths() -> None:
    given_values = {"path": Path("a/b"), "set": {"b", "a"}, "mapping": MappingProxyType({"x": 1})}
    assert json.loads(general_text(given_values)) == {"path": "a/b", "set": ["a", "b"], "mapping": {"x": 1}}


@pytest.mark.parametrize(("value", "error"), [(1j, TypeError), (math.nan, ValueError)])
def test_the_general_encoder_refuses_what_json_cannot_hold(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        general_text([value])
