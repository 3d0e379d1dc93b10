"""What `pulseq run` makes of its command line."""

from __future__ import annotations

from dataclasses import fields

import pytest

from pulseq.cli.execute import Reports
from pulseq.cli.run import RunArguments, run, split_at_dashes
from pulseq.errors import UsageError
from pulseq.run.run_request import RunRequest


@pytest.mark.parametrize(
    ("argv", "words", "parts"),
    [
        (["pulseq", "run", "a", "b"], ["a", "b"], (["a", "b"], [])),
        (["pulseq", "run", "a", "--", "-k", "x"], ["a", "-k", "x"], (["a"], ["-k", "x"])),
        (["pulseq", "run", "a", "-n", "2", "--", "b"], ["a", "b"], (["a"], ["b"])),
        (["pulseq", "run", "a", "--"], ["a"], (["a"], [])),
        (["pulseq", "run", "--", "-x"], ["-x"], ([], ["-x"])),
        (["pulseq", "run", "a", "--", "b", "--", "c"], ["a", "b", "--", "c"], (["a"], ["b", "--", "c"])),
    ],
)
def test_words_behind_the_dashes_are_for_pytest(
    argv: list[str], words: list[str], parts: tuple[list[str], list[str]]
) -> None:
    assert split_at_dashes(argv, words) == parts


def test_every_option_is_for_the_run_or_for_what_is_told_of_it() -> None:
    request, reports, options = ({field.name for field in fields(kind)} for kind in (RunRequest, Reports, RunArguments))

    assert options - request - reports == {"exit_first", "maxfail", "verbose", "quiet"}
    assert request - options == {"suites", "pytest_args", "strategy", "max_failures"}
    assert reports - options == {"verbosity", "command"}


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        (RunArguments(), (None, None)),
        (RunArguments(maxfail=0, timeout_seconds=0.0), (None, None)),
        (RunArguments(maxfail=2, timeout_seconds=0.5), (2, 0.5)),
        (RunArguments(maxfail=0, exit_first=True), (1, None)),
    ],
)
def test_nought_is_no_limit_as_with_pytest(
    arguments: RunArguments, limits: tuple[int | None, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunRequest] = []

    def note(request: RunRequest) -> None:
        asked.append(request)
        raise UsageError("enough")

    monkeypatch.setattr("pulseq.cli.run.prepare_run", note)
    monkeypatch.setattr("sys.argv", ["pulseq", "run", "a.yaml"])
    with pytest.raises(UsageError, match="enough"):
        run("a.yaml", options=arguments)
    assert [(request.max_failures, request.timeout_seconds) for request in asked] == [limits]
