"""What a host is asked to do to a project."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulseq.errors import UsageError
from pulseq.project import PrepareSpec
from pulseq.projects.prepare_order import make_order
from pulseq.protocol.project_files import Manifest, ProjectFile

SPEC = PrepareSpec(("make", "all"), ("uv.lock", "deps/*"), (".venv",), 60.0)


def manifest(**digests: bytes) -> Manifest:
    files = (ProjectFile(path.replace("__", "/"), digest, 1, 0, 0) for path, digest in digests.items())
    return Manifest("/p", tuple(files))


def key(spec: PrepareSpec, **digests: bytes) -> bytes:
    files = (*manifest(**digests).files, ProjectFile("uv.lock", b"u", 1, 0, 0))
    return make_order(spec, Manifest("/p", files)).key


def test_it_has_what_the_suite_says() -> None:
    order = make_order(replace(SPEC, inputs=()), manifest())
    assert (("make", "all"), (".venv",), 60.0) == (order.command, order.outputs, order.timeout_seconds)


def test_its_key_changes_with_inputs_command_and_outputs_alone() -> None:
    before = key(SPEC, deps__a=b"1", other=b"1")

    assert before == key(SPEC, deps__a=b"1", other=b"2")
    assert before == key(replace(SPEC, timeout_seconds=5.0), deps__a=b"1")
    assert before != key(SPEC, deps__a=b"2")
    assert before != key(SPEC, deps__b=b"1")
    assert before != key(replace(SPEC, command=("make",)), deps__a=b"1")
    assert before != key(replace(SPEC, outputs=("env",)), deps__a=b"1")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (replace(SPEC, inputs=("uv.lok",)), "inputs: found no file 'uv.lok'"),
        (replace(SPEC, outputs=("../x",)), "outputs: found '../x'"),
        (replace(SPEC, outputs=("/x",)), "outputs: found '/x'"),
    ],
)
def test_what_cannot_be_is_refused(spec: PrepareSpec, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_order(spec, manifest())
    assert told in str(caught.value)
