"""The Python API as a type checker sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulseq import distributed

HERE = Path(__file__).parent


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(distributed.__file__).parents[1] / "py.typed").exists()


def test_every_exported_name_is_in_use_there() -> None:
    text = (HERE / "api_use.py").read_text(encoding="utf-8")

    assert [] == [name for name in distributed.__all__ if f"{name}(" not in text and f": {name}" not in text]


@pytest.mark.slow
@pytest.mark.system
def test_a_program_that_uses_all_of_it_is_sound_under_strict_rules() -> None:
    program = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(HERE / "api_use.py")]
    answer = subprocess.run(program, cwd=HERE.parents[1], capture_output=True, text=True, timeout=600, check=False)

    assert (0, "") == (answer.returncode, answer.stdout)
