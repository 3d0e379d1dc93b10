"""The page "Your first fleet", followed to the letter against two hosts."""

from __future__ import annotations

from pathlib import Path

from tests.hosts.lab import Lab
from tests.system.conftest import open_workplace
from tests.system.page import read_steps
from tests.system.reader import reading

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "first-fleet.md"


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
    for lab in labs:
        assert lab.describe_processes() == []
