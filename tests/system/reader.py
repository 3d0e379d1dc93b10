"""A reader who follows a page to the letter: one shell, in an empty home and a fresh directory."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.system.page import Step, find_missing
from tests.system.workplace import PATIENCE_SECONDS

_MARK = "--this-command-has-ended--"
#: Takes commands from its standard input, and gives them none: they would read what is to come.
_LOOP = f"""
exec 3<&0 </dev/null
while IFS= read -r -d '' command <&3; do
    eval "$command" 3<&-
    printf '\\n{_MARK} %d\\n' $?
done
"""
#: Stands for `python3 -m venv`: what it makes has the environment of these tests in it, and a pip that looks at what it
#: is given and installs nothing. So the commands of a page are run as they stand, without a network.
_PYTHON = f"""#!/bin/bash
if [ "$1 $2" != "-m venv" ]; then exec {sys.executable} "$@"; fi
mkdir -p "$3/bin" && cp {{tools}}/* "$3/bin/"
"""
_PIP = """#!/bin/bash
[ "$1" = install ] || { echo "found $*, expected install"; exit 2; }
shift
while [ $# -gt 0 ]; do
    case "$1" in
        --quiet|--editable|-e|-q) ;;
        --constraint|-c) shift; [ -f "$1" ] || { echo "found no file $1"; exit 1; } ;;
        .|".[dev]") [ -f pyproject.toml ] || { echo "found no project here"; exit 1; } ;;
        *) echo "found $1, expected the project itself"; exit 2 ;;
    esac
    shift
done
"""


@dataclass
class Reader:
    """Does what a page says, in its order.

    Attributes:
        shell: takes commands, each ended by a zero byte.
        directory: where the page begins.
    """

    shell: subprocess.Popen[bytes]
    directory: Path
    _programs: int = 0

    def follow(self, step: Step) -> None:
        """Do one step.

        Raises:
            AssertionError: it did not end well, or has not written what the page shows.
        """
        if step.file:
            self._run(step, f"cat > {step.file} <<'--end--'\n{step.text}--end--")
        elif step.is_program:
            self._programs += 1
            program = self.directory / f"program{self._programs}.py"
            program.write_text(step.text, encoding="utf-8")
            self._run(step, f"python {program}")
        else:
            self._run(step, step.command)

    def _run(self, step: Step, command: str) -> None:
        assert self.shell.stdin is not None
        self.shell.stdin.write(command.encode() + b"\0")
        self.shell.stdin.flush()
        written, _, code = self._read(step).partition(f"\n{_MARK} ")
        assert "0" == code.strip(), f"{step.place}: `{command}` ended with {code.strip()}:\n{written}"
        missing = find_missing(step.written, written)
        assert missing is None, f"{step.place}: `{command}` did not write {missing!r}, but:\n{written}"

    def _read(self, step: Step) -> str:
        assert self.shell.stdout is not None
        descriptor, written = self.shell.stdout.fileno(), b""
        deadline = time.monotonic() + 3 * PATIENCE_SECONDS
        while not (_MARK.encode() in written and written.endswith(b"\n")):
            ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
            chunk = os.read(descriptor, 65_536) if ready else b""
            assert chunk, f"{step.place}: it has not ended, and has written:\n{written.decode(errors='replace')}"
            written += chunk
        return written.decode(errors="replace")


@contextmanager
def reading(
    directory: Path, environment: dict[str, str], *, installed: bool, programs: Path | None = None
) -> Iterator[Reader]:
    """A reader with an environment of its own; what the page has left running is ended with it.

    Args:
        installed: whether PulseQ is there already, as the page says; else the page has to install it.
        programs: a directory of others that go before those of the system.
    """
    tools, path = directory.parent / "tools", directory.parent / "path"
    for name in ("python", "python3", "pulseq", "prefect", "pytest"):
        module = "" if name.startswith("python") else f"-m {name} "
        _write_program(tools / name, f'#!/bin/bash\nexec {sys.executable} {module}"$@"\n')
    _write_program(tools / "pip", _PIP)
    _write_program(path / "python3", _PYTHON.format(tools=tools))
    places = [str(tools) if installed else str(path), *([str(programs)] if programs else [])]
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-c", _LOOP],
        cwd=directory,
        env={**environment, "PATH": os.pathsep.join([*places, "/usr/bin", "/bin"])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Reader(shell, directory)
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        with shell:  # closes its pipes
            shell.wait(PATIENCE_SECONDS)


def _write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
