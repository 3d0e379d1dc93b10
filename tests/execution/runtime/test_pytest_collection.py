"""What a session says of its collection, and of what pytest refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulseq.models import Reason, Status

FINE = {"test_a.py": "import pytest\n@pytest.mark.slow\ndef test_a(): pass\ndef test_b(): pass\n"}
MARKS = {"pytest.ini": "[pytest]\nmarkers = slow\n"}


def test_items_have_their_place_and_their_marks(suite: Any) -> None:
    first, second = suite({**FINE, **MARKS}).run().collection.items
    assert (first.nodeid, first.location, first.marks) == ("test_a.py::test_a", "test_a.py:2", ("slow",))
    assert second.marks == ()


def test_keyword_and_markers_narrow_what_the_arguments_select(suite: Any) -> None:
    folder = suite({**FINE, **MARKS})
    by_keyword = folder.run(args=("-k", "test_a or test_b"), keyword="test_b").collection
    by_marker = folder.run(markers="slow").collection
    assert [item.nodeid for item in by_keyword.items] == ["test_a.py::test_b"]
    assert [item.nodeid for item in by_marker.items] == ["test_a.py::test_a"]
    assert by_marker.deselected == 1


def test_a_selection_of_nothing_is_empty(suite: Any) -> None:
    collection = suite(FINE).run(keyword="nothing_is_called_so").collection
    assert (collection.items, collection.verdicts, collection.usage_error) == ((), (), None)


def test_collection_errors_and_skipped_modules_are_verdicts(suite: Any) -> None:
    files = {
        "test_broken.py": "import not_there\n",
        "test_skipped.py": "import pytest\npytest.skip('no device', allow_module_level=True)\n",
    }
    run = suite({**FINE, **files}).run()
    broken, skipped = run.collection.verdicts
    assert (broken.nodeid, broken.status, broken.reason) == ("test_broken.py", Status.ERROR, Reason.SETUP)
    assert "No module named 'not_there'" in broken.error
    assert (skipped.status, skipped.reason, skipped.error) == (Status.SKIPPED, Reason.SKIP, "no device")
    assert run.verdicts() == {"test_a": "passed", "test_b": "passed"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"args": ("--no-such-option",)}, "unrecognized arguments: --no-such-option"),
        ({"targets": ("not_there.py",)}, "file or directory not found: not_there.py"),
        ({"targets": ("test_a.py::test_c",)}, "test_c"),
        ({"keyword": "a or or"}, "Wrong expression passed to '-k'"),
        ({"targets": ("no_such_package",), "pyargs": True}, "no_such_package"),
        ({"args": ("--collect-only",)}, "--collect-only runs nothing"),
        ({"args": ("--version", "--version")}, "--version runs nothing"),
        ({"args": ("--version",)}, "it ran nothing, and said: pytest"),
        ({"args": ("--help",)}, "--help runs nothing"),
        ({"python": "/no/such/python"}, "the interpreter '/no/such/python' cannot be started"),
        ({"cwd": "/no/such/directory"}, "the directory '/no/such/directory' does not exist"),
    ],
)
def test_a_refusal_is_told_in_pytests_own_words(more: dict[str, Any], expected: str, suite: Any) -> None:
    collection = suite(FINE).run(**more).collection
    assert collection.items == ()
    assert expected in (collection.usage_error or "")


@pytest.mark.parametrize(
    ("conftest", "expected"),
    [
        ("import not_there\n", "No module named 'not_there'"),
        ("def pytest_configure(): raise RuntimeError('not today')\n", "not today"),
        ("def pytest_sessionstart(): raise RuntimeError('not today')\n", "not today"),
        ("import pytest\ndef pytest_collection(): pytest.exit('closed')\n", "closed"),
        ("raise SystemExit('closed')\n", "closed"),
        ("import os; os._exit(7)\n", "exit code 7"),
        ("import os; os.abort()\n", "signal 6 (SIGABRT)"),
    ],
)
def test_a_conftest_that_breaks_is_told_with_its_text(conftest: str, expected: str, suite: Any) -> None:
    collection = suite({**FINE, "conftest.py": conftest}).run().collection
    assert expected in (collection.usage_error or "")


def test_options_that_stop_early_or_wait_for_a_person_change_nothing(suite: Any) -> None:
    files = {"test_x.py": "def test_x(): assert 0\ndef test_y(): assert 0\ndef test_z(): pass\n"}
    run = suite(files).run(args=("-x", "--pdb", "--stepwise"))
    assert run.verdicts() == {"test_x": "failed", "test_y": "failed", "test_z": "passed"}


def test_pytests_cache_of_last_failures_is_written_by_the_controller(suite: Any) -> None:
    folder = suite({"test_x.py": "def test_x(): assert 0\ndef test_y(): pass\n"})
    folder.run(slots=2, pack=1)
    cache = folder.path / ".pytest_cache" / "v" / "cache" / "lastfailed"
    assert json.loads(cache.read_text()) == {"test_x.py::test_x": True}


def test_an_item_that_is_there_twice_has_two_names(suite: Any) -> None:
    run = suite(FINE).run(targets=("test_a.py", "test_a.py"), args=("--keep-duplicates",))
    names = [item.nodeid for item in run.collection.items]
    assert len(set(names)) == len(names) == len(run.results)


@pytest.mark.parametrize(
    ("hook", "ordered"),
    [
        ("", False),
        ("items[:] = [item for item in items if 'b' not in item.name]", False),
        ("items.sort(key=lambda item: item.name)", True),
        ("items.reverse()", True),
        ("items[:] = items[1::-1] + items[2:]", False),  # within a file, whose order is kept anyway
    ],
)
def test_a_hook_that_moves_items_past_those_of_other_files_wants_their_order(
    hook: str, ordered: bool, suite: Any
) -> None:
    files = {f"test_{name}.py": "def test_a(): pass\ndef test_b(): pass\n" for name in "xy"}
    conftest = f"def pytest_collection_modifyitems(items):\n    {hook or 'pass'}\n"
    assert suite({**files, "conftest.py": conftest}).run().collection.ordered == ordered
