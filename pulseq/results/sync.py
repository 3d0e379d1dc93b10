"""All journals of a state directory into the database, which is compared with them, mended, or made anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pulseq.errors import InfrastructureError, PulseqError, UsageError
from pulseq.results.catalogue import find_lack, mend_views
from pulseq.results.database import DATABASE_NAME, Database, DatabaseDamagedError
from pulseq.results.flow_runs import is_being_written
from pulseq.results.health_journal import DIRECTORY as HEALTH
from pulseq.results.ingest import IngestReport, JournalWork, take_in, work_on
from pulseq.results.journal import JOURNAL_NAME
from pulseq.results.retention import UnpackingError, packed_runs, unpacked
from pulseq.results.row_stamps import Doubts, find_doubts


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What was taken in of all journals, and what was found on the way.

    Attributes:
        runs: a report for each journal.
        set_aside: where the database file went, because it was damaged or was to be made anew.
        why: what it was like.
        mended: runs whose rows somebody had changed; they are as their journals say again.
        unproven: runs whose rows somebody has changed and whose journals are gone: they stay as they are.
        missing: runs that were in the file that was set aside and of which there is no journal.
        troubles: a line for each journal that was left out.
    """

    runs: tuple[IngestReport, ...]
    set_aside: Path | None = None
    why: str = ""
    mended: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """Events taken in."""
        return sum(run.entries for run in self.runs)

    @property
    def damaged_lines(self) -> int:
        """Lines skipped."""
        return sum(run.damaged_lines for run in self.runs)


def sync(home: Path, database: Database | None = None, *, rebuild: bool = False) -> SyncReport:
    """Take every journal of a state directory into the database (`home/results.duckdb` when none is given).

    Rows that differ from what was taken in are taken in again. A database that is deleted, damaged or not whole is
    made anew; with `rebuild` one that is sound, too. What was there is set aside; it is removed where it was sound and
    every run of it is in the new one.

    Raises as `ingest` does.
    """
    database = database or Database(home / DATABASE_NAME)
    set_aside, why = _make_room(database, rebuild=rebuild)
    try:
        works, doubts, troubles = _bring_in(home, database)
    except DatabaseDamagedError:  # in a place that no look at every row has found
        set_aside, why = database.set_aside(), "was damaged"
        works, doubts, troubles = _bring_in(home, database)
    known = {work.mark.run_id for work in works}
    missing = _missing(set_aside, database) if set_aside and why != "was damaged" else ()
    if set_aside and rebuild and not why and not missing:
        set_aside.unlink()
        set_aside = None
    return SyncReport(
        tuple(work.report for work in works),
        set_aside,
        why,
        tuple(sorted(doubts.changed & known)),
        tuple(sorted(doubts.changed - known)),
        missing,
        tuple(troubles),
    )


def _bring_in(home: Path, database: Database) -> tuple[list[JournalWork], Doubts, list[str]]:
    """What was taken in, what had been in doubt before, and a line for each journal that was left out."""
    works, troubles = _read_works(home)
    with database.read() as connection:
        doubts = find_doubts(connection, but_for=f"{HEALTH}/")
    troubles += _take_in(home, database, works, doubts)
    return works, doubts, troubles


def _make_room(database: Database, *, rebuild: bool) -> tuple[Path | None, str]:
    """Have a sound database with its schema; where the file went that was in its place, and why."""
    set_aside, why = None, ""
    if database.path.exists():
        try:
            database.check()
            lack = find_lack(database, may_be_foreign=not rebuild)
            if lack or rebuild:
                set_aside, why = database.put_aside("damaged" if lack else "before"), lack or ""
        except DatabaseDamagedError:
            set_aside, why = database.set_aside(), "was damaged"
    mend_views(database)
    return set_aside, why


def _read_works(home: Path) -> tuple[list[JournalWork], list[str]]:
    """The journals of a state directory, one for each run, and a line for each that is left out."""
    found: dict[str, JournalWork] = {}
    troubles: list[str] = []
    for journal in sorted(home.glob(f"runs/*/{JOURNAL_NAME}"), key=lambda journal: journal.parent.name):
        try:
            work = work_on(journal)
        except UsageError as error:
            troubles.append(str(error))
            continue
        if work is None:
            continue
        known = found.setdefault(work.mark.run_id, work)
        if known is not work:
            first, other = (work, known) if journal.parent.name == work.mark.run_id else (known, work)
            found[work.mark.run_id] = first
            troubles.append(
                f"the journal {str(other.journal)!r} is left out: {str(first.journal)!r} is of run "
                f"{work.mark.run_id!r} as well; move one of them out of the way"
            )
        work.settled = not is_being_written(journal)
    return list(found.values()), troubles


def _take_in(home: Path, database: Database, works: list[JournalWork], doubts: Doubts) -> list[str]:
    """Take in what is new, and what is doubtful from its start; packed journals where rows of theirs are needed.

    Returns a line for each packed one that is left out.
    """
    troubles: list[str] = []
    doubtful = doubts.changed | doubts.unstamped
    for work in works:
        work.anew = work.settled and work.mark.run_id in doubtful
    troubles += _take_each(works, database)
    there = {work.mark.run_id for work in works}
    for run_id in _needed(packed_runs(home), database, there, doubtful):
        try:
            with unpacked(home, run_id) as journal:
                packed = work_on(journal)
                if packed is not None and packed.mark.run_id not in there:
                    packed.settled = packed.anew = True
                    take_in([packed], database)
                    works.append(packed)
        except UnpackingError as error:
            troubles.append(str(error))
    return troubles


def _take_each(works: list[JournalWork], database: Database) -> list[str]:
    """Take in journals together; where one of them is more than the database bears, each by itself without that one."""
    try:
        take_in(works, database)
    except (InfrastructureError, UsageError):
        raise  # the others would meet the same
    except PulseqError as error:
        if len(works) == 1:
            return [f"the journal {str(works[0].journal)!r} cannot be taken in: {error}"]
        return [trouble for work in works for trouble in _take_each([work], database)]
    return []


def _needed(packed: Iterable[str], database: Database, there: set[str], doubtful: frozenset[str]) -> list[str]:
    """Those packed journals whose rows are not in the database, or not as they were."""
    with database.read() as connection:
        stored = {run_id for (run_id,) in connection.execute("SELECT run_id FROM journals").fetchall()}
    return [run_id for run_id in packed if run_id not in there and (run_id in doubtful or run_id not in stored)]


def _missing(old: Path, database: Database) -> tuple[str, ...]:
    """The runs that only the file has that was set aside."""
    query = "SELECT run_id FROM runs"
    try:
        with Database(old).look() as connection:
            before = {run_id for (run_id,) in connection.execute(query).fetchall()}
    except UsageError:  # it has no such table any more
        return ()
    with database.read() as connection:
        now = {run_id for (run_id,) in connection.execute(query).fetchall()}
    return tuple(sorted(before - now))


def tell_findings(report: SyncReport) -> list[str]:
    """A line for each thing of note that was found, for people."""
    lines = [*report.troubles]
    if report.set_aside and report.why:
        lines.append(f"the database {report.why} and is now {str(report.set_aside)!r}; it was built anew")
    if report.missing:
        lines.append(
            f"{_count(report.missing, 'run')} without a journal: {_some(report.missing)}; "
            f"of what was known of them, {str(report.set_aside)!r} has all that there is"
        )
    if report.mended:
        mended = f"rows of {_count(report.mended, 'run')} had been changed and were built anew"
        lines.append(f"{mended}: {_some(report.mended)}")
    if report.unproven:
        unproven = f"rows of {_count(report.unproven, 'run')} have been changed, and no journal tells what they were"
        lines.append(f"{unproven}: {_some(report.unproven)}")
    if report.damaged_lines:
        lines.append(f"{report.damaged_lines} damaged journal lines were skipped")
    return lines


def _count(names: tuple[str, ...], word: str) -> str:
    return f"{len(names)} {word}{'' if len(names) == 1 else 's'}"


def _some(names: tuple[str, ...], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
