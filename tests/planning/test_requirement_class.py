"""The order of tests with equal requirements."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import Priority
from pulseq.planning.packing import WHOLE_FILES, DispatchFill, Pace, PackLimits
from pulseq.planning.queued import QueuedTest
from pulseq.planning.requirement_class import Bundle, RequirementClass, bundle_key
from pulseq.planning.strategies import in_suite_order, longest_test

MakeTest = Callable[..., QueuedTest]
LIMITS = PackLimits(pack_seconds=2.0)


def make_class(limits: PackLimits = LIMITS, *, longest: bool = False) -> RequirementClass:
    order_key = longest_test if longest else in_suite_order
    return RequirementClass("", 1, order_key, limits, Pace(limits.unknown_seconds, limits.least_seconds))


def take(group: RequirementClass, share: float = math.inf) -> list[int]:
    """The numbers of the tests of the next dispatch."""
    return [test.sequence for test in group.take(DispatchFill(group.limits, share))]


def take_all(group: RequirementClass) -> list[list[int]]:
    dispatches = []
    while group.waiting:
        dispatches.append(take(group))
    return dispatches


def test_nothing_waits_in_a_new_class() -> None:
    assert (make_class().head(), make_class().waiting) == (None, 0)


def test_the_highest_priority_goes_first(queued: MakeTest) -> None:
    group = make_class()
    for number, priority in enumerate((Priority.LOW, Priority.CRITICAL, Priority.MEDIUM, Priority.HIGH)):
        group.add(queued(number, 9.0, priority=priority))
    assert take_all(group) == [[1], [3], [2], [0]]


def test_a_dispatch_has_tests_of_one_priority(queued: MakeTest) -> None:
    group = make_class()
    for number, priority in enumerate((Priority.LOW, Priority.HIGH, Priority.LOW, Priority.HIGH)):
        group.add(queued(number, 0.01, priority=priority))
    assert take_all(group) == [[1, 3], [0, 2]]


def test_tests_of_one_file_stay_in_the_order_of_their_collection(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number, seconds in enumerate((0.5, 0.9, None, 0.1, 0.7)):
        group.add(queued(number, seconds, file="test_a.py"))
    assert [number for dispatch in take_all(group) for number in dispatch] == [0, 1, 2, 3, 4]


def test_files_go_one_after_the_other_however_their_items_came(queued: MakeTest) -> None:
    group = make_class()
    for number in range(6):
        group.add(queued(number, 0.1, file="ab"[number % 2]))
    assert take_all(group) == [[0, 2, 4, 1, 3, 5]]


def test_a_file_is_as_urgent_as_the_dispatch_cut_from_it(queued: MakeTest) -> None:
    group = make_class(longest=True)
    group.add(queued(0, 1.5))
    for number in range(1, 41):
        group.add(queued(number, 0.25, file="test_a.py"))
    group.add(queued(41, 3.0))
    assert [dispatch[0] for dispatch in take_all(group)] == [41, 1, 9, 17, 25, 33, 0]


def test_what_is_left_of_a_file_is_less_urgent_than_the_whole(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number in range(10):
        group.add(queued(number, 0.25, file="test_a.py"))
    group.add(queued(10, 1.0))
    assert take_all(group) == [[0, 1, 2, 3, 4, 5, 6, 7], [10], [8, 9]]


def test_a_long_known_item_travels_alone(queued: MakeTest) -> None:
    group = make_class()
    for number, seconds in enumerate((0.5, 2.0, 0.5)):
        group.add(queued(number, seconds, file="test_a.py"))
    assert take_all(group) == [[0], [1], [2]]


def test_small_files_share_a_dispatch_up_to_a_number(queued: MakeTest) -> None:
    group = make_class(PackLimits(most_bundles=3))
    for number in range(7):
        group.add(queued(number, 0.01, file=f"test_{number}.py"))
    assert take_all(group) == [[0, 1, 2], [3, 4, 5], [6]]


def test_an_item_that_comes_after_its_file_was_taken_waits_anew(queued: MakeTest) -> None:
    group = make_class()
    group.add(queued(0, 0.01, file="test_a.py"))
    assert take(group) == [0]
    group.add(queued(1, 0.01, file="test_a.py"))
    assert (group.waiting, take(group), group.waiting) == (1, [1], 0)


def test_a_file_that_grows_after_it_was_looked_at_waits_in_one_place(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number in range(4):
        group.add(queued(number, 0.01, file="test_a.py"))
        group.head()
    assert (take(group), group.head()) == ([0, 1, 2, 3], None)


def test_items_of_one_file_with_different_priorities_wait_apart(queued: MakeTest) -> None:
    group = make_class()
    group.add(queued(0, 0.01, file="test_a.py"))
    group.add(queued(1, 0.01, file="test_a.py", priority=Priority.HIGH))
    assert take_all(group) == [[1], [0]]


@pytest.mark.parametrize("looked", [False, True])
def test_all_that_waits_can_be_withdrawn_once(queued: MakeTest, looked: bool) -> None:
    group = make_class()
    for number in range(4):
        group.add(queued(number, 0.01, file="test_a.py" if number % 2 else None))
        if looked:
            group.head()
    assert sorted(test.sequence for test in group.withdraw()) == [0, 1, 2, 3]
    assert (group.withdraw(), group.waiting, group.head()) == ([], 0, None)


def take_for(group: RequirementClass, node_id: str, *, slots: int = 1) -> list[int]:
    return [test.sequence for test in group.take(DispatchFill(group.limits, math.inf, node_id), slots=slots)]


def two_files(queued: MakeTest) -> RequirementClass:
    """Tests 0 to 5 in one file, 10 to 15 in another; a dispatch takes two of them."""
    group = make_class(PackLimits(most_tests=2))
    for number in range(6):
        group.add(queued(number, 0.1, file="a.py"))
        group.add(queued(10 + number, 0.1, file="b.py"))
    return group


def test_a_node_goes_on_with_the_file_that_it_has_begun(queued: MakeTest) -> None:
    group = two_files(queued)
    assert [take_for(group, node) for node in ("n1", "n2", "n1", "n2")] == [[0, 1], [10, 11], [2, 3], [12, 13]]


def test_a_node_has_a_file_for_each_slot(queued: MakeTest) -> None:
    group = two_files(queued)
    assert [take_for(group, "n1", slots=2) for _ in range(4)] == [[0, 1], [10, 11], [2, 3], [12, 13]]


def test_when_all_is_begun_the_longest_rest_is_taken_from_whoever_has_it(queued: MakeTest) -> None:
    group = two_files(queued)
    taken = [take_for(group, node) for node in ("n1", "n2", "n1", "n3", "n3", "n2", "n1")]
    assert taken == [[0, 1], [10, 11], [2, 3], [12, 13], [14, 15], [4, 5], []]


def test_what_a_node_has_begun_is_anybodys_when_it_leaves(queued: MakeTest) -> None:
    group = two_files(queued)
    take_for(group, "n1")
    group.release("n1")
    assert [take_for(group, "n2"), take_for(group, "n2")] == [[2, 3], [4, 5]]


def test_a_begun_file_keeps_nothing_more_urgent_waiting(queued: MakeTest) -> None:
    group = two_files(queued)
    take_for(group, "n1")
    group.add(queued(20, 9.0, priority=Priority.HIGH))
    assert [take_for(group, "n1"), take_for(group, "n1")] == [[20], [2, 3]]


def test_a_begun_file_of_higher_priority_is_not_left_waiting_for_its_node(queued: MakeTest) -> None:
    group = make_class(PackLimits(most_tests=2))
    for number in range(4):
        group.add(queued(number, 0.1, file="a.py", priority=Priority.HIGH))
    group.add(queued(9, 0.1, file="b.py"))
    assert [take_for(group, node) for node in ("n1", "n2", "n2")] == [[0, 1], [2, 3], [9]]


def test_a_begun_file_that_grows_is_taken_once(queued: MakeTest) -> None:
    group = two_files(queued)
    take_for(group, "n1")
    group.add(queued(6, 0.1, file="a.py"))
    group.add(queued(7, 0.1, file="a.py"))
    rest = sorted(number for dispatch in take_all(group) for number in dispatch)
    assert rest == [2, 3, 4, 5, 6, 7, *range(10, 16)]


def test_begun_files_are_withdrawn_too(queued: MakeTest) -> None:
    group = two_files(queued)
    take_for(group, "n1")
    assert sorted(test.sequence for test in group.withdraw()) == [2, 3, 4, 5, *range(10, 16)]


def test_a_scope_is_taken_whole_and_first_when_one_of_it_is_urgent(queued: MakeTest) -> None:
    group = make_class(PackLimits(most_tests=2))
    group.add(queued(0, 0.1, file="a.py"))
    for number in (1, 2, 3):
        group.add(queued(number, 9.0, scope="db"))
    group.add(queued(4, 9.0, scope="db", priority=Priority.CRITICAL))
    assert take_all(group) == [[1, 2, 3, 4], [0]]


def test_small_scopes_share_a_dispatch(queued: MakeTest) -> None:
    group = make_class()
    for number in range(6):
        group.add(queued(number, 0.1, scope=f"s{number // 2}"))
    assert take_all(group) == [[0, 1, 2, 3, 4, 5]]


def in_order(group: RequirementClass, share: float = math.inf) -> list[int]:
    group.set_in_order(True)
    numbers: list[int] = []
    while group.waiting:
        numbers += take(group, share)
    return numbers


def test_in_order_neither_length_nor_file_moves_an_item(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number, seconds in enumerate((0.1, 7.0, 0.2, None, 1.0)):
        file = None if (seconds or 0.0) >= 1.0 else "ab"[number % 2]
        group.add(queued(number, seconds, file=file, collected=True))
    assert in_order(group) == [0, 1, 2, 3, 4]


def test_in_order_a_scope_stands_where_its_first_item_does(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number, scope in enumerate([None, "s", None, "s", None]):
        group.add(queued(number, 0.1, file=None if scope else "a.py", scope=scope, collected=True))
    assert in_order(group) == [0, 1, 3, 2, 4]


def test_in_order_priorities_come_first(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number in range(4):
        priority = Priority.CRITICAL if number == 2 else Priority.MEDIUM
        group.add(queued(number, 0.1, file="a.py", collected=True, priority=priority))
    assert in_order(group) == [2, 0, 1, 3]


def test_what_is_of_no_session_keeps_the_order_of_the_strategy(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number, seconds in enumerate((1.0, 3.0, 2.0)):
        group.add(queued(number, seconds))
    assert in_order(group) == [1, 2, 0]


def test_when_the_order_is_given_up_the_longest_goes_first_again(queued: MakeTest) -> None:
    group = make_class(longest=True)
    for number in range(3):
        group.add(queued(number, 1.0 + number, collected=True))
    group.set_in_order(True)
    assert take(group) == [0]
    group.set_in_order(False)
    assert take_all(group) == [[2], [1]]


SUITES = st.lists(
    st.tuples(st.sampled_from([None, 0.0, 0.3, 2.0]), st.sampled_from("ab"), st.sampled_from([None, None, "s", "t"])),
    max_size=30,
)


@given(SUITES, st.booleans(), st.integers(1, 5), st.sampled_from([0.1, math.inf]))
def test_each_test_is_taken_once_and_each_scope_whole(
    suite: list[tuple[float | None, str, str | None]], ordered: bool, most: int, share: float
) -> None:
    group = make_class(PackLimits(most_tests=most, most_unknown=2), longest=True)
    group.set_in_order(ordered)
    for number, (seconds, file, scope) in enumerate(suite):
        pack = ("entry", scope or file) if scope or (seconds or 0.0) < 1.0 else None
        key = (f"t{number}", "")
        group.add(QueuedTest(key, number, "", Priority.MEDIUM, seconds, pack, scope=scope, collected=True))
    dispatches = []
    while group.waiting:
        dispatches.append(take(group, share))
    numbers = [number for dispatch in dispatches for number in dispatch]
    assert sorted(numbers) == list(range(len(suite)))
    for scope in {scope for _, _, scope in suite} - {None}:
        members = [number for number in range(len(suite)) if suite[number][2] == scope]
        assert [members] == [found for one in dispatches if (found := [number for number in one if number in members])]
        assert numbers[numbers.index(members[0]) :][: len(members)] == members
    if ordered:
        free = [number for number in numbers if suite[number][2] is None]
        assert free == sorted(free)


def bundle_of(*tests: QueuedTest) -> Bundle:
    bundle = Bundle()
    for test in tests:
        bundle.add(test, LIMITS)
    return bundle


def fill() -> DispatchFill:
    return DispatchFill(LIMITS, math.inf, "n1")


def cut(bundle: Bundle, before: int | None = None) -> list[int]:
    return [test.sequence for test in bundle.cut(fill(), before)]


def test_what_comes_back_stands_where_it_stood(queued: MakeTest) -> None:
    bundle = bundle_of(*(queued(number, 0.1, file="a.py") for number in (1, 3, 2)))

    assert [1, 2, 3] == cut(bundle)


def test_of_a_file_the_shortest_dispatch_is_its_first_test_and_of_a_scope_all_of_it(queued: MakeTest) -> None:
    file = bundle_of(*(queued(number, 0.5, file="a.py") for number in range(4)))
    scope = bundle_of(*(queued(number, 0.5, scope="db") for number in range(4)))

    assert (0.5, 2.0) == (file.least_seconds(LIMITS), file.least_seconds(WHOLE_FILES))
    assert 2.0 == scope.least_seconds(LIMITS)
    assert (3.0, None) == (bundle_of(queued(1, 3.0)).least_seconds(LIMITS), bundle_of(queued(1)).least_seconds(LIMITS))


def test_a_file_is_cut_where_a_dispatch_is_full_and_a_scope_never(queued: MakeTest) -> None:
    file = bundle_of(*(queued(number, 0.9, file="a.py") for number in range(4)))
    scope = bundle_of(*(queued(number, 0.9, scope="db") for number in range(4)))

    assert ([0, 1], [0, 1, 2, 3]) == (cut(file), cut(scope))


def test_a_file_is_cut_before_a_place_in_the_suite(queued: MakeTest) -> None:
    bundle = bundle_of(*(queued(number, 0.1, file="a.py") for number in (1, 2, 7)))

    assert ([1, 2], [7]) == (cut(bundle, before=5), cut(bundle))


def test_a_scope_joins_a_dispatch_only_where_all_of_it_fits(queued: MakeTest) -> None:
    begun = fill()
    begun.add(queued(9, 0.5, file="a.py"))
    small = bundle_of(queued(0, 0.5, scope="s"), queued(1, 0.5, scope="s"))
    large = bundle_of(queued(0, 0.5, scope="s"), queued(1, 1.5, scope="s"))

    assert (True, False, True) == (small.fits(begun), large.fits(begun), large.fits(fill()))


def test_a_scope_is_as_urgent_as_the_most_urgent_in_it(queued: MakeTest) -> None:
    tests = [queued(0, scope="s"), queued(1, scope="s", priority=Priority.CRITICAL)]

    assert bundle_key(tests[0]) == bundle_key(tests[1])
    assert Priority.CRITICAL is bundle_of(*tests).priority


def test_a_scope_takes_as_long_as_all_of_it(queued: MakeTest) -> None:
    tests = [3.0, 4.0]
    scope = bundle_of(*(queued(number, seconds, scope="s") for number, seconds in enumerate(tests)))
    file = bundle_of(*(queued(number, seconds, file="a.py") for number, seconds in enumerate(tests)))

    assert (7.0, LIMITS.pack_seconds) == (scope.head_seconds(LIMITS), file.head_seconds(LIMITS))
