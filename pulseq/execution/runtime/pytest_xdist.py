"""What plug-ins know of pytest-xdist, for a session whose workers are ours: its hooks, its nodes, its keys.

Plug-ins and `conftest.py` files that work with pytest-xdist look for these names; the library itself need not be
installed where a suite runs. Names and meanings are those of its documentation (How-to guides, version 3.8).
"""

from __future__ import annotations

import os
import platform
import sys
from types import SimpleNamespace
from typing import Any, Dict, List, Mapping, Optional

#: Variables of a worker that are set before anything of the suite is imported there.
WORKER_VARIABLE = "PYTEST_XDIST_WORKER"
COUNT_VARIABLE = "PYTEST_XDIST_WORKER_COUNT"
RUN_VARIABLE = "PYTEST_XDIST_TESTRUNUID"
#: The worker's name in its `config.workerinput`.
WORKER_KEY = "workerid"

#: Hooks by which a plug-in says that it does something for each worker, or with what comes back of it.
NODE_HOOKS = (
    "pytest_configure_node",
    "pytest_testnodeready",
    "pytest_testnodedown",
    "pytest_xdist_setupnodes",
    "pytest_xdist_newgateway",
    "pytest_xdist_node_collection_finished",
    "pytest_handlecrashitem",
)


class Node:
    """One worker, as hooks get it.

    Attributes:
        workerinput: what the worker gets; its `config.workerinput`.
        workeroutput: what it gave back, once it has ended in order.
        workerinfo: what it said of itself at its start.
        gateway: has `id`, and `spec` with `id` and `popen`.
    """

    def __init__(self, config: Any, manager: "WorkerManager", worker: str) -> None:
        self.config = config
        self.nodemanager = manager
        spec = SimpleNamespace(id=worker, popen=True, chdir=None, ssh=None, python=None, _spec="popen")
        info = worker_info()
        self.gateway = SimpleNamespace(id=worker, spec=spec, _rinfo=lambda update=False: SimpleNamespace(**info))
        self.workerinfo = {**info, "id": worker, "spec": spec}
        self.workerinput: Dict[str, Any] = {
            WORKER_KEY: worker,
            "workercount": len(manager.specs),
            "testrunuid": manager.testrunuid,
            "mainargv": list(sys.argv),
        }
        self.workeroutput: Dict[str, Any] = {}
        del self.workeroutput  # there once it has ended

    def __repr__(self) -> str:
        return f"<Node {self.gateway.id}>"


class WorkerManager:
    """What hooks find under `node.nodemanager`."""

    def __init__(self, config: Any, workers: List[str], run_id: str) -> None:
        self.config = config
        self.testrunuid = run_id
        self.roots: List[Any] = []
        self.specs = [SimpleNamespace(id=worker, popen=True, chdir=None) for worker in workers]


def worker_info() -> Dict[str, Any]:
    """What a worker says of its interpreter."""
    return {
        "version": sys.version,
        "version_info": tuple(sys.version_info),
        "sysplatform": sys.platform,
        "platform": platform.platform(),
        "executable": sys.executable,
        "cwd": os.getcwd(),
    }


def changed_variables(before: Mapping[str, str]) -> Dict[str, Optional[str]]:
    """What a controller's plug-ins have made of its environment, which workers are started with; None for removed.

    Without what each worker has of its own.
    """
    own = ("TMPDIR", WORKER_VARIABLE, COUNT_VARIABLE, RUN_VARIABLE)
    names = (before.keys() | os.environ.keys()).difference(own)
    return {name: os.environ.get(name) for name in names if os.environ.get(name) != before.get(name)}


def change_variables(changed: Mapping[str, Optional[str]]) -> None:
    """Make the same of the environment of this process."""
    for name, value in changed.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def name_worker(worker: str, count: int, run_id: str) -> None:
    """Set the variables of a worker in this process."""
    os.environ[RUN_VARIABLE] = run_id
    os.environ[WORKER_VARIABLE] = worker
    os.environ[COUNT_VARIABLE] = str(count)


def scope_of(item: Any, mode: str) -> Optional[str]:
    """What items an item has to share a worker with, by the `--dist` of the suite; None for none.

    The rules are those of pytest-xdist's `LoadScopeScheduling` and its kin: the class or else the module of an
    item, its file, the names of its `xdist_group` markers.
    """
    if mode == "loadfile":
        return str(item.nodeid.split("::", 1)[0])
    if mode == "loadscope":
        return str(item.nodeid.partition("[")[0].rpartition("::")[0] or item.nodeid)
    if mode == "loadgroup":
        groups = {
            str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
            for mark in item.iter_markers("xdist_group")
        }
        return "_".join(sorted(groups)) or None
    return None
