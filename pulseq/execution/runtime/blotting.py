"""Blots secrets out of what bodies say, wherever they begin, overlap, or are cut into pieces.

A process of ours that watches or runs bodies has at most one `Blotter` at a time, that of the run whose bodies they
are (`use`). Without one nothing is looked at.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, AnyStr, Dict, Iterable, Iterator, List, Optional, Tuple

_MASKS = "*#%"
#: Beyond those: blocks that nobody has in a secret.
_FIRST_BLOCK = 0x2588
#: Texts of a result as it travels.
_TEXTS = ("error", "short", "output", "xpassed", "summary")


class Blotter:
    """Puts a mask in the place of all that is part of a secret.

    Secrets that overlap or touch each other become one mask. What comes of it holds none of them, and is the same
    when it is blotted again.

    Args:
        forms: the texts that are not to be seen, none of them empty.

    Attributes:
        forms: the same, the longest first.
        mask: `***`; three of another character where a form begins or ends with an asterisk, or has three of them.
        reach: how many bytes, or characters, before or after a place decide with it whether it is part of a secret.
    """

    def __init__(self, forms: Iterable[str]) -> None:
        self.forms = sorted(set(forms), key=len, reverse=True)
        known = [form.encode("utf-8", "surrogateescape") for form in self.forms]
        self.mask = _choose_mask(self.forms)
        self.reach = max(map(len, known)) - 1
        self._texts = re.compile("|".join(map(re.escape, self.forms)))
        self._bytes = re.compile(b"|".join(map(re.escape, known)))

    def blot(self, data: AnyStr, start: int = 0, stop: Optional[int] = None) -> AnyStr:
        """What stands from `start` to `stop`; of a secret that reaches across either no part is left."""
        stop = len(data) if stop is None else min(stop, len(data))
        mask: Any = self.mask if isinstance(data, str) else self.mask.encode()
        parts: List[AnyStr] = []
        at = start
        for begin, end in self._find_spans(data, max(0, start - self.reach), min(len(data), stop + self.reach)):
            if begin >= stop:
                break
            if end > start:
                parts += (data[at:begin], mask)
                at = end
        if not parts:
            return data[start:stop]
        parts.append(data[at:stop])
        return data[:0].join(parts)

    def _find_spans(self, data: AnyStr, start: int, end: int) -> Iterator[Tuple[int, int]]:
        """Begin and end of what is to be blotted between two places, with a gap between each."""
        pattern: Any = self._texts if isinstance(data, str) else self._bytes
        span: Optional[Tuple[int, int]] = None
        for begin, stop in _find(pattern, data, start, end):
            if span is not None and begin <= span[1]:
                span = (span[0], max(span[1], stop))
                continue
            if span is not None:
                yield span
            span = (begin, stop)
        if span is not None:
            yield span


def _find(pattern: Any, data: Any, start: int, end: int) -> Iterator[Tuple[int, int]]:
    """Begin and end of each match between two places, also of those within others."""
    while start < end:
        match = pattern.search(data, start, end)
        if match is None:
            return
        yield match.span()
        start = match.start() + 1


def _choose_mask(forms: List[str]) -> str:
    """A mask that together with what stands beside it makes no secret."""
    for character in itertools.chain(_MASKS, map(chr, itertools.count(_FIRST_BLOCK))):
        mask = 3 * character
        if not any(form[0] == character or form[-1] == character or mask in form for form in forms):
            return mask
    raise AssertionError("characters without end have ended")


_current: Optional[Blotter] = None


def use(forms: Iterable[str]) -> None:
    """From here on blot these out in this process; nothing where there are none."""
    global _current
    wanted = sorted(set(forms), key=len, reverse=True)
    if not wanted:
        _current = None
    elif _current is None or _current.forms != wanted:
        _current = Blotter(wanted)


def current() -> Optional[Blotter]:
    """What is used in this process."""
    return _current


def blot(text: AnyStr, start: int = 0, stop: Optional[int] = None) -> AnyStr:
    """A text, or a part of it, without the secrets of this process's run."""
    return text[start:stop] if _current is None else _current.blot(text, start, stop)


def blot_result(message: Dict[str, Any]) -> Dict[str, Any]:
    """A result, or a verdict, as it travels, without the secrets of this process's run."""
    if _current is None:
        return message
    found = dict(message)
    for key in _TEXTS:
        if isinstance(found.get(key), str):
            found[key] = blot(found[key])
    if found.get("warnings"):
        found["warnings"] = [blot(text) if isinstance(text, str) else _blot_warning(text) for text in found["warnings"]]
    if found.get("pytest_warnings"):
        found["pytest_warnings"] = [_blot_warning(one) for one in found["pytest_warnings"]]
    if found.get("metrics"):
        found["metrics"] = {blot(name): value for name, value in found["metrics"].items()}
    if found.get("properties"):
        found["properties"] = [[*one[:-2], *map(blot, one[-2:])] for one in found["properties"]]
    if found.get("reruns"):
        found["reruns"] = [blot_result(one) for one in found["reruns"]]
    return found


def _blot_warning(warning: Dict[str, str]) -> Dict[str, str]:
    return {key: text if key == "when" else blot(text) for key, text in warning.items()}
