"""What other tools call the keys of our files, and where a key belongs that stands in the wrong place.

A key that is not known is told with the one that was probably meant. How it is spelt says little of that: `tags` is
closer to `labels` than to `args`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

#: What people write as if it were a key of a test or a node.
_CAPABILITIES = ("os", "arch", "cpus", "memory", "gpu", "browser", "browser_version")
_WORDS: Mapping[str, tuple[str, ...]] = {
    "labels": ("tag", "tags", "mark", "marks", "marker", "markers", "groups", "categories"),
    "command": ("cmd", "run", "exec", "script", "argv", "program", "entrypoint"),
    "call": ("function", "func", "callable", "target"),
    "http": ("request",),
    "pytest": ("path", "paths", "files", "testpaths"),
    "simulate": ("mock", "dummy", "stub"),
    "max_retries": ("retry", "retries", "rerun", "reruns", "max_reruns", "attempts"),
    "retry_delay": ("backoff", "delay", "reruns_delay", "retry_delay_seconds"),
    "timeout": ("timeout_seconds", "time_limit", "timeout_minutes", "max_duration"),
    "duration": ("expected_duration", "estimate", "duration_seconds"),
    "requirements": ("requires", "runs_on", "constraints", "node_selector", "node_labels", "needs_node"),
    "env": ("environment", "environ", "envs", "env_vars", "variables", "vars"),
    "cwd": ("workdir", "working_dir", "working_directory", "chdir", "dir", "directory", "folder"),
    "python": ("interpreter", "venv", "virtualenv"),
    "memory_limit": ("max_memory", "mem_limit"),
    "output_limit": ("max_output",),
    "artifacts": ("attachments", "artefacts", "screenshots", "artifact"),
    "artifacts_of": ("artifacts_when", "when"),
    "artifacts_limit": ("max_artifacts", "artifacts_size", "artifact_limit"),
    "name": ("title", "description", "summary"),
    "kwargs": ("keywords", "keyword_args"),
    "args": ("arguments", "parameters", "params", "options"),
    "capabilities": ("tag", "tags", "labels", "features", "attributes"),
    "max_concurrent_tests": ("slots", "concurrency", "workers", "parallel", "max_tests", "max_workers", "processes"),
    "host": ("hostname", "address", "ip", "machine"),
    "id": ("name", "key", "node", "test", "test_id", "node_id"),
    "tests": ("cases", "test_cases", "steps", "jobs"),
    "suite": ("name", "title"),
    "nodes": ("machines", "hosts", "workers"),
    "load_balancing_strategy": ("strategy", "scheduling", "load_balancing"),
    "heartbeat_interval": ("heartbeat", "heartbeats"),
    "expect_status": ("status", "status_code", "expected_status", "expect"),
    "expect_text": ("text", "contains", "expected_text"),
    "max_seconds": ("timeout", "time_limit", "max_time"),
    "outcome": ("status", "result", "verdict"),
}
#: What holds keys that may have been written beside it, and these keys.
_PLACES: Mapping[str, Collection[str]] = {
    "defaults": (
        *("timeout", "max_retries", "retry_delay", "requirements", "priority", "metrics", "env", "cwd", "python"),
        *("memory_limit", "output_limit", "artifacts", "artifacts_of", "artifacts_limit"),
    ),
    "framework": ("heartbeat_interval", "node_timeout", "load_balancing_strategy", "result_aggregation"),
    "http": ("url", "method", "headers", "body", "expect_status", "expect_text", "max_seconds"),
    "simulate": ("outcome",),
    "requirements": _CAPABILITIES,
    "capabilities": _CAPABILITIES,
}


def translate(key: str, known: Collection[str]) -> str | None:
    """The known key that says what `key` says elsewhere, `outer.key` where it belongs one further in; None for others.

    Args:
        known: the keys of the mapping in which it stands.
    """
    word = key.casefold().replace("-", "_")
    for meant, others in _WORDS.items():
        if meant in known and word in others:
            return meant
    return next((f"{outer}.{word}" for outer, inner in _PLACES.items() if outer in known and word in inner), None)
