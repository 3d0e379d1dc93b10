import json
import os
import stat

import pytest

from pulseq.bounds import bound_id
from pulseq.execution.runtime.body_environment import PrivateDirectory, remove_tree
from pulseq.models import CommandBody

SHOW = CommandBody(("python", "-c", "import json, os; print(json.dumps(dict(os.environ)))"))


def shown(result):
    assert result.error is None
    return json.loads(result.output)


def test_a_body_is_told_where_it_is(run_body):
    environment = shown(run_body(SHOW, id="cart::total", run_id="r1", attempt=2))
    told = {name: value for name, value in environment.items() if name.startswith("PULSEQ_")}
    assert os.path.basename(told.pop("PULSEQ_METRICS")) == "metrics.jsonl"
    artifacts = told.pop("PULSEQ_ARTIFACTS")
    assert os.path.dirname(artifacts) == os.path.dirname(environment["TMPDIR"])
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


def test_a_directory_in_place_of_the_metrics_is_no_metrics(tmp_path):
    private = PrivateDirectory(str(tmp_path))
    os.mkdir(private.metrics)
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


def test_what_a_body_leaves_is_handed_over_and_the_next_one_finds_nothing(tmp_path):
    private = PrivateDirectory(str(tmp_path))
    assert (None, True) == (private.hand_over(), private.is_as_new())
    with open(os.path.join(private.artifacts, "a"), "w") as file:
        file.write("a")
    assert not private.is_as_new()
    place = private.hand_over()
    assert (["a"], True) == (os.listdir(os.path.join(place, "own")), private.is_as_new())
    assert private.hand_over() is None


def test_a_file_that_a_body_has_removed_again_is_nothing(tmp_path):
    private = PrivateDirectory(str(tmp_path))
    path = os.path.join(private.artifacts, "a")
    with open(path, "w"):
        pass
    os.unlink(path)
    assert (None, True) == (private.hand_over(), private.is_as_new())


def test_times_that_an_archive_brings_along_hide_nothing(tmp_path):
    private = PrivateDirectory(str(tmp_path))
    with open(os.path.join(private.artifacts, "a"), "w"):
        pass
    os.utime(private.artifacts, (0, 0))
    assert private.hand_over() is not None


@pytest.mark.parametrize("kind", ["gone", "link", "file", "closed"])
def test_a_directory_that_a_body_has_spoilt_is_there_for_the_next(tmp_path, kind):
    private, other = PrivateDirectory(str(tmp_path / "p")), tmp_path / "other"
    (other / "inner").mkdir(parents=True)
    (other / "inner").chmod(0o755)
    if kind == "closed":
        os.mkdir(os.path.join(private.artifacts, "deep"))
        os.chmod(private.artifacts, 0)
    else:
        os.rmdir(private.artifacts)
    if kind == "link":
        os.symlink(other, private.artifacts)
    if kind == "file":
        open(private.artifacts, "w").close()
    try:
        private.hand_over()
    except OSError:
        assert kind in ("file", "closed")
    assert (0o700, []) == (stat.S_IMODE(os.lstat(private.artifacts).st_mode), os.listdir(private.artifacts))
    # What a link leads to is nobody's to touch.
    assert 0o755 == stat.S_IMODE((other / "inner").stat().st_mode)


def test_a_tree_that_is_a_link_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    remove_tree(str(tmp_path / "link"))
    assert ["real"] == os.listdir(tmp_path)
    assert (tmp_path / "real" / "inner").is_dir()
