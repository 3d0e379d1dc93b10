"""The directory in which processes share rewritten files is theirs alone, and its claims end with them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite

from pulseq.execution.runtime.pytest_rewrite_store import Store, make_private


@pytest.fixture
def store(tmp_path: Path, pytestconfig: Any) -> Any:
    make_private(str(tmp_path / "store"))
    state = pytestconfig.stash[rewrite.assertstate_key]
    store = Store(rewrite, pytestconfig, state, str(tmp_path / "store"))
    yield store
    store.close()


def _source(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "test_it.py"
    path.write_text(text)
    return path


def _in_a_child(check: Any) -> bool:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_rewritten_file_is_found_until_it_changes(store: Store, tmp_path: Path) -> None:
    source = _source(tmp_path, "x = 1\n")
    missing = (store.find(source), store.seems_done(source))
    store.rewrite(source)
    code = store.find(source)
    source.write_text("x = 12\n")

    assert missing == (None, False)
    assert code is not None
    assert code.co_filename == str(source)
    assert store.find(source) is None


@pytest.mark.parametrize("text", ["x = (\n", "x = 1 is 1\n"])
def test_a_file_that_pytest_has_something_to_say_of_is_not_kept(text: str, store: Store, tmp_path: Path) -> None:
    source = _source(tmp_path, text)

    store.rewrite(source)

    assert store.find(source) is None


def test_a_file_is_kept_whatever_else_was_not_closed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewrite_and_find_an_open_file(*arguments: Any, own: Any = rewrite._rewrite_test) -> Any:
        warnings.warn("unclosed file", ResourceWarning, stacklevel=1)
        return own(*arguments)

    monkeypatch.setattr(rewrite, "_rewrite_test", rewrite_and_find_an_open_file)
    source = _source(tmp_path, "x = 1\n")

    store.rewrite(source)

    assert store.find(source) is not None


def test_a_file_that_is_not_there_needs_nothing_done(store: Store, tmp_path: Path) -> None:
    assert store.seems_done(tmp_path / "test_gone.py") is True


def test_a_claim_holds_until_it_is_released(store: Store, tmp_path: Path) -> None:
    source = _source(tmp_path, "")

    def is_free() -> bool:
        store.reopen()
        return store.claim(source)

    store.claim(source)
    held = _in_a_child(is_free)
    store.release(source)

    assert (held, _in_a_child(is_free)) == (False, True)


def test_the_claim_of_a_process_that_dies_ends_with_it(store: Store, tmp_path: Path) -> None:
    source = _source(tmp_path, "")

    def claim() -> bool:
        store.reopen()
        return store.claim(source)

    assert (_in_a_child(claim), store.claim(source)) == (True, True)


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o770)
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")

    for name in ("open", "link"):
        with pytest.raises(PermissionError, match="not a directory that is ours alone"):
            make_private(str(tmp_path / name))


def test_a_directory_in_none_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_private(str(tmp_path / "none" / "store"))
