"""pytest's own options on the command line of `pulseq run`, and where they belong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.cli.main import run_command
from pulseq.cli.misplaced_options import FLAGS, INSTEAD_OF_A_RUN, WITH_VALUE, name_of, separate

OURS = st.lists(st.sampled_from(["tests", "a.yaml", "-x", "-v", "--lf", "-n", "2", "--timeout=5", "-k", "a or b"]))
THEIRS = st.lists(
    st.one_of(
        st.sampled_from(sorted(FLAGS)).map(lambda flag: [flag]),
        st.sampled_from(sorted(WITH_VALUE)).map(lambda option: [option, "short"]),
        st.sampled_from(["--tb=short", "-rA", "-Werror", "-pno:cacheprovider"]).map(lambda word: [word]),
    ),
    min_size=1,
)


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["-s", "tests"], "pulseq run tests -- -s"),
        (["tests", "--tb=short"], "pulseq run tests -- --tb=short"),
        (["--tb", "short", "tests"], "pulseq run tests -- --tb short"),
        (["-s", "tests", "--", "-k", "a or b"], "pulseq run tests -- -s -k 'a or b'"),
        (["-xvs", "-n", "2", "tests"], "pulseq run -x -v -n 2 tests -- -s"),
        (["-rA", "tests", "-l", "--lf"], "pulseq run tests --lf -- -rA -l"),
        (["tests", "--cov", "shop", "--cov-report=xml"], "pulseq run tests -- --cov shop --cov-report=xml"),
        (["tests", "-p", "no:randomly", "-W", "error"], "pulseq run tests -- -p no:randomly -W error"),
    ],
)
def test_the_message_has_the_command_as_it_should_be(
    capsys: pytest.CaptureFixture[str], words: list[str], whole: str
) -> None:
    assert 4 == run_command(["run", *words])

    told = capsys.readouterr().err
    assert told.startswith("pulseq: Unknown option: -")
    assert told.endswith(f". pytest's own options go after `--`: `{whole}`\n")


@pytest.mark.parametrize("option", sorted(INSTEAD_OF_A_RUN))
def test_what_a_run_has_no_use_for_is_pytest_s_to_answer(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert 4 == run_command(["run", "tests", option])

    advice = f"A run has no use for it, ask pytest itself: `pytest {option}`"
    assert capsys.readouterr().err == f"pulseq: Unknown option: {option}. {advice}\n"


@given(OURS, THEIRS, OURS)
def test_all_words_are_kept_in_their_order(before: list[str], theirs: list[list[str]], after: list[str]) -> None:
    flat = [word for words in theirs for word in words]
    last = ["-x"] if theirs[-1][-1] in WITH_VALUE else []

    assert ([*before, *last, *after], flat) == separate([*before, *flat, *last, *after])


@pytest.mark.processes
def test_every_option_of_pytest_is_known(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    heads = re.findall(r"^  (-\S.*?)(?:  |$)", told, re.MULTILINE)
    options = {name_of(word) for head in heads for word in re.findall(r"(?<!\S)--?\w[\w-]*", head)}
    ours = {"-k", "-m", "-x", "--exitfirst", "--maxfail", "--lf", "--last-failed", "--ff", "--failed-first"}
    ours |= {"--durations", "-v", "--verbose", "-q", "--quiet", "--junit-xml", "--pyargs", "-h", "--help"}
    ours |= {"-V", "--version", "--junitxml"}

    assert "--tb" in options
    assert options - ours <= FLAGS | WITH_VALUE | INSTEAD_OF_A_RUN
    assert ours.isdisjoint(FLAGS | WITH_VALUE | INSTEAD_OF_A_RUN)
