"""Trees of runs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulseq.node.blob_store import BlobStore, DamagedBlobError
from pulseq.node.kept_trees import KeptTrees
from pulseq.node.workspaces import Claim, NoSuchNameError, Workspaces, make_tree
from pulseq.protocol.project_files import Manifest, ProjectFile


@pytest.fixture
def workspaces(tmp_path: Path) -> Iterator[Workspaces]:
    """Those of one process, which gives all up at its end."""
    made, claims = Workspaces(tmp_path / "w"), []
    claim = made.claim

    def claim_and_note(run_id: str, root: str) -> Claim:
        claims.append(claim(run_id, root))
        return claims[-1]

    made.claim = claim_and_note  # type: ignore[method-assign]
    yield made
    for one in claims:
        one.lock.close()


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "w").iterdir() if path.name != "deciding")


def test_a_place_is_called_like_the_project_and_goes_with_the_last_who_leaves(
    workspaces: Workspaces, tmp_path: Path
) -> None:
    claim = workspaces.claim("r", "/home/me/shop")
    (claim.place / "f").write_text("x")
    other = Workspaces(tmp_path / "w").join("r", claim.place)

    assert other is not None
    assert "shop" == claim.place.name
    workspaces.leave(claim)
    assert "x" == (other.place / "f").read_text()
    workspaces.leave(other)
    assert [] == left(tmp_path)


def test_two_runs_have_two_places_and_the_next_one_the_first_again(workspaces: Workspaces) -> None:
    first, second = (workspaces.claim(run, "/p") for run in ("r", "s"))
    workspaces.leave(first)
    third = workspaces.claim("t", "/p")

    assert first.place == third.place != second.place
    assert len(str(first.place)) == len(str(second.place))
    assert [] == list(third.place.iterdir())


def test_nobody_joins_the_place_of_another_run_or_one_that_is_gone(workspaces: Workspaces) -> None:
    claim = workspaces.claim("r", "/p")
    assert workspaces.join("s", claim.place) is None
    workspaces.leave(claim)
    assert workspaces.join("r", claim.place) is None


def test_what_a_killed_process_has_left_is_swept_and_what_lives_is_not(workspaces: Workspaces, tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from pulseq.node.workspaces import Workspaces\n"
        "claim = Workspaces(Path(sys.argv[1])).claim('dead', '/p'); (claim.place / 'f').write_text('x'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=False)
    assert 2 == len(left(tmp_path))
    claim = workspaces.claim("r", "/other")
    Workspaces(tmp_path / "w").sweep()

    assert sorted([claim.holder.name, f"{claim.holder.name}.lock"]) == left(tmp_path)


def notes_of(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "kept").iterdir())


def claim_noted(keeping: Workspaces, kept: KeptTrees, run_id: str = "r") -> Claim:
    claim = keeping.claim(run_id, "/p")
    kept.note(claim.place, Manifest("/p", ()), {})
    return claim


def test_a_note_goes_with_a_tree_that_is_not_kept_or_is_forgotten(tmp_path: Path) -> None:
    kept = KeptTrees(tmp_path / "kept")
    keeping = Workspaces(tmp_path / "w", kept)
    first, second = claim_noted(keeping, kept), claim_noted(keeping, kept, "s")
    (second.holder / "beside").touch()
    for claim in (first, second):
        keeping.leave(claim)
    name = first.holder.name
    assert [name, f"{name}.note"] == notes_of(tmp_path)

    os.utime(tmp_path / "kept" / f"{name}.note", (0, 0))
    keeping.forget(10**9)
    assert ([], []) == (notes_of(tmp_path), left(tmp_path))


def test_a_note_goes_with_a_tree_that_a_killed_process_has_left(tmp_path: Path) -> None:
    kept = KeptTrees(tmp_path / "kept")
    keeping = Workspaces(tmp_path / "w", kept)
    kept_one, left_one = (claim_noted(keeping, kept, run_id) for run_id in "rs")
    keeping.leave(kept_one)
    (tmp_path / "w" / f"{kept_one.holder.name}.lock").touch()  # killed when the tree was kept already
    left_one.lock.close()

    keeping.sweep()
    name = kept_one.holder.name
    assert ([name, f"{name}.note"], []) == (notes_of(tmp_path), left(tmp_path))


def test_what_tests_have_made_unreadable_is_removed(workspaces: Workspaces, tmp_path: Path) -> None:
    claim = workspaces.claim("r", "/p")
    (claim.place / "d" / "e").mkdir(parents=True)
    (claim.place / "d" / "e" / "f").write_text("x")
    for name in ("d/e", "d"):
        (claim.place / name).chmod(0o000)
    workspaces.leave(claim)
    assert [] == left(tmp_path)


def test_a_place_is_given_up_also_while_another_process_removes_the_trash(
    workspaces: Workspaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, rename, removed = workspaces.claim("r", "/p"), os.rename, list[Path]()

    def remove_first(source: Path, target: Path) -> None:
        if not removed:
            removed.append(target.parent)
            target.parent.rmdir()
        rename(source, target)

    monkeypatch.setattr(os, "rename", remove_first)
    workspaces.leave(claim)
    assert ([tmp_path / "w" / "trash"], []) == (removed, left(tmp_path))


def test_the_blobs_of_runs_that_are_here_are_in_use(workspaces: Workspaces) -> None:
    first, second = (workspaces.claim(run, "/p") for run in ("r", "s"))
    workspaces.note_blobs(first, [b"a" * 32, b"b" * 32])
    workspaces.note_blobs(second, [b"c" * 32])
    assert {b"a" * 32, b"b" * 32, b"c" * 32} == workspaces.used_blobs()
    workspaces.leave(first)
    assert {b"c" * 32} == workspaces.used_blobs()


def stored(store: BlobStore, tmp_path: Path, path: str, text: str, mode: int = 0o644) -> ProjectFile:
    (tmp_path / "source").write_text(text)
    digest, size = store.take_file(tmp_path / "source")
    store.flush()
    return ProjectFile(path, digest, size, mode, 1_000_000_000)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    store = BlobStore(tmp_path / "s")
    store.open()
    return store


def test_a_tree_has_all_of_the_project(store: BlobStore, tmp_path: Path) -> None:
    files = [stored(store, tmp_path, f"d{number}/e/f{number}", f"{number}") for number in range(150)]
    files.append(stored(store, tmp_path, "run", "#!/bin/sh", 0o755))
    manifest = Manifest("/p", tuple(files), (("l", "d1/e"), ("deep/l", "../run")), ("empty/one",))
    place = tmp_path / "p"
    place.mkdir()
    make_tree(place, manifest, store)

    assert all((place / file.path).read_text() for file in files)
    assert "1" == (place / "l" / "f1").read_text()
    assert "#!/bin/sh" == (place / "deep" / "l").read_text()
    assert (place / "empty" / "one").is_dir()
    assert (0o755, 1.0) == (stat.S_IMODE((place / "run").stat().st_mode), (place / "run").stat().st_mtime)


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "x" * 300])
def test_a_name_that_the_host_cannot_have_is_told(store: BlobStore, tmp_path: Path, path: str) -> None:
    (tmp_path / "p").mkdir()
    with pytest.raises(NoSuchNameError) as caught:
        make_tree(tmp_path / "p", Manifest("/p", (stored(store, tmp_path, path, "x"),)), store)
    assert repr(path) in str(caught.value)
    assert [] == [name for name in os.listdir(tmp_path) if name == "out"]


def test_a_blob_that_is_not_there_is_told(store: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    with pytest.raises(DamagedBlobError):
        make_tree(tmp_path / "p", Manifest("/p", (ProjectFile("f", b"x" * 32, 1, 0o644, 0),)), store)
