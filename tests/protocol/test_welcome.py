"""What a scheduler tells nodes that come by themselves, as it travels."""

from __future__ import annotations

import msgspec

from pulseq.protocol.welcome import NodeWords, Welcome


def test_it_travels_as_plain_data_of_which_a_later_release_may_tell_more() -> None:
    welcome = Welcome("1.2", 3, 40.0, 5.0, {"n": NodeWords({"A": "b"}, "/python")})

    assert welcome == msgspec.convert({**msgspec.to_builtins(welcome), "later": 1}, Welcome)


def test_somebodys_own_scheduler_has_no_release_of_ours() -> None:
    assert ("", None) == (Welcome().version, Welcome().protocol)
