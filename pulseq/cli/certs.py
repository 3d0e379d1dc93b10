"""`pulseq certs`: the credentials with which machines are members of a site."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from cyclopts import App

from pulseq.errors import UsageError
from pulseq.ownership import default_home
from pulseq.suites.values import FILE_NAME, FILE_NAME_WORDS

app = App(name="certs", help="Credentials with which machines are members of a site.")
AUTHORITY_DAYS = 3650
_MOST_DAYS = 36500


@app.command
def init(*, directory: Path | None = None, days: int = AUTHORITY_DAYS) -> int:
    """Make the authority of a site: a key that signs the certificates of its members.

    It is needed where members are made, and nowhere else. Whoever can read it can make members.

    Args:
        directory: Where it is kept; by default `site` in the state directory.
        days: How long it is good; its members are not good for longer.
    """
    from pulseq.security.site import make_site, site_directory  # brings what reads certificates

    _check_days(days)
    path = make_site(directory or site_directory(default_home()), timedelta(days=days))
    _tell(f"the site's authority is {path}, for you alone; who has it can make members")
    _tell("`pulseq up --listen ADDRESS:PORT` lets members join; `pulseq certs node NAME` makes one")
    return 0


@app.command
def node(name: str, /, *, directory: Path | None = None, days: int = 365, file: Path | None = None) -> int:
    """Write the one file that a machine needs to be a member of the site: to join with a node, or to run suites there.

    All members trust each other wholly: each can run code on all the others.

    Args:
        name: What people call the machine.
        directory: Where the authority is; by default `site` in the state directory.
        days: How long the file is good.
        file: Where it is written; by default `NAME.pem` in the working directory.
    """
    from pulseq.security.credentials_file import good_until
    from pulseq.security.site import make_member, site_directory

    _check_days(days)
    if not FILE_NAME.fullmatch(name):
        raise UsageError(f"found the name {name!r}, expected {FILE_NAME_WORDS}")
    path = file or Path(f"{name}.pem")
    credentials = make_member(directory or site_directory(default_home()), name, timedelta(days=days), path)
    _tell(f"{path} makes {name} a member of the site until {good_until(credentials):%Y-%m-%d}")
    _tell("bring it there so that nobody else can read it (scp -p), and remove it here")
    return 0


def _check_days(days: int) -> None:
    if not 1 <= days <= _MOST_DAYS:
        raise UsageError(f"--days: found {days}, expected a number from 1 to {_MOST_DAYS}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
