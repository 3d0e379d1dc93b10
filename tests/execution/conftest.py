"""Small pytest suites, run by a session of forks as a node runs them."""

from __future__ import annotations

import asyncio
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.pytest_session import PytestSession
from pulseq.models import AttemptResult
from pulseq.pytest_sessions import Collection, Following, PytestOrder, PytestSpec, SessionResult

#: Fixtures that run bodies and suites as a node does.
IN_PROCESSES = {"suite", "run_body", "run_bodies", "in_executor"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slots that are interpreters take the longest; what they do as forks do is tried by the forks at any time."""
    here = f"{Path(__file__).parent}/"
    for item in items:
        if not str(item.path).startswith(here):
            continue
        if _params(item).get("isolation") == "interpreter":
            item.add_marker(pytest.mark.system)
        elif not IN_PROCESSES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.processes)


def _params(item: pytest.Item) -> Mapping[str, object]:
    return item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}


@pytest.fixture(autouse=True)
def _no_plugins_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed for these tests is none of the suites' business, and takes as long to load as pytest does."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@dataclass
class SuiteRun:
    """What a session told, in the order in which it did."""

    collection: Collection
    started: list[str] = field(default_factory=list)
    results: list[AttemptResult] = field(default_factory=list)
    late: list[AttemptResult] = field(default_factory=list)
    ended: SessionResult | None = None
    left: dict[str, Path] = field(default_factory=dict)
    left_late: dict[str, Path] = field(default_factory=dict)

    def __getitem__(self, test_id: str) -> AttemptResult:
        return next(result for result in self.results if result.test_id.endswith(test_id))

    def artifacts(self) -> dict[str, dict[str, str]]:
        """What each test that left anything has left, by its name alone: texts of files by their paths."""
        return {
            test_id.rpartition("::")[2]: {
                str(file.relative_to(place)): file.read_text() for file in sorted(place.rglob("*")) if file.is_file()
            }
            for test_id, place in self.left.items()
        }

    def verdicts(self) -> dict[str, str]:
        """The status of each test, by its name alone."""
        return {result.test_id.rpartition("::")[2]: result.status.value for result in self.results}

    def counts(self) -> Counter[str]:
        """As pytest counts them, but for xpassed, which are passed."""
        words = [
            "xfailed" if result.reason == "xfail" else result.status.value
            for result in [*self.results, *self.collection.verdicts]
        ]
        return Counter(words)


@dataclass
class SuiteFolder:
    """A directory with a suite in it, and ways to run that."""

    path: Path
    temp: Path

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))

    def spec(self, *, targets: Sequence[str] = (".",), args: Sequence[str] = (), **more: Any) -> PytestSpec:
        known: dict[str, Any] = {"pyargs": False, "cwd": str(self.path), "python": None, **more}
        return PytestSpec(run_id="run-1", entry="unit", targets=tuple(targets), args=tuple(args), **known)

    def session(self, *, slots: int = 1, **more: Any) -> PytestSession:
        late = more.pop("on_late", lambda result, left: None)
        spec = self.spec(**more)
        return PytestSession(spec, node_id="node1", temp_root=self.temp, slots=slots, on_late=late)

    def run(self, *, timeout: float | None = None, **how: Any) -> SuiteRun:
        """Collect and run everything, as `run_beside` does."""
        return asyncio.run(self.run_beside(seconds=timeout, **how))

    async def run_beside(
        self,
        *,
        slots: int = 1,
        pack: int = 1000,
        seconds: float | None = None,
        fresh: bool = False,
        after: Following | None = None,
        **more: Any,
    ) -> SuiteRun:
        """Collect and run everything, in packs of consecutive items, on all slots; others may do so meanwhile.

        What follows a pack is told, or else `after` is, whatever comes.
        """
        late: list[AttemptResult] = []
        left: dict[str, Path] = {}

        def take_late(result: AttemptResult, place: str | None) -> None:
            late.append(result)
            if place is not None:
                left[result.test_id] = Path(place)

        session = self.session(slots=slots, on_late=take_late, **more)
        try:
            run = SuiteRun(await session.collect(), late=late)
            packs = iter(packs_of(run.collection, pack, seconds))
            await asyncio.gather(*(self._work(session, packs, run, fresh, after) for _ in range(slots)))
            run.ended = await session.finish()
            run.left = {test_id: _kept(place, self.path.parent / "left") for test_id, place in run.left.items()}
            run.left_late = {test_id: _kept(place, self.path.parent / "late") for test_id, place in left.items()}
        finally:
            await session.close()
        return run

    async def _work(
        self, session: PytestSession, packs: Any, run: SuiteRun, fresh: bool, after: Following | None
    ) -> None:
        orders = next(packs, None)
        while orders:
            upcoming: list[list[PytestOrder] | None] = []

            async def ask_next(asked: list[list[PytestOrder] | None] = upcoming) -> Following:
                if after is not None:
                    return after
                asked.append(next(packs, None))
                return Following(asked[0][0] if asked[0] else None)

            await session.run_items(
                orders,
                on_start=lambda order: run.started.append(order.nodeid),
                on_result=run.results.append,
                on_left=lambda result, place: run.left.update({result.test_id: Path(place)}),
                fresh=fresh,
                ask_next=ask_next,
            )
            orders = upcoming[0] if upcoming else next(packs, None)

    def log(self) -> list[str]:
        """The lines that the suite wrote into the file `log`."""
        path = self.path / "log"
        return path.read_text().splitlines() if path.exists() else []


def _kept(place: Path, parent: Path) -> Path:
    """Where the session does not take it along at its end."""
    parent.mkdir(exist_ok=True)
    return place.rename(parent / place.name)


def packs_of(collection: Collection, size: int, timeout: float | None = None) -> list[list[PytestOrder]]:
    """Orders for all that was collected, in packs."""
    orders = [PytestOrder(item.nodeid, "", item.nodeid, timeout_seconds=timeout) for item in collection.items]
    return [orders[begin : begin + size] for begin in range(0, len(orders), size)]


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., SuiteFolder]:
    """Makes a folder with these files, `pytest.ini` among them so that nothing above it matters.

    Several are told apart by a name.
    """

    def make(files: Mapping[str, str], name: str = "") -> SuiteFolder:
        folder = SuiteFolder(tmp_path / name / "suite", tmp_path / name / "temp")
        folder.write({"pytest.ini": "[pytest]\n", **files})
        return folder

    return make
