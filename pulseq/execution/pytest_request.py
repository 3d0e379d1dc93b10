"""What a session's spec comes to for the programs that collect and run it: pure functions."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pulseq.execution.runtime import wire
from pulseq.pytest_sessions import PytestSpec


def collect_request(spec: PytestSpec, *, slots: int, secrets: Sequence[str], rewritten: Path) -> wire.Message:
    """What a zygote is asked to collect.

    Args:
        slots: of all nodes of this machine.
        secrets: texts that are blotted out of what is told.
        rewritten: a directory for test files as pytest has them rewritten.
    """
    return {
        "op": "collect",
        "args": [*(["--pyargs"] if spec.pyargs else []), *spec.targets, *spec.args],
        "keyword": spec.keyword,
        "markers": spec.markers,
        "run_id": spec.run_id,
        "first": 0,
        "isolation": spec.isolation,
        "secrets": list(secrets),
        "workers": slots,
        "helpers": min(slots, len(os.sched_getaffinity(0))) - 1,
        "rewritten": str(rewritten),
    }


def session_name(spec: PytestSpec, python: str, environment: Mapping[str, str]) -> str:
    """The same for all nodes whose sessions would collect the same in the same surroundings."""
    surroundings = sorted(item for item in environment.items() if item[0] not in ("PULSEQ_NODE_ID", "TMPDIR"))
    return hashlib.sha256(repr((spec, python, surroundings)).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def item_limits(spec: PytestSpec) -> wire.Message:
    """What keepers are told of what an item may hold and write, in bytes."""
    return {"memory": spec.memory_limit, "output": spec.output_limit}


def wanted_files(spec: PytestSpec) -> wire.Message | None:
    """What runners are told of the files that items leave where globs look; None where none does."""
    rules = spec.artifacts
    if not rules.globs:
        return None
    return {"globs": list(rules.globs), "of": rules.of, "limit": rules.limit, "cwd": spec.cwd}
