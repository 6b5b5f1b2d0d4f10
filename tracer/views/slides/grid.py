"""Tables on a page: columns as wide as they need, text as large as fits, or rows left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate

from tracer.foreign import clean
from tracer.views.slides.deck import Cells
from tracer.views.slides.design import texts
from tracer.views.slides.measure import Style, breaks, lead, roomy
from tracer.views.slides.placing import PAD, SLACK, SMALLEST, Box, Paragraph, Text, set_text

SIZES = (24, 22, 20, 18, 17, 16, 15, 14, 13, 12, 11)


@dataclass(frozen=True)
class Tabled:
    """A table.

    Attributes:
        box: where its cells end.
        size: of its text, in points.
        widths, heights: of columns and rows, in points.
        rows: the cells; the first row is the head.
        numbers: columns set flush right.
        style: of its text; the head is bold.
        more: how many rows were left out, in words; or None.
    """

    box: Box
    size: float
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    rows: tuple[tuple[Paragraph, ...], ...]
    numbers: frozenset[int]
    style: Style
    more: Text | None


def tabled(part: Cells, box: Box, style: Style) -> Tabled:
    """Set a table, in the middle of its place."""
    texts = [tuple(map(clean, row)) for row in (part.head, *part.rows)]
    for size in SIZES:
        table = _table(texts, size, box, style, part.numbers)
        if sum(table.heights) <= box.height and sum(table.widths) <= box.width + 0.01:
            return replace(table, box=table.box.moved((box.height - sum(table.heights)) / 2))
    return _beheaded(table, box)


def _table(
    texts: list[tuple[str, ...]], size: float, box: Box, style: Style, numbers: frozenset[int]
) -> Tabled:
    widths = _widths(texts, size, box.width, style)
    rows = tuple(
        tuple(
            Paragraph(text, breaks(text, size, (room - 2 * PAD[0]) * SLACK, _head(style, n == 0)))
            for text, room in zip(row, widths, strict=True)
        )
        for n, row in enumerate(texts)
    )
    heights = tuple(
        max(len(cell.lines) for cell in row) * size * lead([cell.text for cell in row]) + 2 * PAD[1]
        for row in rows
    )
    inner = Box(box.left, box.top, sum(widths), sum(heights))
    return Tabled(inner, size, widths, heights, rows, numbers, style, None)


def _head(style: Style, head: bool) -> Style:
    return replace(style, bold=head)


def _widths(
    texts: list[tuple[str, ...]], size: float, room: float, style: Style
) -> tuple[float, ...]:
    """Return the columns' widths: what they want, or the widest give way until all fit."""
    wanted = [
        max(roomy(text, size, _head(style, row == 0)) for row, text in enumerate(column)) / SLACK
        + 2 * PAD[0] + 1
        for column in zip(*texts, strict=True)
    ]  # fmt: skip
    if sum(wanted) <= room:
        spare = min(room - sum(wanted), 24.0 * len(wanted))
        return tuple(w + spare / len(wanted) for w in wanted)
    limit = _level(wanted, room)
    return tuple(min(w, limit) for w in wanted)


def _level(wanted: list[float], room: float) -> float:
    """Return the width at which the wider columns are cut off so that all fill the room."""
    left, count = room, len(wanted)
    for narrow in sorted(wanted):
        if narrow > left / count:
            break
        left, count = left - narrow, count - 1
    return left / max(1, count)


def _beheaded(table: Tabled, box: Box) -> Tabled:
    """Leave out the last rows, and say how many."""
    foot = SMALLEST * 1.5 + 6
    ends = list(accumulate(table.heights))
    count = max(2, sum(end <= box.height - foot for end in ends))
    left_out = len(table.rows) - count
    words = texts("more_row" if left_out == 1 else "more_rows", table.style.lang, count=left_out)
    inner = Box(box.left, box.top, table.box.width, ends[count - 1])
    beneath = Box(box.left, inner.bottom + 6, box.width, foot - 6)
    return replace(
        table,
        box=inner,
        heights=table.heights[:count],
        rows=table.rows[:count],
        more=set_text((words,), beneath, (SMALLEST,), table.style),
    )
