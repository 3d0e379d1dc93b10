"""Blobs that a host keeps."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pulseq.blobs import digest_of
from pulseq.node import blob_store
from pulseq.node.blob_store import BlobStore, DamagedBlobError
from pulseq.protocol.project_files import BlobPart


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return open_store(tmp_path / "s")


def open_store(directory: Path) -> BlobStore:
    store = BlobStore(directory)
    store.open()
    return store


def put(store: BlobStore, *blobs: bytes) -> list[bytes]:
    parts = [BlobPart(digest_of(blob), len(blob), 0, len(blob)) for blob in blobs]
    store.put("r", parts, b"".join(blobs))
    return [part.digest for part in parts]


def files_in(directory: Path) -> int:
    return sum(path.is_file() for path in directory.rglob("*"))


def test_a_store_has_one_id_and_is_its_owners_alone(store: BlobStore, tmp_path: Path) -> None:
    put(store, b"a")

    assert 16 == len(store.id)
    assert store.id == open_store(tmp_path / "s").id != open_store(tmp_path / "other").id
    for path in (tmp_path / "s").rglob("*"):
        assert 0 == path.stat().st_mode & 0o077


def test_what_came_is_there_and_nothing_else(store: BlobStore) -> None:
    known = put(store, b"a", b"", b"bcd")
    sizes = dict(zip(known, (1, 0, 3), strict=True))

    assert [digest_of(b"other")] == store.find_lacking({**sizes, digest_of(b"other"): 5})


def test_a_blob_of_another_size_counts_as_lacking(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 2)
    for blob in (b"ab", b"abc"):
        (digest,) = put(store, blob)
        assert [digest] == store.find_lacking({digest: 9})


@pytest.mark.parametrize("large", [2, 100])
def test_what_is_not_what_its_hash_says_is_refused_and_leaves_nothing(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", large)
    with pytest.raises(DamagedBlobError):
        store.put("r", [BlobPart(digest_of(b"abc"), 3, 0, 3)], b"abd")
    with pytest.raises(DamagedBlobError):
        store.put("r", [BlobPart(digest_of(b"abc"), 2, 0, 3), BlobPart(digest_of(b"abc"), 1, 2, 3)], b"abd")
    assert 0 == sum(files_in(tmp_path / "s" / name) for name in ("incoming", "objects", "packs"))


def test_a_large_one_comes_in_pieces_in_any_order(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 5)
    digest = digest_of(b"abcdef")
    store.put("r", [BlobPart(digest, 2, 4, 6)], b"ef")
    store.put("r", [BlobPart(digest, 3, 0, 6)], b"abc")
    assert [digest] == store.find_lacking({digest: 6})
    store.put("r", [BlobPart(digest, 1, 3, 6)], b"d")
    assert [] == store.find_lacking({digest: 6})


@pytest.mark.parametrize("is_one_process", [True, False])
def test_two_runs_may_be_sent_the_same_large_one_at_once(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_one_process: bool
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 5)
    other = store if is_one_process else open_store(tmp_path / "s")
    digest = digest_of(b"abcdef")
    for offset, data in ((0, b"abc"), (3, b"def")):
        store.put("r", [BlobPart(digest, 3, offset, 6)], data)
        assert offset == 3 or [digest] == store.find_lacking({digest: 6})
        other.put("s", [BlobPart(digest, 3, offset, 6)], data)
    store.place(digest, 6, str(tmp_path / "f"), mode=0o600, mtime_ns=0)

    assert b"abcdef" == (tmp_path / "f").read_bytes()
    assert 0 == files_in(tmp_path / "s" / "incoming")


def test_a_run_that_leaves_takes_nothing_from_another_that_is_sent_the_same(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 5)
    digest = digest_of(b"abcdef")
    for run_id in ("r", "s"):
        store.put(run_id, [BlobPart(digest, 3, 0, 6)], b"abc")
    store.drop_incoming("r")
    assert 1 == files_in(tmp_path / "s" / "incoming")
    store.put("s", [BlobPart(digest, 3, 3, 6)], b"def")

    assert [] == store.find_lacking({digest: 6})


def test_a_part_that_comes_twice_counts_once(store: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 5)
    digest = digest_of(b"abcdef")
    for offset, data in ((0, b"abc"), (0, b"abc"), (3, b"def")):
        store.put("r", [BlobPart(digest, 3, offset, 6)], data)
    assert [] == store.find_lacking({digest: 6})


@pytest.mark.parametrize("large", [0, 100])
def test_a_file_made_of_a_blob_is_its_own(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", large)
    (digest,) = put(store, b"abc")
    for name in ("f", "g"):
        store.place(digest, 3, str(tmp_path / name), mode=0o640, mtime_ns=123_000_000_000)
        state = (tmp_path / name).stat()
        assert (b"abc", 0o640, 123) == ((tmp_path / name).read_bytes(), state.st_mode & 0o777, state.st_mtime)
        (tmp_path / name).write_bytes(b"written by a test")


def test_a_damaged_blob_is_not_used_and_lacking_from_then_on(store: BlobStore, tmp_path: Path) -> None:
    (digest,) = put(store, b"abc")
    (stored,) = (tmp_path / "s" / "packs").iterdir()
    stored.write_bytes(stored.read_bytes().replace(b"abc", b"abd"))

    for _ in range(2):
        with pytest.raises(DamagedBlobError):
            store.place(digest, 3, str(tmp_path / "f"), mode=0o600, mtime_ns=0)
    assert [digest] == store.find_lacking({digest: 3})


@pytest.mark.parametrize("large", [2, 100])
def test_what_another_process_has_put_is_found(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", large)
    (digest,) = put(open_store(tmp_path / "s"), b"abc")
    assert [] == store.find_lacking({digest: 3})
    store.place(digest, 3, str(tmp_path / "f"), mode=0o600, mtime_ns=0)
    assert b"abc" == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("large", [2, 100])
def test_files_of_the_host_can_be_kept(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", large)
    (tmp_path / "f").write_bytes(b"abc")

    assert (digest_of(b"abc"), 3) == store.take_file(tmp_path / "f") == store.take_file(tmp_path / "f")
    store.flush()
    assert [] == open_store(tmp_path / "s").find_lacking({digest_of(b"abc"): 3})


@pytest.mark.parametrize("large", [2, 100])
def test_the_longest_unused_are_forgotten_but_for_those_in_use(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", large)
    known, before = [], set[Path]()
    for age, blob in enumerate((b"aaaa", b"bbbb", b"cccc", b"dddd")):
        known += put(store, blob)
        stored = {path for path in (tmp_path / "s").rglob("*") if path.is_file() and path.parent.name != "s"}
        (new,) = stored - before
        os.utime(new, (1000 + age, 1000 + age))
        before = stored
    size = new.stat().st_size
    store.find_lacking({known[1]: 4})
    store.forget(2 * size, {known[0]})

    assert [known[2], known[3]] == store.find_lacking(dict.fromkeys(known, 4))


def test_nothing_is_forgotten_within_the_limit_nor_while_somebody_is_about_to_use_some(
    store: BlobStore, tmp_path: Path
) -> None:
    known = put(store, b"aaaa", b"bbbb")
    store.forget(1000, set())
    with open_store(tmp_path / "s").using():
        store.forget(0, set())
    assert [] == store.find_lacking(dict.fromkeys(known, 4))
    store.forget(0, set())
    assert known == store.find_lacking(dict.fromkeys(known, 4))


def test_what_has_not_come_as_a_whole_is_removed(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 1)
    for name, one in (("own", store), ("other", open_store(tmp_path / "s"))):
        one.put("r", [BlobPart(digest_of(name.encode() * 2), len(name), 0, 2 * len(name))], name.encode())
    store.drop_incoming("r")
    assert 1 == files_in(tmp_path / "s" / "incoming")
    store.forget(1000, set())
    assert 0 == files_in(tmp_path / "s" / "incoming")


def test_a_store_that_was_emptied_meanwhile_takes_all_again(
    store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 2)
    known = put(store, b"a", b"bcd")
    shutil.rmtree(tmp_path / "s")

    with store.using():
        assert known == store.find_lacking(dict(zip(known, (1, 3), strict=True)))
        put(store, b"a", b"bcd")
        assert [] == store.find_lacking(dict(zip(known, (1, 3), strict=True)))
