"""Which statement a line of source belongs to: what executed lines are counted by.

Interpreters and compilers differ in the lines that they report within one statement (a call
over several lines, a comprehension, the end of a ``with``); they agree on the statements. A
recording names each by its first line, and whoever asks for another line of it means the
statement (`first_line`).
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

from tracer.record.model import SourceFile

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


def first_line(sources: Mapping[str, SourceFile], file: str, line: int) -> int:
    """The first line of the statement that a line is in; the line itself where none is known."""
    known = statements(sources[file].text) if file in sources else {}
    return known[line].first if line in known else line


def inner_lines(text: str) -> dict[int, int]:
    """The lines of a source file that are within a statement, each with the statement's first."""
    return {line: it.first for line, it in statements(text).items() if line != it.first}


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
