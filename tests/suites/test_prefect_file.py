"""What is read of a prefect.yaml, and what is refused before Prefect would ignore it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulseq.errors import ConfigurationError, UsageError
from pulseq.suites.prefect_file import PROJECT_FILE, Project, read_project

ROOT = Path(__file__).parent.parent.parent
HEAD = "deployments:\n  - name: nightly\n    entrypoint: flows/a.py:b\n"


def read(tmp_path: Path, text: str) -> Project:
    path = tmp_path / PROJECT_FILE
    path.write_text(text)
    return read_project(path)


def test_the_projects_own_file_is_read() -> None:
    project = read_project(ROOT / PROJECT_FILE)

    assert ["nightly", "smoke", "node-health", "mark-nodes", "maintenance"] == [one.name for one in project.deployments]
    assert {"pulseq"} == {one.work_pool for one in project.deployments}


def test_of_the_repositorys_schedules_those_begin_by_themselves_that_find_something_to_do() -> None:
    deployments = read_project(ROOT / "prefect.yaml").deployments
    schedules = [schedule for one in deployments for schedule in one.values.get("schedules", [])]

    assert ["every-night", "every-morning"] == [one["slug"] for one in schedules if one.get("active", True)]


def test_anchors_and_merge_keys_are_followed(tmp_path: Path) -> None:
    text = "definitions:\n  a: &a {entrypoint: f.py:g, tags: [t]}\ndeployments:\n  - {<<: *a, name: one}\n"

    (deployment,) = read(tmp_path, text).deployments

    assert ("one", "f.py:g", ("t",)) == (deployment.name, deployment.entrypoint, deployment.values["tags"])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("    paramters: {}", "4: deployments[0].paramters: found an unknown key, expected a key of a deployment; did"),
        ("    work_pool: {nam: p}", "4: deployments[0].work_pool.nam: found an unknown key"),
        (
            "    schedules: [{cron: '0 0 * * *', interval: 3}]",
            "schedules[0]: found cron and interval, expected exactly",
        ),
        ("    schedules: [{timezone: UTC}]", "schedules[0]: found none of cron, interval, rrule, expected exactly one"),
        ("    schedules: [{cron: x, tz: UTC}]", "schedules[0].tz: found an unknown key"),
        ("    concurrency_limit: 0", "4: deployments[0].concurrency_limit: found 0, expected a whole number above 0"),
        ("    concurrency_limit: {limit: 1, collision_strategy: cancel_new}", "did you mean 'CANCEL_NEW'?"),
        ("    triggers: [{type: evnt}]", "triggers[0].type: found 'evnt', expected one of event"),
        ("    triggers: [{expect: [x], withn: 3}]", "triggers[0].withn: found an unknown key"),
        ("    triggers: [smoke]", "triggers[0]: found 'smoke', expected a mapping"),
        ("    parameters: [1]", "4: deployments[0].parameters: found a list, expected a mapping"),
        (
            "    pull: [{prefect.deployments.steps.set_working_directory: {directory: '{{ $PWD }}'}}]",
            "set_working_directory.directory: found '{{ $PWD }}', expected a directory, or no pull step",
        ),
        ("    paused: maybe", "4: deployments[0].paused: found 'maybe'"),
        ("deploymets: []", "4: deploymets: found an unknown key, expected a key of a prefect.yaml; did you mean"),
        ("  - {name: x, entrypoint: flows/a.py}", "found 'flows/a.py', expected a file and a flow in it, as"),
        ("  - {name: x}", "4: deployments[1].entrypoint: found nothing, expected this key"),
        ("  - {name: nightly, entrypoint: 'flows/a.py:b'}", "4: deployments[1].name: found 'nightly' again"),
    ],
)
def test_what_prefect_would_ignore_or_refuse_is_told_with_its_place(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read(tmp_path, f"{HEAD}{lines}\n")

    assert told in str(refusal.value)


def test_all_flaws_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read(tmp_path, f"{HEAD}    paramters: {{}}\n    work_pol: {{}}\n")

    assert 2 == len(refusal.value.problems)


def test_deployments_without_a_name_have_no_name_in_common(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read(tmp_path, "deployments:\n  - {entrypoint: 'f.py:g'}\n  - {entrypoint: 'f.py:g'}\n")

    assert ["nothing", "nothing"] == [problem.found for problem in refusal.value.problems]


def test_what_is_filled_in_at_deploy_time_is_left_alone(tmp_path: Path) -> None:
    text = f"{HEAD}    paused: '{{{{ $PAUSED }}}}'\n    work_pool: {{name: '{{{{ $POOL }}}}'}}\n"

    assert [None] == [one.work_pool for one in read(tmp_path, text).deployments]


def test_schedules_and_triggers_have_the_deployments_parameters_under_their_own(tmp_path: Path) -> None:
    text = f"{HEAD}    parameters: {{a: 1}}\n    schedules: [{{cron: x, parameters: {{b: 2}}}}]\n"

    own, scheduled = next(iter(read(tmp_path, text).deployments)).parameter_sets()

    assert ({"a": 1}, False) == (own.values, own.starts)
    assert ({"b": 2}, {"a": 1}, True) == (scheduled.values, scheduled.inherited, scheduled.starts)


def test_deployments_are_chosen_by_name(tmp_path: Path) -> None:
    project = read(tmp_path, f"{HEAD}  - {{name: smoke, entrypoint: 'f.py:g'}}\n")

    assert ["smoke"] == [one.name for one in project.choose(["smoke", "smoke"])]
    assert 2 == len(project.choose([]))
    with pytest.raises(UsageError, match="found deployment 'smok', expected one of nightly, smoke; did you mean"):
        project.choose(["smok"])


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found no file or directory"):
        read_project(tmp_path / PROJECT_FILE)
