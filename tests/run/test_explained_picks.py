"""What the scheduler says of its decisions."""

from __future__ import annotations

from pulseq.fleet import Strategy
from pulseq.planning.queued import NodeOffer
from pulseq.planning.strategies import NodeLoad
from pulseq.run.explained_picks import explain_pick, explain_prefetch, explain_waiting

OFFERS = {
    "a": NodeOffer("a", 2, {"browser": "chrome"}),
    "b": NodeOffer("b", 1, {"browser": "firefox"}),
    "c": NodeOffer("c", 1, {"browser": "chrome"}),
    "d": NodeOffer("d", 2, {"browser": "chrome"}),
}
LOADS = {"a": NodeLoad(2, 1, 1, 0), "b": NodeLoad(1, 0, 0, 1), "c": NodeLoad(1, 1, 4, 2), "d": NodeLoad(2, 1, 3, 3)}


def test_a_pick_says_why_this_node_and_why_no_other() -> None:
    expected = (
        "cart to a: it has browser=chrome and a free slot, now 1 of 2 taken (adaptive); "
        "not b: wants browser=chrome, has browser=firefox; not c: no free slot of 1; "
        "not d: 1 of 2 taken, 3 given so far"
    )

    assert expected == explain_pick(["cart"], {"browser": "chrome"}, "a", OFFERS, LOADS, Strategy.ADAPTIVE)


def test_a_long_pack_is_told_shortly() -> None:
    said = explain_pick([str(number) for number in range(9)], {}, "a", {"a": OFFERS["a"]}, LOADS, Strategy.ROUND_ROBIN)

    assert said.startswith("0, 1, 2, 3, 4 and 4 more to a: it has nothing in particular and a free slot")


def test_a_prefetch_says_that_it_waits_there() -> None:
    assert "x, y to a: to follow on a slot there, which asked for it" == explain_prefetch(["x", "y"], "a")


def test_what_waits_says_for_what() -> None:
    expected = "1 test that wants browser=firefox waits for a free slot of b"
    assert expected == explain_waiting(1, {"browser": "firefox"}, OFFERS)
    assert "2 tests wait for a free slot of a, b, c, d" == explain_waiting(2, {}, OFFERS)
    assert "3 tests that want gpu wait for a node that fits" == explain_waiting(3, {"gpu": True}, OFFERS)
