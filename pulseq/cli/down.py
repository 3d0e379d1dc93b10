"""`pulseq down`: the end of what `pulseq up` has started."""

from __future__ import annotations

import sys

from pulseq.ownership import default_home
from pulseq.standing.standing_control import end_cluster


def down() -> int:
    """End what `pulseq up` has started, and wait until all of it is gone.

    Runs that use it end with exit code 10.
    """
    cluster = end_cluster(default_home())
    if cluster is None:
        print("nothing runs", file=sys.stderr)
    else:
        nodes = len(cluster.fleet.nodes)
        told = "1 node and all that belonged to it" if nodes == 1 else f"{nodes} nodes and all that belonged to them"
        print(f"ended: {told}", file=sys.stderr)
    return 0
