from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pulseq.models import AttemptResult, Status
from pulseq.results.bounded_result import MOST_OUTPUT_CHARACTERS, bound_result

PLAIN = AttemptResult("t", 1, "n", Status.FAILED, error="no", output="o", metrics={"m": 1.0}, warnings=("w",))


def test_a_usual_result_is_itself() -> None:
    assert bound_result(PLAIN) is PLAIN


def test_texts_are_bounded() -> None:
    bounded = bound_result(replace(PLAIN, error="e" * 10**6, output="o" * 10**6, xpassed="x" * 10**6))
    assert bounded.error is not None
    assert bounded.xpassed is not None
    assert (len(bounded.error), len(bounded.output), len(bounded.xpassed)) == (64_000, MOST_OUTPUT_CHARACTERS, 2_000)


def test_warnings_are_bounded_in_length_and_number() -> None:
    bounded = bound_result(replace(PLAIN, warnings=("w" * 10**6, *["same"] * 150)))
    assert (len(bounded.warnings), len(bounded.warnings[0])) == (101, 2_000)
    assert bounded.warnings[-1] == "51 more warnings left out"


@given(st.integers(0, 1_100), st.integers(0, 3))
def test_metrics_that_are_left_out_are_told(usual: int, long: int) -> None:
    metrics = {f"m{number}": 1.0 for number in range(usual)} | {
        f"{number}" + "x" * 1_000: 1.0 for number in range(long)
    }
    bounded = bound_result(replace(PLAIN, metrics=metrics))
    kept = min(usual, 1_000)
    assert (len(bounded.metrics), len(bounded.warnings)) == (kept, 1 + (len(metrics) > kept))
    if len(metrics) > kept:
        assert bounded.warnings[-1].startswith(f"{len(metrics) - kept} metrics left out")


def test_seconds_are_bounded() -> None:
    bounded = bound_result(replace(PLAIN, duration=1e300, queue_seconds=1e12))
    assert (bounded.duration, bounded.queue_seconds) == (1e9, 1e9)


def test_metrics_that_no_mean_can_be_made_of_are_left_out_and_told() -> None:
    bounded = bound_result(replace(PLAIN, metrics={"m": 1.0, "huge": -1e300, "nan": float("nan"), "inf": float("inf")}))
    assert {"m": 1.0} == bounded.metrics
    told = "metrics left out, expected numbers up to 1e+100: 'huge' (-1e+300), 'nan' (nan), 'inf' (inf)"
    assert ("w", told) == bounded.warnings
