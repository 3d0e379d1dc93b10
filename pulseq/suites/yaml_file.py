"""YAML, read from its event stream into values that know their lines. The only place that knows PyYAML.

Plain scalars follow YAML 1.2: `true`, `false`, `null` and numbers are what they look like, while
`no`, `yes`, `on`, `off`, dates, `12:30`, `1_000`, `1e3` and whole numbers with a leading zero stay text.
No tag constructs anything. Aliases and merge keys (`<<`) work as long as what they expand to
stays small; a key that stands twice in a mapping is a flaw.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from pulseq.suites.documents import Document, Flaw, Flawed, KeyPath, WrittenFloat, shorten
from pulseq.suites.yaml_errors import YamlError, explain

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 64
_MOST_FROM_ALIASES = 1_000_000
_WORDS: dict[str, bool | None] = {"": None, "~": None}
_WORDS |= {
    spelling: value
    for word, value in (("true", True), ("false", False), ("null", None))
    for spelling in (word, word.title(), word.upper())
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,300})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"
_TAGS = {None, "!", *(_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq"))}


def parse_yaml(text: str, source: str) -> Document:
    """The one document of a YAML text.

    Raises:
        ConfigurationError: it is no YAML, or more than its size admits; `source` names the file.
    """
    composer = _Composer()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.take(event)
    except Flawed as error:
        raise Document(source, None, (), lambda _: None).refuse(error.flaws) from None
    except yaml.YAMLError as error:
        raise Document(source, None, (), lambda _: None).refuse([_explain(error, text)]) from None
    root = composer.root or _Node(None, 1)
    return Document(source, _unwrap(root), tuple(composer.flaws), lambda path: _find_line(root, path))


def _explain(error: yaml.YAMLError, text: str) -> Flaw:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if isinstance(error, yaml.MarkedYAMLError) and mark is not None:
        begun = error.context_mark or mark
        line, why, expected = explain(
            YamlError(error.problem or "", error.context or "", mark.line, mark.column, begun.line, begun.column), text
        )
        return Flaw((), f"text that is no YAML ({why})", expected, line=line)
    position = getattr(error, "position", None)
    why = shorten(str(getattr(error, "reason", error)))
    found = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
    return Flaw((), f"text that is no YAML ({why})", "YAML", line=found)


@dataclass(slots=True)
class _Node:
    """A scalar, a list of nodes, or a mapping of nodes with the lines of their keys.

    `weight` and `height` are how many values it holds and how deep, its aliases written out.
    """

    content: Any
    line: int
    key_lines: dict[str, int] = field(default_factory=dict)
    weight: int = 1
    height: int = 1

    def hold(self, child: _Node) -> None:
        self.weight += child.weight
        self.height = max(self.height, child.height + 1)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet; `key` waits for its value."""

    node: _Node
    path: KeyPath
    key: str | None = None
    merged: list[_Node] = field(default_factory=list)

    @property
    def next_path(self) -> KeyPath:
        return (*self.path, len(self.node.content) if self.key is None else self.key)


class _Composer:
    """Turns events into one node, without recursion, so that no depth of input can hurt."""

    def __init__(self) -> None:
        self.root: _Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Node] = {}
        self.flaws: list[Flaw] = []
        self.documents = 0
        self.from_aliases = 0

    def take(self, event: Any) -> None:
        """Take the next event in; raises Flawed where the file cannot be read any further."""
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise _refuse(line, "a second document after ---", "one document in a file")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close(line)
            case yaml.ScalarEvent():
                self._take_scalar(event, line)
            case yaml.AliasEvent():
                self._take_alias(event, line)

    def _open(self, event: Any, line: int) -> None:
        _check_tag(event, line)
        if len(self.stack) >= _DEEPEST:
            raise _refuse(line, f"values nested more than {_DEEPEST} deep", "at most that")
        node = _Node({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self.stack.append(_Open(node, self.stack[-1].next_path if self.stack else ()))

    def _close(self, line: int) -> None:
        closed = self.stack.pop()
        for merged in closed.merged:
            self._pay(merged.weight, line)
            for key in [key for key in merged.content if key not in closed.node.content]:
                closed.node.content[key] = merged.content[key]
                closed.node.key_lines[key] = merged.key_lines[key]
                closed.node.hold(merged.content[key])
        self._add(closed.node)

    def _take_scalar(self, event: Any, line: int) -> None:
        _check_tag(event, line)
        top = self.stack[-1] if self.stack else None
        if top is not None and top.key is None and isinstance(top.node.content, dict):
            self._take_key(top, event.value, line)
            return
        node = _Node(_resolve_scalar(event), line)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self._add(node)

    def _take_key(self, top: _Open, key: str, line: int) -> None:
        first = top.node.key_lines.get(key)
        if first is None:
            top.node.key_lines[key] = line
        else:
            expected = f"each key once; the first is at line {first}"
            self.flaws.append(Flaw((*top.path, key), f"the key {shorten(key)!r} again", expected, line=line))
        top.key = key

    def _take_alias(self, event: Any, line: int) -> None:
        name = shorten(event.anchor)
        node = self.anchors.get(event.anchor)
        if node is None:
            raise _refuse(line, f"the alias *{name}", f"an anchor &{name} before it")
        if any(one.node is node for one in self.stack):
            raise _refuse(line, f"the alias *{name} inside its own anchor", "a value that ends")
        if len(self.stack) + node.height > _DEEPEST:
            raise _refuse(line, f"values nested more than {_DEEPEST} deep", "at most that")
        self._pay(node.weight, line)
        self._add(node)

    def _pay(self, weight: int, line: int) -> None:
        self.from_aliases += weight
        if self.from_aliases > _MOST_FROM_ALIASES:
            raise _refuse(line, f"aliases that stand for more than {_MOST_FROM_ALIASES:,} values", "at most that many")

    def _add(self, node: _Node) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        if isinstance(top.node.content, list):
            top.node.content.append(node)
            top.node.hold(node)
            return
        if top.key is None:
            raise _refuse(node.line, "a list, a mapping or an alias as a key", "text as a key")
        if top.key == "<<":
            top.merged.extend(_read_merge(node))
        else:
            top.node.content[top.key] = node
            top.node.hold(node)
        top.key = None


def _refuse(line: int, found: str, expected: str) -> Flawed:
    return Flawed([Flaw((), found, expected, line=line)])


def _check_tag(event: Any, line: int) -> None:
    if event.tag not in _TAGS:
        raise _refuse(line, f"the tag {shorten(event.tag)!r}", "plain values without tags")


def _read_merge(node: _Node) -> list[_Node]:
    nodes = node.content if isinstance(node.content, list) else [node]
    if not all(isinstance(one.content, dict) for one in nodes):
        raise _refuse(node.line, "something else than a mapping after <<", "a mapping or a list of mappings")
    return nodes


def _resolve_scalar(event: Any) -> Any:
    """The value of a scalar: only a plain one, or one tagged so, is anything but text."""
    text: str = event.value
    if not event.implicit[0] and (event.tag is None or event.tag in ("!", f"{_CORE}str")):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return WrittenFloat(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _unwrap(node: _Node) -> Any:
    if isinstance(node.content, dict):
        return {key: _unwrap(child) for key, child in node.content.items()}
    if isinstance(node.content, list):
        return [_unwrap(child) for child in node.content]
    return node.content


def _find_line(node: _Node, path: KeyPath) -> int | None:
    """The line of the key or item at a path, or of the last step of it that is there."""
    line = node.line
    for step in path:
        if isinstance(step, str) and isinstance(node.content, dict) and step in node.content:
            line, node = node.key_lines[step], node.content[step]
        elif isinstance(step, int) and isinstance(node.content, list) and step < len(node.content):
            node = node.content[step]
            line = node.line
        else:
            break
    return line
