"""Finds where our code reaches for what another package does not promise, as far as its text tells that."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.sources import nodes_of, parse
from tests.unpromised import Place

ROOT = Path(__file__).parents[1]
#: Begin with an underscore and are documented all the same.
DOCUMENTED = frozenset({"_exit", "_getframe", "_replace", "_thread"})
_PRIVATE = re.compile(r"_[A-Za-z]\w*")
_PRIVATE_MODULE = re.compile(r"[a-z]\w*(\.\w+)*\._[a-z]\w*(\.\w+)*")
_BY_NAME = ("getattr", "setattr", "hasattr", "delattr")


@dataclass(frozen=True)
class Outside:
    """A package whose promises are known.

    Attributes:
        packages: what it is imported as.
        promised: modules of it, and attributes as `Class.name`, that its documentation tells of.
        receivers: the variables that hold an object of it in our code, and its class.
        rooms: beginnings of the paths below `pulseq/` of files that are given such objects without an import.
        texts: what is told by text, such as the name of a module or of something that happened.
    """

    packages: tuple[str, ...]
    promised: frozenset[str]
    receivers: Mapping[str, str]
    rooms: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()


def our_files(*words: str) -> dict[str, ast.Module]:
    """What `pulseq/` has, by paths below it; of files that have one of these words in their path or text, if any."""
    place = ROOT / "pulseq"
    texts = {file.relative_to(place).as_posix(): file.read_text(encoding="utf-8") for file in place.rglob("*.py")}
    return {
        path: parse(text)
        for path, text in sorted(texts.items())
        if not words or any(word in path or word in text for word in words)
    }


def unpromised_uses(files: Mapping[str, ast.Module], outside: Outside) -> set[tuple[str, str]]:
    """Each file and what it uses: modules that are not documented, and attributes of objects of the package."""
    found: set[tuple[str, str]] = set()
    for file, tree in files.items():
        modules = set(_imported_modules(tree, outside.packages))
        uses = modules | set(_imported_names(tree, outside.packages)) | (outside.texts & set(_texts(tree)))
        if modules or file.startswith(outside.rooms):
            uses |= {
                f"{outside.receivers[owner]}.{name}" for owner, name in _attributes(tree) if owner in outside.receivers
            }
        found |= {(file, use) for use in uses - outside.promised}
    return found


def named_uses(places: Collection[Place]) -> set[tuple[str, str]]:
    """What a table of places names."""
    return {(file, use) for place in places for file in place.files for use in place.uses}


def private_names(files: Mapping[str, ast.Module]) -> set[tuple[str, str]]:
    """Each file and the private attributes and modules of others that it names, as attributes or as texts."""
    members = {file: set(_members(tree)) for file, tree in files.items()}
    ours = set().union(*members.values())
    found = set()
    for file, tree in files.items():
        for owner, name in _attributes(tree):
            if _PRIVATE.fullmatch(name) and name not in (ours if owner in ("self", "cls", "super") else members[file]):
                found.add((file, name))
        own = members[file].union(*(_defined(node) for node in tree.body))
        for text in _texts(tree):
            if (_PRIVATE.fullmatch(text) or _PRIVATE_MODULE.fullmatch(text)) and text not in own:
                found.add((file, text))
        for name in (*_imported_modules(tree, None), *_imported_from_others(tree)):
            if any(_PRIVATE.fullmatch(part) for part in name.split(".")):
                found.add((file, name))
    return {(file, name) for file, name in found if not _is_ours(name)}


def _is_ours(name: str) -> bool:
    return name in DOCUMENTED or name.lower().startswith("_pulseq") or name.endswith("_")


def _imported_modules(tree: ast.Module, packages: Collection[str] | None) -> Iterator[str]:
    for node in nodes_of(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        yield from (name for name in names if packages is None or name.partition(".")[0] in packages)


def _imported_names(tree: ast.Module, packages: Collection[str]) -> Iterator[str]:
    """What is imported from a package itself, as `package.name`."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and node.module in packages:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported_from_others(tree: ast.Module) -> Iterator[str]:
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and not (node.module or "").startswith("pulseq"):
            yield from (alias.name for alias in node.names)


def _attributes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each attribute that is used, also by `getattr` and its like, after the last name of what it is of."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Attribute):
            yield _last_name(node.value), node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _BY_NAME:
            name = node.args[1]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield _last_name(node.args[0]), name.value


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _members(tree: ast.Module) -> Iterator[str]:
    """What classes of a file define, by their bodies or by `self.name = ...`."""
    for node in nodes_of(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                yield from _defined(statement)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _last_name(node.value) in "self":
            yield node.attr


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _texts(tree: ast.Module) -> Iterator[str]:
    return (node.value for node in nodes_of(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
