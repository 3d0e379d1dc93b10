import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("shop", ["north", "south", "east", "west"])
def test_it_is_open_on_this_worker(shop):
    assert (HERE / f".{shop}").read_text() == str(os.getpid())
