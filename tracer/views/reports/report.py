"""The shape that every text report has: a table of plain values, with a writer per format.

A report is a function from a Trace to a `Table`. A `Table` knows neither where it came from nor
where it goes: the writers in `tracer.views.reports.formats` turn any of them into any format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tracer.errors import InputError, MissingError, near
from tracer.numbers import Cell

if TYPE_CHECKING:
    import pandas


NUMERIC = ("count", "macs", "seconds", "fraction", "number", "pixels", "overlap")
"""The kinds of column whose cells are numbers: they are set flush right."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        key: its stable name: the CSV header, the JSON field, what ``--columns`` takes.
        title: its heading, in the reader's language.
        kind: what its cells are: ``"text"``, ``"count"``, ``"macs"`` (multiply-adds),
            ``"seconds"``, ``"fraction"`` (0–1), ``"number"``, ``"pixels"``, ``"overlap"`` (IoU), or
            ``"prose"``: sentences, which a terminal breaks into lines and never cuts.
        rank: its place in the queue for a narrow terminal; the highest rank is left out first.
        floor: how many character cells a text is cut to before a column is left out.
    """

    key: str
    title: str
    kind: str = "text"
    rank: int = 0
    floor: int = 20

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers."""
        return self.kind in NUMERIC


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a cell per column.

    Attributes:
        cells: plain values in the columns' order; None where there is nothing to say.
        depth: how deep it lies in its tree, from 0.
        mark: ``"error"`` or ``"overwritten"`` where the row deserves a second look, else ``""``.
        call: id of the call that the row stands for, None if it stands for no single one.
    """

    cells: tuple[Cell, ...]
    depth: int = 0
    mark: str = ""
    call: int | None = None


@dataclass(frozen=True, repr=False)
class Table:
    """One report as data.

    Printed, it is plain text of about 120 columns; `rich` draws it in colour and to the width of
    the terminal; a notebook shows it as HTML. Only these two leave columns out, and say so.

    Attributes:
        columns: what each cell of a row is.
        rows: from top to bottom.
        title: one line above it, ``""`` for none.
        notes: sentences below it: how to read it, what it lacks.
        totals: the last row, a cell per column; empty for none.
        layout: ``"grid"`` (headed columns), ``"tree"`` (the same, the first column drawn as a tree
            of `Row.depth`) or ``"plain"`` (the first column is text as it stands, indented by two
            spaces per depth).
        lang: the language of its headings and notes.
        common: what every record has beside its row, for readers that see neither title nor notes:
            texts by key, such as the ``changes`` of a run that was changed on purpose.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    totals: tuple[Cell, ...] = ()
    layout: str = "grid"
    lang: str = "en"
    common: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many rows there are, without the totals."""
        return len(self.rows)

    def __str__(self) -> str:
        """Plain text of about 120 columns."""
        return self.to("text")

    __repr__ = __str__

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Yield the styled lines for a terminal of ``options.max_width`` columns."""
        from tracer.views.reports.terminal import segments

        yield from segments(self, options.max_width)

    def _repr_html_(self) -> str:
        from tracer.views.reports.formats import cell_html

        return cell_html(self)

    def to(self, format: str, *, wide: bool = False) -> str:
        """Return the report as text, markdown, csv, html, json or latex.

        Args:
            format: one of these.
            wide: text with every column and nothing cut, however wide it gets, instead of about
                120 columns; the other formats always have all.

        Raises:
            InputError: there is no such format.
        """
        from tracer.views.reports.formats import write

        return write(self, format, wide=wide)

    @property
    def headed(self) -> bool:
        """Whether any column has a heading."""
        return any(column.title for column in self.columns)

    @property
    def totals_row(self) -> Row:
        """The totals, set like any row."""
        return Row(self.totals)

    def column(self, key: str) -> list[Cell]:
        """Return the cells of one column, from top to bottom.

        Raises:
            MissingError: there is no such column.
        """
        index = self._index(key)
        return [row.cells[index] for row in self.rows]

    def records(self) -> list[dict[str, Cell]]:
        """Return the rows as dicts by `record_keys`; a tree's have their ``depth`` too."""
        keys = [column.key for column in self.columns]
        common = {key: "; ".join(texts) for key, texts in self.common.items()}
        return [
            {
                **({} if self.layout == "grid" else {"depth": row.depth}),
                **dict(zip(keys, row.cells, strict=True)),
                **common,
            }
            for row in self.rows
        ]

    def record_keys(self) -> list[str]:
        """Return the keys of `records`, in order."""
        depth = [] if self.layout == "grid" else ["depth"]
        return list(dict.fromkeys([*depth, *(c.key for c in self.columns), *self.common]))

    def select(self, keys: Iterable[str]) -> Table:
        """Return the table with these columns only, in this order.

        Raises:
            MissingError: one of them is not a column of this table.
        """
        order = [self._index(key) for key in keys]
        return replace(
            self,
            columns=tuple(self.columns[i] for i in order),
            rows=tuple(
                Row(tuple([r.cells[i] for i in order]), r.depth, r.mark, r.call) for r in self.rows
            ),
            totals=tuple(self.totals[i] for i in order) if self.totals else (),
        )

    def dataframe(self) -> pandas.DataFrame:
        """Return the rows as a pandas DataFrame, its columns named by their keys.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise InputError(
                "a DataFrame needs pandas, which is not installed; "
                "install it with: pip install pandas"
            ) from None
        return pandas.DataFrame(self.records(), columns=self.record_keys())

    def _index(self, key: str) -> int:
        keys = [column.key for column in self.columns]
        if key not in keys:
            raise MissingError(f"no column {key!r}{near(key, keys)} (there are: {', '.join(keys)})")
        return keys.index(key)
