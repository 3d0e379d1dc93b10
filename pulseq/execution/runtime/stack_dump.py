"""Where a process was when it was ended, out of what Python's faulthandler wrote: the test's own frames first."""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple

#: The first line of an error whose next lines are frames ends so.
FRAMES_FOLLOW = "; it was at:"
_MOST_FRAMES = 8
_MOST_THREADS = 4
_MOST_OF_A_THREAD = 3

_THREAD = re.compile(r"^(Current thread|Thread) (0x[0-9a-f]+)(?: \[(?P<name>[^\]]*)\])? \(most recent call first\):")
_FRAME = re.compile(r'^\s+File "(?P<path>[^"]*)", line (?P<line>\d+) in (?P<name>.+)$')
_OURS = os.path.dirname(os.path.abspath(__file__))
_PYTESTS = re.compile(r"(^|/)(_pytest|pluggy)/|(^|/)pytest/__main__\.py$|^<frozen ")


class Stack(NamedTuple):
    """The frames of one thread, innermost first, as `path:line in name`."""

    current: bool
    name: str
    frames: List[str]


def stacks_in(text: str) -> List[Stack]:
    """The stacks that a dump holds, the thread that ran first; without frames of pytest's and of ours."""
    stacks: List[Stack] = []
    for line in text.splitlines():
        thread = _THREAD.match(line)
        if thread:
            stacks.append(Stack(thread.group(1) == "Current thread", thread.group("name") or thread.group(2), []))
            continue
        frame = _FRAME.match(line)
        if frame and stacks and not _is_foreign(frame.group("path")):
            stacks[-1].frames.append(f"{_shown(frame.group('path'))}:{frame.group('line')} in {frame.group('name')}")
    return sorted((stack for stack in stacks if stack.frames), key=lambda stack: not stack.current)


def say_stacks(text: str) -> List[str]:
    """The lines that say where it was: the frames of the test, then the threads beside it; none where none is known."""
    stacks = stacks_in(text)
    if not stacks or not stacks[0].current:
        return []
    lines = [f"  {frame}" for frame in stacks[0].frames[:_MOST_FRAMES]]
    others = stacks[1:]
    for stack in others[:_MOST_THREADS]:
        lines.append(f"thread {stack.name}: {', '.join(stack.frames[:_MOST_OF_A_THREAD])}")
    if len(others) > _MOST_THREADS:
        lines.append(f"and {len(others) - _MOST_THREADS} more threads")
    return lines


def _is_foreign(path: str) -> bool:
    return path.startswith(_OURS) or _PYTESTS.search(path) is not None


def _shown(path: str) -> str:
    relative = os.path.relpath(path) if os.path.isabs(path) else path
    return path if relative.startswith("..") else relative
