"""The line between a keeper and the runner it forks, and what a fork needs to be a worker of its own."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from .body_environment import ARTIFACTS_VARIABLE, PrivateDirectory
from .metric import VARIABLE
from .pytest_xdist import WORKER_VARIABLE

#: Open as long as the process: a suite may take what is dropped without a word for an error.
_KEPT: List[Any] = []


@dataclass
class RunnerLink:
    """What a runner has of its keeper.

    Attributes:
        sock: where batches come from and verdicts go.
        output_fd: takes what is written past pytest's capturing.
        captured_fds: files that take what pytest captures of standard output and error, readable by the keeper.
        turns_fd: has a byte for each item that it may start.
        worker: the name of this worker, as pytest-xdist names its own: gw0, gw1, ...
        directory: the session's, in which its controller is found.
        artifacts: what `Collector` is told of the test's files; None where no glob finds any.
        basetemp: of pytest's `tmp_path` in this process alone; None leaves it as it is.
        line: to the controller, open as long as the process lives.
    """

    sock: socket.socket
    output_fd: int
    captured_fds: Tuple[int, int]
    private: PrivateDirectory
    turns_fd: int
    worker: str
    directory: str
    artifacts: Optional[Dict[str, Any]] = None
    basetemp: Optional[str] = None
    line: Any = None


class Starter:
    """How the runners of a keeper come to be: as forks of it, of a session that has collected.

    Attributes:
        directory: the session's, in which its controller is found.
        ready_at_once: whether a runner has its items already when it starts.
    """

    ready_at_once = True

    def __init__(self, directory: str, config: Any) -> None:
        self.directory = directory
        self._config = config

    def settle(self) -> None:
        """In the keeper, once: let go of what it is not to keep."""
        null = os.open(os.devnull, os.O_RDWR)
        redirect_output(self._config, null, (null, null))
        os.close(null)

    def become_runner(self, link: RunnerLink) -> RunnerLink:
        """In the runner: begin, or return so that the caller does."""
        return link


def become_worker(session: Any, link: RunnerLink) -> bool:
    """Part this process from its siblings: output, temporary directories, worker id.

    Returns:
        whether pytest captures at the file descriptors, so that nothing but leftovers goes to `output_fd`.
    """
    config = session.config
    _set_environment(link)
    _part_temporary_paths(config, link)
    by_descriptor = redirect_output(config, link.output_fd, link.captured_fds)
    _quieten_terminal(config.pluginmanager.getplugin("terminalreporter"))
    return by_descriptor


def _quieten_terminal(reporter: Any) -> None:
    """Let the terminal reporter, which other plugins may ask for, write nowhere and count no progress."""
    if reporter is not None:
        _KEPT.append(open(os.devnull, "w"))  # noqa: SIM115
        reporter._tw._file = _KEPT[-1]
        reporter._show_progress_info = False
        reporter.showfspath = False


def _set_environment(link: RunnerLink) -> None:
    os.environ["TMPDIR"] = link.private.temporary
    os.environ[VARIABLE] = link.private.metrics
    os.environ[ARTIFACTS_VARIABLE] = link.private.artifacts
    os.close(os.open(link.private.metrics, os.O_CREAT | os.O_WRONLY, 0o600))
    os.environ[WORKER_VARIABLE] = link.worker
    # The live module's: what the suite calls has to look for its directory anew.
    sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined]


def _part_temporary_paths(config: Any, link: RunnerLink) -> None:
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is not None and link.basetemp is not None:
        config.option.basetemp = link.basetemp
        factory._given_basetemp = Path(link.basetemp)
        factory._basetemp = None


def redirect_output(config: Any, output_fd: int, captured_fds: tuple[int, int]) -> bool:
    """Point every descriptor that pytest writes to, or saved, at files of this fork alone.

    The Python objects stay the same: modules of the suite may have kept sys.stdout since they were imported.

    Returns:
        whether pytest captures at the file descriptors.
    """
    for fd in (1, 2):
        os.dup2(output_fd, fd)
    for stashed in _faulthandler_descriptors(config):
        os.dup2(output_fd, stashed, inheritable=False)
    manager = config.pluginmanager.getplugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    by_descriptor = False
    for name, captured_fd in (("out", captured_fds[0]), ("err", captured_fds[1])):
        stream: Any = getattr(capturing, name, None)
        if hasattr(stream, "targetfd_save"):
            by_descriptor = True
            os.dup2(output_fd, stream.targetfd_save, inheritable=False)
            os.dup2(captured_fd, stream.tmpfile.fileno(), inheritable=False)
    return by_descriptor


def _faulthandler_descriptors(config: Any) -> List[int]:
    import _pytest.faulthandler

    key = getattr(_pytest.faulthandler, "fault_handler_stderr_fd_key", None)
    stash = getattr(config, "stash", None)
    fd = stash.get(key, None) if stash is not None and key is not None else None
    return [] if fd is None else [fd]
