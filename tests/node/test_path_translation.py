"""Paths of a project, there and here."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.models import AttemptResult, CallBody, CommandBody, PytestWarning, Reason, Status, TestCase
from pulseq.node.path_translation import PathTranslation
from pulseq.protocol.from_node import AttemptEnd, CasesFound, DispatchDone
from pulseq.protocol.project_files import Workspace
from pulseq.protocol.work import Dispatch, PytestWork, TestWork, Work
from pulseq.pytest_sessions import CollectedItem, Collection, PytestOrder, PytestSpec

PATHS = PathTranslation(Workspace("/home/me/shop", "/c/w/ab/shop", ("/real/shop",)))


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("/home/me/shop", "/c/w/ab/shop"),
        ("/home/me/shop/tests/a.py:3", "/c/w/ab/shop/tests/a.py:3"),
        ("--x=/home/me/shop/a,/home/me/shop/b", "--x=/c/w/ab/shop/a,/c/w/ab/shop/b"),
        ("/home/me/shop2/a", "/home/me/shop2/a"),
        ("/home/me/shop.old", "/home/me/shop.old"),
        ("tests/a.py", "tests/a.py"),
    ],
)
def test_a_text_is_translated_and_comes_back(there: str, here: str) -> None:
    assert here == PATHS.to_here(there)
    assert there == PATHS.to_home(here)


APP = PathTranslation(Workspace("/app", "/c/w/ab/app", ("/work",)))


@pytest.mark.parametrize(
    "text",
    [
        "curl http://svc/app/health",
        "http://svc:8080/app",
        "http://[::1]/app/x",
        "https://app/x",
        "/opt/app/bin/tool",
        "/srv/ci/work/x",
        "../app/x",
        "/opt/c++/app",
        "$HOME/app:${HOME}/app:$(pwd)/app:~/app",
        "**/app/*.py",
        "-Irel/app",
        "--with-x/app",
        "sqlite:///app/x.db",
        "sqlite+aiosqlite:///app/x.db",
    ],
)
def test_what_only_ends_like_a_path_of_the_project_stays(text: str) -> None:
    assert text == APP.to_here(text) == APP.to_home(text)


@pytest.mark.parametrize(
    "text",
    [
        "file:///app/x",
        "git+file:///app",
        "sqlite:////app/x.db",
        "/usr/bin:/app/b:/app",
        "-I/app -L/app/lib",
        "--root=/app",
        "\"/app/x\" '/app/y'",
        "(/app/x) [/app/y] {/app/z}",
        "cat </app/x >/app/y 2>/app/z;/app/run",
        "@/app/args",
        "a\n/app/x",
    ],
)
def test_a_path_of_the_project_is_found_wherever_it_begins(text: str) -> None:
    here = APP.to_here(text)
    assert text.replace("/app", "/c/w/ab/app") == here
    assert text == APP.to_home(here)


@given(st.lists(st.sampled_from(["/app", "/opt", "app", "x", "/", ":", "://", "-", "-I", ".", "=", " ", '"', "svc"])))
def test_what_goes_there_and_back_is_as_it_was(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert text == APP.to_home(APP.to_here(text))


def test_another_path_to_the_project_is_translated_too() -> None:
    assert "/c/w/ab/shop/x" == PATHS.to_here("/real/shop/x")


def test_what_is_around_the_tree_is_told_as_what_is_around_the_project() -> None:
    assert "/home/me/other" == PATHS.to_home("/c/w/ab/other")
    assert "in /home/me." == PATHS.to_home("in /c/w/ab.")


def run_here(work: Work) -> Any:
    return PATHS.dispatch_here(Dispatch("1", "r", (work,), (uuid4(),))).work[0]


def test_a_test_finds_all_of_its_paths_here_and_keeps_its_id() -> None:
    body = CommandBody(("/home/me/shop/run", "--x=/home/me/shop"), junit="/home/me/shop/*.xml")
    case = TestCase(
        "at /home/me/shop", body, cwd="/home/me/shop/t", python="/home/me/shop/v/bin/python", env={"D": "/home/me/shop"}
    )
    there = run_here(TestWork("n", case, 1, 0)).test

    assert CommandBody(("/c/w/ab/shop/run", "--x=/c/w/ab/shop"), junit="/c/w/ab/shop/*.xml") == there.body
    assert ("/c/w/ab/shop/t", "/c/w/ab/shop/v/bin/python", {"D": "/c/w/ab/shop"}) == (
        there.cwd,
        there.python,
        there.env,
    )
    assert "at /home/me/shop" == there.id


def test_the_arguments_of_a_call_are_translated() -> None:
    body = CallBody("a:b", ("/home/me/shop/x", 3, None), {"places": ["/home/me/shop/y"], "flag": True})
    there = run_here(TestWork("n", TestCase("t", body), 1, 0)).test.body
    assert CallBody("a:b", ("/c/w/ab/shop/x", 3, None), {"places": ["/c/w/ab/shop/y"], "flag": True}) == there


def test_items_and_their_session_are_translated() -> None:
    spec = PytestSpec(
        "r",
        "e",
        ("/home/me/shop/t",),
        ("--rootdir=/home/me/shop",),
        False,
        "/home/me/shop",
        None,
        (("A", "/real/shop"),),
    )
    order = PytestOrder("/home/me/shop::t", "", "t.py::t[/home/me/shop/x]")
    there = run_here(PytestWork("n", spec, (order,)))

    assert (("/c/w/ab/shop/t",), ("--rootdir=/c/w/ab/shop",)) == (there.spec.targets, there.spec.args)
    assert ("/c/w/ab/shop", (("A", "/c/w/ab/shop"),)) == (there.spec.cwd, there.spec.env)
    assert ("/home/me/shop::t", "t.py::t[/c/w/ab/shop/x]") == (there.orders[0].test_id, there.orders[0].nodeid)
    assert there.spec is PATHS.spec_here(spec)


def test_an_item_whose_name_has_the_paths_of_the_project_itself_is_found_again() -> None:
    paths = PathTranslation(Workspace("/p", "/w/1/p"))
    names = ("t.py::t[/p/x]", "t.py::t[/w/1/p/y]", "t.py::t")
    told = paths.collection_home(Collection(tuple(CollectedItem(name, "t.py:1") for name in names)))
    orders = tuple(PytestOrder("i", "", item.nodeid) for item in told.items)
    work = PytestWork("n", PytestSpec("r", "e", (), (), False, "/p", None), orders)
    there = paths.dispatch_here(Dispatch("1", "r", (work,), (uuid4(),))).work[0]

    assert ["t.py::t[/p/x]", "t.py::t[/p/y]", "t.py::t"] == [item.nodeid for item in told.items]
    assert isinstance(there, PytestWork)
    assert list(names) == [order.nodeid for order in there.orders]


def test_nothing_that_goes_home_shows_the_workspace() -> None:
    place = "/c/w/ab/shop"
    result = AttemptResult(
        "t", 1, "n", Status.FAILED, reason=Reason.ASSERTION, error=f"{place}/a.py:3", output=f"in {place}",
        warnings=(place,), pytest_warnings=(PytestWarning("W", place, f"{place}/a.py:1"),),
        properties=(("property", "where", place),), metrics={"m": 1.0},
    )  # fmt: skip
    found = CasesFound("t", "", (result,), f"no {place}", (), (f"t::[{place}/x.xml]",), {f"t::{place}": f"{place}/a"})

    for message in (AttemptEnd(result), found):
        told = PATHS.bring_home(message)
        assert type(told) is type(message)
        assert place not in repr(told)
        assert repr(message).replace(place, "/home/me/shop") == repr(told)


def test_what_has_no_path_in_it_goes_as_it_is() -> None:
    for message in (DispatchDone("1"), AttemptEnd(AttemptResult("t", 1, "n", Status.PASSED))):
        assert message is PATHS.bring_home(message)


def test_variables_that_name_places_in_the_workspace_are_changed(tmp_path: Path) -> None:
    place = tmp_path / "w" / "p"
    (place / "src").mkdir(parents=True)
    environment = {"PYTHONPATH": "/p/src:/usr/lib", "PATH": "/p/.venv/bin:/bin", "OTHER": "x"}
    environment |= {"URL": "file:///p/src", "SERVICE": "http://svc/p/src"}
    paths = PathTranslation(Workspace("/p", str(place)), environment)
    test = TestCase("t", CommandBody(("true",)), env={"OWN": "/p/gone", "X": "1"})
    work = paths.dispatch_here(Dispatch("1", "r", (TestWork("n", test, 1, 0),), (uuid4(),))).work[0]

    assert isinstance(work, TestWork)
    inherited = {"PYTHONPATH": f"{place}/src:/usr/lib", "URL": f"file://{place}/src"}
    assert {**inherited, "OWN": f"{place}/gone", "X": "1"} == work.test.env
