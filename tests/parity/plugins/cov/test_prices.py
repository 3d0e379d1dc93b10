import pytest
from shop.prices import discounted, total, total_elsewhere


@pytest.fixture(scope="module")
def prices():
    yield [100, 250]
    # Lines that only the teardown of a wide fixture reaches.
    assert total([]) == 0


def test_total(prices):
    assert total(prices) == 350


def test_discounted():
    assert discounted(200, 10) == 180


def test_a_child_process_is_measured_or_not():
    assert total_elsewhere() == 1500
