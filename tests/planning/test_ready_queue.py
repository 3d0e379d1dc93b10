"""What goes next, and where."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pulseq.fleet import Strategy
from pulseq.models import CapabilityValue, Priority
from pulseq.planning.packing import WHOLE_FILES, PackLimits
from pulseq.planning.queued import NodeOffer, QueuedTest
from pulseq.planning.ready_queue import Pick, ReadyQueue

MakeTest = Callable[..., QueuedTest]


def fits(key: Hashable, capabilities: Mapping[str, CapabilityValue]) -> bool:
    """A class is a string of letters, and a node has to have each of them."""
    return all(letter in capabilities for letter in str(key))


def offer(name: str, slots: int, has: str = "") -> NodeOffer:
    return NodeOffer(name, slots, dict.fromkeys(has, True))


def make_queue(*offers: NodeOffer, strategy: Strategy = Strategy.ADAPTIVE) -> ReadyQueue:
    queue = ReadyQueue(fits, strategy=strategy)
    for one in offers:
        queue.node_joined(one)
    return queue


def pick_all(queue: ReadyQueue) -> list[tuple[str, list[int]]]:
    """Node and numbers of the tests of each dispatch."""
    return [(pick.node_id, [test.sequence for test in pick.tests]) for pick in queue.picks()]


def test_without_nodes_everything_waits(queued: MakeTest) -> None:
    queue = make_queue()
    queue.add(queued(0))
    assert (pick_all(queue), queue.waiting, queue.unmatched()) == ([], 1, [""])


def test_a_test_goes_only_to_a_node_that_fits(queued: MakeTest) -> None:
    queue = make_queue(offer("plain", 3), offer("chrome", 1, "c"))
    for number in range(3):
        queue.add(queued(number, needs="c"))
    assert pick_all(queue) == [("chrome", [0])]


def test_a_slot_holds_one_dispatch_until_it_is_freed(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    for number in range(2):
        queue.add(queued(number))
    assert pick_all(queue) == [("a", [0])]
    queue.slot_freed("a")
    assert pick_all(queue) == [("a", [1])]


def test_a_low_priority_waits_for_all_others_that_fit(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1, "c"))
    queue.add(queued(0, 60.0, needs="c", priority=Priority.LOW))
    queue.add(queued(1, 0.5, priority=Priority.MEDIUM))
    assert pick_all(queue) == [("a", [1])]


def test_a_priority_that_has_no_free_node_holds_nobody_up(queued: MakeTest) -> None:
    queue = make_queue(offer("plain", 1))
    queue.add(queued(0, needs="c", priority=Priority.CRITICAL))
    queue.add(queued(1, priority=Priority.LOW))
    assert pick_all(queue) == [("plain", [1])]


def test_a_scarce_node_is_kept_for_the_test_that_needs_it(queued: MakeTest) -> None:
    queue = make_queue(offer("gpu", 1, "g"), offer("plain", 1))
    queue.add(queued(0, 60.0, priority=Priority.HIGH))
    queue.add(queued(1, 1.0, needs="g"))
    assert pick_all(queue) == [("plain", [0]), ("gpu", [1])]


def test_a_scarce_node_that_nobody_waits_for_is_used(queued: MakeTest) -> None:
    queue = make_queue(offer("gpu", 1, "g"), offer("plain", 1))
    for number in range(2):
        queue.add(queued(number, 60.0))
    assert {node for node, _ in pick_all(queue)} == {"gpu", "plain"}


def test_the_class_with_the_fewest_slots_is_served_first(queued: MakeTest) -> None:
    queue = make_queue(offer("gpu", 1, "g"), offer("plain", 1))
    queue.add(queued(0, 60.0))
    queue.add(queued(1, 60.0))
    queue.add(queued(2, 1.0, needs="g"))
    assert pick_all(queue) == [("gpu", [2]), ("plain", [0])]


def test_a_file_that_can_be_spread_outlasts_nothing_and_leaves_scarce_nodes_alone(queued: MakeTest) -> None:
    queue = make_queue(*(offer(f"n{number}", 2, "g" if number < 2 else "") for number in range(4)))
    for number in range(46):
        queue.add(queued(number, needs="g"))
    for number in range(46, 296):
        queue.add(queued(number, file="test_items.py"))

    where = {node: {queue_of(sequences)} for node, sequences in pick_all(queue)}

    assert {"n0": {"scarce"}, "n1": {"scarce"}, "n2": {"any"}, "n3": {"any"}} == where


def queue_of(sequences: list[int]) -> str:
    return "scarce" if max(sequences) < 46 else "any"


@pytest.mark.parametrize("whole", [{"scope": "db"}, {"file": "test_items.py"}])
def test_what_goes_as_a_whole_and_would_outlast_all_else_goes_first(queued: MakeTest, whole: dict[str, str]) -> None:
    limits = WHOLE_FILES if "file" in whole else PackLimits()
    queue = ReadyQueue(fits, limits=limits)
    for node in (offer("n0", 2, "g"), offer("n1", 2)):
        queue.node_joined(node)
    for number in range(4):
        queue.add(queued(number, 1.0, needs="g"))
    for number in range(4, 44):
        queue.add(queued(number, 1.0, **whole))

    assert list(range(4, 44)) == pick_all(queue)[0][1]


def test_a_marked_node_gets_nothing_and_nothing_hopes_for_it(queued: MakeTest) -> None:
    queue = make_queue(offer("chrome", 2, "c"), offer("plain", 1))
    queue.set_marked("chrome", True)
    queue.add(queued(0, needs="c"))
    assert ([], ["c"], 1) == (pick_all(queue), queue.unmatched(), queue.slots)
    assert queue.prefetch("chrome", 0.0, lambda _: True) is None

    queue.set_marked("chrome", False)
    assert ([], 3) == (queue.unmatched(), queue.slots)
    assert [("chrome", [0])] == pick_all(queue)


def test_a_marked_node_keeps_what_it_has_and_its_slots_are_counted_once(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    queue.add(queued(0))
    assert [("a", [0])] == pick_all(queue)
    queue.set_marked("a", True)
    queue.set_marked("a", True)
    queue.set_marked("a", False)
    queue.add(queued(1))
    assert [] == pick_all(queue)
    queue.slot_freed("a")
    assert [("a", [1])] == pick_all(queue)


def test_a_marked_node_that_leaves_and_comes_back_is_like_any_other(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 2, "c"))
    queue.set_marked("a", True)
    queue.node_left("a")
    queue.add(queued(0, needs="c"))
    assert (0, ["c"]) == (queue.slots, queue.unmatched())
    queue.node_joined(offer("a", 2, "c"))
    assert (2, [("a", [0])]) == (queue.slots, pick_all(queue))


@pytest.mark.parametrize(("with_less_choice", "first"), [(4, 1), (100, 2)])
def test_only_what_would_outlast_all_else_goes_before_a_class_with_fewer_slots(
    queued: MakeTest, with_less_choice: int, first: int
) -> None:
    queue = make_queue(offer("gpu", 1, "g"), offer("plain", 1))
    queue.add(queued(0, 100.0))
    queue.set_open("gpu", False)
    assert pick_all(queue) == [("plain", [0])]
    queue.add(queued(1, 60.0))
    for number in range(2, 2 + with_less_choice):
        queue.add(queued(number, 1.0, needs="g"))
    queue.set_open("gpu", True)
    assert pick_all(queue) == [("gpu", [first])]


@pytest.mark.parametrize("strategy", [Strategy.ADAPTIVE, Strategy.LONGEST_FIRST])
def test_the_longest_goes_first(queued: MakeTest, strategy: Strategy) -> None:
    queue = make_queue(offer("a", 9), strategy=strategy)
    for number, seconds in enumerate((1.0, 3.0, None, 2.0)):
        queue.add(queued(number, seconds))
    assert [numbers for _, numbers in pick_all(queue)] == [[2], [1], [3], [0]]


@pytest.mark.parametrize("strategy", [Strategy.ROUND_ROBIN, Strategy.LEAST_LOADED])
def test_the_order_of_the_suite_is_kept(queued: MakeTest, strategy: Strategy) -> None:
    queue = make_queue(offer("a", 9), strategy=strategy)
    for number, seconds in enumerate((1.0, 3.0, None, 2.0)):
        queue.add(queued(number, seconds))
    assert [numbers for _, numbers in pick_all(queue)] == [[0], [1], [2], [3]]


@pytest.mark.parametrize("tests", range(1, 12))
def test_round_robin_gives_equal_nodes_equally_many_but_one(queued: MakeTest, tests: int) -> None:
    queue = make_queue(*(offer(name, 4) for name in "abc"), strategy=Strategy.ROUND_ROBIN)
    for number in range(tests):
        queue.add(queued(number))
    given = [node for node, _ in pick_all(queue)]
    assert max(map(given.count, "abc")) - min(map(given.count, "abc")) <= 1


def test_the_least_loaded_node_has_the_largest_free_share(queued: MakeTest) -> None:
    queue = make_queue(offer("small", 2), offer("large", 6), strategy=Strategy.LEAST_LOADED)
    for number in range(4):
        queue.add(queued(number))
    assert [node for node, _ in pick_all(queue)] == ["small", "large", "large", "large"]


def test_many_short_tests_flow_to_twice_the_slots(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 2))
    for number in range(100):
        queue.add(queued(number, 0.15))
    assert len(pick_all(queue)) == 4


@pytest.mark.parametrize(("tests", "seconds"), [(100, 5.0), (100, None), (4, 0.15)])
def test_long_unknown_or_few_tests_wait_here_and_not_on_a_node(
    queued: MakeTest, tests: int, seconds: float | None
) -> None:
    queue = make_queue(offer("a", 2))
    for number in range(tests):
        queue.add(queued(number, seconds))
    assert len(pick_all(queue)) == 2


def test_dispatches_shrink_towards_the_end(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    for number in range(100):
        queue.add(queued(number, 0.125, file="test_a.py"))
    sizes = []
    while queue.waiting:
        sizes += [len(numbers) for _, numbers in pick_all(queue)]
        queue.slot_freed("a")
    assert (sizes[0], sizes[-1], sizes == sorted(sizes, reverse=True)) == (32, 2, True)


def test_a_test_avoids_the_node_that_was_lost_under_it(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1), offer("b", 1))
    queue.add(queued(0, avoid=frozenset({"a"})))
    assert pick_all(queue) == [("b", [0])]


def test_it_takes_that_node_where_no_other_is_free(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    queue.add(queued(0, avoid=frozenset({"a"})))
    assert pick_all(queue) == [("a", [0])]


def test_a_closed_node_gets_nothing_until_it_is_open_again(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    queue.add(queued(0))
    queue.set_open("a", False)
    assert (pick_all(queue), queue.unmatched()) == ([], [])
    queue.set_open("a", True)
    assert pick_all(queue) == [("a", [0])]


def test_a_node_that_joins_again_has_all_its_slots(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    for number in range(2):
        queue.add(queued(number))
    pick_all(queue)
    queue.node_joined(offer("a", 2))
    assert (queue.slots, pick_all(queue)) == (2, [("a", [1])])


def test_what_is_added_between_two_picks_counts_for_the_next(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 2))
    queue.add(queued(0))
    picks = queue.picks()
    next(picks)
    queue.add(queued(1, priority=Priority.HIGH))
    assert [test.sequence for test in next(picks).tests] == [1]


def test_one_class_can_be_withdrawn(queued: MakeTest) -> None:
    queue = make_queue()
    queue.add(queued(0, needs="c"))
    queue.add(queued(1))
    assert [test.sequence for test in queue.withdraw("c")] == [0]
    assert (queue.waiting, queue.unmatched()) == (1, [""])


LENGTHS = st.sampled_from([None, 0.0, 0.01, 0.1, 0.3, 1.0, 7.5])
CLASSES = st.sampled_from(["", "a", "b", "ab"])
LIMITS = st.sampled_from([PackLimits(), WHOLE_FILES, PackLimits(most_tests=3, most_bundles=2, most_unknown=1)])


class QueueMachine(RuleBasedStateMachine):
    """Nodes come and go, tests are added, picked and done; beside it the plainest book of what is where."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[str, NodeOffer] = {}
        self.closed: set[str] = set()
        self.waiting: dict[int, QueuedTest] = {}
        self.in_flight: list[Pick] = []
        self.prefetched: list[Pick] = []
        self.added = 0

    @initialize(strategy=st.sampled_from(Strategy), limits=LIMITS)
    def begin(self, strategy: Strategy, limits: PackLimits) -> None:
        self.queue = ReadyQueue(fits, strategy=strategy, limits=limits)
        self.limits = limits

    @rule(name=st.sampled_from("vwxyz"), slots=st.integers(1, 3), has=CLASSES)
    def join(self, name: str, slots: int, has: str) -> None:
        self.nodes[name] = offer(name, slots, has)
        self.closed.discard(name)
        self.queue.node_joined(self.nodes[name])
        self.lose_in_flight(name)

    @rule(name=st.sampled_from("vwxyz"))
    def leave(self, name: str) -> None:
        self.nodes.pop(name, None)
        self.queue.node_left(name)
        self.lose_in_flight(name)

    def lose_in_flight(self, name: str) -> None:
        for picks in (self.in_flight, self.prefetched):
            for pick in [pick for pick in picks if pick.node_id == name]:
                picks.remove(pick)
                for test in pick.tests:
                    self.put(test)

    @precondition(lambda self: self.nodes)
    @rule(data=st.data(), is_open=st.booleans())
    def open_or_close(self, data: st.DataObject, is_open: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.nodes)))
        (self.closed.discard if is_open else self.closed.add)(name)
        self.queue.set_open(name, is_open)

    @rule(
        needs=CLASSES,
        priority=st.sampled_from(Priority),
        seconds=LENGTHS,
        file=st.sampled_from([None, "test_a.py", "test_b.py"]),
        avoid=st.frozensets(st.sampled_from("vw")),
        count=st.sampled_from([1, 2, 3, 40]),
    )
    def add(
        self, needs: str, priority: Priority, seconds: float | None, file: str | None, avoid: frozenset[str], count: int
    ) -> None:
        for _ in range(count):
            self.added += 1
            pack = None if file is None else ("entry", file)
            self.put(QueuedTest((f"t{self.added}", ""), self.added, needs, priority, seconds, pack, avoid))

    def put(self, test: QueuedTest) -> None:
        assert test.sequence not in self.waiting
        self.waiting[test.sequence] = test
        self.queue.add(test)

    @rule(most=st.integers(1, 5))
    def pick_some(self, most: int) -> None:
        picks = self.queue.picks()
        for _ in range(most):
            free = self.free_nodes()
            for pick in islice(picks, 1):
                self.check_pick(pick, free)

    @rule()
    def pick_all(self) -> None:
        picks = self.queue.picks()
        while True:
            free = self.free_nodes()
            pick = next(picks, None)
            if pick is None:
                break
            self.check_pick(pick, free)
        assert not [test for test in self.waiting.values() for node in free if self.fit(test, node)]

    def free_nodes(self) -> set[str]:
        """Nodes with room as the book has it: of several slots each twice while many short known tests wait."""
        slots = sum(node.slots for node in self.nodes.values())
        lengths = [test.expected_seconds for test in self.waiting.values()]
        known = [round(max(length, self.limits.least_seconds) * 1000) for length in lengths if length is not None]
        flows = len(known) == len(lengths) > slots > 1 and sum(known) / len(known) < 500
        held = [pick.node_id for pick in self.in_flight]
        return {
            name
            for name, node in self.nodes.items()
            if name not in self.closed and held.count(name) < node.slots * (2 if flows else 1)
        }

    def fit(self, test: QueuedTest, name: str) -> bool:
        return fits(test.requirement_key, self.nodes[name].capabilities)

    def check_pick(self, pick: Pick, free: set[str]) -> None:
        startable = [test for test in self.waiting.values() if any(self.fit(test, node) for node in free)]
        assert pick.node_id in free
        assert {test.priority for test in pick.tests} == {max(test.priority for test in startable)}
        assert len({test.requirement_key for test in pick.tests}) == 1
        assert self.fit(pick.tests[0], pick.node_id)
        others = {node for node in free if self.fit(pick.tests[0], node)} - pick.tests[0].avoid
        assert pick.node_id in others or not others
        assert all(pick.node_id not in test.avoid for test in pick.tests[1:])
        for test in pick.tests:
            assert self.waiting.pop(test.sequence) is test
        self.in_flight.append(pick)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), behind=st.sampled_from([0.0, 5.0]), wanted=st.booleans())
    def prefetch(self, data: st.DataObject, behind: float, wanted: bool) -> None:
        name = data.draw(st.sampled_from(self.in_flight)).node_id
        pick = self.queue.prefetch(name, behind, lambda _: wanted)
        if pick is not None:
            assert wanted
            assert name not in self.closed
            assert name not in pick.tests[0].avoid
            self.check_pick(pick, {name})
            self.prefetched.append(self.in_flight.pop())

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        pick = data.draw(st.sampled_from(self.in_flight))
        self.in_flight.remove(pick)
        follower = next((one for one in self.prefetched if one.node_id == pick.node_id), None)
        if follower is not None:  # it has the slot now
            self.prefetched.remove(follower)
            self.in_flight.append(follower)
        else:
            self.queue.slot_freed(pick.node_id)

    @rule(data=st.data(), everything=st.booleans())
    def withdraw(self, data: st.DataObject, everything: bool) -> None:
        if everything:
            gone = list(self.waiting.values())
            out = self.queue.withdraw()
        elif self.waiting:
            key = data.draw(st.sampled_from(sorted({str(test.requirement_key) for test in self.waiting.values()})))
            gone = [test for test in self.waiting.values() if test.requirement_key == key]
            out = self.queue.withdraw(key)
        else:
            return
        assert sorted(test.sequence for test in out) == sorted(test.sequence for test in gone)
        for test in gone:
            del self.waiting[test.sequence]

    @invariant()
    def books_agree(self) -> None:
        lengths = [test.expected_seconds for test in self.waiting.values()]
        seconds = sum(
            self.limits.unknown_seconds if length is None else max(length, self.limits.least_seconds)
            for length in lengths
        )
        unmatched = {
            test.requirement_key
            for test in self.waiting.values()
            if not any(self.fit(test, node) for node in self.nodes)
        }
        assert self.queue.waiting == len(self.waiting)
        assert self.queue.waiting_seconds == pytest.approx(seconds, abs=1e-9)
        assert self.queue.slots == sum(node.slots for node in self.nodes.values())
        assert set(self.queue.unmatched()) == unmatched


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=50, stateful_step_count=40)


def test_what_was_picked_and_is_back_stands_where_it_stood(queued: MakeTest) -> None:
    queue = make_queue(offer("a", 1))
    tests = [queued(number, 0.1, file="test_a.py") for number in range(4)]
    for number in (3, 1, 2, 0):
        queue.add(tests[number])

    assert [test.sequence for pick in queue.picks() for test in pick.tests] == [0, 1, 2, 3]


@pytest.mark.parametrize(("slots", "order"), [((1,), [0, 1, 2, 3]), ((2,), [3, 1, 2, 0]), ((1, 1), [3, 1, 2, 0])])
def test_on_the_one_slot_of_a_fleet_items_go_in_the_order_of_their_collection(
    queued: MakeTest, slots: tuple[int, ...], order: list[int]
) -> None:
    queue = make_queue()
    for number, seconds in enumerate((1.0, 3.0, 2.0, 4.0)):
        queue.add(queued(number, seconds, collected=True))
    for number, count in enumerate(slots):
        queue.node_joined(offer(f"n{number}", count))
    numbers: list[int] = []
    while queue.waiting:
        for node_id, picked in pick_all(queue):
            numbers += picked
            queue.slot_freed(node_id)
    assert numbers == order


@given(
    st.lists(st.tuples(st.sampled_from([None, 0.01, 0.6, 3.0]), st.sampled_from("abc")), min_size=1, max_size=60),
    st.lists(st.integers(1, 2), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_items_that_rely_on_their_order_go_forward_alone_on_each_node(
    suite: list[tuple[float | None, str]], slots: list[int], chance: random.Random
) -> None:
    queue = make_queue(strategy=Strategy.LONGEST_FIRST)
    for number, (seconds, file) in enumerate(suite):
        pack = None if seconds is not None and seconds >= 1.0 else ("entry", file)
        queue.add(
            QueuedTest((f"t{number}", ""), number, "", Priority.MEDIUM, seconds, pack, collected=True, ordered=True)
        )
    for number, count in enumerate(slots):
        queue.node_joined(offer(f"n{number}", count))
    given: dict[str, list[int]] = {}
    under_way: list[str] = []
    while queue.waiting:
        for pick in queue.picks():
            given.setdefault(pick.node_id, []).extend(test.sequence for test in pick.tests)
            under_way.append(pick.node_id)
        queue.slot_freed(under_way.pop(chance.randrange(len(under_way))))
    assert sorted(number for numbers in given.values() for number in numbers) == list(range(len(suite)))
    assert all(numbers == sorted(numbers) for numbers in given.values())


def waiting_for_slot(queued: MakeTest, *, slots: int, seconds: float, tests: int) -> ReadyQueue:
    """A node `a` of one slot that has a test, beside others that are taken too; so many tests wait."""
    queue = make_queue(offer("a", 1), *([offer("b", slots - 1)] if slots > 1 else []))
    for number in range(slots):
        queue.add(queued(number, 9.0))
    assert len(list(queue.picks())) == slots
    for number in range(tests):
        queue.add(queued(100 + number, seconds))
    return queue


def prefetched(queue: ReadyQueue, behind: float) -> list[int]:
    pick = queue.prefetch("a", behind, lambda _: True)
    return [] if pick is None else [test.sequence for test in pick.tests]


@pytest.mark.parametrize(
    ("behind", "seconds", "tests", "expected"),
    [(1.0, 9.0, 1, [100]), (1.1, 9.0, 1, []), (1.0, 9.0, 0, []), (6.0, 3.0, 5, []), (6.0, 3.0, 6, [100])],
)
def test_what_is_prefetched_does_not_wait_longer_than_a_slot_has_work(
    queued: MakeTest, behind: float, seconds: float, tests: int, expected: list[int]
) -> None:
    queue = waiting_for_slot(queued, slots=2, seconds=seconds, tests=tests)

    assert prefetched(queue, behind) == expected
    assert queue.waiting == tests - len(expected)


def test_where_one_slot_fits_anything_is_prefetched(queued: MakeTest) -> None:
    assert prefetched(waiting_for_slot(queued, slots=1, seconds=9.0, tests=1), 60.0) == [100]


def test_a_prefetch_takes_no_slot(queued: MakeTest) -> None:
    queue = waiting_for_slot(queued, slots=1, seconds=9.0, tests=2)
    prefetched(queue, 1.0)
    assert pick_all(queue) == []

    queue.slot_freed("a")

    assert pick_all(queue) == [("a", [101])]


def test_a_scope_is_prefetched_only_where_all_of_it_may_wait(queued: MakeTest) -> None:
    queue = waiting_for_slot(queued, slots=2, seconds=3.0, tests=0)
    for number in range(6):
        queue.add(queued(number, 3.0, scope="db"))

    assert prefetched(queue, 6.0) == []
    assert prefetched(queue, 1.0) == [0, 1, 2, 3, 4, 5]
