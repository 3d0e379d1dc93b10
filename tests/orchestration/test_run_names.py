"""Names that people give, told from those that Prefect makes up."""

from __future__ import annotations

import pytest
from prefect.utilities.names import generate_slug

from pulseq.orchestration.run_names import given_name, is_made_up


def test_every_name_of_prefects_server_is_made_up() -> None:
    assert [] == [name for name in (generate_slug(2) for _ in range(500)) if not is_made_up(name)]


@pytest.mark.parametrize("name", ["alpha2-centauri", "kappa717-ursae-majoris-cluster", "omega-sato", "beta131--h"])
def test_names_of_prefects_form_are_made_up(name: str) -> None:
    assert is_made_up(name)


@pytest.mark.parametrize("name", ["smoke-again", "release 4.2", "before the merge", "brave", "alpha", "Alpha-one"])
def test_what_people_write_is_not(name: str) -> None:
    assert not is_made_up(name)


def test_outside_a_flow_run_there_is_no_name() -> None:
    assert given_name() is None
