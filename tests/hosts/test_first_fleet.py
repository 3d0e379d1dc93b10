"""The page "Your first fleet", and what the README shows first, followed to the letter against two hosts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from tests.hosts.lab import Lab
from tests.system.conftest import open_workplace
from tests.system.page import Step, read_steps
from tests.system.reader import reading

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "first-fleet.md"
#: Without hosts it is no step.
ASIDE = re.compile(r"^<!-- aside: it takes two more machines.*-->\n", re.MULTILINE)


def _first_of_readme() -> Step:
    """The run over two hosts that it begins with; the numbers that it shows are those of other machines."""
    text, count = ASIDE.subn("", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert count == 1
    step, *_ = read_steps("README.md", text)
    assert "--on" in step.command
    return replace(step, written=tuple(re.sub(r"\d+(\.\d+)*", "…", line) for line in step.written))


def test_the_page_is_followed_to_the_letter(hosts: Lab, tmp_path: Path) -> None:
    labs = [hosts.open_host(name) for name in ("lab1.example", "lab2.example")]
    (tmp_path / "place").mkdir()
    with open_workplace(tmp_path / "place") as place:
        del place.environment["PULSEQ_HOME"]
        here = place.path / "here"
        here.mkdir()
        environment = {**place.environment, "HOME": hosts.environment["HOME"]}
        with reading(here, environment, installed=True, programs=hosts.home / "bin") as reader:
            for step in read_steps(PAGE.name, PAGE.read_text(encoding="utf-8")):
                reader.follow(step)
            (here / "tests").mkdir()
            (here / "tests" / "test_own.py").write_text("def test_passes(): pass\n")
            reader.follow(_first_of_readme())
    for lab in labs:
        assert lab.describe_processes() == []
