"""What pytest tells in a worker goes to its controller, from that process alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pulseq.execution.runtime.pytest_events import EventReader
from pulseq.execution.runtime.pytest_sender import EventSender, warning_text

Read = Callable[[str], list[Any]]
SUITE = """
    import warnings, pytest
    def test_passes(): warnings.warn("old ways", FutureWarning)
    def test_fails(): assert 0
"""
SORTING_OUT = """
    def pytest_collection_modifyitems(config, items):
        config.hook.pytest_deselected(items=items[1:])
        del items[1:]
"""


@pytest.fixture
def read() -> Read:
    """The events in a file, all at once."""

    def read_all(path: str) -> list[Any]:
        reader = EventReader(path)
        try:
            return list(reader.read())
        finally:
            reader.close()

    return read_all


@pytest.fixture
def tell(suite: Any, tmp_path: Path, read: Read) -> Callable[..., list[Any]]:
    """`tell(files)` runs a suite in this process as a worker does; the events of it."""

    def run(files: dict[str, str], wanted: list[str] | None = None) -> list[Any]:
        folder = suite(files)
        sender = EventSender(str(tmp_path / "events"), wanted)

        class Worker:
            def pytest_configure(self, config: Any) -> None:
                config.workerinput = {"workerid": "gw0", "testrunuid": "run-1"}
                config.workeroutput = {"cov": (1, b"data")}
                sender.begin(config)

        options = ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:terminal", "-Walways"]
        place = [f"--rootdir={folder.path}", f"-c{folder.path}/pytest.ini", "--import-mode=importlib", str(folder.path)]
        pytest.main([*options, *place], plugins=[Worker()])
        sender.forget()
        return read(str(tmp_path / "events"))

    return run


def test_a_session_is_told_in_order(tell: Callable[..., list[Any]]) -> None:
    events = tell({"test_a.py": SUITE})
    one_item = ["logstart", "testreport", "testreport", "testreport", "logfinish"]
    assert [*one_item, *one_item, "finished"] == [name for name, _ in events if name != "warning"]
    reports = [data["data"] for name, data in events if name == "testreport"]
    assert {("gw0", "run-1")} == {(data["worker_id"], data["testrun_uid"]) for data in reports}
    assert ["passed", "failed"] == [data["outcome"] for data in reports if data["when"] == "call"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], [("test_a.py::test_fails", "failed")]),
        (
            ["test_a.py::test_passes"],
            [*[("test_a.py::test_passes", "passed")] * 3, ("test_a.py::test_fails", "failed")],
        ),
    ],
    ids=["none", "one"],
)
def test_where_nobody_listens_only_failures_and_wanted_passes_are_told(
    wanted: list[str], expected: list[tuple[str, str]], tell: Callable[..., list[Any]]
) -> None:
    events = [event for event in tell({"test_a.py": SUITE}, wanted) if event[0] != "warning"]
    assert expected == [(data["data"]["nodeid"], data["data"]["outcome"]) for name, data in events[:-1]]
    assert "finished" == events[-1][0]


def test_what_plug_ins_give_back_is_told_at_the_end(tell: Callable[..., list[Any]]) -> None:
    _, data = tell({"test_a.py": SUITE})[-1]
    assert {"cov": (1, b"data"), "exitstatus": 1, "shouldfail": False, "shouldstop": False} == data["output"]


OWN_WORDS = """
    import pytest
    class Item(pytest.Item):
        def runtest(self): raise ValueError
        def repr_failure(self, excinfo): return 3
        def reportinfo(self): return self.path, 0, self.name
    class File(pytest.File):
        def collect(self): yield Item.from_parent(self, name="one")
    def pytest_collect_file(file_path, parent):
        return File.from_parent(parent, path=file_path) if file_path.suffix == ".own" else None
"""


def test_what_no_report_can_be_made_of_is_told_as_text(tell: Callable[..., list[Any]]) -> None:
    events = tell({"conftest.py": OWN_WORDS, "a.own": ""})
    assert ["3"] == [
        data["data"]["longrepr"] for name, data in events if name == "testreport" and data["data"]["longrepr"]
    ]


def test_a_warning_is_told_with_its_kind_and_place(tell: Callable[..., list[Any]]) -> None:
    (data,) = [data for name, data in tell({"test_a.py": SUITE}) if name == "warning"]
    message = data["message"]
    assert ("old ways", "FutureWarning", "builtins") == (message["text"], message["category"], message["module"])
    assert ("runtest", "test_a.py::test_passes") == (data["when"], data["nodeid"])
    assert message["filename"].endswith("test_a.py")


def test_what_is_deselected_and_what_cannot_be_collected_is_told(tell: Callable[..., list[Any]]) -> None:
    files = {"conftest.py": SORTING_OUT, "test_a.py": SUITE, "test_b.py": "import nothing_of_this_name\n"}
    events = tell(files)
    assert [["test_a.py::test_fails"]] == [
        [nodeid for nodeid, _ in data["items"]] for name, data in events if name == "deselected"
    ]
    assert ["test_b.py"] == [data["data"]["nodeid"] for name, data in events if name == "collectreport"]


def test_a_fork_goes_on_in_a_file_of_its_own(tmp_path: Path, read: Read) -> None:
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    sender = EventSender(first, None)
    sender.tell_collected(["t"])
    pid = os.fork()
    if pid == 0:
        sender.turn_to(second, None)
        sender.send("property", name="n", value="v")
        sender.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    sender.forget()
    assert [("collected", {"ids": ["t"]})] == read(first)
    assert [("property", {"name": "n", "value": "v"})] == read(second)


def test_a_child_of_a_test_says_nothing(tmp_path: Path, read: Read) -> None:
    sender = EventSender(str(tmp_path / "events"), None)
    pid = os.fork()
    if pid == 0:
        sender.tell_collected(["of the child"])
        os._exit(0)
    os.waitpid(pid, 0)
    sender.tell_collected(["of the test"])
    sender.forget()
    assert [("collected", {"ids": ["of the test"]})] == read(str(tmp_path / "events"))


def test_what_was_not_sent_is_forgotten_and_nothing_follows(tmp_path: Path, read: Read) -> None:
    sender = EventSender(str(tmp_path / "events"), None)
    sender.send("warning", text="of a collection that does not count")
    sender.forget()
    sender.tell_collected(["t"])
    sender.forget()
    assert [] == read(str(tmp_path / "events"))


def test_an_internal_error_is_told_at_once(tmp_path: Path, read: Read) -> None:
    sender = EventSender(str(tmp_path / "events"), None)
    sender.pytest_internalerror("INTERNALERROR")
    assert [("trouble", {"text": "INTERNALERROR"})] == read(str(tmp_path / "events"))
    sender.forget()


@pytest.mark.parametrize(("path", "shown"), [("sub/a.py", "sub/a.py"), ("/elsewhere/a.py", "/elsewhere/a.py")])
def test_a_warning_is_placed_from_the_working_directory(
    path: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = warnings.WarningMessage(UserWarning("w"), UserWarning, str(tmp_path / path), 3)
    expected = {"category": "UserWarning", "message": "w", "location": f"{shown}:3", "when": "collect"}
    assert expected == warning_text(message, "collect")
