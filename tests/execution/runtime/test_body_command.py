import pytest

from pulseq.models import CommandBody


def shell(line):
    return CommandBody((line,), shell=True)


def test_a_command_that_ends_well_has_passed(run_body, verdict):
    result = run_body(CommandBody(("echo", "two  words; $HOME")))
    assert (verdict(result), result.output, result.exit_code) == (("passed", None), "two  words; $HOME\n", 0)


def test_another_exit_code_is_a_failure_that_tells_the_last_output(run_body, verdict):
    result = run_body(shell("echo wrong sum >&2; exit 3"))
    assert (verdict(result), result.exit_code) == (("failed", "exit_code"), 3)
    assert result.error == "exit code 3; its last output:\nwrong sum"


def test_a_signal_is_a_crash_with_the_name_of_the_signal(run_body, verdict):
    result = run_body(shell("kill -SEGV $$"))
    assert (verdict(result), result.signal, result.error) == (("error", "crash"), 11, "ended by signal 11 (SIGSEGV)")


def test_a_program_that_is_not_found_is_named(run_body, verdict):
    result = run_body(CommandBody(("no-such-program",)))
    assert verdict(result) == ("error", "setup")
    assert result.error.startswith("the program 'no-such-program' was not found on this node; PATH is ")


def test_a_path_that_does_not_exist_is_named(run_body, verdict):
    result = run_body(CommandBody(("./gradlew",)))
    assert verdict(result) == ("error", "setup")
    assert result.error.startswith("the program './gradlew' does not exist on this node")


def test_a_program_beside_the_test_is_found_from_its_directory(run_body, verdict, tmp_path):
    program = tmp_path / "cwd" / "tool"
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\necho from $0\n")
    program.chmod(0o755)
    assert run_body(CommandBody(("./tool",))).output == "from ./tool\n"


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        ("#!/bin/sh\n", 0o644, "is not executable on this node"),
        ("#!/no/such/interpreter\n", 0o755, "is there, but the interpreter that its first line names is not"),
        ("just text\n", 0o755, "is no program that this node can run"),
    ],
)
def test_a_file_that_cannot_be_run_says_why(run_body, verdict, tmp_path, content, mode, problem):
    program = tmp_path / "tool"
    program.write_text(content)
    program.chmod(mode)
    result = run_body(CommandBody((str(program),)))
    assert verdict(result) == ("error", "setup")
    assert problem in result.error


def test_a_directory_that_is_missing_is_named(run_body, verdict):
    result = run_body(CommandBody(("true",)), cwd="/no/such/directory")
    assert verdict(result) == ("error", "setup")
    assert result.error == "the working directory '/no/such/directory' does not exist on this node"


def test_a_nul_in_an_argument_is_refused(run_body, verdict):
    result = run_body(CommandBody(("echo", "a\0b")))
    assert verdict(result) == ("error", "setup")
    assert "null byte" in result.error


def test_arguments_that_are_too_long_are_refused(run_body, verdict):
    result = run_body(CommandBody(("echo", "x" * 3_000_000)))
    assert verdict(result) == ("error", "setup")
    assert "Argument list too long" in result.error


def test_standard_input_is_empty(run_body, verdict):
    assert verdict(run_body(CommandBody(("cat",)))) == ("passed", None)
