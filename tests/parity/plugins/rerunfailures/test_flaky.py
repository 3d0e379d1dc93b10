import pytest

runs = {"once": 0, "marked": 0, "setup": 0}


def test_fails_once():
    runs["once"] += 1
    assert runs["once"] > 1


@pytest.mark.flaky(reruns=3)
def test_fails_twice_and_is_marked():
    runs["marked"] += 1
    assert runs["marked"] > 2


@pytest.fixture
def fails_once():
    runs["setup"] += 1
    assert runs["setup"] > 1


def test_whose_setup_fails_once(fails_once):
    pass


def test_fails_always():
    raise AssertionError


@pytest.mark.flaky(reruns=2, only_rerun=["OSError"])
def test_fails_in_a_way_that_is_not_tried_again():
    raise AssertionError


def test_passes():
    pass
