"""What of the caller's environment goes to nodes with a run, and what of it nobody is to see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pulseq.blotting import LEAST_CHARACTERS, make_blotter
from pulseq.errors import UsageError
from pulseq.execution.runtime.blotting import Blotter
from pulseq.models import PRIVATE_PREFIXES, Suite
from pulseq.project import ProjectSpec
from pulseq.protocol.to_node import BodyVariables

#: How a node comes that is a process of the caller's machine, and started by its user.
_LOCAL = "local"
#: Variables that bodies do not get from a run's own nodes either, or get anew.
_NOT_CARRIED = (*PRIVATE_PREFIXES, "TMPDIR")


@dataclass(frozen=True, slots=True)
class CallersVariables:
    """The environment of a run's bodies, as far as its caller decides it.

    Attributes:
        passed: go to every node: what the suite names.
        carried: go to nodes of this machine besides, where another process has started these: bodies there are to
            have the caller's environment.
        secrets: values of some of the passed ones.
        ship: whether nodes of this machine are as those of others.
    """

    passed: Mapping[str, str] = field(default_factory=dict, repr=False)
    carried: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    ship: bool = False

    def on_node(self, way: str) -> BodyVariables:
        """The environment of bodies on a node that has come so."""
        as_caller = way == _LOCAL and not self.ship
        variables = {**self.carried, **self.passed} if as_caller else self.passed
        return BodyVariables(variables, self.secrets, like_a_login=way == _LOCAL and self.ship)

    def blotter(self) -> Blotter | None:
        """What blots the secrets out; None where there are none."""
        return make_blotter(self.secrets)


def read_variables(
    suite: Suite, environment: Mapping[str, str], *, nodes: Mapping[str, str] | None = None, ship: bool = False
) -> CallersVariables:
    """The variables of a run of a suite.

    Args:
        environment: the caller's.
        nodes: that of nodes of this machine which another process has started.

    Raises:
        UsageError: a secret that is not there or too short to be one; or one that stands in the name of a test.
    """
    project = suite.project
    secrets = _read_secrets(project, environment)
    passed = {name: value for name, value in environment.items() if _is_passed(name, project)}
    carried = {} if nodes is None else dict(_find_differing(environment, nodes))
    variables = CallersVariables({**passed, **secrets}, carried, tuple(secrets.values()), ship)
    _refuse_named(suite, secrets)
    return variables


def _read_secrets(project: ProjectSpec, environment: Mapping[str, str]) -> dict[str, str]:
    absent = [name for name in project.secrets if name not in environment]
    short = [name for name in project.secrets if len(environment.get(name, "*" * 9).strip()) < LEAST_CHARACTERS]
    if absent:
        raise UsageError(
            f"project.secrets: found no variable {_join(absent)} in the environment, expected each secret to be set "
            "where the run is started: export it, or take its name out"
        )
    if short:
        raise UsageError(
            f"project.secrets: found fewer than {LEAST_CHARACTERS} characters in {_join(short)}, expected more: "
            "wherever they stand they would be blotted out"
        )
    return {name: environment[name] for name in project.secrets}


def _is_passed(name: str, project: ProjectSpec) -> bool:
    return not name.startswith(_NOT_CARRIED) and any(fnmatchcase(name, pattern) for pattern in project.pass_env)


def _find_differing(environment: Mapping[str, str], nodes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A variable that the nodes have and the run has not cannot be taken away."""
    for name, value in environment.items():
        if nodes.get(name) != value and not name.startswith(_NOT_CARRIED) and name != "_":
            yield name, value


def _refuse_named(suite: Suite, secrets: Mapping[str, str]) -> None:
    """Refuse a suite whose tests could not be told by their names, since these would be blotted out."""
    for variable, value in secrets.items():
        named = [test for test in suite.tests if value in test.id]
        if named:
            place = f"{named[0].location}: " if named[0].location else ""
            raise UsageError(
                f"{place}found the value of the secret {variable} in the id of {_count(len(named))}, expected ids "
                "without it, since it is blotted out wherever it stands: have another value, or other ids"
            )


def _count(tests: int) -> str:
    return "a test" if tests == 1 else f"{tests} tests"


def _join(names: list[str]) -> str:
    return ", ".join(names)
