"""What a task of anybody's flow asks of the node that it runs on."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from prefect import Task

from pulseq.capabilities import parse_requirement
from pulseq.models import CapabilityValue

P = ParamSpec("P")
R = TypeVar("R")
#: On the function, since every task that Prefect derives from one (`with_options`) is made of its function.
_ATTRIBUTE = "__pulseq_requirements__"


def requires(task: Task[P, R], /, **requirements: CapabilityValue) -> Task[P, R]:
    """The same task, for nodes that have this alone; what it has asked for before it still asks for.

    Another task runner than `NodeTaskRunner` does not heed it.

    Args:
        requirements: as in a suite file, by the name of the capability: `browser="chrome"`, `memory=">=8GB"`.

    Raises:
        ValueError: a value is no requirement; the text says what was found and what was expected.
    """
    for capability, value in requirements.items():
        try:
            parse_requirement(value)
        except ValueError as error:
            raise ValueError(f"{capability}: {error}") from None
    asking = copy.copy(task)
    asking.fn = _copy_callable(task.fn)
    setattr(asking.fn, _ATTRIBUTE, {**requirements_of(task), **requirements})
    return asking


def requirements_of(task: Task[Any, Any]) -> Mapping[str, CapabilityValue]:
    """What a task asks of its node; nothing where nothing was said."""
    asked: Mapping[str, CapabilityValue] = getattr(task.fn, _ATTRIBUTE, {})
    return asked


def _copy_callable(original: Any) -> Any:
    if not isinstance(original, FunctionType):
        return copy.copy(original)
    parts = (original.__code__, original.__globals__, original.__name__, original.__defaults__, original.__closure__)
    copied = FunctionType(*parts)
    copied.__kwdefaults__ = original.__kwdefaults__
    functools.update_wrapper(copied, original)
    del copied.__dict__["__wrapped__"]  # it is no wrapper
    copied.__dict__.update(original.__dict__)
    return copied
