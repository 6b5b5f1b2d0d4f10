"""Which statement a line of source belongs to: what the line grain counts by.

Interpreters and compilers differ in the lines that they report within one statement (a call
over several lines, a comprehension, the end of a ``with``); they agree on the statements.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

_PARTS = (ast.stmt, ast.excepthandler, ast.match_case)


class Statement(NamedTuple):
    """A simple statement, or the header of a compound one.

    Attributes:
        first: its first line, decorators included.
        leaves: lines of a ``with`` block, from which its header is only come back to.
        defines: whether it is a function whose body has lines of its own.
    """

    first: int
    leaves: range = range(0)
    defines: bool = False

    def reached(self, code: CodeType, before: int) -> int | None:
        """The line to record where `code` comes to it from line `before`; None for no event."""
        first = max(self.first, code.co_firstlineno)  # a lambda begins within a statement
        inside = self.defines and first == code.co_firstlineno and code.co_name != "<lambda>"
        return None if inside or first == before or before in self.leaves else first


@lru_cache(maxsize=256)
def statements(text: str) -> dict[int, Statement]:
    """The statement of each line of a source file; empty where it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[int, Statement] = {}
    for node in tree.body:
        _add(node, found)
    return found


def _add(node: ast.AST, found: dict[int, Statement]) -> None:
    """Add a statement, and those within it; on a shared line the first one counts."""
    parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, _PARTS)]
    lines = list(_header(node)) if parts else [node.lineno, node.end_lineno]  # type: ignore[attr-defined]
    first, last = min(lines), max(lines)
    first = found[first].first if first in found else first
    statement = Statement(first)
    if isinstance(node, ast.With):
        statement = Statement(first, leaves=range(node.body[0].lineno, node.end_lineno + 1))  # type: ignore[operator]
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        statement = Statement(first, defines=node.body[0].lineno > last)
    for line in range(first, last + 1):
        found.setdefault(line, statement)
    for part in parts:
        _add(part, found)


def _header(node: ast.AST) -> Iterator[int]:
    """Lines of a compound statement's own words and expressions."""
    if hasattr(node, "lineno"):
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _PARTS):
            for part in ast.walk(child):
                if hasattr(part, "lineno"):
                    yield from (part.lineno, part.end_lineno)  # type: ignore[attr-defined]
