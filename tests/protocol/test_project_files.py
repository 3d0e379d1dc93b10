"""A project as it travels."""

from __future__ import annotations

from pulseq.protocol.coding import decode, encode
from pulseq.protocol.project_files import BlobPart, Manifest, PrepareOrder, ProjectFile, Workspace
from pulseq.protocol.to_node import BeginRun, MakeWorkspace, OfferProject, Order, PutBlobs

FILES = (ProjectFile("a/b.py", b"x" * 32, 10, 0o644, 5), ProjectFile("no \udcff utf-8", b"\xff" * 32, 3, 0o755, 7))


def test_messages_about_projects_come_as_they_were_sent() -> None:
    for message in (
        OfferProject(Manifest("/p", FILES, (("l", "a"),), ("empty",)), 100),
        PutBlobs((BlobPart(b"x" * 32, 3, 0, 3),), memoryview(b"abc"), True),
        MakeWorkspace(PrepareOrder(("make",), ("b",), 3.0, b"key", {"A": "b"})),
        BeginRun(Workspace("/p", "/w/p", ("/q",))),
    ):
        assert Order("r", message) == decode(encode(Order("r", message)), Order)


def test_a_project_is_as_large_as_its_files() -> None:
    assert 13 == Manifest("/p", FILES).size
