"""Code on a page: as large as fits, the lines that a step dwells on marked, its values nearby."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from tracer.foreign import clean
from tracer.views.slides.deck import Code, CodeStep
from tracer.views.slides.measure import Style, breaks, lead, roomy, width
from tracer.views.slides.placing import (
    INSET,
    SLACK,
    Box,
    Paragraph,
    Text,
    above,
    how_many_fit,
    set_caption,
    set_text,
)
from tracer.views.slides.syntax import Run
from tracer.views.slides.syntax import lines as coloured

SIZES = (20, 18, 17, 16, 15, 14, 13, 12)
ASIDES = (20, 18)
LEGIBLE = 14
"""Points that code has, if it can, even where lines are broken or left out for it."""

BROKEN = 16
"""Points that code with broken lines has at most: the smaller it is, the fewer are broken."""

_GAP = 0.35  # em between two texts beside the code


@dataclass(frozen=True)
class CodeLine:
    """A line of a listing.

    Attributes:
        number: in its file; None for the mark of lines left out.
        broken: the text, and its lines where it is too wide.
        lit: whether the step dwells on it.
        runs: the text in its colours.
    """

    number: int | None
    broken: Paragraph
    lit: bool
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Listing:
    """Code at one step.

    Attributes:
        box: of the code and the numbers, within its panel.
        size: in points.
        indent: room for the numbers, in points.
        code: the lines.
        style: monospaced.
        source: where it is from, or None.
        beside: shapes or values at this step, beside the code or beneath it; or None.
    """

    box: Box
    size: float
    indent: float
    code: tuple[CodeLine, ...]
    style: Style
    source: Text | None
    beside: Text | None

    @property
    def lead(self) -> float:
        """Distance of two lines, in points."""
        return self.size * lead([line.broken.text for line in self.code])


@dataclass(frozen=True)
class _Arranged:
    """Code at a size, and where it and what is said of it go.

    Attributes:
        size: in points.
        lines: of the code.
        code, aside: places of the texts within their panels.
    """

    size: float
    lines: list[Paragraph]
    code: Box
    aside: Box

    @property
    def lead(self) -> float:
        """Distance of two lines, in points."""
        return _lead(self.size, self.lines)

    @property
    def legible(self) -> float:
        """Its size, less what broken lines cost."""
        return self.size - 0.75 * sum(len(line.lines) - 1 for line in self.lines)


def listings(part: Code, box: Box, plain: Style) -> list[Listing]:
    """Return the listing at each step, all at one size, in the middle of their place."""
    source = set_caption(part.source, box, plain)
    texts = [clean(line) for line in textwrap.dedent(part.text.expandtabs(4)).split("\n")]
    last, style = part.first + len(texts) - 1, replace(plain, mono=True)
    it = _arranged(part, texts, above(box, source), style)
    steps = part.steps or (CodeStep(()),)
    code = [CodeLine(n, line, False, runs) for n, (line, runs) in enumerate(
        zip(it.lines, coloured("\n".join(texts)), strict=True), part.first)]  # fmt: skip
    shown = [_window(_lit(code, step), it.code.height / it.lead) for step in steps]
    asides = [_aside(step.beside, it.aside, plain) for step in steps]
    panel, column = _cropped(it, shown, asides)
    foot = max(panel.bottom, column.bottom if any(asides) else 0.0) + INSET + 4
    down = (box.bottom - foot - (source.height if source else -INSET - 4)) / 2
    panel, column = panel.moved(down), column.moved(down)
    return [
        Listing(
            panel, it.size, _numbers(last, it.size, style), each, style,
            source and replace(source, box=replace(source.box, top=foot + down)),
            aside and replace(aside, box=column),
        )
        for each, aside in zip(shown, asides, strict=True)
    ]  # fmt: skip


def _arranged(part: Code, texts: list[str], room: Box, style: Style) -> _Arranged:
    """Return whichever is more legible: what is said of the code beside it, or beneath it."""
    said = [tuple(map(clean, step.beside)) for step in part.steps if step.beside]
    plain = replace(style, mono=False)
    widest = max((roomy(line, ASIDES[0], plain) for lines in said for line in lines), default=0.0)
    choices = [beside(room, widest)]
    if said:
        sets = (set_text(lines, room, ASIDES[-1:], plain, gap=_GAP) for lines in said)
        choices.append(_beneath(room, max(text.height for text in sets)))
    found = [
        _Arranged(*_code_size(texts, code, part.first, style), code, aside)
        for code, aside in choices
    ]
    return max(found, key=lambda each: each.legible)


def beside(room: Box, widest: float) -> tuple[Box, Box]:
    """Return where the text of the code goes, and that of a column beside it.

    Args:
        room: for the panels of both.
        widest: of the column's lines; it gets at most three tenths of the room, and 0 is no column.
    """
    inner = room.grown(-INSET)
    column = min(widest / SLACK + 1, inner.width * 0.3) if widest else 0.0
    wide = inner.width - (column + 3 * INSET if column else 0.0)
    return (
        Box(inner.left, inner.top, wide, inner.height),
        Box(inner.left + wide + 3 * INSET, inner.top, max(column, 1.0), inner.height),
    )


def _beneath(room: Box, tall: float) -> tuple[Box, Box]:
    """Return where the text of the code goes, and that of a panel beneath it, `tall` points."""
    inner = room.grown(-INSET)
    height = max(inner.height * 0.5, inner.height - tall - 3 * INSET)
    return (
        Box(inner.left, inner.top, inner.width, height),
        Box(inner.left, inner.top + height + 3 * INSET, inner.width,
            inner.height - height - 3 * INSET),
    )  # fmt: skip


def _cropped(
    it: _Arranged, shown: list[tuple[CodeLine, ...]], asides: Sequence[Text | None]
) -> tuple[Box, Box]:
    """Return the places no taller than what the fullest step has in them."""
    code = max(sum(len(line.broken.lines) for line in each) for each in shown) * it.lead
    said = max((aside.height for aside in asides if aside), default=0.0)
    if it.aside.top == it.code.top:
        both = min(it.code.height, max(code, said))
        return replace(it.code, height=both), replace(it.aside, height=both)
    panel = replace(it.code, height=min(it.code.height, code))
    tall = min(it.aside.height, said)
    return panel, replace(it.aside, top=panel.bottom + 3 * INSET, height=tall)


def _code_size(
    texts: list[str], box: Box, first: int, style: Style
) -> tuple[float, list[Paragraph]]:
    """Return the largest size at which all fit, unbroken if that is legible; else a legible one."""

    def at(size: float) -> list[Paragraph]:
        room = box.width * SLACK - _numbers(first + len(texts) - 1, size, style)
        return [_broken(text, size, room, style) for text in texts]

    def fits(size: float, lines: list[Paragraph]) -> bool:
        return sum(len(line.lines) for line in lines) * _lead(size, lines) <= box.height

    tried = [(size, lines) for size in SIZES if fits(size, lines := at(size))]
    whole = [it for it in tried if all(len(line.lines) == 1 for line in it[1])]
    good = [it for it in whole if it[0] >= LEGIBLE]
    good += [it for it in tried if LEGIBLE <= it[0] <= BROKEN]
    return next(iter((*good, *whole, *tried)), (LEGIBLE, at(LEGIBLE)))


def _lead(size: float, lines: list[Paragraph]) -> float:
    return size * lead([line.text for line in lines])


def _numbers(last: int, size: float, style: Style) -> float:
    """Return how much room the lines' numbers take."""
    return width("0" * len(str(last)) + "  ", size, style)


def _broken(text: str, size: float, room: float, style: Style) -> Paragraph:
    """Break a line of code; what follows is set in by four more than the line itself."""
    if width(text, size, style) <= room:
        return Paragraph(text, (text,))
    start = text[: len(text) - len(text.lstrip())]
    first, *_ = breaks(text.lstrip(), size, max(room - width(start, size, style), size * 4), style)
    left = text.lstrip()[len(first) :].lstrip()
    deeper = max(room - width(start + "    ", size, style), size * 4)
    rest = breaks(left, size, deeper, style) if left else ()
    return Paragraph(text, (start + first, *(f"{start}    {line}" for line in rest)))


def _lit(lines: list[CodeLine], step: CodeStep) -> list[CodeLine]:
    return [replace(line, lit=line.number in step.lines) for line in lines]


def _window(code: list[CodeLine], room: float) -> tuple[CodeLine, ...]:
    """Return the lines around the first lit one that fit, with a mark where some were left out."""
    tall = [len(line.broken.lines) for line in code]
    if sum(tall) <= room:
        return tuple(code)
    start = max(0, next((n for n, line in enumerate(code) if line.lit), 0) - 3)
    while start and sum(tall[start - 1 :]) <= room - 1:
        start -= 1
    ends = list(accumulate(tall[start:], initial=int(start > 0)))
    whole = ends[-1] <= room
    end = len(code) if whole else start + sum(used <= room - 1 for used in ends) - 1
    mark = CodeLine(None, Paragraph("⋮", ("⋮",)), False, (Run("", "⋮"),))
    return (*[mark] * (start > 0), *code[start:end], *[mark] * (end < len(code)))


def _aside(lines: Sequence[str], box: Box, style: Style) -> Text | None:
    """Set what is said of a step; what does not fit is left out, with a mark."""
    if not lines:
        return None
    text = set_text([clean(line) for line in lines], box, ASIDES, style, gap=_GAP)
    if text.height <= box.height:
        return text
    mark, first = Paragraph("…", ("…",)), text.paragraphs[0].lines[0].rstrip("….") + "…"
    shorter = (
        replace(text, paragraphs=(*text.paragraphs[:count], mark))
        for count in range(how_many_fit(text), 0, -1)
    )
    alone = replace(text, paragraphs=(Paragraph(first, (first,)),))
    return next((it for it in shorter if it.height <= box.height), alone)
