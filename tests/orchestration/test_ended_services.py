"""What Prefect's client keeps of services that have ended, and what it keeps without us."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

from prefect._internal.concurrency.services import QueueService

from pulseq.orchestration.ended_services import forget_ended_services


class _Service(QueueService[int]):
    """A service as Prefect's events worker is one."""

    async def _handle(self, item: int) -> None:
        """Nothing is to be done."""


def _run_service(*key: int) -> Any:
    service = _Service.instance(*key)
    service.send(1)
    return service


def _calls_at_the_exit_of_services() -> list[Any]:
    calls = threading._threading_atexits  # type: ignore[attr-defined]
    return [call for call in calls if isinstance(getattr(call.func, "__self__", None), QueueService)]


def test_a_service_that_has_ended_is_let_go_of_and_one_that_goes_on_is_not() -> None:
    ended = weakref.ref(_run_service())
    _Service.drain_all(timeout=10)
    going_on = _run_service()
    gc.collect()
    assert ended() is not None  # else there would be nothing to do

    forget_ended_services()

    gc.collect()
    assert ended() is None
    assert any(call.func.__self__ is going_on for call in _calls_at_the_exit_of_services())
    assert not going_on._stopped
    going_on.drain()
