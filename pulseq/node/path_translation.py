"""Paths of a project as a run has them, and as they are on this node: whatever comes is in the one, and goes so."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec import Struct, structs

from pulseq.protocol.project_files import PrepareOrder, Workspace
from pulseq.protocol.work import Dispatch, TestWork, Work
from pulseq.pytest_sessions import Collection, PytestSpec

T = TypeVar("T")

#: What may stand before a path: nothing that it would go on from (a host, another path, what a shell puts in), but an
#: option of one letter, or a URL without a host; those of these databases then name a relative path.
_START = (
    r"(?:(?<![\w.\-/~+%)\]}*?])"
    r"|(?<=(?<![\w.\-/])-[A-Za-z])"
    r"|(?<=://)(?<!sqlite://)(?<!duckdb://)"
    r"|(?<=:///))"
)
#: What may follow a path that ends there: no further character of its name.
_END = r"(?![\w.\-])"
#: What separates places, and is not of a URL.
_SEPARATOR = re.compile(re.escape(os.pathsep) + r"(?!//)")


class PathTranslation:
    """Translates what a node is told, and what it tells, between a project and its workspace.

    Args:
        environment: what bodies get besides what they are told: what names places of the project in it is changed.
    """

    def __init__(self, workspace: Workspace, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.place = workspace.place
        roots = sorted({workspace.root, *workspace.aliases}, key=len, reverse=True)
        self._here = re.compile(f"{_START}(?:{'|'.join(map(re.escape, roots))}){_END}")
        # The directory that holds the tree was made for it, too.
        self._holder = os.path.dirname(workspace.place)
        self._home = os.path.dirname(workspace.root).rstrip(os.sep)
        self._back = re.compile(re.escape(self._holder) + r"(?![\w\-])")
        self._inherited = self._find_paths(environment)
        self._specs: dict[PytestSpec, PytestSpec] = {}
        #: Names of items that are others when they went home and came back.
        self._odd_names: dict[str, str] = {}

    def to_here(self, text: str) -> str:
        """A text with paths of the project as they are on this node."""
        return self._here.sub(lambda _: self.place, text)

    def to_home(self, text: str) -> str:
        """A text with paths of this node's workspace as the run has them."""
        return self._back.sub(lambda _: self._home, text) if self._holder in text else text

    def bring_home(self, value: T) -> T:
        """What is told, with all texts in it translated."""
        told: T = _map(value, self.to_home)
        return told

    def collection_home(self, collection: Collection) -> Collection:
        """What a session collected; items are found again by the names that they have in it."""
        for item in collection.items:
            told = self.to_home(item.nodeid)
            if self._name_here(told) != item.nodeid:
                self._odd_names[told] = item.nodeid
        return self.bring_home(collection)

    def dispatch_here(self, dispatch: Dispatch) -> Dispatch:
        """What is to be run, with all paths in it as they are on this node; tests keep their ids."""
        return structs.replace(dispatch, work=tuple(map(self._work_here, dispatch.work)))

    def spec_here(self, spec: PytestSpec) -> PytestSpec:
        """A session, with all paths in it as they are on this node."""
        if spec not in self._specs:
            here = _changed(spec, ("targets", "args", "cwd", "python"), self.to_here)
            env = self._env_here(dict(spec.env))
            self._specs[spec] = dataclasses.replace(here, env=tuple(sorted(env.items())))
        return self._specs[spec]

    def order_here(self, order: PrepareOrder) -> PrepareOrder:
        """What makes the project ready, with all paths in it as they are on this node."""
        here: PrepareOrder = _changed(order, ("command", "env"), self.to_here)
        return here

    def _work_here(self, work: Work) -> Work:
        if isinstance(work, TestWork):
            test = _changed(work.test, ("body", "cwd", "python"), self.to_here)
            return structs.replace(work, test=dataclasses.replace(test, env=self._env_here(work.test.env)))
        orders = tuple(structs.replace(order, nodeid=self._name_here(order.nodeid)) for order in work.orders)
        return structs.replace(work, spec=self.spec_here(work.spec), orders=orders)

    def _name_here(self, name: str) -> str:
        return self._odd_names.get(name) or self.to_here(name)

    def _env_here(self, env: Mapping[str, str]) -> dict[str, str]:
        return {**self._inherited, **{name: self.to_here(value) for name, value in env.items()}}

    def _find_paths(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Variables that name places of the project that are in the workspace, with the names that these have here."""
        found = {}
        for name, value in environment.items():
            if self._here.search(value):
                places = [self._if_there(place) for place in _SEPARATOR.split(value)]
                if (here := os.pathsep.join(places)) != value:
                    found[name] = here
        return found

    def _if_there(self, place: str) -> str:
        here = self._here.sub(lambda _: self.place, place)
        return here if os.path.exists(here.partition("://")[2] or here) else place


def _map(value: Any, change: Callable[[str], str]) -> Any:
    """A value with each text in it changed; itself where nothing was."""
    if isinstance(value, str):
        # Words of an enumeration are texts, too, and no paths.
        return change(value) if type(value) is str else value
    if isinstance(value, (int, float, bytes)) or value is None:
        return value
    if isinstance(value, Struct):
        return _changed(value, value.__struct_fields__, change)
    if dataclasses.is_dataclass(value):
        return _changed(value, [one.name for one in dataclasses.fields(value)], change)
    if isinstance(value, Mapping):
        made = {_map(key, change): _map(one, change) for key, one in value.items()}
        return value if made == value else made
    if isinstance(value, (tuple, list)):
        several = [_map(one, change) for one in value]
        return value if all(new is old for new, old in zip(several, value, strict=True)) else type(value)(several)
    return value


def _changed(value: Any, names: Iterable[str], change: Callable[[str], str]) -> Any:
    old = {name: getattr(value, name) for name in names}
    new = {name: _map(one, change) for name, one in old.items()}
    if all(new[name] is old[name] for name in old):
        return value
    return structs.replace(value, **new) if isinstance(value, Struct) else dataclasses.replace(value, **new)
