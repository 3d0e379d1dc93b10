"""Put on the way of Python's start as `sitecustomize`: tells of each call of a function of PulseQ.

`CALLS_TOLD` names the file of what is told, a line for each call: when, in Unix seconds, in which file, of what. Those
under a function of `CALLS_LEFT_OUT` (names, separated by commas) are not told. A process with an event loop begins
when that file is there: to import Prefect would take it long otherwise. What a process has told stays told, however
it ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

SERVERS = ("pulseq.orchestration.api_server", "pulseq.orchestration.server_process")


def watch(told: str, package: str, left_out: frozenset[str]) -> None:
    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(package):
            return
        above: FrameType | None = frame
        while above is not None:
            if above.f_code.co_qualname in left_out:
                return
            above = above.f_back
        file = frame.f_code.co_filename[len(package) :]
        line = f"{time.time():.6f} {file} {frame.f_code.co_qualname}\n"
        # Opened anew: a process may have given all its descriptors away since.
        descriptor = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)

    def begin() -> None:
        sys.setprofile(note)
        threading.setprofile(note)

    if "launcher" in sys.orig_argv:
        begin()
        return
    import asyncio

    run: Any = asyncio.Handle._run

    def run_watched(handle: Any) -> None:
        if sys.getprofile() is None and os.path.exists(told):
            begin()
        run(handle)

    asyncio.Handle._run = run_watched  # type: ignore[method-assign]


if "CALLS_TOLD" in os.environ and not any(name in sys.orig_argv for name in SERVERS):
    watch(
        os.environ["CALLS_TOLD"],
        os.path.join(Path(os.environ["CALLS_OF"]).resolve(), ""),
        frozenset(os.environ["CALLS_LEFT_OUT"].split(",")),
    )
