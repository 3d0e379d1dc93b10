import asyncio

import pytest

from pulseq.execution.attempt import SimulatedAttempt
from pulseq.models import AttemptOrder, Reason, SimulateBody, Status, TestCase


def simulated(body, *, stop=None, variant="", timeout=None):
    async def main():
        order = AttemptOrder("run", TestCase("test", body, variant=variant), 1, timeout)
        attempt = SimulatedAttempt(order, "node1", body)
        if stop is not None:
            attempt.stop(stop)
        return await attempt.result()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Status.PASSED, None),
        (Status.FAILED, Reason.ASSERTION),
        (Status.ERROR, Reason.EXCEPTION),
        (Status.SKIPPED, Reason.SKIP),
    ],
)
def test_a_simulated_body_comes_to_what_it_was_told_to(outcome, reason):
    result = simulated(SimulateBody(0.02, outcome), variant="v")
    assert (result.status, result.reason, result.simulated, result.variant) == (outcome, reason, True, "v")
    assert result.duration >= 0.02
    assert result.metrics == {
        "duration": result.duration,
        "response_time": result.duration,
        "memory_usage": 0.0,
        "cpu_usage": 0.0,
    }


def test_a_simulated_body_can_be_stopped():
    result = simulated(SimulateBody(300), stop=Reason.CANCELLED)
    assert (result.status, result.reason) == (Status.ERROR, Reason.CANCELLED)


def test_a_simulated_body_has_a_timeout():
    result = simulated(SimulateBody(300), timeout=0.02)
    assert (result.status, result.reason) == (Status.ERROR, Reason.TIMEOUT)
    assert "timeout" in result.error


def test_who_asks_is_told_when_an_attempt_is_done():
    async def main():
        body = SimulateBody(0)
        attempt = SimulatedAttempt(AttemptOrder("run", TestCase("test", body)), "node1", body)
        told = []
        attempt.when_done(told.append)
        await attempt.result()
        await asyncio.sleep(0)
        return told == [attempt]

    assert asyncio.run(main())


def test_trouble_of_our_own_is_an_internal_error_and_not_raised():
    class Broken(SimulatedAttempt):
        async def _carry_out(self):
            raise RuntimeError("out of order")

    async def main():
        body = SimulateBody(0)
        return await Broken(AttemptOrder("run", TestCase("test", body)), "node1", body).result()

    result = asyncio.run(main())
    assert (result.status, result.reason) == (Status.ERROR, Reason.INTERNAL)
    assert "RuntimeError: out of order" in result.error
