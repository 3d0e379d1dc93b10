"""Names as Prefect and Dask have them: of task runs, of what nodes and drivers find at a scheduler."""

from __future__ import annotations

from collections.abc import Sequence

from pulseq.models import TestCase

#: Longer names of task runs and flow runs are cut; the journal and the database have them whole.
MAX_NAME_CHARACTERS = 500
#: On which a scheduler tells drivers that nodes have come or gone, and that one was marked (the event `MARKED`).
NODE_TOPIC = "pulseq-nodes"
MARKED = "marked"
#: Where marks of nodes are in its metadata, by the ids of nodes.
MARKS_KEY = "pulseq-marks"


def shown_name(name: str) -> str:
    """A name as Prefect can take it: an event of over 1.5 MB, or text that is no UTF-8, ends the task run."""
    return _cut(name, MAX_NAME_CHARACTERS).encode("utf-8", "backslashreplace").decode()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


#: Marks that say how pytest is to run an item, and not what it is.
_PYTESTS_OWN = frozenset({"parametrize", "usefixtures", "filterwarnings", "skip", "skipif", "xfail"})


def name_task_run(tests: str, node_id: str | None, cases: Sequence[TestCase]) -> str:
    """The name of a task run, by which Prefect's pages find it: its tests, then node, priority and labels.

    As in `checkout @ node1, critical, smoke`: a tag would cost a request to the server before each test.

    Args:
        tests: what its tests are called.
        node_id: None where no node took them.
        cases: its tests; told are the highest priority and the labels that all of them have.
    """
    priority = max(case.priority for case in cases).word
    first, *others = (case.labels for case in cases)
    shared = [
        label if value is True else f"{label}={value}"
        for label, value in first.items()
        if label not in _PYTESTS_OWN and all(other is first or other.get(label) == value for other in others)
    ]
    place = f" @ {_cut(', '.join([node_id or 'no node', priority, *shared]), MAX_NAME_CHARACTERS // 2)}"
    return f"{_cut(tests, MAX_NAME_CHARACTERS - len(place))}{place}"
