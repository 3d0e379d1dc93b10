"""What people say of a node: whether it is to have tests, why, who says so, and since when."""

from __future__ import annotations

import getpass
import socket
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

#: Longer reasons are cut: each run on the fleet tells them.
MOST_WHY_CHARACTERS = 500


class MarkState(StrEnum):
    """What a node that lives is to have: whatever fits it, or nothing new.

    From one that is draining also what it has not begun is taken back.
    """

    OPEN = "open"
    DRAINING = "draining"
    CORDONED = "cordoned"


class NodeMark(Struct, frozen=True, omit_defaults=True):
    """A mark of the node with this id, whichever process has it now or later.

    Attributes:
        why: in the words of who made it; may be empty.
        who: has made it.
        at: when, in Unix seconds.
    """

    node_id: str
    state: MarkState
    why: str = ""
    who: str = ""
    at: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the node may have tests, as without a mark."""
        return self.state is MarkState.OPEN

    def after(self, before: NodeMark | None) -> NodeMark:
        """What is said from now on: the mark before, where this one says no more than that one does."""
        return self if before is None or before.state is not self.state or self.why else before

    def say(self, *, drained: bool = False) -> str:
        """As in `draining since 30 Nov 07:40 by anna@desk: new firmware`; `drained` where nothing is left on it."""
        state = "drained" if drained and self.state is MarkState.DRAINING else self.state.value
        since = f" since {datetime.fromtimestamp(self.at):%-d %b %H:%M}" if self.at else ""
        by = f" by {self.who}" if self.who else ""
        return f"{state}{since}{by}{f': {self.why}' if self.why else ''}"


def user_here() -> str:
    """Who makes a mark on this machine, as `anna@desk`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
