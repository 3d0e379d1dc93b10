"""`pulseq certs`: a site and its members."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pulseq.cli.main import run_command
from pulseq.security.credentials_file import good_until, load_credentials


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_site_and_a_member_are_two_commands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == run_command(["certs", "init"])
    assert 0 == run_command(["certs", "node", "lab1"])

    good = good_until(load_credentials(here / "lab1.pem"))
    assert timedelta(days=364) < good - datetime.now(UTC) <= timedelta(days=365)
    told = capsys.readouterr().err
    assert f"the site's authority is {here / 'home' / 'site' / 'authority.pem'}, for you alone" in told
    assert f"lab1.pem makes lab1 a member of the site until {good:%Y-%m-%d}" in told


def test_another_directory_another_file_and_another_time_can_be_named(here: Path) -> None:
    assert 0 == run_command(["certs", "init", "--directory", "ca"])
    assert 0 == run_command(["certs", "node", "lab1", "--directory", "ca", "--days", "3", "--file", "x.pem"])

    assert good_until(load_credentials(here / "x.pem")) - datetime.now(UTC) <= timedelta(days=3)
    assert not (here / "home").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["init", "--days", "0"], "--days: found 0, expected a number from 1 to 36500"),
        (["node", "../x"], "found the name '../x', expected"),
        (["node", "lab1"], "`pulseq certs init` makes one"),
    ],
)
def test_what_cannot_be_made_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 4 == run_command(["certs", *arguments])

    assert told in capsys.readouterr().err
