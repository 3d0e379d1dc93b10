"""The flow that keeps results in order: journals into DuckDB, old ones packed away."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from pulseq.errors import PulseqError
from pulseq.orchestration.run_names import given_name
from pulseq.ownership import default_home
from pulseq.reports.wording import say_count
from pulseq.results.database import DATABASE_NAME, Database
from pulseq.results.health_journal import drop_health, ingest_health
from pulseq.results.retention import pack_old_runs
from pulseq.results.sync import sync, tell_findings

DAY_SECONDS = 86_400.0
#: A nightly run may hold the file for a while; this flow is in no hurry.
PATIENCE_SECONDS = 60.0

Days = Annotated[int, Field(ge=0, le=3650)]


def maintain(home: Path, keep_days: int) -> str:
    """Do it, and say in one line what was done."""
    database = Database(home / DATABASE_NAME, patience_seconds=PATIENCE_SECONDS)
    synced = sync(home, database)
    told = [f"{say_count(len(synced.runs), 'run')}, {say_count(synced.entries, 'new event')}"]
    told += tell_findings(synced)
    ingest_health(home, database)
    if keep_days:
        drop_health(home, database, time.time() - keep_days * DAY_SECONDS)
        packed = pack_old_runs(home, database, keep_seconds=keep_days * DAY_SECONDS, now=time.time())
        told.append(f"{say_count(len(packed.runs), 'journal')} packed, {packed.freed_bytes / 1e6:.1f} MB freed")
    return "; ".join(told)


def name_run() -> str:
    """The name that somebody has given the run, else what it does."""
    return given_name() or "maintenance"


@flow(name="maintain-results", flow_run_name=name_run, retries=2, retry_delay_seconds=60, persist_result=False)
def maintain_results(keep_days: Days = 30) -> State[Any]:
    """Bring every journal into DuckDB and pack those of old runs.

    Args:
        keep_days: Days after which the journal of an ended run is packed; its rows stay. 0 packs none.
    """
    try:
        told = maintain(default_home(), keep_days)
    except PulseqError as error:
        return Failed(message=str(error))
    get_run_logger().info("%s", told)
    return Completed(message=told)
