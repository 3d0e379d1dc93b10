"""Which files a glob finds, and how one is known again."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulseq.execution.runtime.found_files import find_files

TREE = (
    "a.xml",
    ".hidden.xml",
    "out/b.xml",
    "out/c.txt",
    "out/.cache/d.xml",
    "out/deep/er/e.xml",
    "out/deep/er/out/f.xml",
    "out/[1]/g.xml",
    "x.xml/h.xml",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def found(root: Path, pattern: str) -> list[str]:
    return [os.path.relpath(file.path, root) for file in find_files(pattern, str(root))]


def by_python(root: Path, pattern: str) -> list[str]:
    paths = glob.glob(os.path.join(glob.escape(str(root)), pattern), recursive=True)
    return sorted({os.path.relpath(path, root) for path in paths if not os.path.isdir(path)})


@pytest.mark.parametrize(
    "pattern",
    [
        "a.xml",
        "*.xml",
        "*",
        "**",
        "**/*.xml",
        "**/",
        "out/**/*.xml",
        "**/out/**/*.xml",
        "**/er/*.xml",
        "out/*/*.xml",
        "out/[[]1]/*.xml",
        "out/[!d]*/*.xml",
        "./out/b.xml",
        "out/../a.xml",
        "out//b.xml",
        ".*",
        ".*.xml",
        "out/.*/*.xml",
        "?.xml",
        "**.xml",
        "nothing/*.xml",
        "a.xml/*.xml",
        "",
    ],
)
def test_a_glob_finds_what_pythons_own_finds(tree: Path, pattern: str) -> None:
    own = [os.path.normpath(path) for path in by_python(tree, pattern)] if pattern else []
    assert own == sorted(map(os.path.normpath, found(tree, pattern)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["**", "*", "out", "deep", "er", "*.xml", "?", ".*", "[!x]*"]), min_size=1, max_size=4))
def test_any_glob_finds_what_pythons_own_finds(tree: Path, parts: list[str]) -> None:
    pattern = "/".join(parts)
    # Python names a directory that is not there.
    real = {os.path.realpath(tree / path) for path in by_python(tree, pattern) if os.path.exists(tree / path)}
    assert real == {os.path.realpath(tree / path) for path in found(tree, pattern)}


def test_an_absolute_glob_is_taken_as_it_is(tree: Path, tmp_path: Path) -> None:
    assert [str(tree / "a.xml")] == [file.path for file in find_files(str(tree / "*.xml"), str(tmp_path))]


def test_a_link_that_leads_round_ends(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.xml").touch()
    (tmp_path / "out" / "again").symlink_to(tmp_path)
    (tmp_path / "out" / "here").symlink_to(".")
    (tmp_path / "self").symlink_to("self")
    assert ["out/a.xml"] == found(tmp_path, "**/*.xml")


def test_a_file_of_several_names_is_found_once_by_the_one_that_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "run.xml").touch()
    (tmp_path / "a").symlink_to("z")
    assert ["z/run.xml"] == found(tmp_path, "**/*.xml")
    (tmp_path / "z" / "second.xml").hardlink_to(tmp_path / "z" / "run.xml")
    assert ["z/run.xml"] == found(tmp_path, "**/*.xml")


def test_what_is_reached_by_a_link_alone_is_found(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "a.xml").touch()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "logs").symlink_to(tmp_path / "cache")
    assert ["logs/a.xml"] == found(tmp_path / "project", "**/*.xml")
    assert ["logs/a.xml"] == found(tmp_path / "project", "logs/*.xml")


def test_a_link_to_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere")
    assert [] == found(tmp_path, "*.xml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.xml").touch()
    (tmp_path / "closed").mkdir(mode=0)
    assert ["a.xml"] == found(tmp_path, "**/*.xml")
    (tmp_path / "closed").chmod(0o700)


def test_a_file_is_the_same_under_another_name_and_another_once_written(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("one")
    (before,) = find_files("*.xml", str(tmp_path))
    (tmp_path / "a.xml").rename(tmp_path / "b.xml")
    (moved,) = find_files("*.xml", str(tmp_path))
    (tmp_path / "b.xml").write_text("longer")
    (written,) = find_files("*.xml", str(tmp_path))
    assert (before.mark, True) == (moved.mark, written.mark != moved.mark)
