"""Which Prefect API a run is to use, found without importing Prefect where that can be.

Prefect takes a second to import, in which a run's processes could be starting already.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulseq.errors import InfrastructureError
from pulseq.orchestration.starting_server import ended_in_background, find_starting_server
from pulseq.processes.loopback import is_on_loopback
from pulseq.processes.process_id import ProcessId

_TIMEOUT_SECONDS = 10.0
# A server that took the connection is there: other runs may keep it busy, or all processors of its machine.
_PATIENCE_SECONDS = 60.0
# One that somebody is just starting here: ten seconds, some more the first time, and minutes where all is busy.
_START_PATIENCE_SECONDS = 180.0
_START_PAUSE_SECONDS = 0.2


def configured_api() -> str | None:
    """The address that the environment, a project file or the active profile names, if any."""
    if named := os.environ.get("PREFECT_API_URL"):
        return named
    if not (_profiles_exist() or _project_speaks_of_prefect()):
        return None
    # Only Prefect itself knows what its files say.
    from pulseq.orchestration.flow_run import configured_api_url

    return configured_api_url()


def _prefect_home() -> Path:
    return Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")


def _profiles_exist() -> bool:
    return Path(os.environ.get("PREFECT_PROFILES_PATH") or _prefect_home() / "profiles.toml").exists()


def _project_speaks_of_prefect() -> bool:
    # Prefect reads settings from these files of the working directory as well.
    here = Path.cwd()
    if (here / "prefect.toml").exists():
        return True
    return _says(here / ".env", "PREFECT_API_URL") or _says(here / "pyproject.toml", "[tool.prefect")


def _says(path: Path, words: str) -> bool:
    try:
        return words in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


async def check_api(url: str, say: Callable[[str], None] | None = None) -> None:
    """Make sure that the Prefect API at `url` answers; one whose server is just being started here is waited for.

    Args:
        say: told what is waited for; None writes it to stderr.

    Raises:
        InfrastructureError: it does not answer; the text says what to do.
    """
    # Not the loop's own pool, whose threads stay: whoever asks may want to fork, and be alone for that.
    pool = ThreadPoolExecutor(1)
    try:
        patient_until = 0.0
        while (server := await asyncio.get_running_loop().run_in_executor(pool, _ask_api, url)) is not None:
            if not patient_until:
                (say or _tell)(
                    f"waiting for the Prefect server that is being started (process {server.pid}), at {say_url(url)!r}"
                )
                patient_until = time.monotonic() + _START_PATIENCE_SECONDS
            if time.monotonic() >= patient_until:
                raise OSError(f"its process {server.pid} has not listened for {_START_PATIENCE_SECONDS:g} s")
            await asyncio.sleep(_START_PAUSE_SECONDS)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise InfrastructureError(
            f"the Prefect API at {say_url(url)!r} does not answer ({reason}); start it, or unset PREFECT_API_URL "
            f"(and choose another Prefect profile) to let pulseq start a server of its own{_say_how_it_ended(url)}"
        ) from error
    finally:
        pool.shutdown(wait=False)


def open_url(url: str, timeout: float) -> Any:
    """What answers at an address, as `urllib.request.urlopen` gives it; one on loopback is asked without a proxy."""
    opener = _plain_opener() if is_on_loopback(url) else urllib.request.build_opener()
    return opener.open(url, timeout=timeout)


def _plain_opener() -> urllib.request.OpenerDirector:
    """For `http://` and no proxy: the usual one reads all certificates of the machine for each use, 20 ms."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def without_secrets(url: str) -> str:
    """Scheme, host, port and path of an address: not who asks, nor with what."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
        host = parts.hostname or ""
    except ValueError:
        return "an address that is none"
    if not parts.scheme or not host:
        return "an address that is none"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


def say_url(url: str) -> str:
    """An address as a message may have it: as it was given, but for what may be a secret."""
    return without_secrets(url) if set("@?#") & set(url) else url


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _say_how_it_ended(url: str) -> str:
    if not ended_in_background(url, _prefect_home()):
        return ""
    return (
        ". The server that `prefect server start --background` had started is gone: it ends at its first warning, "
        "since nobody reads what it writes. "
        "`PREFECT_SERVER_ANALYTICS_ENABLED=false prefect server start > FILE 2>&1 &` stays"
    )


def _ask_api(url: str) -> ProcessId | None:
    """None if the API answers; a server that is being started, where nothing listens yet. Raises what keeps it."""
    try:
        _ask_health(f"{url.rstrip('/')}/health")
    except urllib.error.URLError as error:
        refused = isinstance(error.reason, ConnectionRefusedError)
        if refused and (server := find_starting_server(url)) is not None:
            return server
        raise
    return None


def _ask_health(url: str) -> None:
    patient_until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with open_url(url, _TIMEOUT_SECONDS) as answer:
                answer.read()
            return
        except TimeoutError:
            # A connection that is not taken in time would be an URLError.
            if time.monotonic() >= patient_until:
                raise
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            # Something answers, and wants to know who asks: that is for Prefect's own client to settle.
            if error.code not in (401, 403):
                raise
            return
