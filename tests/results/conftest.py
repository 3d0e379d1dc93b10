import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from pulseq.events import (
    AttemptFinished,
    AttemptStarted,
    Event,
    NodeJoined,
    PrefectRunKnown,
    RunFinished,
    RunStarted,
    TestClosed,
    TestPlanned,
)
from pulseq.models import AttemptResult, Reason, Status
from pulseq.results.database import Database
from pulseq.results.journal import JournalWriter, journal_path

START = 1_700_000_000.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = f"{Path(__file__).parent}/"
    for item in items:
        if str(item.path).startswith(here) and "make_database" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.system)


class Story:
    """Writes the journals of runs under `home`, as a driver would."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def write(self, run_id: str, events: Iterable[Event], *, at: float = START) -> Path:
        path = journal_path(self.home, run_id)
        with JournalWriter(path, clock=lambda: at) as writer:
            for event in events:
                writer.append(event)
        return path

    def test(
        self,
        test_id: str,
        *statuses: Status,
        variant: str = "",
        reason: Reason | None = None,
        duration: float = 1.0,
        node_id: str = "node1",
    ) -> list[Event]:
        """A test with one attempt per status; the last one decides."""
        events: list[Event] = [TestPlanned(test_id, variant, f"name of {test_id}", "call", "medium")]
        for attempt, status in enumerate(statuses, 1):
            why = None if status is Status.PASSED else reason or Reason.ASSERTION
            result = AttemptResult(
                test_id,
                attempt,
                node_id,
                status,
                variant,
                why,
                started_at=START + attempt,
                duration=duration,
                queue_seconds=0.5,
                error=None if why is None else f"{test_id} says no",
                metrics={"duration": duration, "size": 10.0 * attempt},
            )
            events += [AttemptStarted(test_id, variant, attempt, node_id, f"task-{attempt}"), AttemptFinished(result)]
        flaky = statuses[-1] is Status.PASSED and Status.FAILED in statuses
        why = None if statuses[-1] is Status.PASSED else reason or Reason.ASSERTION
        return [*events, TestClosed(test_id, variant, statuses[-1], why, flaky, len(statuses), node_id)]

    def run(
        self, run_id: str, *tests: list[Event], at: float = START, options: Mapping[str, object] | None = None
    ) -> Path:
        """A whole run of such tests on two nodes."""
        events: list[Event] = [
            RunStarted(run_id, "checkout", at, "0.1", {"n": 2, **(options or {})}),
            PrefectRunKnown("flow-1", "http://127.0.0.1:4200/runs/flow-run/flow-1"),
            NodeJoined("node1", "localhost", 2, {"os": "linux", "browser": ("chrome", "firefox")}),
            NodeJoined("node2", "localhost", 1, {"os": "linux"}),
            *(event for test in tests for event in test),
            RunFinished(at + 9.0, 9.0, 1, "failed"),
        ]
        return self.write(run_id, events)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "home")


MakeDatabase = Callable[..., Database]


@pytest.fixture(scope="session")
def make_database(tmp_path_factory: pytest.TempPathFactory) -> MakeDatabase:
    """`make_database(path, …)`: an empty one, copied from one that was made once: its tables take their time."""
    empty = tmp_path_factory.mktemp("empty") / "empty.duckdb"
    with Database(empty).write():
        pass

    def make(path: Path, **options: float) -> Database:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(empty, path)
        path.chmod(0o600)
        return Database(path, **options)

    return make


@pytest.fixture
def database(tmp_path: Path, make_database: MakeDatabase) -> Database:
    return make_database(tmp_path / "results.duckdb")
