"""What hosts of tests need: what is missing is told with what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts import needs


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    needs.find_missing.cache_clear()
    yield
    needs.find_missing.cache_clear()


def test_programs_that_are_missing_are_told_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(needs, "_PATH", "/nowhere")

    told = needs.find_missing()

    assert told is not None
    assert told.startswith("no sshd, ssh, ")
    assert told.endswith("apt-get install iproute2 openssh-client openssh-server util-linux")


def test_without_root_there_are_no_hosts_and_the_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(pytest.skip.Exception, match="only root makes hosts"):
        needs.skip_without_hosts()
