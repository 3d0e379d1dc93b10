"""Credentials as text."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.security.credentials import Credentials, keep_credentials, parse_bundle, read_credentials

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
OWN = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nCCCC\n-----END PRIVATE KEY-----\n"
CREDENTIALS = Credentials(CERTIFICATE, OWN, KEY)


def test_one_file_holds_all_three() -> None:
    assert CREDENTIALS == parse_bundle(CREDENTIALS.bundle)


def test_words_around_them_and_line_ends_of_others_do_not_matter() -> None:
    assert CREDENTIALS == parse_bundle("site: lab\n\n" + CREDENTIALS.bundle.replace("\n", "\r\n") + "\n")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "0 certificates and 0 private keys"),
        (CERTIFICATE + KEY, "1 certificates and 1 private keys"),
        (CERTIFICATE + OWN, "2 certificates and 0 private keys"),
        (CERTIFICATE + OWN + KEY[:-30], "2 certificates and 0 private keys"),
    ],
)
def test_what_is_not_all_three_is_refused(text: str, found: str) -> None:
    with pytest.raises(ValueError, match=f"found {found}, expected the member's certificate"):
        parse_bundle(text)


def test_they_travel_to_a_process_as_plain_words() -> None:
    assert CREDENTIALS == Credentials.of(CREDENTIALS.told())
    assert Credentials.of(None) is None


def test_they_are_not_told_where_they_are_printed() -> None:
    assert "AAAA" not in repr(CREDENTIALS) + str(CREDENTIALS)
    assert "CCCC" not in repr(CREDENTIALS) + str(CREDENTIALS)


def test_they_are_kept_for_one_user_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keep_credentials(tmp_path / "c.pem", CREDENTIALS)
    finally:
        os.umask(before)

    assert 0o600 == stat.S_IMODE((tmp_path / "c.pem").stat().st_mode)
    assert CREDENTIALS == read_credentials(tmp_path / "c.pem")


def test_where_none_are_kept_there_are_none(tmp_path: Path) -> None:
    assert read_credentials(tmp_path / "c.pem") is None


def test_what_is_kept_and_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(KEY)

    with pytest.raises(UsageError, match=r"'.*c\.pem' cannot be used as credentials: found 0 certificates"):
        read_credentials(tmp_path / "c.pem")
