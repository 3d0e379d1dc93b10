"""Nodes as a few lines."""

from __future__ import annotations

from pulseq.models import CapabilityValue
from pulseq.reports.node_lines import Glyphs, draw_nodes
from pulseq.reports.progress import NodeProgress, RunningTest


def node(name: str, slots: int = 2, running: dict[str, float] | None = None, **offers: CapabilityValue) -> NodeProgress:
    tests = {(test, ""): RunningTest(test, "", 1, since) for test, since in (running or {}).items()}
    return NodeProgress(name, slots, offers, running=tests)


def drawn(nodes: list[NodeProgress], room: int = 10, width: int = 80) -> list[str]:
    return [line.plain.rstrip() for line in draw_nodes(nodes, 10.0, width, room, Glyphs())]


def test_a_node_is_shown_with_what_tells_it_from_the_others_its_slots_and_its_tests() -> None:
    nodes = [
        node("n1", 3, {"pay": 8.0, "search": 9.0}, os="linux", browser="chrome"),
        node("n2", 1, os="linux", browser="firefox"),
    ]
    expected = ["n1  chrome   ●●○  pay 0:02 · search 0:01", "n2  firefox  ○    idle"]
    assert expected == drawn(nodes)


def test_a_node_alone_says_all_that_it_offers() -> None:
    assert drawn([node("n1", os="linux", browser="chrome")]) == ["n1  linux chrome  ○○  idle"]


def test_nodes_that_are_all_alike_say_nothing_of_it() -> None:
    assert drawn([node("n1", os="linux"), node("n2", os="linux")]) == ["n1  ○○  idle", "n2  ○○  idle"]


def test_an_idle_node_says_what_it_has_done() -> None:
    done = node("n1")
    done.finished = 7
    assert drawn([done]) == ["n1  ○○  idle · 7 done"]


def test_a_lost_node_says_why() -> None:
    lost = node("n1")
    lost.lost = "no heartbeat"
    assert drawn([lost]) == ["n1  lost: no heartbeat"]


def test_a_further_attempt_is_marked() -> None:
    again = node("n1")
    again.running["pay", "gpu"] = RunningTest("pay", "gpu", 2, 9.0)
    assert drawn([again]) == ["n1  ●○  pay (gpu) try 2 0:01"]


def test_tests_that_do_not_fit_are_counted() -> None:
    busy = node("n1", 4, {"first-test": 5.0, "second-test": 6.0, "third-test": 7.0, "fourth-test": 8.0})
    assert drawn([busy], width=50) == ["n1  ●●●●  first-test 0:05 · second-test 0:04 +2"]


def test_a_name_too_long_is_cut_and_its_clock_is_kept() -> None:
    assert drawn([node("n1", 2, {"a" * 90: 9.0})], width=30) == ["n1  ●○  aaaaaaaaaaaaaaaa… 0:01"]


def test_more_slots_than_fit_are_shown_in_proportion() -> None:
    busy = node("n1", 40, {f"t{index}": 1.0 for index in range(20)})
    assert drawn([busy])[0].startswith("n1  ●●●●●○○○○○  t0")


def test_nodes_that_do_not_fit_share_lines_and_the_longest_tests_follow() -> None:
    nodes = [node(f"n{index:02}", 1, {f"t{index:02}": float(index % 9)}) for index in range(20)]
    lines = drawn(nodes, room=9, width=80)
    expected = ["", "t00 0:10  n00", "t09 0:10  n09", "t18 0:10  n18", "t01 0:09  n01", "t10 0:09  n10"]
    assert ("n00 ●  n01 ●", expected) == (lines[0][:12], lines[2:8])


def test_nodes_that_fit_in_no_way_are_summed_up() -> None:
    nodes = [node(f"n{index:03}", 2, {f"t{index}": 1.0} if index < 100 else None) for index in range(300)]
    nodes[200].lost = "died"
    lines = drawn(nodes, room=8, width=60)
    assert [lines[0][:7], lines[1]] == ["n000 ●○", "294 more nodes: 94 of 586 slots busy, 1 lost"]


def test_no_node_is_said_in_words() -> None:
    assert drawn([]) == ["no node yet"]
