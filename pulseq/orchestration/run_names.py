"""Names of flow runs: those that people have given, told from those that Prefect makes up."""

from __future__ import annotations

import functools
import re
from typing import Any

from coolname.data import config
from prefect.runtime import flow_run

_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|"
    "nu|xi|omicron|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
)
#: What the form on Prefect's pages fills in: `alpha2-centauri`, `kappa717-ursae-majoris-cluster`; some of its stars
#: have no name, as in `beta131--h`.
_BY_THE_FORM = re.compile(rf"(?:{_GREEK})\d*(?:--?[a-z]+)+")


def given_name() -> str | None:
    """The name of the current flow run where somebody has given it one; None where Prefect made it up."""
    name = flow_run.name
    return None if not name or is_made_up(name) else str(name)


def is_made_up(name: str) -> bool:
    """Whether a name is one of those that Prefect's server (`brave-otter`) or its form (`alpha2-centauri`) makes up."""
    words = name.split("-")
    return (len(words) == 2 and _words().issuperset(words)) or _BY_THE_FORM.fullmatch(name) is not None


@functools.cache
def _words() -> frozenset[str]:
    # What the server's names are made of.
    parts: dict[str, Any] = config
    return frozenset(word for part in parts.values() if part["type"] == "words" for word in part["words"])
