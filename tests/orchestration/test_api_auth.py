from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.orchestration.api_auth import choose_auth, login_url


def test_nobody_can_guess_it_and_each_server_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)

    one, other = choose_auth(), choose_auth()

    assert one != other
    assert min(len(one), len(other)) > 40


def test_one_that_the_environment_names_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:ours")

    assert "admin:ours" == choose_auth()


@given(st.text(min_size=1))
def test_a_link_that_lets_in_has_it_where_no_server_sees_it(auth: str) -> None:
    before, told = login_url("http://127.0.0.1:4200", auth).split("#")

    assert "http://127.0.0.1:4200/pulseq-login" == before
    assert auth == base64.b64decode(told).decode()


def test_without_one_the_link_is_the_pages_address() -> None:
    assert "http://127.0.0.1:4200" == login_url("http://127.0.0.1:4200", None)
