"""What runs on a host to install PulseQ there; the whole is tried in tests/system/test_node_install."""

from __future__ import annotations

import fcntl
import io
import json
import sys
import tarfile
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pulseq.cluster import install_program
from pulseq.cluster.install_program import ENVIRONMENTS, LINK, InstallError, explain, install, pip_words, receive, run

Filled = Callable[[Path, str, str], None]


def fill(new: Path, digest: str, version: str) -> None:
    (new / "installed.json").write_text(json.dumps({"digest": digest, "version": version, "python": "3.11.2"}))


@pytest.fixture(autouse=True)
def _filled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_program, "fill", fill)
    monkeypatch.setattr(install_program, "say", lambda **_: None)


def environments(place: Path) -> list[Path]:
    return sorted(path for path in (place / ENVIRONMENTS).iterdir() if path.is_dir())


def test_an_environment_is_where_the_link_leads(tmp_path: Path) -> None:
    assert "done" == install(tmp_path / "p", "d1", "1.0")

    assert [(tmp_path / "p" / LINK).resolve()] == environments(tmp_path / "p")


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    install(tmp_path, "d1", "1.0")
    before = environments(tmp_path)

    assert "same" == install(tmp_path, "d1", "1.0")
    assert before == environments(tmp_path)


def test_what_was_replaced_stays_until_the_next_time(tmp_path: Path) -> None:
    """Nodes that run may still load modules of it."""
    install(tmp_path, "d1", "1.0")
    first = (tmp_path / LINK).resolve()
    install(tmp_path, "d2", "1.1")
    second = (tmp_path / LINK).resolve()
    assert {first, second} == set(environments(tmp_path))

    install(tmp_path, "d3", "1.2")

    assert {second, (tmp_path / LINK).resolve()} == set(environments(tmp_path))


def test_one_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(new: Path, *_: str) -> None:
        (new / "half").write_text("")
        raise InstallError("reaches no package index")

    install(tmp_path, "d1", "1.0")
    before = environments(tmp_path)
    monkeypatch.setattr(install_program, "fill", fail)

    with pytest.raises(InstallError):
        install(tmp_path, "d2", "1.1")
    assert before == environments(tmp_path) == [(tmp_path / LINK).resolve()]


def test_the_first_one_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InstallError("no")

    monkeypatch.setattr(install_program, "fill", fail)
    with pytest.raises(InstallError):
        install(tmp_path / "a" / "b", "d1", "1.0")
    assert [] == list(tmp_path.iterdir())


def test_two_at_once_are_one_too_many(tmp_path: Path) -> None:
    install(tmp_path, "d1", "1.0")
    with open(tmp_path / ENVIRONMENTS / "lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InstallError, match="is being installed on by another"):
            install(tmp_path, "d2", "1.1")


def test_a_directory_in_the_place_of_the_link_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / LINK / "theirs").mkdir(parents=True)

    with pytest.raises(InstallError, match="none of ours; remove it, or take another --directory"):
        install(tmp_path, "d1", "1.0")
    assert (tmp_path / LINK / "theirs").is_dir()


def test_a_full_disk_is_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5_000_000))

    with pytest.raises(InstallError, match=r"has 5 MB free in .* expected 600"):
        install(tmp_path, "d1", "1.0")


Version = namedtuple("Version", "major minor micro")


def test_an_old_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", Version(3, 9, 2))
    monkeypatch.setattr("platform.python_version", lambda: "3.9.2")

    with pytest.raises(InstallError, match=r"has Python 3\.9\.2, expected 3\.11 or newer; name one with --python"):
        install(tmp_path, "d1", "1.0")


def test_a_python_without_venv_is_told_with_debians_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_program, "has_module", lambda name: name != "ensurepip")
    monkeypatch.setattr("sys.version_info", Version(3, 11, 2))

    with pytest.raises(InstallError, match=r"has no module 'ensurepip' in .*apt install python3\.11-venv"):
        install(tmp_path, "d1", "1.0")


@pytest.mark.parametrize(
    ("output", "from_wheelhouse", "words"),
    [
        (
            "WARNING: Retrying … Temporary failure in name resolution\nERROR: No matching distribution found for a==1",
            False,
            "reaches no package index; send wheels along with --wheelhouse DIR",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement cffi<3,>=2 (from cryptography)\n"
            "ERROR: No matching distribution found for cffi<3,>=2",
            True,
            "finds no wheel of cffi<3,>=2 in --wheelhouse that fits its Python 3.",
        ),
        (
            "The conflict is caused by:\n    pulseq 1.0 depends on cffi>=2\n"
            "    The user requested (constraint) cffi==2.1\nERROR: ResolutionImpossible: for help visit …",
            True,
            "finds no wheel of cffi==2.1 in --wheelhouse that fits its Python 3.",
        ),
        ("OSError: [Errno 28] No space left on device", False, "has no space left on its disk"),
        ("noise\nERROR: it is broken", False, "could not install it: it is broken"),
        ("", False, "could not install it: it said nothing"),
    ],
)
def test_what_pip_says_is_put_in_one_line(output: str, from_wheelhouse: bool, words: str) -> None:
    told = explain(output, from_wheelhouse)
    assert words in told
    assert "\n" not in told


@pytest.mark.processes
def test_what_a_wheelhouse_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_DRY_RUN", "1")
    (tmp_path / "constraints.txt").write_text("none-such==1.2\n")
    (tmp_path / "no-index").touch()
    with zipfile.ZipFile(tmp_path / "pulseq-0-py3-none-any.whl", "w") as wheel:
        told = {"METADATA": "Metadata-Version: 2.1\nName: pulseq\nVersion: 0\nRequires-Dist: none-such>=1\n"}
        told |= {"WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "RECORD": ""}
        for name, text in told.items():
            wheel.writestr(f"pulseq-0.dist-info/{name}", text)

    with pytest.raises(InstallError, match=r"^finds no wheel of none-such==1\.2 in --wheelhouse that fits its Python"):
        run([sys.executable, *pip_words(tmp_path)], tmp_path)


def archive_of(*members: tuple[str, bytes]) -> Any:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w|") as archive:
        for name, content in members:
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))
    return SimpleNamespace(buffer=io.BytesIO(packed.getvalue()))


def test_files_that_are_sent_are_put_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", archive_of(("a.whl", b"A"), ("constraints.txt", b"b==1\n")))
    receive(tmp_path)
    assert {"a.whl": "A", "constraints.txt": "b==1\n"} == {path.name: path.read_text() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["../a", "/etc/a", "sub/a", ".a"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("sys.stdin", archive_of((name, b"A")))
    with pytest.raises(InstallError, match="no file of an installation"):
        receive(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_an_archive_that_breaks_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archive_of(("a.whl", b"A" * 100_000)).buffer.getvalue()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(whole[:50_000])))
    with pytest.raises(InstallError, match="was not sent all of it"):
        receive(tmp_path)
