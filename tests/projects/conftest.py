"""Projects to be sent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with files of several kinds."""
    root = tmp_path / "shop"
    for name in ("a.py", "src/b.py", "src/data/c.bin", "build/out.o"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def git(root: Path, *arguments: str) -> None:
    """Have git do something there, whatever the machine has configured."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, "-C", str(root), *arguments], check=True, capture_output=True)
