"""Lists that a page cuts to what it can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Some(Generic[T]):
    """The first of many, and how many more there are."""

    items: Sequence[T]
    more: int = 0

    @classmethod
    def of(cls, found: Sequence[S], most: int, tell: Callable[[S], T]) -> Some[T]:
        """The first `most` of what was found, as they are told."""
        return cls([tell(one) for one in found[:most]], max(len(found) - most, 0))


#: Of nothing all.
NONE: Some[Any] = Some(())
