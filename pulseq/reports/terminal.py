"""The console that reports are printed on."""

from __future__ import annotations

from typing import Any

from rich.console import Console


class Terminal(Console):
    """A rich console that falls silent when its terminal or pipe goes away, and cuts no line that is not to be wrapped.

    Rich's own would end the program with exit code 1, which here means failed tests.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **{"crop": False, **options})

    def on_broken_pipe(self) -> None:
        self.quiet = True
