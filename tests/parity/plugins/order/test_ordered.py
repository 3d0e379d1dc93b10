"""Whatever runs the tests, in each process the orders that it sees only grow."""

import pytest

seen = []


def see(order):
    assert all(earlier < order for earlier in seen)
    seen.append(order)


@pytest.mark.order(3)
def test_third():
    see(3)


@pytest.mark.order("first")
def test_first():
    see(1)


@pytest.mark.order("last")
def test_last():
    see(100)


@pytest.mark.order(2)
def test_second():
    see(2)


def test_between():
    see(50)
