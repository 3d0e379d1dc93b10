from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from pulseq.errors import UsageError
from pulseq.ownership import default_home
from pulseq.run import state_directory
from pulseq.run.state_directory import free_bytes, prepare_home, require_space
from tests.accounts import SOMEBODY, needs_two_accounts


def test_the_state_directory_is_made_and_kept_out_of_version_control(tmp_path: Path) -> None:
    made = prepare_home(tmp_path / "home", "runs", "r1")

    assert tmp_path / "home" / "runs" / "r1" == made
    assert made.is_dir()
    assert "*\n" == (tmp_path / "home" / ".gitignore").read_text()


def test_a_gitignore_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("logs\n")

    prepare_home(tmp_path)

    assert "logs\n" == (tmp_path / ".gitignore").read_text()


def test_it_is_this_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        prepare_home(tmp_path / "home", "runs", "r1")
    finally:
        os.umask(before)

    made = {str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert made == {"home": 0o700, "home/runs": 0o700, "home/runs/r1": 0o700, "home/.gitignore": 0o600}


def test_one_that_an_earlier_version_made_is_closed_to_others(tmp_path: Path) -> None:
    prepare_home(tmp_path / "home").chmod(0o755)

    prepare_home(tmp_path / "home")

    assert 0o700 == stat.S_IMODE((tmp_path / "home").stat().st_mode)


@pytest.mark.parametrize(("mode", "ignored"), [(0o1777, "*\n"), (0o755, "logs\n")])
def test_a_directory_that_is_there_for_something_else_stays_as_it_is(tmp_path: Path, mode: int, ignored: str) -> None:
    home = tmp_path / "for-all"
    home.mkdir()
    (home / ".gitignore").write_text(ignored)
    home.chmod(mode)

    prepare_home(home, "runs")

    assert mode == stat.S_IMODE(home.stat().st_mode)


@needs_two_accounts
@pytest.mark.parametrize("theirs", [".", "results.duckdb", "runs"])
def test_one_of_somebody_else_or_with_something_of_theirs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str
) -> None:
    home = tmp_path / "home"
    (home / theirs).mkdir(parents=True)
    os.chown(home / theirs, SOMEBODY, SOMEBODY)
    before = os.listdir(home)
    monkeypatch.setenv("PULSEQ_HOME", str(home))

    with pytest.raises(UsageError, match=f"belongs to user {SOMEBODY}"):
        prepare_home(home)
    with pytest.raises(UsageError, match=f"belongs to user {SOMEBODY}"):
        default_home()
    assert before == os.listdir(home)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"the state directory '.*file' cannot be written \(.*set PULSEQ_HOME"):
        prepare_home(tmp_path / "file")


@pytest.mark.parametrize(
    ("blocks", "files", "expected"),
    [
        ((2000, 100), (1000, 10), 2000 * 100),
        ((2000, 100), (1000, 0), 0),
        ((2000, 100), (0, 0), 2000 * 100),  # one that does not count files
    ],
)
def test_space_is_what_this_user_can_write(
    monkeypatch: pytest.MonkeyPatch, blocks: tuple[int, int], files: tuple[int, int], expected: int
) -> None:
    found = SimpleNamespace(f_bavail=blocks[0], f_frsize=blocks[1], f_files=files[0], f_favail=files[1])
    monkeypatch.setattr(os, "statvfs", lambda _: found)

    assert expected == free_bytes(Path("/"))


def test_where_there_is_no_space_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_directory, "free_bytes", lambda _: 1_500_000)
    home = tmp_path / "not" / "yet"

    with pytest.raises(
        UsageError, match=r"^the disk of the state directory '.*yet' has 1\.5 MB free, expected at least"
    ):
        require_space(home)

    assert list(tmp_path.iterdir()) == []
