"""A project that is sent to its nodes: real runs, on local nodes that get it as those of other hosts do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.system.workplace import Workplace, until

SUITE = """
suite: shop
tests:
  - {id: command, command: [python, -c, "import os; print(os.getcwd()); open('made', 'w').write('x')"]}
  - {id: call, call: "shop:price", args: [3], kwargs: {currency: EUR}}
  - {id: unit, pytest: tests}
  - {id: tool, command: [python, tool.py], junit: "out/*.xml"}
"""
FILES = {
    "suite.yaml": SUITE,
    "shop.py": """
import pathlib
def price(number, *, currency):
    assert pathlib.Path(__file__).with_name("data").joinpath("7.txt").read_text() == "7"
    assert (number, currency) == (3, "EUR")
""",
    "data/7.txt": "7",
    "tests/conftest.py": """
import pathlib, pytest
@pytest.fixture
def seven(request):
    return int((request.config.rootpath / "data" / "7.txt").read_text())
""",
    "tests/test_unit.py": """
import pathlib, pytest, warnings
HERE = pathlib.Path(__file__).parent
def test_good(seven): assert seven == 7
def test_bad(seven):
    print("in", HERE)
    assert seven == 8, __file__
@pytest.mark.parametrize("place", [str(HERE), "plain"])
def test_places(place): warnings.warn(place)
""",
    "tool.py": """
import os, pathlib
pathlib.Path("out").mkdir(exist_ok=True)
pathlib.Path("out/a.xml").write_text(
    '<testsuite name="s"><testcase classname="c" name="good"/><testcase classname="c" name="bad">'
    f'<failure message="{os.getcwd()}/tool.py:3"/></testcase></testsuite>'
)
raise SystemExit(1)
""",
    ".gitignore": "out\nmade\n",
}


@pytest.fixture
def project(workplace: Workplace) -> Path:
    root = workplace.path / "shop"
    for name, text in FILES.items():
        workplace.write(f"shop/{name}", text)
    subprocess.run(["git", "-C", str(root), "init", "--quiet"], check=True)
    workplace.environment["XDG_CACHE_HOME"] = str(workplace.path / "c")
    return root


def results(workplace: Workplace, run_id: str) -> list[dict[str, Any]]:
    told = "test_id, status, reason, a.error, a.output, a.exit_code, a.warnings, a.attempt"
    return workplace.sql(f"SELECT {told} FROM attempts a WHERE run_id = '{run_id}' ORDER BY test_id, attempt")


def cases(path: Path) -> list[Any]:
    root = ElementTree.parse(path).getroot()
    return sorted([case.get(name) for name in ("classname", "name", "file", "line")] for case in root.iter("testcase"))


def left(workplace: Workplace) -> list[Path]:
    return [path for path in workplace.path.glob("c/pulseq/w/*") if path.name != "deciding"]


def test_what_it_comes_to_is_as_if_it_had_run_where_it_is(workplace: Workplace, project: Path) -> None:
    options = ("run", "shop/suite.yaml", "-n", "2", "--output", "json")
    shipped = workplace.run(*options, "--ship", "--junitxml", "shipped.xml")
    assert not (project / "made").exists()
    here = workplace.run(*options, "--junitxml", "here.xml")

    assert (1, 1) == (here.code, shipped.code), shipped.err
    assert here.json["counts"] == shipped.json["counts"]
    assert results(workplace, here.json["run_id"]) == results(workplace, shipped.json["run_id"])
    assert cases(workplace.path / "here.xml") == cases(workplace.path / "shipped.xml")
    assert str(workplace.path / "c") not in (workplace.path / "shipped.xml").read_text()
    assert (project / "made").exists()
    assert [] == left(workplace)
    assert 1 == shipped.err.count(" of the project, ")


def test_a_node_that_is_killed_gets_the_tree_again_and_nothing_is_left(workplace: Workplace, project: Path) -> None:
    go = str(workplace.path / "go")
    waiting = f"import pathlib, time\nwhile not pathlib.Path({go!r}).exists(): time.sleep(0.05)\n"
    workplace.write("shop/wait.py", waiting + 'assert pathlib.Path("data/7.txt").exists()')
    workplace.write("shop/suite.yaml", "tests: [{id: wait, command: [python, wait.py]}]")
    process = workplace.start("run", "shop/suite.yaml", "-n", "2", "--ship", "--run-id", "r")

    def started() -> list[str]:
        return [line["data"]["node_id"] for line in workplace.journal("r") if line["kind"] == "attempt_started"]

    until(started, "the test has begun")
    workplace.nodes()[started()[0]].kill()
    until(lambda: len(started()) > 1, "it has begun again")
    workplace.write("go", "")
    _, told = process.communicate(timeout=60)

    assert 0 == process.returncode, told
    assert [] == left(workplace)


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("command: [pwd], cwd: ..", "which is outside of its project"),
        ("pytest: tests, python: .venv/bin/python", "which is not sent to other hosts"),
    ],
)
def test_what_a_test_needs_from_outside_is_told_before_anything_runs(
    workplace: Workplace, project: Path, test: str, told: str
) -> None:
    workplace.write("shop/suite.yaml", f"tests: [{{id: t, {test}}}]")
    done = workplace.run("run", "shop/suite.yaml", "-n", "2", "--ship")

    assert 4 == done.code
    assert told in done.err
    assert "Traceback" not in done.err
    assert [] == list(workplace.home.glob("runs/*"))
    assert [] == left(workplace)
