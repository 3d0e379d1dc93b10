"""Commands that do nothing, each in a watched process tree of its own, beside tools that only start them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.bench import Bench, run_command, seconds_of
from tests.benchmarks.row import Measured, Row, Samples, at_most
from tests.benchmarks.standing import pulseq_up

XARGS, PARALLEL = "commands-xargs", "commands-parallel"
_WORK = "`pulseq run` of 2,000 commands `true` on two nodes that are up"
ROWS = (
    Row(XARGS, _WORK, "`xargs -P2`", "s", at_most(4.0)),
    Row(PARALLEL, _WORK, "GNU `parallel -j2`", "s", at_most(1.0)),
)
_OTHERS = {XARGS: ("xargs", "-P2", "-n1", "true"), PARALLEL: ("parallel", "-j2", "true")}


def measure(bench: Bench) -> Measured:
    """Both rows; one run first for nothing, so that the nodes have loaded what a first run loads.

    Raises:
        RuntimeError: a program that it is to be compared with is not there.
    """
    wanted = [name for name in _OTHERS if bench.wants(name)]
    for name in wanted:
        if shutil.which(_OTHERS[name][0]) is None:
            raise RuntimeError(f"found no program `{_OTHERS[name][0]}`; Debian's package has the same name")
    count = bench.size(2000, 50)
    directory = bench.directory("commands")
    (directory / "nothing.yaml").write_text(
        "tests:\n" + "".join(f'  - {{id: t{n}, command: ["true"]}}\n' for n in range(count))
    )
    (directory / "numbers").write_text("".join(f"{n}\n" for n in range(count)))
    with pulseq_up(directory / "home", nodes=2, slots=1) as home:
        ours = partial(_run, [sys.executable, "-m", "pulseq", "run", "nothing.yaml"], directory, home)
        ours()
        own, *others = bench.interleave(
            partial(seconds_of, ours),
            *(
                partial(seconds_of, partial(_run, _reading(directory, _OTHERS[name]), directory, home))
                for name in wanted
            ),
        )
    return {
        name: Samples({"run": own}, {_OTHERS[name][0]: theirs}) for name, theirs in zip(wanted, others, strict=True)
    }


def _reading(directory: Path, command: Sequence[str]) -> list[str]:
    return ["sh", "-c", f'"$@" < {directory / "numbers"}', "sh", *command]


def _run(command: Sequence[str], directory: Path, home: Path) -> None:
    run_command(command, cwd=directory, environment={"PULSEQ_HOME": str(home)})
