"""Where the `pulseq` script begins: with a run that something else can do, or with the command line's own."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import NoReturn

from pulseq.cli.handover import hand_over


def main() -> NoReturn:
    """Entry point of the `pulseq` script."""
    fill_streams()
    escape_what_cannot_be_written()
    try:
        code = hand_over(sys.argv[1:])
        if code is None:
            from pulseq.orchestration.early_server import load_early

            load_early(sys.argv[1:], Path(os.environ.get("PULSEQ_HOME") or ".pulseq"))
            from pulseq.cli.main import main as main_here  # the parser and its help

            main_here()
    except KeyboardInterrupt:
        # What knows how to end a command is not loaded yet: half a second, or more on a busy machine.
        from pulseq.errors import ExitCode

        print("pulseq: interrupted", file=sys.stderr)
        code = ExitCode.INTERRUPTED
        from pulseq.orchestration.early_server import end_loading

        end_loading()
    os._exit(code)


def fill_streams() -> None:
    """Give a stream that was closed before we began (`>&-`) to nobody: else the next file would be in its place."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
            stream = open(number, mode, closefd=False)  # noqa: SIM115 - for as long as we live
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def escape_what_cannot_be_written() -> None:
    """Tell as an escape, as on standard error, what the encoding of the answer has no character for."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
