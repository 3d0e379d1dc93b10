"""The files that `pulseq init` writes: each entry with the reason that it is there, as a comment above it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulseq.suites.documents import shorten

_PLAIN = re.compile(r"-{0,2}[A-Za-z_./][A-Za-z0-9_./-]*(=[A-Za-z0-9_./-]+)?")
#: Words that YAML, in any of its versions, takes for something else than text.
_NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", "~"}
_LONGEST_LINE = 88


@dataclass(frozen=True, slots=True)
class Line:
    """A key of an entry, its value, and why it is there."""

    key: str
    value: Any
    why: str = ""


@dataclass(frozen=True, slots=True)
class FoundTests:
    """Tests that were found, as an entry for a suite file.

    Attributes:
        id: its id.
        why: what was found that it is for.
        lines: its body and all that stands beside it.
        hint: what could be done to see more of it; a second comment.
        missing: why it cannot run here; it is then written as a comment.
    """

    id: str
    why: str
    lines: Sequence[Line]
    hint: str = ""
    missing: str = ""


#: For a directory where nothing was found: small, green, and of each idea one; and the nodes for it.
EXAMPLES, EXAMPLE_NODES = (
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("example_tests.yaml", "example_nodes.yaml")
)


def render_suite(name: str, entries: Sequence[FoundTests], examples: str = "") -> str:
    """A suite file in YAML that `load_suite` reads: what can run here, as comments what cannot, and examples."""
    head = [
        "# What `pulseq run` runs in this directory when no suite is named.",
        "# `pulseq init` wrote it from what it found; from here on it is yours.",
        "",
        f"suite: {_scalar(name)}",
        "",
        "# For every test that does not say otherwise; take the # away.",
        "# defaults: {timeout: 60, max_retries: 1}",
        "",
        "tests:",
    ]
    blocks = [*("\n".join(_render_entry(entry)) for entry in entries), *([examples.rstrip()] if examples else [])]
    return "\n".join(head) + "\n" + "\n\n".join(blocks) + "\n"


def render_nodes(slots: int) -> str:
    """A nodes file in YAML that `load_fleet` reads: this machine."""
    count = "its one processor" if slots == 1 else f"each of its {slots} processors"
    return f"""\
# The nodes of the suite beside this file: where its tests run.

nodes:
  # This machine, with a slot for {count}.
  - {{id: node1, max_concurrent_tests: {slots}}}
"""


def _render_entry(entry: FoundTests) -> Iterator[str]:
    yield from _comment(entry.why)
    if entry.hint:
        yield from _comment(entry.hint)
    if entry.missing:
        yield from _comment(f"Not run: {entry.missing}")
    mark = "# " if entry.missing else ""
    yield f"  {mark}- id: {_scalar(entry.id)}"
    for line in entry.lines:
        if line.why:
            yield from _comment(line.why, indent="  # " if entry.missing else "", depth=4)
        yield f"  {mark}  {line.key}: {_flow(line.value)}"


def _comment(text: str, *, indent: str = "", depth: int = 2) -> Iterator[str]:
    """`text` as lines of a comment, whatever is in it."""
    start = f"{indent}{' ' * (depth - (2 if indent else 0))}# "
    rest = " ".join(text.split())
    words = (word if word.isprintable() else shorten(word) for word in rest.split(" "))
    line = start
    for word in words:
        if len(line) + len(word) > _LONGEST_LINE and line != start:
            yield line.rstrip()
            line = start
        line += f"{word} "
    yield line.rstrip()


def _flow(value: Any) -> str:
    """A value on one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case str():
            return _scalar(value)
    return json.dumps(value)


def _scalar(text: str) -> str:
    """Text that YAML reads back as it is: plain where that is safe, else in quotes, much as JSON has them."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    quoted = json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted)
