"""What a task of anybody's flow asks of its node."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest
from prefect import task

from pulseq.orchestration.requirements import requirements_of, requires


@task(retries=3)
def plain(one: int, *, other: int = 2) -> int:
    """Adds."""
    return one + other


class Page:
    @task
    def title(self) -> str:
        return type(self).__name__


def test_a_task_that_says_nothing_asks_nothing() -> None:
    assert {} == requirements_of(plain)


def test_what_is_asked_is_of_that_task_alone() -> None:
    asking = requires(plain, browser="chrome")

    assert ({"browser": "chrome"}, {}) == (requirements_of(asking), requirements_of(plain))


def test_the_task_is_else_the_same() -> None:
    asking = requires(plain, gpu=True)

    assert (3, plain.name, plain.task_key, "Adds.") == (
        asking.retries,
        asking.name,
        asking.task_key,
        asking.description,
    )
    assert (5, 3) == (asking.fn(1, other=4), asking.fn(1))


def test_more_can_be_asked() -> None:
    asking = requires(requires(plain, browser="chrome", gpu=True), browser="firefox")

    assert {"browser": "firefox", "gpu": True} == requirements_of(asking)


@pytest.mark.parametrize(
    "change", [lambda one: one.with_options(retries=1), lambda one: pickle.loads(cloudpickle.dumps(one))]
)
def test_a_task_that_is_derived_asks_the_same(change: Any) -> None:
    assert {"gpu": True} == requirements_of(change(requires(plain, gpu=True)))


def test_a_method_may_ask() -> None:
    page = Page()
    asking = requires(page.title, browser="chrome")

    assert ({"browser": "chrome"}, {}) == (requirements_of(asking), requirements_of(page.title))
    assert page.title.fn.__dict__.items() <= asking.fn.__dict__.items()  # where Prefect has what it is bound to


def test_a_value_that_is_no_requirement_is_refused() -> None:
    with pytest.raises(ValueError, match=r"memory: found '>=', expected one of >= <= > < == != and then a value"):
        requires(plain, memory=">=")
