"""Whether anybody in a session's controller listens to reports: if nobody does, most of them need not travel."""

from __future__ import annotations

from typing import Any, List, Optional

from .pytest_unfit import implementers

#: Hooks that get reports, what became of them, or the moment when they are all there.
_HEARING = (
    "pytest_runtest_logstart",
    "pytest_runtest_logreport",
    "pytest_runtest_logfinish",
    "pytest_report_to_serializable",
    "pytest_report_from_serializable",
    "pytest_report_teststatus",
    "pytest_testnodedown",
    "pytest_handlecrashitem",
    "pytest_terminal_summary",
    "pytest_sessionfinish",
    "pytest_unconfigure",
)
#: Options with which plug-ins that are there anyway begin to listen.
_OPTIONS = ("xmlpath", "pastebin", "hypothesis_show_statistics")


def wanted_passes(config: Any) -> Optional[List[str]]:
    """The node ids of which it matters that they pass: those of pytest's list of what failed last.

    None where a plug-in listens, to which each report matters.
    """
    if any(getattr(config.option, name, None) for name in _OPTIONS):
        return None
    for hook in _HEARING:
        for _ in implementers(config.pluginmanager, hook):
            return None
    cache = getattr(config, "cache", None)  # not there without pytest's plug-in for it
    return list(cache.get("cache/lastfailed", {})) if cache is not None else []
