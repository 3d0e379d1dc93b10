"""How long Dask's connections live without a sign of life, on either side."""

from __future__ import annotations

import math
from typing import Any

#: Dask tells the system to ask ten times, a second apart, and fails where the limit leaves no room for that.
_LEAST_SECONDS = 11


def connection_settings(node_timeout: float) -> dict[str, Any]:
    """Settings of Dask's with which a cut that is shorter than `node_timeout` (seconds) ends no connection.

    After a cut TCP tries again about as long after its end as it lasted. So a connection lives for twice as long:
    what is on its way when the link breaks comes late, and is not lost. Dask's own limit is half a minute.
    """
    return {"distributed.comm.timeouts.tcp": f"{max(math.ceil(2 * node_timeout) + 1, _LEAST_SECONDS)} s"}
