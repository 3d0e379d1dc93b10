"""What is run where no suite is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.suites.default_suite import complete_arguments, own_nodes_files


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["pulseq.yaml", "pulseq.yml", "pulseq.toml"])
def test_the_suite_of_the_directory_is_taken_where_none_is_named(place: Path, name: str) -> None:
    (place / name).touch()

    assert complete_arguments([]) == (name,)


def test_what_is_named_goes_before_it(place: Path) -> None:
    (place / "pulseq.yaml").touch()

    assert complete_arguments(["tests"]) == ("tests",)
    assert complete_arguments([], pyargs=True) == ()


@pytest.mark.parametrize("arguments", [[""], ["tests", ""]])
def test_an_empty_argument_does_not_run_the_directory(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="found '' where a suite is named, expected a suite file"):
        complete_arguments(arguments)


def test_without_it_there_is_nothing_to_take() -> None:
    assert complete_arguments([]) == ()


def test_of_two_none_is_taken(place: Path) -> None:
    for name in ("pulseq.yaml", "pulseq.toml"):
        (place / name).touch()

    with pytest.raises(UsageError, match=r"found 'pulseq.yaml' and 'pulseq.toml', expected one of them"):
        complete_arguments([])


def test_a_nodes_file_beside_the_suite_is_nearer_than_one_beside_its_folder() -> None:
    files = [str(file) for file in own_nodes_files(Path("suites/shop.yaml"))]

    assert files[0] == "suites/shop.nodes.yaml"
    assert "nodes/shop.yaml" in files[3:]


@pytest.mark.parametrize(
    ("suite", "nodes"),
    [
        ("suites/shop.yaml", "nodes/shop.yaml"),
        ("shop.yaml", "../nodes/shop.yaml"),
        ("../shop.yaml", "../../nodes/shop.yaml"),
        ("/far/suites/shop.yaml", "/far/nodes/shop.yaml"),
    ],
)
def test_the_folder_nodes_is_beside_that_of_the_suite_from_wherever_one_looks(suite: str, nodes: str) -> None:
    assert Path(nodes) in own_nodes_files(Path(suite))
