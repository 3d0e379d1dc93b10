"""What is wrong with a text that is no YAML, in words that say what to do; the parser's own are about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class YamlError:
    """What the parser says.

    Attributes:
        problem, context: its two halves; where they are empty it has none.
        line, column: where it noticed, from 0.
        begun_line, begun_column: where what it was reading began.
    """

    problem: str
    context: str
    line: int
    column: int
    begun_line: int
    begun_column: int


def explain(error: YamlError, text: str) -> tuple[int, str, str]:
    """The line (from 1) that is to be changed, what is wrong with it, and what was expected instead."""
    lines = text.splitlines()
    line = lines[error.line] if error.line < len(lines) else ""
    character = line[error.column : error.column + 1]
    sign = line[error.begun_column : error.begun_column + 1]
    here, begun = error.line + 1, error.begun_line + 1
    blank = line[: len(line) - len(line.lstrip())]
    if "\t" in blank and ("token" in error.problem or "tab" in error.problem):
        return here, "a tab in the indentation", "spaces"
    if "token" in error.problem or error.context.endswith("a block node"):
        return here, f"a bare {character}", "quotes around the whole value"
    if error.context.endswith(("an alias", "an anchor")):
        return here, f"a bare {sign}", "quotes around the whole value"
    if error.context.endswith("a block scalar"):
        return here, f"text behind a bare {sign}", "quotes around the whole value, or the text on the lines below"
    if error.problem.startswith("mapping values"):
        return here, "': ' where no key can be", "quotes around the whole value, or keys indented as those above"
    if "sequence entries" in error.problem:
        return here, "'- ' behind a key", "the list on the lines below"
    if "escape" in error.problem:
        return here, "a backslash in double quotes that means nothing", "single quotes, or two of it"
    if error.context.endswith("quoted scalar"):
        return begun, "a quote that is not closed", "a closing quote"
    if error.context.endswith("a simple key"):
        return begun, "a line without ': '", "a key and a value"
    if error.context.endswith(("a flow mapping", "a flow sequence")):
        opened, closed = ("{", "}") if error.context.endswith("mapping") else ("[", "]")
        return here, f"the {opened} of line {begun} goes on with something else", f"',' or '{closed}'"
    if error.context.endswith("a flow node"):
        return here, "a { or [ before it goes on without a value", "a value, or its end"
    if error.context.endswith(("a block collection", "a block mapping")):
        if line[: error.column].strip():
            return here, "text behind a closing quote", "quotes around the whole value"
        return here, f"a line that is no part of the block from line {begun}", "the same indentation in all of a block"
    why = error.problem.removeprefix("found ") or "unreadable"
    return here, f"{why} {error.context} from line {begun}" if error.context else why, "YAML"
