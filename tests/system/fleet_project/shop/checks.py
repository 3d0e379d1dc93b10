"""What is called: with arguments, with its own metric, and by await."""

import asyncio
import json
from pathlib import Path

import pulseq

PRICES = Path(__file__).parent.parent / "tests" / "data" / "prices.json"


def price_is_right(price, currency):
    pulseq.metric("price", price)
    assert json.loads(PRICES.read_text())[currency] == price


async def price_comes_later():
    await asyncio.sleep(0)
    print("it has come")
