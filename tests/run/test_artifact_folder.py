"""Where artifacts lie at home: a tree for people, each content once."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulseq.run.artifact_folder import ArtifactFolder, DamagedFileError


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def receive(folder: ArtifactFolder, text: str) -> str:
    incoming = folder.receive(sha256_of(text))
    incoming.write(text.encode())
    incoming.finish()
    folder.keep(incoming)
    return sha256_of(text)


def test_a_file_lies_under_its_test_its_attempt_and_its_name(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    path = folder.put(("cart", "browser=chrome"), 2, "screens/a.png", receive(folder, "png"))
    folder.tidy()
    assert "artifacts/cart [browser=chrome]/2/screens/a.png" == path
    assert "png" == (tmp_path / path).read_text()
    assert [tmp_path / path] == [one for one in tmp_path.rglob("*") if one.is_file()]


def test_all_of_it_is_the_owners_alone(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    before = os.umask(0)
    try:
        path = folder.put(("a", ""), 1, "deep/a.txt", receive(folder, "a"))
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "artifacts").rglob("*") if one.is_dir()}
    assert ({0o700}, 0o600) == (modes, stat.S_IMODE((tmp_path / path).stat().st_mode))


def test_the_same_content_is_written_once(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    sha256 = receive(folder, "same")
    paths = [folder.put((test, ""), 1, "a.txt", sha256) for test in "abc"]
    assert folder.has(sha256)
    assert [3, 3, 3] == [(tmp_path / path).stat().st_nlink for path in paths]


def test_many_threads_give_one_content_its_names(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    for number in range(30):
        sha256 = receive(folder, str(number))
        with ThreadPoolExecutor(4) as pool:
            paths = list(pool.map(lambda test, one=sha256: folder.put((test, ""), 1, one, one), "abcd"))
        assert [str(number)] * 4 == [(tmp_path / path).read_text() for path in paths]


def test_a_disk_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_link)
    folder = ArtifactFolder(tmp_path)
    sha256 = receive(folder, "same")
    paths = [folder.put((test, ""), 1, "a.txt", sha256) for test in "ab"]
    assert ["same", "same"] == [(tmp_path / path).read_text() for path in paths]


def test_to_put_the_same_twice_is_to_put_it_once(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    sha256 = receive(folder, "a")
    paths = {folder.put(("a", ""), 1, "a.txt", sha256) for _ in range(2)}
    assert ["a"] == [(tmp_path / path).read_text() for path in paths]


@pytest.mark.parametrize("name", ["../../../out", "/etc/passwd", "a/../../b", "", "\x1b[2J"])
def test_a_name_that_a_node_told_stays_below(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folder = ArtifactFolder(home)
    path = folder.put(("t", ""), 1, name, receive(folder, "x"))
    assert (home / path).resolve().is_relative_to(home / "artifacts" / "t" / "1")
    assert ["home"] == os.listdir(tmp_path)


def test_what_is_not_what_was_told_of_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    folder = ArtifactFolder(tmp_path)
    incoming = folder.receive(sha256_of("true"))
    incoming.write(b"false")
    with pytest.raises(DamagedFileError, match="changed after its test had ended"):
        incoming.finish()
    incoming.abandon()
    folder.tidy()
    assert (False, []) == (folder.has(sha256_of("true")), list(tmp_path.iterdir()))


@pytest.mark.parametrize("sha256", ["{victim}", "../../victim", "", "f0" * 32 + "\n", "F0" * 32])
def test_what_is_called_by_no_hash_is_refused_and_touches_nothing(tmp_path: Path, sha256: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    run_directory = tmp_path / "home"
    run_directory.mkdir()
    with pytest.raises(DamagedFileError, match="no SHA-256"):
        ArtifactFolder(run_directory).receive(sha256.format(victim=victim))
    assert ("mine", []) == (victim.read_text(), list(run_directory.iterdir()))
