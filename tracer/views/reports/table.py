"""The table: one line per call, in columns that add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from tracer.errors import option
from tracer.numbers import Cell
from tracer.rcnn.findings import told
from tracer.record import Trace
from tracer.views.reports import word
from tracer.views.reports.columns import Field, columns_of, pick
from tracer.views.reports.ledger import Ledger
from tracer.views.reports.names import changes, failure, overwriters, title
from tracer.views.reports.report import Row, Table
from tracer.views.reports.rows import Group, Names, choose, groups, several

if TYPE_CHECKING:
    import pandas

PASS = (
    *("call", "type", "settings", "input", "output", "params", "frozen", "macs"),
    *("uncounted", "stride"),
    *("min", "max", "nan", "inf", "zeros", "time", "all_time"),
)
ALARMS = ("nan", "inf", "uncounted")
"""Columns that are left out, unless asked for, where there is nothing to tell."""
CONSTRUCTION = ("call", "built_type", "built", "added", "built_frozen", "time", "all_time")


PINNED = ("call", "type", "settings", "input", "output", "params", "macs")
"""What a contract pins: shapes and counts, nothing that weights or machines change."""

DATA = ("id", "kind", "path", "nth", "stage", *PASS[1:])
"""A DataFrame's columns: a call's name in parts, to select and group by."""


def table(
    trace: Trace, *, grain: Names | None = None, stage: Names | None = None,
    path: Names | None = None, depth: int | None = None, columns: Names | None = None,
    fold: bool = True, lang: str = "en",
) -> Table:  # fmt: skip
    """Return one line per call, with totals that add up; the options are `Recording.table`'s.

    Of no columns these are `PASS` or `CONSTRUCTION`, without counts of NaN and Inf where there are
    none.
    """
    default = PASS if trace.kind == "pass" else CONSTRUCTION
    fields = pick(several(columns) if columns is not None else default)
    calls = choose(trace, grain, stage, path, default=("module",))
    rows = groups(trace, calls, depth, fold)
    found = assemble(Ledger(trace, rows, calls, lang=lang), fields, "grid")
    return _quiet(found) if columns is None else found


def contract(trace: Trace, *, lang: str = "en") -> Table:
    """Return one line per call of a module: what a golden file pins, see `tracer.testing`.

    Args:
        trace: a pass or a construction.
        lang: of the headings.
    """
    return table(trace, columns=PINNED, fold=False, lang=lang)


def _quiet(found: Table) -> Table:
    """Leave out the alarms that nothing set off."""
    keys = [column.key for column in found.columns]
    return found.select(k for k in keys if k not in ALARMS or any(found.column(k)))


def dataframe(
    trace: Trace, *, grain: Names | None = None, stage: Names | None = None,
    path: Names | None = None, depth: int | None = None, columns: Names | None = None,
    fold: bool = False, lang: str = "en",
) -> pandas.DataFrame:  # fmt: skip
    """Return the table as a pandas DataFrame; the options are those of `Recording.dataframe`."""
    if columns is None and trace.kind == "pass":
        columns = DATA
    return table(
        trace, grain=grain, stage=stage, path=path, depth=depth, columns=columns, fold=fold,
        lang=lang,
    ).dataframe()  # fmt: skip


def assemble(
    ledger: Ledger,
    fields: dict[str, Field],
    layout: str,
    notes: tuple[str, ...] = (),
) -> Table:
    """Return the rows of a ledger as a table with these fields."""
    shown = sum(len(group.nodes) for group in ledger.groups)
    rows = tuple(_row(ledger, group, fields) for group in ledger.groups)
    return Table(
        columns_of(fields, ledger.lang),
        rows,
        title(ledger.trace, ledger.lang, shown),
        (*_notes(ledger, fields), *notes),
        _totals(rows, fields, ledger.lang),
        layout,
        ledger.lang,
        changes(ledger.trace),
    )


def _row(ledger: Ledger, group: Group, fields: dict[str, Field]) -> Row:
    cells = tuple(field.get(ledger, group) for field in fields.values())
    mark = "error" if group.call.error else ""
    if not mark and any(overwriters(ledger.trace, node.call) for node in group.nodes[:1]):
        mark = "overwritten"
    return Row(cells, group.depth, mark, group.call.id)


def _totals(rows: tuple[Row, ...], fields: dict[str, Field], lang: str) -> tuple[Cell, ...]:
    if not any(field.adds for field in fields.values()):
        return ()
    totals: list[Cell] = [
        _sum(row.cells[i] for row in rows if field.adds == "all" or not row.depth)
        if field.adds
        else None
        for i, field in enumerate(fields.values())
    ]
    if totals[0] is None:
        totals[0] = word("total", lang)
    return tuple(totals)


def _sum(cells: Iterable[Cell]) -> Cell:
    return sum(cell or 0 for cell in cells)  # type: ignore[misc]


def _notes(ledger: Ledger, fields: dict[str, Field]) -> Iterator[str]:
    """How to read the table, where that is not plain; how the run ended, if it failed."""
    alone = ("calls", "time")
    summed = [
        word(key, ledger.lang) for key, f in fields.items() if f.adds == "all" and key not in alone
    ]
    folded = any(len(group.nodes) > 1 for group in ledger.groups)
    if summed:
        yield word("note_sums", ledger.lang, columns=word("comma", ledger.lang).join(summed))
    if {"time", "all_time"} & set(fields):
        yield word("note_time", ledger.lang)
    if "macs" in fields and any(call.uncounted for call in ledger.trace.calls):
        yield word("note_uncounted", ledger.lang)
    if folded:
        yield word("note_folded", ledger.lang, option=option(fold=False))
    if ledger.trace.error is not None:
        yield failure(ledger.trace, ledger.lang)
    yield from told(ledger.trace, ledger.lang)
