"""Secrets in real runs: bodies have them, and nothing of what is kept or shown has."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.workplace import PATIENCE_SECONDS, Finished, Workplace, until

#: With letters that each encoding writes in another way; no word of anything else.
SECRET = "qZ7/x&K+w9'é \"Yv"
OTHER = "hQ3m-Vt8p"
#: What is left of them where they are cut.
PARTS = (SECRET[:5], SECRET[-3:], SECRET[-3:].replace('"', '\\"'), OTHER[:4], OTHER[-4:])
SUITE = """
suite: keys
project: {ship: ["*.py"], secrets: [API_TOKEN, OTHER_TOKEN]}
defaults: {timeout: 60}
tests:
  - {id: command, command: [python3, body.py]}
  - {id: flood, command: [python3, flood.py]}
  - {id: call, call: "body:fail"}
  - {id: http, http: {url: "URL", expect_text: nothing of it}}
  - {id: java, command: [python3, junit.py], junit: "*.xml"}
  - {id: unit, pytest: [test_body.py, test_broken.py], timeout: 10, args: ["-p", "no:cacheprovider"]}
  - {id: own, command: "test \\"$API_TOKEN\\" = of-the-test", shell: true, env: {API_TOKEN: of-the-test}}
"""
BODY = """
import base64, json, os, sys, urllib.parse

TOKENS = [os.environ["API_TOKEN"], os.environ["OTHER_TOKEN"]]

def forms():
    for token in TOKENS:
        yield from (token, repr(token), json.dumps(token), urllib.parse.quote(token, safe=""))
        yield from (base64.b64encode(token.encode()).decode(), base64.b64encode(f"me:{token}".encode()).decode())

def say(out):
    for form in forms():
        out.write(form + "\\n")
    for letter in "".join(TOKENS):
        out.write(letter)
        out.flush()

def fail():
    say(sys.stdout)
    raise RuntimeError("x" * 7990 + " ".join(forms()))

if __name__ == "__main__":
    say(sys.stdout)
    with open(os.environ["PULSEQ_METRICS"], "a") as file:
        file.write(json.dumps({TOKENS[1]: 1}) + "\\n" + TOKENS[0] * 20 + "\\n")
    sys.stderr.write("x" * 293 + TOKENS[0] + "\\n")
    sys.exit(f"last words: {TOKENS[0]}")
"""
FLOOD = """
import os, sys
token = os.environ["API_TOKEN"].encode()
for at in (64 * 1024 - 5, 200_000, 64 * 1024):
    sys.stdout.buffer.write(b"x" * (at - 9) + b"\\n" + token)
    sys.stdout.flush()
sys.stdout.buffer.write(b"x" * (64 * 1024 - 5))
sys.exit(1)
"""
JUNIT = """
import os
from xml.sax.saxutils import escape, quoteattr
token = os.environ["API_TOKEN"]
name, text = quoteattr(f"case {token}"), escape(token)
case = f"<testcase classname={name} name={name}><failure message={name}>{text}{'x' * 31980}{text}</failure></testcase>"
open(os.environ["OTHER_TOKEN"] + ".xml", "w", encoding="utf-8").write(f"<testsuite name={name}>{case}</testsuite>")
"""
TESTS = """
import os, sys, warnings
import pytest
import body

@pytest.mark.parametrize("token", body.TOKENS)
def test_named(token, record_property, record_testsuite_property, record_xml_attribute):
    record_property(token, token)
    record_property(token + "-metric", 1)
    record_testsuite_property(token, token)
    record_xml_attribute("token", token)
    warnings.warn(token)
    body.say(sys.stdout)
    os.write(2, token.encode())
    assert token == "nothing", token

@pytest.mark.skip(reason=body.TOKENS[0])
def test_skipped():
    pass

@pytest.mark.xfail(reason=body.TOKENS[0])
def test_expected():
    assert not body.TOKENS[0]

@pytest.fixture(scope="module")
def broken():
    yield
    raise RuntimeError(body.TOKENS[0])

def test_torn_down_late(broken):
    pass

def test_ends_its_process():
    body.say(sys.stdout)
    sys.stdout.flush()
    os._exit(3)

def test_hangs():
    print(body.TOKENS[0], flush=True)
    os.system("sleep 600")
"""
BROKEN = "import body\nraise RuntimeError(body.TOKENS[0])\n"
CONFTEST = """
import body

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("summed up: " + body.TOKENS[0])
    print("printed:", body.TOKENS[1])
"""


def forms() -> Iterator[bytes]:
    """What is to stand nowhere, in the bytes of any of our files."""
    for token in (SECRET, OTHER):
        encoded = token.encode()
        yield from (encoded, json.dumps(token)[1:-1].encode(), json.dumps(token, ensure_ascii=False)[1:-1].encode())
        yield urllib.parse.quote(token, safe="").encode()
        yield base64.b64encode(encoded).rstrip(b"=")
        # Where it follows `me:`, whose three bytes are four letters.
        yield base64.b64encode(encoded)[: len(encoded) // 3 * 4]


def places(path: Path) -> Iterator[tuple[Path, bytes]]:
    return ((file, file.read_bytes()) for file in sorted(path.rglob("*")) if file.is_file())


@pytest.fixture
def place(workplace: Workplace, prefect_api: str, answering: str) -> Workplace:
    for name, text in {
        "suite.yaml": SUITE.replace("URL", answering),
        "body.py": BODY,
        "flood.py": FLOOD,
        "junit.py": JUNIT,
        "test_body.py": TESTS,
        "test_broken.py": BROKEN,
        "conftest.py": CONFTEST,
    }.items():
        workplace.write(name, text)
    return workplace


@pytest.fixture
def answering() -> Iterator[str]:
    """The address of a server that answers with the secrets, the first of them cut where an excerpt ends."""
    import http.server
    import threading

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200, OTHER)
            self.end_headers()
            self.wfile.write(("x" * 195 + SECRET + "x" * (4096 - 200 - len(SECRET.encode())) + SECRET).encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def run(place: Workplace, *options: str | Path) -> Finished:
    return place.run("run", "suite.yaml", "--run-id", "r1", *options, API_TOKEN=SECRET, OTHER_TOKEN=OTHER)


def found_in(place: Workplace, *texts: str) -> list[tuple[str, bytes]]:
    """Where a secret stands that must not: the state directory, what was left of temporary ones, these texts."""
    kept = [*places(place.home), *places(place.temp)]
    looked_at = [(str(path), data) for path, data in kept] + [("text", text.encode()) for text in texts]
    return [(name, form) for name, data in looked_at for form in forms() if form in data]


@pytest.mark.parametrize("isolation", [pytest.param("fork", marks=pytest.mark.slow), "interpreter"])
def test_bodies_have_secrets_and_nothing_that_is_kept_or_shown_has(
    place: Workplace, prefect_api: str, isolation: str
) -> None:
    html, junit = place.path / "report.html", place.path / "report.xml"

    ended = run(
        place, "-v", "-n", "2", "--isolation", isolation, "--timeout", "60", "--html", html, "--junitxml", junit
    )

    assert ended.code == 1, ended.err
    rows = {row["test_id"]: row for row in place.sql("select test_id, status, error from results")}
    assert rows["own"]["status"] == "passed"
    assert "last words: ***" in rows["command"]["error"]
    assert {name for name in rows if name.startswith("java::")} == {"java::case ***::case ***"}
    assert {"unit::test_body.py::test_named[***]", "unit::test_body.py::test_named[***]#2"} <= rows.keys()
    (api,) = place.sql("select flow_run_id from runs")
    told = until(lambda: told_by_prefect(prefect_api, api["flow_run_id"]), "Prefect has its states")
    assert "***" in told
    stored = [
        str(place.sql(f"from {table}"))
        for table in ("attempts", "results", "sessions", "tests", "run_notes", "collections")
    ]
    journal = (place.home / "runs" / "r1" / "journal.jsonl").read_text()
    texts = (ended.err, ended.out, html.read_text(), junit.read_text(), told, journal, *stored)
    assert [] == found_in(place, *texts)
    assert [] == [text[max(0, text.find(part) - 80) :][:200] for text in texts for part in PARTS if part in text]
    assert "summed up: ***" in stored[2]


def told_by_prefect(api: str, flow_run_id: str) -> str:
    of_run = {"flow_runs": {"id": {"any_": [flow_run_id]}}}
    asked = {
        "flow_runs": of_run,
        "task_runs": of_run,
        "artifacts": {"artifacts": {"flow_run_id": {"any_": [flow_run_id]}}},
        "logs": {"logs": {"flow_run_id": {"any_": [flow_run_id]}}},
    }
    answers = [httpx.post(f"{api}/{what}/filter", json=query).raise_for_status() for what, query in asked.items()]
    final = all(one["state_type"] in ("COMPLETED", "FAILED", "CRASHED") for one in answers[1].json())
    # Text as it was meant: JSON would escape what is looked for.
    return "\n".join(str(answer.json()) for answer in answers) if final and answers[1].json() else ""


PROGRAM = """
import asyncio
from pulseq.distributed import DistributedTestRunner, TestNode

async def main():
    async with DistributedTestRunner(project={"secrets": ["API_TOKEN"]}) as runner:
        await runner.add_node(TestNode("n1"))
        for test_id in ("one", "two"):
            found = await runner.run_test({"id": test_id, "command": ["sh", "-c", "echo $API_TOKEN; exit 1"]})
            print(found.status, found.error)

asyncio.run(main())
"""


def test_what_makes_a_project_ready_has_them_and_does_not_tell(place: Workplace) -> None:
    prepare = {"command": ["python3", "body.py"]}
    suite = (place.path / "suite.yaml").read_text()
    place.write("suite.yaml", suite.replace("OTHER_TOKEN]", "OTHER_TOKEN], prepare: " + json.dumps(prepare)))

    ended = run(place, "-n", "1", "--ship", "-k", "own")

    assert (ended.code, "last words: ***" in ended.err) == (1, True), ended.err
    assert [] == found_in(place, ended.err, ended.out, str(place.sql("from results")), str(place.sql("from run_notes")))


@pytest.mark.slow
def test_a_program_has_them_of_its_own_environment(place: Workplace) -> None:
    environment = {**place.environment, "API_TOKEN": SECRET}
    ended = subprocess.run(
        [sys.executable, place.write("program.py", PROGRAM)],
        cwd=place.path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * 3,
    )

    assert ended.stdout.count("***") == 2, ended.stderr
    assert [] == found_in(place, ended.stdout, ended.stderr)


def test_nobody_sees_a_secret_in_a_command_line(place: Workplace) -> None:
    place.write("body.py", "import os, time\nprint(os.environ['API_TOKEN'], flush=True)\ntime.sleep(600)\n")
    running = place.start(
        *("run", "suite.yaml", "-k", "command or unit", "-n", "1", "--run-id", "r1"),
        API_TOKEN=SECRET,
        OTHER_TOKEN=OTHER,
    )
    until(lambda: any(line["kind"] == "attempt_started" for line in place.journal("r1")), "a body runs")

    lines = [Path(f"/proc/{process.pid}/cmdline").read_bytes() for process in place.processes()]
    running.terminate()
    running.communicate()

    assert lines
    assert [] == [line for line in lines for form in forms() if form in line]


def test_nodes_that_stand_have_them_of_the_run_and_forget_them(place: Workplace) -> None:
    assert place.run("up", "-n", "1").code == 0
    try:
        ended = run(place, "-k", "command or call or own")
        others = place.write("others.yaml", "tests: [{id: bare, command: 'test -z \"$API_TOKEN\"', shell: true}]")
        bare = place.run("run", others)
    finally:
        down = place.run("down")

    assert (ended.code, bare.code, down.code) == (1, 0, 0), bare.err
    assert "last words: ***" in str(place.sql("select error from results where test_id = 'command'"))
    assert [] == found_in(place, ended.err, ended.out)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"API_TOKEN": SECRET}, "found no variable OTHER_TOKEN in the environment"),
        ({"API_TOKEN": "abc", "OTHER_TOKEN": OTHER}, "found fewer than 4 characters in API_TOKEN"),
        ({"API_TOKEN": "command", "OTHER_TOKEN": OTHER}, "suite.yaml:6: found the value of the secret API_TOKEN"),
    ],
)
def test_a_secret_that_is_none_is_one_error_before_anything_starts(
    place: Workplace, variables: dict[str, str], told: str
) -> None:
    ended = place.run("run", "suite.yaml", "--run-id", "r1", **variables)

    assert (ended.code, ended.err.count("\n")) == (4, 1), ended.err
    assert told in ended.err
    assert not (place.home / "runs" / "r1").exists()
