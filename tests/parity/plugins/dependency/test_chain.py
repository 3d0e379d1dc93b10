import pytest


@pytest.mark.dependency
def test_base():
    pass


@pytest.mark.dependency
def test_broken():
    raise AssertionError


@pytest.mark.dependency(depends=["test_base"])
def test_on_what_passed():
    pass


@pytest.mark.dependency(depends=["test_broken"])
def test_on_what_failed():
    pass


@pytest.mark.dependency(depends=["test_on_what_failed"])
def test_on_what_was_skipped():
    pass
