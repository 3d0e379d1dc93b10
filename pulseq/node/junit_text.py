"""The bytes of a tool's XML file as text that a parser takes, whatever they were meant to be."""

from __future__ import annotations

import codecs
import re

_DECLARED = re.compile(rb"""<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What XML 1.0 cannot hold; lone surrogates stand for bytes that could not be decoded.
_FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_NOT_XML = re.compile(f"[{_FORBIDDEN}]|&#(?:x[0-9a-fA-F]{{1,8}}|[0-9]{{1,10}});")
_FORBIDDEN_CHARACTER = re.compile(f"[{_FORBIDDEN}]")
_CUT_REFERENCE = re.compile(r"&(?:#[0-9a-fA-Fx]{0,11})?\Z")
_REPLACEMENT = "\ufffd"


class XmlText:
    """Decodes what it is fed, and puts U+FFFD in the place of each character that XML forbids.

    Attributes:
        trouble: what was wrong with the text so far, in words; None where nothing was.
    """

    def __init__(self) -> None:
        self.trouble: str | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = ""
        self._line = 1
        self._begun = False

    def feed(self, chunk: bytes, *, last: bool = False) -> str:
        """The text of a further chunk, as far as it can be told before the next one; `last` ends the file.

        Raises:
            UnicodeError: bytes that cannot even be left out.
        """
        if self._decoder is None:
            chunk = self._open(chunk)
        assert self._decoder is not None
        text = self._held + self._decoder.decode(chunk, last)
        cut = None if last else _CUT_REFERENCE.search(text)
        self._held = text[cut.start() :] if cut else ""
        text = text[: cut.start()] if cut else text
        if not self._begun:  # some tools write an empty line before the declaration
            text = text.lstrip("\ufeff \t\r\n")
            self._begun = bool(text)
        return self._without_forbidden(text)

    def _open(self, head: bytes) -> bytes:
        encoding, start = self._find_encoding(head)
        # Bytes that are none of the encoding's become lone surrogates, which XML forbids: they are told as such.
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        return head[start:]

    def _find_encoding(self, head: bytes) -> tuple[str, int]:
        for bom, encoding in _BOMS:
            if head.startswith(bom):
                return encoding, len(bom)
        if head[:2] in (b"<\0", b"\0<"):
            return ("utf-16-le" if head[:1] == b"<" else "utf-16-be"), 0
        declared = _DECLARED.match(head.lstrip()[:1024])
        if declared is None:
            return "utf-8", 0
        name = declared[1].decode("ascii")
        # .NET writes "utf-16" into what it then saves as UTF-8: a declaration that can be read as ASCII is wrong there.
        if name.lower().replace("_", "-").startswith(("utf-16", "utf-32", "ucs-2", "ucs-4", "iso-10646-ucs")):
            return "utf-8", 0
        if not _extends_ascii(name):
            self.trouble = f"its encoding is {name!r}, which is not known here"
            return "utf-8", 0
        return name, 0

    def _without_forbidden(self, text: str) -> str:
        first = self.trouble is None
        parts, end = [], 0
        for found in _NOT_XML.finditer(text):
            told = _told(found[0])
            if told is None:
                continue
            if first:
                line = self._line + text.count("\n", 0, found.start())
                self.trouble = f"has {told} in line {line}, which XML does not allow"
                first = False
            parts += [text[end : found.start()], _REPLACEMENT]
            end = found.end()
        self._line += text.count("\n")
        return "".join([*parts, text[end:]])


def _extends_ascii(name: str) -> bool:
    try:
        return b"<?xml".decode(name) == "<?xml"
    except (LookupError, ValueError):
        return False


def _told(found: str) -> str | None:
    """What a character or a reference to one is, where XML forbids it."""
    character = found
    if len(found) > 1:
        digits = found[2:-1]
        number = int(digits[1:], 16) if digits[0] == "x" else int(digits)
        if number > 0x10FFFF:
            return f"a reference to no character ({found})"
        character = chr(number)
        if not _FORBIDDEN_CHARACTER.match(character):
            return None
    if len(found) == 1 and "\udc80" <= character <= "\udcff":
        return f"the byte {ord(character) - 0xDC00:#04x}, which is none of its encoding's,"
    return f"the character U+{ord(character):04X}"
