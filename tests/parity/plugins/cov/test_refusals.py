import pytest
from shop.prices import discounted


def test_a_discount_of_more_than_all_is_refused():
    with pytest.raises(ValueError):
        discounted(200, 101)


@pytest.mark.parametrize("percent", range(5))
def test_small_discounts(percent):
    assert discounted(100, percent) == 100 - percent
