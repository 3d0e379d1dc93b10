import pytest


@pytest.mark.parametrize("number", range(6))
def test_number(number):
    assert number != 2


def test_long():
    pass
