"""What people write, declared as annotations and read with pydantic, in our own words. The only place that knows it.

It is imported with the first value that is read: help and most refusals need not wait for it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

from pulseq.errors import nearest
from pulseq.suites.documents import Document, Flaw, Flawed, describe
from pulseq.suites.other_words import translate

_WORD = re.compile(r"[\w.-]{1,40}")
_COLLECTIONS: Mapping[str, tuple[type[Any], ...]] = {"tuple": (list, tuple), "dict": (Mapping,)}


class ReadBy:
    """In `Annotated`: what is written becomes what a function makes of it, which raises Flawed for what it is not."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self._function)


class Expected:
    """In `Annotated`: what to say of a value that does not fit the type before it, and pydantic's bounds for that."""

    def __init__(self, expected: str, **bounds: float) -> None:
        self._expected = expected
        self._bounds = bounds

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        schema = handler(source)
        if kinds := _COLLECTIONS.get(schema["type"]):
            return core_schema.no_info_before_validator_function(functools.partial(self._check, kinds), schema)
        finite = {"allow_inf_nan": False} if schema["type"] == "float" else {}
        return core_schema.custom_error_schema(
            schema | self._bounds | finite | {"strict": True},
            custom_error_type="unexpected",
            custom_error_message=self._expected,
        )

    def _check(self, kinds: tuple[type[Any], ...], value: Any) -> Any:
        if not isinstance(value, kinds) or len(value) < self._bounds.get("min_length", 0):
            could_be_item = list in kinds and not self._bounds and isinstance(value, str) and _WORD.fullmatch(value)
            raise Flawed.at(describe(value), self._expected, suggestion=f"[{value}]" if could_be_item else None)
        return value


class Keys:
    """A mapping whose keys are the annotations of a subclass; read, it is a dict of those that are written.

    A class says of itself: `thing`, what messages call it (`a test`); `needs`, keys that must be there; `free`, keys
    with values of any kind; `known`, the keys to be told of, where there are more than one class has.
    """

    _thing = ""
    _needs: Sequence[str] = ()
    _free: Sequence[str] = ()
    _known: Sequence[str] = ()

    def __init_subclass__(cls, **words: Any) -> None:
        for word, value in words.items():
            setattr(cls, f"_{word}", value)

    @classmethod
    @functools.cache
    def kinds(cls) -> dict[str, Any]:
        """Each key, and what its value is."""
        hints = get_type_hints(cls, include_extras=True).items()
        return {**{key: kind for key, kind in hints if key[0] != "_"}, **dict.fromkeys(cls._free, Any)}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        fields = {
            key: core_schema.typed_dict_field(handler.generate_schema(kind), required=key in cls._needs)
            for key, kind in cls.kinds().items()
        }
        schema = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        return core_schema.no_info_wrap_validator_function(cls._take, schema)

    @classmethod
    def _take(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(value, Mapping):
            raise Flawed.at(describe(value), f"{cls._thing}, as a mapping of keys to values")
        try:
            return handler(value)
        except ValueError as error:
            places = {key: place for place, key in enumerate(value)}
            flaws = sorted(_word(error, cls), key=lambda flaw: places.get(flaw.path[0], len(places)))
            meant = {flaw.suggestion for flaw in flaws}
            raise Flawed(flaw for flaw in flaws if flaw.path[0] in places or flaw.path[0] not in meant) from None

    @classmethod
    def refuse_key(cls, key: str) -> Flaw:
        """What is said of a key that is no annotation: the nearest that is one, or all."""
        known = cls._known or list(cls.kinds())
        meant = translate(key, known) or nearest(key, known)
        expected = f"a key of {cls._thing}" if meant else f"a key of {cls._thing}: {', '.join(known)}"
        return Flaw((key,), "an unknown key", expected, meant)


def read(kind: Any, value: Any) -> Any:
    """A value as a kind: a subclass of Keys, or any other annotation.

    Raises:
        Flawed: with all that is wrong with it.
    """
    try:
        return _adapter(kind).validate_python(value)
    except ValueError as error:
        raise Flawed(_word(error, Keys)) from None


def read_whole(document: Document, kind: type[Keys], flaws: Sequence[Flaw] = ()) -> dict[str, Any]:
    """A file as these keys.

    Args:
        flaws: what else is known to be wrong with it.

    Raises:
        ConfigurationError: with all that is wrong with it.
    """
    values: dict[str, Any] = {}
    found: Sequence[Flaw] = ()
    try:
        values = read(kind, document.value)
    except Flawed as error:
        found = error.flaws
    if found := (*document.flaws, *found, *flaws):
        raise document.refuse(found)
    return values


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _word(error: Any, keys: type[Keys]) -> Iterator[Flaw]:
    """pydantic's errors in our words; those of keys are about `keys`."""
    for one in error.errors(include_url=False):
        path, value, expected = one["loc"], one["input"], one["msg"]
        match one["type"]:
            case "value_error":
                yield from (flaw.below(*path) for flaw in one["ctx"]["error"].flaws)
            case "extra_forbidden" | "invalid_key":
                yield keys.refuse_key(str(path[0]))
            case "missing":
                yield Flaw(path, "nothing", f"this key, which {keys._thing} needs")
            case _:
                yield Flaw(path, describe(value), expected + _say_bare(value, expected))


def _say_bare(value: Any, expected: str) -> str:
    """That a number which was written as text is none: `'8000'`, `30s`."""
    text = value.strip() if isinstance(value, str) and "number" in expected else ""
    if not text[:1].isdigit():
        return ""
    return ", without a unit" if text[-1].isalpha() else ", without quotes"
