"""The files for a Prefect server of a site say what Prefect and PostgreSQL understand."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.settings import Settings

from pulseq.orchestration.server_doors import origins_of, read_origins
from tests.system.postgres import SERVER, read_environment

COMPOSE = yaml.safe_load((SERVER / "compose.yaml").read_text())


def test_prefect_knows_each_variable_and_takes_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {**COMPOSE["services"]["server"]["environment"], **read_environment()}
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)

    known = Settings().to_environment_variables(exclude_unset=True)

    assert set() == wanted.keys() - known.keys()


def test_postgres_has_room_for_all_connections_of_two_servers() -> None:
    environment = read_environment()
    pool = sum(int(environment[f"PREFECT_SERVER_DATABASE_SQLALCHEMY_{name}"]) for name in ("POOL_SIZE", "MAX_OVERFLOW"))
    found = re.search(r"^max_connections = (\d+)", (SERVER / "postgresql.conf").read_text(), re.MULTILINE)

    assert found
    assert int(found[1]) >= 2 * pool


def test_compose_runs_the_prefect_that_the_tests_ran_with() -> None:
    constraints = (SERVER.parents[1] / "constraints.txt").read_text()
    (version,) = re.findall(r"^prefect==(\S+)$", constraints, re.MULTILINE)

    assert f"prefecthq/prefect:{version}-python3.11" == COMPOSE["services"]["server"]["image"]


def test_the_health_check_of_the_server_is_a_program_that_asks_the_published_port() -> None:
    server = COMPOSE["services"]["server"]
    kind, program, option, code = server["healthcheck"]["test"]

    assert ("CMD", "python", "-c") == (kind, program, option)
    assert compile(code, "healthcheck", "exec")
    (port,) = server["ports"]
    address = f"http://{port.rpartition(':')[0]}/api"
    assert f"'{address}/health'" in code
    assert address == server["environment"]["PREFECT_SERVER_UI_API_URL"]


def test_the_server_asks_for_an_auth_string_and_answers_its_own_pages_alone() -> None:
    server = COMPOSE["services"]["server"]
    (port,) = server["ports"]
    origins = read_origins(read_environment()["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"])

    assert server["environment"]["PREFECT_SERVER_API_AUTH_STRING"].startswith("${PREFECT_SERVER_API_AUTH_STRING:?")
    assert {*origins_of(("127.0.0.1", "localhost"), int(port.split(":")[1]))} == {*origins}


def test_the_server_starts_behind_the_doors_that_are_mounted(tmp_path: Path) -> None:
    server = COMPOSE["services"]["server"]
    (mounted,) = server["volumes"]
    file, place, _ = mounted.split(":")
    python, *words = server["command"]
    module, _, function = words[words.index("--factory") + 1].partition(":")
    assert ("python", ["-m", "uvicorn"]) == (python, words[:2])
    assert place == f"{words[words.index('--app-dir') + 1]}/{module}.py"
    # Alone, as in the container, where nothing else of this project is.
    shutil.copy(SERVER / file, tmp_path / f"{module}.py")
    look = f"import {module}; print(callable({module}.{function}))"
    ended = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:0] = ['.']; {look}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert ("True\n", "") == (ended.stdout, ended.stderr)


def test_compose_names_the_files_that_are_there_and_opens_loopback_alone() -> None:
    server = COMPOSE["services"]["server"]
    assert (SERVER / server["env_file"]).exists()
    assert all(
        port.startswith("127.0.0.1:") for service in COMPOSE["services"].values() for port in service.get("ports", [])
    )
    mounted = [volume.split(":")[0] for volume in COMPOSE["services"]["database"]["volumes"]]
    assert all((SERVER / path).exists() for path in mounted if path.startswith("./"))
