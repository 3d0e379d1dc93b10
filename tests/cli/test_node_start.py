"""`pulseq node start`: what its words mean, and which are refused; what comes of them is in tests/system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pulseq.cli.main import run_command
from pulseq.cli.node_start import complete_contact
from pulseq.errors import UsageError
from pulseq.security.authority import Authority
from pulseq.security.credentials import keep_credentials


def test_every_label_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("node", "start", "--scheduler", "tls://s:1", "--id", "lab1", "--label", "chrome", "--label", "ram=>=8GB")
    assert 4 == run_command(words)
    assert [
        "--label: found 'chrome', expected KEY=VALUE, as browser=chrome",
        "--label: found 'ram=>=8GB', expected what the node has, not a comparison",
    ] == [line.removeprefix("pulseq: ") for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("contact", "port", "address"),
    [
        ("lab1.example:9000", 0, "tls://lab1.example:9000"),
        ("lab1.example", 9000, "tls://lab1.example:9000"),
        ("tls://10.0.0.7:9000", 0, "tls://10.0.0.7:9000"),
        ("[fd00::7]", 9000, "tls://[fd00::7]:9000"),
        ("[fd00::7]:9000", 0, "tls://[fd00::7]:9000"),
    ],
)
def test_a_contact_is_completed(contact: str, port: int, address: str) -> None:
    assert address == complete_contact(contact, "tls://fleet:8786", port)


@pytest.mark.parametrize("contact", ["lab1.example", ":9000", "lab1.example:x", "fd00::7:9000"])
def test_a_contact_without_a_port_is_refused(contact: str) -> None:
    with pytest.raises(UsageError, match=f"--contact: found '{contact}', expected HOST:PORT, or HOST with --port"):
        complete_contact(contact, "tls://fleet:8786", 0)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--id", "a/b"], "--id: found 'a/b', expected"),
        (["--id", "a", "--slots", "0"], "--slots: found 0, expected a number from 1 to 512"),
        (["--id", "a", "--port", "70000"], "--port: found 70000"),
        (["--id", "a", "--store-size", "lots"], "--store-size: found 'lots', expected a size such as 20GB"),
        (["--id", "a"], "expected --credentials FILE"),
        (["--id", "a", "--credentials", "none.pem"], "credentials 'none.pem': it cannot be read"),
        (["--id", "a", "--credentials", "old.pem"], "its certificate has expired on"),
        (["--id", "a", "--credentials", "open.pem"], "found mode 644, expected 600"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_made(
    more: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PULSEQ_CREDENTIALS", raising=False)
    lab = Authority.make("lab")
    keep_credentials(Path("old.pem"), lab.issue("a", timedelta(days=1), now=datetime.now(UTC) - timedelta(days=3)))
    keep_credentials(Path("open.pem"), lab.issue("a"))
    Path("open.pem").chmod(0o644)

    assert 4 == run_command(["node", "start", "--scheduler", "tls://127.0.0.1:1", *more])

    assert told in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_where_no_scheduler_answers_it_is_told_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    keep_credentials(tmp_path / "a.pem", Authority.make("lab").issue("a"))

    code = run_command(
        ["node", "start", "--scheduler", "tls://127.0.0.1:1", "--id", "a", "--credentials", str(tmp_path / "a.pem")]
    )

    assert 10 == code
    assert "no scheduler answers at 'tls://127.0.0.1:1' (Connection refused)" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()
