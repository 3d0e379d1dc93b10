"""A pytest plug-in that writes what pytest's summary line counts, and of which test, as JSON.

It is loaded by `-p parity_recorder` in the environment under test: the standard library, pytest and Python 3.9 alone.
"""

import json
import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Record where results are told: in pytest itself or in pytest-xdist's controller, never in a worker."""
    if not hasattr(config, "workerinput") and "PARITY_RECORD" in os.environ:
        # Runs of pytest that tests start are not to be recorded.
        config.pluginmanager.register(Recorder(config, os.environ.pop("PARITY_RECORD")), "parity-recorder")


class Recorder:
    """Writes the terminal reporter's own statistics when everything else is done."""

    def __init__(self, config, path):
        self.config = config
        self.path = path

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self):
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        stats = reporter.stats if reporter else {}
        # The category "" has the setups and teardowns that went well, which pytest counts nowhere.
        record = {category: names_of(entries) for category, entries in stats.items() if category}
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(record, file)


def names_of(entries):
    """The node ids of reports, warnings or items, as far as the summary line counts them."""
    counted = [entry for entry in entries if getattr(entry, "count_towards_summary", True)]
    return [getattr(entry, "nodeid", None) or "" for entry in counted]
