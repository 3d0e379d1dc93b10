"""Dispatches in flight."""

from __future__ import annotations

from pulseq.models import AttemptResult, Priority, PytestItemBody, Reason, SimulateBody, Status, TestCase
from pulseq.planning.queued import QueuedTest
from pulseq.planning.ready_queue import Pick
from pulseq.protocol.work import PytestWork, TestWork
from pulseq.pytest_sessions import PytestSpec
from pulseq.records import SentTo
from pulseq.run.in_flight import DispatchInFlight, InFlight, begun_of, build_dispatch, build_work
from pulseq.run.ledger import Begun, Ledger
from tests.run.told import Told

ONE, TWO = ("one", ""), ("two", "")


def _dispatch(node_id: str, *keys: tuple[str, str]) -> DispatchInFlight:
    tests = {key: QueuedTest(key, number, ()) for number, key in enumerate(keys)}
    return DispatchInFlight(node_id, tests, frozenset(keys[:1]))


def test_a_dispatch_lands_once() -> None:
    in_flight = InFlight()
    dispatch = _dispatch("node1", ONE)
    in_flight.add("1", dispatch)

    assert in_flight.land("1") is dispatch
    assert in_flight.land("1") is None
    assert not in_flight


def test_a_test_is_found_in_its_dispatch_until_that_has_landed() -> None:
    in_flight = InFlight()
    dispatch = _dispatch("node1", ONE, TWO)
    in_flight.add("1", dispatch)

    assert in_flight.carrying(SentTo("node1", "1")) is dispatch
    assert in_flight.carrying(SentTo("node1", "2")) is None
    assert in_flight.carrying(None) is None
    in_flight.land("1")
    assert in_flight.carrying(SentTo("node1", "1")) is None


def test_a_lost_node_takes_its_dispatches_and_no_others() -> None:
    in_flight = InFlight()
    lost, kept = _dispatch("node1", ONE), _dispatch("node2", TWO)
    in_flight.add("1", lost)
    in_flight.add("2", kept)

    assert in_flight.lose_node("node1") == [lost]
    assert in_flight.land("2") is kept


def test_what_is_under_way_on_a_node_is_known() -> None:
    in_flight = InFlight()
    in_flight.add("1", _dispatch("node1", ONE))
    assert (True, False) == (in_flight.is_on("node1"), in_flight.is_on("node2"))
    in_flight.land("1")

    assert not in_flight.is_on("node1")


def test_a_slot_is_handed_on_to_what_follows() -> None:
    in_flight = InFlight()
    first, second = _dispatch("node1", ONE), _dispatch("node1", TWO)
    second.follows = "1"
    in_flight.add("1", first)
    in_flight.add("2", second)
    assert in_flight.follower_of("1") == ("2", second)

    assert in_flight.land("1") is first
    assert in_flight.hand_on("1", first)
    assert in_flight.land("2") is second
    assert not in_flight.hand_on("2", second)


def test_what_does_not_get_through_has_no_slot_to_hand_on() -> None:
    in_flight = InFlight()
    first, second = _dispatch("node1", ONE), _dispatch("node1", TWO)
    second.follows = "1"
    in_flight.add("1", first)
    in_flight.add("2", second)

    assert in_flight.land("2") is second
    assert in_flight.hand_on("2", second)
    assert in_flight.follower_of("1") is None
    assert in_flight.land("1") is first
    assert not in_flight.hand_on("1", first)


def test_a_lost_node_takes_what_was_only_prefetched_too() -> None:
    in_flight = InFlight()
    prefetched = _dispatch("node1", TWO)
    prefetched.follows = "1"
    in_flight.add("1", _dispatch("node1", ONE))
    in_flight.add("2", prefetched)

    assert prefetched in in_flight.lose_node("node1")
    assert (in_flight.on("node1"), in_flight.is_on("node1")) == ({}, False)


THREE, FOUR = ("three", ""), ("four", "")


def test_of_a_lost_dispatch_the_first_counts_as_begun_and_the_others_may_have() -> None:
    assert {ONE: Begun.NEXT, TWO: Begun.PERHAPS} == begun_of([_dispatch("n", ONE, TWO)], slots=1)


def test_where_one_had_said_that_it_began_those_after_it_may_have() -> None:
    dispatch = _dispatch("n", ONE, TWO)
    dispatch.begin(ONE)
    assert {ONE: Begun.PERHAPS, TWO: Begun.PERHAPS} == begun_of([dispatch], slots=1)


def test_after_a_result_the_next_one_counts_as_begun() -> None:
    dispatch = _dispatch("n", ONE, TWO)
    dispatch.begin(ONE)
    del dispatch.tests[ONE]
    assert {TWO: Begun.NEXT} == begun_of([dispatch], slots=1)


def test_as_many_dispatches_are_at_work_as_there_are_slots_first_those_that_had_begun() -> None:
    waiting, running = _dispatch("n", ONE), _dispatch("n", TWO)
    running.begin(TWO)
    assert {ONE: Begun.PERHAPS, TWO: Begun.PERHAPS} == begun_of([waiting, running], slots=1)
    assert {ONE: Begun.NEXT, TWO: Begun.PERHAPS} == begun_of([waiting, running], slots=2)


def test_what_was_to_follow_has_not_begun_as_long_as_there_is_anything_to_follow() -> None:
    follower = _dispatch("n", THREE, FOUR)
    follower.follows = "1"
    assert {Begun.NO} == {begun_of([_dispatch("n", ONE), follower], slots=1)[key] for key in (THREE, FOUR)}
    assert {THREE: Begun.PERHAPS, FOUR: Begun.PERHAPS} == begun_of([_dispatch("n"), follower], slots=1)


SPEC = PytestSpec("r", "unit", ("tests",), (), False, ".", None)


def _item(name: str, *, entry: str = "unit", **changes: object) -> TestCase:
    return TestCase(f"{entry}::{name}", PytestItemBody(entry, name), **changes)  # type: ignore[arg-type]


def _queued(case: TestCase, *, packed: bool, scope: str | None = None) -> QueuedTest:
    assert isinstance(case.body, PytestItemBody | SimulateBody)
    body = case.body
    entry, file = (body.entry, body.nodeid.split("::", 1)[0]) if isinstance(body, PytestItemBody) else ("", "")
    return QueuedTest(case.key, 1, None, Priority.MEDIUM, None, (entry, file) if packed else None, scope=scope)


def _ledger(*cases: TestCase) -> Ledger:
    ledger = Told().ledger()
    for case in cases:
        ledger.plan(case)
        ledger.sent(case.key, "n1")
    return ledger


def _fail(ledger: Ledger, case: TestCase) -> None:
    ledger.finish(AttemptResult(case.id, 1, "n1", Status.FAILED, reason=Reason.ASSERTION), in_place=False)
    ledger.sent(case.key, "n1")


def test_a_test_of_its_own_is_a_task_run_that_retries_it() -> None:
    case = TestCase("a", SimulateBody(), max_retries=2)

    work, in_place = build_work([_queued(case, packed=False)], _ledger(case), {})

    assert work == [TestWork("a", case, 1, 2)]
    assert in_place == {("a", "")}


def test_items_of_a_file_share_a_task_run_that_retries_none_of_them() -> None:
    cases = [_item(f"test_a.py::test_{n}", max_retries=1, timeout_seconds=3.0) for n in (1, 2)]

    work, in_place = build_work([_queued(case, packed=True) for case in cases], _ledger(*cases), {"unit": SPEC})

    (pack,) = work
    assert isinstance(pack, PytestWork)
    assert (pack.name, pack.max_retries, pack.fresh) == ("test_a.py (2 tests)", 0, False)
    assert [(order.nodeid, order.attempt, order.timeout_seconds) for order in pack.orders] == [
        ("test_a.py::test_1", 1, 3.0),
        ("test_a.py::test_2", 1, 3.0),
    ]
    assert in_place == frozenset()


def test_a_pack_of_one_is_named_after_its_test() -> None:
    case = _item("test_a.py::test_1")

    (pack,), _ = build_work([_queued(case, packed=True)], _ledger(case), {"unit": SPEC})

    assert pack.name == "unit::test_a.py::test_1"


def test_the_files_of_a_dispatch_share_a_task_run() -> None:
    cases = [_item("test_a.py::test_1"), _item("test_b.py::test_1"), _item("test_c.py::test_1")]

    (work,), _ = build_work([_queued(case, packed=True) for case in cases], _ledger(*cases), {"unit": SPEC})

    assert work.name == "test_a.py and 2 more files (3 tests)"
    assert isinstance(work, PytestWork)
    assert [order.test_id for order in work.orders] == [case.id for case in cases]


def test_packs_of_two_entries_are_two_task_runs() -> None:
    cases = [_item("test_a.py::test_1"), _item("test_a.py::test_2", entry="other")]

    work, _ = build_work([_queued(case, packed=True) for case in cases], _ledger(*cases), {"unit": SPEC, "other": SPEC})

    assert [one.name for one in work] == ["unit::test_a.py::test_1", "other::test_a.py::test_2"]


def test_an_item_that_is_tried_again_gets_a_fork_of_its_own_and_what_retries_are_left() -> None:
    case = _item("test_a.py::test_1", max_retries=2, retry_delay_seconds=0.5)
    ledger = _ledger(case)
    _fail(ledger, case)

    (work,), in_place = build_work([_queued(case, packed=False)], ledger, {"unit": SPEC})

    assert isinstance(work, PytestWork)
    assert (work.fresh, work.max_retries, work.retry_delay_seconds, work.orders[0].attempt) == (True, 1, 0.5, 2)
    assert work.failed_before
    assert in_place == {case.key}


def test_a_test_that_lost_its_node_has_not_failed_before() -> None:
    case = TestCase("a", SimulateBody())
    ledger = _ledger(case)
    ledger.start(case.key, 1, "n1", "task")
    ledger.lose_node("n1", {case.key: Begun.NO}, "silence")

    (work,), _ = build_work([_queued(case, packed=False)], ledger, {})

    assert (2, False) == (work.attempt, work.failed_before)


def test_a_scope_is_a_task_run_of_its_own_that_stays_whole() -> None:
    cases = [_item(f"test_a.py::test_{number}") for number in range(6)]
    scopes = (None, "db", "db", "net", None, None)
    queued = [_queued(case, packed=True, scope=scope) for case, scope in zip(cases, scopes, strict=True)]

    work, _ = build_work(queued, _ledger(*cases), {"unit": SPEC})

    assert [([order.nodeid[-1] for order in one.orders], one.whole) for one in work if isinstance(one, PytestWork)] == [
        (["0"], False),
        (["1", "2"], True),
        (["3"], True),
        (["4", "5"], False),
    ]


def test_what_is_sent_is_named_after_where_it_goes() -> None:
    case = TestCase("cart", SimulateBody(), priority=Priority.HIGH, labels={"smoke": True})
    pick = Pick("node1", (_queued(case, packed=False),))

    dispatch, flight = build_dispatch("1", "r", pick, _ledger(case), {})

    assert ["cart @ node1, high, smoke"] == [unit.name for unit in dispatch.work]
    assert dict(zip(dispatch.task_runs, ["cart @ node1, high, smoke"], strict=True)) == flight.task_runs


def test_labels_stay_at_home_for_they_may_be_anything() -> None:
    case = TestCase("t", SimulateBody(), labels={"fixture": object()}, env={"A": "b"})
    dispatch, _ = build_dispatch("1", "r", Pick("n1", (_queued(case, packed=False),)), _ledger(case), {})

    (work,) = dispatch.work
    assert isinstance(work, TestWork)
    assert ({}, {"A": "b"}) == (work.test.labels, work.test.env)
    assert work.name.startswith("t @ n1, medium, fixture=")
