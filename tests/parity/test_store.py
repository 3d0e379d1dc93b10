"""Sources and environments that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parity.store import Store, StoreError, default_cache, requirement_name
from tests.parity.suite import Suite


@pytest.mark.parametrize("requirement", ["Flask_Login==1.0", "flask-login[extra]==1.0", "flask-login"])
def test_a_requirement_is_about_one_package(requirement: str) -> None:
    assert requirement_name(requirement) == "flask-login"


def test_the_cache_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")

    assert Path("/cache/pulseq-parity") == default_cache()


def test_a_source_that_was_unpacked_is_not_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "sources" / "shop-1.0").mkdir(parents=True)

    assert tmp_path / "sources" / "shop-1.0" == Store(tmp_path).source(Suite("shop", (), "shop==1.0"))


def test_a_suite_of_our_own_has_its_tree(tmp_path: Path) -> None:
    assert tmp_path == Store(tmp_path).source(Suite("shop", (), tree=tmp_path))


def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path, Path("/no/such/python"))

    with pytest.raises(StoreError, match="`/no/such/python` cannot be run: No such file"):
        store.python(Suite("shop", ()))
