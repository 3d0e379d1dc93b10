"""A project as it is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.blobs import ChangingFileError, digest_of
from pulseq.errors import UsageError
from pulseq.project import ProjectSpec
from pulseq.projects import hash_cache
from pulseq.projects.read_manifest import read_manifest


def test_each_file_has_its_path_hash_size_mode_and_time(project: Path, tmp_path: Path) -> None:
    (project / "a.py").chmod(0o755)
    manifest = read_manifest(project, ProjectSpec(), home=tmp_path / "home").manifest
    first = manifest.files[0]

    assert str(project) == manifest.root
    assert ["a.py", "build/out.o", "src/b.py", "src/data/c.bin"] == [file.path for file in manifest.files]
    assert (digest_of(b"a.py"), 4, 0o755) == (first.digest, first.size, first.mode)
    assert (project / "a.py").stat().st_mtime_ns == first.mtime_ns


def test_what_does_not_travel_is_told_in_one_note(project: Path, tmp_path: Path) -> None:
    for number in range(5):
        (project / f"out{number}").symlink_to("/etc")
    (note,) = read_manifest(project, ProjectSpec(), home=tmp_path / "home").notes

    assert note.startswith("not sent to other hosts: 'out0' points to '/etc'")
    assert note.endswith("'out2' points to '/etc', which is outside the project and 2 more")


def test_a_project_without_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    with pytest.raises(UsageError, match=r"has no file to send to other hosts \(git ignores all of it"):
        read_manifest(tmp_path / "p", ProjectSpec(), home=tmp_path / "home")
    with pytest.raises(UsageError, match=r"`project: \{ship: …\}` matches none"):
        read_manifest(tmp_path / "p", ProjectSpec(ship=("src",)), home=tmp_path / "home")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ChangingFileError("it was written to"), "is being written to"),
        (PermissionError(13, "Permission denied"), "cannot be read (Permission denied)"),
    ],
)
def test_a_file_that_cannot_be_read_as_it_is_is_refused_by_name(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, told: str
) -> None:
    def fail(path: Path) -> object:
        raise error

    monkeypatch.setattr(hash_cache, "hash_file", fail)
    with pytest.raises(UsageError) as caught:
        read_manifest(project, ProjectSpec(), home=tmp_path / "home")
    assert told in str(caught.value)
    assert "'a.py'" in str(caught.value)
    assert "exclude" in str(caught.value)
