import textwrap

import pytest

from pulseq.execution.runtime.body_call import describe, shorten
from pulseq.models import CallBody


@pytest.fixture
def run_checks(run_body, tmp_path):
    """`run_checks(code, target, …)` runs `checks:target` with a module `checks` of this code."""

    def run(code, target="check", *, args=(), kwargs=None, **fields):
        (tmp_path / "cwd" / "checks.py").write_text(textwrap.dedent(code))
        return run_body(CallBody(f"checks:{target}", args, kwargs or {}), **fields)

    return run


def test_a_callable_that_returns_has_passed(run_checks, verdict):
    result = run_checks("def check(n, *, unit): print(n, unit)", args=(3,), kwargs={"unit": "EUR"})
    assert (verdict(result), result.output) == (("passed", None), "3 EUR\n")


def test_a_coroutine_is_awaited(run_checks, verdict):
    code = "import asyncio\nasync def check():\n    await asyncio.sleep(0)\n    assert 1 == 2, 'sums'"
    assert verdict(run_checks(code)) == ("failed", "assertion")


def test_a_method_of_a_class_can_be_named(run_checks, verdict):
    code = "class Shop:\n    @staticmethod\n    def check(): pass"
    assert verdict(run_checks(code, "Shop.check")) == ("passed", None)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise AssertionError('no')", ("failed", "assertion")),
        ("import pytest; pytest.fail('no')", ("failed", "assertion")),
        ("raise ExceptionGroup('tasks', [AssertionError(), AssertionError()])", ("failed", "assertion")),
        ("raise ExceptionGroup('tasks', [AssertionError(), ValueError()])", ("error", "exception")),
        ("import unittest; raise unittest.SkipTest('why')", ("skipped", "skip")),
        ("import pytest; pytest.skip('why')", ("skipped", "skip")),
        ("import pytest; pytest.xfail('why')", ("skipped", "xfail")),
        ("1 / 0", ("error", "exception")),
        ("raise KeyboardInterrupt", ("error", "exception")),
        ("raise SystemExit(2)", ("error", "exception")),
        ("raise SystemExit(0)", ("passed", None)),
        ("import os; os._exit(0)", ("error", "crash")),
        ("import os, signal; os.kill(os.getpid(), signal.SIGABRT)", ("error", "crash")),
        ("import os; os.closerange(3, 100)", ("error", "crash")),
        ("import os; os.fork()", ("passed", None)),
    ],
)
def test_how_a_callable_ends_is_its_verdict(run_checks, verdict, code, expected):
    assert verdict(run_checks(f"def check():\n    {code}")) == expected


def test_why_it_was_skipped_is_told(run_checks):
    assert run_checks("import pytest\ndef check(): pytest.skip('no display')").error == "no display"


def test_an_error_shows_the_traceback_without_frames_of_ours(run_checks, tmp_path):
    error = run_checks("def check():\n    assert 1 == 2, 'sums'").error
    assert error.startswith(
        f'Traceback (most recent call last):\n  File "{tmp_path}/cwd/checks.py", line 2, in check\n'
    )
    assert error.endswith("AssertionError: sums")


def test_an_async_error_shows_no_frames_of_asyncio(run_checks):
    error = run_checks("async def check():\n    1 / 0").error
    assert "ZeroDivisionError" in error
    assert "asyncio" not in error


@pytest.mark.parametrize(
    ("code", "target", "problem"),
    [
        ("import no_such_module", "check", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "check", "SyntaxError"),
        ("assert False, 'at import'", "check", "AssertionError: at import"),
        ("raise SystemExit(0)", "check", "SystemExit: 0"),
        ("", "check", "'checks:check': 'checks' has no attribute 'check'"),
        ("check = 3", "check", "'checks:check' is not callable, it is of type 'int'"),
        (
            "def check(a, b): pass",
            "check",
            "takes (a, b), which does not fit the arguments: missing a required argument",
        ),
        ("def check(): yield 1", "check", "is a generator function: calling it runs nothing of it"),
        ("async def check(): yield 1", "check", "is a generator function"),
    ],
)
def test_what_cannot_be_called_is_an_error_of_setup(run_checks, verdict, code, target, problem):
    result = run_checks(code, target)
    assert verdict(result) == ("error", "setup")
    assert problem in result.error


@pytest.mark.parametrize("target", ["checks", ":check", "checks:"])
def test_a_target_of_another_form_is_refused(run_body, verdict, target):
    result = run_body(CallBody(target))
    assert verdict(result) == ("error", "setup")
    assert "is not of the form 'module:attribute'" in result.error


def test_a_module_may_skip_itself(run_checks, verdict):
    code = "import pytest\npytest.skip('no display', allow_module_level=True)"
    assert verdict(run_checks(code)) == ("skipped", "skip")


def test_false_is_no_verdict_and_a_warning(run_checks, verdict):
    result = run_checks("def check(): return False")
    assert verdict(result) == ("passed", None)
    assert result.warnings == ("'checks:check' returned False, which is no verdict; use assert",)


def test_every_attempt_imports_afresh(run_checks):
    assert run_checks("value = 1\ndef check(): print(value)").output == "1\n"
    assert run_checks("value = 22\ndef check(): print(value)").output == "22\n"


def test_output_is_kept_when_the_process_crashes(run_checks, verdict):
    result = run_checks("import os\ndef check():\n    print('before')\n    os.abort()")
    assert verdict(result) == ("error", "crash")
    assert result.output.startswith("before\nFatal Python error: Aborted")


def test_metrics_are_reported_through_pulseq(run_checks):
    result = run_checks("import pulseq\ndef check(): pulseq.metric('queries', 7)", metrics=("queries", "misses"))
    assert result.metrics["queries"] == 7.0
    assert result.warnings == ("the metric 'misses' was not reported",)


def test_pythonpath_of_the_test_is_heeded(run_body, verdict, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "elsewhere.py").write_text("def check(): pass")
    body = CallBody("elsewhere:check")
    assert verdict(run_body(body, env={"PYTHONPATH": str(tmp_path / "src")})) == ("passed", None)


def test_modules_of_the_runtime_do_not_hide_those_of_the_test(run_body, verdict, tmp_path):
    (tmp_path / "cwd").mkdir(exist_ok=True)
    (tmp_path / "cwd" / "wire.py").write_text("def check(): pass")
    assert verdict(run_body(CallBody("wire:check"))) == ("passed", None)


def test_atexit_handlers_run(run_checks):
    assert run_checks("import atexit\ndef check(): atexit.register(print, 'bye')").output == "bye\n"


def test_a_process_that_does_not_end_after_its_verdict_is_killed(run_checks, verdict):
    result = run_checks("import atexit, time\ndef check(): atexit.register(time.sleep, 60)")
    assert verdict(result) == ("passed", None)
    assert result.warnings == ("its process had not ended 1 s after its verdict, so it was killed",)


def test_of_a_long_error_the_last_lines_are_kept():
    assert shorten("\n".join(map(str, range(100)))).splitlines() == ["[...]", *map(str, range(70, 100))]


def test_of_a_long_line_the_end_is_kept():
    assert shorten("x" * 9000 + "end").endswith("xend")


def test_an_error_without_frames_is_its_own_text():
    assert describe(ValueError("plain")) == "ValueError: plain"
