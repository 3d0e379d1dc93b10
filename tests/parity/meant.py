"""The differences that are meant, each with its reason: the only place where one is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.parity.compare import Difference


@dataclass(frozen=True, slots=True)
class Meant:
    """A difference that follows from what PulseQ is.

    `suite` is the name of a suite or of a plug-in, or `*`; `what` a pattern for `Difference.what`; `mode` one for the
    mode's name.
    """

    suite: str
    what: str
    reason: str
    mode: str = "pulseq*"

    def covers(self, difference: Difference, names: Iterable[str], mode: str) -> bool:
        """Whether this is that difference, in a suite that goes by these names."""
        return (
            self.suite in {"*", *names}
            and fnmatchcase(mode, self.mode)
            # Node ids have brackets, which are no patterns here.
            and fnmatchcase(difference.what.replace("[", "("), self.what.replace("[", "("))
        )


_NOTHING_MEASURED = (
    "In workers pytest-benchmark measures nothing, since they disturb each other; so it is with pytest-xdist."
)
_SHARED_CONNECTION = (
    "Each worker's connection is opened in pytest_configure, which forks have in common; `auto` takes interpreters."
)
_OWN_DATABASE = "Each worker's database is chosen in pytest_configure, once for all forks; `auto` takes interpreters."
_ELSEWHERE = "What a test depends on ran on another worker; pytest-xdist says to use loadgroup then."
_ONE_VERDICT_OF_PARTS = "A test with a failed subtest has failed, also of unittest; pytest counts the parts besides."
_PASSED_PARTS = "Subtests that passed are counted; pytest 9 does so with -v alone."
_AFTER_OTHERS = "What ran before on the same worker decides; pytest-xdist has the same outcome."

MEANT: tuple[Meant, ...] = (
    Meant("*", "one-verdict", "A test has one verdict, the worst; pytest counts a failed teardown besides the test."),
    Meant(
        "*",
        "test:pytest::[session]",
        "What concerns the session as a whole has a row of its own, which no node id has.",
    ),
    Meant("benchmark", "file:.benchmarks/*", _NOTHING_MEASURED),
    Meant("benchmark", "report:benchmarks", _NOTHING_MEASURED),
    Meant("rerunfailures", "counts:*", _SHARED_CONNECTION, mode="pulseq fork"),
    Meant("rerunfailures", "test:*", _SHARED_CONNECTION, mode="pulseq fork"),
    Meant("dependency", "test:*", _ELSEWHERE),
    Meant("dependency", "counts:*", _ELSEWHERE),
    Meant("subtests", "counts:failed", _ONE_VERDICT_OF_PARTS),
    Meant("subtests", "counts:passed", _ONE_VERDICT_OF_PARTS),
    Meant("subtests", "counts:skipped", _ONE_VERDICT_OF_PARTS),
    Meant("subtests", "counts:subtests passed", _ONE_VERDICT_OF_PARTS),
    Meant("subtests", "test:test_subtests.py::TestNumbers::test_unittest", _ONE_VERDICT_OF_PARTS),
    Meant("subtests", "test:test_subtests.py::test_two_fail", _ONE_VERDICT_OF_PARTS),
    Meant("subtests-plugin", "counts:failed", _ONE_VERDICT_OF_PARTS),
    Meant("subtests-plugin", "counts:passed", _ONE_VERDICT_OF_PARTS),
    Meant("subtests-plugin", "counts:skipped", _ONE_VERDICT_OF_PARTS),
    Meant("subtests-plugin", "counts:subtests passed", _ONE_VERDICT_OF_PARTS),
    Meant("subtests-plugin", "test:test_subtests.py::TestNumbers::test_unittest", _ONE_VERDICT_OF_PARTS),
    Meant("subtests-plugin", "test:test_subtests.py::test_two_fail", _ONE_VERDICT_OF_PARTS),
    Meant("anyio", "test:tests/test_sockets.py::TestUNIXStream::test_extra_attributes*", _AFTER_OTHERS),
    Meant("anyio", "test:tests/test_sockets.py::TestUNIXStream::test_send_receive_seqsocket*", _AFTER_OTHERS),
    Meant("tornado", "counts:subtests passed", _PASSED_PARTS),
    Meant("sqlalchemy", "exit", _OWN_DATABASE, mode="pulseq fork"),
    Meant("sqlalchemy", "counts:*", _OWN_DATABASE, mode="pulseq fork"),
    Meant("sqlalchemy", "test:test/engine/*", _OWN_DATABASE, mode="pulseq fork"),
)


def split_meant(
    differences: Iterable[Difference], names: Sequence[str], mode: str, entries: Sequence[Meant] = MEANT
) -> tuple[list[Difference], list[tuple[Difference, Meant]]]:
    """The differences that are not meant, and those that are with their entry."""
    open_ones, meant = [], []
    for difference in differences:
        entry = next((entry for entry in entries if entry.covers(difference, names, mode)), None)
        if entry is None:
            open_ones.append(difference)
        else:
            meant.append((difference, entry))
    return open_ones, meant


def unused_entries(
    used: Iterable[Meant], names: Iterable[str], *, is_everything: bool, entries: Sequence[Meant] = MEANT
) -> list[Meant]:
    """The entries about suites that were run in full which did not occur; those about all only after a run of all."""
    known = {*names, *(["*"] if is_everything else [])}
    return [entry for entry in entries if entry.suite in known and entry not in set(used)]
