"""Public suites, pinned: what is run of each, and what is left out in all ways alike."""

from __future__ import annotations

from tests.parity.suite import Suite

#: Needs a network that is not there, or not always.
_NO_NETWORK = ("-m", "not network")

_SQLALCHEMY = ("sqlalchemy==2.0.51", "greenlet==3.2.4", "typing-extensions")

PUBLIC_SUITES = (
    Suite("attrs", ("attrs==26.1.0", "cloudpickle==3.1.1", "hypothesis==6.140.2", "pympler==1.1"), "attrs==26.1.0"),
    Suite("click", ("click==8.5.1",), "click==8.5.1"),
    Suite(
        "flask",
        # Its tests import what pytest 9.2 does not have any more.
        ("flask==3.1.3", "asgiref==3.9.1", "greenlet==3.2.4", "python-dotenv==1.1.1", "pytest==8.4.2"),
        "flask==3.1.3",
    ),
    Suite("jinja2", ("jinja2==3.1.6", "trio==0.31.0"), "jinja2==3.1.6"),
    Suite("pluggy", ("pluggy==1.7.0",), "pluggy==1.7.0", paths=("testing",)),
    Suite("structlog", ("structlog==26.1.0", "time-machine", "pretend", "pytest-asyncio==1.5.0"), "structlog==26.1.0"),
    Suite(
        "starlette",
        ("starlette[full]==1.10.0", "blockbuster", "httpx2[zstd]", "opentelemetry-sdk", "importlib-metadata", "trio"),
        "starlette==1.10.0",
    ),
    Suite(
        "werkzeug",
        ("werkzeug==3.1.9", "cffi", "cryptography", "ephemeral-port-reserve", "pytest-timeout==2.4.0", "watchdog"),
        "werkzeug==3.1.9",
        # The reloader of a development server waits without an end where files change in quick succession.
        arguments=("-m", "not dev_server"),
    ),
    Suite(
        "anyio",
        (
            "anyio[trio]==4.16.0",
            "blockbuster",
            "hypothesis==6.140.2",
            "psutil",
            "pytest-mock==3.17.0",
            "pytest-timeout==2.4.0",
            "trustme",
            "truststore",
            "uvloop",
        ),
        "anyio==4.16.0",
        arguments=_NO_NETWORK,
    ),
    Suite(
        "httpx",
        (
            "httpx[brotli,cli,http2,socks,zstd]==0.28.1",
            "chardet==5.2.0",
            # Newer ones warn of what httpx still does.
            "pytest==8.3.4",
            "trio==0.27.0",
            "trio-typing==0.10.0",
            "trustme==1.1.0",
            "uvicorn==0.32.1",
            "click==8.1.8",
        ),
        "httpx==0.28.1",
        arguments=_NO_NETWORK,
        # Those that have no server: theirs has one port, for which two workers wait without an end.
        paths=(
            "tests/models",
            *(f"tests/client/test_{name}.py" for name in ("cookies", "headers", "properties", "queryparams")),
            *(f"tests/client/test_{name}.py" for name in ("proxies", "redirects")),
            *(f"tests/test_{name}.py" for name in ("asgi", "auth", "content", "decoders", "multipart", "wsgi")),
        ),
    ),
    Suite(
        "trio",
        ("trio==0.35.0", "async-generator", "pyopenssl", "trustme", "cryptography"),
        paths=("trio",),
        pyargs=True,
        arguments=("-p", "trio._tests.pytest_plugin", "--skip-optional-imports"),
    ),
    Suite("sqlalchemy", _SQLALCHEMY, "sqlalchemy==2.0.51", paths=("test/base", "test/engine")),
    Suite(
        "marshmallow",
        ("marshmallow==4.4.0", "simplejson"),
        "marshmallow==4.4.0",
        # Its ids have the time of day in them.
        arguments=(
            "--deselect=tests/test_deserialization.py::TestFieldDeserialization::test_invalid_datetime_deserialization",
        ),
    ),
    Suite(
        "pydantic",
        (
            "pydantic[email,timezone]==2.14.4",
            "dirty-equals",
            "faker",
            "jsonschema",
            "packaging",
            "pytest-benchmark",
            "pytest-examples",
            "pytest-mock==3.17.0",
            "pytest-run-parallel",
            "pytz",
            "cloudpickle",
            "time-machine",
        ),
        "pydantic==2.14.4",
        # The ones of networks ask the network; those of documents read documents that are not in the source.
        paths=tuple(f"tests/test_{name}.py" for name in ("main", "fields", "generics", "validators", "json", "types")),
    ),
    Suite(
        "tornado",
        ("tornado==6.6.1",),
        "tornado==6.6.1",
        # The others expect the log of tornado's own runner.
        paths=tuple(
            f"tornado/test/{name}_test.py"
            for name in ("escape", "httputil", "ioloop", "locale", "locks", "options", "queues", "template", "util")
        ),
    ),
    Suite(
        "coverage",
        ("coverage==7.17.5", "flaky", "hypothesis==6.140.2"),
        "coverage==7.17.5",
        # Its own `-n auto` and `--failed-first` would be plain pytest's too.
        arguments=("-o", "addopts=-p no:legacypath --no-flaky-report"),
        paths=tuple(
            f"tests/test_{name}.py"
            for name in ("arcs", "config", "data", "files", "html", "numbits", "parser", "regions", "results", "xml")
        ),
    ),
    Suite(
        "pytest",
        ("pytest==9.2.0", "attrs", "hypothesis==6.140.2", "xmlschema", "pygments", "setuptools", "requests"),
        "pytest==9.2.0",
        paths=tuple(
            f"testing/test_{name}.py"
            for name in ("mark", "monkeypatch", "recwarn", "skipping", "stepwise", "tmpdir", "unittest", "warnings")
        ),
    ),
    Suite("networkx", ("networkx==3.6.1",), paths=("networkx.classes",), pyargs=True),
    Suite(
        "django",
        ("django==5.2.19",),
        "django==5.2.19",
        command=(
            "{python}",
            "tests/runtests.py",
            "--parallel=1",
            "dispatch",
            "signals",
            "utils_tests.test_text",
            "utils_tests.test_dateformat",
            "basic",
        ),
    ),
)
