from hypothesis import given
from hypothesis import strategies as st

from pulseq.bounds import MOST_ID_CHARACTERS, MOST_WHOLE_BYTES, bound_id, bound_text, bound_whole
from pulseq.models import SimulateBody, Suite, TestCase

#: Texts around the bound, which differ in few places.
long_texts = st.builds(
    lambda start, length, end: start + "x" * length + end,
    st.text(max_size=5),
    st.integers(MOST_ID_CHARACTERS - 12, MOST_ID_CHARACTERS + 12),
    st.text(max_size=5),
)


@given(st.text() | long_texts)
def test_an_id_is_never_too_long_and_a_bearable_one_stays(text: str) -> None:
    bounded = bound_id(text)
    assert len(bounded) <= MOST_ID_CHARACTERS
    assert (bounded == text) == (len(text) <= MOST_ID_CHARACTERS)
    assert bound_id(bounded) == bounded


@given(long_texts, long_texts)
def test_ids_that_differ_anywhere_stay_apart(one: str, other: str) -> None:
    assert (bound_id(one) == bound_id(other)) == (one == other)


def test_an_id_that_is_cut_keeps_its_start_and_its_end() -> None:
    bounded = bound_id("tests/test_cart.py::test_price[" + "9" * 20_000_000 + "-EUR]")
    assert len(bounded) == MOST_ID_CHARACTERS
    assert bounded.startswith("tests/test_cart.py::test_price[999")
    assert bounded.endswith("99-EUR]")


@given(st.text(alphabet="aé€😀\ud800", max_size=50), st.integers(1, 3_000))
def test_of_the_whole_the_start_is_kept(text: str, times: int) -> None:
    whole = text * times
    kept = bound_whole(whole).encode("utf-8", "backslashreplace")
    assert len(kept) <= MOST_WHOLE_BYTES
    assert whole.encode("utf-8", "backslashreplace").startswith(kept)
    assert len(kept) > MOST_WHOLE_BYTES - 10 or kept == whole.encode("utf-8", "backslashreplace")


@given(st.text(max_size=300), st.integers(100, 200))
def test_a_text_that_is_too_long_says_how_much_is_left_out(text: str, most: int) -> None:
    bounded = bound_text(text, most)
    assert len(bounded) <= most
    assert bounded == text or f"… {len(text) - most} characters left out …" in bounded


def test_a_test_has_a_bounded_id_and_name_and_the_whole_besides() -> None:
    case = TestCase("i" * 5_000, SimulateBody(), name="n" * 5_000)
    assert (len(case.id), len(case.name), case.whole_id) == (1_000, 1_000, "i" * 5_000)
    assert TestCase("i", SimulateBody()).whole_id is None
    assert len(Suite("s" * 5_000, ()).name) == 1_000
