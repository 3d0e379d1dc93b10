"""Pictures that tests left, as they go into a page: those that a browser can only draw, and that are small.

What a file is its first bytes say, and not its name. A few hundred bytes may unfold to a picture of gigabytes, so
what they say of its size counts as well; a kind of which that is not known here is left to its link.
"""

from __future__ import annotations

import base64
import os
import struct
from pathlib import Path

#: Most bytes of one picture, and of all of a page; most pixels of one.
PICTURE_BYTES = 256 * 1024
PAGE_BYTES = 4 * 1024 * 1024
MOST_PIXELS = 40_000_000

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class PictureAllowance:
    """The pictures that one page may hold: first come, first served."""

    def __init__(self, left: int = PAGE_BYTES) -> None:
        self._left = left

    def take(self, path: Path) -> str | None:
        """A picture as a data address; None for what is none, is too large, or is not there."""
        data = _read_small(path)
        kind = kind_of(data) if data is not None else None
        if data is None or kind is None or len(data) > self._left:
            return None
        self._left -= len(data)
        return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def kind_of(data: bytes) -> str | None:
    """The media type of a picture of bearable size; None for everything else."""
    try:
        kind, wide, high = _read_head(data)
    except (ValueError, struct.error, IndexError):
        return None
    return kind if 0 < wide * high <= MOST_PIXELS else None


def _read_small(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            data = file.read(PICTURE_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= PICTURE_BYTES else None


def _read_head(data: bytes) -> tuple[str, int, int]:
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
        return ("image/png", *struct.unpack(">II", data[16:24]))
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return ("image/gif", *struct.unpack("<HH", data[6:10]))
    if data.startswith(b"\xff\xd8\xff"):
        return ("image/jpeg", *_jpeg_size(data))
    raise ValueError("no picture of a known kind")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """From the header of the frame, which other segments may stand before."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        if marker in _FRAMES:
            high, wide = struct.unpack(">HH", data[at + 5 : at + 9])
            return wide, high
        at += 2 + length
    raise ValueError("no frame")
