"""What `--lf` and `--ff` know of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import ExitCode
from pulseq.events import EntryCollected, Event, RunFinished, RunStarted, TestClosed, TestPlanned
from pulseq.models import Reason, Status
from pulseq.results.journal import JournalWriter
from pulseq.results.lineage import Lineage
from pulseq.run.previous import failed_before

SHOP = Lineage("shop", ("/mine/shop.yaml",))
PASSED, FAILED, ERROR, SKIPPED = Status.PASSED, Status.FAILED, Status.ERROR, Status.SKIPPED
NOT_RUN = "not run"
Verdicts = Mapping[str, Status | str | None]


def _write_run(
    home: Path,
    at: int,
    verdicts: Verdicts,
    *,
    suite: str = "shop",
    projects: tuple[str, ...] = ("/mine/shop.yaml",),
    part: bool = True,
    deselected: int = 0,
) -> None:
    run_id = f"r{at}"
    options = {"projects": list(projects), "part": part} if projects else {}
    events: list[Event] = [RunStarted(run_id, suite, float(at), "0", options)]
    events += [EntryCollected("unit", "node1", len(verdicts), deselected)] if deselected else []
    for test_id, status in verdicts.items():
        events.append(TestPlanned(test_id, "", test_id, "simulate", "medium"))
        if isinstance(status, Status):
            reason = None if status is PASSED else Reason.ASSERTION
            events.append(TestClosed(test_id, "", status, reason, flaky=False, attempts=1))
        elif status is NOT_RUN:
            events.append(TestClosed(test_id, "", ERROR, Reason.CANCELLED, flaky=False, attempts=0))
    events.append(RunFinished(float(at), 1.0, int(ExitCode.TESTS_FAILED), "failed"))
    path = home / "runs" / run_id / "journal.jsonl"
    path.parent.mkdir(parents=True)
    with JournalWriter(path) as writer:
        for event in events:
            writer.append(event)


def test_without_an_earlier_run_nothing_had_failed(tmp_path: Path) -> None:
    assert frozenset() == failed_before(tmp_path, SHOP)


def test_failed_and_in_error_count(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"good": PASSED, "skipped": SKIPPED, "bad": FAILED, "worse": ERROR})

    assert {"bad", "worse"} == failed_before(tmp_path, SHOP)


def test_what_was_not_run_and_what_has_no_verdict_is_what_it_was(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"a": FAILED, "b": PASSED, "c": FAILED})
    _write_run(tmp_path, 2, {"a": NOT_RUN, "b": NOT_RUN, "c": None, "d": NOT_RUN, "e": None})

    assert {"a", "c"} == failed_before(tmp_path, SHOP)


def test_a_green_run_of_a_part_leaves_the_failures_outside_it(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"a": FAILED, "b": FAILED})
    _write_run(tmp_path, 2, {"b": PASSED})

    assert {"a"} == failed_before(tmp_path, SHOP)


def test_a_test_that_a_run_of_the_whole_project_has_not_is_gone(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"old name": FAILED})
    _write_run(tmp_path, 2, {"new name": PASSED}, part=False)

    assert frozenset() == failed_before(tmp_path, SHOP)


def test_a_run_that_left_items_out_is_not_of_the_whole_project(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"slow": FAILED})
    _write_run(tmp_path, 2, {"quick": PASSED}, part=False, deselected=3)

    assert {"slow"} == failed_before(tmp_path, SHOP)


def test_projects_of_one_name_know_nothing_of_each_other(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"a": FAILED})
    _write_run(tmp_path, 2, {"a": PASSED, "b": FAILED}, projects=("/copy/shop.yaml",))

    assert {"a"} == failed_before(tmp_path, SHOP)
    assert {"b"} == failed_before(tmp_path, Lineage("shop", ("/copy/shop.yaml",)))


def test_a_run_of_two_projects_is_in_the_history_of_both(tmp_path: Path) -> None:
    bank = "/mine/bank.yaml"
    _write_run(tmp_path, 1, {"a": FAILED, "b": FAILED}, suite="shop+bank", projects=("/mine/shop.yaml", bank))
    _write_run(tmp_path, 2, {"a": PASSED}, part=False)

    assert "b" in failed_before(tmp_path, Lineage("bank", (bank,)))
    assert {"b"} == failed_before(tmp_path, Lineage("shop+bank", ("/mine/shop.yaml", bank)))


def test_a_run_that_tells_no_project_is_known_by_its_suite(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"a": FAILED}, projects=())
    _write_run(tmp_path, 2, {"b": FAILED}, projects=(), suite="bank")

    assert {"a"} == failed_before(tmp_path, SHOP)


def test_a_journal_that_holds_nothing_is_passed_over(tmp_path: Path) -> None:
    _write_run(tmp_path, 1, {"bad": FAILED})
    (tmp_path / "runs" / "b").mkdir()
    (tmp_path / "runs" / "b" / "journal.jsonl").write_bytes(b"\x00torn")

    assert {"bad"} == failed_before(tmp_path, SHOP)


_RUNS = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from([PASSED, FAILED, SKIPPED, NOT_RUN, None])), max_size=6
)


@given(_RUNS)
def test_what_is_known_is_what_a_cache_would_have_kept(tmp_path_factory, runs: list[Verdicts]) -> None:  # type: ignore[no-untyped-def]
    home = tmp_path_factory.mktemp("home")
    kept: set[str] = set()
    for at, verdicts in enumerate(runs):
        _write_run(home, at, verdicts)
        kept |= {test_id for test_id, status in verdicts.items() if status is FAILED}
        kept -= {test_id for test_id, status in verdicts.items() if status in (PASSED, SKIPPED)}

    assert kept == failed_before(home, SHOP)
