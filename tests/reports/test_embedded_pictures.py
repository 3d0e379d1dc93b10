"""Which files go into a page as pictures."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.reports import embedded_pictures
from pulseq.reports.embedded_pictures import PictureAllowance, kind_of


def png(wide: int = 2, high: int = 3) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", wide, high) + b"\x08\x02\0\0\0"


def jpeg(wide: int = 2, high: int = 3) -> bytes:
    before = b"\xff\xe0" + struct.pack(">H", 6) + b"JFIF"
    return b"\xff\xd8" + before + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, high, wide) + bytes(10)


def gif(wide: int = 2, high: int = 3) -> bytes:
    return b"GIF89a" + struct.pack("<HH", wide, high)


@pytest.mark.parametrize(
    ("data", "kind"), [(png(), "image/png"), (jpeg(), "image/jpeg"), (gif(), "image/gif"), (gif(0), None)]
)
def test_a_picture_is_known_by_its_first_bytes(data: bytes, kind: str | None) -> None:
    assert kind == kind_of(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x00" * 20,
    ],
)
def test_all_else_is_none(data: bytes) -> None:
    assert kind_of(data) is None


@pytest.mark.parametrize("make", [png, jpeg, gif])
def test_a_picture_that_unfolds_to_gigabytes_is_none(make) -> None:
    assert kind_of(make(60_000, 60_000)) is None


@given(st.sampled_from([png(), jpeg(), gif(), b""]), st.binary(max_size=40))
def test_any_bytes_are_judged(head: bytes, tail: bytes) -> None:
    assert kind_of(head[: len(tail)] + tail) in ("image/png", "image/jpeg", "image/gif", None)


def test_a_page_takes_pictures_until_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"  # whatever it is called
    path.write_bytes(png())
    allowance = PictureAllowance(len(png()))
    assert (True, None) == (str(allowance.take(path)).startswith("data:image/png;base64,iVBOR"), allowance.take(path))


def test_what_is_large_is_left_to_its_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_pictures, "PICTURE_BYTES", len(png()) - 1)
    (tmp_path / "a.png").write_bytes(png())
    assert PictureAllowance().take(tmp_path / "a.png") is None


def test_what_is_not_there_or_no_file_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "real.png").write_bytes(png())
    (tmp_path / "link.png").symlink_to("real.png")
    allowance = PictureAllowance()
    assert [None] * 4 == [allowance.take(tmp_path / name) for name in ("gone.png", "pipe", "link.png", ".")]
