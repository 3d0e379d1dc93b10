"""The keys that every test may have, whatever its body, and those that a suite may have for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pulseq.artifacts import ALL, FAILED
from pulseq.models import Priority
from pulseq.suites.documents import Flawed, describe
from pulseq.suites.schema import Expected, Keys, ReadBy, read
from pulseq.suites.values import (
    MapKey,
    Memory,
    PositiveSeconds,
    Requirements,
    Seconds,
    Size,
    Text,
    Variables,
    one_of,
)

KINDS = ("command", "call", "pytest", "http", "simulate")
#: Keys that belong to some bodies only, and to which.
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "args": ("call", "pytest"),
    "kwargs": ("call",),
    "shell": ("command",),
    "junit": ("command",),
}
_PRIORITIES = {priority.word: priority for priority in sorted(Priority, reverse=True)}


def _read_labels(value: Any) -> dict[str, Any]:
    if isinstance(value, (list, tuple)):
        return dict.fromkeys(read(tuple[Text, ...], value), True)
    labels: dict[str, Any] = read(_Labels, value)
    return labels


def _read_label(value: Any) -> Any:
    if value is None or isinstance(value, (Mapping, list, tuple)):
        raise Flawed.at(describe(value), "text, a number, true or false")
    return float(value) if isinstance(value, float) else value


_Labels = Annotated[dict[MapKey, Annotated[Any, ReadBy(_read_label)]], Expected("a list of labels, or a mapping")]


def _read_globs(value: Any) -> tuple[str, ...]:
    globs: tuple[str, ...] = read(_Globs, value)
    for glob in globs:
        if glob.startswith(("/", "~")) or ".." in glob.split("/"):
            raise Flawed.at(describe(glob), "a pattern for files below the test's cwd, such as screenshots/**/*.png")
    return globs


_Globs = Annotated[tuple[Text, ...], Expected("a list of patterns for files, such as [screenshots/**/*.png]")]


class DefaultKeys(Keys, thing="defaults"):
    """Keys that make sense for all tests of a suite at once."""

    timeout: PositiveSeconds
    max_retries: Annotated[int, Expected("a whole number, 0 or more", ge=0)]
    retry_delay: Seconds
    requirements: Requirements
    priority: Annotated[Priority, ReadBy(one_of(_PRIORITIES))]
    metrics: Annotated[tuple[Text, ...], Expected("a list of metrics' names")]
    env: Variables
    cwd: Text
    python: Text
    memory_limit: Memory
    output_limit: Size
    artifacts: Annotated[tuple[str, ...], ReadBy(_read_globs)]
    artifacts_of: Annotated[str, ReadBy(one_of({FAILED: FAILED, ALL: ALL}))]
    artifacts_limit: Size


#: Every key that a test may have, in the order in which people are told of them.
TEST_KEYS = ("id", *KINDS, *COMPANIONS, "name", "duration", "labels", *DefaultKeys.kinds())


class TestKeys(DefaultKeys, thing="a test", needs=("id",), known=TEST_KEYS):
    """Keys that a test has besides those of its body; a subclass for each body has these."""

    id: Text
    name: Text
    duration: Seconds
    labels: Annotated[dict[str, Any], ReadBy(_read_labels)]
