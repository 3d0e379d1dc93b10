"""Options of pytest's own, and of plug-ins that many have: they are for what stands behind the `--`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

#: Those without a value, or with one only as `--option=value`.
FLAGS = frozenset(
    """
    -s -l --showlocals --no-showlocals --runxfail --xfail-tb --full-trace --no-header --no-summary
    --no-fold-skipped --force-short-summary --disable-warnings --disable-pytest-warnings --strict
    --strict-config --strict-markers --nf --new-first --sw --stepwise --sw-skip --stepwise-skip --sw-reset
    --stepwise-reset --cache-clear --noconftest --keep-duplicates --collect-in-virtualenv
    --continue-on-collection-errors --doctest-modules --doctest-ignore-import-errors
    --doctest-continue-on-failure --disable-plugin-autoload --trace-config --debug --setup-show --cov-append
    --cov-branch --no-cov --no-cov-on-fail --cov-reset --self-contained-html
    """.split()  # noqa: SIM905
)
WITH_VALUE = frozenset(
    """
    -r --report-chars --tb --show-capture --capture --color --code-highlight --pastebin --verbosity
    --durations-min -W --pythonwarnings --max-warnings -c --config-file --rootdir --basetemp --confcutdir
    --ignore --ignore-glob --deselect --import-mode -p -o --override-ini --assert --junit-prefix --junitprefix
    --doctest-report --doctest-glob --lfnf --last-failed-no-failures --log-level --log-format
    --log-date-format --log-cli-level --log-cli-format --log-cli-date-format --log-file --log-file-mode
    --log-file-level --log-file-format --log-file-date-format --log-auto-indent --log-disable --cov
    --cov-report --cov-config --cov-fail-under --cov-context --dist --maxprocesses --max-worker-restart --tx
    --reruns-delay --only-rerun --rerun-except --timeout-method --asyncio-mode --randomly-seed
    """.split()  # noqa: SIM905
)
#: With these pytest tells something, or waits for somebody at a keyboard: a run has no use for them.
INSTEAD_OF_A_RUN = frozenset(
    """
    --collect-only --co --fixtures --funcargs --fixtures-per-test --markers --cache-show --setup-only
    --setup-plan --pdb --pdbcls --trace
    """.split()  # noqa: SIM905
)
_SHORT_WITH_VALUE = tuple(option for option in WITH_VALUE if not option.startswith("--"))
_LETTERS = re.compile(r"-[xvqsl]{2,}")


def advise_on_pytest_options(words: Sequence[str]) -> str:
    """What to do about the options of pytest's own among the words behind `pulseq run`."""
    at_dashes = words.index("--") if "--" in words else len(words)
    ours, theirs = separate(words[:at_dashes])
    if instead := [word for word in theirs if name_of(word) in INSTEAD_OF_A_RUN]:
        return f"A run has no use for it, ask pytest itself: `{shlex.join(['pytest', *instead])}`"
    whole = shlex.join(["pulseq", "run", *ours, "--", *theirs, *words[at_dashes + 1 :]])
    return f"pytest's own options go after `--`: `{whole}`"


def separate(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words without pytest's own options, and these with their values; `-xvs` is taken apart."""
    ours: list[str] = []
    theirs: list[str] = []
    takes_value = False
    for word in words:
        is_value = takes_value and not word.startswith("-")
        takes_value = word in WITH_VALUE
        if _LETTERS.fullmatch(word):
            letters = dict.fromkeys(word[1:])
            ours += [f"-{letter}" for letter in letters if letter not in "sl"]
            theirs += [f"-{letter}" for letter in letters if letter in "sl"]
        elif is_value or is_pytests(word):
            theirs.append(word)
        else:
            ours.append(word)
    return ours, theirs


def is_pytests(word: str) -> bool:
    """Whether a word is an option of pytest's own, with its value or without."""
    return name_of(word) in FLAGS | WITH_VALUE | INSTEAD_OF_A_RUN


def name_of(word: str) -> str:
    """The option of `--option=value` and of `-rA`."""
    short = word[:2]
    return short if short in _SHORT_WITH_VALUE else word.partition("=")[0]
