"""Links in Markdown, and whether they lead somewhere: files, their headings, and addresses by their form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_FENCE = re.compile(r"^ {0,12}(`{3,}|~{3,})[^\n]*\n.*?^ {0,12}\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
# A text in brackets, which may have such in it, and a target, which may have parentheses in it or stand in <>.
_INLINE = re.compile(
    r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*(?:<([^<>\n]*)>|((?:[^\s()]|\([^\s()]*\))*))(?:\s+[\"'(][^\n]*?[\"')])?\s*\)"
)
_BY_NAME = re.compile(r"(?<!\])\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\[([^\[\]]*)\]")
_DEFINITION = re.compile(r"^ {0,3}\[([^\]^]+)\]:\s*<?([^\s>]+)>?", re.MULTILINE)
_HTML = re.compile(r"<(?:a|img|source|video)\b[^>]*?\b(?:href|src)\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE)
_HEADING = re.compile(
    r"^ {0,3}#{1,6}[ \t]+(.+?)(?:[ \t]+#+)?[ \t]*$|^(?![ \t>*+-])(\S.*)\n(?:=+|-+)[ \t]*$", re.MULTILINE
)
_OWN_ANCHOR = re.compile(r"<\w+\b[^>]*?\b(?:id|name)\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
_LOCAL_HOSTS = ("127.0.0.1", "localhost")


class Link(NamedTuple):
    """Where a link stands, and where it leads."""

    line: int
    target: str


def find_links(text: str) -> list[Link]:
    """All links and images of a page, in its order; one by a name that nobody defines leads to `[name]`."""
    shown = _blank(_blank(_blank(text, _FENCE), _COMMENT), _CODE)
    defined = {_key(found[1]): found[2] for found in _DEFINITION.finditer(shown)}
    found = [(one.start(), one[1] if one[1] is not None else one[2]) for one in _INLINE.finditer(shown)]
    for one in _BY_NAME.finditer(shown):
        name = one[2] or one[1]
        found.append((one.start(), defined.get(_key(name), f"[{name}]")))
    found += [(one.start(), one[1]) for one in _HTML.finditer(shown)]
    found += [(one.start(), one[2]) for one in _DEFINITION.finditer(shown)]
    return [Link(text.count("\n", 0, at) + 1, target) for at, target in sorted(found)]


def find_anchors(text: str) -> set[str]:
    """The anchors of a page: of its headings, as code hosts make them, and those that stand there as HTML."""
    shown = _blank(_blank(text, _FENCE), _COMMENT)
    anchors, seen = set(_OWN_ANCHOR.findall(_blank(shown, _CODE))), Counter[str]()
    for one in _HEADING.finditer(shown):
        slug = _slug(one[1] or one[2])
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def find_dead_links(page: Path, root: Path) -> Iterator[str]:
    """What is wrong with the links of a page, as `page:line: target: why`; nothing outside of `root` is there."""
    for line, target in find_links(page.read_text(encoding="utf-8")):
        if why := _judge(target, page, root):
            yield f"{page.relative_to(root)}:{line}: {target}: {why}"


def _judge(target: str, page: Path, root: Path) -> str | None:
    if target.startswith("["):
        return "nobody says where that is"
    parts = urlsplit(target)
    if parts.scheme:
        fine = parts.scheme in ("https", "mailto") or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS)
        return None if fine and (parts.netloc or parts.path) else "expected https"
    if target.startswith("/"):
        return "expected a path from the page"
    there = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
    if not there.is_relative_to(root.resolve()) or not there.exists():
        return "there is no such file"
    if not parts.fragment:
        return None if target else "empty"
    if there.suffix != ".md":
        return None if re.fullmatch(r"L\d+(-L\d+)?", parts.fragment) else "only Markdown has anchors"
    known = find_anchors(there.read_text(encoding="utf-8"))
    return None if unquote(parts.fragment) in known else "there is no such heading"


def _blank(text: str, pattern: re.Pattern[str]) -> str:
    """The text with spaces in place of what fits, so that lines and places stay."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _key(name: str) -> str:
    return " ".join(name.lower().split())


def _slug(heading: str) -> str:
    shown = re.sub(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
