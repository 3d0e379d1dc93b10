"""A suite run all ways, and how each differs from pytest itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.parity.compare import Difference, find_differences, unstable_tests, without_unstable
from tests.parity.meant import Meant, split_meant
from tests.parity.modes import XDIST, modes_of
from tests.parity.outcome import Outcome
from tests.parity.running import Workplace, run_mode
from tests.parity.store import Store
from tests.parity.suite import Suite


@dataclass(frozen=True, slots=True)
class Compared:
    """A mode's outcome beside that of pytest: what differs, and what differs as is meant."""

    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    meant: tuple[tuple[Difference, Meant], ...] = ()

    @property
    def fails(self) -> bool:
        """Whether this speaks against PulseQ: what pytest-xdist does differently is told to compare."""
        return bool(self.differences) and self.outcome.mode != XDIST


@dataclass(frozen=True, slots=True)
class Checked:
    """A suite with its modes, pytest itself first; `unstable` are tests on which pytest does not agree with itself."""

    suite: Suite
    modes: tuple[Compared, ...] = ()
    unstable: frozenset[str] = frozenset()
    #: Why the suite could not be run at all.
    failure: str = ""

    @property
    def fails(self) -> bool:
        return bool(self.failure) or any(mode.fails for mode in self.modes)


def check_suite(
    suite: Suite, store: Store, isolations: tuple[str, ...], told: Callable[[str], None] = lambda line: None
) -> Checked:
    """Run a suite all ways, one after the other; plain pytest once more if there is a difference.

    Raises `StoreError` where the source or the environment cannot be made.
    """
    source, python = store.source(suite), store.python(suite)
    with tempfile.TemporaryDirectory(prefix="parity", ignore_cleanup_errors=True) as root:
        workplace = Workplace(Path(root) / "run")

        def run(mode: str) -> Outcome:
            told(f"{suite.name}: {mode}")
            return run_mode(by_name[mode], suite, source=source, python=python, workplace=workplace)

        by_name = {mode.name: mode for mode in modes_of(suite, isolations)}
        first, *others = (run(name) for name in by_name)
        checked = compare_modes(suite, first, others)
        if first.failure or not any(mode.differences for mode in checked.modes):
            return checked
        return leave_out_unstable(checked, run(first.mode))


def compare_modes(suite: Suite, first: Outcome, others: list[Outcome]) -> Checked:
    """Each of the other outcomes beside the first; a first that failed fails the suite."""
    names = (suite.name, *suite.plugins)
    compared = [Compared(first)]
    for outcome in others:
        open_ones, meant = split_meant(find_differences(first, outcome), names, outcome.mode)
        compared.append(Compared(outcome, tuple(open_ones), tuple(meant)))
    return Checked(suite, tuple(compared), failure=first.failure)


def leave_out_unstable(checked: Checked, second: Outcome) -> Checked:
    """Tell apart from a difference what a second run of plain pytest does not do as the first one did."""
    first = checked.modes[0].outcome
    modes = [
        replace(mode, differences=tuple(without_unstable(mode.differences, first, second))) for mode in checked.modes
    ]
    return replace(checked, modes=tuple(modes), unstable=unstable_tests(first, second))
