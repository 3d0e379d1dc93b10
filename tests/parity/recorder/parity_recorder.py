"""A pytest plug-in that writes what pytest's summary line counts, and of which test, as JSON.

It is loaded by `-p parity_recorder` in the environment under test: the standard library, pytest and Python 3.9 alone.
"""

import json
import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Record where results are told: in pytest itself or in pytest-xdist's controller, never in a worker."""
    if not hasattr(config, "workerinput") and "PARITY_RECORD" in os.environ:
        # Runs of pytest that tests start are not to be recorded.
        config.pluginmanager.register(Recorder(config, os.environ.pop("PARITY_RECORD")), "parity-recorder")


class Recorder:
    """Writes the terminal reporter's own statistics when everything else is done."""

    def __init__(self, config: pytest.Config, path: str) -> None:
        self.config = config
        self.path = path

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        stats = reporter.stats if reporter else {}
        # The category "" has the setups and teardowns that went well, which pytest counts nowhere.
        counted = {category: list(filter(is_counted, entries)) for category, entries in stats.items() if category}
        record = {
            "counts": {category: len(entries) for category, entries in counted.items() if entries},
            "tests": {category: names_of(entries) for category, entries in counted.items()},
        }
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(record, file)


def is_counted(entry: object) -> bool:
    """Whether the summary line counts a report, a warning or an item."""
    return getattr(entry, "count_towards_summary", True)


def names_of(entries: "list[object]") -> "list[str]":
    """The node ids of what is told of tests themselves: subtests are counted, and are no verdict of their test."""
    tests = [entry for entry in entries if type(entry).__name__.lower() != "subtestreport"]
    return [getattr(entry, "nodeid", None) or "" for entry in tests]
