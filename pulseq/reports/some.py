"""Lists that a page cuts to what it can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Some(Generic[T]):
    """The first of many, and how many more there are."""

    items: Sequence[T]
    more: int = 0

    @classmethod
    def of(cls, found: Sequence[Any], most: int, tell: Callable[[Any], T] = lambda one: one) -> Some[T]:
        """The first `most` of what was found, as they are told."""
        return cls([tell(one) for one in found[:most]], max(len(found) - most, 0))
