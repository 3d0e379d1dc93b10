import os

import pytest


def test_patches(mocker):
    mocker.patch("os.getcwd", return_value="/elsewhere")
    assert os.getcwd() == "/elsewhere"


def test_is_not_patched_any_more():
    assert os.getcwd() != "/elsewhere"


def test_spies(mocker):
    spy = mocker.spy(os.path, "join")
    os.path.join("a", "b")
    spy.assert_called_once_with("a", "b")


def test_tells_how_it_was_called(mocker):
    stub = mocker.stub(name="stub")
    stub(1)
    stub.assert_called_once_with(2)


@pytest.fixture(scope="module")
def patched_module(module_mocker):
    module_mocker.patch.dict(os.environ, {"PARITY_MOCK": "yes"})


def test_a_module_is_patched(patched_module):
    assert os.environ["PARITY_MOCK"] == "yes"


def test_a_module_stays_patched(patched_module):
    assert os.environ["PARITY_MOCK"] == "yes"
