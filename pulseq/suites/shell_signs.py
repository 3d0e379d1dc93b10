"""What a shell would act upon in a line that no shell gets to see."""

from __future__ import annotations

import re

#: `|`, `&&` and their kin wherever they stand; a lone `&` only at the end of a word, since addresses have them
#: (`/?a=1&b=2`).
_SIGN = re.compile(
    r"""
      (?:(?<!\S)[0-9]+|&)?(?:<<<|<<-?|<>|<|>>|>\||>)(?:&(?:[0-9]+|-)?)?
    | && | \|\| | \|& | \| | ;;? | &(?!\S)
    | ` | \$\( | \$\{[^}]*\}? | \$[A-Za-z_][A-Za-z0-9_]*
    | \n
    """,
    re.VERBOSE,
)


def find_shell_sign(line: str) -> str | None:
    """The first operator, redirection, substitution, variable or line end outside quotes; None where there is none.

    What stands in quotes of either kind, or behind a backslash, is part of an argument, as `shlex.split` has it.
    A line end behind a backslash counts: a shell would leave out both, while `shlex` keeps it.
    """
    text = line.strip()
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
            position += 2 if character == "\\" and quote == '"' else 1
        elif character in "'\"":
            quote = character
            position += 1
        elif character == "\\" and text[position + 1 : position + 2] != "\n":
            position += 2
        elif sign := _SIGN.match(text, position):
            return sign[0]
        else:
            position += 1
    return None
