"""What the failure of a JUnit case says in one line, whichever tool wrote it."""

from __future__ import annotations

import re

_MOST_CHARACTERS = 1_000
#: A place in the code, alone or before a title; a frame of a stack; what Go writes around a test.
_PLACE = re.compile(r"\s*(?:at\s|=== |--- |\S+:\d+(?::\d+(?!:)\b|\s*$))")
_RAISED = re.compile(r"\s*[\w.$\\]*(?:Error|Exception|Failure)\b.*: ")


def say_shortly(message: str, text: str) -> str | None:
    """The sentence that says most: the message, else what was raised, else the last line that is no place in the code.

    None where there is nothing beside places, and names of kinds of failures: then the whole has to do.

    Args:
        message: what the attribute of that name says, which many tools fill with a word or with a place.
        text: what stands in the element, often a stack.
    """
    told = " ".join(" ".join(_sentences(message)).split())
    if " " not in told:
        lines = list(_sentences(text))
        told = next((line for line in lines if _RAISED.match(line)), lines[-1] if lines else "").strip()
    return told[:_MOST_CHARACTERS] or None


def _sentences(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not _PLACE.match(line)]
