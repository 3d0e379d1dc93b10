"""The console that reports are printed on."""

from __future__ import annotations

import io

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
