"""`python -m tests.chaos`: kills and stops whatever a run consists of, and checks what was promised."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.seed import Outcome, run_seed


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds one after the other; the exit code is 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=40, help="how many seeds (40)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the tests of a run take, about (60)")
    parser.add_argument("--keep", type=Path, help="keep the directories of seeds that were not well here")
    chosen = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        place = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        outcome = run_seed(seed, place, seconds=chosen.seconds)
        outcomes.append(outcome)
        print(outcome, flush=True)
        if outcome.broken:
            for fault in outcome.faults:
                print(f"    {fault}", flush=True)
            if chosen.keep is not None:
                shutil.copytree(place, chosen.keep / f"seed-{seed}", dirs_exist_ok=True, ignore_dangling_symlinks=True)
        shutil.rmtree(place, ignore_errors=True)
    bad = [outcome.seed for outcome in outcomes if outcome.broken]
    faults = sum(len(outcome.faults) for outcome in outcomes)
    print(f"{len(outcomes)} seeds, {faults} faults; not well: {bad or 'none'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
