"""A run's project on its way to hosts that are there in this process."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pulseq.cluster.cluster import LiveNode
from pulseq.errors import UsageError
from pulseq.models import CommandBody, Suite, TestCase
from pulseq.node.host_projects import HostProjects
from pulseq.processes.idle_processors import IdleProcessors
from pulseq.projects import packs
from pulseq.protocol.coding import decode
from pulseq.protocol.project_files import Done, Lacking
from pulseq.protocol.to_node import MakeWorkspace, OfferProject, Order, PutBlobs
from pulseq.run import shipping
from pulseq.run.shipping import Shipping, UnfitHostError


@dataclass
class Hosts:
    """Nodes, each by its address, that do what they are asked; what they were sent."""

    directory: Path
    nodes: dict[str, HostProjects] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    before: Callable[[str, Any], Any] = lambda _address, _message: None

    def node(self, node_id: str, host: str = "", way: str = "local") -> LiveNode:
        projects = HostProjects(self.directory / (host or node_id))
        projects.open()
        self.nodes[node_id] = projects
        return LiveNode(node_id, node_id, "h", 1, {}, "i", way, projects.store_id)

    async def offer_project(self, run_id: str, address: str, offer: OfferProject) -> Lacking:
        return cast(Lacking, await self._ask(run_id, address, offer))

    async def send_project(self, address: str, message: bytes) -> Done:
        order = decode(message, Order)
        assert isinstance(order.message, PutBlobs | MakeWorkspace)
        return cast(Done, await self._ask(order.run_id, address, order.message))

    async def _ask(self, run_id: str, address: str, message: Any) -> Any:
        self.sent[f"{address} {type(message).__name__}"] += 1
        if (answer := self.before(address, message)) is not None:
            return answer
        return await self.nodes[address].do(run_id, message)


@pytest.fixture
def hosts(tmp_path: Path) -> Any:
    made = Hosts(tmp_path / "hosts")
    yield made
    for projects in made.nodes.values():
        projects.leave_all()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for number in range(20):
        path = root / f"d{number % 3}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} " * 100)
    return root


def shipping_of(
    project: Path,
    hosts: Hosts,
    notes: list[str] | None = None,
    ship: bool | None = True,
    tests: tuple[TestCase, ...] = (),
) -> Shipping:
    one = TestCase("t", CommandBody(("true",)), cwd=str(project))
    suite = Suite("s", tests or (one,), projects=(str(project),))
    told = [] if notes is None else notes
    return Shipping(
        suite, "r", cast(Any, hosts), ship=ship, home=project.parent / "home", tell=told.append, store_bytes=10**9
    )


def tree(place: str | Path) -> dict[str, str]:
    return {str(path.relative_to(place)): path.read_text() for path in Path(place).rglob("*") if path.is_file()}


def test_a_host_gets_the_project_once_for_all_of_its_nodes(project: Path, hosts: Hosts) -> None:
    notes: list[str] = []
    first, second, other = hosts.node("a", "x"), hosts.node("b", "x"), hosts.node("c", "y")

    async def run() -> list[Any]:
        shipping = shipping_of(project, hosts, notes)
        return await asyncio.gather(*map(shipping.bring, (first, second, other)))

    found = asyncio.run(run())
    assert tree(project) == tree(found[0].place) == tree(found[2].place)
    assert found[0] == found[1] != found[2]
    assert {"a": 3, "c": 3} == Counter(name.split()[0] for name in hosts.sent.elements())
    assert ["node a has got 20 of 20 files of the project, 0.0 MB in", "node c has got 20 of 20 files"] == [
        sorted(notes)[0][:62].rstrip(" 0.s"),
        sorted(notes)[1][:29],
    ]


def test_the_second_time_only_what_was_changed_travels(project: Path, hosts: Hosts) -> None:
    node, notes = hosts.node("a"), list[str]()
    asyncio.run(shipping_of(project, hosts).bring(node))
    hosts.nodes["a"].leave_all()
    (project / "d0" / "f0").write_text("changed")
    workspace = asyncio.run(shipping_of(project, hosts, notes).bring(node))

    assert workspace is not None
    assert tree(project) == tree(workspace.place)
    assert notes[0].startswith("node a has got 1 of 20 files of the project")


def test_by_default_it_goes_to_nodes_that_are_not_local(project: Path, hosts: Hosts) -> None:
    local, far = hosts.node("a"), hosts.node("b", way="ssh")

    assert [False, True] == [shipping_of(project, hosts, ship=None).concerns(node) for node in (local, far)]
    assert [False, False] == [shipping_of(project, hosts, ship=False).concerns(node) for node in (local, far)]
    assert asyncio.run(shipping_of(project, hosts, ship=None).bring(local)) is None


def test_tests_that_need_what_is_outside_keep_it_from_nodes_that_they_fit_alone(project: Path, hosts: Hosts) -> None:
    (project.parent / "beside").touch()
    body, bench = CommandBody(("cat", "../beside")), {"bench": True}
    tests = (
        TestCase("a", CommandBody(("true",)), cwd=str(project.parent), requirements=bench),
        TestCase("b", body, cwd=str(project), requirements=bench),
        TestCase("c", CommandBody(("true",)), cwd=str(project)),
    )
    plain, fitting = hosts.node("a", way="ssh"), replace(hosts.node("b", way="ssh"), capabilities=bench)
    notes = list[str]()
    shipping = shipping_of(project, hosts, notes, ship=None, tests=tests)

    async def run() -> None:
        await shipping.bring(plain)
        assert [True] == [note.startswith("node a has got") for note in notes]
        for asked in (shipping.bring(fitting), shipping.read([plain, fitting]), shipping.read()):
            with pytest.raises(UsageError, match="test 'a': found cwd"):
                await asked

    asyncio.run(run())
    assert {"a"} == {name.split()[0] for name in hosts.sent.elements()}


def test_files_outside_that_tests_may_read_are_noted_once_for_nodes_that_they_fit(project: Path, hosts: Hosts) -> None:
    (project.parent / "beside").touch()
    test = TestCase("b", CommandBody(("cat", "../beside")), cwd=str(project), requirements={"bench": True})
    plain, fitting = hosts.node("a"), replace(hosts.node("b"), capabilities={"bench": True})
    notes = list[str]()
    shipping = shipping_of(project, hosts, notes, ship=None, tests=(test,))

    async def run() -> None:
        await shipping.read([plain])
        assert [] == notes
        await shipping.read([plain, fitting])
        await shipping.read([fitting])

    asyncio.run(run())
    assert 1 == len(notes)
    assert notes[0].startswith("test 'b': found '../beside' in its command, a file outside of its project")


def test_where_the_node_that_takes_it_is_lost_the_next_one_does(project: Path, hosts: Hosts) -> None:
    first, second = hosts.node("a", "x"), hosts.node("b", "x")

    def lose_first(address: str, message: Any) -> None:
        if address == "a" and isinstance(message, PutBlobs):
            raise ConnectionError("gone")

    hosts.before = lose_first

    async def run() -> Any:
        shipping = shipping_of(project, hosts)
        return await asyncio.gather(shipping.bring(first), shipping.bring(second), return_exceptions=True)

    lost, found = asyncio.run(run())
    assert isinstance(lost, ConnectionError)
    assert tree(project) == tree(found.place)


def test_a_host_that_cannot_have_it_says_why(project: Path, hosts: Hosts) -> None:
    node = hosts.node("a")
    hosts.before = lambda _, message: Lacking(trouble="no room") if isinstance(message, OfferProject) else None
    with pytest.raises(UnfitHostError, match="no room"):
        asyncio.run(shipping_of(project, hosts).bring(node))
    with pytest.raises(UnfitHostError, match="has no directory"):
        asyncio.run(shipping_of(project, hosts).bring(replace(node, store="")))


def test_what_was_damaged_on_the_way_is_offered_again(project: Path, hosts: Hosts) -> None:
    node, broken = hosts.node("a"), [Done("damaged", again=True)]
    hosts.before = lambda _, message: broken.pop() if isinstance(message, PutBlobs) and broken else None
    workspace = asyncio.run(shipping_of(project, hosts).bring(node))

    assert workspace is not None
    assert tree(project) == tree(workspace.place)
    assert 2 == hosts.sent["a OfferProject"]


def test_one_that_is_damaged_each_time_is_given_up(project: Path, hosts: Hosts) -> None:
    node = hosts.node("a")
    hosts.before = lambda _, message: Done("damaged", again=True) if isinstance(message, PutBlobs) else None
    with pytest.raises(UnfitHostError, match="could not be brought there in 3 turns: damaged"):
        asyncio.run(shipping_of(project, hosts).bring(node))


def test_a_project_that_is_written_to_meanwhile_is_read_again(project: Path, hosts: Hosts) -> None:
    node, notes, changes = hosts.node("a"), list[str](), ["changed since"]

    def write(_: str, message: Any) -> None:
        if isinstance(message, OfferProject) and changes:
            (project / "d1" / "f1").write_text(changes.pop())

    hosts.before = write
    workspace = asyncio.run(shipping_of(project, hosts, notes).bring(node))

    assert workspace is not None
    assert tree(project) == tree(workspace.place)
    assert "the project is read again: 'd1/f1' was written to while the project was sent" == notes[0]


def test_a_late_host_is_not_sent_another_project_than_the_first(project: Path, hosts: Hosts) -> None:
    first, late = hosts.node("a"), hosts.node("b")

    async def run() -> None:
        shipping = shipping_of(project, hosts)
        await shipping.bring(first)
        (project / "d1" / "f1").write_text("changed since")
        await shipping.bring(late)

    with pytest.raises(UnfitHostError, match="another host has it as it was before"):
        asyncio.run(run())


def test_after_its_end_nothing_is_sent_and_no_trouble_told(project: Path, hosts: Hosts) -> None:
    late, later = hosts.node("a", "x"), hosts.node("b", "y")
    asked = asyncio.Event()

    async def never(address: str, message: bytes) -> Done:
        asked.set()
        return await asyncio.get_running_loop().create_future()

    hosts.send_project = never  # type: ignore[method-assign]

    async def run() -> None:
        shipping = shipping_of(project, hosts)
        bringing = asyncio.create_task(shipping.bring(late))
        await asked.wait()
        await shipping.end()
        hosts.sent.clear()
        for one in (bringing, shipping.bring(late), shipping.bring(later)):
            with pytest.raises(asyncio.CancelledError):
                await one

    asyncio.run(run())
    assert not hosts.sent


def test_a_project_that_cannot_be_sent_is_refused_and_nobody_asked(tmp_path: Path, hosts: Hosts) -> None:
    node = hosts.node("a")
    (tmp_path / "shop").mkdir()
    with pytest.raises(UsageError, match="has no file to send"):
        asyncio.run(shipping_of(tmp_path / "shop", hosts).bring(node))
    assert not hosts.sent


def test_messages_are_made_once_for_hosts_that_get_them_side_by_side(
    project: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    monkeypatch.setattr(packs, "PACK_BYTES", 1000)
    read = packs.open_regular
    monkeypatch.setattr(packs, "open_regular", lambda path: (reads.append(1), read(path))[1])
    nodes = [hosts.node(name) for name in "abcd"]

    async def run() -> None:
        shipping = shipping_of(project, hosts)
        await asyncio.gather(*map(shipping.bring, nodes))

    asyncio.run(run())
    assert len(reads) < 4 * 20


@pytest.mark.parametrize(
    ("way", "idle", "is_compressed"),
    [("ssh", None, True), ("ssh", 1.0, True), ("local", 2.0, False), ("local", 0.2, False)],
)
def test_what_goes_far_is_compressed_while_a_processor_has_nothing_to_do(
    project: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch, way: str, idle: float | None, is_compressed: bool
) -> None:
    monkeypatch.setattr(IdleProcessors, "count", lambda _: idle)
    found: list[bool] = []
    hosts.before = lambda _, message: found.append(message.compressed) if isinstance(message, PutBlobs) else None
    workspace = asyncio.run(shipping_of(project, hosts).bring(hosts.node("a", way=way)))

    assert workspace is not None
    assert [is_compressed] == found
    assert tree(project) == tree(workspace.place)


@pytest.mark.parametrize(
    ("way_seconds", "compressing_seconds", "compressed"),
    [
        (100.0, 1.0, [True, True, True, True]),
        (1.0, 100.0, [True, False, False, False]),  # before the first one has been sent nothing is known of either
    ],
)
def test_where_all_processors_are_busy_messages_are_compressed_that_take_longer_on_their_way(
    project: Path,
    hosts: Hosts,
    monkeypatch: pytest.MonkeyPatch,
    way_seconds: float,
    compressing_seconds: float,
    compressed: list[bool],
) -> None:
    shutil.rmtree(project)
    project.mkdir()
    for name in "abcd":
        (project / name).write_text(name * 1000)
    passed, found, read = [0.0], list[bool](), shipping.read_pack

    def read_slowly(root: Path, pack: packs.Pack, *, compress: bool) -> PutBlobs:
        passed[0] += compressing_seconds if compress else 0.0
        return read(root, pack, compress=compress)

    def send_slowly(_address: str, message: Any) -> None:
        if isinstance(message, PutBlobs):
            found.append(message.compressed)
            passed[0] += way_seconds * len(message.data) / 1000

    monkeypatch.setattr(packs, "PACK_BYTES", 1000)
    monkeypatch.setattr(shipping, "AT_ONCE", 1)
    monkeypatch.setattr(shipping, "read_pack", read_slowly)
    monkeypatch.setattr(shipping, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    monkeypatch.setattr(IdleProcessors, "count", lambda _: 0.2)
    hosts.before = send_slowly
    asyncio.run(shipping_of(project, hosts).bring(hosts.node("a", way="ssh")))

    assert compressed == found


def test_a_test_begins_in_its_directory_also_where_that_is_empty(project: Path, hosts: Hosts) -> None:
    (project / "out").mkdir()
    suite = Suite("s", (TestCase("t", CommandBody(("true",)), cwd=str(project / "out")),), projects=(str(project),))
    shipping = Shipping(
        suite, "r", cast(Any, hosts), ship=True, home=project.parent / "home", tell=lambda _: None, store_bytes=10**9
    )
    workspace = asyncio.run(shipping.bring(hosts.node("a")))
    assert workspace is not None
    assert Path(workspace.place, "out").is_dir()
