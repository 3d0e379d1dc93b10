"""The shop that the quickstart suite tests: a basket, prices, and a check-out on the command line."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field

#: Cents by article.
PRICES = {"apple": 40, "bread": 350, "coffee": 790}
RATES = {"EUR": 1.0, "USD": 1.1}


@dataclass
class Basket:
    """Articles and how many of each."""

    quantities: dict[str, int] = field(default_factory=dict)

    def add(self, article: str, quantity: int = 1) -> None:
        """Put articles in; `KeyError` for one that the shop does not sell."""
        if article not in PRICES:
            raise KeyError(article)
        if quantity < 1:
            raise ValueError(f"found a quantity of {quantity}, expected at least 1")
        self.quantities[article] = self.quantities.get(article, 0) + quantity

    def total(self, currency: str = "EUR") -> int:
        """What it costs, in cents of a currency."""
        cents = sum(PRICES[article] * quantity for article, quantity in self.quantities.items())
        return round(cents * RATES[currency])


def check_out(items: int) -> str:
    """Buy so many apples, as a customer who needs a moment to find the button."""
    basket = Basket()
    basket.add("apple", items)
    time.sleep(0.4)
    currency = os.environ.get("SHOP_CURRENCY", "EUR")
    return f"{items} apples cost {basket.total(currency) / 100:.2f} {currency}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Buy apples.")
    parser.add_argument("--items", type=int, default=1)
    print(check_out(parser.parse_args().items))
