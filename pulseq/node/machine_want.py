"""What a test failed for that is its machine's: no space on the disk, or a workspace that somebody has removed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from pulseq.models import INFRASTRUCTURE_REASONS, AttemptResult, Reason, Status
from pulseq.pytest_sessions import Collection

#: With less, what runs a test cannot write what it has to.
LEAST_FREE_BYTES = 1_000_000


def blame_machine(result: AttemptResult, temporary: Path, workspace: str | None) -> AttemptResult:
    """The result of an attempt; where its machine had not what it needed, it is lost with that, and goes elsewhere.

    Args:
        temporary: where the node and its bodies write.
        workspace: the tree of the project there; None where the project is at its own place.
    """
    if result.status not in (Status.FAILED, Status.ERROR) or result.reason in INFRASTRUCTURE_REASONS or result.rerun:
        return result
    why = _say_removed(workspace)
    if why is None and result.reason in (Reason.SETUP, Reason.INTERNAL) and not _has_run(result):
        why = _say_full(temporary)
    if why is None:
        return result
    error = f"{why}: {result.error}"
    return structs.replace(result, status=Status.ERROR, reason=Reason.NODE_LOST, error=error, short=why)


def blame_for_collection(collection: Collection, temporary: Path, workspace: str | None) -> Collection:
    """What a session has collected; where it could not for what its machine has not, with that."""
    if collection.usage_error is None:
        return collection
    return replace(collection, machine_wants=_say_removed(workspace) or _say_full(temporary))


def _say_removed(workspace: str | None) -> str | None:
    if workspace is None or os.path.isdir(workspace):
        return None
    return "the project that was brought to this machine has been removed"


def _say_full(directory: Path) -> str | None:
    return f"the disk of this machine is full, at {directory}" if _is_full(directory) else None


def _has_run(result: AttemptResult) -> bool:
    """Whether there was a body, which may have filled the disk itself."""
    return result.metrics.get("memory_usage", 0.0) > 0.0


def _is_full(directory: Path) -> bool:
    try:
        return shutil.disk_usage(directory).free < LEAST_FREE_BYTES
    except OSError:
        return True
