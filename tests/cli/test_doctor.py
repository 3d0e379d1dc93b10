"""`pulseq doctor`: one line for each thing, an exit code, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pulseq.cli.doctor import doctor, examine_project, render_findings
from pulseq.standing.findings import Finding, Grade, Need

SUITE = "suite: shop\ntests:\n  - {id: a, command: 'true'}\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PREFECT_API_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("PULSEQ_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_machine_that_is_well_is_told_in_lines_of_one_kind(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == doctor()

    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "attention"}
    assert {"pulseq", "python", "memory", "clock", "prefect", "state", "database", "project"} <= {
        line.split()[1] for line in lines
    }
    assert not (place / "home").exists()


def test_what_is_bad_is_in_the_exit_code_and_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    assert 1 == doctor()

    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("bad")]
    assert " -> start it, or unset PREFECT_API_URL" in line


@pytest.mark.parametrize("options", [{"output": "json"}, {"json_": True}])
def test_programs_get_one_object(capsys: pytest.CaptureFixture[str], options: dict[str, object]) -> None:
    assert 0 == doctor(**options)

    told = json.loads(capsys.readouterr().out)
    assert told["grade"] in ("ok", "attention")
    assert {"name", "grade", "found", "advice"} == set(told["findings"][0])


@pytest.mark.parametrize("json_", [False, True])
def test_nothing_secret_is_printed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, json_: bool
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://me:hush@127.0.0.1:9/api?hush")
    monkeypatch.setenv("PREFECT_API_KEY", "hush")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "me:hush")
    monkeypatch.setenv("HTTP_PROXY", "http://me:hush@proxy:3128")
    (place / "pulseq.yaml").write_text("suite: s\ntests:\n  - {id: a, http: {url: 'hush://me:hush@x'}}\n")

    assert 1 == doctor(json_=json_)

    assert "hush" not in capsys.readouterr().out


def test_a_directory_of_somebody_else_is_not_looked_into(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pulseq.ownership.is_foreign", lambda path: False)
    (place / "home").mkdir(mode=0o700)
    (place / "home").chmod(0o777)

    assert 1 == doctor()

    assert "database" not in [line.split()[1] for line in capsys.readouterr().out.splitlines()]


def test_the_suite_of_the_directory_says_what_a_run_needs(place: Path) -> None:
    (place / "pulseq.yaml").write_text(SUITE)
    (place / "pulseq.nodes.yaml").write_text("nodes:\n  - {id: a, max_concurrent_tests: 3}\n  - {id: b}\n")

    finding, need = examine_project()

    assert (finding.grade, need) == (Grade.OK, Need(nodes=2, slots=4))
    assert finding.found == "pulseq.yaml, suite shop: 1 entries on 2 nodes with 4 slots"


@pytest.mark.parametrize(
    ("text", "grade", "words"),
    [
        ("suite: s\ntests: []\n", Grade.ATTENTION, "a suite without tests"),
        ("suite: s\ntests:\n  - {id: a, comand: x, tiemout: 1}\n", Grade.BAD, "problems in pulseq.yaml"),
        ("tests: [", Grade.BAD, "a problem in pulseq.yaml"),
    ],
)
def test_a_suite_that_cannot_be_run_is_told(place: Path, text: str, grade: Grade, words: str) -> None:
    (place / "pulseq.yaml").write_text(text)

    finding, _ = examine_project()

    assert (finding.grade, words in finding.found) == (grade, True)


def test_a_line_stays_a_line_whatever_is_in_it() -> None:
    findings = [Finding("one", Grade.OK, "a\nb\x1b[31m"), Finding("three", Grade.BAD, "x", "do\nthis")]

    assert ["ok         one    a b", "bad        three  x -> do this"] == render_findings(findings)
    assert "\x1b[31mbad" in render_findings(findings, color=True)[1]
