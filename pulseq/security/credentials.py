"""What proves to the members of a cluster that another one is of it: read and written as text, kept for one user alone.

Nothing heavy is imported here: each run hands credentials on before it loads what makes or uses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pulseq.errors import UsageError
from pulseq.ownership import write_own

_BLOCK = re.compile(r"-----BEGIN (?P<kind>[A-Z ]+)-----\n[A-Za-z0-9+/=\s]+-----END (?P=kind)-----\n?")


#: How a file of them begins: programs for certificates take no notice of it, and no project takes one along.
BUNDLE_MARK = "# Credentials of a PulseQ cluster: whoever has them is trusted wholly.\n"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A member's part of what a cluster trusts, each as PEM; who holds the key may do all that a member may.

    Attributes:
        authority: the certificate that has signed those of all members.
        certificate: the member's own.
        key: the private key of that.
    """

    authority: str = field(repr=False)
    certificate: str = field(repr=False)
    key: str = field(repr=False)

    @property
    def bundle(self) -> str:
        """All of it as the text of one file: in the order in which Dask's own programs take it, too, in one file."""
        return BUNDLE_MARK + self.certificate + self.authority + self.key

    def told(self) -> dict[str, str]:
        """For a process that we start, over its own line."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, str] | None) -> Credentials | None:
        """What `told` has told; None where there is none."""
        return None if told is None else cls(**told)


def parse_bundle(text: str) -> Credentials:
    """The credentials that one file holds.

    Raises:
        ValueError: it holds something else; the text says what was found and what was expected.
    """
    certificates, keys = parse_blocks(text)
    if (len(certificates), len(keys)) != (2, 1):
        raise ValueError(
            f"found {len(certificates)} certificates and {len(keys)} private keys, "
            "expected the member's certificate, the authority's, and its own key, as `pulseq certs node` writes them"
        )
    certificate, authority = certificates
    return Credentials(authority, certificate, *keys)


def parse_blocks(text: str) -> tuple[list[str], list[str]]:
    """The certificates and the private keys in a text, in their order."""
    blocks = [(match["kind"], match[0].rstrip("\n") + "\n") for match in _BLOCK.finditer(text.replace("\r\n", "\n"))]
    certificates = [block for kind, block in blocks if kind == "CERTIFICATE"]
    return certificates, [block for kind, block in blocks if kind.endswith("PRIVATE KEY")]


def keep_credentials(path: Path, credentials: Credentials) -> None:
    """Write them down for this user alone.

    Raises:
        OSError: they cannot be written.
    """
    write_own(path, credentials.bundle)


def read_credentials(path: Path) -> Credentials | None:
    """What `keep_credentials` has written there; None where there is nothing.

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    try:
        return parse_bundle(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} cannot be used as credentials: {error}") from error
