"""What a session's spec comes to for the programs that collect it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pulseq.artifacts import ArtifactRules
from pulseq.execution.pytest_request import collect_request, session_name, wanted_files
from pulseq.pytest_sessions import PytestSpec

SPEC = PytestSpec("r", "unit", ("tests",), ("-x",), False, "/shop", None)


def test_targets_go_before_what_pytest_gets_besides() -> None:
    asked = collect_request(SPEC, slots=1, secrets=(), rewritten=Path("/t"))
    assert (["tests", "-x"], 0, "/t") == (asked["args"], asked["helpers"], asked["rewritten"])
    packages = collect_request(replace(SPEC, pyargs=True), slots=1, secrets=("s",), rewritten=Path("/t"))
    assert (["--pyargs", "tests", "-x"], ["s"]) == (packages["args"], packages["secrets"])


def test_nodes_of_one_machine_meet_where_all_is_the_same() -> None:
    here = session_name(SPEC, "/bin/python", {"A": "1", "PULSEQ_NODE_ID": "a", "TMPDIR": "/a"})
    assert here == session_name(SPEC, "/bin/python", {"TMPDIR": "/b", "PULSEQ_NODE_ID": "b", "A": "1"})
    others = [(SPEC, "/bin/python", {"A": "2"}), (SPEC, "/bin/other", {"A": "1"})]
    others += [(replace(SPEC, targets=("more",)), "/bin/python", {"A": "1"})]
    assert here not in {session_name(*other) for other in others}


def test_files_are_looked_for_where_globs_look() -> None:
    assert wanted_files(SPEC) is None
    rules = ArtifactRules(("*.png",), "all", 7)
    assert {"globs": ["*.png"], "of": "all", "limit": 7, "cwd": "/shop"} == wanted_files(replace(SPEC, artifacts=rules))
