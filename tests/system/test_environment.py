"""What bodies see of variables, and which interpreter they get, on nodes of this machine and of others."""

from __future__ import annotations

import http.server
import json
import sys
import threading
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.sshd import Sshd, needs_sshd, running_sshd
from tests.system.workplace import Workplace

SUITE = """
suite: seen
project: {ship: ["*.py"], pass_env: ["PASSED_*", OF_NODE, OF_TEST, "*_MINE_TOO"], secrets: [API_TOKEN]}
defaults: {timeout: 60, env: {OF_TEST: test}}
tests:
  - {id: command, command: [python3, seen.py, command], cwd: SHARED}
  - {id: call, call: "seen:tell", args: [call], cwd: SHARED}
  - {id: unit, pytest: test_seen.py, args: ["-p", "no:cacheprovider"], cwd: SHARED}
  - {id: java, command: [python3, seen.py, java], junit: "*.xml", cwd: SHARED}
  - {id: alive, http: {url: "http://far.example/", expect_text: by way of it}}
"""
SEEN = """
import json, os, sys

NAMES = "ONLY_MINE PASSED_ON OF_NODE OF_TEST API_TOKEN PULSEQ_MINE no_proxy".split()

def tell(name):
    found = {one: os.environ.get(one) for one in NAMES}
    # Its letters, since the secret itself would be blotted out.
    found["API_TOKEN"] = list(found["API_TOKEN"] or "")
    with open(f"{name}.json", "w") as file:
        json.dump({**found, "python": sys.executable}, file)

if __name__ == "__main__":
    tell(sys.argv[1])
    with open("report.xml", "w") as file:
        file.write('<testsuite><testcase name="a" classname="c"/></testsuite>')
"""
TESTS = """
import seen

seen.tell("collected")

def test_in_it():
    seen.tell("item")
"""
CALLER = {
    "ONLY_MINE": "mine",
    "PASSED_ON": "passed",
    "OF_NODE": "caller",
    "OF_TEST": "caller",
    "API_TOKEN": "k3y-of-mine",
    "PULSEQ_MINE": "x",
}
KINDS = ("command", "call", "collected", "item", "java")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd"), sys.executable, "AcceptEnv TMPDIR") as running:
        yield running


@pytest.fixture
def bare_place(bare_workplace: Workplace) -> Workplace:
    """Without a Prefect API, so that a proxy stands before a server that is started here."""
    bare_workplace.write("seen.py", SEEN)
    bare_workplace.write("test_seen.py", TESTS)
    bare_workplace.write("suite.yaml", SUITE.replace("SHARED", str(bare_workplace.path)))
    return bare_workplace


@pytest.fixture
def place(bare_place: Workplace, prefect_api: str) -> Workplace:
    bare_place.environment["PREFECT_API_URL"] = prefect_api
    return bare_place


@pytest.fixture
def proxy() -> Iterator[str]:
    """The address of a proxy, which answers for every host, and is to be asked by the bodies of tests alone."""
    asked: set[str] = set()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"by way of it")

        def log_request(self, *_: object) -> None:
            asked.add(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    assert {"http://far.example/"} == asked


def write_nodes(place: Workplace, **keys: Any) -> Path:
    return place.write("nodes.yaml", json.dumps({"nodes": [{"id": "n1", **keys}], "framework": {"node_timeout": 12}}))


def run(place: Workplace, nodes: Path | None, *options: str, **more: str) -> None:
    where: Sequence[str | Path] = () if nodes is None else ("--nodes", nodes)
    ended = place.run("run", "suite.yaml", *where, *options, **CALLER, **more)
    assert ended.code == 0, ended.err
    assert "Prefect has not been told" not in ended.err


def seen(place: Workplace) -> dict[str, dict[str, Any]]:
    return {kind: json.loads((place.path / f"{kind}.json").read_text()) for kind in KINDS}


def by_all(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The variables that bodies of all kinds have seen; they have seen the same."""
    [variables] = {json.dumps({name: one[name] for name in one if name != "python"}) for one in found.values()}
    told: dict[str, Any] = json.loads(variables)
    return {**told, "API_TOKEN": "".join(told["API_TOKEN"])}


@needs_sshd
def test_on_another_host_bodies_have_what_is_named_and_the_later_word_wins(
    place: Workplace, sshd: Sshd, proxy: str
) -> None:
    ssh = {
        "port": sshd.port,
        "identity": sshd.spec.identity,
        "python": sshd.spec.python,
        "directory": str(place.path / "projects"),
        "options": {**dict(sshd.spec.options), "SetEnv": f"TMPDIR={place.temp}"},
    }
    env = {"OF_NODE": "node", "OF_TEST": "node", "http_proxy": proxy}

    run(place, write_nodes(place, host="lab.example", ssh=ssh, env=env), "--no-ship")

    told = {"PASSED_ON": "passed", "OF_NODE": "node", "OF_TEST": "test", "API_TOKEN": "k3y-of-mine"}
    assert by_all(seen(place)) == {"ONLY_MINE": None, "PULSEQ_MINE": None, "no_proxy": None, **told}


@pytest.mark.slow
def test_shipped_to_this_machine_bodies_have_what_they_would_have_elsewhere(place: Workplace, proxy: str) -> None:
    nodes = write_nodes(place, env={"OF_NODE": "node", "OF_TEST": "node", "http_proxy": proxy})
    place.write("seen.py", SEEN.replace('f"{name}.json"', f'"{place.path}/" + f"{{name}}.json"'))

    run(place, nodes, "--ship")

    told = {"PASSED_ON": "passed", "OF_NODE": "node", "OF_TEST": "test", "API_TOKEN": "k3y-of-mine"}
    assert by_all(seen(place)) == {"ONLY_MINE": None, "PULSEQ_MINE": None, "no_proxy": None, **told}


@pytest.mark.slow
def test_on_this_machine_bodies_have_all_of_the_callers_and_the_later_word_wins(
    bare_place: Workplace, proxy: str
) -> None:
    place = bare_place
    run(place, write_nodes(place, env={"OF_NODE": "node", "OF_TEST": "node"}), HTTP_PROXY=proxy)

    told = {"ONLY_MINE": "mine", "PASSED_ON": "passed", "OF_NODE": "node", "OF_TEST": "test"}
    assert by_all(seen(place)) == {"PULSEQ_MINE": None, "no_proxy": None, "API_TOKEN": "k3y-of-mine", **told}


@pytest.mark.slow
def test_nodes_that_stand_have_the_callers_too_and_their_own_go_first(bare_place: Workplace, proxy: str) -> None:
    place = bare_place
    nodes = write_nodes(place, env={"OF_NODE": "node"})
    up = place.run("up", "--nodes", nodes, HTTP_PROXY=proxy)
    assert up.code == 0, up.err
    try:
        run(place, None, HTTP_PROXY=proxy)
    finally:
        place.run("down")

    told = {"ONLY_MINE": "mine", "PASSED_ON": "passed", "OF_NODE": "node", "OF_TEST": "test"}
    assert by_all(seen(place)) == {"PULSEQ_MINE": None, "no_proxy": None, "API_TOKEN": "k3y-of-mine", **told}


def test_a_nodes_python_is_that_of_calls_and_pytest_alone(place: Workplace) -> None:
    venv.create(place.path / "env", symlinks=True, system_site_packages=False)
    site = next((place.path / "env" / "lib").glob("python*")) / "site-packages"
    # It has its own packages, and finds those of this interpreter behind them.
    site.joinpath("pytest.pth").write_text(str(Path(pytest.__file__).parents[1]) + "\n")
    own = str(place.path / "env" / "bin" / "python")

    run(place, write_nodes(place, python=own), "-k", "command or call or in_it")

    found = {kind: json.loads((place.path / f"{kind}.json").read_text())["python"] for kind in KINDS[:4]}
    assert {kind: python == own for kind, python in found.items()} == {
        "command": False,
        "call": True,
        "collected": True,
        "item": True,
    }
    nodes = place.sql("select capabilities from nodes")
    assert f"{sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]}" in str(nodes)


def test_a_python_that_a_node_has_not_is_told_before_any_test(place: Workplace) -> None:
    ended = place.run(
        "run", "suite.yaml", "--nodes", write_nodes(place, python="/not/there"), "--run-id", "r", **CALLER
    )

    assert ended.code == 10
    assert "the interpreter '/not/there' does not exist on this node, or is not executable" in ended.err
    assert not [line for line in place.journal("r") if line["kind"] == "attempt_started"]
