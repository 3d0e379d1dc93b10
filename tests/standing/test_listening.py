"""Where what stands may be reached, and with which credentials."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from pulseq.errors import UsageError
from pulseq.security.authority import make_credentials
from pulseq.security.credentials import keep_credentials
from pulseq.security.site import make_member, make_site, site_directory
from pulseq.standing.listening import credentials_to_listen, read_listen


def test_an_address_of_this_machine_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert f"127.0.0.1:{port}" == read_listen(f"tls://127.0.0.1:{port}")


@pytest.mark.parametrize("text", ["", "8786", "10.0.0.5", "10.0.0.5:", "10.0.0.5:0", "10.0.0.5:port", "::1:8786"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--listen: found '{text}', expected ADDRESS:PORT"):
        read_listen(text)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--listen: '192\.0\.2\.1:8786' cannot be used"):
        read_listen("192.0.2.1:8786")


def test_a_port_that_somebody_has_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(UsageError, match="something listens there already"):
            read_listen(f"127.0.0.1:{server.getsockname()[1]}")


def test_a_port_that_somebody_has_on_loopback_is_refused_for_every_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UsageError, match=rf"\(127\.0\.0\.1, port {port}\); choose another port"):
            read_listen(f"127.0.0.2:{port}")


def test_the_sites_authority_makes_what_the_scheduler_shows(tmp_path: Path) -> None:
    make_site(site_directory(tmp_path), timedelta(days=9))
    member = make_member(site_directory(tmp_path), "lab1", timedelta(days=1), tmp_path / "lab1.pem")

    assert member.authority == credentials_to_listen(tmp_path, None).authority


def test_or_it_has_a_file_of_its_own(tmp_path: Path) -> None:
    keep_credentials(tmp_path / "s.pem", ours := make_credentials("ours"))

    assert ours == credentials_to_listen(tmp_path, tmp_path / "s.pem")


def test_without_either_nothing_listens(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`pulseq certs init` makes one"):
        credentials_to_listen(tmp_path, None)
