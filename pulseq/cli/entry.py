"""Where the `pulseq` script begins: with a run that something else can do, or with the command line's own."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from pulseq.cli.handover import hand_over


def main() -> NoReturn:
    """Entry point of the `pulseq` script."""
    code = hand_over(sys.argv[1:])
    if code is None:
        from pulseq.cli.main import main as main_here  # the parser and its help

        main_here()
    os._exit(code)
