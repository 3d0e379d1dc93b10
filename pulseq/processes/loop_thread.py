"""An event loop in a thread of its own, where what a program has under way is kept: servers, nodes, runs, calls.

Whoever uses the API has an event loop that must go on turning: importing Prefect takes a second, opening a
flow run a tenth of one. It is not bound to that loop either, so one session may serve several, one after the other.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
#: How long a program that forgot to close a session waits for it at its end.
EXIT_PATIENCE_SECONDS = 15.0


class LoopThread:
    """Runs coroutines for callers in other threads, until it is stopped; the thread starts with the first.

    Args:
        farewell: awaited in the thread when it is stopped, whoever stops it.
    """

    def __init__(self, farewell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._farewell = farewell
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        #: Done once the thread has said farewell.
        self._ended: Future[None] = Future()
        self._ended.set_running_or_notify_cancel()  # whoever waits for it cannot cancel it
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def started(self) -> bool:
        return self._thread is not None

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here; cancelling the one cancels the other.

        Raises:
            RuntimeError: the thread was stopped.
        """
        return await asyncio.wrap_future(self.submit(coroutine))

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine there, from any thread; what it comes to.

        Raises:
            RuntimeError: the thread was stopped.
        """
        loop = self._start()
        if self._ended.done():
            coroutine.close()
            raise RuntimeError("the session was closed")
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    async def stop(self) -> None:
        """Say farewell and end the thread; afterwards it is gone."""
        if self._thread is None:
            return
        self.leave()
        await asyncio.wrap_future(self._ended)
        self._thread.join()

    def leave(self) -> None:
        """Have the thread end by itself, without waiting for it; from any thread."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stop.set)

    def leave_and_join(self) -> None:
        """The same, waiting for a while: what the end of the program does."""
        self.leave()
        if self._thread is not None:
            self._thread.join(EXIT_PATIENCE_SECONDS)

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._thread is None:
                # A daemon: a program that forgets its session must be able to end.
                self._thread = threading.Thread(target=self._main, name="pulseq-loop", daemon=True)
                self._thread.start()
                _at_exit(self)
        self._ready.wait()
        assert self._loop is not None
        return self._loop

    def _main(self) -> None:
        asyncio.run(self._serve())
        self._ended.set_result(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="pulseq-loop"))
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        await self._farewell()


_open: set[LoopThread] = set()


def _at_exit(thread: LoopThread) -> None:
    if not _open:
        _register(_leave_all)
    _open.add(thread)
    thread._ended.add_done_callback(lambda _: _open.discard(thread))


def _leave_all() -> None:
    threads = list(_open)
    for thread in threads:
        thread.leave()
    for thread in threads:
        thread.leave_and_join()


def _register(callback: Callable[[], None]) -> None:
    # Before the pools of threads are shut down, which closing a session needs (the last that registers is
    # called first, and they did when this module was loaded); `atexit` comes after that.
    early = getattr(threading, "_register_atexit", None)
    (early or atexit.register)(callback)
