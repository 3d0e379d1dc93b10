"""The authority of a site in its directory."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.security.credentials_file import load_credentials
from pulseq.security.site import AUTHORITY_NAME, load_site, make_member, make_site
from tests.accounts import SOMEBODY, needs_two_accounts

YEAR = timedelta(days=365)


def test_its_members_are_of_one_site(tmp_path: Path) -> None:
    make_site(tmp_path / "site", YEAR)

    members = [make_member(tmp_path / "site", name, YEAR, tmp_path / f"{name}.pem") for name in ("lab1", "lab2")]

    assert members == [load_credentials(tmp_path / f"{name}.pem") for name in ("lab1", "lab2")]
    assert 1 == len({member.authority for member in members})


def test_it_and_its_members_are_for_one_user_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = make_site(tmp_path / "site", YEAR)
        make_member(tmp_path / "site", "lab1", YEAR, tmp_path / "lab1.pem")
    finally:
        os.umask(before)

    paths = (tmp_path / "site", made, tmp_path / "lab1.pem")
    assert [0o700, 0o600, 0o600] == [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_a_second_one_does_not_take_its_place(tmp_path: Path) -> None:
    made = make_site(tmp_path, YEAR)
    before = made.read_bytes()

    with pytest.raises(UsageError, match=r"found an authority in .* expected none"):
        make_site(tmp_path, YEAR)
    assert before == made.read_bytes()


def test_a_member_is_made_again_in_its_place(tmp_path: Path) -> None:
    make_site(tmp_path, YEAR)
    make_member(tmp_path, "lab1", YEAR, tmp_path / "lab1.pem")

    again = make_member(tmp_path, "lab1", YEAR, tmp_path / "lab1.pem")

    assert again == load_credentials(tmp_path / "lab1.pem")


def test_without_an_authority_there_are_no_members(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found no authority in .* `pulseq certs init` makes one"):
        make_member(tmp_path, "lab1", YEAR, tmp_path / "lab1.pem")
    assert not (tmp_path / "lab1.pem").exists()


@pytest.mark.parametrize("text", ["", "nothing", "ü"])
def test_what_is_no_authority_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / AUTHORITY_NAME).write_text(text)

    with pytest.raises(UsageError, match="authority"):
        load_site(tmp_path)


def test_where_nothing_can_be_kept_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="no authority can be kept in"):
        make_site(tmp_path / "file" / "site", YEAR)


def test_where_no_member_can_be_written_it_is_told(tmp_path: Path) -> None:
    make_site(tmp_path, YEAR)

    with pytest.raises(UsageError, match=r"none/lab1\.pem' cannot be written: No such file"):
        make_member(tmp_path, "lab1", YEAR, tmp_path / "none" / "lab1.pem")


@needs_two_accounts
def test_the_authority_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(make_site(tmp_path, YEAR), SOMEBODY, SOMEBODY)

    with pytest.raises(UsageError, match="belongs to"):
        load_site(tmp_path)
