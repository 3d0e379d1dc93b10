"""Who is let in by TLS, and what is said to whom is not."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pulseq.security.authority import Authority, make_credentials
from pulseq.security.context import make_context
from pulseq.security.credentials import Credentials
from pulseq.security.refusal import say_refusal

LAB = Authority.make("lab", timedelta(days=100))
SCHEDULER = LAB.issue("scheduler")


@contextlib.contextmanager
def listening(credentials: Credentials | None) -> Iterator[int]:
    """A port that says `welcome` to the one that calls, if it lets it in."""

    def welcome() -> None:
        caller, _ = server.accept()
        with caller, contextlib.suppress(OSError):
            if credentials is not None:
                context = make_context(credentials, ssl.Purpose.CLIENT_AUTH)
                caller = context.wrap_socket(caller, server_side=True)
            caller.sendall(b"welcome")
            caller.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=welcome)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def call(context: ssl.SSLContext, listener: Credentials | None = SCHEDULER) -> bytes:
    with (
        listening(listener) as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain) as line,
    ):
        return line.recv(100)


def answer(caller: Credentials, listener: Credentials | None = SCHEDULER) -> bytes:
    return call(make_context(caller, ssl.Purpose.SERVER_AUTH), listener)


def refusal(caller: Credentials, listener: Credentials | None = SCHEDULER) -> str:
    with pytest.raises(ssl.SSLError) as refused:
        answer(caller, listener)
    return say_refusal(refused.value)


def test_a_member_is_let_in() -> None:
    assert b"welcome" == answer(LAB.issue("lab1"))


def test_of_another_site() -> None:
    assert "the credentials are of another site" in refusal(make_credentials("lab"))


def test_signed_by_another_site_that_knows_ours() -> None:
    foreign = make_credentials("lab")

    told = refusal(Credentials(LAB.certificate, foreign.certificate, foreign.key))

    assert "the credentials are of another site" in told


def test_signed_by_a_member() -> None:
    member = LAB.issue("lab1")
    forged = Authority(member.certificate, member.key).issue("lab2")

    assert refusal(Credentials(LAB.certificate, forged.certificate + member.certificate, forged.key))


def test_expired() -> None:
    expired = LAB.issue("lab1", timedelta(days=1), now=datetime.now(UTC) - timedelta(days=3))

    assert "says that the certificate of these credentials has expired" in refusal(expired)


def test_what_listens_has_expired() -> None:
    expired = LAB.issue("scheduler", timedelta(days=1), now=datetime.now(UTC) - timedelta(days=3))

    assert "the certificate of what listens there has expired" in refusal(LAB.issue("lab1"), expired)


def test_what_listens_is_not_valid_yet() -> None:
    early = LAB.issue("scheduler", now=datetime.now(UTC) + timedelta(days=3))

    assert "what listens there is not valid yet; compare the clocks" in refusal(LAB.issue("lab1"), early)


def test_what_listens_does_not_speak_tls() -> None:
    assert "it does not speak TLS" in refusal(LAB.issue("lab1"), None)


def test_who_shows_nothing_is_told_what_it_lacks() -> None:
    context = ssl.create_default_context(cadata=LAB.certificate)
    context.check_hostname = False

    with pytest.raises(ssl.SSLError) as refused:
        call(context)
    assert "it wants to see credentials of its site: --credentials FILE" == say_refusal(refused.value)


def test_no_key_is_ever_on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object, **__: object) -> None:
        raise AssertionError("a file was made")

    for name in ("mkstemp", "mkdtemp", "TemporaryDirectory", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, forbid)
    before = set(os.listdir("/proc/self/fd"))

    make_context(SCHEDULER, ssl.Purpose.CLIENT_AUTH)

    assert set(os.listdir("/proc/self/fd")) <= before  # others may have been closed meanwhile
