from __future__ import annotations

import getpass
from datetime import datetime

import pytest

from pulseq.marks import MarkState, NodeMark, user_here

AT = datetime(2026, 11, 30, 7, 40).timestamp()


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        (
            NodeMark("n", MarkState.DRAINING, "firmware", "anna@desk", AT),
            "draining since 30 Nov 07:40 by anna@desk: firmware",
        ),
        (NodeMark("n", MarkState.CORDONED), "cordoned"),
        (NodeMark("n", MarkState.OPEN, who="anna@desk"), "open by anna@desk"),
    ],
)
def test_a_mark_says_what_holds_since_when_who_and_why(mark: NodeMark, said: str) -> None:
    assert said == mark.say()


def test_what_is_drained_says_so_and_what_is_cordoned_never_is() -> None:
    assert "drained" == NodeMark("n", MarkState.DRAINING).say(drained=True)
    assert "cordoned" == NodeMark("n", MarkState.CORDONED).say(drained=True)


def test_a_mark_that_says_nothing_new_leaves_the_one_that_was() -> None:
    before = NodeMark("n", MarkState.DRAINING, "firmware", "anna@desk", AT)
    again, other = NodeMark("n", MarkState.DRAINING, who="bert"), NodeMark("n", MarkState.DRAINING, "disk", "bert")
    cordoned = NodeMark("n", MarkState.CORDONED, who="bert")

    assert [before, other, cordoned, again] == [
        again.after(before),
        other.after(before),
        cordoned.after(before),
        again.after(None),
    ]


def test_a_user_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert user_here().startswith("somebody@")
