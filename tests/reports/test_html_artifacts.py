"""What tests left behind, on the page: pictures, links, and nothing that runs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pulseq.artifacts import Artifact
from pulseq.events import ArtifactsKept
from pulseq.models import Reason, Status
from pulseq.records import RunRecord
from pulseq.reports import html_artifacts
from pulseq.reports.html import write_html
from pulseq.reports.html_artifacts import ShownArtifacts
from pulseq.reports.left_behind import ArtifactPlace
from pulseq.reports.run_digest import RunDigest

FAILED = ((Status.FAILED, Reason.ASSERTION),)
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = "a'\"><script>alert(1)</script>.png"


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes.get(attribute) for name, attributes in self.found if name == tag]


def leave(run: Path, test_id: str, files: dict[str, bytes], attempt: int = 1) -> ArtifactsKept:
    """Files that came home."""
    told = []
    for name, data in files.items():
        path = run / "artifacts" / test_id / str(attempt) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        told.append(Artifact(name, len(data), "f00d", "", str(path.relative_to(run))))
    return ArtifactsKept(test_id, "", attempt, "n", tuple(told))


@pytest.fixture
def record(plot: Any, tell_story: Callable[..., Any]) -> RunRecord:
    record: RunRecord = tell_story([plot("bad", 1.0, FAILED), plot("good")]).record
    return record


def page_of(record: RunRecord, place: ArtifactPlace | None) -> tuple[str, Elements]:
    stream = io.BytesIO()
    write_html(record, stream, place=place)
    page = stream.getvalue().decode()
    return page, Elements(page)


def test_a_small_picture_is_in_the_page_and_all_else_is_a_link(record: RunRecord, tmp_path: Path) -> None:
    run = tmp_path / "home" / "r"
    files = {"shot.png": PNG, "page.html": b"<script>alert(1)</script>", "x.svg": b"<svg onload='alert(1)'/>"}
    record.apply(leave(run, "bad", files))
    page, elements = page_of(record, ArtifactPlace(run, tmp_path))
    assert [f"data:image/png;base64,{base64.b64encode(PNG).decode()}"] == elements.all("img", "src")
    links = {str(link) for link in elements.all("a", "href") if str(link).startswith("./")}
    assert {f"./home/r/artifacts/bad/1/{name}" for name in files} == links
    assert all((tmp_path / unquote(link)).is_file() for link in links)
    assert "alert(1)" not in page


def test_a_name_does_nothing(record: RunRecord, tmp_path: Path) -> None:
    record.apply(
        ArtifactsKept("bad", "", 1, "n", (Artifact(HOSTILE, 1, "", "", f"artifacts/bad/1/{HOSTILE}", HOSTILE),))
    )
    _, elements = page_of(record, ArtifactPlace(tmp_path, tmp_path))
    assert 1 == len(elements.all("script", "src"))
    links = [str(link) for link in elements.all("a", "href") if "alert" in str(link)]
    assert ["./artifacts/bad/1/"] == [unquote(link).removesuffix(HOSTILE) for link in links]
    assert [] == [tag for tag, attributes in elements.found if any(name.startswith("on") for name in attributes)]


def test_what_others_left_has_a_part_of_its_own(record: RunRecord, tmp_path: Path) -> None:
    record.apply(leave(tmp_path, "good", {"a.txt": b"a"}))
    record.apply(leave(tmp_path, "entry", {"b.txt": b"b"}, attempt=2))
    page, _ = page_of(record, ArtifactPlace(tmp_path, tmp_path))
    part = page[page.index("Left behind by other tests") :]
    assert [True] * 4 == [word in part for word in ("good", "a.txt", "b.txt", "attempt 2")]


def test_without_a_place_files_are_named_and_why_one_is_missing(record: RunRecord) -> None:
    record.apply(ArtifactsKept("bad", "", 1, "n", (Artifact("a.png", 1, "", "", None, "node n was lost before"),)))
    page, elements = page_of(record, None)
    assert ([], True, True) == (elements.all("img", "src"), "a.png" in page, "node n was lost before" in page)


def test_of_very_many_the_first_are_shown(record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_artifacts, "_FILES", 2)
    record.apply(leave(tmp_path, "bad", {f"{number}.txt": b"" for number in range(5)}))
    shown = ShownArtifacts(RunDigest(record), ArtifactPlace(tmp_path, tmp_path)).of(("bad", ""))
    assert (["0.txt", "1.txt"], 3) == ([one.file.name for one in shown.items], shown.more)
