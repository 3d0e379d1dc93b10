"""`pulseq completion`: what a shell needs to know of our verbs and options, written by the library that parses them.

What that library leaves out is put in here, each in one line, and held by tests in the shells themselves.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Literal

from pulseq.cli.main import app


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    bash: `eval "$(pulseq completion bash)"` in ~/.bashrc.
    zsh: `pulseq completion zsh > DIRECTORY/_pulseq`, a directory of $fpath, before `compinit`.
    fish: `pulseq completion fish > ~/.config/fish/completions/pulseq.fish`.

    Args:
        shell: The shell.
    """
    sys.stdout.write(write_completion(shell))
    return 0


def write_completion(shell: Literal["bash", "zsh", "fish"]) -> str:
    """The script of a shell, for the verbs and options of this version."""
    return _COMPLETE[shell](app.generate_completion(shell=shell)).rstrip() + "\n"


def _complete_bash(script: str) -> str:
    """Files where nothing else is known, in the way of the shell: with a slash after directories, spaces and all."""
    script = script.replace('COMPREPLY=( $(compgen -f -- "${cur}") )', "COMPREPLY=()")
    return script.replace("complete -F _pulseq pulseq", "complete -o bashdefault -o default -F _pulseq pulseq")


def _complete_zsh(script: str) -> str:
    """Suites are files; backquotes in single quotes are no more than that; and the function has to be called."""
    lines = script.splitlines()
    lines = [re.sub(r"^(\s*'\*:Suite files.*)(' \\)$", r"\1:_files\2", line) for line in lines]
    lines = [line.replace(r"\`", "`") if line.lstrip().startswith("'") else line for line in lines]
    # As a file of $fpath it is the body of the function `_pulseq`; else it has been read by a person's own file.
    call = 'if [[ $funcstack[1] == _pulseq ]]; then _cyclopts_pulseq "$@"; else compdef _cyclopts_pulseq pulseq; fi'
    return "\n".join([*lines, call])


def _complete_fish(script: str) -> str:
    """The first word is a verb, and no file."""
    return f"{script.rstrip()}\ncomplete -c pulseq -n __fish_use_subcommand -f\n"


_COMPLETE: dict[str, Callable[[str], str]] = {"bash": _complete_bash, "zsh": _complete_zsh, "fish": _complete_fish}
