"""The Dask schedulers that runs of deployments may use: a choice by name, since an address is code.

A scheduler sends objects that the driver unpickles, and gets code that its nodes run. Who may fill in a form is not
to say which one that is; who writes this file beside `prefect.yaml` is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pulseq.suites.documents import Flaw, Flawed, shorten
from pulseq.suites.reading import read_document
from pulseq.suites.schema import Expected, Keys, ReadBy, read_whole
from pulseq.suites.values import MapKey, read_text

AUTOMATIC = "automatic"
_ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://[^\s/:]+:\d{1,5}|(tcp|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")


@dataclass(frozen=True, slots=True)
class AllowedSchedulers:
    """Addresses by their names, as a form offers them."""

    source: str
    addresses: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """What a form offers."""
        return [AUTOMATIC, *self.addresses]

    def check(self, name: str) -> str:
        """A name that may be chosen; nothing at all is `automatic`.

        Raises:
            ValueError: it is none of them.
        """
        if name not in ("", *self.names):
            raise ValueError(
                f"found no scheduler {shorten(name)!r}, expected one of {', '.join(self.names)}: "
                f"{self.source} says which addresses deployments may use"
            )
        return name or AUTOMATIC

    def address_of(self, name: str) -> str | None:
        """The address that a name stands for; None for `automatic`."""
        return self.addresses.get(name)


def load_schedulers(path: Path) -> AllowedSchedulers:
    """The schedulers that a file allows; none where there is no such file.

    Raises:
        UsageError: the file cannot be read.
        ConfigurationError: it holds problems; all of them are in it.
    """
    source = f"{path.parent.name}/{path.name}"
    if not path.exists():
        return AllowedSchedulers(source, {})
    document = read_document(path, needs="schedulers")
    flaws = [
        Flaw(("schedulers", name), f"the name {name!r}", "another: it stands for no address")
        for name in document.value.get("schedulers") or ()
        if name == AUTOMATIC
    ]
    return AllowedSchedulers(source, read_whole(document, SchedulersKeys, flaws)["schedulers"])


def _read_address(value: Any) -> str:
    address = read_text(value)
    if not _ADDRESS.fullmatch(address):
        raise Flawed.at(f"'{shorten(address)}'", "an address like 'tcp://10.0.0.5:8786'")
    return address


class SchedulersKeys(Keys, thing="a file of schedulers", needs=("schedulers",)):
    schedulers: Annotated[dict[MapKey, Annotated[str, ReadBy(_read_address)]], Expected("addresses by their names")]
