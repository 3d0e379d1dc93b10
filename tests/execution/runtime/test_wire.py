import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.execution.runtime.wire import LONGEST_FRAME, MessageBuffer, WireError, encode, receive, receive_packet, send

any_text = st.text(st.characters())
values = st.recursive(st.none() | st.booleans() | st.integers() | any_text, st.lists, max_leaves=5)
messages = st.dictionaries(any_text, values, max_size=4)


@given(message=messages)
def test_a_message_arrives_as_it_was_sent(message):
    here, there = socket.socketpair()
    with here, there:
        send(here, message)
        assert message == receive(there)


@given(sent=st.lists(messages, max_size=4), size=st.integers(1, 50))
def test_a_buffer_puts_messages_together_from_any_pieces(sent, size):
    stream = b"".join(encode(message) for message in sent)
    buffer = MessageBuffer()
    received = []
    for start in range(0, len(stream), size):
        received += buffer.feed(stream[start : start + size])
    assert sent == received


def test_the_end_of_the_stream_is_none():
    here, there = socket.socketpair()
    with there:
        here.close()
        assert receive(there) is None


def test_the_end_in_the_middle_of_a_message_is_none():
    here, there = socket.socketpair()
    with there:
        here.sendall(encode({"op": "start"})[:-3])
        here.close()
        assert receive(there) is None


def test_what_json_does_not_know_is_refused():
    with pytest.raises(WireError, match="not a message"):
        encode({"op": {1, 2}})


def test_an_announced_frame_that_is_too_long_is_refused():
    with pytest.raises(WireError, match="was announced"):
        MessageBuffer().feed((LONGEST_FRAME + 1).to_bytes(4, "big"))


@pytest.mark.parametrize("data", [b"[1]", b"nonsense"])
def test_a_frame_that_holds_no_object_is_refused(data):
    with pytest.raises(WireError, match="message"):
        MessageBuffer().feed(len(data).to_bytes(4, "big") + data)


@pytest.fixture
def packets():
    here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with here, there:
        yield here, there


@given(sent=st.lists(messages, min_size=1, max_size=4))
def test_packets_stay_apart(sent):
    here, there = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with here, there:
        for message in sent:
            send(here, message)
        assert sent == [receive_packet(there)[0] for _ in sent]


def test_descriptors_travel_with_their_message_and_go_no_further(packets):
    here, there = packets
    reading, writing = os.pipe()
    send(here, {"op": "write"}, writing)
    send(here, {"op": "nothing"})
    os.close(writing)
    message, (passed,) = receive_packet(there, 1)
    assert (message, os.get_inheritable(passed), receive_packet(there, 1)) == (
        {"op": "write"},
        False,
        ({"op": "nothing"}, []),
    )
    os.write(passed, b"hello")
    os.close(passed)
    assert os.read(reading, 99) == b"hello"
    os.close(reading)


def test_the_end_of_packets_is_none(packets):
    here, there = packets
    here.close()
    assert receive_packet(there) == (None, [])


def test_half_a_packet_is_refused(packets):
    here, there = packets
    here.send(encode({"op": "start"})[:-3])
    with pytest.raises(WireError, match="holds no whole message"):
        receive_packet(there)
