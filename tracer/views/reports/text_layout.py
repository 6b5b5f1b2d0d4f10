"""Where the cells of a table stand on lines of characters: shared by plain text and terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from tracer.errors import option
from tracer.foreign import clean
from tracer.numbers import shown
from tracer.views.kit.lines import broken
from tracer.views.reports import word

if TYPE_CHECKING:
    from tracer.views.reports.report import Column, Table

GAP = "  "


@dataclass(frozen=True)
class Grid:
    """A table as strings, not yet padded.

    Attributes:
        columns: as in the table.
        header: the headings; empty if there are none.
        rows: one string per cell, the first with its indentation or tree guides.
        totals: one string per cell; empty if there are none.
        widths: of each column, in character cells of a terminal.
    """

    columns: tuple[Column, ...]
    header: list[str]
    rows: list[list[str]]
    totals: list[str]
    widths: list[int]


def grid(table: Table) -> Grid:
    """Return every cell of the table as a reader sees it."""
    kinds = [column.kind for column in table.columns]
    rows = [[shown(c, k) for c, k in zip(row.cells, kinds, strict=True)] for row in table.rows]
    for cells, prefix in zip(rows, indents(table), strict=True):
        cells[0] = (prefix + cells[0]) if cells[0] else ""
    header = (
        [clean(column.title) for column in table.columns] if table.headed and table.rows else []
    )
    totals = [shown(c, k) for c, k in zip(table.totals, kinds, strict=True)] if table.totals else []
    lines = [line for line in (header, totals, *rows) if line]
    widths = [max((width(line[i]) for line in lines), default=0) for i in range(len(kinds))]
    return Grid(table.columns, header, rows, totals, widths)


def notes_of(table: Table, left_out: Sequence[Column]) -> Iterator[str]:
    """Yield the sentences below a table: its own, and which columns had no room."""
    yield from map(clean, table.notes)
    if left_out:
        yield word(
            "note_narrow",
            table.lang,
            columns=word("comma", table.lang).join(column.key for column in left_out),
            choose=option(columns=None),
            all=option(wide=True),
        )


def indents(table: Table) -> list[str]:
    """Return what stands before the first cell of each row."""
    if table.layout == "tree":
        return guides([row.depth for row in table.rows])
    if table.layout == "plain":
        return ["  " * row.depth for row in table.rows]
    return [""] * len(table.rows)


def guides(depths: Sequence[int]) -> list[str]:
    """Return the branches that join rows of these depths to a tree.

    Read from the bottom up, a branch goes on past a row if another row of its depth came before
    one that lies further out.
    """
    prefixes: list[str] = []
    open_depths: set[int] = set()
    for depth in reversed(depths):
        branches = ["│  " if level in open_depths else "   " for level in range(1, depth)]
        if depth:
            branches.append("├─ " if depth in open_depths else "└─ ")
        prefixes.append("".join(branches))
        open_depths = {level for level in open_depths if level < depth} | {depth}
    return prefixes[::-1]


def pad(cells: Iterable[str], widths: Iterable[int], columns: Iterable[Column]) -> str:
    """Return one line: every cell at its column's width, numbers flush right."""
    parts = []
    for cell, size, column in zip(cells, widths, columns, strict=True):
        space = " " * (size - width(cell))
        parts.append(space + cell if column.numeric else cell + space)
    return GAP.join(parts).rstrip()


def rule(widths: Iterable[int]) -> str:
    """Return the line under the headings."""
    return GAP.join("─" * size for size in widths)


def width(text: str) -> int:
    """Return how many character cells the text takes (a Chinese character takes two)."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def fit(whole: Grid, available: int | None) -> tuple[Grid, list[Column]]:
    """Return the grid cut to `available` cells, and the columns that had to be left out.

    Wide texts are narrowed down to their `Column.floor` first; then whole columns go, the highest
    rank first; what is left over widens the narrowed texts again, the lowest rank first, until
    most of their cells are whole, and then until all are. Prose is left whole, to be broken.
    Without a limit nothing is cut.
    """
    if available is None:
        return whole, []
    floors = [size if c.numeric else min(size, c.floor) for c, size in _sized(whole)]
    kept = list(range(len(whole.columns)))
    while len(kept) > 1 and _total(floors[i] for i in kept) > available:
        kept.remove(max(kept, key=lambda i: (whole.columns[i].rank, i)))
    widths = _widen(whole, kept, floors, available)
    left_out = [c for i, c in enumerate(whole.columns) if i not in kept]
    return _cut(whole, kept, widths), left_out


def _sized(whole: Grid) -> Iterable[tuple[Column, int]]:
    return zip(whole.columns, whole.widths, strict=True)


def _total(widths: Iterable[int]) -> int:
    sizes = list(widths)
    return sum(sizes) + len(GAP) * (len(sizes) - 1)


def _widen(whole: Grid, kept: list[int], floors: list[int], available: int) -> list[int]:
    """Hand out the spare cells; the first column gives way where even the floors do not fit."""
    sizes = {i: floors[i] for i in kept}
    by_rank = sorted(kept, key=lambda i: whole.columns[i].rank)
    for wanted in ({i: _usual_width(whole, i) for i in kept}, dict(enumerate(whole.widths))):
        for i in by_rank:
            spare = available - _total(sizes.values())
            sizes[i] += max(0, min(wanted[i] - sizes[i], spare))
    sizes[kept[0]] -= max(0, min(sizes[kept[0]] - 1, _total(sizes.values()) - available))
    return list(sizes.values())


def _usual_width(whole: Grid, column: int) -> int:
    """Return the width that holds nine in ten of a column's cells."""
    widths = sorted(width(row[column]) for row in whole.rows)
    return widths[len(widths) * 9 // 10] if widths else 0


def _cut(whole: Grid, kept: list[int], widths: list[int]) -> Grid:
    def cut(cells: list[str]) -> list[str]:
        return [
            cells[i] if whole.columns[i].kind == "prose" else shorten(cells[i], size)
            for i, size in zip(kept, widths, strict=True)
        ]

    return replace(
        whole,
        columns=tuple(whole.columns[i] for i in kept),
        header=cut(whole.header) if whole.header else [],
        rows=[cut(row) for row in whole.rows],
        totals=cut(whole.totals) if whole.totals else [],
        widths=widths,
    )


def shorten(text: str, size: int) -> str:
    """Return the text, or its beginning and an ellipsis, in at most `size` character cells.

    Of shapes in brackets whole ones stay, and the bracket: ``{0: 1×256×64×80, …}``.
    """
    if width(text) <= size:
        return text
    from rich.cells import set_cell_size

    inside = text.rstrip(")]}")
    parts = inside.split(", ") if inside != text else []
    for count in range(len(parts) - 1, 0, -1):
        whole = f"{', '.join(parts[:count])}, …{text[len(inside) :]}"
        if width(whole) <= size and _balanced(whole):
            return whole

    return set_cell_size(text, max(0, size - 1)).rstrip() + "…" if size else ""


def lines_of(cells: Iterable[str], laid: Grid) -> list[list[str]]:
    """Return the lines of a row: one, or as many as its prose takes in the column's width."""
    broken = (
        wrap(cell, size) if column.kind == "prose" else [cell]
        for cell, size, column in zip(cells, laid.widths, laid.columns, strict=True)
    )
    return [list(line) for line in zip_longest(*broken, fillvalue="")]


def _balanced(text: str) -> bool:
    return all(text.count(left) == text.count(right) for left, right in ("()", "[]", "{}"))


def wrap(text: str, available: int) -> list[str]:
    """Break a sentence into lines for character cells."""
    return broken(text, available, width)
