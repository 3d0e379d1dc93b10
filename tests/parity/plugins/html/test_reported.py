import logging

import pytest


@pytest.fixture
def broken_teardown():
    yield
    raise RuntimeError("teardown")


def test_passes(record_property):
    record_property("ticket", "PQ-1")
    print("printed")
    logging.getLogger("shop").warning("logged")


def test_fails():
    assert {"a": 1} == {"a": 2}


def test_teardown_fails(broken_teardown):
    pass


@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass


@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    raise AssertionError


@pytest.mark.xfail(reason="known")
def test_passes_unexpectedly():
    pass


@pytest.mark.parametrize("number", [1, 2, 3])
def test_parametrized(number):
    assert number < 3
