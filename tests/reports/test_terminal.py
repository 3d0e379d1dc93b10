"""The console that reports are printed on."""

from __future__ import annotations

import io

from rich.console import Group
from rich.text import Text

from pulseq.reports.terminal import Terminal


def test_a_pipe_that_breaks_silences_the_console_and_ends_nothing() -> None:
    class Broken(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            raise BrokenPipeError

    stream = Broken()
    terminal = Terminal(file=stream)
    for _ in range(3):
        terminal.print("line")
    assert stream.writes == 1


def test_a_line_that_is_not_to_be_wrapped_is_left_whole_for_the_terminal_to_wrap() -> None:
    stream = io.StringIO()
    terminal = Terminal(file=stream, width=20, force_terminal=True, _environ={})

    terminal.print(Group(Text("x" * 30, no_wrap=True, overflow="ignore")))

    assert stream.getvalue() == "x" * 30 + "\n"
