"""`pulseq node`: the nodes of a fleet."""

from __future__ import annotations

from cyclopts import App

app = App(name="node", help="The nodes of a fleet.")
# By name, as in `main`: each is imported when it is used.
app.command("pulseq.cli.node_start:start", name="start", help="Join a fleet with this machine.")
