"""What collecting all tests costs: whoever asks for one of them waits for it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
#: Half a second or more of processor time each.
HEAVY = ("prefect.server", "prefect.testing")


def _loaded_modules(body: list[ast.stmt]) -> Iterator[str]:
    """What is imported as soon as a file is: not what its functions import, nor what only its types need."""
    for statement in body:
        match statement:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, level=0, names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                yield from _loaded_modules(orelse)
            case ast.If(body=inner, orelse=orelse):
                yield from _loaded_modules([*inner, *orelse])
            case ast.Try(body=inner, handlers=handlers):
                yield from _loaded_modules([*inner, *(line for handler in handlers for line in handler.body)])


def _heavy(source: str) -> list[str]:
    if "prefect" not in source:
        return []
    return [name for name in _loaded_modules(ast.parse(source).body) if f"{name}.".startswith(HEAVY)]


def test_no_file_loads_a_server_of_prefects_when_it_is_collected() -> None:
    files = [file for file in TESTS.rglob("*.py") if "children" not in file.parts]

    assert {} == {file.name: names for file in files if (names := _heavy(file.read_text()))}


def test_what_a_file_loads_is_told_from_what_it_may_load_later() -> None:
    later = "def f():\n    import prefect.server\nif TYPE_CHECKING:\n    import prefect.server"

    assert [] == _heavy(later)
    assert ["prefect.server"] == _heavy("from prefect import server")
    assert ["prefect.server.api"] == _heavy("try:\n    import prefect.server.api\nexcept ImportError:\n    pass")
