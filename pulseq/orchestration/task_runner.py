"""Prefect's task runner for labelled nodes."""

from __future__ import annotations

from prefect_dask.task_runners import DaskTaskRunner


class NodeTaskRunner(DaskTaskRunner):
    """A `DaskTaskRunner` on the nodes of PulseQ."""
