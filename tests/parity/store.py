"""Sources and virtual environments, which are kept between runs outside of the repository."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.parity.suite import Suite

#: What every environment has besides.
BASE = ("pytest==9.2.0", "pytest-xdist==3.8.0")
_PIP_SECONDS = 600.0
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


class StoreError(Exception):
    """A source or an environment cannot be made: no network, or no such version."""


def default_cache() -> Path:
    """The directory for sources and environments where none is named."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pulseq-parity"


@dataclass(frozen=True, slots=True)
class Store:
    """Sources and environments below `cache`; environments are those of the interpreter `base_python`."""

    cache: Path
    base_python: Path = Path(sys.executable)

    def source(self, suite: Suite) -> Path | None:
        """The tree of a suite, not to be written to; None where it has none."""
        return self._unpacked(suite.sdist) if suite.sdist else suite.tree

    def python(self, suite: Suite) -> Path:
        """The interpreter of the environment with the packages of a suite; suites with equal packages share it."""
        named = {requirement_name(package) for package in suite.packages}
        packages = sorted({*suite.packages, *(base for base in BASE if requirement_name(base) not in named)})
        key = hashlib.sha256("\n".join([str(self.base_python), *packages]).encode()).hexdigest()[:10]
        place = self.cache / "environments" / f"{suite.name.partition('-')[0].lower()}-{key}"
        if not (place / "complete").exists():
            self._install(place, packages)
        return place / "bin" / "python"

    def _install(self, place: Path, packages: Sequence[str]) -> None:
        sys.stderr.write(f"installing {' '.join(packages)}\n")
        shutil.rmtree(place, ignore_errors=True)
        _run([str(self.base_python), "-m", "venv", "--without-pip", str(place)])
        _run([*_PIP, "--python", str(place / "bin" / "python"), "install", "--quiet", *packages])
        (place / "complete").touch()

    def _unpacked(self, requirement: str) -> Path:
        place = self.cache / "sources" / requirement.replace("==", "-")
        if not place.exists():
            sys.stderr.write(f"downloading the source of {requirement}\n")
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                _unpack(_download(requirement, Path(scratch)), Path(scratch) / "tree")
                (Path(scratch) / "tree").rename(place)
        return place


def requirement_name(requirement: str) -> str:
    """The package that a pinned requirement is about, as pip compares names."""
    return requirement.partition("==")[0].partition("[")[0].lower().replace("_", "-")


def _download(requirement: str, directory: Path) -> Path:
    name = requirement_name(requirement)
    _run([*_PIP, "download", "--quiet", "--no-deps", "--no-binary", name, "--dest", str(directory), requirement])
    return next(directory.glob("*.tar.gz"))


def _unpack(archive: Path, place: Path) -> None:
    """The only directory of an archive becomes `place`."""
    with tarfile.open(archive) as tar:
        tar.extractall(place.with_suffix(".unpacked"), filter="data")
    next(place.with_suffix(".unpacked").iterdir()).rename(place)


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PIP_SECONDS)
    except subprocess.CalledProcessError as error:
        last = "\n".join(error.stderr.strip().splitlines()[-5:])
        raise StoreError(f"`{' '.join(command)}` failed: {last}") from error
    except OSError as error:
        raise StoreError(f"`{command[0]}` cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise StoreError(f"`{' '.join(command)}` took more than {_PIP_SECONDS:g} s") from error
