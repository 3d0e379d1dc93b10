"""Hostile text made safe: for a terminal line, and for XML 1.0.

Names, errors and output come from the code under test. What reaches a terminal
from here has no control code, no escape sequence and nothing that turns the
writing direction; what reaches an XML file is read back by any parser.
Rich markup needs no escape: reports build `rich.text.Text`, which takes none.
"""

from __future__ import annotations

import re
from itertools import dropwhile
from xml.sax.saxutils import escape, quoteattr

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movement
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)"  # titles, links, device strings, with their end
    r"|\x1b[ -/]*[0-~]"  # two-character sequences, and the start of one that never ends
)
_LINE_END = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\ufeff"
    "\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\U000e0000-\U000e007f]"
)
#: How the error of a program goes on after the words on its end.
_OUTPUT_FOLLOWS = "; its last output:"
#: The same where frames follow, by what looks into a process that hangs.
_FRAMES_FOLLOW = "; it was at:"
_NOT_XML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def safe_line(text: str, limit: int = 300) -> str:
    """`text` as one line of at most `limit` characters that a terminal shows as it is."""
    head = _ESCAPE_SEQUENCE.sub("", text[: 4 * limit])
    line = _UNSAFE.sub(_visible, _LINE_END.sub(" ", head).replace("\t", " "))
    if len(line) <= limit and len(text) <= 4 * limit:
        return line
    return line[: limit - 1] + "…"


def safe_lines(text: str, limit: int = 1000) -> list[str]:
    """The lines of `text`, each as `safe_line` makes it, tabs expanded, blank ends removed."""
    whole = _ESCAPE_SEQUENCE.sub("", text)
    lines = [safe_line(line.expandtabs(4), limit).rstrip() for line in _LINE_END.split(whole)]
    first = next((index for index, line in enumerate(lines) if line), len(lines))
    last = next((index for index, line in enumerate(reversed(lines)) if line), 0)
    return lines[first : len(lines) - last]


def last_lines(text: str, count: int, limit: int = 1000) -> list[str]:
    """At most `count` lines of the end of `text`; the first says how many were left out."""
    lines = safe_lines(text, limit)
    if len(lines) <= count:
        return lines
    left_out = len(lines) - count
    return [f"… {left_out} earlier line{'s' if left_out > 1 else ''}", *lines[left_out:]]


def gist(error: str, count: int, limit: int = 200) -> list[str]:
    """The `count` lines of an error that say most: pytest's first `E` lines, else the last lines.

    Of an exception whose text is longer its first lines are those: they begin with its name.
    Of a program how it ended comes first: its last words may be about something else. Of a test that was ended
    where it was comes next, its innermost frame first.
    """
    lines = [line for line in safe_lines(error, limit) if line]
    if lines and lines[0].endswith(_FRAMES_FOLLOW):
        ended = lines[0].removesuffix(_FRAMES_FOLLOW)
        return [safe_line(f"{ended}: {lines[1].strip()}", limit)] if count == 1 else [ended, *lines[1:count]]
    said = [line[1:].strip() for line in lines if line.startswith("E ")]
    if lines and lines[0].endswith(_OUTPUT_FOLLOWS):
        ended = lines[0].removesuffix(_OUTPUT_FOLLOWS)
        return [safe_line(f"{ended}: {lines[-1]}", limit)] if count == 1 else [ended, *lines[1:][1 - count :]]
    if said:
        return said[:count]
    raised = _find_raised(lines)
    return raised[:count] if len(raised) > count else lines[-count:]


def _find_raised(lines: list[str]) -> list[str]:
    """The lines of the exception that a traceback ends with; none where there is no traceback."""
    frames = [at for at, line in enumerate(lines) if line.startswith('  File "')]
    if not frames:
        return []
    return list(dropwhile(lambda line: line.startswith("  "), lines[frames[-1] :]))


def without_dump(error: str, output: str) -> str:
    """An output without what Python wrote of all frames where the error has those of the test."""
    has_frames = error.partition("\n")[0].endswith(_FRAMES_FOLLOW)
    return output.partition("Fatal Python error: ")[0].rstrip() if has_frames else output


def xml_characters(text: str) -> str:
    """`text` without control sequences; what XML cannot hold becomes `#x1F` in words."""
    if text.isascii() and text.isprintable():
        return text
    plain = _ESCAPE_SEQUENCE.sub("", text)
    return _NOT_XML.sub(lambda match: f"#x{ord(match.group()):02X}", plain)


def xml_text(text: str) -> str:
    """`xml_characters` of `text` as the content of an XML element."""
    return escape(xml_characters(text), {"\r": "&#13;"})


def xml_attribute(text: str) -> str:
    """`text` as a quoted XML attribute value that reads back with its line ends."""
    return quoteattr(xml_characters(text))
