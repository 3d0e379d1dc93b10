"""How a test is named in JUnit: class name and name, for a pytest item as pytest's own report has them."""

from __future__ import annotations

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
    """The class name and name of a test; a variant is told in the name, so that no two are alike."""
    classname, name = suite, planned.name or planned.test_id
    entry, _, inside = planned.test_id.partition("::")
    if planned.body == "pytest":
        classname, name = split_node_id(node_id_of(planned))
    elif entry and "::" in inside:  # a case of a JUnit file that a command left: entry::class::name
        classname, _, name = inside.partition("::")
    return classname, f"{name} ({planned.variant})" if planned.variant else name
