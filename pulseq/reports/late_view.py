"""A view of a run that may fail without the run: it loses what it would have shown, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pulseq.events import Event


class RunView(Protocol):
    """Somebody who watches a run."""

    def start(self) -> None: ...
    def keep_drawing(self) -> None: ...
    def handle(self, event: Event) -> None: ...
    def tick(self) -> None: ...
    def stop(self) -> None: ...


class LateView:
    """A view that is made, and started, with the first event.

    Only `handle` raises: what went wrong elsewhere comes out of it with the next event, once, so that the run has it
    among its notes.

    Attributes:
        trouble: the first error that no event has brought out yet.
    """

    def __init__(self, make: Callable[[], RunView]) -> None:
        self._make = make
        self._view: RunView | None = None
        self.trouble: Exception | None = None

    def handle(self, event: Event) -> None:
        """Have it take an event in; the first one before it starts, so that it has something to show."""
        if self._view is None:
            self._view = self._make()
            self._try(lambda view: view.handle(event))
            self._try(lambda view: view.start())
        else:
            self._try(lambda view: view.handle(event))
        trouble, self.trouble = self.trouble, None
        if trouble is not None:
            raise trouble

    def keep_drawing(self) -> None:
        """Have it draw by itself from now on."""
        self._try(lambda view: view.keep_drawing())

    def tick(self) -> None:
        """Let it say what is due by the clock."""
        self._try(lambda view: view.tick())

    def stop(self) -> None:
        """End it, where it has begun."""
        self._try(lambda view: view.stop())

    def _try(self, act: Callable[[RunView], None]) -> None:
        if self._view is not None:
            try:
                act(self._view)
            except Exception as error:  # noqa: BLE001 - whatever it is, no verdict depends on it
                self.trouble = self.trouble or error
