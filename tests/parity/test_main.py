"""The command line of the harness."""

from __future__ import annotations

import pytest

from tests.parity.__main__ import SUITES, choose_suites, main, names_in_full, read_arguments
from tests.parity.plugin_suites import PLUGIN_SUITES, PLUGINS
from tests.parity.test_parity import CHOSEN


def test_without_names_all_suites_are_run() -> None:
    assert list(SUITES.values()) == choose_suites([], [])


def test_a_plugin_alone_stands_for_its_own_suites() -> None:
    assert ["cov-met", "cov-missed", "cov-contexts"] == [suite.name for suite in choose_suites([], ["cov"])]


def test_a_named_suite_is_run_with_the_plugin() -> None:
    (suite,) = choose_suites(["click"], ["cov"])

    assert ("cov",) == suite.plugins
    assert {*PLUGINS["cov"].packages} <= {*suite.packages}
    assert "--cov" in suite.arguments


@pytest.mark.parametrize("arguments", [["clack"], ["--plugin", "cow"], ["--modes", "thread"]])
def test_an_unknown_name_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_arguments(arguments)

    assert f"found {arguments[-1]}, expected some of" in capsys.readouterr().err


def test_the_list_tells_suites_and_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0

    told = capsys.readouterr().out
    assert all(name in told for name in (*SUITES, *PLUGINS))


def test_each_plugin_has_a_suite_of_its_own() -> None:
    assert set(PLUGINS) == {plugin for suite in PLUGIN_SUITES for plugin in suite.plugins}
    assert all(suite.tree and suite.tree.is_dir() for suite in PLUGIN_SUITES)


def test_a_plugin_is_run_in_full_with_all_of_its_suites() -> None:
    assert {"cov-met"} == names_in_full([SUITES["cov-met"]])
    assert "cov" in names_in_full(choose_suites([], ["cov"]))


def test_no_two_suites_have_one_name() -> None:
    assert len(PLUGIN_SUITES) == len({suite.name for suite in PLUGIN_SUITES})


def test_what_continuous_integration_runs_is_there() -> None:
    assert set(SUITES) >= set(CHOSEN)
