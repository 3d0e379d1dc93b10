"""What failed tests say in one line: the words of pytest's own short test summary."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = {
    "test_says.py": """
        import pytest

        @pytest.fixture
        def broken(): raise OSError("no device")

        @pytest.fixture
        def left(): yield; raise OSError("still open")

        def test_message(): n = 7; assert n % 15 != 7, "the cart of customer 7 is empty"
        def test_plain(): assert [1, 2] == [1, 3]
        def test_raises(): raise ValueError("first line\\nsecond line")
        def test_fails(): pytest.fail("not today")
        def test_silent(): raise KeyError
        def test_setup(broken): pass
        def test_teardown(left): pass
        def test_both(left): assert 0, "the test itself"
        def test_chained():
            try:
                {}["k"]
            except KeyError as error:
                raise ValueError("no such key") from error
        """,
    "test_wide.py": """
        import pytest

        @pytest.fixture(scope="module")
        def wide(): yield; raise OSError("the wide one is still open")

        def test_late(wide): pass
        """,
}


@pytest.fixture(scope="module")
def by_pytest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    def run(path: Path, *arguments: str) -> dict[str, str]:
        command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-rfE", *arguments]
        out = subprocess.run(command, cwd=path, capture_output=True, text=True, env={"COLUMNS": "500"}).stdout
        told = re.findall(r"^(?:FAILED|ERROR) \S+::(\w+)(?: - (.*))?$", out, re.MULTILINE)
        return dict(reversed(told))  # the failure of a test stands above that of its teardown

    return run


@pytest.mark.parametrize("arguments", [(), ("--tb=short",), ("--tb=no",), ("--tb=native",)])
def test_they_are_pytests_own(suite: Any, by_pytest: Any, arguments: tuple[str, ...]) -> None:
    folder = suite(FILES)

    run = folder.run(args=arguments)

    said = {result.test_id.rpartition("::")[2]: result.short for result in [*run.results, *run.late] if result.reason}
    assert by_pytest(folder.path, *arguments) == said
    assert "AssertionError: the cart of customer 7 is empty" == said["test_message"]


def test_what_passed_says_nothing(suite: Any) -> None:
    run = suite({"test_fine.py": "def test_fine(): pass\n"}).run()

    assert [None] == [result.short for result in run.results]
