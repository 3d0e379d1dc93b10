"""What is wrong with a text that is no YAML, in words that say what to do; the parser's own are about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yaml import MarkedYAMLError


def explain(error: MarkedYAMLError, text: str) -> tuple[int, str, str] | None:
    """The line (from 1) that is to be changed, what is wrong with it, and what was expected instead.

    None where the parser has not told where it noticed.
    """
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return None
    begun_mark = error.context_mark or mark
    problem, context = error.problem or "", error.context or ""
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    character = line[mark.column : mark.column + 1]
    sign = line[begun_mark.column : begun_mark.column + 1]
    here, begun = mark.line + 1, begun_mark.line + 1
    blank = line[: len(line) - len(line.lstrip())]
    if "\t" in blank and ("token" in problem or "tab" in problem):
        return here, "a tab in the indentation", "spaces"
    if "token" in problem or context.endswith("a block node"):
        return here, f"a bare {character}", "quotes around the whole value"
    if context.endswith(("an alias", "an anchor")):
        return here, f"a bare {sign}", "quotes around the whole value"
    if context.endswith("a block scalar"):
        return here, f"text behind a bare {sign}", "quotes around the whole value, or the text on the lines below"
    if problem.startswith("mapping values"):
        return here, "': ' where no key can be", "quotes around the whole value, or keys indented as those above"
    if "sequence entries" in problem:
        return here, "'- ' behind a key", "the list on the lines below"
    if "escape" in problem:
        return here, "a backslash in double quotes that means nothing", "single quotes, or two of it"
    if context.endswith("quoted scalar"):
        return begun, "a quote that is not closed", "a closing quote"
    if context.endswith("a simple key"):
        return begun, "a line without ': '", "a key and a value"
    if context.endswith(("a flow mapping", "a flow sequence")):
        opened, closed = ("{", "}") if context.endswith("mapping") else ("[", "]")
        return here, f"the {opened} of line {begun} goes on with something else", f"',' or '{closed}'"
    if context.endswith("a flow node"):
        return here, "a { or [ before it goes on without a value", "a value, or its end"
    if context.endswith(("a block collection", "a block mapping")):
        if line[: mark.column].strip():
            return here, "text behind a closing quote", "quotes around the whole value"
        return here, f"a line that is no part of the block from line {begun}", "the same indentation in all of a block"
    why = problem.removeprefix("found ") or "unreadable"
    return here, f"{why} {context} from line {begun}" if context else why, "YAML"
