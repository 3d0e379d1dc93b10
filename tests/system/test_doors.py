"""Who gets in to what `pulseq up` and a run start: a real Prefect server, asked as a web page would ask it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from pulseq.orchestration.server_doors import LOGIN_PATH
from pulseq.processes.loopback import bind_loopback
from pulseq.standing.kept_auth import auth_path, read_auth
from tests.accounts import as_somebody, needs_two_accounts, open_place
from tests.system.conftest import open_workplace
from tests.system.postgres import SERVER, read_environment
from tests.system.site import Site, running
from tests.system.workplace import Workplace, finish, until

ROOT = Path(__file__).parents[2]
SUITE = "suite: short\ntests:\n  - {id: a, simulate: {duration: 0.05}}\n  - {id: b, command: [env]}\n"
GATED = "suite: gated\ntests:\n  - {id: gated, command: [python, gate.py]}\n"
GATE = "import os, time\nwhile not os.path.exists('open'):\n    time.sleep(0.05)\n"
COUNT = "task_runs/count"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """What is up was started, and runs are, with a umask that keeps nothing from anybody."""
    before = os.umask(0)
    try:
        with open_workplace(tmp_path_factory.mktemp("doors")) as workplace:
            for name, text in {"suite.yaml": SUITE, "gated.yaml": GATED, "gate.py": GATE}.items():
                workplace.write(name, text)
            up = workplace.run("up", "-n", "1")
            assert up.code == 0, up.err
            yield workplace
            assert workplace.run("down").code == 0
    finally:
        os.umask(before)


@pytest.fixture
def api(place: Workplace) -> Iterator[httpx.Client]:
    with place.standing_api() as client:
        yield client


def test_without_the_auth_string_nothing_is_told(api: httpx.Client) -> None:
    known, unknown = api.post(COUNT, json={}), httpx.post(f"{api.base_url}{COUNT}", json={})
    guessed = httpx.post(f"{api.base_url}{COUNT}", json={}, auth=("pulseq", "guess"))

    assert [200, 401, 401] == [answer.status_code for answer in (known, unknown, guessed)]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:4200"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
    ],
)
def test_no_other_name_and_no_other_page_is_answered_whoever_asks(api: httpx.Client, headers: dict[str, str]) -> None:
    answers = [
        api.post(COUNT, json={}, headers=headers),
        # What a page may send without being asked first: Prefect takes a body without a type for JSON.
        api.post(COUNT, content=b"{}", headers=headers),
        api.options(COUNT, headers={"Access-Control-Request-Method": "POST", **headers}),
        api.get("/health", headers=headers),
        httpx.get(f"http://{api.base_url.host}:{api.base_url.port}/", headers=headers),
    ]

    assert [403] * len(answers) == [answer.status_code for answer in answers]
    assert [] == [answer for answer in answers if "access-control-allow-origin" in answer.headers]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_its_own_pages_are_answered_by_either_name(api: httpx.Client, name: str) -> None:
    own = f"http://{name}:{api.base_url.port}"

    answer = api.post(COUNT, json={}, headers={"Origin": own, "Host": f"{name}:{api.base_url.port}"})
    # Its pages speak to 127.0.0.1, by whichever name they were opened; a browser then asks first.
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    first = httpx.options(f"{api.base_url}{COUNT}", headers={"Origin": own, **wanted})

    assert (200, 200) == (answer.status_code, first.status_code)
    assert own == first.headers["access-control-allow-origin"]
    assert "authorization" in first.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize("way", ["events/in", "events/out", "logs/out"])
def test_no_event_is_taken_from_or_told_to_others(api: httpx.Client, way: str) -> None:
    url = f"ws://127.0.0.1:{api.base_url.port}/api/{way}"

    with pytest.raises(InvalidStatus, match="403"), connect(url, origin=Origin("https://evil.example")):
        pass
    with connect(url, subprotocols=[Subprotocol("prefect")]) as socket:
        socket.send(json.dumps({"type": "auth", "token": "guess"}))
        with pytest.raises(ConnectionClosed):
            socket.recv(60)


def test_the_link_that_status_tells_lets_a_browser_in(place: Workplace, api: httpx.Client) -> None:
    told = place.run("status", "--url")
    link, _, handed_over = told.out.strip().partition("#")

    page = httpx.get(link)
    pages = httpx.get(link.removesuffix(LOGIN_PATH), headers={"Accept": "text/html"}, follow_redirects=True)
    settings = httpx.get(f"{link.removesuffix(LOGIN_PATH)}/ui-settings").json()
    # What Prefect's pages then do, with what they find where that page has put it.
    asked = httpx.get(f"{settings['api_url']}/admin/version", headers={"Authorization": f"Basic {handed_over}"})

    assert (0, 200, 200, 200) == (told.code, page.status_code, pages.status_code, asked.status_code)
    assert ("BASIC", "DENY") == (settings["auth"], pages.headers["x-frame-options"])
    assert read_auth(place.home) == base64.b64decode(handed_over).decode()


@pytest.mark.slow
def test_runs_of_ours_get_in_however_they_are_told_where(place: Workplace, api: httpx.Client) -> None:
    url = str(api.base_url).rstrip("/")
    runs = {
        "its-nodes": place.run("run", "suite.yaml", "--run-id", "its-nodes"),
        "own-nodes": place.run("run", "suite.yaml", "--run-id", "own-nodes", "-n", "1"),
        "told": place.run("run", "suite.yaml", "--run-id", "told", PREFECT_API_URL=url),
        "told-all": place.run("run", "suite.yaml", "--run-id", "told-all", **place.standing_variables()),
    }

    assert [0] * len(runs) == [run.code for run in runs.values()], [run.err for run in runs.values()]
    for run_id in runs:
        (known,) = [line["data"] for line in place.journal(run_id) if line["kind"] == "prefect_run_known"]
        assert known["url"].startswith(url.removesuffix("/api"))
        flow_run = api.get(f"flow_runs/{known['flow_run_id']}").raise_for_status().json()
        assert "COMPLETED" == flow_run["state"]["type"]
        query = {"flow_runs": {"id": {"any_": [known["flow_run_id"]]}}}
        until(
            lambda query=query: (
                ["COMPLETED"] * 2 == [one["state_type"] for one in api.post("task_runs/filter", json=query).json()]
            ),
            "its task runs are recorded",
        )


def test_no_body_and_no_report_sees_the_auth_string(place: Workplace) -> None:
    auth = read_auth(place.home)
    assert auth is not None
    place.run("run", "suite.yaml", "--run-id", "seen")

    (row,) = place.sql("select output from attempts where run_id = 'seen' and test_id = 'b'")

    assert ("PATH=" in row["output"], auth in row["output"]) == (True, False)
    kept = [path for path in place.home.rglob("*") if path.is_file() and auth.encode() in path.read_bytes()]
    assert [auth_path(place.home)] == kept


def test_all_that_is_written_is_this_users_alone(place: Workplace) -> None:
    run = place.run("run", "suite.yaml", "--run-id", "modes", "-n", "1")
    assert run.code == 0, run.err
    cache = Path(place.environment["XDG_CACHE_HOME"]) / "pulseq"
    roots = (place.home, cache)
    found = [*roots, *(path for root in roots for path in root.rglob("*"))]

    open_to_others = {str(path): oct(mode) for path in found if (mode := stat.S_IMODE(path.lstat().st_mode)) & 0o077}

    assert {} == {path: mode for path, mode in open_to_others.items() if not Path(path).is_symlink()}
    assert any(path.suffix == ".duckdb" for path in found)
    assert any(path.suffix == ".db" for path in cache.iterdir())


@pytest.mark.slow
def test_prefects_commands_a_worker_and_serving_get_in(place: Workplace, api: httpx.Client) -> None:
    for name in ("flows", "deployments"):
        shutil.copytree(ROOT / name, place.path / name, ignore=shutil.ignore_patterns("__pycache__"))
    place.write("deployments/suites/short.yaml", SUITE)
    smoke = "{name: NAME, entrypoint: 'flows/run_suite.py:run_suite'"
    place.write("pooled.yaml", f"deployments:\n  - {smoke.replace('NAME', 'pooled')}, work_pool: {{name: pulseq}}}}\n")
    place.write("laptop.yaml", f"deployments:\n  - {smoke.replace('NAME', 'laptop')}}}\n")
    variables = place.environment | {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_HOME": str(place.path / "prefect")}
    exported = subprocess.run(
        ["sh", "-c", 'eval "$("$0" -m pulseq status --env)"; exec env -0', sys.executable],
        cwd=place.path,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    told = dict(pair.split("=", 1) for pair in exported.stdout.split("\0") if pair)
    site = Site(Workplace(place.path, told), api)
    site.run("work-pool", "create", "pulseq", "--type", "process")
    site.run("--no-prompt", "deploy", "--all", "--prefect-file", "pooled.yaml")
    by_itself = Site(Workplace(place.path, variables), api)

    with running(site, "worker", "start", "--pool", "pulseq", "--limit", "1"):
        assert "COMPLETED" == site.ending(_begin(site, "pooled"))["type"]
    with running(by_itself, "serve", "--project", "laptop.yaml", module="pulseq"):
        until(lambda: api.get("deployments/name/run-suite/laptop").is_success, "it is served")
        assert "COMPLETED" == site.ending(_begin(site, "laptop"))["type"]


def _begin(site: Site, deployment: str) -> str:
    found = site.deployment(f"run-suite/{deployment}")["id"]
    return str(site.ask(f"deployments/{found}/create_flow_run", parameters={"suite": "short"})["id"])


def _known_to_prefect(workplace: Workplace, run_id: str) -> Any:
    return next((line["data"] for line in workplace.journal(run_id) if line["kind"] == "prefect_run_known"), None)


def test_the_server_of_a_single_run_lets_nobody_else_in(bare_workplace: Workplace) -> None:
    bare_workplace.write("gated.yaml", GATED)
    bare_workplace.write("gate.py", GATE)
    run = bare_workplace.start("run", "gated.yaml", "-n", "1", "--run-id", "r")
    known = until(lambda: _known_to_prefect(bare_workplace, "r"), "its flow run is known")
    api = f"{known['url'].partition('/runs/')[0]}/api"

    without = httpx.get(f"{api}/flow_runs/{known['flow_run_id']}")
    foreign = httpx.get(f"{api}/health", headers={"Host": "evil.example"})
    bare_workplace.write("open", "")
    ended = finish(run)

    assert (401, 403) == (without.status_code, foreign.status_code)
    assert ended.code == 0, ended.err


def test_without_an_auth_string_other_pages_are_refused_all_the_same(bare_workplace: Workplace) -> None:
    up = bare_workplace.run("up", "-n", "1", "--no-auth")
    assert up.code == 0, up.err
    variables = bare_workplace.standing_variables()
    count = f"{variables['PREFECT_API_URL']}/{COUNT}"

    own, foreign = httpx.post(count, json={}), httpx.post(count, json={}, headers={"Origin": "https://evil.example"})
    told = bare_workplace.run("status", "--url")

    assert "it asks nobody for an auth string: every account of this machine can use it" in up.err
    assert (200, 403) == (own.status_code, foreign.status_code)
    assert (variables["PREFECT_API_URL"].removesuffix("/api"), False) == (
        told.out.strip(),
        auth_path(bare_workplace.home).exists(),
    )
    assert bare_workplace.run("down").code == 0


@pytest.fixture
def server_of_a_site(bare_workplace: Workplace) -> Iterator[str]:
    """Started as `deployments/server/compose.yaml` does it, on SQLite and another port; its address."""
    server = yaml.safe_load((SERVER / "compose.yaml").read_text())["services"]["server"]
    with bind_loopback() as free:
        port = str(free.getsockname()[1])
    place = str((SERVER / server["volumes"][0].split(":")[0]).resolve().parent)
    changed = {"python": sys.executable, "/opt/pulseq": place, "0.0.0.0": "127.0.0.1", "4200": port}
    bare_workplace.environment |= read_environment() | {"PREFECT_SERVER_API_AUTH_STRING": "admin:ours"}
    bare_workplace.environment["PREFECT_HOME"] = str(bare_workplace.path / "prefect")
    with open(bare_workplace.path / "server.log", "ab") as log:
        process = subprocess.Popen(
            [changed.get(word, word) for word in server["command"]],
            cwd=bare_workplace.path,
            env=bare_workplace.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until(lambda: _answers(f"{address}/api/health") or process.poll() is not None, "it answers")
        assert process.poll() is None, (bare_workplace.path / "server.log").read_text()
        yield address
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


@pytest.mark.slow
def test_the_server_of_a_site_is_guarded_in_the_same_way(server_of_a_site: str) -> None:
    ours = ("admin", "ours")

    def ask(auth: tuple[str, str] | None, **headers: str) -> int:
        return httpx.post(f"{server_of_a_site}/api/{COUNT}", json={}, auth=auth, headers=headers).status_code

    assert (200, 401) == (ask(ours), ask(None))
    assert 200 == ask(ours, Origin=server_of_a_site)
    assert 200 == ask(ours, Origin="http://localhost:4200")  # as the environment file allows
    assert [403, 403] == [ask(ours, Host="evil.example"), ask(ours, Origin="https://evil.example")]
    assert 200 == httpx.get(f"{server_of_a_site}{LOGIN_PATH}").status_code


#: Listens where the run host would, and tells what came.
LISTENER = """
home = pathlib.Path(sys.argv[1])
(home / "standing").mkdir(parents=True, exist_ok=True)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(str(home / "standing" / "runs.sock"))
listener.listen()
(home / "standing" / "runs.sock").chmod(0o777)
print("ready", flush=True)
sys.stdin.readline()
listener.setblocking(False)
try:
    caller, _ = listener.accept()
    caller.setblocking(False)
    print("got", len(caller.recv(1 << 20)), flush=True)
except BlockingIOError:
    print("nobody", flush=True)
"""


@needs_two_accounts
@pytest.mark.parametrize("whose_directory", ["theirs", "ours"])
def test_a_prepared_socket_gets_nothing_and_the_run_is_refused(whose_directory: str) -> None:
    with open_place() as directory:
        (directory / "suite.yaml").write_text(SUITE)
        home = directory / ".pulseq"
        if whose_directory == "ours":
            for path in (home, home / "standing"):
                path.mkdir()
                path.chmod(0o777)
        with as_somebody(LISTENER, home) as somebody:
            assert somebody.stdin is not None
            assert somebody.stdout is not None
            assert "ready\n" == somebody.stdout.readline()
            variables = {name: value for name, value in os.environ.items() if name != "PULSEQ_HOME"}
            # To a file: whoever was given a pipe would keep it open, and this would wait for its end.
            with open(directory / "said", "wb") as said:
                run = subprocess.run(
                    [sys.executable, "-m", "pulseq", "run", "suite.yaml", "-n", "1"],
                    cwd=directory,
                    env={**variables, "TOKEN": "secret", "CI": "1"},
                    stderr=said,
                    check=False,
                )
            told = (directory / "said").read_text()
            somebody.stdin.write("\n")
            somebody.stdin.flush()
            heard = somebody.stdout.readline().split()

        assert heard in (["nobody"], ["got", "0"])
        assert 4 == run.returncode, told
        assert "belongs to user" in told
        assert 1 == len(told.splitlines())
