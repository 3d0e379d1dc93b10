"""What reaches below the promises of others is found, and all of it is named."""

from __future__ import annotations

import ast

import pytest

from tests.outside_use import Outside, our_files, private_names, unpromised_uses
from tests.unpromised import DASK, PLUG_INS, PREFECT, PYTEST, PYTHON

_OUTSIDE = Outside(
    packages=("outside", "_outside"),
    promised=frozenset({"outside", "outside.Thing", "Thing.asked"}),
    receivers={"thing": "Thing", "_thing": "Thing"},
    rooms=("given/",),
    texts=frozenset({"a word of its own"}),
)


def test_every_private_name_of_others_is_named() -> None:
    uses = {use for place in DASK + PYTEST for use in place.uses}
    named = uses | {use.rpartition(".")[2] for use in uses}
    found = private_names(our_files())

    assert set() == {(file, name) for file, name in found if name not in named | PREFECT | PLUG_INS | PYTHON.keys()}
    assert set() == (PREFECT | PLUG_INS | PYTHON.keys()) - {name for _, name in found}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import outside\nthing.asked()", set()),
        ("import outside\nthing.other()", {"Thing.other"}),
        ("import outside\nself._thing.other = 1", {"Thing.other"}),
        ("import outside\ngetattr(thing(), 'other')", {"Thing.other"}),
        ("import outside.inner", {"outside.inner"}),
        ("from outside import Thing, Other", {"outside.Other"}),
        ("def f():\n    from _outside import Thing", {"_outside", "_outside.Thing"}),
        ("import outside\nwhy.startswith('a word of its own')", {"a word of its own"}),
        ("thing.other()", set()),
    ],
)
def test_a_use_of_what_is_not_promised_is_found(source: str, found: set[str]) -> None:
    assert {("a.py", use) for use in found} == unpromised_uses({"a.py": ast.parse(source)}, _OUTSIDE)


def test_a_file_that_is_given_objects_need_not_import_their_package() -> None:
    assert {("given/a.py", "Thing.other")} == unpromised_uses({"given/a.py": ast.parse("thing.other()")}, _OUTSIDE)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("thing._inner()", {"_inner"}),
        ("hasattr(thing, '_inner')", {"_inner"}),
        ("names = ['_inner']", {"_inner"}),
        ("import a._inner.b", {"a._inner.b"}),
        ("from a import _Inner", {"_Inner"}),
        ("module = 'a._inner.b'", {"a._inner.b"}),
        ("class A:\n    def f(self):\n        self._inherited()", {"_inherited"}),
        ("class A:\n    def f(self):\n        self._own = 1\n    def g(other):\n        other._own", set()),
        ("import os\nos._exit(0)", set()),
        ("thing.__dict__", set()),
    ],
)
def test_a_private_name_of_others_is_found(source: str, found: set[str]) -> None:
    assert {("a.py", name) for name in found} == private_names({"a.py": ast.parse(source)})
