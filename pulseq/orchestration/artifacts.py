"""What the page of a flow run shows beside its states: progress, a summary, a table of failures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate

from pulseq.orchestration.prefect_client import open_client
from pulseq.protocol.work import shown_name

_NOT_IN_A_KEY = re.compile(r"[^a-z0-9]+")
_LONGEST_KEY = 100


def artifact_key(suite: str, kind: str) -> str:
    """The key under which Prefect lists the versions of an artifact: one history for each suite."""
    return f"{_NOT_IN_A_KEY.sub('-', suite.lower())[:_LONGEST_KEY].strip('-') or 'suite'}-{kind}"


class RunArtifacts:
    """The artifacts of one flow run; each call is one request.

    Raises:
        InfrastructureError: by each of them, the API does not take it.
    """

    def __init__(self, flow_run_id: str, suite: str) -> None:
        self._flow_run_id = UUID(flow_run_id)
        self._suite = suite
        self._progress: UUID | None = None

    async def show_progress(self, percent: float) -> None:
        """How far the run is, 0 to 100."""
        if self._progress is None:
            self._progress = await self._create("progress", "progress", round(percent, 1), "tests with a verdict")
            return
        async with open_client() as client:
            await client.update_artifact(self._progress, ArtifactUpdate(data=round(percent, 1)))

    async def show_summary(self, markdown: str) -> None:
        """The summary, as Markdown."""
        await self._create("summary", "markdown", shown_text(markdown), "what the run came to")

    async def show_failures(self, rows: Sequence[dict[str, Any]]) -> None:
        """The table of what went wrong."""
        await self._create("failures", "table", shown_text(json.dumps(list(rows))), "tests that failed or had an error")

    async def _create(self, kind: str, form: str, data: str | float, description: str) -> UUID:
        artifact = ArtifactCreate(
            key=artifact_key(self._suite, kind),
            type=form,
            data=data,
            description=f"{shown_name(self._suite)}: {description}",
            flow_run_id=self._flow_run_id,
        )
        async with open_client() as client:
            return (await client.create_artifact(artifact)).id


def shown_text(text: str) -> str:
    """Text as the API can take it: what is no UTF-8 becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()
