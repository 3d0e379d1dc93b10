"""Each verdict that pytest's summary line knows, without any plug-in."""

import warnings

import pytest


@pytest.fixture
def broken_teardown():
    yield
    raise RuntimeError("teardown")


@pytest.fixture
def broken_setup():
    raise RuntimeError("setup")


def test_passes():
    pass


def test_fails():
    assert 1 == 2


def test_warns():
    warnings.warn("careful", UserWarning, stacklevel=1)


def test_warns_alike():
    warnings.warn("careful", UserWarning, stacklevel=1)


def test_passes_and_its_teardown_fails(broken_teardown):
    pass


def test_fails_and_its_teardown_fails(broken_teardown):
    raise AssertionError("call")


def test_setup_fails(broken_setup):
    pass


@pytest.mark.skip(reason="not today")
def test_is_skipped():
    pass


def test_skips_itself():
    pytest.skip("not here")


@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    raise AssertionError


@pytest.mark.xfail(reason="known")
def test_passes_unexpectedly():
    pass


@pytest.mark.xfail(reason="known", strict=True)
def test_passes_unexpectedly_and_strictly():
    pass


@pytest.mark.parametrize("text", ["a::b", "with space", "ünï", "[x]", "a/b"])
def test_has_a_strange_id(text):
    assert text


def test_is_left_out():
    raise AssertionError("deselected in all ways")
