"""What PulseQ uses of Python's own modules that is not documented, held against the Python that runs the tests.

These are what another minor version of Python has to pass, beside all other tests, before it is named in
`pyproject.toml`.
"""

from __future__ import annotations

import _io
import atexit
import collections.abc
import gzip
import os
import random
import socket
import subprocess
import sys
import tempfile
import textwrap
import weakref
from pathlib import Path
from typing import Any

from tests.unpromised import PYTHON


def said_by(source: str) -> list[str]:
    """What a program writes, line by line, from its beginning to its end."""
    program = [sys.executable, "-c", textwrap.dedent(source)]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout.splitlines()


def test_what_holds_a_name_is_there() -> None:
    assert set() == set(PYTHON.values()) - globals().keys()


def test_functions_at_exit_are_run_and_forgotten() -> None:
    source = """
        import atexit
        atexit.register(print, "forgotten")
        atexit._clear()
        atexit.register(print, "run")
        atexit._run_exitfuncs()
        print("end")
    """
    assert said_by(source) == ["run", "end"]
    assert callable(atexit.unregister)


def test_threads_end_before_functions_at_exit() -> None:
    source = """
        import atexit, threading
        heard = []
        go = threading.Event()
        threading._register_atexit(heard.append, "first registered")
        threading._register_atexit(heard.append, "last registered")
        threading._register_atexit(go.set)
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (go.wait(), heard.append("thread"))).start()
        threading._shutdown()
        assert "thread" in heard, heard
        print(*(one for one in heard if one != "thread"), sep="\\n")
    """
    assert said_by(source) == ["last registered", "first registered", "at exit"]


def test_files_are_of_these_classes(tmp_path: Path) -> None:
    with (
        open(tmp_path / "text", "w") as text,
        open(tmp_path / "bytes", "wb") as data,
        open(tmp_path / "both", "w+b") as both,
        gzip.open(tmp_path / "packed", "wb") as packed,
    ):
        found = [type(text), type(data), type(both), type(text.buffer.raw)]
        assert [_io.TextIOWrapper, _io.BufferedWriter, _io.BufferedRandom, _io.FileIO] == found
        assert isinstance(packed, _io._IOBase)


def test_finalizers_are_forgotten_in_a_fork() -> None:
    source = """
        import os, tempfile, weakref
        class Kept: pass
        kept = Kept()
        weakref.finalize(kept, print, "of the parent", flush=True)
        pid = os.fork()
        if pid == 0:
            for one in list(weakref.finalize._registry):
                one.detach()
            weakref.finalize._registered_with_atexit = False
            weakref.finalize(kept, print, "of the child", flush=True)
        else:
            os.waitpid(pid, 0)
    """
    assert said_by(source) == ["of the child", "of the parent"]
    assert callable(weakref.finalize)


def test_the_environment_is_held_by_a_dictionary() -> None:
    source = """
        import os
        assert os.environ._data is os.environb._data
        class Noticing(dict):
            def __getitem__(self, key):
                print("read", key.decode())
                return super().__getitem__(key)
        data = Noticing(os.environ._data)
        os.environ._data = os.environb._data = data
        os.environ["OURS"] = "1"
        assert (os.environ["OURS"], os.environb[b"OURS"], os.getenv("OURS")) == ("1", b"1", "1")
    """
    assert said_by(source) == ["read OURS"] * 3
    assert os.environ.encodekey("OURS") == b"OURS"  # type: ignore[attr-defined]


def test_copies_of_the_environment_are_made_in_this_file() -> None:
    """`Reads` tells who reads one variable from who copies all, which goes through the abstract mapping."""
    mapping: Any = collections.abc.Mapping
    assert mapping.get.__code__.co_filename.startswith("<frozen") or mapping.get.__code__.co_filename.endswith(
        "_collections_abc.py"
    )


def test_names_and_files_are_made_by_these_functions(monkeypatch: Any, tmp_path: Any) -> None:
    made: list[str] = []

    def noticing(module: Any, name: str) -> None:
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **options: (made.append(name), real(*args, **options))[1])

    noticing(random, "_urandom")
    random.SystemRandom().random()
    noticing(tempfile, "_mkstemp_inner")
    with tempfile.NamedTemporaryFile(dir=tmp_path):
        assert made == ["_urandom", "_mkstemp_inner"]
    # Its methods look for `os` and `random` in their module, of which each fork has a view of its own.
    names: Any = vars(tempfile)["_RandomNameSequence"]
    assert isinstance(next(names()), str)


def test_a_socket_accepts_as_a_descriptor() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as line:
        given: Any = listener
        descriptor, address = given._accept()
        assert isinstance(descriptor, int)
        with socket.socket(fileno=descriptor) as accepted:
            assert address == line.getsockname() == accepted.getpeername()
