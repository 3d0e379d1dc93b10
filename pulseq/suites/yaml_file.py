"""YAML, read from its event stream into values that know their lines. With `yaml_errors` alone it knows PyYAML.

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
from pulseq.suites.yaml_errors import explain

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


class _Weighed:
    """How many values it holds and how deep, its aliases written out."""

    weight = 1
    height = 1

    def hold(self, child: Any) -> None:
        self.weight += getattr(child, "weight", 1)
        self.height = max(self.height, getattr(child, "height", 1) + 1)


class YamlList(list[Any], _Weighed):
    """A list with the lines of its items."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class YamlMapping(dict[str, Any], _Weighed):
    """A mapping with the lines of its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}

    def fill_in(self, other: YamlMapping) -> None:
        """Take what another has under keys that are not here."""
        for key in [key for key in other if key not in self]:
            self[key], self.lines[key] = other[key], other.lines[key]
            self.hold(other[key])


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
        raise Document(source, None).refuse(error.flaws) from None
    except yaml.YAMLError as error:
        raise Document(source, None).refuse([_explain(error, text)]) from None
    root, line = composer.root, composer.line
    return Document(source, root, tuple(composer.flaws), lambda path: _find_line(root, line, path))


def _explain(error: yaml.YAMLError, text: str) -> Flaw:
    if isinstance(error, yaml.MarkedYAMLError) and (told := explain(error, text)) is not None:
        line, why, expected = told
        return Flaw((), f"text that is no YAML ({why})", expected, line=line)
    position = getattr(error, "position", None)
    why = shorten(str(getattr(error, "reason", error)))
    found = text.count("\n", 0, position) + 1 if isinstance(position, int) else None
    return Flaw((), f"text that is no YAML ({why})", "YAML", line=found)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet; `key` waits for its value."""

    value: YamlList | YamlMapping
    line: int
    path: KeyPath
    key: str | None = None
    merged: list[YamlMapping] = field(default_factory=list)

    @property
    def next_path(self) -> KeyPath:
        return (*self.path, len(self.value) if self.key is None else self.key)


class _Composer:
    """Turns events into one value, without recursion, so that no depth of input can hurt."""

    def __init__(self) -> None:
        self.root: Any = None
        self.line = 1
        self.stack: list[_Open] = []
        self.anchors: dict[str, Any] = {}
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
        value = YamlMapping() if isinstance(event, yaml.MappingStartEvent) else YamlList()
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        self.stack.append(_Open(value, line, self.stack[-1].next_path if self.stack else ()))

    def _close(self, line: int) -> None:
        closed = self.stack.pop()
        if isinstance(closed.value, YamlMapping):
            for merged in closed.merged:
                self._pay(merged.weight, line)
                closed.value.fill_in(merged)
        self._add(closed.value, closed.line)

    def _take_scalar(self, event: Any, line: int) -> None:
        _check_tag(event, line)
        top = self.stack[-1] if self.stack else None
        if top is not None and top.key is None and isinstance(top.value, YamlMapping):
            top.key = event.value
            if first := top.value.lines.get(event.value):
                expected = f"each key once; the first is at line {first}"
                self.flaws.append(Flaw(top.next_path, f"the key {shorten(top.key)!r} again", expected, line=line))
            top.value.lines.setdefault(event.value, line)
            return
        value = _resolve_scalar(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        self._add(value, line)

    def _take_alias(self, event: Any, line: int) -> None:
        name = shorten(event.anchor)
        if event.anchor not in self.anchors:
            raise _refuse(line, f"the alias *{name}", f"an anchor &{name} before it")
        value = self.anchors[event.anchor]
        if any(one.value is value for one in self.stack):
            raise _refuse(line, f"the alias *{name} inside its own anchor", "a value that ends")
        if len(self.stack) + getattr(value, "height", 1) > _DEEPEST:
            raise _refuse(line, f"values nested more than {_DEEPEST} deep", "at most that")
        self._pay(getattr(value, "weight", 1), line)
        self._add(value, line)

    def _pay(self, weight: int, line: int) -> None:
        self.from_aliases += weight
        if self.from_aliases > _MOST_FROM_ALIASES:
            raise _refuse(line, f"aliases that stand for more than {_MOST_FROM_ALIASES:,} values", "at most that many")

    def _add(self, value: Any, line: int) -> None:
        if not self.stack:
            self.root, self.line = value, line
            return
        top = self.stack[-1]
        if isinstance(top.value, YamlList):
            top.value.append(value)
            top.value.lines.append(line)
            top.value.hold(value)
        elif top.key is None:
            raise _refuse(line, "a list, a mapping or an alias as a key", "text as a key")
        elif top.key == "<<":
            top.merged.extend(_read_merge(value, line))
        else:
            top.value[top.key] = value
            top.value.hold(value)
        top.key = None


def _refuse(line: int, found: str, expected: str) -> Flawed:
    return Flawed([Flaw((), found, expected, line=line)])


def _check_tag(event: Any, line: int) -> None:
    if event.tag not in _TAGS:
        raise _refuse(line, f"the tag {shorten(event.tag)!r}", "plain values without tags")


def _read_merge(value: Any, line: int) -> list[YamlMapping]:
    mappings = value if isinstance(value, YamlList) else [value]
    if not all(isinstance(one, YamlMapping) for one in mappings):
        raise _refuse(line, "something else than a mapping after <<", "a mapping or a list of mappings")
    return mappings


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


def _find_line(value: Any, line: int, path: KeyPath) -> int:
    """The line of the key or item at a path, or of the last step of it that is there."""
    for step in path:
        try:
            line, value = value.lines[step], value[step]
        except (AttributeError, LookupError, TypeError):
            break
    return line
