import json
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prices():
    return json.loads((Path(__file__).parent / "data" / "prices.json").read_text())
