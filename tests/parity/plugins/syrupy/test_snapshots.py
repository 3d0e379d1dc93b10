import pytest


def test_a_mapping(snapshot):
    assert {"name": "apple", "price": 100} == snapshot


@pytest.mark.parametrize("number", [1, 2])
def test_a_parametrized_value(snapshot, number):
    assert [number] * number == snapshot


def test_has_changed(snapshot):
    assert "new" == snapshot


def test_is_new(snapshot):
    assert {"no": "snapshot yet"} == snapshot
