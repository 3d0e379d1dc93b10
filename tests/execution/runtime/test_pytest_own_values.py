"""What a suite makes at import for its own process is noticed with its place, and what libraries make is not."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_own_values import OwnValues, holder_of, is_own


@pytest.fixture
def values() -> Iterator[OwnValues]:
    """Notices what the test makes."""
    noticing = OwnValues()
    noticing.watch()
    yield noticing
    noticing.stop()


def bind() -> None:
    """What looks for a port that is free does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: os.getpid(), "a name from os.getpid()"),
        (lambda: uuid.uuid4(), "a random name"),
        (lambda: os.urandom(4), "a random name"),
        (lambda: secrets.token_hex(4), "a random name"),
        (lambda: random.SystemRandom().random(), "a random name"),
        (lambda: os.rmdir(tempfile.mkdtemp()), "a temporary directory"),
        (lambda: tempfile.TemporaryDirectory().cleanup(), "a temporary directory"),
        (lambda: tempfile.NamedTemporaryFile().close(), "a temporary file"),
    ],
    ids=["pid", "uuid", "urandom", "token", "system random", "mkdtemp", "directory", "file"],
)
def test_what_a_suite_makes_for_one_process_is_noticed_with_its_place(
    make: Callable[[], Any], expected: str, values: OwnValues
) -> None:
    make()
    place = f"{os.path.relpath(__file__)}:{make.__code__.co_firstlineno}"
    assert (expected, place) == (values.what, values.maker)


def test_a_port_that_was_free_is_noticed_where_it_was_bound(values: OwnValues) -> None:
    bind()
    assert ("a bound socket", True) == (values.what, (values.maker or "").startswith(os.path.relpath(__file__)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: logging.LogRecord("name", 0, "path", 1, "it has the process's id in it", None, None),
        lambda: random.random(),
        lambda: random.randint(1, 9),
        lambda: tempfile.gettempdir(),
    ],
    ids=["log", "random", "randint", "where temporary files are"],
)
def test_what_the_standard_library_asks_for_itself_is_not(make: Callable[[], Any], values: OwnValues) -> None:
    make()
    assert values.maker is None


def test_what_a_library_makes_as_it_is_imported_is_not(
    tmp_path: Path, values: OwnValues, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages"
    package.mkdir()
    source = "import os, tempfile\nPID = os.getpid()\nos.rmdir(tempfile.mkdtemp())\n"
    (package / "library_with_a_folder.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(package)
    with forgotten("library_with_a_folder"):
        __import__("library_with_a_folder")
    assert values.maker is None


def test_a_directory_that_a_library_makes_for_a_suite_is_the_suites(tmp_path: Path, values: OwnValues) -> None:
    package = tmp_path / "site-packages"
    package.mkdir()
    code = compile("import tempfile\ndef make(): return tempfile.mkdtemp()\n", str(package / "helper.py"), "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    os.rmdir(names["make"]())
    assert (values.maker or "").startswith(os.path.relpath(__file__))


def test_all_is_as_it_was_after_the_stop(values: OwnValues) -> None:
    watched, bound = os.getpid, socket.socket.bind
    values.stop()
    assert os.getpid is not watched
    assert "bind" not in vars(socket.socket)
    assert os.getpid() == watched()
    with socket.socket() as listener:
        bound(listener, ("127.0.0.1", 0))
    assert values.maker is None


def test_what_a_suite_has_patched_for_good_stays_patched(values: OwnValues, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 7)
        values.stop()
        assert 7 == os.getpid()


@contextlib.contextmanager
def forgotten(name: str) -> Iterator[None]:
    """A module is not there any more afterwards."""
    try:
        yield
    finally:
        sys.modules.pop(name, None)


class Settings:
    """What suites keep their names in."""

    database = "shop_gw3"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("shop_gw3", "suite_module.name"),
        (b"shop_gw3", "suite_module.name"),
        (Path("/tmp/gw3/data"), "suite_module.name"),
        ({"PYTEST_XDIST_WORKER": "gw3"}, "suite_module.name"),
        (["shop", "gw3"], "suite_module.name"),
        (Settings, "suite_module.name"),
        ("shop_gw31", None),
        ("shop", None),
        (3, None),
        ({"a": {"b": "gw3"}}, None),
    ],
    ids=["text", "bytes", "path", "copy", "list", "class", "another", "none", "number", "deeper"],
)
def test_a_workers_name_that_a_module_keeps_is_found(value: Any, expected: str | None, tmp_path: Path) -> None:
    module = ModuleType("suite_module")
    module.__file__ = str(tmp_path / "suite_module.py")
    vars(module)["name"] = value
    assert expected == holder_of("gw3", [module])


def test_a_library_may_keep_what_it_likes(tmp_path: Path) -> None:
    module = ModuleType("library")
    module.__file__ = str(tmp_path / "site-packages" / "library.py")
    vars(module)["name"] = "gw3"
    assert holder_of("gw3", [module, ModuleType("made_up")]) is None


def test_a_test_file_among_installed_packages_is_a_suites_own() -> None:
    assert is_own("/venv/lib/python3.11/site-packages/networkx/conftest.py")
    assert is_own("/venv/lib/python3.11/site-packages/networkx/tests/test_all.py")
    assert not is_own("/venv/lib/python3.11/site-packages/networkx/classes/graph.py")
    assert not is_own(os.__file__)
    assert not is_own("<frozen importlib._bootstrap>")
