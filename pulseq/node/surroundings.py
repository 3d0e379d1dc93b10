"""What bodies of a run find on a node besides their own words: variables, and what is not to be seen of them."""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pulseq.blotting import make_blotter
from pulseq.execution.runtime.blotting import Blotter
from pulseq.models import PRIVATE_PREFIXES
from pulseq.processes.native_threads import VARIABLES
from pulseq.protocol.to_node import BodyVariables

#: What every login has where the machine says nothing of its own; as sshd is built.
_LOGIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Of a machine rather than of a shell on it; and what its slots have been given of its processors.
_MACHINES_OWN = ("TZ", "LANG", "LANGUAGE", "LC_", *VARIABLES)
_ETC_ENVIRONMENT = Path("/etc/environment")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The environment of the bodies of one run on one node.

    Attributes:
        base: what interpreters are started with, as far as it is not ours.
        variables: what bodies have besides; what a test says itself goes before them.
        secrets: the texts that are to be blotted out, and `blotter` does so; None where there are none.
        like_a_login: whether the base is that of a login, whatever the node was started with.
    """

    base: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    blotter: Blotter | None = field(default=None, repr=False)
    like_a_login: bool = False

    @classmethod
    def of(cls, asked: BodyVariables, own: Mapping[str, str]) -> Surroundings:
        """As a driver asks for it.

        Args:
            own: variables that the node has for all bodies, whatever the run.
        """
        base = login_environment(os.environ) if asked.like_a_login else os.environ
        blotter = make_blotter(asked.secrets)
        secrets = () if blotter is None else blotter.forms
        return cls({**base, **own}, {**asked.variables, **own}, secrets, blotter, asked.like_a_login)

    @property
    def environment(self) -> dict[str, str]:
        """All that bodies have before they say something themselves."""
        return {
            **{name: value for name, value in self.base.items() if not name.startswith(PRIVATE_PREFIXES)},
            **self.variables,
        }


def login_environment(environment: Mapping[str, str], machine: Path = _ETC_ENVIRONMENT) -> dict[str, str]:
    """What a command has that sshd starts here for this user, whatever this process was started with.

    Args:
        environment: of this process; language and time zone are taken from it.
        machine: the file of variables that every login of the machine has.
    """
    user = pwd.getpwuid(os.getuid())
    kept = {name: value for name, value in environment.items() if name.startswith(_MACHINES_OWN)}
    own = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell or "/bin/sh"}
    return {"PATH": _LOGIN_PATH, **kept, **_read_variables(machine), **own}


def _read_variables(file: Path) -> dict[str, str]:
    """The `NAME=VALUE` lines of a file as PAM reads it; none of one that is not there."""
    try:
        lines = file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return {}
    variables: dict[str, str] = {}
    for line in lines:
        name, is_one, value = line.strip().removeprefix("export ").partition("=")
        if is_one and name.isidentifier():
            variables[name] = _unquote(value)
    return variables


def _unquote(value: str) -> str:
    try:
        return " ".join(shlex.split(value, comments=True))
    except ValueError:  # a quote without its end
        return value
