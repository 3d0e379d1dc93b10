from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.output import HeadTail


def kept(pieces, kept_bytes=4):
    output = HeadTail(kept_bytes)
    for piece in pieces:
        output.feed(piece)
    return output


def test_short_output_is_kept_whole():
    assert kept([b"abc", b"de"]).text() == "abcde"


def test_long_output_keeps_head_and_tail_and_says_what_is_missing():
    assert kept([b"abcdefghijkl"]).text() == "abcd\n[... 4 bytes left out ...]\nijkl"


@given(pieces=st.lists(st.binary(max_size=40)), kept_bytes=st.integers(1, 20))
def test_the_pieces_in_which_output_comes_make_no_difference(pieces, kept_bytes):
    whole = b"".join(pieces)
    output = kept(pieces, kept_bytes)
    assert (output.total_bytes, output.text()) == (len(whole), kept([whole], kept_bytes).text())


@given(data=st.binary(max_size=8))
def test_output_that_fits_head_and_tail_is_complete(data):
    assert kept([data]).text() == data.decode("utf-8", "replace")


def test_memory_is_flat():
    output = HeadTail(1000)
    for _ in range(10_000):
        output.feed(b"x" * 999)
    assert len(output._head) + len(output._tail) <= 3000


def test_bytes_that_are_no_text_are_replaced():
    assert kept([b"\xff\xfe"]).text() == "\ufffd\ufffd"
