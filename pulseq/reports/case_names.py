"""How a test is named in JUnit: class name and name, for a pytest item as pytest's own report has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pulseq.events import TestPlanned


def split_node_id(node_id: str) -> tuple[str, str]:
    """`tests/unit/test_x.py::TestC::test_y[a::b]` as ("tests.unit.test_x.TestC", "test_y[a::b]").

    A file alone, which has a verdict when its collection failed, has no class name.
    """
    path, _, inside = node_id.partition("::")
    module = path.replace("/", ".").removesuffix(".py")
    if not inside:
        return "", module
    plain, bracket, parameters = inside.partition("[")
    *classes, function = plain.split("::")
    return ".".join([module, *classes]), function + bracket + parameters


def node_id_of(planned: TestPlanned) -> str:
    """The node id in a test's id, which inside a suite is led by the id of its entry.

    `unit::tests/test_x.py::test_y` and `tests/test_x.py::test_y` differ only in what
    their first part is: a file is one that the test's location names, or ends in `.py`.
    """
    first, separator, rest = planned.test_id.partition("::")
    if not separator:
        return planned.test_id
    located = (planned.location or "").rpartition(":")[0]
    second = rest.partition("::")[0].partition("[")[0]
    if located and located in (first, second):
        return planned.test_id if located == first else rest
    return planned.test_id if first.endswith(".py") or "/" in first else rest


def name_case(planned: TestPlanned, suite: str) -> tuple[str, str]:
    """The class name and name of a test; its variant is told in the name, and so is its id beside a name of its own."""
    named = bool(planned.name) and planned.name != planned.test_id
    classname, name = suite, f"{planned.name} [{planned.test_id}]" if named else planned.test_id
    entry, _, inside = planned.test_id.partition("::")
    if planned.body == "pytest":
        classname, name = split_node_id(node_id_of(planned))
    elif entry and "::" in inside:  # a case of a JUnit file that a command left: entry::class::name
        classname, _, name = inside.partition("::")
        if planned.name and inside.endswith(f"::{planned.name}"):
            classname, name = inside.removesuffix(f"::{planned.name}"), planned.name
    elif inside and inside == planned.name:  # one without a class
        name = inside
    return classname, f"{name} ({planned.variant})" if planned.variant else name


def tell_apart(names: Sequence[tuple[str, str]], ids: Sequence[str]) -> list[tuple[str, str]]:
    """The class names and names of a report's tests, no two alike, as what reads it keeps one of those that are.

    Where two of a class are, all of that class have their entry's id in front of it, and others of one name their
    own id. What is alike then too is numbered.
    """
    often = Counter(names)
    shared = {classname for (classname, _), times in often.items() if times > 1}
    full = []
    for (classname, name), test_id in zip(names, ids, strict=True):
        origin, separator, _ = test_id.partition("::")
        if classname in shared and (separator or often[classname, name] > 1):
            classname = f"{origin}.{classname}" if classname else origin
        full.append((classname, name))
    return _number(full)


def _number(names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The names, with a number where one was there before; the first of its kind keeps its own."""
    own = set(names)
    given: set[tuple[str, str]] = set()
    numbers: Counter[tuple[str, str]] = Counter()
    apart = []
    for name in names:
        unique = name
        while unique in given or (unique != name and unique in own):
            numbers[name] += 1
            unique = name[0], f"{name[1]} #{numbers[name] + 1}"
        given.add(unique)
        apart.append(unique)
    return apart
