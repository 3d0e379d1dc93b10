"""Files of credentials that cannot be used, each told with what to do."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.security.authority import Authority, make_credentials
from pulseq.security.credentials import Credentials, keep_credentials
from pulseq.security.credentials_file import load_credentials
from tests.accounts import needs_two_accounts

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def lab() -> Authority:
    return Authority.make("lab", timedelta(days=5000))


def refusal(path: Path, now: datetime | None = None) -> str:
    with pytest.raises(UsageError) as refused:
        load_credentials(path, now=now)
    assert str(refused.value).startswith(f"credentials {str(path)!r}: ")
    return str(refused.value)


def kept(path: Path, credentials: Credentials) -> Path:
    keep_credentials(path / "lab1.pem", credentials)
    return path / "lab1.pem"


def test_what_is_good_is_taken(tmp_path: Path, lab: Authority) -> None:
    credentials = lab.issue("lab1")

    assert credentials == load_credentials(kept(tmp_path, credentials))


def test_expired(tmp_path: Path, lab: Authority) -> None:
    path = kept(tmp_path, lab.issue("lab1", timedelta(days=30), now=NOW))

    told = refusal(path, NOW + timedelta(days=31))

    assert "its certificate has expired on 2030-05-31 12:00 UTC, and now it is 2030-06-01 12:00 UTC" in told
    assert "`pulseq certs node NAME`" in told


def test_not_valid_yet(tmp_path: Path, lab: Authority) -> None:
    told = refusal(kept(tmp_path, lab.issue("lab1", now=NOW)), NOW - timedelta(days=1))

    assert "is not valid before 2030-05-01 11:00 UTC, and now it is 2030-04-30 12:00 UTC: compare the clocks" in told


def test_of_two_sites(tmp_path: Path, lab: Authority) -> None:
    own = lab.issue("lab1")
    mixed = Credentials(make_credentials("lab").authority, own.certificate, own.key)

    assert "its authority has not signed its certificate, so they are of two sites" in refusal(kept(tmp_path, mixed))


def test_with_another_key(tmp_path: Path, lab: Authority) -> None:
    own = lab.issue("lab1")
    mixed = Credentials(own.authority, own.certificate, lab.issue("lab2").key)

    assert "its key is not the one of its certificate" in refusal(kept(tmp_path, mixed))


def test_not_there(tmp_path: Path) -> None:
    assert "it cannot be read (No such file or directory)" in refusal(tmp_path / "none.pem")


def test_a_directory(tmp_path: Path) -> None:
    assert "it cannot be read (Is a directory)" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["hello", "grüße", "\0"])
def test_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.pem").touch(mode=0o600)
    (tmp_path / "c.pem").write_text(text)

    assert refusal(tmp_path / "c.pem")


def test_what_looks_like_certificates_and_is_none(tmp_path: Path) -> None:
    fake = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    assert refusal(kept(tmp_path, Credentials(fake, fake, fake.replace("CERTIFICATE", "PRIVATE KEY"))))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_open_to_others(tmp_path: Path, lab: Authority, mode: int) -> None:
    path = kept(tmp_path, lab.issue("lab1"))
    path.chmod(mode)

    assert f"found mode {mode:o}, expected 600: whoever reads it is a member of the site; `chmod 600` it" in refusal(
        path
    )


@needs_two_accounts
def test_of_another_account_and_for_our_group(tmp_path: Path, lab: Authority) -> None:
    """So a container's secrets are mounted."""
    credentials = lab.issue("lab1")
    path = kept(tmp_path, credentials)
    os.chown(path, 12345, 12345)
    path.chmod(0o640)

    assert credentials == load_credentials(path)
