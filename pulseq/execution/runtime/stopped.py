"""What has been stopped (SIGSTOP) is no dead process: nobody hears of its end, and all who need it would wait for ever.

It is told to go on, which loses nothing; what is stopped again and again is killed, which everybody hears of.
A debugger stops in another way, and is left alone.
"""

from __future__ import annotations

import signal
from typing import Callable, Dict, Iterator, Optional, Tuple

from .process_tree import ProcessStat, read_stat

LOOK_SECONDS = 1.0
#: Found stopped so many times in a row: nobody is going to continue it in a moment.
LOOKS = 3
#: So many times it is continued in vain.
CONTINUATIONS = 2
_STOPPED = "T"


class StoppedRule:
    """When to continue a process, and when to kill it. Pure: it is told what each look has found.

    Args:
        continuations: how often in a row it is continued before it is killed.
        looks: how many in a row have to find it stopped.
    """

    def __init__(self, continuations: int = CONTINUATIONS, looks: int = LOOKS) -> None:
        self._continuations = continuations
        self._wanted = looks
        self._looks = 0
        self._continued = 0

    def judge(self, state: str) -> Optional[int]:
        """The signal that a process is to get which was just found in this state, as `/proc` has it; None for none."""
        if state != _STOPPED:
            self._looks = self._continued = 0
            return None
        self._looks += 1
        if self._looks < self._wanted:
            return None
        self._looks = 0
        if self._continued == self._continuations:
            return signal.SIGKILL
        self._continued += 1
        return signal.SIGCONT


class StoppedLooks:
    """Looks at processes again and again, by a clock that is passed in.

    Args:
        looks: how many in a row have to find one stopped.
    """

    def __init__(self, read: Callable[[int], Optional[ProcessStat]] = read_stat, *, looks: int = LOOKS) -> None:
        self._read = read
        self._wanted = looks
        self._rules: Dict[int, StoppedRule] = {}
        self._next_at = 0.0

    def watch(self, pid: int) -> None:
        """Look at this process, too, until it has ended."""
        self._rules[pid] = StoppedRule(looks=self._wanted)

    def seconds_left(self, now: float) -> Optional[float]:
        """Until the next look; None where there is nothing to look at."""
        return max(0.0, self._next_at - now) if self._rules else None

    def look(self, now: float, parents: "Tuple[int, ...]") -> Iterator[Tuple[int, int]]:
        """Who is to get which signal, where a look is due; what is no child of these parents any more is forgotten."""
        if now < self._next_at:
            return
        self._next_at = now + LOOK_SECONDS
        for pid, rule in list(self._rules.items()):
            stat = self._read(pid)
            if stat is None or stat.state in "ZX" or stat.parent not in parents:
                del self._rules[pid]
                continue
            number = rule.judge(stat.state)
            if number is not None:
                yield pid, number
