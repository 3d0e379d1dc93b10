"""Clients of an API on loopback read one certificate, and all others what they always do."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from pulseq.processes.loopback import direct_settings, is_on_loopback, loopback_settings, without_proxy

VARIABLE = "PREFECT_API_SSL_CERT_FILE"
LOOPBACK = "http://127.0.0.1:4200/api"


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("url", [LOOPBACK, "http://localhost/api", "http://[::1]:4200/api"])
def test_a_client_on_loopback_reads_a_file_that_ssl_takes(url: str) -> None:
    ((name, path),) = loopback_settings(url).items()

    # What Prefect does with it.
    context = ssl.create_default_context(cafile=path)

    assert name == VARIABLE
    (certificate,) = context.get_ca_certs()
    assert certificate["notAfter"] == "Jan  2 00:00:00 2026 GMT"
    assert Path(path).read_bytes().count(b"-----BEGIN") == 1


PROXY = {"HTTP_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("url", "environment", "left_out"),
    [
        (LOOPBACK, PROXY, "127.0.0.1,localhost,::1"),
        (LOOPBACK, {"all_proxy": "http://proxy", "NO_PROXY": ".example"}, ".example,127.0.0.1,localhost,::1"),
        (LOOPBACK, {**PROXY, "no_proxy": "127.0.0.1", "NO_PROXY": "a"}, "127.0.0.1,127.0.0.1,localhost,::1"),
        (LOOPBACK, {**PROXY, "no_proxy": "::1, localhost, 127.0.0.1"}, None),
        (LOOPBACK, {**PROXY, "NO_PROXY": "*"}, None),
        (LOOPBACK, {"http_proxy": "", "https_proxy": "http://proxy"}, None),
        ("http://prefect.example/api", PROXY, None),
    ],
)
def test_a_proxy_is_left_out_for_an_api_on_loopback(
    url: str, environment: dict[str, str], left_out: str | None
) -> None:
    assert left_out == direct_settings(url, environment).get("no_proxy")


def test_what_is_left_out_is_so_as_long_as_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    before = dict(os.environ)
    with without_proxy(LOOPBACK):
        assert before == dict(os.environ)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", ".example")

    with without_proxy("http://prefect.example/api"):
        assert not proxy_bypass("127.0.0.1")
    first, second = without_proxy(LOOPBACK), without_proxy(LOOPBACK)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert proxy_bypass("127.0.0.1")
    second.__exit__(None, None, None)

    assert ".example" == os.environ["no_proxy"]


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1:4200/api", "http://prefect.example/api", "http://localhost.example/api", "http://10.0.0.1/api"],
)
def test_any_other_client_reads_what_it_always_does(url: str) -> None:
    assert loopback_settings(url) == {}
    assert not is_on_loopback(url)


def test_certificates_that_somebody_has_chosen_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/etc/ours.pem")

    assert loopback_settings(LOOPBACK) == {}
