"""A look at this machine: what is read, and that nothing is left behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from pulseq.standing import examination
from pulseq.standing.findings import Finding, Grade, Need


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_everything_is_looked_at_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home" / "deep"
    found = by_name(examination.examine_machine(home, Need(1, 2)))

    assert list(found) == [
        *("pulseq", "python", "libraries", "processors", "memory", "state disk", "temporary"),
        *("files", "processes", "ports", "proxy", "clock", "variables"),
    ]
    assert "prefect 3." in found["libraries"].found
    assert [] == list(tmp_path.iterdir())


def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()

    assert "is no directory" in examination.examine_disk("disk", tmp_path / "file" / "home").found

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(examination.tempfile, "TemporaryFile", refuse)
    finding = examination.examine_disk("disk", tmp_path)
    assert (finding.grade, "cannot be written: Permission denied" in finding.found) == (Grade.BAD, True)


def test_ports_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examination.examine_ports().grade is Grade.OK

    def refuse(*_: object, **__: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert "Cannot assign requested address" in examination.examine_ports().found


def test_the_memory_of_a_control_group_counts_without_what_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "sys/fs/cgroup/box"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/box\n")
    for name, text in (("max", "1000"), ("current", "900"), ("stat", "anon 300\ninactive_file 600\n")):
        (group / f"memory.{name}").write_text(text)

    assert examination.available_memory(tmp_path) == 700
    (group / "memory.max").write_text("max")
    assert examination.available_memory(tmp_path) > psutil.virtual_memory().total // 100


def test_the_nearest_limit_on_processes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pids.max").write_text("50\n")
    (tmp_path / "pids.current").write_text("45\n")
    monkeypatch.setattr(examination, "find_groups", lambda *_: [tmp_path, tmp_path / "gone"])

    finding = examination.examine_processes(Need(1, 1))

    assert (finding.grade, finding.found.startswith("45 of 50;")) == (Grade.BAD, True)


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, "none"),
        ({"http_proxy": ""}, "none"),
        ({"http_proxy": "http://me:hush@proxy"}, "http_proxy set, not asked for 127.0.0.1"),
        (
            {"HTTP_PROXY": "http://me:hush@proxy", "ALL_PROXY": "http://me:hush@proxy"},
            "ALL_PROXY, HTTP_PROXY set, not asked for 127.0.0.1",
        ),
    ],
)
def test_a_proxy_is_told_by_its_variable(
    environment: dict[str, str], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    proxy = by_name(examination.examine_machine(tmp_path, Need(1, 1)))["proxy"]

    assert (proxy.grade, proxy.found, proxy.advice) == (Grade.OK, found, "")


def test_variables_are_told_by_name_alone() -> None:
    told = examination.examine_variables({"PREFECT_API_KEY": "hush", "HOME": "/root", "PULSEQ_HOME": "hush"}).found

    assert told == "PREFECT_API_KEY, PULSEQ_HOME set"


def test_a_file_from_the_future_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    fine = examination.examine_clock(tmp_path)
    os.utime(tmp_path / "runs", (2**33, 2**33))

    assert (fine.grade, examination.examine_clock(tmp_path).grade) == (Grade.OK, Grade.ATTENTION)


def test_a_machine_on_which_no_temporary_file_can_be_made_is_told_and_looked_at_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(examination.tempfile, "gettempdir", refuse)
    monkeypatch.setattr(examination.tempfile, "TemporaryFile", refuse)

    found = {finding.name: finding for finding in examination.examine_machine(tmp_path, Need(1, 1))}

    assert (found["temporary"].grade, found["temporary"].found) == (Grade.BAD, "No usable temporary directory found")
    assert "set TMPDIR" in found["temporary"].advice
    assert "clock" in found
