"""Every way in which a file cannot be read has its sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulseq.errors import ConfigurationError, UsageError
from pulseq.suites import reading
from pulseq.suites.reading import read_document


def refuse(path: Path) -> str:
    with pytest.raises(UsageError) as refusal:
        read_document(path, needs="tests")
    return str(refusal.value)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_yaml_and_toml_read_alike() -> None:
    Path("a.yml").write_text("\ufefftests: x\n", encoding="utf-8")
    Path("a.toml").write_text("tests = 'x'\n", encoding="utf-8")
    read = [read_document(Path(name), needs="tests").value for name in ("a.yml", "a.toml")]
    assert read == [{"tests": "x"}, {"tests": "x"}]


def test_a_missing_file_is_told_with_the_nearest_name() -> None:
    Path("checkout.yaml").touch()
    expected = "found no file or directory 'chekout.yaml'; did you mean 'checkout.yaml'?"
    assert refuse(Path("chekout.yaml")) == expected


def test_a_file_that_has_nothing_in_common_but_its_ending_is_not_meant() -> None:
    Path("b.yaml").touch()
    assert refuse(Path("a.yaml")) == "found no file or directory 'a.yaml'"


def test_an_ending_may_be_forgotten() -> None:
    Path("checkout.yaml").touch()
    assert refuse(Path("checkout")) == "found no file or directory 'checkout'; did you mean 'checkout.yaml'?"


def test_a_missing_file_in_a_missing_folder_is_told() -> None:
    assert refuse(Path("nowhere/x.yaml")) == "found no file or directory 'nowhere/x.yaml'"


def test_a_folder_is_no_file() -> None:
    Path("x.yaml").mkdir()
    expected = "found 'x.yaml', which is no regular file, expected a file ending in .yaml, .yml, .toml"
    assert refuse(Path("x.yaml")) == expected


def test_a_pipe_is_not_waited_for() -> None:
    os.mkfifo("x.yaml")
    assert "which is no regular file" in refuse(Path("x.yaml"))


def test_a_file_without_permission_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    Path("x.yaml").touch()
    monkeypatch.setattr(Path, "open", deny)
    assert refuse(Path("x.yaml")) == "'x.yaml' cannot be read: Permission denied"


def test_a_file_over_16_mb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LARGEST", 10)
    Path("x.yaml").write_text("a: 4567890\n")
    expected = "found 'x.yaml' with more than 16 MB, expected at most that; split it and name all its parts"
    assert refuse(Path("x.yaml")) == expected


def test_what_is_no_utf_8_is_told_with_its_line() -> None:
    Path("x.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    with pytest.raises(ConfigurationError) as refusal:
        read_document(Path("x.yaml"), needs="tests")
    assert str(refusal.value) == "x.yaml:2: (file): found the byte 0xe9, expected text in UTF-8"


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("x.yaml", "", "an empty file"),
        ("x.yaml", "# nothing yet\n", "an empty file"),
        ("x.yaml", "{}", "an empty file"),
        ("x.toml", "\n", "an empty file"),
        ("x.yaml", "- a\n- b\n", "a list"),
        ("x.yaml", "just text", "'just text'"),
    ],
)
def test_a_file_holds_a_mapping(name: str, text: str, found: str) -> None:
    Path(name).write_text(text)
    expected = "a mapping of keys to values, with the key tests"
    assert refuse(Path(name)) == f"{name}:1: (file): found {found}, expected {expected}"


def test_a_file_of_another_kind_is_told_where_it_belongs() -> None:
    Path("x.yaml").write_text("nodes: [{id: a}]\nframework: {}\n")
    expected = "a suite, with the key tests; `pulseq run SUITE --nodes NODES` takes both"
    assert refuse(Path("x.yaml")) == f"x.yaml:1: (file): found a nodes file, expected {expected}"
