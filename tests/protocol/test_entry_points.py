"""What Dask is asked to run on a node."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from pulseq.protocol import entry_points
from pulseq.protocol.entry_points import SealedMessage, register_node, take_dispatch, take_message


class _Node:
    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def take(self, order: bytes) -> bytes:
        self.taken.append(order)
        return order[::-1]


@pytest.fixture(autouse=True)
def no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_points, "_node", None)


def test_the_node_of_this_process_takes_what_comes_and_answers() -> None:
    node = _Node()
    register_node(node)

    assert b"ba" == asyncio.run(take_message(b"ab"))
    asyncio.run(take_dispatch(b"cd"))
    assert [b"ab", b"cd"] == node.taken


def test_a_worker_that_is_no_node_says_so() -> None:
    with pytest.raises(RuntimeError, match="this Dask worker is not a PulseQ node"):
        asyncio.run(take_message(b""))


@pytest.mark.parametrize("function", [take_dispatch, take_message])
def test_dask_sends_no_code_of_ours(function: object) -> None:
    assert len(pickle.dumps(function)) < 100


def test_no_log_shows_a_message() -> None:
    message: SealedMessage = pickle.loads(pickle.dumps(SealedMessage(b"hunter2")))

    assert (message, message[1:]) == (b"hunter2", b"unter2")
    assert (repr(message), f"{message}", str(message)) == ("<7 bytes>",) * 3
