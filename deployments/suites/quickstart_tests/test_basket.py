"""What a basket holds and costs."""

from __future__ import annotations

import pytest
from quickstart_shop import PRICES, Basket


@pytest.fixture
def basket() -> Basket:
    return Basket()


def test_an_empty_basket_costs_nothing(basket: Basket) -> None:
    assert basket.total() == 0


@pytest.mark.parametrize("article", sorted(PRICES))
def test_one_article_costs_its_price(basket: Basket, article: str) -> None:
    basket.add(article)
    assert basket.total() == PRICES[article]


def test_articles_add_up(basket: Basket) -> None:
    basket.add("apple", 2)
    basket.add("apple")
    assert basket.quantities == {"apple": 3}


def test_an_unknown_article_is_refused(basket: Basket) -> None:
    with pytest.raises(KeyError):
        basket.add("unicorn")
