"""What a verdict repeats of an error."""

from __future__ import annotations

from itertools import dropwhile

from pulseq.bounds import bound_text
from pulseq.execution.runtime.body_ending import OUTPUT_FOLLOWS
from pulseq.execution.runtime.stack_dump import FRAMES_FOLLOW

#: Characters of each line of an error that a verdict repeats: the driver keeps all verdicts in memory.
_LINE_CHARACTERS = 500


def gist_of(error: str, lines: int = 3) -> str:
    """So many lines of what an attempt said of its error, those that say most."""
    told = error.strip().splitlines() or [""]
    # Pytest marks what is wrong, and may say more after it. Frames go on from the innermost, which is to be seen.
    marked = [line[1:].strip() for line in told if line.startswith("E ")]
    kept = marked[:lines] or _raised(told)[:lines] or told[-lines:]
    if told[0].endswith(FRAMES_FOLLOW):
        kept = told[: lines + 1]
    if told[0].endswith(OUTPUT_FOLLOWS):  # how the program ended says more than what it wrote
        kept = [told[0], *told[1:][1 - lines :]]
    return "\n".join(bound_text(line, _LINE_CHARACTERS) for line in kept)


def _raised(lines: list[str]) -> list[str]:
    """What a traceback ends with, after its frames, which are indented; nothing where there is none."""
    heads = [number for number, line in enumerate(lines) if line == "Traceback (most recent call last):"]
    after = lines[heads[-1] + 1 :] if heads else []
    return list(dropwhile(lambda line: line.startswith("  "), after))
