import json
import os
import stat

import pytest

from pulseq.bounds import bound_id
from pulseq.execution.runtime.body_environment import PrivateDirectory
from pulseq.models import CommandBody

SHOW = CommandBody(("python", "-c", "import json, os; print(json.dumps(dict(os.environ)))"))


def shown(result):
    assert result.error is None
    return json.loads(result.output)


def test_a_body_is_told_where_it_is(run_body):
    environment = shown(run_body(SHOW, id="cart::total", run_id="r1", attempt=2))
    told = {name: value for name, value in environment.items() if name.startswith("PULSEQ_")}
    assert os.path.basename(told.pop("PULSEQ_METRICS")) == "metrics.jsonl"
    assert told == {
        "PULSEQ_RUN_ID": "r1",
        "PULSEQ_TEST_ID": "cart::total",
        "PULSEQ_ATTEMPT": "2",
        "PULSEQ_NODE_ID": "node1",
    }


def test_what_is_the_nodes_own_is_not_seen(run_body, monkeypatch):
    for name in ("PREFECT_API_KEY", "DASK_PARENT", "PULSEQ_HOME"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("MODE", "plain")
    environment = shown(run_body(SHOW))
    assert environment["MODE"] == "plain"
    assert "secret" not in environment.values()


def test_the_tests_own_variables_win(run_body, monkeypatch):
    monkeypatch.setenv("MODE", "plain")
    assert shown(run_body(SHOW, env={"MODE": "fast"}))["MODE"] == "fast"


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\u202eabc", "x" * 1_000_000, "]]><script>"])
def test_hostile_ids_do_not_keep_a_body_from_starting(run_body, verdict, text):
    result = run_body(SHOW, id=text, run_id=text, env={f"X{text[:9]}": text[:9], "": "nameless", "A=B": "1"})
    assert verdict(result) == ("passed", None)
    assert result.test_id == bound_id(text)


def test_tmpdir_is_private_and_gone_afterwards(run_body):
    script = "touch $TMPDIR/file; stat -c %a $TMPDIR; mkdir -p $TMPDIR/a/b; chmod 0 $TMPDIR/a; echo $TMPDIR"
    result = run_body(CommandBody((script,), shell=True))
    mode, path = result.output.split()
    assert (mode, os.path.exists(path)) == ("700", False)


def test_directories_without_permissions_are_removed(tmp_path):
    private = PrivateDirectory(str(tmp_path / "new"))
    inner = tmp_path / "new" / os.path.basename(private.path) / "tmp" / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    inner.chmod(0)
    inner.parent.chmod(0)
    assert private.remove()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_pipe_in_place_of_the_metrics_is_no_metrics(tmp_path):
    private = PrivateDirectory(str(tmp_path))
    os.mkfifo(private.metrics)
    assert private.read_metrics() == b""
    assert private.remove()


def test_a_link_in_place_of_the_metrics_is_not_followed(tmp_path):
    (tmp_path / "other").write_text('{"x": 1}')
    private = PrivateDirectory(str(tmp_path))
    os.symlink(tmp_path / "other", private.metrics)
    assert private.read_metrics() == b""
    assert private.remove()
    assert (tmp_path / "other").exists()


def test_the_private_directory_is_for_its_user_alone(tmp_path):
    private = PrivateDirectory(str(tmp_path))
    assert stat.S_IMODE(os.stat(private.path).st_mode) == 0o700
