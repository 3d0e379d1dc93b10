"""Frozen data that travels by the thousand, pickled at a third of what a dataclass with slots costs by itself."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_pickled(cls: type[T]) -> type[T]:
    """Have a frozen dataclass with slots and two fields at least pickle as a tuple of its fields.

    What `dataclasses` gives such a class asks for the list of its fields anew at each object, there and back.
    """
    names = tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
    state = attrgetter(*names)
    put = object.__setattr__

    def setstate(self: T, values: tuple[Any, ...]) -> None:
        for name, value in zip(names, values, strict=True):
            put(self, name, value)

    cls.__getstate__ = lambda self: state(self)  # type: ignore[method-assign]
    cls.__setstate__ = setstate  # type: ignore[attr-defined]
    return cls
