"""`pulseq setup`: what Prefect is to watch for."""

from __future__ import annotations

import asyncio
import os
import sys

from pulseq.orchestration.api_address import check_api
from pulseq.ownership import default_home
from pulseq.standing.known_api import configure, known_api

_ADVICE = (
    "they notify nobody yet: make a notification block (`prefect block create slack-webhook`, or on the page Blocks) "
    "and call `pulseq setup --notify slack-webhook/NAME`"
)


def setup(*, notify: str | None = None) -> int:
    """Make Prefect's automations for runs without a heartbeat, nodes down, failed nightlies, tests newly failing.

    May be called again at any time: what is there is kept, with what people have changed.

    Args:
        notify: A notification block as TYPE/NAME, such as slack-webhook/team, that they are to call.
    """
    api = known_api(default_home())
    asyncio.run(check_api(api.url))
    configure(api)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    from pulseq.orchestration.automations import set_up_automations

    results = asyncio.run(set_up_automations(notify=notify))
    for result in results:
        told = ", notifies" if result.notifies else ""
        print(f"{result.name}: {result.done}{told}", file=sys.stderr)
    if not any(result.notifies for result in results):
        print(_ADVICE, file=sys.stderr)
    return 0
