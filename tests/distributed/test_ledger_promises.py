"""Whatever nodes do and in whatever order it is heard: one verdict a test, attempts counted without gaps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pulseq.events import AttemptStarted, TestClosed, TestExpanded, TestPlanned
from pulseq.models import AttemptResult, CommandBody, Key, Reason, Status, TestCase
from pulseq.records import fold, is_own_failure
from pulseq.results.codec import decode_line, encode_line
from pulseq.run.ledger import Begun, Next
from tests.run.told import Told

OUTCOMES = st.sampled_from(
    [
        (Status.PASSED, None),
        (Status.SKIPPED, Reason.SKIP),
        (Status.FAILED, Reason.ASSERTION),
        (Status.ERROR, Reason.TIMEOUT),
        (Status.ERROR, Reason.CRASH),
        (Status.ERROR, Reason.NODE_LOST),
    ]
)


@dataclass(eq=False)
class Body:
    """A test at work on a node, as the node sees it: it may not know that it was given up."""

    key: Key
    node: str
    attempt: int
    in_place: bool
    begun: bool = False


#: A late teardown makes a verdict worse, or has the test skipped, and nothing else.
AMENDMENTS = {(Status.PASSED, Status.SKIPPED), (Status.PASSED, Status.ERROR), (Status.SKIPPED, Status.ERROR)}


class LedgerMachine(RuleBasedStateMachine):
    """Nodes that begin, end, vanish and come back late, with a dispatcher that does what the ledger says."""

    def __init__(self) -> None:
        super().__init__()
        self.events = Told()
        self.ledger = self.events.ledger()
        self.queued: list[Key] = []
        self.at_work: list[Body] = []
        self.given_up: list[Body] = []
        self.nodes = 0

    @rule(retries=st.integers(0, 2))
    def plan(self, retries: int) -> None:
        case = TestCase(f"t{len(self.events)}", CommandBody(("true",)), max_retries=retries)
        self.ledger.plan(case)
        self.queued.append(case.key)

    @precondition(lambda self: self.queued)
    @rule(data=st.data(), in_place=st.booleans())
    def send(self, data: st.DataObject, in_place: bool) -> None:
        key = data.draw(st.sampled_from(self.queued))
        self.queued.remove(key)
        self.nodes += 1
        self.ledger.sent(key, f"n{self.nodes}")
        self.at_work.append(Body(key, f"n{self.nodes}", self.ledger.test(key).next_attempt, in_place))

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.tell_start(data.draw(st.sampled_from(self.at_work)))

    @precondition(lambda self: self.at_work)
    @rule(data=st.data(), outcome=OUTCOMES)
    def finish(self, data: st.DataObject, outcome: tuple[Status, Reason | None]) -> None:
        body = data.draw(st.sampled_from(self.at_work))
        if not body.begun:
            self.tell_start(body)
        following = self.tell_result(body, *outcome)
        if following is Next.RETRY_THERE:
            body.attempt, body.begun = body.attempt + 1, False
            return
        self.at_work.remove(body)
        self.given_up.append(body)
        if following is Next.RETRY_ALONE:
            self.queued.append(body.key)

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def try_again_within_pytest(self, data: st.DataObject) -> None:
        body = data.draw(st.sampled_from(self.at_work))
        if not body.begun:
            self.tell_start(body)
        left = self.ledger.test(body.key).retries_left
        assert self.tell_result(body, Status.FAILED, Reason.ASSERTION, rerun=True) is Next.UNDER_WAY
        body.attempt += 1
        assert self.ledger.test(body.key).retries_left == left

    @precondition(lambda self: self.at_work)
    @rule(data=st.data())
    def lose_node(self, data: st.DataObject) -> None:
        body = data.draw(st.sampled_from(self.at_work))
        self.at_work.remove(body)
        self.given_up.append(body)
        untold = data.draw(st.sampled_from(Begun))
        lost = self.ledger.lose_node(body.node, {body.key: untold}, "silent")
        self.queued += [*lost.alone, *lost.apart, *lost.again]

    @precondition(lambda self: self.given_up)
    @rule(data=st.data(), outcome=OUTCOMES)
    def hear_late(self, data: st.DataObject, outcome: tuple[Status, Reason | None]) -> None:
        body = data.draw(st.sampled_from(self.given_up))
        self.tell_start(body)
        assert self.tell_result(body, *outcome) is Next.NOTHING

    @precondition(lambda self: self.queued)
    @rule(data=st.data(), reason=st.sampled_from([Reason.UNSATISFIABLE, Reason.INTERNAL]))
    def close_queued(self, data: st.DataObject, reason: Reason) -> None:
        key = data.draw(st.sampled_from(self.queued))
        self.queued.remove(key)
        self.ledger.close(key, reason, "no place")

    @precondition(lambda self: self.at_work)
    @rule(data=st.data(), cases=st.integers(0, 3))
    def expand(self, data: st.DataObject, cases: int) -> None:
        body = data.draw(st.sampled_from(self.at_work))
        self.at_work.remove(body)
        self.given_up.append(body)
        self.ledger.expand(body.key, cases)

    @rule()
    def stop(self) -> None:
        self.given_up += self.at_work
        self.at_work, self.queued = [], []
        for key in self.ledger.open_keys():
            self.ledger.close(key, Reason.CANCELLED, "stopped")
        assert self.ledger.open == 0

    def tell_start(self, body: Body) -> None:
        before = len(self.events)
        self.ledger.start(body.key, body.attempt, body.node, f"task {body.key[0]}")
        assert body in self.at_work or len(self.events) == before
        body.begun = True

    def tell_result(self, body: Body, status: Status, reason: Reason | None, *, rerun: bool = False) -> Next:
        result = AttemptResult(body.key[0], body.attempt, body.node, status, reason=reason, rerun=rerun)
        return self.ledger.finish(result, in_place=body.in_place)

    @invariant()
    def a_journal_of_it_comes_to_the_same(self) -> None:
        journal = [decode_line(encode_line(number, 0.0, event)).event for number, event in enumerate(self.events, 1)]
        assert fold(journal) == self.events.record

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def read_the_journal_on_from_its_middle(self, data: st.DataObject) -> None:
        middle = data.draw(st.integers(0, len(self.events)))
        assert fold(self.events[middle:], fold(self.events[:middle])) == self.events.record

    @precondition(lambda self: self.events)
    @rule()
    def go_on_after_the_driver_has_ended(self) -> None:
        """Another driver goes on with what the events tell: it knows of no node, and has the cases from the suite."""
        cases = {key: test.case for key, test in self.events.record.tests.items()}
        self.given_up += self.at_work
        self.at_work = []
        self.events.record = fold(self.events)
        for key, test in self.events.record.tests.items():
            test.case = cases[key]
        self.ledger = self.events.ledger()
        for key, test in self.events.record.tests.items():
            if test.begun is not None and test.closed is None:
                self.ledger.lose_node(test.begun.node_id, {key: Begun.NO}, "the driver has ended")
        self.queued = self.ledger.open_keys()

    @invariant()
    def every_test_is_open_or_has_its_verdict(self) -> None:
        planned = [event.test_id for event in self.events if isinstance(event, TestPlanned)]
        gone = {event.test_id for event in self.events if isinstance(event, TestClosed | TestExpanded)}
        assert [key[0] for key in self.ledger.open_keys()] == [name for name in planned if name not in gone]
        assert self.ledger.open == len(set(planned) - gone)

    @invariant()
    def a_verdict_is_given_once_and_only_a_late_teardown_amends_it(self) -> None:
        verdicts: dict[str, TestClosed] = {}
        for event in self.events:
            if isinstance(event, TestClosed) and event.test_id in verdicts:
                earlier = verdicts[event.test_id]
                assert (earlier.status, event.status) in AMENDMENTS
                assert (event.attempts, event.node_id) == (earlier.attempts, earlier.node_id)
            if isinstance(event, TestClosed):
                verdicts[event.test_id] = event
        assert list(self.ledger.verdicts()) == [verdicts[name] for name in self.planned_order() if name in verdicts]
        assert self.ledger.failures == sum(map(is_own_failure, verdicts.values()))

    def planned_order(self) -> list[str]:
        return [event.test_id for event in self.events if isinstance(event, TestPlanned)]

    @invariant()
    def attempts_begin_once_and_count_from_one(self) -> None:
        starts = Counter((e.test_id, e.attempt) for e in self.events if isinstance(e, AttemptStarted))
        assert set(starts.values()) <= {1}
        for name in {name for name, _ in starts}:
            numbers = sorted(attempt for other, attempt in starts if other == name)
            assert numbers == list(range(1, len(numbers) + 1))

    @invariant()
    def a_verdict_is_that_of_its_last_attempt(self) -> None:
        for record in fold(self.events).tests.values():
            verdict = record.closed
            if verdict is None or verdict.reason in (Reason.UNSATISFIABLE, Reason.INTERNAL, Reason.CANCELLED):
                continue
            assert sorted(record.attempts) == list(range(1, verdict.attempts + 1))
            last = record.attempts[verdict.attempts]
            assert (last.status, last.reason, last.node_id) == (verdict.status, verdict.reason, verdict.node_id)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=40, stateful_step_count=40)
