"""The files of `deployments/` for Slurm, Kubernetes and systemd say what those, Dask and PulseQ understand."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pulseq.cli.main import run_command

ROOT = Path(__file__).resolve().parent.parent
DEPLOYMENTS = ROOT / "deployments"
MANIFEST = yaml.safe_load((DEPLOYMENTS / "kubernetes" / "cluster.yaml").read_text())
UNITS = sorted((DEPLOYMENTS / "systemd").glob("*.service"))
#: The operator whose definition of a DaskCluster the manifest is held against.
OPERATOR = "dask-kubernetes==2026.3.0"


def containers() -> dict[str, dict[str, Any]]:
    """The container of each part."""
    return {part: MANIFEST["spec"][part]["spec"]["containers"][0] for part in ("scheduler", "worker")}


@pytest.fixture(scope="module")
def definition(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How the operator defines a DaskCluster."""
    place = tmp_path_factory.mktemp("operator")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "0"]
    if subprocess.run([*download, OPERATOR, "-d", str(place)], capture_output=True, timeout=120).returncode:
        pytest.skip(f"no package index has {OPERATOR}")
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("crds/daskcluster.yaml")]
        (version,) = yaml.safe_load(archive.read(name))["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def strictly(schema: Any) -> Any:
    """The same, where a key that it does not know is wrong: Kubernetes drops such a key without a word."""
    if isinstance(schema, list):
        return [strictly(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: strictly(part) for name, part in schema.items()}
    if kept.pop("x-kubernetes-int-or-string", False):
        kept.pop("type", None)
    if isinstance(kept.get("properties"), dict) and "x-kubernetes-preserve-unknown-fields" not in kept:
        kept.setdefault("additionalProperties", False)
    return kept


@pytest.mark.system
def test_the_operator_knows_each_key_of_the_manifest(definition: dict[str, Any]) -> None:
    properties = definition["properties"]["spec"]
    errors = Draft202012Validator(strictly(properties)).iter_errors(MANIFEST["spec"])
    assert [] == [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


@pytest.mark.system
def test_a_misspelt_key_would_be_seen(definition: dict[str, Any]) -> None:
    wrong = json.loads(json.dumps(MANIFEST["spec"]))
    wrong["worker"]["spec"]["containers"][0]["arguments"] = []
    assert list(Draft202012Validator(strictly(definition["properties"]["spec"])).iter_errors(wrong))


def test_the_service_leads_to_the_scheduler_that_workers_are_told_of() -> None:
    name = MANIFEST["metadata"]["name"]
    service = MANIFEST["spec"]["scheduler"]["service"]
    ports = {port["name"] for port in containers()["scheduler"]["ports"]}

    assert {"dask.org/cluster-name": name, "dask.org/component": "scheduler"} == service["selector"]
    assert ports == {port["targetPort"] for port in service["ports"]}
    assert f"tls://{name}-scheduler:8786" in containers()["worker"]["args"]
    assert "$(DASK_WORKER_NAME)" in containers()["worker"]["args"]  # by which the operator knows whom it ends


@pytest.mark.processes
def test_dask_takes_the_arguments_of_pods() -> None:
    for part, container in containers().items():
        program, verb, *words = container["args"]
        assert ("dask", part) == (program, verb)
        asked = [sys.executable, "-m", "dask", verb, "--help"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=120).stdout
        known = {"--slots", "--label"}  # the preload's, held by tests/node/test_preload
        assert [] == [word for word in words if word.startswith("--") and word not in known and word not in told]


def test_the_image_is_one_of_this_release() -> None:
    from pulseq import __version__

    assert {f"registry.example/pulseq:{__version__}"} == {container["image"] for container in containers().values()}


@pytest.mark.processes
def test_a_job_of_slurm_preloads_a_node(tmp_path: Path) -> None:
    """The real library's own job, as Slurm would be given it."""
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed here (pip install dask-jobqueue)")
    credentials = tmp_path / "login.pem"
    make_member(tmp_path / "site", credentials)

    job = print_job("--credentials", str(credentials), "--slots", "2", "--label", "a=b", "--queue", "short")

    worker = next(line for line in job.splitlines() if "dask_worker" in line)
    words = shlex.split(worker)
    assert "--preload pulseq.node.preload --slots 2 --label a=b" in worker
    files = {words[words.index(f"--tls-{part}") + 1] for part in ("ca-file", "cert", "key")}
    assert {str(credentials)} == files
    assert {"#SBATCH -p short", "#SBATCH --cpus-per-task=2", "#SBATCH --mem=4G"} <= set(job.splitlines())


def make_member(site: Path, file: Path) -> None:
    for words in (["init", "--directory", str(site)], ["node", "login", "--directory", str(site), "--file", str(file)]):
        assert 0 == run_command(["certs", *words])


def print_job(*words: str) -> str:
    script = DEPLOYMENTS / "slurm" / "cluster.py"
    command = [sys.executable, str(script), "--print-job", "--host", "127.0.0.1", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_each_unit(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here (Debian: systemd)")
    # With a program that there is; and a template with a name.
    text = unit.read_text().replace("/opt/pulseq/venv/bin/pulseq", "/usr/bin/env")
    copy = tmp_path / unit.name.replace("@", "@lab1")
    copy.write_text(text)
    done = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60)
    told = [line for line in done.stderr.splitlines() if copy.name in line]
    assert (0, []) == (done.returncode, told), done.stderr


def commands() -> Iterator[tuple[str, list[str]]]:
    for unit in UNITS:
        for line in re.findall(r"^Exec\w+=/opt/pulseq/venv/bin/pulseq (.*)$", unit.read_text(), re.MULTILINE):
            yield unit.name, line.split()


@pytest.mark.parametrize(
    ("unit", "words"), list(commands()), ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_our_command_line_has_what_units_call(unit: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    verb = [word for word in words[:2] if re.fullmatch(r"[a-z]+", word)]
    assert 0 == run_command([*verb, "--help"])
    told = capsys.readouterr().out
    assert [] == [word for word in words if word.startswith("--") and f"{word} " not in told], unit


def test_every_site_has_a_page() -> None:
    pages = {page.stem: page.read_text() for page in (ROOT / "docs" / "guides").glob("*.md")}
    for folder, page in {"slurm": "slurm", "kubernetes": "kubernetes", "systemd": "systemd"}.items():
        for file in (DEPLOYMENTS / folder).iterdir():
            if file.suffix not in (".pyc",) and file.name != "__pycache__":
                assert f"deployments/{folder}/{file.name}" in pages[page]
