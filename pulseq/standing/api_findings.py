"""What `pulseq doctor` tells of Prefect: which API runs would use, whether it answers, and in which version."""

from __future__ import annotations

import asyncio
import os
import tomllib
import urllib.error
from http.client import HTTPException
from pathlib import Path

from pulseq.cluster.standing_cluster import Condition, find_cluster
from pulseq.errors import InfrastructureError, UsageError
from pulseq.orchestration.api_address import configured_api, open_url, without_secrets
from pulseq.standing.findings import Finding, Grade
from pulseq.standing.known_api import KnownApi, configure, known_api

_PATIENCE_SECONDS = 5.0


def examine_api(home: Path) -> Finding:
    """The Prefect API that runs of this directory use."""
    source = _say_source()
    try:
        api = known_api(home)
    except UsageError:
        return Finding("prefect", Grade.OK, f"no API configured{source}: each run starts a server of its own")
    told = f"{without_secrets(api.url)}{source if configured_api() else ' (of `pulseq up`)'}"
    if (trouble := _ask_health(api.url)) is not None:
        advice = "start it, or unset PREFECT_API_URL (and choose another Prefect profile)"
        return Finding("prefect", Grade.BAD, f"{told} does not answer: {trouble}", advice)
    try:
        version = asyncio.run(_ask_version(api))
    except InfrastructureError:
        advice = "it may want to know who asks: PREFECT_API_AUTH_STRING or PREFECT_API_KEY, or the profile's"
        return Finding("prefect", Grade.ATTENTION, f"{told} answers, but not to us", advice)
    return Finding("prefect", Grade.OK, f"{told} answers, version {version}")


def examine_standing(home: Path) -> Finding:
    """What `pulseq up` has started in this state directory."""
    cluster = find_cluster(home)
    if cluster is None:
        return Finding("up", Grade.OK, "nothing stands; each run starts its own nodes")
    if not cluster.keeper.alive:
        return Finding(
            "up", Grade.ATTENTION, "what stood has died", "`pulseq up` starts it again, `pulseq down` forgets it"
        )
    parts = ", ".join(f"{part.name} {part.condition}" for part in cluster.parts)
    told = f"{cluster.condition}: {parts}"
    if cluster.condition is not Condition.RUNNING:
        return Finding(
            "up", Grade.ATTENTION, told, "`pulseq status` tells why; logs are in its directory `standing/logs`"
        )
    return Finding("up", Grade.OK, told)


def _say_source() -> str:
    """Where the address stands, by the name of the variable or of the profile."""
    if os.environ.get("PREFECT_API_URL"):
        return " (PREFECT_API_URL)"
    if (profile := active_profile()) is not None:
        return f" (profile {profile!r})"
    return ""


def active_profile() -> str | None:
    """The name of Prefect's active profile, where somebody has made any."""
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    path = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    try:
        active = tomllib.loads(path.read_text(encoding="utf-8")).get("active")
    except (OSError, ValueError):
        return None
    return os.environ.get("PREFECT_PROFILE") or (active if isinstance(active, str) else None)


def _ask_health(url: str) -> str | None:
    """Why nothing answers there; None where something does. No word of it is the address."""
    try:
        with open_url(f"{url.rstrip('/')}/health", _PATIENCE_SECONDS) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        error.close()
        return None if error.code in (401, 403) else f"HTTP status {error.code}"
    except urllib.error.URLError as error:
        return getattr(error.reason, "strerror", None) or type(error.reason).__name__
    except (OSError, ValueError, HTTPException) as error:
        return getattr(error, "strerror", None) or type(error).__name__
    return None


async def _ask_version(api: KnownApi) -> str:
    """The server's version, asked for by Prefect's own client, which knows the profile's keys."""
    if configured_api() is None:
        configure(api)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "0")
    from pulseq.orchestration.prefect_client import open_client  # Prefect takes a second, which no other line needs

    try:
        async with asyncio.timeout(4 * _PATIENCE_SECONDS), open_client() as client:
            return str(await client.api_version())
    except TimeoutError as error:
        raise InfrastructureError("the Prefect API does not answer in time") from error
