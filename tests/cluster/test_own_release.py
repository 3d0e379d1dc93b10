"""This release as another machine can install it."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import io
import zipfile
from pathlib import Path

import pytest

import pulseq
from pulseq.cluster.own_release import find_versions, pack_release
from pulseq.errors import InfrastructureError


def test_the_wheel_has_each_file_of_the_package_as_it_is_here() -> None:
    with zipfile.ZipFile(io.BytesIO(pack_release().wheel)) as wheel:
        package = Path(pulseq.__file__).parent
        for name in ("py.typed", "results/schema/merge.sql", "cli/entry.py", "reports/templates/report.html"):
            assert (package / name).read_bytes() == wheel.read(f"pulseq/{name}")
        assert not [name for name in wheel.namelist() if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_has_what_pip_asks_of_one() -> None:
    release = pack_release()
    place = f"pulseq-{release.version}.dist-info"
    with zipfile.ZipFile(io.BytesIO(release.wheel)) as wheel:
        assert f"Version: {release.version}" in wheel.read(f"{place}/METADATA").decode()
        assert "pulseq = pulseq.cli.entry:main" in wheel.read(f"{place}/entry_points.txt").decode()
        assert "Tag: py3-none-any" in wheel.read(f"{place}/WHEEL").decode()
        recorded = {row[0]: row[1] for row in csv.reader(wheel.read(f"{place}/RECORD").decode().splitlines())}
        assert set(wheel.namelist()) == recorded.keys()
        for name, told in recorded.items():
            if told:
                digest = hashlib.sha256(wheel.read(name)).digest()
                assert f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}" == told


def test_the_same_files_make_the_same_release() -> None:
    assert pack_release() == pack_release()


def test_what_it_stands_on_is_told_as_it_is_installed_here() -> None:
    constraints = pack_release().constraints.splitlines()

    for name in ("prefect", "distributed", "duckdb", "click", "sqlalchemy"):
        assert f"{name}=={importlib.metadata.version(name)}" in constraints
    assert not {"pulseq", "ruff", "mypy", "hypothesis"} & {line.partition("==")[0] for line in constraints}


def test_what_extras_need_is_among_it() -> None:
    """Prefect asks for SQLAlchemy with asyncio, which alone brings greenlet on every machine."""
    assert "greenlet" in find_versions("prefect")


def test_files_alone_cannot_be_installed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", fail)
    with pytest.raises(InfrastructureError, match=r"PulseQ is not installed here.*pip install"):
        pack_release()
