"""By how much a node's clock differs from that of whoever asks it.

A probe tells it as far as its way was short: the node's time, read some time between question and answer, against the
middle of both. The true offset lies within half of the round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: An offset that is not sure to be longer is none: nobody sees it, and clocks are not read more exactly than that.
LEAST_SECONDS = 0.005
#: Beyond this people are told: tests that compare times of two machines see it.
FAR_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far a node's clock is ahead of ours; both numbers are seconds.

    Attributes:
        offset: its time less ours; below zero where it is behind.
        uncertainty: the true offset is not further from that.
    """

    offset: float
    uncertainty: float

    @property
    def shift(self) -> float:
        """What to take off the node's times to have ours: nothing where the clocks may be the same."""
        return self.offset if abs(self.offset) - self.uncertainty > LEAST_SECONDS else 0.0

    @property
    def is_far(self) -> bool:
        """Whether people should set that clock."""
        return abs(self.offset) - self.uncertainty > FAR_SECONDS


def measure_offset(asked_at: float, answered_at: float, seconds: float, told: float) -> ClockOffset | None:
    """What a question and its answer tell; None where our own clock was set meanwhile.

    Args:
        asked_at, answered_at: when, by our clock, in Unix seconds.
        seconds: that passed between, by a clock that nobody sets.
        told: what the node's clock said, in Unix seconds.
    """
    if abs(answered_at - asked_at - seconds) > max(LEAST_SECONDS, seconds / 2):
        return None
    return ClockOffset(told - asked_at - seconds / 2, seconds / 2)


def say_offset(clock: ClockOffset) -> str:
    """For people: `41.2 s ahead`."""
    return f"{abs(clock.offset):.1f} s {'ahead' if clock.offset > 0 else 'behind'}"


def read_clock_id() -> str:
    """What the clock of this machine is known by: all that one start of a kernel runs has one. Empty where none tells.

    Machines that were copied while they ran may have the same: a measured offset is to be believed rather than this.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
