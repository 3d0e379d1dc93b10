from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.metrics import join_metrics, measured_metrics

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
