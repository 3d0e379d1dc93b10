"""One test from its mapping: its keys, its body, and the defaults under them."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulseq.artifacts import USUAL_RULES, ArtifactRules
from pulseq.errors import nearest
from pulseq.models import Body, TestCase
from pulseq.suites.bodies import read_test
from pulseq.suites.common_keys import TEST_KEYS, TestKeys
from pulseq.suites.documents import Flawed, describe

#: The field of TestCase that a key fills, where it is not called like the key.
_FIELDS = {"timeout": "timeout_seconds", "retry_delay": "retry_delay_seconds"}
#: The keys that make one field of it, `artifacts`, and what fields of that they are.
_RULES = {"artifacts": "globs", "artifacts_of": "of", "artifacts_limit": "limit"}


@dataclass(frozen=True, slots=True)
class TestBase:
    """What tests are completed with: the folder that their paths are relative to, and the defaults of their suite."""

    __test__ = False

    folder: Path
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def complete(self, values: Mapping[str, Any], body: Body, location: str | None = None) -> TestCase:
        """The test that these values and the defaults make; requirements and env are merged."""
        known = {**self.defaults, **values}
        for key in ("requirements", "env"):
            known[key] = {**self.defaults.get(key, {}), **values.get(key, {})}
        known["name"] = known.get("name", known["id"])
        known["cwd"] = sys.intern(os.path.abspath(os.path.join(self.folder, known.get("cwd", "."))))
        if "python" in known:
            known["python"] = locate_python(known["python"], self.folder)
        own = TestKeys.kinds().keys() - _RULES.keys()
        fields = {_FIELDS.get(key, key): value for key, value in known.items() if key in own}
        return TestCase(body=body, location=location, artifacts=_rules_of(known), **fields)


def _rules_of(known: Mapping[str, Any]) -> ArtifactRules:
    """What of a test comes home; one object for all tests that say the same."""
    fields = {field: known[key] for key, field in _RULES.items() if key in known}
    return _shared_rules(**fields) if fields else USUAL_RULES


@functools.cache
def _shared_rules(**fields: Any) -> ArtifactRules:
    return ArtifactRules(**fields)


def locate_python(python: str, folder: Path) -> str:
    """An interpreter's path made absolute, without following links; a bare name stays one."""
    expanded = os.path.expanduser(python)
    return os.path.abspath(folder / expanded) if os.sep in expanded else expanded


def test_from_mapping(mapping: Mapping[str, Any], *, base: Path) -> tuple[TestCase, list[str]]:
    """A test of the Python API: the keys of a suite file, in a dict.

    A test without a body is simulated for its `duration`. Keys that are not known are kept as
    labels; the second value has a warning for each of them that looks like a typo.

    Args:
        base: the folder that `cwd` and `python` are relative to.

    Raises:
        ValueError: a value that cannot be used; the text is one sentence about the first of them.
    """
    if not isinstance(mapping, Mapping):
        raise ValueError(f"found {describe(mapping)}, expected a test as a dict")
    others = {str(key): value for key, value in mapping.items() if key not in TEST_KEYS}
    try:
        values, body = read_test({key: value for key, value in mapping.items() if key in TEST_KEYS}, needs_body=False)
    except Flawed as error:
        raise ValueError(f"test {describe(mapping.get('id'))}: {error.flaws[0]}") from None
    values["labels"] = {**others, **values.get("labels", {})}
    return TestBase(base).complete(values, body), _warn_of_typos(values["id"], others)


def _warn_of_typos(test_id: str, keys: Mapping[str, Any]) -> list[str]:
    return [
        f"test '{test_id}': unknown key '{key}' is kept as a label; did you mean '{meant}'?"
        for key in keys
        if (meant := nearest(key, TEST_KEYS))
    ]
