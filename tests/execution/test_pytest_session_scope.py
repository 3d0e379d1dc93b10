"""How long the fixtures of a session stay up, where a slot does not know what comes next."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from pulseq.models import Reason, Status
from pulseq.pytest_sessions import Following

CONFTEST = """
    import os, pytest

    def note(text):
        with open("log", "a") as log:
            log.write(text + "\\n")

    @pytest.fixture(scope="session", autouse=True)
    def database():
        note("up")
        yield
        note("down")

    @pytest.fixture(scope="module", autouse=True)
    def table():
        note("table")
        yield
        note("no table")

    def pytest_runtest_protocol(item, nextitem):
        note(f"{item.name}, then {nextitem and nextitem.name}")
"""
#: What a slot hears that does something else meanwhile.
MORE = Following(more=True)
ITEM = "def test_{}(): pass\n"


def folder_of(suite: Callable[..., Any], conftest: str = CONFTEST, **files: str) -> Any:
    default = {"test_a.py": ITEM.format("a"), "test_b.py": ITEM.format("b")}
    return suite({"conftest.py": textwrap.dedent(conftest), **(files or default)})


@pytest.mark.parametrize("after", [None, MORE])
def test_a_session_is_set_up_once_whether_or_not_it_is_known_what_comes_next(
    after: Following | None, suite: Any
) -> None:
    folder = folder_of(suite)

    run = folder.run(pack=1, after=after)

    then = ("test_b", "None") if after is None else ("a later item", "a later item")
    expected = [f"test_a, then {then[0]}", "up", "table", "no table", f"test_b, then {then[1]}", "table", "no table"]
    assert [*expected, "down"] == folder.log()
    assert ([Status.PASSED] * 2, []) == ([result.status for result in run.results], run.late)


@pytest.mark.parametrize("fails", [False, True])
def test_what_fails_or_is_left_when_a_session_ends_at_last_is_of_its_last_item(fails: bool, suite: Any) -> None:
    conftest = f"""
        import os, pathlib, pytest

        @pytest.fixture(scope="session", autouse=True)
        def recorder():
            pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], "begun.txt").write_text("begun")
            yield
            pathlib.Path(os.environ["PULSEQ_ARTIFACTS"], "video.txt").write_text("all of it")
            print("it was told to end")
            assert not {fails}, "the recorder hangs"
    """
    folder = folder_of(suite, conftest)

    run = folder.run(pack=1, after=MORE)

    (late,) = run.late
    assert late.test_id == "test_b.py::test_b"
    assert (late.status, late.reason) == ((Status.ERROR, Reason.SETUP) if fails else (Status.PASSED, None))
    assert fails == ("the recorder hangs" in (late.error or ""))
    assert "it was told to end" in late.output
    assert (late.short, "pytest_late_teardown" in (late.error or "")) == (
        "AssertionError: the recorder hangs" if fails else None,
        False,
    )
    assert run.ended is not None
    assert run.ended.exit_status == fails
    assert {"test_a": {"own/begun.txt": "begun"}} == run.artifacts()
    assert (run.left_late[late.test_id] / "own" / "video.txt").read_text() == "all of it"


def test_a_later_item_is_one_as_hooks_know_them(suite: Any) -> None:
    conftest = """
        def pytest_runtest_teardown(item, nextitem):
            if nextitem is not None:
                assert nextitem.session is item.session
                assert (nextitem.cls, nextitem.module, nextitem.function) == (None, None, None)
                assert nextitem.get_closest_marker("slow") is None
                assert nextitem.nodeid and nextitem.path and nextitem.location and nextitem.listnames()
    """
    folder = folder_of(suite, conftest)

    run = folder.run(pack=1, after=MORE)

    assert [Status.PASSED] * 2 == [result.status for result in run.results], run.results


@pytest.mark.parametrize("isolation", ["fork", "interpreter"])
def test_what_comes_after_the_end_of_a_session_has_a_process_of_its_own(isolation: str, suite: Any) -> None:
    """Interpreters go on: another one would have to collect first."""
    folder = folder_of(suite, CONFTEST.replace('text + "', 'f"{text} {os.getpid()}'))

    run = folder.run(pack=1, after=Following(), isolation=isolation)

    assert [Status.PASSED] * 2 == [result.status for result in run.results]
    ups, downs = ([line.split()[1] for line in folder.log() if line.startswith(step)] for step in ("up ", "down "))
    assert (ups, len(set(ups))) == (downs, 2 if isolation == "fork" else 1)
