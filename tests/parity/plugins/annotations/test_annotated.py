import warnings

import pytest


def test_passes():
    pass


def test_fails():
    assert 1 == 2


@pytest.mark.parametrize("number", [1, 2])
def test_fails_for_one(number):
    assert number == 1


def test_warns():
    warnings.warn("careful", UserWarning, stacklevel=1)
