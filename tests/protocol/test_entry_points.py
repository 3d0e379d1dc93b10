"""What Dask runs on a node, and where that goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pulseq.protocol import entry_points
from pulseq.protocol.entry_points import register_node, take_dispatch, take_message


@pytest.fixture(autouse=True)
def _no_node_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_points, "_node", None)


class _Echo:
    """A node that answers with its name and what it was asked."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.taken: list[bytes] = []

    async def take(self, order: bytes) -> bytes:
        self.taken.append(order)
        return self.name + order


@pytest.mark.parametrize("entry_point", [take_dispatch, take_message])
def test_a_process_that_is_no_node_says_so(entry_point: Callable[[bytes], Awaitable[object]]) -> None:
    async def ask() -> None:
        await entry_point(b"x")

    with pytest.raises(RuntimeError, match="this Dask worker is not a PulseQ node"):
        asyncio.run(ask())


def test_a_message_goes_to_the_node_that_was_registered_last_and_its_answer_home() -> None:
    first, second = _Echo(b"first "), _Echo(b"second ")
    register_node(first)
    register_node(second)

    assert b"second x" == asyncio.run(take_message(b"x"))
    assert ([], [b"x"]) == (first.taken, second.taken)


def test_a_dispatch_has_no_answer() -> None:
    node = _Echo(b"")
    register_node(node)

    asyncio.run(take_dispatch(b"d"))

    assert [b"d"] == node.taken
