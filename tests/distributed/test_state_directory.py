from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.distributed.state_directory import prepare_home
from pulseq.errors import UsageError


def test_the_state_directory_is_made_and_kept_out_of_version_control(tmp_path: Path) -> None:
    made = prepare_home(tmp_path / "home", "runs", "r1")

    assert tmp_path / "home" / "runs" / "r1" == made
    assert made.is_dir()
    assert "*\n" == (tmp_path / "home" / ".gitignore").read_text()


def test_a_gitignore_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("logs\n")

    prepare_home(tmp_path)

    assert "logs\n" == (tmp_path / ".gitignore").read_text()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"the state directory '.*file' cannot be written \(.*set PULSEQ_HOME"):
        prepare_home(tmp_path / "file")
