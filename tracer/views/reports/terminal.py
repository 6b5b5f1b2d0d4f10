"""A table on a terminal: coloured, and fitted to its width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style

from tracer.foreign import clean
from tracer.views.reports.text_layout import Grid, fit, grid, lines_of, notes_of, pad, rule, wrap

if TYPE_CHECKING:
    from tracer.views.reports.report import Column, Row, Table

TITLE = Style(bold=True)
HEADER = Style(bold=True)
DIM = Style(dim=True)
FIRST = Style(color="cyan")
TOTALS = Style(bold=True)
MARKS = {"error": Style(color="red", bold=True), "overwritten": Style(color="yellow")}

_BREAK = Segment("\n")


def segments(table: Table, available: int) -> Iterator[Segment]:
    """Yield the table's lines for a terminal of `available` columns.

    They are segments, not markup: no name in a recording can pass for a style.
    """
    laid, left_out = fit(grid(table), available)
    if table.title:
        for part in wrap(clean(table.title), available):
            yield from _line(part, TITLE)
        if laid.rows:
            yield _BREAK
    if laid.header:
        yield from _line(pad(laid.header, laid.widths, laid.columns), HEADER)
        yield from _line(rule(laid.widths), DIM)
    for row, cells in zip(table.rows, laid.rows, strict=True):
        for line in lines_of(cells, laid):
            yield from _row(row, line, laid)
    if laid.totals:
        yield from _line(rule(laid.widths), DIM)
        yield from _line(pad(laid.totals, laid.widths, laid.columns), TOTALS)
    yield from _notes(table, left_out, available)


def _notes(table: Table, left_out: list[Column], available: int) -> Iterator[Segment]:
    notes = list(notes_of(table, left_out))
    if notes:
        yield _BREAK
    for note in notes:
        for part in wrap(note, available):
            yield from _line(part, DIM)


def _line(body: str, style: Style | None) -> Iterator[Segment]:
    yield Segment(body, style)
    yield _BREAK


def _row(row: Row, cells: list[str], laid: Grid) -> Iterator[Segment]:
    """The first column in its own colour, the tree's guides dim, a marked row in its mark's."""
    line = pad(cells, laid.widths, laid.columns)
    if row.mark in MARKS:
        yield from _line(line, MARKS[row.mark])
        return
    name = cells[0].lstrip(" │├└─")
    lead = cells[0][: len(cells[0]) - len(name)]
    rest = line[len(cells[0]) :] if line.startswith(cells[0]) else ""
    yield Segment(lead, DIM)
    yield Segment(name, FIRST)
    yield Segment(rest)
    yield _BREAK
