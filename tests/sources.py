"""Texts of programs, each parsed once for all tests that look at it: all of ours take more than a second."""

from __future__ import annotations

import ast
import functools

parse = functools.cache(ast.parse)


@functools.cache
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """All that `ast.walk` finds, in its order."""
    return tuple(ast.walk(tree))
