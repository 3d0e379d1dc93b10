"""The files for a Prefect server of a site say what Prefect and PostgreSQL understand."""

from __future__ import annotations

import re

import pytest
import yaml
from prefect.settings import Settings

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


def test_compose_names_the_files_that_are_there_and_opens_loopback_alone() -> None:
    server = COMPOSE["services"]["server"]
    assert (SERVER / server["env_file"]).exists()
    assert all(
        port.startswith("127.0.0.1:") for service in COMPOSE["services"].values() for port in service.get("ports", [])
    )
    mounted = [volume.split(":")[0] for volume in COMPOSE["services"]["database"]["volumes"]]
    assert all((SERVER / path).exists() for path in mounted if path.startswith("./"))
