import os
import socket
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.results.regular_file import expect_file


@pytest.mark.parametrize("kind", ["directory", "FIFO", "socket", "device"])
def test_what_stands_there_instead_of_a_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    match kind:
        case "directory":
            path.mkdir()
        case "FIFO":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
        case _:
            path.symlink_to("/dev/null")
    with pytest.raises(UsageError, match=f"the list '.*place' is a {kind}, expected a file: remove it"):
        expect_file(path, "the list", "remove it")


def test_a_file_and_nothing_are_fine(tmp_path: Path) -> None:
    expect_file(tmp_path / "nothing", "the list", "remove it")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    expect_file(tmp_path / "link", "the list", "remove it")
