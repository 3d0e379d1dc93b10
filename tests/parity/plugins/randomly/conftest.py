"""Writes the order of the collection as the plug-ins left it."""

from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session):
    Path("order.txt").write_text("".join(f"{item.nodeid}\n" for item in session.items))
