"""One answer, however long, is read by each that gets it, and by nobody's leave."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from pulseq.execution.runtime import wire
from pulseq.execution.runtime.pytest_answer import AnswerFile, tell

LONG = {"op": "collected", "items": ["ä" * 1000] * 500}


def take(line: socket.socket) -> tuple[wire.Message, object]:
    """The short message that came, and what is in the file that came with it."""
    data, (descriptor,), _, _ = socket.recv_fds(line, 64 * 1024, 1)
    with open(descriptor, "rb") as file:
        text = os.pread(file.fileno(), 8 * 1024 * 1024, 0)
    return wire.MessageBuffer().feed(data)[0], json.loads(text)


def test_each_that_is_given_an_answer_reads_all_of_it(tmp_path: Path) -> None:
    answer = AnswerFile(LONG, str(tmp_path))
    for _ in range(2):
        here, there = socket.socketpair()
        with here, there:
            answer.give(here)
            assert ({"op": "answer"}, LONG) == take(there)
    answer.close()


def test_an_answer_has_no_name_in_its_directory(tmp_path: Path) -> None:
    answer = AnswerFile(LONG, str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    answer.close()


def test_what_was_given_outlives_the_answer(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    with here, there:
        answer = AnswerFile({"op": "refused"}, str(tmp_path))
        answer.give(here)
        answer.close()
        assert ({"op": "answer"}, {"op": "refused"}) == take(there)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_telling_one_that_has_gone_is_no_trouble(kind: int, tmp_path: Path) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    there.close()
    with here:
        tell(here, {"op": "finish"})
        answer = AnswerFile({"op": "refused"}, str(tmp_path))
        answer.give(here)
        answer.close()
