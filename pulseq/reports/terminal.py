"""The console that reports are printed on."""

from __future__ import annotations

from rich.console import Console


class Terminal(Console):
    """A rich console that falls silent when its terminal or pipe goes away.

    Rich's own would end the program with exit code 1, which here means failed tests.
    """

    def on_broken_pipe(self) -> None:
        self.quiet = True
