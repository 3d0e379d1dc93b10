"""What ssh says, in one line with what to do."""

from __future__ import annotations

import pytest

from pulseq.cluster.ssh_trouble import explain, explain_version


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        ("ssh: connect to host lab1 port 22: Connection timed out\n", 255, "cannot be reached: it does not answer"),
        ("ssh: connect to host lab1 port 22: No route to host\n", 255, "cannot be reached: there is no way to it"),
        ("sh: 1: /opt/x/python: not found\n", 127, "has no such Python: /opt/x/python"),
        ("pulseq-host: no python\n", 127, "has no Python"),
        ("/usr/bin/python3: No module named pulseq\n", 1, "has no PulseQ under its python; `pulseq node install lab1`"),
        ("  File x\nSyntaxError: invalid syntax\n", 1, "has a python that is too old"),
        ("Control socket connect(/tmp/p/c): Connection refused\n", 255, "is lost: the connection to it has ended; see"),
        ("kex_exchange_identification: read: Connection reset by peer\n", 255, "Connection reset by peer"),
        ("", 255, "cannot be used: ssh ended with 255"),
        ("", None, "cannot be used: it said nothing"),
        ("", 0, "cannot be used: its login shell ends before it runs what it is given; see its .bashrc"),
    ],
)
def test_each_trouble_has_one_line(said: str, code: int | None, told: str) -> None:
    line = explain("lab1", said, code)
    assert line.startswith("host 'lab1' ")
    assert told in line
    assert "\n" not in line


def test_versions_are_told_both() -> None:
    assert explain_version("lab1", "1", "distributed", "2") == (
        "host 'lab1' has distributed 1, this machine 2; `pulseq node install lab1` puts this one there"
    )
