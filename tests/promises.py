"""What users are promised in seconds. A limit in a test is one of these, and none that a broken promise would keep."""

from __future__ import annotations

#: How long a body has to heed SIGTERM, as the guide of suites says.
GRACE_SECONDS = 1.0
#: No process outlives its test by more, and none its run.
OUTLIVED_SECONDS = GRACE_SECONDS + 2.0
#: A body is dead that long after its node.
DEAD_WITH_NODE_SECONDS = 2.0
#: A node is a member again that long after a scheduler listens where the one was that it has lost.
BACK_SECONDS = 15.0
#: Whoever looks is told that long after something cannot be used.
TOLD_SECONDS = 10.0
