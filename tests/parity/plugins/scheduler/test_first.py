import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("shop", ["north", "south", "east", "west"])
def test_it_opens(shop):
    (HERE / f".{shop}").write_text(str(os.getpid()))
