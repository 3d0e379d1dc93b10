"""`pulseq`: the command line, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import NoReturn

import cyclopts

from pulseq import __version__
from pulseq.cli.help_text import HelpDrawer, say_default, say_purpose
from pulseq.cli.usage_errors import refuse_fractions, word_usage_error
from pulseq.errors import ExitCode, PulseqError, UsageError, hint_at_nearest
from pulseq.orchestration.early_server import end_loading

_FLAGS = ("--help", "-h", "--version")
app = cyclopts.App(
    name="pulseq",
    help="Run test suites on labelled nodes; every verdict is a row in DuckDB.",
    version=__version__,
    help_flags=_FLAGS[:2],
    # As Markdown it takes a parser of that: a hundred modules.
    help_format="plaintext",
    version_flags=_FLAGS[2:],
    help_formatter=HelpDrawer(),
    default_parameter=cyclopts.Parameter(negative="", show_default=say_default),
    config=refuse_fractions,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
    help_epilogue="Exit codes: 0 passed, 1 tests failed, 2 interrupted, 3 internal error, 4 bad input, "
    "5 nothing to run, 10 tests without a verdict, 124 deadline.",
)
# By name: a verb's module is imported when the verb is used, so that `--help` costs no Prefect.
COMMANDS = {
    "init": ("pulseq.cli.init:init", "Write a suite and its nodes for what is in a directory."),
    "run": ("pulseq.cli.run:run", "Run suites and wait for their verdicts."),
    "check": ("pulseq.cli.check:check", "Validate suites and nodes; start nothing."),
    "up": ("pulseq.cli.up:up", "Start server, scheduler and nodes that stay between runs."),
    "down": ("pulseq.cli.down:down", "End what `up` has started."),
    "status": ("pulseq.cli.status:status", "Tell what `up` has started, and how it does."),
    "serve": ("pulseq.cli.serve:serve", "Serve the deployments of prefect.yaml from this machine."),
    "setup": ("pulseq.cli.setup:setup", "Make Prefect's automations for runs and nodes."),
    "summary": ("pulseq.cli.summary:summary", "Tell what a stored run came to."),
    "sql": ("pulseq.cli.sql:sql", "Ask the results in SQL, also while runs write."),
    "doctor": ("pulseq.cli.doctor:doctor", "Tell whether runs can go on here; for the beginning of a bug report."),
    "completion": ("pulseq.cli.completion:completion", "Print what bash, zsh or fish complete our words with."),
    "man": ("pulseq.cli.man:man", "Print the manual page."),
    "node": ("pulseq.cli.node:app", "The nodes of a fleet: install, join, list, drain."),
    "certs": ("pulseq.cli.certs:app", "Make what machines need to be members of a site."),
    "results": ("pulseq.cli.results:app", "Bring journals into the database."),
}
for _name, (_place, _help) in COMMANDS.items():
    app.command(_place, name=_name, help=_help)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Errors are told in one line each on standard error."""
    try:
        _check_verb(arguments)
        _tell_all_of_help(arguments)
        code = app(list(arguments))
    except cyclopts.CycloptsError as error:
        return _end_badly(arguments, word_usage_error(error, _verb_of(arguments), arguments[1:]), ExitCode.USAGE_ERROR)
    except PulseqError as error:
        return _end_badly(arguments, str(error), error.exit_code)
    except KeyboardInterrupt:
        return _end_badly(arguments, "interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has had enough; there is nobody to tell.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it has to outlive this function
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - here ends whatever nobody has foreseen, told as ours
        text = f"internal error: {type(error).__name__}: {error}; `-v` shows where, please report it"
        return _end_badly(arguments, text, ExitCode.INTERNAL_ERROR)
    return int(code or 0)


def _end_badly(arguments: Sequence[str], text: str, code: ExitCode) -> int:
    """Tell the error at hand to whoever reads: people, and with `--output json` programs."""
    ours = takewhile(lambda word: word != "--", arguments)
    words = [part for word in ours for part in word.split("=", 1)]
    if "-v" in words or "--verbose" in words:
        traceback.print_exc()
    _tell(text)
    if ("--output", "json") in pairwise(words):
        with contextlib.suppress(OSError, ValueError):
            print(json.dumps(_describe_ending(text, code)))
    return code


def _describe_ending(text: str, code: ExitCode) -> dict[str, object]:
    # Here alone: `--help`, `--version` and a mistyped verb need none of what these bring.
    from pulseq.records import RunRecord
    from pulseq.reports.json_output import describe_run
    from pulseq.run.exit_code import EXIT_REASONS

    return {**describe_run(RunRecord()), "exit_code": int(code), "reason": EXIT_REASONS[code], "error": text}


def main() -> NoReturn:
    """Entry point of the `pulseq` script."""
    code = flush_streams(run_command(sys.argv[1:]))
    end_loading()
    # Without the interpreter's own teardown: it takes a third of a second with Prefect loaded, and DuckDB's
    # bindings report every object that is still alive then. All that must be ended or written has been.
    os._exit(code)


def flush_streams(code: int) -> int:
    """Write what was printed; the exit code, which is another one where a result could not be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # whoever read it has had enough
    except (OSError, ValueError) as error:
        code = code or ExitCode.INTERNAL_ERROR
        _tell(f"standard output cannot be written: {error}; results are kept, see `pulseq summary`")
    # Of lines on how it goes that nobody can read the outcome is none the worse.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    return code


def _check_verb(arguments: Sequence[str]) -> None:
    # Before the parser does: to word its own error it would import every verb.
    if not arguments or arguments[0] in COMMANDS or arguments[0] in _FLAGS:
        return
    if arguments[0].startswith("-"):
        raise UsageError(
            f"found option {arguments[0]!r} before any command, expected one of {', '.join(COMMANDS)} first"
        )
    hint = hint_at_nearest(arguments[0], COMMANDS)
    raise UsageError(f"found command {arguments[0]!r}, expected one of {', '.join(COMMANDS)}{hint}")


def _verb_of(arguments: Sequence[str]) -> str | None:
    return next((word for word in arguments[:1] if word in COMMANDS), None)


def _tell_all_of_help(arguments: Sequence[str]) -> None:
    # The line that a list of verbs has for it would stand in place of all that its function says.
    if not {"--help", "-h"} & set(arguments):
        return
    command = app
    for word in arguments:
        if word.startswith("-") or word not in list(command):
            break
        command = command[word]
    if command is not app and command.default_command is not None:
        command.help = "\n\n".join(say_purpose(command.default_command))


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever cannot be told still sees the exit code
        for line in text.splitlines() or [""]:
            print(f"pulseq: {line}", file=sys.stderr)
