"""The projects of runs on a node."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulseq.blobs import digest_of, shrink
from pulseq.errors import InfrastructureError
from pulseq.node import blob_store
from pulseq.node.blob_store import BlobStore
from pulseq.node.host_projects import HostProjects, default_directory
from pulseq.protocol.project_files import BlobPart, Done, Lacking, Manifest, ProjectFile, Workspace
from pulseq.protocol.to_node import MakeWorkspace, OfferProject, PutBlobs

TEXT = b"print('hello')\n" * 100
MANIFEST = Manifest("/home/me/shop", (ProjectFile("src/a.py", digest_of(TEXT), len(TEXT), 0o644, 0),))


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[HostProjects]:
    made = open_projects(tmp_path)
    yield made
    made.leave_all()


def open_projects(directory: Path) -> HostProjects:
    projects = HostProjects(directory)
    projects.open()
    return projects


def ask(projects: HostProjects, message: Any, run_id: str = "r") -> Any:
    return asyncio.run(projects.do(run_id, message))


def bring(projects: HostProjects, run_id: str = "r") -> Workspace:
    lacking = ask(projects, OfferProject(MANIFEST, 10**9), run_id)
    if lacking.digests:
        data, compressed = shrink(TEXT)
        assert Done() == ask(projects, PutBlobs((part_of(TEXT),), memoryview(data), compressed), run_id)
    return Workspace(MANIFEST.root, ask(projects, MakeWorkspace(), run_id).place)


def part_of(data: bytes) -> BlobPart:
    return BlobPart(digest_of(data), len(data), 0, len(data))


def test_a_host_says_what_it_lacks_and_once_it_has_it_no_more(projects: HostProjects) -> None:
    assert Lacking((digest_of(TEXT),)) == ask(projects, OfferProject(MANIFEST, 10**9))
    bring(projects)
    assert Lacking() == ask(projects, OfferProject(MANIFEST, 10**9), "another run")


def test_nodes_of_a_host_share_a_tree_until_the_last_has_left(projects: HostProjects, tmp_path: Path) -> None:
    other = open_projects(tmp_path)
    workspace = bring(projects)
    paths = asyncio.run(other.begin("r", workspace))

    assert projects.store_id == other.store_id
    assert workspace.place == paths.place
    asyncio.run(projects.leave("r"))
    assert TEXT == Path(workspace.place, "src/a.py").read_bytes()
    other.leave_all()
    assert not Path(workspace.place).exists()


def test_a_node_cannot_begin_where_the_tree_is_not(projects: HostProjects, tmp_path: Path) -> None:
    workspace = bring(projects)
    asyncio.run(projects.leave("r"))
    with pytest.raises(InfrastructureError, match="not on this host any more"):
        asyncio.run(open_projects(tmp_path).begin("r", workspace))


def test_what_a_test_writes_is_in_no_other_run(projects: HostProjects) -> None:
    Path(bring(projects).place, "src/a.py").write_text("broken")
    assert TEXT == Path(bring(projects, "another run").place, "src/a.py").read_bytes()


def test_the_next_run_has_the_tree_as_the_last_one_got_it(projects: HostProjects) -> None:
    place = Path(bring(projects).place)
    made = []
    for change in (lambda: None, lambda: (place / "src/a.py").write_text("broken"), (place / "new").touch):
        made.append((place / "src/a.py").stat().st_ctime_ns)
        change()
        asyncio.run(projects.leave("r"))
        assert not place.exists()
        assert str(place) == bring(projects).place
        assert TEXT == (place / "src/a.py").read_bytes()
        assert ["src"] == os.listdir(place)
    assert made[0] == made[1] < made[2] == (place / "src/a.py").stat().st_ctime_ns


def test_a_run_has_no_file_that_its_project_has_no_more(projects: HostProjects) -> None:
    bring(projects)
    asyncio.run(projects.leave("r"))
    moved = Manifest(MANIFEST.root, (ProjectFile("a.py", digest_of(TEXT), len(TEXT), 0o644, 0),))
    ask(projects, OfferProject(moved, 10**9))
    place = ask(projects, MakeWorkspace()).place

    assert ["a.py"] == os.listdir(place)
    assert TEXT == Path(place, "a.py").read_bytes()


def test_trees_that_are_kept_make_room_before_a_disk_is_called_full(
    projects: HostProjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(_: object) -> object:
        kept = any(path.is_dir() for path in (tmp_path / "projects" / "trees").glob("*"))
        return type("Usage", (), {"free": 3_000_000 if kept else 10**9})

    bring(projects)
    asyncio.run(projects.leave("r"))
    monkeypatch.setattr(shutil, "disk_usage", free)
    assert Lacking() == ask(projects, OfferProject(MANIFEST, 10**9))


def test_a_disk_that_has_no_room_is_told_with_both_numbers(
    projects: HostProjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3_000_000}))
    told = ask(projects, OfferProject(MANIFEST, 10**9)).trouble
    assert "has 3 MB free, expected 50 MB, for the project and 50 MB beside: free some space" in told


def test_what_is_damaged_on_the_way_is_asked_for_again(projects: HostProjects) -> None:
    ask(projects, OfferProject(MANIFEST, 10**9))
    assert ask(projects, PutBlobs((part_of(TEXT),), memoryview(b"x" * len(TEXT)))).again
    assert ask(projects, MakeWorkspace()).again


def test_what_was_not_offered_is_asked_for_again(projects: HostProjects) -> None:
    assert ask(projects, MakeWorkspace()).again
    assert ask(projects, PutBlobs((part_of(TEXT),), memoryview(TEXT))).again


def test_what_comes_while_the_run_is_left_is_not_kept(
    projects: HostProjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_store, "LARGE_BYTES", 5)
    ask(projects, OfferProject(MANIFEST, 10**9))
    put = BlobStore.put

    def leave_and_put(store: BlobStore, *arguments: Any) -> None:
        projects.leave_all()
        put(store, *arguments)

    monkeypatch.setattr(BlobStore, "put", leave_and_put)
    ask(projects, PutBlobs((BlobPart(digest_of(TEXT), 3, 0, len(TEXT)),), memoryview(TEXT)[:3]))
    assert [] == list((tmp_path / "projects" / "incoming").iterdir())


def test_a_tree_that_cannot_be_made_leaves_nothing(projects: HostProjects, tmp_path: Path) -> None:
    file = ProjectFile("x" * 300, digest_of(TEXT), len(TEXT), 0o644, 0)
    ask(projects, OfferProject(Manifest("/p", (file,)), 10**9))
    ask(projects, PutBlobs((part_of(TEXT),), memoryview(TEXT)))
    told = ask(projects, MakeWorkspace())

    assert told.trouble.startswith("it cannot have a file named 'xxx")
    assert not told.again
    assert {"deciding"} == {path.name for path in (tmp_path / "w").iterdir()}


def test_a_tree_whose_run_is_left_meanwhile_is_made_no_further_and_gone(
    projects: HostProjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = (digest_of(TEXT), digest_of(b"x"))
    files = [
        ProjectFile(f"{name}/f", digest, size, 0o644, 0)
        for name, digest, size in zip("ab", digests, (len(TEXT), 1), strict=True)
    ]
    ask(projects, OfferProject(Manifest("/p", tuple(files)), 10**9))
    ask(projects, PutBlobs((part_of(TEXT), part_of(b"x")), memoryview(TEXT + b"x")))
    place, placed, begun, is_left = BlobStore.place, list[bytes](), threading.Event(), threading.Event()

    def place_slowly(store: BlobStore, digest: bytes, *arguments: Any, **named: Any) -> None:
        begun.set()
        assert is_left.wait(10)
        placed.append(digest)
        place(store, digest, *arguments, **named)

    monkeypatch.setattr(BlobStore, "place", place_slowly)

    async def leave_meanwhile() -> Any:
        making = asyncio.create_task(projects.do("r", MakeWorkspace()))
        await asyncio.to_thread(begun.wait, 10)
        leaving = asyncio.create_task(projects.leave("r"))
        await asyncio.sleep(0)
        is_left.set()
        await leaving
        assert {"deciding"} == {path.name for path in (tmp_path / "w").iterdir()}
        return await making

    assert Done("the run was left") == asyncio.run(leave_meanwhile())
    assert [digests[0]] == placed
    assert {"deciding"} == {path.name for path in (tmp_path / "w").iterdir()}


def test_a_directory_that_cannot_be_had_is_told_when_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    projects = open_projects(tmp_path / "f")

    assert "" == projects.store_id
    assert "cannot be used" in ask(projects, OfferProject(MANIFEST, 10**9)).trouble


def test_more_than_a_host_may_keep_is_forgotten_after_the_run(tmp_path: Path) -> None:
    projects = HostProjects(tmp_path, store_bytes=0)
    projects.open()
    bring(projects)
    assert Lacking() == ask(projects, OfferProject(MANIFEST, 10**9), "another run")
    projects.leave_all()
    assert Lacking((digest_of(TEXT),)) == ask(projects, OfferProject(MANIFEST, 10**9))
    assert [] == [path for path in (tmp_path / "projects" / "trees").iterdir() if path.is_dir()]
    projects.leave_all()


def test_a_host_that_is_full_of_blobs_makes_room_for_a_tree(tmp_path: Path) -> None:
    projects = HostProjects(tmp_path, store_bytes=8_000)
    projects.open()
    objects = tmp_path / "projects" / "objects" / "00"
    objects.mkdir()
    for number in range(8):
        path = objects / f"{number:062x}"
        path.write_bytes(bytes(1_000))
        os.utime(path, (number, number))
    bring(projects)
    projects.leave_all()

    kept = [path.name for path in (tmp_path / "projects" / "trees").iterdir() if path.is_dir()]
    assert (1, [4, 5, 6, 7]) == (len(kept), sorted(int(name, 16) for name in os.listdir(objects)))


def test_outputs_that_were_not_used_for_long_are_forgotten_after_the_run(
    projects: HostProjects, tmp_path: Path
) -> None:
    prepared = tmp_path / "projects" / "prepared"
    prepared.mkdir()
    for name in ("new", "old", ".partial"):
        (prepared / name).write_text(name)
    for name in ("old", ".partial"):
        os.utime(prepared / name, (0, 0))
    bring(projects)
    asyncio.run(projects.leave("r"))
    assert ["new"] == os.listdir(prepared)


def test_projects_are_kept_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert Path("/c/pulseq") == default_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", "/h")
    assert Path("/h/.cache/pulseq") == default_directory()


def test_an_account_without_a_home_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    projects = HostProjects()
    projects.open()
    assert "cannot be used" in ask(projects, OfferProject(MANIFEST, 1)).trouble


def test_what_is_somebody_elses_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulseq.node.host_projects.is_foreign", lambda path: path.name == "projects")
    projects = open_projects(tmp_path)
    assert "is somebody else's" in ask(projects, OfferProject(MANIFEST, 1)).trouble
    assert not (tmp_path / "projects").exists()
