"""What is sent to hosts to install PulseQ there; that they install it is tried in tests/system/test_node_install."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

from pulseq.cluster.host_install import (
    DEFAULT_PLACE,
    Installation,
    _remote_command,
    pack_archive,
    where_it_is,
)
from pulseq.cluster.host_link import INSTALLED_PYTHON
from pulseq.cluster.own_release import Release
from pulseq.errors import UsageError

RELEASE = Release("1.0", "pulseq-1.0-py3-none-any.whl", b"wheel", "a-b==1.0\n", "d")


def names_in(packed: io.BytesIO) -> set[str]:
    packed.seek(0)
    with tarfile.open(fileobj=packed, mode="r|") as archive:
        return {member.name for member in archive}


def test_an_archive_has_the_wheel_and_the_versions() -> None:
    pack_archive(RELEASE, None, packed := io.BytesIO())
    assert {"pulseq-1.0-py3-none-any.whl", "constraints.txt"} == names_in(packed)


def test_wheels_go_along_and_say_that_no_index_is_asked(tmp_path: Path) -> None:
    for name in ("A_b-1.0-py3-none-any.whl", "pulseq-0.9-py3-none-any.whl", "notes.txt"):
        (tmp_path / name).write_text("")
    pack_archive(RELEASE, tmp_path, packed := io.BytesIO())
    assert {RELEASE.wheel_name, "constraints.txt", "no-index", "A_b-1.0-py3-none-any.whl"} == names_in(packed)


def test_a_wheelhouse_that_lacks_wheels_is_refused_with_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found no wheel of a-b==1\.0 in .*pip freeze .*pip download --no-deps"):
        pack_archive(RELEASE, tmp_path, io.BytesIO())


def test_a_wheelhouse_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--wheelhouse: found no directory '.*/gone', expected one with wheels"):
        pack_archive(RELEASE, tmp_path / "gone", io.BytesIO())


@pytest.mark.parametrize("path", ["a b", "$(id)", "a;b", "`id`", "a'b", ""])
def test_a_path_that_a_shell_would_read_is_refused(path: str) -> None:
    for name in ("python", "place"):
        with pytest.raises(UsageError, match=r"found .*, expected a path"):
            Installation(archive=io.BytesIO(), digest="d", version="1.0", **{name: path})


def test_the_default_place_is_where_runs_look() -> None:
    assert f"~/{INSTALLED_PYTHON}" == where_it_is(DEFAULT_PLACE)


def run_there(tmp_path: Path, python: str | None, **pythons: str) -> subprocess.CompletedProcess[str]:
    """What a host whose only programs are these does with the command."""
    for name, script in pythons.items():
        program = tmp_path / name.replace("_", ".")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    command = shlex.split(_remote_command(python))
    return subprocess.run(
        ["/bin/sh", *command[2:]], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=20
    )


def test_the_first_python_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    # `sys.exit(…)` asks whether it is too old; the other call is the program.
    old = 'case "$*" in *exit*) exit 1;; *) echo old;; esac'
    new = 'case "$*" in *exit*) exit 0;; *) echo new;; esac'
    assert "new\n" == run_there(tmp_path, None, python3=old, python3_12=new).stdout


def test_where_all_are_too_old_one_of_them_is_asked_for_words(tmp_path: Path) -> None:
    assert "old\n" == run_there(tmp_path, None, python3='case "$*" in *exit*) exit 1;; *) echo old;; esac').stdout


def test_a_host_without_python_says_so(tmp_path: Path) -> None:
    done = run_there(tmp_path, "/nowhere/python")
    assert (127, "pulseq-host: no python\n") == (done.returncode, done.stderr)
