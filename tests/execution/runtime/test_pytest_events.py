"""What a worker tells comes over as it was, in order and whole."""

from __future__ import annotations

import enum
import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.pytest_events import EventReader, EventWriter, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
)
hashables = scalars | st.tuples(scalars, scalars) | st.frozensets(scalars, max_size=3)
values = st.recursive(
    hashables | st.sets(hashables, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(hashables, inner, max_size=4)
    ),
    max_leaves=12,
)
events = st.tuples(st.text(max_size=8), st.dictionaries(st.text(min_size=1, max_size=8), values, max_size=3))


def types_in(value: Any) -> Any:
    """The types of a value and of what it holds; those of sets, which have no order, as a set."""
    if isinstance(value, dict):
        return dict, [(types_in(key), types_in(one)) for key, one in value.items()]
    if isinstance(value, set | frozenset):
        return type(value), frozenset(map(type, value))
    if isinstance(value, list | tuple):
        return type(value), [types_in(one) for one in value]
    return type(value)


@given(values)
def test_a_value_of_built_in_types_comes_over_as_it_was(value: Any) -> None:
    there = decode(encode(value))
    assert (value, types_in(value)) == (there, types_in(there))


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    pass


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, 1),
        (Name("n"), "n"),
        (Odd(), "<odd>"),
        (Unspeakable(), "<Unspeakable>"),
        (PurePosixPath("a/b"), "a/b"),
        ({Name("key"): [Colour.RED, (Odd(),)]}, {"key": [1, ("<odd>",)]}),
        ({frozenset([Colour.RED])}, {frozenset([1])}),
    ],
    ids=["enum", "text", "object", "object without words", "path", "container", "key"],
)
def test_any_other_value_comes_over_as_the_nearest_plain_one(value: Any, expected: Any) -> None:
    there = decode(encode([value, Odd()]))[0]  # the second is what makes the whole no value of marshal's
    assert (expected, types_in(expected)) == (there, types_in(there))


@given(st.lists(events, max_size=4))
def test_events_are_read_once_and_in_order(tmp_path_factory: pytest.TempPathFactory, sent: list[Any]) -> None:
    path = str(tmp_path_factory.mktemp("events") / "events")
    reader, writer = EventReader(path), EventWriter(path)
    for name, data in sent:
        writer.add(name, **data)
    writer.flush()
    assert sent == list(reader.read())
    assert list(reader.read()) == []
    writer.close()
    reader.close()


def test_an_event_is_not_there_before_the_flush(tmp_path: Path) -> None:
    reader, writer = EventReader(str(tmp_path / "e")), EventWriter(str(tmp_path / "e"))
    writer.add("logstart", nodeid="t")
    assert list(reader.read()) == []
    writer.flush()
    assert [("logstart", {"nodeid": "t"})] == list(reader.read())
    writer.close()
    reader.close()


@given(sent=st.lists(events, min_size=1, max_size=3), data=st.data())
def test_half_a_frame_waits_for_the_other_half(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Any], data: Any
) -> None:
    folder = tmp_path_factory.mktemp("halves")
    writer = EventWriter(str(folder / "whole"))
    for name, one in sent:
        writer.add(name, **one)
    writer.flush()
    writer.close()
    stream = (folder / "whole").read_bytes()
    cut = data.draw(st.integers(0, len(stream) - 1))
    reader = EventReader(str(folder / "parts"))
    with open(folder / "parts", "ab", buffering=0) as file:
        file.write(stream[:cut])
        first = list(reader.read())
        file.write(stream[cut:])
    assert first == sent[: len(first)]
    assert len(first) < len(sent)
    assert sent[len(first) :] == list(reader.read())
    reader.close()


def test_what_a_killed_worker_had_flushed_is_still_there(tmp_path: Path) -> None:
    path = str(tmp_path / "events")
    pid = os.fork()
    if pid == 0:
        writer = EventWriter(path)
        writer.add("logstart", nodeid="t")
        writer.flush()
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    reader = EventReader(path)
    assert [("logstart", {"nodeid": "t"})] == list(reader.read())
    reader.close()
