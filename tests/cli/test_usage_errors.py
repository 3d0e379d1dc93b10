"""Each way in which a command line can be refused by its parser, with the whole message."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.cli.main import COMMANDS, run_command

SEE_RUN = "(see `pulseq run --help`)"


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a command line that is not refused finds nothing to run."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run --timout 5 tests", f"Unknown option: --timout. Did you mean --timeout? {SEE_RUN}"),
        ("run --junit-xml=x.xml tests", f"Unknown option: --junit-xml=x.xml. Did you mean --junitxml? {SEE_RUN}"),
        (
            "run --alluredir=x tests",
            f"Unknown option: --alluredir=x. One of a plug-in of pytest's goes after `--`. {SEE_RUN}",
        ),
        ("check -s tests", "Unknown option: -s. (see `pulseq check --help`)"),
        ("run -vv tests", f"-v: found more than once, expected once {SEE_RUN}"),
        ("run --timeout 5 --timeout=6", f"--timeout: found more than once, expected once {SEE_RUN}"),
        ("run tests -n", f"-n: found nothing behind it, expected its value {SEE_RUN}"),
        ("run --output xml tests", f"--output: found 'xml', expected one of text, json {SEE_RUN}"),
        ("run --timeout abc tests", f"--timeout: found 'abc', expected a number {SEE_RUN}"),
        ("run --maxfail 1.5 tests", f"--maxfail: found '1.5', expected a whole number {SEE_RUN}"),
        ("run --reruns=2.0 tests", f"--reruns: found '2.0', expected a whole number {SEE_RUN}"),
        (
            "node start --scheduler tls://a:1 --id a --slots 1.5",
            "--slots: found '1.5', expected a whole number (see `pulseq node start --help`)",
        ),
        ("run --maxfail few tests", f"--maxfail: found 'few', expected a whole number {SEE_RUN}"),
        ("run --live=maybe tests", f"--live: found 'maybe', expected no value, or true or false {SEE_RUN}"),
        ("status all", "found 'all', which `pulseq status` does not take (see `pulseq status --help`)"),
        ("sql", "found nothing behind `pulseq sql`, expected QUERY (see `pulseq sql --help`)"),
        (
            "node start --scheduler tls://a:1",
            "found no --id behind `pulseq node start`, expected it, as in `pulseq node start --scheduler "
            "tls://fleet.example:8786 --credentials lab1.pem --id lab1` (see `pulseq node start --help`)",
        ),
        ("certs node", "found nothing behind `pulseq certs node`, expected NAME (see `pulseq certs node --help`)"),
        ("-s tests", f"found option '-s' before any command, expected one of {', '.join(COMMANDS)} first"),
        ("rum tests", f"found command 'rum', expected one of {', '.join(COMMANDS)}; did you mean 'run'?"),
    ],
)
@pytest.mark.usefixtures("empty_directory")
def test_a_command_line_is_refused(capsys: pytest.CaptureFixture[str], line: str, message: str) -> None:
    assert 4 == run_command(line.split())
    assert ("", f"pulseq: {message}\n") == capsys.readouterr()
