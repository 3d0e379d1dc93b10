"""What the components of the Python API share: nodes, tests that wait, results, and how they are used."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pulseq.distributed.scheduled_tests import ScheduledTests
from pulseq.distributed.test_node import TestNode
from pulseq.fleet import FrameworkConfig
from pulseq.marks import NodeMark
from pulseq.models import CapabilityValue
from pulseq.project import ProjectSpec
from pulseq.security.credentials import Credentials
from pulseq.suites.nodes_file import framework_from_mapping
from pulseq.suites.project_keys import project_from_mapping


class Session:
    """The common ground of one runner, its scheduler, its node manager and its aggregator.

    It lives as long as one of them does.

    Attributes:
        nodes: the nodes that a runner has added and not removed, by id.
        joined: what the nodes that have been started offer, by id.
        config: how nodes and results are treated.
        scheduler, credentials: of the Dask scheduler that they have joined; empty and None until there is one.
        marks: what is said of nodes that are to have no tests, by id, as a node manager of the session knows it.
        waiting: what was scheduled, by each scheduler of the session.
        closed: whether the runner was closed; then nothing can be started in it any more.
    """

    def __init__(self, config: FrameworkConfig | None = None) -> None:
        self.nodes: dict[str, TestNode] = {}
        self.joined: dict[str, Mapping[str, CapabilityValue]] = {}
        self.config = config or FrameworkConfig()
        self.scheduler = ""
        self.credentials: Credentials | None = None
        self.marks: dict[str, NodeMark] = {}
        self.waiting: list[ScheduledTests] = []
        self.closed = False
        self._members: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()

    def has(self, kind: str) -> bool:
        """Whether a component of this kind uses the session and lives."""
        return kind in self._members

    def join(self, kind: str, component: Any) -> None:
        """A component of this kind uses the session from here on."""
        self._members[kind] = component

    def member(self, kind: str) -> Any:
        """The component of this kind, or None."""
        return self._members.get(kind)


_lock = threading.Lock()
_current: weakref.ref[Session] | None = None


def current_session(kind: str | None = None) -> Session:
    """The session that components made without arguments share; a fresh one where there is none.

    A session has one component of a kind: a second one begins a fresh session, which is the current one then.

    Args:
        kind: of the component that asks (`runner`, `scheduler`); None joins whatever there is.
    """
    global _current
    with _lock:
        session = _current() if _current is not None else None
        if session is None or session.closed or (kind is not None and session.has(kind)):
            session = Session()
            _current = weakref.ref(session)
        return session


def config_of(config: FrameworkConfig | Mapping[str, Any] | None) -> FrameworkConfig | None:
    """A framework configuration, given as one or as a dict with its keys.

    Raises:
        ValueError: a value that cannot be used; the text says what was found and what was expected.
    """
    if config is None or isinstance(config, FrameworkConfig):
        return config
    return framework_from_mapping(config)


def project_of(project: ProjectSpec | Mapping[str, Any] | None) -> ProjectSpec:
    """A project, given as one or as a dict with the keys that a suite file has.

    Raises:
        ValueError: a value that cannot be used; the text says what was found and what was expected.
    """
    if isinstance(project, ProjectSpec):
        return project
    return project_from_mapping(project or {}, Path.cwd())
