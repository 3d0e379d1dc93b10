"""What attempts left on a node: looked through, hashed, kept and given away."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pulseq.artifacts import LeftFile
from pulseq.node import kept_artifacts
from pulseq.node.kept_artifacts import KeptArtifacts, media_type


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory that an attempt has handed over."""
    folder = tmp_path / "left-1"
    (folder / "own").mkdir(parents=True)
    return folder


def take(kept: KeptArtifacts, place: Path, limit: int = 1_000_000) -> tuple[list[LeftFile], list[str]]:
    files, warnings = asyncio.run(kept.take(str(place), limit))
    return list(files), list(warnings)


def read(kept: KeptArtifacts, sha256: str, offset: int = 0, length: int = 1000) -> bytes | None:
    return asyncio.run(kept.read(sha256, offset, length))


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_files_are_told_with_name_size_hash_and_type_and_their_place_is_gone(tmp_path: Path, place: Path) -> None:
    (place / "own" / "deep").mkdir()
    (place / "own" / "deep" / "shot.png").write_text("png")
    (place / "found" / "out").mkdir(parents=True)
    (place / "found" / "out" / "a.log").write_text("")
    kept = KeptArtifacts(tmp_path)
    assert (
        [
            LeftFile("deep/shot.png", 3, hash_of("png"), "image/png"),
            LeftFile("out/a.log", 0, hash_of(""), "text/plain"),
        ],
        [],
    ) == take(kept, place)
    assert not place.exists()
    assert (b"png", b"n", b"", None) == (
        read(kept, hash_of("png")),
        read(kept, hash_of("png"), 1, 1),
        read(kept, hash_of("png"), 3),
        read(kept, hash_of("other")),
    )


def test_what_was_put_and_what_was_found_under_one_name_are_two_files(tmp_path: Path, place: Path) -> None:
    (place / "own" / "a.txt").write_text("put")
    (place / "found").mkdir()
    (place / "found" / "a.txt").write_text("found")
    files, _ = take(KeptArtifacts(tmp_path), place)
    assert [("a.txt", hash_of("put")), ("a-2.txt", hash_of("found"))] == [(one.name, one.sha256) for one in files]


def test_links_are_followed_as_long_as_they_stay_inside(tmp_path: Path, place: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    own = place / "own"
    (own / "real").mkdir()
    (own / "real" / "a.txt").write_text("a")
    (own / "same.txt").symlink_to("real/a.txt")
    (own / "folder").symlink_to("real")
    (own / "out").symlink_to(secret)
    (own / "out.txt").symlink_to(secret / "key")
    (own / "round").symlink_to("round")
    files, warnings = take(KeptArtifacts(tmp_path), place)
    assert ["same.txt", "real/a.txt"] == [one.name for one in files]
    assert {hash_of("a")} == {one.sha256 for one in files}
    assert "not kept as artifacts: 'out', 'out.txt' (a link that leads out of its directory)" in warnings
    assert (secret / "key").read_text() == "secret"


def test_a_directory_that_is_a_link_itself_is_not_looked_through(tmp_path: Path) -> None:
    (tmp_path / "left-2").mkdir()
    (tmp_path / "left-2" / "own").symlink_to("/etc")
    assert ([], []) == take(KeptArtifacts(tmp_path), tmp_path / "left-2")
    assert Path("/etc/passwd").exists()


def test_hostile_names_are_made_safe(tmp_path: Path, place: Path) -> None:
    for name in (b"\x1b[2J.png", b"\xff.txt", b"a\nb", b"x" * 255):
        (Path(os.fsdecode(os.fsencode(place) + b"/own/" + name))).write_text(name.hex())
    files, warnings = take(KeptArtifacts(tmp_path), place)
    assert (4, []) == (len({one.name for one in files}), warnings)
    assert all(one.name.isprintable() and len(one.name) <= 120 for one in files)


def test_what_is_over_the_limit_is_told_and_gone(tmp_path: Path, place: Path) -> None:
    for name, size in {"a": 600, "b": 600, "c": 300}.items():
        (place / "own" / name).write_text("x" * size)
    os.mkfifo(place / "own" / "pipe")
    files, warnings = take(KeptArtifacts(tmp_path), place, limit=1000)
    assert ["a", "c"] == [one.name for one in files]
    assert [
        "not kept as artifacts: 'b' (over the artifacts_limit of 1 kB)",
        "not kept as artifacts: 'pipe' (no regular file)",
    ] == warnings


def test_a_hole_of_a_terabyte_is_over_the_limit(tmp_path: Path, place: Path) -> None:
    with open(place / "own" / "sparse", "wb") as file:
        file.truncate(10**12)
    assert [] == take(KeptArtifacts(tmp_path), place)[0]


def test_of_very_many_files_the_first_are_kept(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_artifacts, "MOST_FILES", 2)
    for number in range(3):
        (place / "own" / f"{number}").write_text("")
    files, warnings = take(KeptArtifacts(tmp_path), place)
    assert (["0", "1"], ["not kept as artifacts: '2' (over 2 files)"]) == ([one.name for one in files], warnings)


def test_what_is_at_home_is_forgotten_and_the_rest_with_the_run(tmp_path: Path, place: Path) -> None:
    (place / "own" / "a").write_text("a")
    (place / "own" / "b").write_text("b")
    kept = KeptArtifacts(tmp_path)
    take(kept, place)
    asyncio.run(kept.drop([hash_of("a"), hash_of("unknown")]))
    assert (None, b"b") == (read(kept, hash_of("a")), read(kept, hash_of("b")))
    asyncio.run(kept.close())
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("sha256", ["../../etc/passwd", "", "a/b"])
def test_only_what_is_a_hash_is_looked_for(tmp_path: Path, place: Path, sha256: str) -> None:
    kept = KeptArtifacts(tmp_path)
    assert read(kept, sha256) is None
    take(kept, place)
    assert read(kept, sha256) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.webp", "image/webp"),
        ("trace.zip", "application/zip"),
        ("logs.tar.gz", "application/gzip"),
        ("a.HTML", "text/html"),
        ("core", "application/octet-stream"),
    ],
)
def test_a_type_goes_by_the_name(name: str, kind: str) -> None:
    assert kind == media_type(name)


def test_what_was_told_of_is_awaited_until_it_is_at_home(tmp_path: Path, place: Path) -> None:
    (place / "own" / "a").write_text("a")
    (place / "own" / "b").write_text("b")
    kept = KeptArtifacts(tmp_path)
    assert not kept.are_awaited(60)
    take(kept, place)
    asyncio.run(kept.drop([hash_of("a")]))
    assert kept.are_awaited(60)
    asyncio.run(kept.drop([hash_of("b")]))
    assert not kept.are_awaited(60)


def test_what_nobody_asks_for_is_awaited_no_longer(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(kept_artifacts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    (place / "own" / "a").write_text("a")
    kept = KeptArtifacts(tmp_path)
    take(kept, place)
    now[0] += 59
    assert kept.are_awaited(60)
    read(kept, hash_of("a"))
    now[0] += 59
    assert kept.are_awaited(60)
    now[0] += 1
    assert not kept.are_awaited(60)


def test_what_is_being_looked_through_is_awaited(tmp_path: Path, place: Path) -> None:
    (place / "own" / "a").write_text("a")
    kept = KeptArtifacts(tmp_path)

    async def story() -> bool:
        taking = asyncio.ensure_future(kept.take(str(place), 1_000))
        await asyncio.sleep(0)
        awaited = kept.are_awaited(60)
        await taking
        return awaited

    assert asyncio.run(story())
