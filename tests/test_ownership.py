"""What is made for one user alone, and what of others is told from it."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.errors import UsageError
from pulseq.ownership import (
    close_to_others,
    is_foreign,
    is_own_peer,
    make_own_directory,
    open_own,
    refuse_foreign,
    write_own,
)
from tests.accounts import SOMEBODY, as_somebody, needs_two_accounts, open_place

CALL = """
caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
caller.connect(sys.argv[1])
sys.stdin.read()
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def everybody() -> Iterator[None]:
    """A umask that keeps nothing from anybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("everybody")
def test_directories_are_this_users_alone_with_those_above_them_that_were_missing(tmp_path: Path) -> None:
    make_own_directory(tmp_path / "a" / "b" / "c")

    assert [0o700] * 3 == [mode_of(tmp_path / place) for place in ("a", "a/b", "a/b/c")]


@pytest.mark.usefixtures("everybody")
def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)

    make_own_directory(tmp_path / "there")

    assert 0o755 == mode_of(tmp_path / "there")


def test_a_file_in_the_place_of_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            make_own_directory(path)


def test_a_place_where_the_file_system_makes_none_is_told() -> None:
    with pytest.raises(FileNotFoundError, match="/proc/self/none"):
        make_own_directory(Path("/proc/self/none/below"))


@pytest.mark.usefixtures("everybody")
def test_files_are_this_users_alone(tmp_path: Path) -> None:
    with open(open_own(tmp_path / "log"), "ab") as log:
        log.write(b"a")
    write_own(tmp_path / "told", "text")

    assert [0o600, 0o600] == [mode_of(tmp_path / name) for name in ("log", "told")]
    assert {"log", "told"} == set(os.listdir(tmp_path))


def test_no_link_is_followed_to_what_lies_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "link").symlink_to(elsewhere)

    with pytest.raises(OSError, match="link"):
        open_own(tmp_path / "link")
    write_own(tmp_path / "link", "ours")

    assert ("mine", "ours") == (elsewhere.read_text(), (tmp_path / "link").read_text())


def test_what_cannot_be_written_whole_leaves_what_was_there(tmp_path: Path) -> None:
    write_own(tmp_path / "told", "before")

    with pytest.raises(UnicodeEncodeError):
        write_own(tmp_path / "told", "after\udcff")

    assert ("before", ["told"]) == ((tmp_path / "told").read_text(), os.listdir(tmp_path))


@given(mode=st.integers(0, 0o777))
def test_a_directory_that_is_closed_to_others_keeps_what_its_owner_may(
    tmp_path_factory: pytest.TempPathFactory, mode: int
) -> None:
    directory = tmp_path_factory.mktemp("closed")
    directory.chmod(mode)

    close_to_others(directory)

    assert mode & 0o700 == mode_of(directory)


def test_what_is_ones_own_and_what_is_not_there_are_not_foreign(tmp_path: Path) -> None:
    assert [False, False] == [is_foreign(tmp_path), is_foreign(tmp_path / "gone")]
    refuse_foreign(tmp_path)


@needs_two_accounts
@pytest.mark.parametrize("kind", ["directory", "link to it", "link to one's own"])
def test_what_somebody_else_has_put_there_is_refused_with_both_named(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "link to one's own":
        (tmp_path / "own").mkdir()
        place.symlink_to(tmp_path / "own")
        os.lchown(place, SOMEBODY, SOMEBODY)
    else:
        theirs = place if kind == "directory" else tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, SOMEBODY, SOMEBODY)
        if theirs != place:
            place.symlink_to(theirs)

    assert is_foreign(place)
    with pytest.raises(UsageError, match=rf"belongs to user {SOMEBODY}, and this is .*user 0.*set PULSEQ_HOME"):
        refuse_foreign(place)


def test_a_socket_of_ones_own_is_known_at_both_ends(tmp_path: Path) -> None:
    with _listening(tmp_path / "s") as listener, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        caller.connect(str(tmp_path / "s"))
        called, _ = listener.accept()
        with called:
            assert [True, True] == [is_own_peer(caller), is_own_peer(called)]


@needs_two_accounts
def test_somebody_who_calls_is_known_as_such() -> None:
    with open_place() as place, _listening(place / "s") as listener:
        (place / "s").chmod(0o777)
        listener.settimeout(60)
        with as_somebody(CALL, place / "s"):
            called, _ = listener.accept()
            with called:
                assert not is_own_peer(called)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()
    return listener
