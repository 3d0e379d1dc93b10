"""Tests that wait together."""

from __future__ import annotations

import math
from collections.abc import Callable

from pulseq.models import Priority
from pulseq.planning.bundle import Bundle, bundle_key
from pulseq.planning.packing import WHOLE_FILES, DispatchFill, PackLimits
from pulseq.planning.queued import QueuedTest

MakeTest = Callable[..., QueuedTest]
LIMITS = PackLimits(pack_seconds=2.0)


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
