"""A page of the documentation as steps: what its fenced blocks have a reader do, and what they say comes of it.

| block | means |
|---|---|
| `console` | lines that begin with `$ ` are commands, the lines below are what they write |
| `sh` | commands, the whole block at once |
| any, with `title="NAME"` | a file to be written |
| `python` without a title | a program to be run |
| `text` directly after a program | what that writes |
| one with `<!-- aside: WHY -->` above it | shown, and no step: it has a placeholder, say, or goes on until Ctrl-C |

All other blocks show how something is written. What a command or program writes has to have the lines that are shown,
in their order; others may stand between, and `…` stands for what varies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = re.compile(
    r"^(?:<!-- *(?P<marker>.*?) *-->\n)?^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_TITLE = re.compile(r'title="([^"]+)"')
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a page has its reader do: run `command`, write `text` into `file`, or run it if `is_program`."""

    place: str
    command: str = ""
    file: str = ""
    text: str = ""
    is_program: bool = False
    written: tuple[str, ...] = ()


def read_steps(page: str, text: str) -> list[Step]:
    """The steps of a page, in their order."""
    steps: list[Step] = []
    end = 0
    for found in _BLOCK.finditer(text):
        place = f"{page}:{text.count(chr(10), 0, found.start('info')) + 1}"
        follows = text[end : found.start()].strip() == "" and bool(steps) and steps[-1].is_program
        end = found.end()
        language = found["info"].split(" ", 1)[0]
        if (found["marker"] or "").startswith("aside: "):
            continue
        if title := _TITLE.search(found["info"]):
            steps.append(Step(place, file=title[1], text=found["text"]))
        elif language == "console":
            steps.extend(_read_console(place, found["text"]))
        elif language == "sh":
            steps.append(Step(place, command=found["text"]))
        elif language == "python":
            steps.append(Step(place, text=found["text"], is_program=True))
        elif language == "text" and follows:
            before = steps.pop()
            steps.append(Step(before.place, text=before.text, is_program=True, written=_lines(found["text"])))
    return steps


def _read_console(place: str, text: str) -> list[Step]:
    before, *commands = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not before, f"{place}: a console block begins with {_PROMPT!r}, found {before!r}"
    parts = (command.partition("\n") for command in commands)
    return [Step(place, command=command, written=_lines(written)) for command, _, written in parts]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def find_missing(shown: tuple[str, ...], written: str) -> str | None:
    """The first of the lines shown that was not written, after those before it; None where all are there."""
    lines = iter(written.splitlines())
    for wanted in shown:
        pattern = re.compile(".*".join(map(re.escape, wanted.split("…"))))
        if not any(pattern.fullmatch(line.strip()) for line in lines):
            return wanted
    return None
