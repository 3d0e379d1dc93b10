"""Clients of an API on loopback read one certificate, and all others what they always do."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from pulseq.processes.loopback import is_on_loopback, loopback_settings

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
