"""Small blobs in packs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.blobs import digest_of
from pulseq.node.pack_files import PackFiles

ONE, TWO, THREE = map(digest_of, (b"one", b"", b"three"))


def open_packs(directory: Path) -> PackFiles:
    for name in ("packs", "in"):
        (directory / name).mkdir(exist_ok=True)
    packs = PackFiles(directory / "packs", directory / "in" / "mark")
    packs.refresh()
    return packs


def test_what_was_added_is_read_here_and_by_others(tmp_path: Path) -> None:
    packs, other = open_packs(tmp_path), open_packs(tmp_path)
    packs.add([(ONE, b"one"), (TWO, b""), (THREE, b"three")])
    packs.add([(ONE, b"one")])
    assert other.size_of(ONE) is None
    other.refresh()

    for known in (packs, other):
        assert [b"one", b"", b"three", None] == [known.read(digest) for digest in (ONE, TWO, THREE, b"4")]
        assert [3, 0, 5, None] == [known.size_of(digest) for digest in (ONE, TWO, THREE, b"4")]
    assert 1 == len(list((tmp_path / "packs").iterdir()))
    assert [] == list((tmp_path / "in").iterdir())


def test_what_others_have_removed_is_not_there(tmp_path: Path) -> None:
    packs, other = open_packs(tmp_path), open_packs(tmp_path)
    packs.add([(ONE, b"one")])
    other.refresh()
    ((_, _, name, digests),) = packs.kept()
    packs.remove(name)

    assert [ONE] == digests
    assert packs.size_of(ONE) is None
    assert other.read(ONE) is None
    other.refresh()
    assert other.size_of(ONE) is None


def test_a_pack_with_a_damaged_blob_is_removed(tmp_path: Path) -> None:
    packs = open_packs(tmp_path)
    packs.add([(ONE, b"one"), (TWO, b"")])
    packs.drop(ONE)
    packs.drop(THREE)

    assert packs.read(TWO) is None
    assert [] == list((tmp_path / "packs").iterdir())


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 100, b"\xff" * 8])
def test_what_is_no_pack_is_passed_over(tmp_path: Path, data: bytes) -> None:
    open_packs(tmp_path).add([(ONE, b"one")])
    (tmp_path / "packs" / "0.pack").write_bytes(data)
    assert b"one" == open_packs(tmp_path).read(ONE)


def test_a_pack_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    packs = open_packs(tmp_path)
    (tmp_path / "packs").rmdir()
    with pytest.raises(OSError, match="No such file"):
        packs.add([(ONE, b"one")])
    assert [] == list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("reads_before", [True, False])
def test_what_was_damaged_is_not_given(tmp_path: Path, reads_before: bool) -> None:
    packs, other = open_packs(tmp_path), open_packs(tmp_path)
    packs.add([(ONE, b"one"), (THREE, b"three")])
    other.refresh()
    if reads_before:
        assert [b"one"] * 2 == [known.read(ONE) for known in (packs, other)]
    (path,) = (tmp_path / "packs").iterdir()
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))

    assert [None] * 2 == [known.read(ONE) for known in (packs, other)]
    assert [b"three"] * 2 == [known.read(THREE) for known in (packs, other)]
