"""What the documentation says is held against the product: examples load, names are known, links lead somewhere.

`python tests/test_docs.py > docs/reference/schema.md` writes the schema's page anew.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pulseq.capabilities import match
from pulseq.cli.main import app
from pulseq.errors import ExitCode
from pulseq.fleet import Strategy
from pulseq.models import Reason, Status
from pulseq.results.database import SCHEMA_VERSION, Database
from pulseq.results.schema_files import schema_script
from pulseq.suites.common_keys import COMPANIONS, KINDS, DefaultKeys
from pulseq.suites.nodes_file import load_fleet
from pulseq.suites.schema import read
from pulseq.suites.suite_file import load_suite
from pulseq.suites.values import Capabilities, Requirements
from pulseq.suites.yaml_file import parse_yaml
from tests.markdown_links import find_anchors, find_dead_links, find_links
from tests.sources import nodes_of, parse

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]
#: Those that have no examples to be tried as well.
EVERY_PAGE = [*PAGES, *sorted((ROOT / "tests").rglob("*.md")), *sorted((ROOT / "deployments").rglob("*.md"))]
SCHEMA_PAGE = DOCS / "reference" / "schema.md"

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAMED_PAGE = re.compile(r"\b(docs/[\w/.-]+\.md)(?:#([\w-]+))?")
_CREATED = re.compile(r"^CREATE (?:TABLE|OR REPLACE VIEW) (\w+)", re.MULTILINE)


class Example(NamedTuple):
    """A fenced block of a page."""

    place: str
    language: str
    text: str


def examples(language: str) -> list[Example]:
    return [
        Example(f"{page.relative_to(ROOT)}:{_line(text, found.start())}", found[1], found[2])
        for page in PAGES
        for text in [page.read_text(encoding="utf-8")]
        for found in _FENCE.finditer(text)
        if found[1] == language
    ]


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _place(example: Example) -> str:
    return example.place


def _starting(*words: str) -> list[Example]:
    return [example for example in examples("yaml") if example.text.startswith(words)]


def _section(page: Path, heading: str) -> str:
    """A heading's part of a page, up to the next heading of its level."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^\1 |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {heading!r}"
    return found[2]


# -- examples


@pytest.mark.parametrize("example", _starting("suite:", "- "), ids=_place)
def test_an_example_of_a_suite_loads(example: Example, tmp_path: Path) -> None:
    text = example.text if example.text.startswith("suite:") else f"tests:\n{example.text}"
    file = tmp_path / "suite.yaml"
    file.write_text(text, encoding="utf-8")

    assert load_suite(file).tests


@pytest.mark.parametrize("example", _starting("nodes:"), ids=_place)
def test_an_example_of_nodes_loads(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(example.text, encoding="utf-8")

    assert load_fleet(file).nodes


@pytest.mark.parametrize("example", examples("toml"), ids=_place)
def test_an_example_in_toml_loads(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "suite.toml"
    file.write_text(example.text, encoding="utf-8")

    assert load_suite(file).tests


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return _make_database(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("example", examples("sql"), ids=_place)
def test_an_example_of_a_query_is_answered(example: Example, empty_database: Database) -> None:
    with empty_database.read() as connection:
        assert connection.execute(example.text).description


def _requirement_rows() -> list[tuple[str, str, str]]:
    section = _section(DOCS / "guides" / "suites.md", "Requirements")
    return re.findall(r"^\| `(.+?)` \| `(.+?)` \| (yes|no) \|", section, re.MULTILINE)


@pytest.mark.parametrize(("required", "offered", "fits"), _requirement_rows())
def test_a_requirement_matches_what_the_guide_says(required: str, offered: str, fits: str) -> None:
    requirements = read(Requirements, parse_yaml(f"{{{required}}}", "guide").value)
    capabilities = read(Capabilities, parse_yaml(f"{{{offered}}}", "guide").value)

    assert (fits == "yes") == match(requirements, capabilities).fits


# -- the command line


class Option(NamedTuple):
    """A name of an option, and the command that has it."""

    command: str
    name: str


def _commands(parent: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name in parent:
        if not name.startswith("-"):
            child = parent[name]
            yield " ".join((*words, name)), child
            yield from _commands(child, (*words, name))


COMMANDS = dict(_commands(app))
OPTIONS = [
    Option(command, name)
    for command, child in COMMANDS.items()
    if child.default_command is not None
    for argument in child.assemble_argument_collection(default_parameter=app.default_parameter)
    for name in argument.names
    if argument.show and name.startswith("-")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_its_section(command: str) -> None:
    assert _section(DOCS / "reference" / "cli.md", f"`pulseq {command}`").strip()


@pytest.mark.parametrize("option", OPTIONS, ids="-".join)
def test_an_option_is_documented_with_its_command(option: Option) -> None:
    section = _section(DOCS / "reference" / "cli.md", f"`pulseq {option.command}`")

    assert re.search(rf"`{re.escape(option.name)}[ `]", section)


def test_no_option_is_documented_that_there_is_not() -> None:
    for command, child in COMMANDS.items():
        if child.default_command is not None:
            section = _section(DOCS / "reference" / "cli.md", f"`pulseq {command}`")
            told = set(re.findall(r"^\| .*?(?=\|)", section, re.MULTILINE))
            names = {name for cell in told for name in re.findall(r"`(--?[a-z][a-z-]*)", cell)}

            assert set() == names - {option.name for option in OPTIONS if option.command == command}


# -- words


@pytest.mark.parametrize("word", [*Status, *Reason])
def test_a_status_or_reason_is_explained(word: str) -> None:
    assert f"| `{word}` |" in (DOCS / "reference" / "statuses.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", ExitCode)
def test_an_exit_code_is_explained(code: ExitCode) -> None:
    assert f"| {int(code)} |" in (DOCS / "reference" / "statuses.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["id", "name", "duration", "labels", *KINDS, *COMPANIONS, *DefaultKeys.kinds()])
def test_a_key_of_a_test_is_documented(key: str) -> None:
    assert f"`{key}`" in (DOCS / "guides" / "suites.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("strategy", Strategy)
def test_a_strategy_is_documented(strategy: Strategy) -> None:
    assert f"| `{strategy}`" in (DOCS / "guides" / "nodes.md").read_text(encoding="utf-8")


# -- messages


def _messages() -> list[str]:
    """The messages that the troubleshooting quotes; `…` stands for what varies."""
    section = _section(DOCS / "operations.md", "Troubleshooting")
    return [text.strip() for _, text in re.findall(r"^\| (`+)(.+?)\1 \|", section, re.MULTILINE)]


@functools.cache
def _texts_of_the_product() -> str:
    """Every text in the code, with `…` for what is filled in."""
    texts = []
    for file in sorted((ROOT / "pulseq").rglob("*.py")):
        for node in nodes_of(parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_messages_are_quoted() -> None:
    assert len(_messages()) > 10


@pytest.mark.parametrize("message", _messages())
def test_a_quoted_message_is_one_of_the_product(message: str) -> None:
    parts = [part.strip() for part in message.split("…") if part.strip()]
    texts = _texts_of_the_product()

    assert [] == [part for part in parts if part not in texts]


# -- links


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_of_a_page_is_dead(page: Path) -> None:
    assert [] == list(find_dead_links(page, ROOT))


def test_pages_have_links() -> None:
    assert 100 < sum(len(find_links(page.read_text(encoding="utf-8"))) for page in EVERY_PAGE)


@pytest.mark.parametrize("folder", ["pulseq", "flows", "deployments", "tests/system", "tests/benchmarks"])
def test_a_page_that_the_code_names_is_there(folder: str) -> None:
    files = [file for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".yaml", ".toml", ".env", ".html")]
    named = {
        (file.relative_to(ROOT), *found.groups())
        for file in files
        for found in _NAMED_PAGE.finditer(file.read_text(encoding="utf-8"))
    }

    for file, path, anchor in named:
        assert (ROOT / path).exists(), f"{file} names {path}"
        assert not anchor or anchor in find_anchors((ROOT / path).read_text(encoding="utf-8")), (
            f"{file}: {path}#{anchor}"
        )


def test_every_page_is_reached_from_the_way_in() -> None:
    index = DOCS / "index.md"
    targets = [link.target.partition("#")[0] for link in find_links(index.read_text(encoding="utf-8"))]

    assert set() == set(DOCS.rglob("*.md")) - {(index.parent / target).resolve() for target in targets} - {index}


# -- the schema


def _make_database(folder: Path) -> Database:
    database = Database(folder / "results.duckdb")
    with database.write() as connection:
        connection.execute("SELECT 1")
    return database


def _render_schema(database: Database) -> str:
    """The page of the schema, from the comments in the database itself."""
    with database.read() as connection:
        views = connection.execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall()
        tables = connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE NOT internal ORDER BY column_index"
        ).fetchall()
    parts = [_SCHEMA_HEAD.format(version=SCHEMA_VERSION)]
    for title, things in (("Views", views), ("Tables", tables)):
        parts.append(f"## {title}\n")
        for name, comment in sorted(things, key=_place_in_schema):
            rows = [f"| `{column}` | {kind} | {told} |" for table, column, kind, told in columns if table == name]
            parts.append(
                "\n".join([f"### {name}\n", f"{comment}.\n", "| column | type | |", "|---|---|---|", *rows, ""])
            )
    return "\n".join(parts).replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")


def _place_in_schema(thing: tuple[str, str]) -> int:
    """Where the schema's own text makes it: there what people read most comes first."""
    tables = (f"{version}_tables.sql" for version in range(1, SCHEMA_VERSION + 1))
    text = "".join(map(schema_script, ("views.sql", *tables)))
    return next(found.start() for found in _CREATED.finditer(text) if found[1] == thing[0])


_SCHEMA_HEAD = """\
# Schema of the results

This page is written from the comments in the database itself (schema version {version}).
`pulseq sql "describe results"` shows the columns of a view or table at hand.

The schema is only ever extended: a column or view that is here stays.
Times are `TIMESTAMPTZ` in UTC. Durations are seconds. Sizes are bytes unless a name says otherwise.
How to ask is in [the guide to results](../guides/results.md).
"""


def test_the_page_of_the_schema_is_what_the_database_says(empty_database: Database) -> None:
    assert SCHEMA_PAGE.read_text(encoding="utf-8") == _render_schema(empty_database)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sys.stdout.write(_render_schema(_make_database(Path(scratch))))
