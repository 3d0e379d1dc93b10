import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.attempt_result import from_message, join_metrics, measured_metrics, order_message, without_body
from pulseq.models import AttemptOrder, CommandBody, HttpBody, Reason, Status, TestCase

MESSAGE = {
    "op": "result",
    "status": "passed",
    "reason": None,
    "error": None,
    "response_time": None,
    "warnings": ["odd"],
    "started_at": 5.0,
    "duration": 2.0,
    "cpu_seconds": 0.5,
    "peak_rss": 3_000_000,
    "exit_code": 0,
    "signal": None,
    "output": "out",
    "output_bytes": 3,
    "metrics": {},
    "leaked": 1,
}
ORDER = AttemptOrder("run", TestCase("test", CommandBody(("true",)), variant="v", metrics=("rows",)), 3, 9.0)


def test_measured_values_become_metrics():
    metrics = from_message(ORDER, "node1", MESSAGE).metrics
    assert metrics == {"duration": 2.0, "response_time": 2.0, "memory_usage": 3.0, "cpu_usage": 25.0}


def test_a_response_time_of_its_own_is_taken():
    assert from_message(ORDER, "node1", {**MESSAGE, "response_time": 0.25}).metrics["response_time"] == 0.25


def test_what_a_body_reports_stands_beside_what_was_measured():
    result = from_message(ORDER, "node1", {**MESSAGE, "metrics": {"rows": 7.0}})
    assert (result.metrics["response_time"], result.metrics["rows"]) == (2.0, 7.0)
    assert result.warnings == ("odd",)


def test_what_was_measured_is_not_overwritten_by_a_body():
    result = from_message(ORDER, "node1", {**MESSAGE, "metrics": {"duration": 0.5, "rows": 7.0}})
    assert result.metrics["duration"] == 2.0
    assert result.warnings[1].startswith("the metric 'duration' is measured by PulseQ, so the reported 0.5 was not")


def test_a_metric_that_is_missing_is_a_warning():
    assert from_message(ORDER, "node1", MESSAGE).warnings == ("odd", "the metric 'rows' was not reported")


def test_no_time_is_no_cpu_usage():
    assert from_message(ORDER, "node1", {**MESSAGE, "duration": 0.0}).metrics["cpu_usage"] == 0.0


def test_a_result_knows_whose_it_is():
    result = from_message(ORDER, "node1", {**MESSAGE, "status": "error", "reason": "crash", "signal": 11})
    assert (result.key, result.attempt, result.node_id) == (("test", "v"), 3, "node1")
    assert (result.status, result.reason, result.signal) == (Status.ERROR, Reason.CRASH, 11)


def test_an_attempt_of_which_nothing_is_known_has_its_metrics_all_the_same():
    result = without_body(ORDER, "node1", Reason.SETUP, "no such thing")
    assert result.metrics == {"duration": 0.0, "response_time": 0.0, "memory_usage": 0.0, "cpu_usage": 0.0}


@pytest.mark.parametrize("body", [CommandBody(("a", "b")), HttpBody("http://127.0.0.1/")])
def test_an_order_says_what_to_run(body):
    message = order_message(AttemptOrder("r", TestCase("t", body)), node_id="n", temp_root="/t", python_folder="/p")
    assert (message["kind"], message["test_id"], message["timeout"]) == (body.kind, "t", None)


MEASURED = measured_metrics(duration=2.0, response_time=0.5, memory_usage=3.0, cpu_usage=25.0)
NAMES = st.sampled_from([*MEASURED, "rows", "Duration", "queries"])


@given(st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False)), st.lists(NAMES, unique=True))
def test_what_was_measured_stands_and_every_other_report_is_taken(reported, expected):
    metrics, warnings = join_metrics(MEASURED, reported, expected)
    assert metrics == {**reported, **MEASURED}
    overruled = [name for name in MEASURED if name in reported]
    missing = [name for name in expected if name not in metrics]
    assert len(warnings) == len(overruled) + len(missing)
    assert all(f"the metric {name!r} is measured" in text for name, text in zip(overruled, warnings, strict=False))


def test_a_report_that_is_not_taken_is_told_with_what_to_do():
    _, warnings = join_metrics(MEASURED, {"cpu_usage": 1e9}, ())
    assert warnings == (
        "the metric 'cpu_usage' is measured by PulseQ, so the reported 1e+09 was not taken: "
        "report it under another name",
    )


def test_a_response_time_that_was_not_measured_by_itself_is_the_duration():
    assert measured_metrics(duration=2.0)["response_time"] == 2.0
