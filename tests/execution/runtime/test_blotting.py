import itertools

from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime import blotting
from pulseq.execution.runtime.blotting import Blotter
from pulseq.execution.runtime.output import HeadTail

#: Few letters, so that secrets overlap, repeat and begin with each other; and what masks are made of.
SECRETS = st.lists(st.text("ab*#%é", min_size=4, max_size=7), min_size=1, max_size=4)
PIECES = st.lists(st.text("ab*#%é", max_size=12).map(str.encode))


@st.composite
def texts_with_secrets(draw):
    secrets = draw(SECRETS)
    parts = st.one_of(st.text("ab*#%é", max_size=4), st.sampled_from(secrets))
    text = "".join(draw(st.lists(parts)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text.encode())))))
    data = text.encode()
    edges = [0, *cuts, len(data)]
    return secrets, text, [data[begin:end] for begin, end in itertools.pairwise(edges)]


def take_in(pieces, blotter, kept_bytes=10_000):
    output = HeadTail(kept_bytes, blotter)
    for piece in pieces:
        output.feed(piece)
    return output


@given(texts_with_secrets())
def test_no_secret_is_left_however_the_text_is_cut_into_pieces(case):
    secrets, text, pieces = case
    blotter = Blotter(secrets)

    blotted = take_in(pieces, blotter).text()

    assert [] == [secret for secret in secrets if secret in blotted]
    assert blotter.blot(text) == blotter.blot(text.encode()).decode() == blotted
    assert blotter.blot(blotted) == blotted


@given(case=texts_with_secrets(), kept_bytes=st.integers(1, 20))
def test_head_and_tail_hold_no_part_of_a_secret_that_is_cut(case, kept_bytes):
    secrets, text, pieces = case
    data, blotter = text.encode(), Blotter(secrets)
    output = take_in(pieces, blotter, kept_bytes)

    left_out = len(data) - 2 * kept_bytes
    ends = [(0, kept_bytes), (len(data) - kept_bytes, len(data))] if left_out > 0 else [(0, len(data))]
    shown = [mark_by_hand(data, secrets, *end, blotter.mask.encode()).decode("utf-8", "replace") for end in ends]
    assert f"\n[... {left_out} bytes left out ...]\n".join(shown) == output.text()
    assert output.total_bytes == len(data)


def mark_by_hand(data, secrets, start, stop, mask):
    """A part of a text, byte for byte: what any secret covers becomes a mask."""
    covered = [False] * len(data)
    for secret in map(str.encode, secrets):
        for at in range(len(data)):
            if data.startswith(secret, at):
                covered[at : at + len(secret)] = [True] * len(secret)
    told = b""
    for at in range(start, stop):
        if not covered[at]:
            told += data[at : at + 1]
        elif at == start or not covered[at - 1]:
            told += mask
    return told


def test_secrets_that_overlap_become_one_mask():
    assert Blotter(["abcd", "cdef"]).blot("_abcdef_") == "_***_"


def test_of_a_secret_that_begins_like_another_nothing_is_left():
    assert Blotter(["token", "token-2"]).blot("token token-2") == "*** ***"


def test_a_mask_that_would_make_a_secret_is_another():
    assert Blotter(["*abc"]).mask == "###"
    assert Blotter(["p*ss"]).mask == "***"
    assert Blotter(["*abc", "ab##", "%%%%"]).mask == "███"


def test_bytes_that_are_no_text_are_blotted_as_they_are():
    assert Blotter(["key\udcff"]).blot(b"a key\xff") == b"a ***"


def test_a_part_of_a_text_has_no_part_of_a_secret():
    blotter = Blotter(["secret"])

    assert blotter.blot("my secret is out", 0, 6) == "my ***"
    assert blotter.blot("my secret is out", 6) == "*** is out"
    assert blotter.blot("my secret is out", 0, 3) == "my "


def test_memory_is_flat():
    output = take_in((b"secre" * 1000 for _ in range(100)), Blotter(["secret"]), 1000)

    assert len(output._head) + len(output._tail) <= 3 * 1005


def test_without_secrets_a_message_is_what_it_was():
    message = {"error": "as it is"}
    blotting.use([])

    assert blotting.current() is None
    assert blotting.blot_result(message) is message
    assert blotting.blot("abc", 1) == "bc"


def test_all_texts_of_a_result_are_blotted_and_none_of_its_words():
    blotting.use(["pass", "when"])
    try:
        warning = {"category": "W", "message": "pass", "location": "pass.py:1", "when": "when"}
        result = blotting.blot_result(
            {
                "status": "passed",
                **dict.fromkeys(("error", "short", "output", "xpassed", "summary"), "a pass"),
                "warnings": ["a pass", warning],
                "pytest_warnings": [warning],
                "metrics": {"pass": 1.0},
                "properties": [["property", "pass", "pass"], ("pass", "x")],
                "reruns": [{"status": "passed", "error": "pass"}],
            }
        )
    finally:
        blotting.use([])

    told = {"category": "W", "message": "***", "location": "***.py:1", "when": "when"}
    assert result == {
        "status": "passed",
        **dict.fromkeys(("error", "short", "output", "xpassed", "summary"), "a ***"),
        "warnings": ["a ***", told],
        "pytest_warnings": [told],
        "metrics": {"***": 1.0},
        "properties": [["property", "***", "***"], ["***", "x"]],
        "reruns": [{"status": "passed", "error": "***"}],
    }
