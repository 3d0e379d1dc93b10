"""How reports name what tests left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept
from pulseq.reports.left_behind import ArtifactPlace, in_order, say_attachments, say_left


def kept(attempt: int, *names: str, missing: bool = False) -> ArtifactsKept:
    files = (
        Artifact(name, 1500, "f00d", "image/png", None if missing else f"artifacts/cart/{attempt}/{name}")
        for name in names
    )
    return ArtifactsKept("cart", "", attempt, "n", tuple(files))


def test_what_an_attempt_left_is_one_line_with_its_directory() -> None:
    assert "artifacts/cart/1: a.png (1.5 kB), deep/b.png (1.5 kB)" == say_left([kept(1, "a.png", "deep/b.png")], 5)


def test_of_several_attempts_the_directory_is_the_tests() -> None:
    told = say_left([kept(2, "a.png"), kept(1, "a.png", "b.png")], 2)
    assert "artifacts/cart: 1/a.png (1.5 kB), 1/b.png (1.5 kB), 1 more" == told


def test_nothing_is_said_of_what_did_not_come() -> None:
    assert ("", "") == (say_left([], 5), say_left([kept(1, "a.png", missing=True)], 5))


def test_files_come_in_the_order_of_attempts() -> None:
    assert [(1, "b"), (2, "a")] == [(attempt, file.name) for attempt, file in in_order([kept(2, "a"), kept(1, "b")])]


def test_attachments_are_paths_as_the_reader_has_them(tmp_path: Path) -> None:
    run = tmp_path / "home" / "runs" / "r"
    inside, outside = ArtifactPlace(run, tmp_path), ArtifactPlace(run, tmp_path / "elsewhere")
    left = [kept(1, "a.png"), kept(2, "b.png", missing=True)]
    assert ["[[ATTACHMENT|home/runs/r/artifacts/cart/1/a.png]]"] == list(say_attachments(left, inside))
    assert [f"[[ATTACHMENT|{run}/artifacts/cart/1/a.png]]"] == list(say_attachments(left, outside))
    assert [] == list(say_attachments(left, None))


def test_a_path_that_would_end_its_attachment_has_none(tmp_path: Path) -> None:
    left = [kept(1, "a[b[1]].png", "c[1].png")]
    assert ["[[ATTACHMENT|artifacts/cart/1/c[1].png]]"] == list(
        say_attachments(left, ArtifactPlace(tmp_path, tmp_path))
    )


@pytest.mark.parametrize(
    ("name", "link"),
    [("a b.png", "./../r/artifacts/cart/1/a%20b.png"), ("50%#.txt", "./../r/artifacts/cart/1/50%25%23.txt")],
)
def test_a_link_is_relative_to_the_report(tmp_path: Path, name: str, link: str) -> None:
    [file] = kept(1, name).files
    assert link == ArtifactPlace(tmp_path / "r", tmp_path / "reports").link(file)


def test_what_did_not_come_has_no_link(tmp_path: Path) -> None:
    [file] = kept(1, "a", missing=True).files
    place = ArtifactPlace(tmp_path, tmp_path)
    assert (None, None, "") == (place.link(file), place.path_of(file), place.shown_path(file))
