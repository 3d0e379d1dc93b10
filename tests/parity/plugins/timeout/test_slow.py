import time

import pytest


@pytest.mark.timeout(0.3)
def test_sleeps_too_long():
    time.sleep(30)


@pytest.fixture
def slow_setup():
    time.sleep(30)


@pytest.mark.timeout(0.3)
def test_has_a_slow_setup(slow_setup):
    pass


@pytest.mark.timeout(0.3, func_only=True)
def test_is_fast():
    pass


def test_comes_after():
    pass
