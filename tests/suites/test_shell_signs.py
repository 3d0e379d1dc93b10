"""What of a line would be a shell's to act upon, and what is an argument."""

from __future__ import annotations

import shlex
import subprocess
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulseq.suites.shell_signs import find_shell_sign

SIGNS = ("&&", "||", "|", ";", ">", "<", ">>", "<<", "`", "$NAME", "${X}", "$(", "2>&1", "&>", ">&2", "|&", "<<<", "&")
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
ANY_WORD = st.one_of(_TEXT, st.sampled_from(SIGNS), st.builds("".join, st.lists(st.sampled_from([*SIGNS, "a", " "]))))
PLAIN_WORD = st.text("abcz019_-=+.,:/@%^~*?[]{}#!", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ("echo a && false", "&&"),
        ("echo a&&false", "&&"),
        ("a || b", "||"),
        ("a | b", "|"),
        ("a |& b", "|&"),
        ("a; b", ";"),
        ("a > out.txt", ">"),
        ("a >out.txt", ">"),
        ("a >> out.txt", ">>"),
        ("a 2>&1", "2>&1"),
        ("a 2> err", "2>"),
        ("a &> all", "&>"),
        ("a >&2", ">&2"),
        ("a < in.txt", "<"),
        ("a << END", "<<"),
        ("pip install x>=1", ">"),
        ("echo `date`", "`"),
        ("echo $HOME", "$HOME"),
        ("a --to=$HOME/x", "$HOME"),
        ("echo ${HOME}/x", "${HOME}"),
        ("echo ${HOME", "${HOME"),
        ("echo $(date)", "$("),
        ("sleep 5 &", "&"),
        ("sleep 5& wait", "&"),
        ("a\nb", "\n"),
        ("a \\\n  --b", "\n"),
        ('echo "a" "b"|c', "|"),
        ("echo \\\\; b", ";"),
        ("echo 'a'\"b\" $C", "$C"),
        ('echo "a\\"b" > \'c\'', ">"),
    ],
)
def test_a_bare_sign_is_found(line: str, sign: str) -> None:
    assert sign == find_shell_sign(line)


@pytest.mark.parametrize(
    "line",
    [
        "echo a",
        "echo 'a && b'",
        'echo "a && b"',
        'sh -c "echo $HOME | wc -c"',
        "find . -exec rm {} \\;",
        "echo \\$HOME",
        "grep 'a\\' b",
        'echo "\\" && \\""',
        "curl http://x/?a=1&b=2",
        "grep end$ file",
        "echo 5$ $5 $?",
        "  a b\n",
        "a 'two\nlines'",
        "",
        "$",
    ],
)
def test_an_argument_is_no_sign(line: str) -> None:
    assert find_shell_sign(line) is None


@given(st.lists(ANY_WORD))
def test_quoted_words_have_no_sign(words: list[str]) -> None:
    line = shlex.join(words)
    assert find_shell_sign(line) is None
    assert words == shlex.split(line)


@given(st.lists(ANY_WORD), st.sampled_from(SIGNS), st.lists(ANY_WORD))
def test_a_bare_sign_between_quoted_words_is_found(before: list[str], sign: str, after: list[str]) -> None:
    assert sign == find_shell_sign(" ".join([shlex.join(before), sign, shlex.join(after)]))


@given(st.lists(PLAIN_WORD, min_size=1))
def test_words_without_any_sign_have_none(words: list[str]) -> None:
    assert find_shell_sign(" ".join(words)) is None


@given(_TEXT)
def test_where_shlex_finds_an_operator_there_is_a_sign(line: str) -> None:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";<>|")
    lexer.commenters = ""
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return  # a quote that is not closed
    if words != shlex.split(line):
        assert find_shell_sign(line) is not None


@given(st.text("ab2 '\"\\;|<>", max_size=12))
def test_a_line_without_signs_has_the_words_that_a_shell_gives_it(line: str) -> None:
    try:
        words = shlex.split(line)
    except ValueError:
        return  # a quote that is not closed
    if find_shell_sign(line) is None:
        told = subprocess.run(["/bin/sh", "-c", f'for word in {line}\ndo printf "%s\\0" "$word"; done'], stdout=PIPE)
        assert "".join(f"{word}\0" for word in words) == told.stdout.decode()
