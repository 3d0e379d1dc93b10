"""How long a text may get that others choose: ids, names, and what a test says of itself.

Tools and parametrised tests make names of any length, and each is written down many times.
"""

from __future__ import annotations

import hashlib

#: Characters of an id or a name.
MOST_ID_CHARACTERS = 1_000
#: Bytes, as UTF-8, of the whole of a longer one, which is kept once.
MOST_WHOLE_BYTES = 64_000
#: Characters of what an attempt says is wrong, and of each warning of it.
MOST_ERROR_CHARACTERS = 64_000
MOST_WARNING_CHARACTERS = 2_000
#: Seconds that anything is said to have taken, thirty years: what tools write into files may be any number.
MOST_SECONDS = 1e9
#: The end of the year 9999, in Unix seconds: no calendar of ours has a later moment.
LAST_MOMENT = 253_402_300_799.0
#: What the columns of counts and of bytes hold.
MOST_COUNT = 2**31 - 1
MOST_BYTES = 2**63 - 1
#: How many warnings and metrics are kept of an attempt.
MOST_WARNINGS = 100
MOST_METRICS = 1_000
#: Beyond this, on either side of zero, a metric is none: means and deviations of such are no numbers any more.
MOST_METRIC = 1e100
#: Half a character is spelt out: `\\ud800`.
_MOST_CHARACTER_BYTES = 6


def bound_id(text: str) -> str:
    """An id or a name as it is; of one that is too long start and end, and a digest of the whole between them.

    The same text always gives the same id, and two that differ anywhere give two.
    """
    if len(text) <= MOST_ID_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return _cut(text, MOST_ID_CHARACTERS, f"…{digest}…")


def bound_whole(text: str) -> str:
    """The start of a text, as far as `MOST_WHOLE_BYTES` go."""
    if len(text) * _MOST_CHARACTER_BYTES <= MOST_WHOLE_BYTES:
        return text
    encoded = text[:MOST_WHOLE_BYTES].encode("utf-8", "backslashreplace")
    return encoded[:MOST_WHOLE_BYTES].decode("utf-8", "ignore")


def bound_text(text: str, characters: int) -> str:
    """A text as it is; of one that is too long start and end, and how much is left out between them."""
    if len(text) <= characters:
        return text
    return _cut(text, characters, f"\n… {len(text) - characters} characters left out …\n")


def _cut(text: str, characters: int, between: str) -> str:
    room = characters - len(between)
    head = room // 2
    return text[:head] + between + text[len(text) - (room - head) :]
