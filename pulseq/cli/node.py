"""`pulseq node`: the nodes of a fleet."""

from __future__ import annotations

from cyclopts import App

app = App(name="node", help="The nodes of a fleet.")
# By name, as in `main`: each is imported when it is used.
app.command("pulseq.cli.node_start:start", name="start", help="Join a fleet with this machine.")
app.command("pulseq.cli.node_list:list_nodes", name="list", help="Tell what each node is, has and does.")
app.command("pulseq.cli.node_marks:drain", name="drain", help="Give nodes nothing more, and let them finish.")
app.command("pulseq.cli.node_marks:undrain", name="undrain", help="Let nodes have tests again.")
app.command("pulseq.cli.node_marks:cordon", name="cordon", help="Give nodes nothing new.")
app.command("pulseq.cli.node_install:install", name="install", help="Put this release of PulseQ on other hosts.")
