"""The pages that a newcomer begins with, followed word for word, and what has to be noticed in following."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pulseq.processes.loopback import bind_loopback
from tests.system.conftest import open_workplace
from tests.system.page import Step, find_missing, read_steps
from tests.system.reader import Reader, reading
from tests.system.workplace import Workplace

ROOT = Path(__file__).parents[2]
#: What a checkout has that the pages speak of.
CHECKOUT = ("README.md", "constraints.txt", "deployments", "docs", "flows", "prefect.yaml", "pyproject.toml")
#: By page: whether PulseQ is there before it begins, and how many blocks are at least to be followed.
PAGES = {
    "README.md": (False, 3),
    "docs/index.md": (False, 7),
    "docs/guides/flows.md": (True, 3),
    "docs/guides/prefect.md": (True, 4),
    "docs/guides/python.md": (True, 3),
}
_USUAL_PORT = "4200"
_BLOCK_OF_COMMANDS = re.compile(r"^((?:<!-- .* -->\n)?)```(?:sh|console)\n", re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """An empty home, and beside it a fresh checkout; whatever is started there has ended at the end."""
    checkout = tmp_path / "checkout"
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        checkout.mkdir(exist_ok=True)
        copy(ROOT / name, checkout / name)
    with open_workplace(tmp_path) as workplace:
        # As a reader's: the state directory is where the page says.
        del workplace.environment["PULSEQ_HOME"]
        yield workplace
        _end_all(workplace)


def _end_all(workplace: Workplace) -> None:
    # A worker waits for flow runs that it has begun; nobody waits for it here.
    for process in workplace.processes():
        if process.pid != os.getpid():
            process.send_signal(signal.SIGTERM)
    _, left = psutil.wait_procs(workplace.processes(), timeout=3)
    for process in left:
        process.kill()


def read_page(name: str) -> str:
    """A page as it stands, but for the mark of blocks that are this test's own beginning."""
    return (ROOT / name).read_text(encoding="utf-8").replace("<!-- test -->", "<!-- aside: runs this test -->")


def _pages() -> list[Any]:
    """Of those that other tests follow as well (the README, deployments, Python) the longer ones are slow."""
    slow = ("docs/index.md", "docs/guides/prefect.md", "docs/guides/python.md")
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in PAGES]


@pytest.mark.parametrize("name", _pages())
def test_a_page_that_is_followed_to_the_letter_ends_well(place: Workplace, name: str) -> None:
    installed, _ = PAGES[name]
    text = read_page(name)
    # The port that Prefect takes by itself may be somebody else's here.
    with bind_loopback() as free:
        port = str(free.getsockname()[1])
    # A worker asks for work every ten seconds by itself.
    environment = {**place.environment, "PREFECT_SERVER_API_PORT": port, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with reading(place.path / "checkout", environment, installed=installed) as reader:
        for step in read_steps(name, text.replace(_USUAL_PORT, port)):
            reader.follow(step)

    logs = [path.read_text(errors="replace") for path in (place.path / "checkout").glob("prefect-*.log")]
    assert [] == [line for log in logs for line in log.splitlines() if "nanobind" in line or "Traceback" in line]


@pytest.mark.parametrize("name", PAGES)
def test_each_block_of_commands_is_followed_or_says_why_not(name: str) -> None:
    text = read_page(name)
    steps = read_steps(name, text)

    followed = {step.place for step in steps}
    blocks = [found for found in _BLOCK_OF_COMMANDS.finditer(text) if not found[1].startswith("<!-- aside: ")]
    places = {f"{name}:{text.count(chr(10), 0, found.end() - 1) + 1}" for found in blocks}
    assert set() == places - followed
    assert len(followed) >= PAGES[name][1]


# -- what a reader notices


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "here").mkdir()
    with reading(tmp_path / "here", dict(os.environ), installed=True) as reader:
        yield reader


def test_a_shell_keeps_what_a_step_leaves(reader: Reader, tmp_path: Path) -> None:
    page = (
        "```console\n$ mkdir there && cd there\n$ export WORD=well\n```\n"
        '```text title="a.txt"\nall $WORD\n```\n'
        "```console\n$ cat a.txt\nall $…\n$ echo $WORD\nwell\n```\n"
        "```python\nprint('fine')\n```\n\n```text\nfine\n```\n"
    )
    for step in read_steps("page", page):
        reader.follow(step)

    assert "all $WORD\n" == (tmp_path / "here" / "there" / "a.txt").read_text()


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (Step("page:3", command="false"), "page:3: `false` ended with 1"),
        (Step("page:3", command="echo no", written=("yes",)), "page:3: `echo no` did not write 'yes', but:\nno"),
        (Step("page:3", text="raise SystemExit(4)", is_program=True), "ended with 4"),
        (Step("page:3", command="pip install .", written=()), "found no project here"),
    ],
    ids=["fails", "says-something-else", "program", "nothing-to-install"],
)
def test_what_does_not_go_as_the_page_says_is_told(reader: Reader, step: Step, told: str) -> None:
    with pytest.raises(AssertionError) as caught:
        reader.follow(step)

    assert told in str(caught.value)


def test_a_command_gets_nothing_of_what_comes_after_it(reader: Reader) -> None:
    reader.follow(Step("page:1", command="cat"))
    reader.follow(Step("page:2", command="echo next", written=("next",)))


@pytest.mark.parametrize(
    ("shown", "written", "missing"),
    [
        (("a", "c"), "a\nb\nc\n", None),
        (("c", "a"), "a\nb\nc\n", "a"),
        (("passed in … s",), "  passed in 0.3 s\n", None),
        (("passed in … s",), "passed in 0.3 ms\n", "passed in … s"),
        (("1.5",), "105\n", "1.5"),
    ],
    ids=["others-between", "order", "varies", "ends-otherwise", "no-pattern"],
)
def test_lines_that_are_shown_are_looked_for_in_order(
    shown: tuple[str, ...], written: str, missing: str | None
) -> None:
    assert missing == find_missing(shown, written)


def test_an_aside_and_a_mere_example_are_no_steps() -> None:
    page = "<!-- aside: a placeholder -->\n```console\n$ false\n```\n```yaml\nsuite: shop\n```\n```text\nwords\n```\n"

    assert [] == read_steps("page", page)
