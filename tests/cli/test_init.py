"""`pulseq init`: two files for what is in a directory, and never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli.init import init
from pulseq.errors import UsageError
from pulseq.suites.nodes_file import load_fleet
from pulseq.suites.suite_file import load_suite


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_directory_gets_the_example(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == init()

    assert [test.id for test in load_suite(place / "pulseq.yaml").tests] == ["sums", "basket", "steps", "checkout"]
    assert len(load_fleet(place / "pulseq.nodes.yaml").nodes) == 2
    assert "found no tests that can run here" in capsys.readouterr().err


def test_what_was_found_is_written_and_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "test_a.py").write_text("def test_a(): pass\n")

    assert 0 == init()

    assert ["pytest"] == [test.id for test in load_suite(place / "pulseq.yaml").tests]
    told = capsys.readouterr().err
    assert "pytest: test_a.py is named as pytest names tests." in told
    assert "`pulseq run`" in told.splitlines()[-1]


def test_another_directory_may_be_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "shop").mkdir()

    assert 0 == init(Path("shop"))

    assert load_suite(place / "shop" / "pulseq.yaml").name == "shop"
    assert "next in shop: " in capsys.readouterr().err


@pytest.mark.parametrize("suite", ["pulseq.yaml", "pulseq.toml"])
@pytest.mark.parametrize("nodes", ["pulseq.nodes.yaml", "pulseq.nodes.toml"])
def test_where_both_are_there_nothing_is_written(place: Path, suite: str, nodes: str) -> None:
    (place / suite).write_text("mine")
    (place / nodes).write_text("mine too")

    with pytest.raises(UsageError, match=f"found '{suite}' and '{nodes}' already, and left them as they are"):
        init()

    assert {suite, nodes} == {file.name for file in place.iterdir()}
    assert (place / suite).read_text() == "mine"
    assert (place / nodes).read_text() == "mine too"


@pytest.mark.parametrize(
    ("there", "missing"), [("pulseq.yaml", "pulseq.nodes.yaml"), ("pulseq.nodes.yaml", "pulseq.yaml")]
)
def test_a_file_that_is_there_stays_and_the_other_is_written(
    place: Path, capsys: pytest.CaptureFixture[str], there: str, missing: str
) -> None:
    (place / there).write_text("mine")

    assert 0 == init()

    assert (place / there).read_text() == "mine"
    assert (place / missing).exists()
    assert f"{there} is there already, and stays as it is" in capsys.readouterr().err


def test_a_link_that_leads_nowhere_is_not_followed(place: Path) -> None:
    (place / "pulseq.yaml").symlink_to("elsewhere.yaml")

    with pytest.raises(UsageError, match=r"'pulseq.yaml' cannot be written: File exists"):
        init()

    assert not (place / "elsewhere.yaml").exists()


def test_a_directory_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="found no directory 'gone'"):
        init(Path("gone"))
