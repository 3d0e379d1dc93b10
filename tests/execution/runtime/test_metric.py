import json
import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pulseq
from pulseq.execution.runtime.metric import LONGEST_FILE, metric, parse_metrics

RUNTIME = Path(pulseq.__file__).parent / "execution" / "runtime"


@pytest.fixture
def metrics_file(tmp_path, monkeypatch):
    path = tmp_path / "metrics.jsonl"
    monkeypatch.setenv("PULSEQ_METRICS", str(path))
    return path


def test_a_metric_is_a_line_of_json(metrics_file):
    pulseq.metric("queries", 3)
    pulseq.metric("ratio", 0.5)
    assert [json.loads(line) for line in metrics_file.read_text().splitlines()] == [{"queries": 3.0}, {"ratio": 0.5}]


@pytest.mark.parametrize("value", [Decimal("1.5"), Fraction(3, 2)])
def test_any_number_will_do(metrics_file, value):
    metric("x", value)
    assert json.loads(metrics_file.read_text()) == {"x": 1.5}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_a_value_that_is_not_finite_is_refused(metrics_file, value):
    with pytest.raises(ValueError, match="metric 'x' is a finite number, found"):
        metric("x", value)
    assert not metrics_file.exists()


@pytest.mark.parametrize("value", ["1", b"1", None, True, [1]])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="metric 'x' is a number, found"):
        metric("x", value)


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(TypeError, match="a metric's name is a str, found int: 3"):
        metric(3, 3)


def test_an_empty_name_is_refused():
    with pytest.raises(ValueError, match="not empty"):
        metric("", 3)


def test_outside_of_a_run_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.delenv("PULSEQ_METRICS", raising=False)
    monkeypatch.chdir(tmp_path)
    metric("x", 1)
    assert list(tmp_path.iterdir()) == []


@given(metrics=st.dictionaries(st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False)))
def test_what_is_written_as_lines_is_read_back(metrics):
    lines = "\n".join(json.dumps({name: value}) for name, value in metrics.items())
    assert parse_metrics(lines.encode()) == (metrics, [])


@given(data=st.binary())
def test_no_bytes_at_all_upset_the_reader(data):
    metrics, _ = parse_metrics(data)
    assert all(map(math.isfinite, metrics.values()))


def test_the_last_value_of_a_name_counts():
    assert parse_metrics(b'{"x": 1}\n{"x": 2}\n') == ({"x": 2.0}, [])


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (b"nonsense", "metrics, line 1: expected a JSON object, found 'nonsense'"),
        (b"[1]", "metrics, line 1: expected a JSON object, found [1]"),
        (b'{"x": NaN}', "metrics, line 1: 'x' is not a finite number: nan"),
        (b'{"x": 1e999}', "metrics, line 1: 'x' is not a finite number: inf"),
        (b'{"x": true}', "metrics, line 1: 'x' is not a finite number: True"),
        (b'{"x": "1"}', "metrics, line 1: 'x' is not a finite number: '1'"),
        (b'{"": 1}', "metrics, line 1: the name of 1 is empty"),
    ],
)
def test_what_is_no_metric_is_a_warning(line, warning):
    assert parse_metrics(line) == ({}, [warning])


def test_many_warnings_are_summed_up():
    _, warnings = parse_metrics(b"x\n" * 50)
    assert (len(warnings), warnings[-1]) == (11, "... and 40 more warnings about metrics")


def test_of_a_file_that_is_too_long_the_rest_is_not_read():
    metrics, warnings = parse_metrics(b'{"a": 1}\n' + b" " * LONGEST_FILE + b'\n{"b": 1}\n')
    assert (metrics, len(warnings)) == ({"a": 1.0}, 1)


STAND_IN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("_private_metric", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.install_stand_in()
module.install_stand_in()
import pulseq
print(pulseq.__doc__, len([f for f in sys.meta_path if type(f).__name__ == "_StandInFinder"]))
pulseq.metric("x", 1)
"""


def stand_in(tmp_path):
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{STAND_IN}"]
    env = {"PULSEQ_METRICS": str(tmp_path / "metrics")}
    return subprocess.run([*command, RUNTIME / "metric.py"], env=env, capture_output=True, text=True)


def test_where_pulseq_is_not_installed_a_stand_in_is_found(tmp_path):
    assert stand_in(tmp_path).stdout == "What of PulseQ is there inside a test that it runs. 1\n"
    assert (tmp_path / "metrics").read_text() == '{"x": 1.0}\n'


def test_an_installed_pulseq_wins_over_the_stand_in(tmp_path):
    (tmp_path / "pulseq.py").write_text('"installed"\ndef metric(name, value): pass\n')
    assert stand_in(tmp_path).stdout == "installed 1\n"
