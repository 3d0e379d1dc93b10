"""Blobs in messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulseq.blobs import digest_of, grow
from pulseq.projects import packs
from pulseq.projects.packs import ChangedSinceError, choose_packs, plan_packs, read_pack
from pulseq.protocol.project_files import Manifest, ProjectFile


@pytest.fixture(autouse=True)
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", 10)


def make(root: Path, **texts: str) -> Manifest:
    root.mkdir(exist_ok=True)
    for name, text in texts.items():
        (root / name).write_text(text)
    files = [
        ProjectFile(name, digest_of(text.encode()), len(text), 0o644, (root / name).stat().st_mtime_ns)
        for name, text in texts.items()
    ]
    return Manifest(str(root), tuple(files))


def names(chosen: list[packs.Pack]) -> list[list[str]]:
    return [[f"{piece.file.path}:{piece.offset}+{piece.length}" for piece in pack] for pack in chosen]


def test_small_files_share_a_message_and_a_large_one_has_several(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="1234", b="12345", c="x" * 23, d="", e="6789")
    expected = [["a:0+4", "b:0+5"], ["c:0+10"], ["c:10+10"], ["c:20+3", "d:0+0", "e:0+4"]]
    assert expected == names(plan_packs(manifest))


def test_what_two_files_have_alike_travels_once(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="1234", b="1234")
    assert [["b:0+4"]] == names(plan_packs(manifest))


def test_a_host_gets_what_it_lacks(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="1234", b="56789", c="abcd", d="efghi")
    every = plan_packs(manifest)
    digest = {file.path: file.digest for file in manifest.files}

    assert every == choose_packs(every, digest.values())
    assert [["a:0+4", "b:0+5"]] == names(choose_packs(every, [digest["b"]]))
    assert [["a:0+4"]] == names(choose_packs(every, [digest["a"]]))
    assert [["a:0+4", "c:0+4"]] == names(choose_packs(every, [digest["a"], digest["c"]]))
    assert [] == choose_packs(every, [])


def test_a_message_has_the_bytes_of_its_blobs(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="1234", c="x" * 23)
    messages = [read_pack(tmp_path, pack, compress=False) for pack in plan_packs(manifest)]

    assert [b"1234", b"x" * 10, b"x" * 10, b"x" * 3] == [message.data for message in messages]
    assert [0, 0, 10, 20] == [message.parts[0].offset for message in messages]
    assert [4, 23, 23, 23] == [message.parts[0].size for message in messages]


def test_it_is_compressed_where_that_is_asked_for_and_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "PACK_BYTES", 10_000)
    manifest = make(tmp_path, a="again " * 1000)
    message = read_pack(tmp_path, plan_packs(manifest)[0], compress=True)

    assert message.compressed
    assert b"again " * 1000 == grow(message.data, 6000)


@pytest.mark.parametrize("text", ["other", "1235", ""])
def test_a_file_that_was_written_to_since_is_told(tmp_path: Path, text: str) -> None:
    manifest = make(tmp_path, a="1234")
    (tmp_path / "a").write_text(text)
    with pytest.raises(ChangedSinceError, match="'a' was written to"):
        read_pack(tmp_path, plan_packs(manifest)[0], compress=False)


def test_a_large_file_that_was_written_to_since_is_told_though_it_is_as_long(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="x" * 23)
    (tmp_path / "a").write_text("y" * 23)
    os.utime(tmp_path / "a", ns=(0, manifest.files[0].mtime_ns + 1))
    for pack in plan_packs(manifest):
        with pytest.raises(ChangedSinceError, match="'a' was written to"):
            read_pack(tmp_path, pack, compress=False)


def test_a_small_file_that_was_only_touched_is_sent(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="1234")
    os.utime(tmp_path / "a", ns=(0, 0))
    assert b"1234" == read_pack(tmp_path, plan_packs(manifest)[0], compress=False).data


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    manifest = make(tmp_path, a="1234")
    (tmp_path / "a").unlink()
    with pytest.raises(ChangedSinceError, match="'a' could not be read again"):
        read_pack(tmp_path, plan_packs(manifest)[0], compress=False)
