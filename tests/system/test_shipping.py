"""A project that is sent to its nodes: real runs, on local nodes that get it as those of other hosts do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.system.workplace import Finished, Workplace, until

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


# Short: pytest has ids of parameters up to 100 characters, and this one has the name of the directory in some.
def test_all_is_as_here(workplace: Workplace, project: Path) -> None:
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


READY = """
suite: ready
project:
  prepare: {{command: [sh, -c, "{command}"], inputs: [data], outputs: [env], timeout: {timeout}}}
tests:
  - {{id: one, command: [cat, env/it]}}
  - {{id: two, pytest: tests/test_ready.py}}
"""


def prepare(workplace: Workplace, command: str, timeout: float = 60.0) -> Finished:
    workplace.write("shop/suite.yaml", READY.format(command=command, timeout=timeout))
    workplace.write("shop/tests/test_ready.py", "def test_it(): assert open('env/it').read() == '7'")
    return workplace.run("run", "shop/suite.yaml", "-n", "2", "--ship", "--output", "json")


def test_a_project_is_made_ready_once_for_as_long_as_nothing_changes(workplace: Workplace, project: Path) -> None:
    made = workplace.path / "made"
    command = f"echo made >> {made}; mkdir env; cp data/7.txt env/it"
    for _ in range(2):
        done = prepare(workplace, command)
        assert (0, 2) == (done.code, done.json["counts"]["passed"]), done.err
    assert 1 == made.read_text().count("made")
    workplace.write("shop/data/8.txt", "8")
    assert 0 == prepare(workplace, command).code
    assert 2 == made.read_text().count("made")
    assert [] == left(workplace)
    assert not (project / "env").exists()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo no such package; exit 3", "prepare failed with exit code 3"),
        pytest.param(
            "echo no such package; sleep 985", "prepare took longer than its timeout of 1 s", marks=pytest.mark.slow
        ),
        pytest.param("echo no such package", "prepare has ended well, and left no 'env'", marks=pytest.mark.slow),
    ],
)
def test_where_it_cannot_be_made_ready_tests_end_with_the_reason(
    workplace: Workplace, project: Path, command: str, told: str
) -> None:
    done = prepare(workplace, command, timeout=1)
    rows = workplace.sql(f"SELECT test_id, status, reason, error FROM results WHERE run_id = '{done.json['run_id']}'")

    assert 1 == done.code
    assert {("error", "setup")} == {(row["status"], row["reason"]) for row in rows}
    assert all(told in row["error"] and "no such package" in row["error"] for row in rows)
    assert f"cannot take part: {told}" in done.err
    assert [] == left(workplace)
