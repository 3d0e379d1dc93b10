import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("currency", ["EUR", "GBP"])
def test_has_price(prices, currency):
    assert prices[currency] > 0


def test_is_cheaper(prices, record_property):
    record_property("difference", prices["EUR"] - prices["GBP"])
    assert prices["GBP"] < prices["EUR"]


def test_runs_in_its_own_environment():
    assert Path(sys.prefix) == ROOT / ".venv"
    import only_in_this_environment

    assert only_in_this_environment.WORD == "made for it"


def test_may_write_beside_itself(tmp_path):
    (ROOT / "written").mkdir(exist_ok=True)
    (ROOT / "written" / "note.txt").write_text("note")
    (tmp_path / "note.txt").write_text("note")


def test_is_wrong(prices):
    Path(os.environ["PULSEQ_ARTIFACTS"], "prices.txt").write_text(repr(prices))
    assert prices["EUR"] == 4


@pytest.mark.skip(reason="no dollars yet")
def test_dollars(prices):
    assert prices["USD"]


@pytest.mark.xfail(reason="none are kept")
def test_yen(prices):
    assert prices["JPY"]
