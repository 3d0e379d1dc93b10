"""The address of a scheduler that somebody else started, and the credentials that it asks for."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from pulseq.cluster.standing_cluster import choose_cluster, find_cluster, find_credentials
from pulseq.errors import InfrastructureError, UsageError
from pulseq.security.credentials import Credentials
from pulseq.security.greeting import hear_greeting
from pulseq.security.refusal import say_refusal

#: Names a file of credentials, for commands that are not told one.
CREDENTIALS_VARIABLE = "PULSEQ_CREDENTIALS"
_PATIENCE_SECONDS = 8.0
_TLS = "tls://"


def known_scheduler(home: Path, *, other: str = "--scheduler ADDRESS") -> str:
    """The scheduler that `pulseq up` keeps in this state directory.

    Args:
        other: how whoever asks is told of another one.

    Raises:
        UsageError: nothing is up there, or it cannot be used; the text says what to do.
    """
    choice = choose_cluster(home, None)
    if choice.cluster is not None:
        return choice.cluster.scheduler
    why = "" if choice.note is None else f"; {choice.note.partition(':')[0]}"
    raise UsageError(
        f"found no nodes of `pulseq up` in {str(home)!r}{why}, expected some: `pulseq up` starts them, "
        f"`{other}` names the Dask scheduler of others"
    )


def credentials_for(home: Path, address: str, path: Path | None = None) -> Credentials | None:
    """What the scheduler at `address` is to be shown; None where it wants nothing.

    Args:
        path: the file that was named; None is the one of `pulseq up` in this state directory for its own scheduler,
            else the one that `PULSEQ_CREDENTIALS` names.

    Raises:
        UsageError: there are none for an address that asks for some, or they cannot be used.
    """
    if not address.startswith(_TLS):
        if path is not None:
            raise UsageError(
                f"--credentials: found the scheduler {address!r}, expected an address that begins 'tls://'"
            )
        return None
    if path is None and _is_of(home, address):
        return find_credentials(home)
    named = path or os.environ.get(CREDENTIALS_VARIABLE)
    if not named:
        raise UsageError(
            f"--scheduler: found {address!r}, expected --credentials FILE (or {CREDENTIALS_VARIABLE}) with it: "
            "such a scheduler answers the members of its site alone; `pulseq certs node` makes a file"
        )
    # What reads certificates takes a moment to load, which no other run needs.
    from pulseq.security.credentials_file import load_credentials

    return load_credentials(Path(named))


def _is_of(home: Path, address: str) -> bool:
    cluster = find_cluster(home)
    return cluster is not None and cluster.scheduler == address


async def check_scheduler(address: str, credentials: Credentials | None = None) -> None:
    """Make sure that a scheduler listens at an address, before anything is started.

    Raises:
        UsageError: it is no address.
        InfrastructureError: nothing answers there, or it and we do not trust each other.
    """
    try:
        await hear_greeting(address, credentials, _PATIENCE_SECONDS)
    except ssl.SSLError as error:
        raise InfrastructureError(f"the scheduler at {address!r} cannot be used: {say_refusal(error)}") from error
    except ValueError:
        raise UsageError(f"--scheduler: found {address!r}, expected an address like 'tcp://127.0.0.1:8786'") from None
    except OSError as error:
        raise InfrastructureError(no_scheduler(address, error)) from error


def no_scheduler(address: str, error: Exception) -> str:
    """What is said when no scheduler answers, and what to do."""
    silent = isinstance(error, TimeoutError) and not address.startswith(_TLS)
    more = "it may want credentials (tls://, --credentials FILE); " if silent else ""
    return (
        f"no Dask scheduler answers at {address!r} ({type(error).__name__}); "
        f"{more}start one, or leave out --scheduler to use nodes of this machine"
    )
