"""Virtual environments for what PulseQ is compared with, made when they are first asked for."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Environments:
    """Environments below a directory that may be kept between measurements."""

    cache: Path

    def python(self, name: str, packages: Sequence[str]) -> Path:
        """The interpreter of the environment `name`, which has these packages."""
        place = self.cache / name
        python = place / "bin" / "python"
        wanted = "\n".join(packages)
        complete = place / "complete.txt"
        if complete.exists() and complete.read_text() == wanted:
            return python
        sys.stderr.write(f"installing {' '.join(packages)} into {place}\n")
        venv.create(place, clear=True, with_pip=True)
        # Warm bytecode on both sides: pip compiles what it installs.
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        complete.write_text(wanted)
        return python

    def versions(self, name: str) -> dict[str, str]:
        """What is installed in an environment, name to version."""
        python = self.cache / name / "bin" / "python"
        done = subprocess.run(
            [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
        )
        return dict(line.split("==", 1) for line in done.stdout.splitlines() if "==" in line)

    def made(self) -> list[str]:
        """The names of the environments that there are."""
        return sorted(path.parent.name for path in self.cache.glob("*/complete.txt"))
