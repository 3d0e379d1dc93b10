"""What PulseQ uses of Dask and pytest that their documentation tells of; what is not here stands in `unpromised`."""

from __future__ import annotations

from tests.outside_use import Outside

_OF_DASK = {
    "Client": "close log_event register_plugin run submit subscribe_topic removeprefix",  # the last of its id, a text
    "Future": "exception release status",
    "Scheduler": "add_plugin address close_rpc finished log_event",
    "Worker": "address finished log_event",
    "dask": "",
    "distributed": "Client Scheduler SchedulerPlugin Worker rpc security",
}
DASK = Outside(
    packages=("distributed", "dask"),
    promised=frozenset({*_OF_DASK, "dask.config"})
    | {f"{owner}.{name}" for owner, names in _OF_DASK.items() for name in names.split()},
    receivers={
        **dict.fromkeys(("client", "_client"), "Client"),
        **dict.fromkeys(("scheduler", "_scheduler"), "Scheduler"),
        **dict.fromkeys(("worker", "_worker"), "Worker"),
        **dict.fromkeys(("worker_state", "state"), "WorkerState"),
        "future": "Future",
    },
    rooms=("node/probe.py", "node/silence.py", "protocol/", "cluster/cluster.py"),
    texts=frozenset({"Client-", "check-worker-ttl"}),
)

_OF_PYTEST = {
    "pytest": "",
    "Config": "cache getini hook option pluginmanager rootpath stash",
    "Item": "config ihook iter_markers listchain location nodeid user_properties",
    "Report": "duration failed longrepr longreprtext nodeid outcome passed sections skipped start when",
    "Session": "config items shouldfail shouldstop",
    # These are pluggy's.
    "HookCaller": "get_hookimpls",
    "PluginManager": "getplugin hasplugin register",
    "Manager": "add_hookspecs get_canonical_name get_plugins getplugin hook subset_hook_caller unregister",
    "Stream": "flush",
    "faulthandler": "is_enabled",
    "TempPathFactory": "getbasetemp",
}
#: What pytest-xdist has there, which plug-ins know of; ours, in its place or where it is not installed.
_XDISTS = {
    "Config": "workerinput workeroutput",
    "Option": "dist loadgroup numprocesses tx",
    "Report": "node",
    "Session": "_pulseq_items",
    "Manager": "specs testrunuid",
}
_HOLDERS = {
    **dict.fromkeys(("config", "_config", "early_config"), "Config"),
    **dict.fromkeys(("session", "_session"), "Session"),
    **dict.fromkeys(("item", "nextitem", "_last_item"), "Item"),
    **dict.fromkeys(("report", "decided"), "Report"),
    **dict.fromkeys(("rewrite", "_rewrite", "pytests"), "rewrite"),
    "_tw": "TerminalWriter",
    "caller": "HookCaller",
    "crash": "ReprFileLocation",
    "factory": "TempPathFactory",
    "faulthandler": "faulthandler",
    "junitxml": "junitxml",
    "manager": "Manager",
    "option": "Option",
    "pluginmanager": "PluginManager",
    "program": "pytest.__main__",
    "reporter": "TerminalReporter",
    "representation": "ExceptionRepr",
    "state": "State",
    "stream": "Stream",
}
PYTEST = Outside(
    packages=("pytest", "_pytest", "pluggy"),
    promised=frozenset(
        f"{owner}.{name}" if name else owner
        for table in (_OF_PYTEST, _XDISTS)
        for owner, names in table.items()
        for name in ("", *names.split())
    ),
    receivers=_HOLDERS,
    rooms=("execution/runtime/pytest_",),
    texts=frozenset({"_pytest", "_report_keyboardinterrupt"}),
)
