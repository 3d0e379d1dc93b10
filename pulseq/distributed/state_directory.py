"""The directory that everything of ours is kept in."""

from __future__ import annotations

from pathlib import Path

from pulseq.errors import UsageError


def prepare_home(home: Path, *parts: str) -> Path:
    """Make the state directory and, in it, the directory that `parts` name; that one's path.

    Raises:
        UsageError: it cannot be written.
    """
    directory = home.joinpath(*parts)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise UsageError(
            f"the state directory {str(home)!r} cannot be written ({error.strerror}); "
            "set PULSEQ_HOME to a directory that can"
        ) from error
    return directory
