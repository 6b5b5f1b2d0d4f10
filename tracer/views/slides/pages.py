"""Where everything stands on the pages of a deck: sizes and line breaks, measured, in points.

The writers that place text themselves (`pptx`, `pdf`) put what is here where it says. A slide of
several steps is several pages, alike but for what the step changes; so is a list too long for one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import quote

from tracer.views.cells import clean
from tracer.views.slides.design import STAGES, stage_colour
from tracer.views.slides.measure import Style, breaks, lead, shortened, width
from tracer.views.slides.model import Cells, Code, CodeStep, Deck, Part, Pictures, Points, Slide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 960.0, 540.0
"""Of a page, 16:9, in points."""

SMALLEST = 18
"""Points below which only code and tables go."""

TITLES = (32, 30, 28, 26, 24, 22, 20, 18)
OPENINGS = (48, 44, 40, 36, 32, 28, 24, 20, 18)
TEXTS = (24, 22, 20, 18)
TABLES = (22, 20, 18, 17, 16, 15, 14, 13, 12, 11)
CODES = (20, 18, 17, 16, 15, 14, 13, 12)
ASIDES = (16, 15, 14, 13, 12)
SLACK = 0.985
"""Share of a box's width that lines may fill: other programs space letters a little differently."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the page, in points from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def grown(self, by: float) -> Box:
        """Return the rectangle with its edges farther out; negative for farther in."""
        return Box(self.left - by, self.top - by, self.width + 2 * by, self.height + 2 * by)


MARGIN, GAP = 40.0, 28.0
TITLE = Box(MARGIN, 16, WIDTH - 2 * MARGIN, 64)
BODY = Box(MARGIN, 88, WIDTH - 2 * MARGIN, 414)
LINK = Box(MARGIN, 507, 600, 28)
NUMBER = Box(WIDTH - MARGIN - 120, 507, 120, 28)
MARK = Box(0, 24, 12, 48)
"""Of a bar in the stage's colour, beside the title."""

OPENING = Box(80, 110, WIDTH - 160, 160)
SUBTITLE = Box(80, 290, WIDTH - 160, 190)
OPENING_MARK = Box(80, 276, 120, 5)
HALF = 400.0
"""Width of an opening's texts where a picture stands beside them."""

_WEIGHTS = {Points: 3, Cells: 4, Pictures: 6.25, Code: 6}  # of widths; see `design.BESIDE`
BULLET = 0.95
"""Em from a bullet to its text."""

PAD = (7.0, 3.5)
"""Points in a table's cell beside and above its text."""

INSET = 8.0
"""Points between the edge of a panel and its text."""

SPACING = 0.45
"""Em between two points."""


# --- what stands on a page ------------------------------------------------------------------------


@dataclass(frozen=True)
class Paragraph:
    """A paragraph in one piece, and as it is broken where it stands."""

    text: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """Paragraphs at a size.

    Attributes:
        box: where they go, from its top on.
        size: in points.
        paragraphs: with their lines.
        style: what they are set in.
        gap: between paragraphs, in em.
    """

    box: Box
    size: float
    paragraphs: tuple[Paragraph, ...]
    style: Style
    gap: float = 0.0

    @property
    def lead(self) -> float:
        """Distance of two lines, in points."""
        return self.size * lead([each.text for each in self.paragraphs])

    @property
    def height(self) -> float:
        """What the lines take, in points."""
        between = self.gap * self.size * max(0, len(self.paragraphs) - 1)
        return self.lead * sum(len(each.lines) for each in self.paragraphs) + between


@dataclass(frozen=True)
class Listed:
    """Points, or as many of them as one page holds.

    Attributes:
        text: one paragraph each.
        bullets: whether they have them; the lines of an opening do not.
    """

    text: Text
    bullets: bool


@dataclass(frozen=True)
class Pictured:
    """A figure, as large as its place allows.

    Attributes:
        box: of the figure itself, in its own proportions.
        figure, alt: what is drawn, and what it shows in words.
        caption: beneath it, or None.
    """

    box: Box
    figure: Figure
    alt: str
    caption: Text | None


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


@dataclass(frozen=True)
class CodeLine:
    """A line of a listing.

    Attributes:
        number: in its file; None for the mark of lines left out.
        broken: the text, and its lines where it is too wide.
        lit: whether the step dwells on it.
    """

    number: int | None
    broken: Paragraph
    lit: bool


@dataclass(frozen=True)
class Listing:
    """Code at one step.

    Attributes:
        box: of the code and the numbers, within its panel.
        size: in points.
        indent: room for the numbers, in points.
        code: the lines.
        style: monospaced.
        stepping: whether the lines that are not lit stand back.
        source: where it is from, or None.
        beside: shapes or values at this step, in a column of their own; or None.
    """

    box: Box
    size: float
    indent: float
    code: tuple[CodeLine, ...]
    style: Style
    stepping: bool
    source: Text | None
    beside: Text | None

    @property
    def lead(self) -> float:
        """Distance of two lines, in points."""
        return self.size * lead([line.broken.text for line in self.code])


Pane = Listed | Pictured | Tabled | Listing


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        slide: what it is of.
        title: with the step, where there are several.
        panes: a place for each part of the slide.
        link: what the link into the page says; None where there is none.
        address: where it leads.
        first: whether the slide begins here.
        number: of the page, from 1.
    """

    slide: Slide
    title: Text
    panes: tuple[Pane, ...]
    link: Text | None
    address: str
    first: bool
    number: int = 0


def colour(slide: Slide) -> str:
    """Return the colour of a slide's stage; of a stage that is unknown, that of none."""
    return stage_colour(slide.stage if slide.stage in STAGES else None)


def pages(deck: Deck) -> tuple[Page, ...]:
    """Place every slide of a deck."""
    every = [page for slide in deck.slides for page in _pages(slide, deck)]
    return tuple(replace(page, number=number) for number, page in enumerate(every, 1))


def _pages(slide: Slide, deck: Deck) -> list[Page]:
    views = [
        _views(part, box, slide)
        for part, box in zip(slide.parts, places(slide.layout, kinds(slide)), strict=True)
    ]
    count = max(map(len, views), default=1)
    address = _address(deck, slide)
    link = _text((_link_text(slide.lang),), LINK, (SMALLEST,), slide.lang) if address else None
    return [
        Page(
            slide,
            _title(slide, f" ({step + 1}/{count})" if count > 1 else ""),
            tuple(view[min(step, len(view) - 1)] for view in views),
            link,
            address,
            step == 0,
        )
        for step in range(count)
    ]


def kinds(slide: Slide) -> tuple[type[Part], ...]:
    """Return what kinds of parts a slide has, in order."""
    return tuple(type(part) for part in slide.parts)


def places(layout: str, parts: Sequence[type[Part]]) -> list[Box]:
    """Return a place for each part: one fills the body, two stand side by side, more in rows."""
    if layout == "title":
        return _opening_places(parts)
    rows = [parts[start : start + 2] for start in range(0, len(parts), 2)]
    height = (BODY.height - GAP * (len(rows) - 1)) / max(1, len(rows))
    tops = [BODY.top + (height + GAP) * row for row in range(len(rows))]
    return [
        box
        for row, top in zip(rows, tops, strict=True)
        for box in _columns(row, Box(BODY.left, top, BODY.width, height))
    ]


def _columns(row: Sequence[type[Part]], room: Box) -> list[Box]:
    weights = [_WEIGHTS[part] for part in row]
    each = [(room.width - GAP * (len(row) - 1)) * weight / sum(weights) for weight in weights]
    lefts = accumulate((width + GAP for width in each[:-1]), initial=room.left)
    return [Box(left, room.top, w, room.height) for left, w in zip(lefts, each, strict=True)]


def _opening_places(parts: Sequence[type[Part]]) -> list[Box]:
    """Points are the subtitle; anything else stands in the right half."""
    others = [part for part in parts if part is not Points]
    subtitle = _narrow(SUBTITLE, bool(others))
    right = Box(OPENING.left + HALF + GAP, 60, WIDTH - OPENING.left - HALF - GAP - MARGIN, 420)
    height = (right.height - GAP * (len(others) - 1)) / max(1, len(others))
    stacked = iter(Box(right.left, right.top + (height + GAP) * row, right.width, height)
                   for row in range(len(others)))  # fmt: skip
    texts = iter(_rows(subtitle, parts.count(Points)))
    return [next(texts) if part is Points else next(stacked) for part in parts]


def _rows(box: Box, count: int) -> list[Box]:
    height = box.height / max(1, count)
    return [Box(box.left, box.top + height * row, box.width, height) for row in range(count)]


def title_place(layout: str, parts: Sequence[type[Part]]) -> Box:
    """Return where the title goes."""
    if layout != "title":
        return TITLE
    return _narrow(OPENING, any(part is not Points for part in parts))


def _narrow(box: Box, halved: bool) -> Box:
    return Box(box.left, box.top, HALF if halved else box.width, box.height)


# --- titles and links -----------------------------------------------------------------------------


def _title(slide: Slide, step: str) -> Text:
    box = title_place(slide.layout, kinds(slide))
    sizes = OPENINGS if slide.layout == "title" else TITLES
    style = Style(slide.lang, bold=True)
    text = clean(slide.title)
    placed = _text((text + step,), box, sizes, slide.lang, bold=True)
    if placed.height <= box.height:
        return placed
    full = int(box.height // placed.lead) - 1
    short = shortened(text, placed.size, box.width * SLACK * full, style)
    return _text((short + step,), box, sizes[-1:], slide.lang, bold=True)


def _link_text(lang: str) -> str:
    return "在网页里打开这一步" if lang == "zh" else "In the page, at this step"


def _address(deck: Deck, slide: Slide) -> str:
    if deck.page is None or not slide.step:
        return ""
    page = deck.page.as_posix()
    page = deck.page.as_uri() if deck.page.is_absolute() else quote(page, errors="replace")
    fragment = quote(slide.step.removeprefix("#"), safe="%/=&:.~-_,;+@!$'()*?", errors="replace")
    return f"{page}#{fragment}"


def _text(
    paragraphs: Sequence[str],
    box: Box,
    sizes: Sequence[float],
    lang: str,
    *,
    gap: float = 0.0,
    indent: float = 0.0,
    mono: bool = False,
    bold: bool = False,
) -> Text:
    """Break paragraphs at the largest size at which they fit, or else at the last.

    Args:
        paragraphs: cleaned.
        box: what they are to fit into.
        sizes: to try, in points.
        lang: of the slide.
        gap: between paragraphs, in em.
        indent: of their lines, in em.
        mono: whether they are code.
        bold: whether they are bold.
    """
    style = Style(lang, mono, bold)
    for size in sizes:
        room = box.width * SLACK - indent * size
        broken = tuple(Paragraph(text, breaks(text, size, room, style)) for text in paragraphs)
        text = Text(box, size, broken, style, gap)
        if text.height <= box.height:
            break
    return text


# --- parts ----------------------------------------------------------------------------------------


def _views(part: Part, box: Box, slide: Slide) -> Sequence[Pane]:
    """Return what is seen of a part, step by step."""
    if isinstance(part, Points):
        return _listed(part, box, slide)
    if isinstance(part, Pictures):
        caption = _caption(part.caption, box, slide.lang)
        return [_pictured(figure, part.alt, caption, box) for figure in part.figures]
    if isinstance(part, Cells):
        return [_tabled(part, box, slide.lang)]
    return _listings(part, box, slide.lang)


def _listed(part: Points, box: Box, slide: Slide) -> list[Listed]:
    """Set points at the largest size at which all fit, or on as many pages as they need."""
    bullets = slide.layout != "title"
    waiting = [clean(line) for line in part.lines if line.strip()] or [""]
    setting = partial(_text, lang=slide.lang, gap=SPACING, indent=BULLET if bullets else 0.0)
    text = setting(waiting, box, TEXTS)
    found = []
    while text.height > box.height and len(waiting) > 1:
        count = _how_many_fit(text)
        found.append(setting(waiting[:count], box, TEXTS[-1:]))
        waiting = waiting[count:]
        text = setting(waiting, box, TEXTS[-1:])
    return [Listed(_cut(each), bullets) for each in (*found, text)]


def _how_many_fit(text: Text) -> int:
    gap = text.gap * text.size
    ends = accumulate(len(each.lines) * text.lead + gap for each in text.paragraphs)
    return max(1, sum(end - gap <= text.box.height for end in ends))


def _cut(text: Text) -> Text:
    """Leave out the lines of a single paragraph that is too long even for a page of its own."""
    if text.height <= text.box.height:
        return text
    whole = text.paragraphs[0]
    kept = whole.lines[: int(text.box.height // text.lead)]
    length = sum(map(len, kept)) - 1
    shorter = Paragraph(whole.text[:length] + "…", (*kept[:-1], kept[-1][:-1] + "…"))
    return replace(text, paragraphs=(shorter,))


def _caption(caption: str, box: Box, lang: str) -> Text | None:
    """Set a caption at the foot of a place, in at most two lines."""
    if not caption.strip():
        return None
    words, style = clean(caption), Style(lang)
    words = shortened(words, SMALLEST, box.width * SLACK * 1.85, style)
    text = _text((words,), box, (SMALLEST,), lang)
    return replace(text, box=Box(box.left, box.bottom - text.height, box.width, text.height))


def _above(box: Box, caption: Text | None) -> Box:
    """Return what a caption leaves of a place."""
    taken = caption.height + 4 if caption else 0
    return Box(box.left, box.top, box.width, box.height - taken)


def _pictured(figure: Figure, alt: str, caption: Text | None, box: Box) -> Pictured:
    wide, tall = (float(side) for side in figure.get_size_inches())
    room = _above(box, caption)
    scale = min(room.width / wide, room.height / tall)
    inner = Box(
        room.left + (room.width - wide * scale) / 2,
        room.top + (room.height - tall * scale) / 2,
        wide * scale,
        tall * scale,
    )
    return Pictured(inner, figure, clean(alt), caption)


# --- tables ---------------------------------------------------------------------------------------


def _tabled(part: Cells, box: Box, lang: str) -> Tabled:
    texts = [tuple(map(clean, row)) for row in (part.head, *part.rows)]
    style = Style(lang)
    for size in TABLES:
        table = _table(texts, size, box, style, part.numbers)
        if sum(table.heights) <= box.height and sum(table.widths) <= box.width + 0.01:
            return table
    return _beheaded(table, box, lang)


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
    return Style(style.lang, style.mono, bold=head)


def _widths(
    texts: list[tuple[str, ...]], size: float, room: float, style: Style
) -> tuple[float, ...]:
    """Return the columns' widths: what they want, or the widest give way until all fit."""
    wanted = [
        max(width(text, size, _head(style, row == 0)) for row, text in enumerate(column)) / SLACK
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


def _beheaded(table: Tabled, box: Box, lang: str) -> Tabled:
    """Leave out the last rows, and say how many."""
    foot = SMALLEST * 1.5 + 6
    ends = list(accumulate(table.heights))
    count = max(2, sum(end <= box.height - foot for end in ends))
    left_out = len(table.rows) - count
    words = f"…… 还有 {left_out} 行" if lang == "zh" else f"… {left_out} more rows"
    words = words.removesuffix("s") if left_out == 1 and lang != "zh" else words
    inner = Box(box.left, box.top, table.box.width, ends[count - 1])
    beneath = Box(box.left, inner.bottom + 6, box.width, foot - 6)
    return replace(
        table,
        box=inner,
        heights=table.heights[:count],
        rows=table.rows[:count],
        more=_text((words,), beneath, (SMALLEST,), lang),
    )


# --- code -----------------------------------------------------------------------------------------


def _listings(part: Code, box: Box, lang: str) -> list[Listing]:
    """Return the listing at each step, all at one size and with panels of one height."""
    source = _caption(part.source, box, lang)
    style = Style(lang, mono=True)
    widest = [width(clean(line), ASIDES[0], style) for step in part.steps for line in step.beside]
    code, column = code_places(_above(box, source), max(widest, default=0.0))
    texts = [clean(line) for line in textwrap.dedent(part.text.expandtabs(4)).split("\n")]
    size, lines = _code_size(texts, code, part.first, style)
    steps = part.steps or (CodeStep(()),)
    shown = [_window(_lit(lines, part.first, s), code.height / _lead(size, lines)) for s in steps]
    asides = [_beside(step.beside, column, lang) if step.beside else None for step in steps]
    tall = max(sum(len(line.broken.lines) for line in each) for each in shown) * _lead(size, lines)
    tall = max([tall, *(aside.height for aside in asides if aside)])
    indent = _numbers(part.first + len(texts) - 1, size, style)
    return [
        Listing(
            _cropped(code, tall), size, indent, each, style, bool(part.steps), source,
            aside and replace(aside, box=_cropped(aside.box, tall)),
        )
        for each, aside in zip(shown, asides, strict=True)
    ]  # fmt: skip


def code_places(room: Box, aside: float) -> tuple[Box, Box]:
    """Return where the text of the code goes, and that of the column beside it.

    Args:
        room: for the panels of both.
        aside: how wide the column would be; it has at most three tenths of the room, and 0 is none.
    """
    inner = room.grown(-INSET)
    column = min(aside / SLACK + 1, inner.width * 0.3) if aside else 0.0
    width = inner.width - (column + 3 * INSET if column else 0.0)
    left = inner.left + width + 3 * INSET
    return (
        Box(inner.left, inner.top, width, inner.height),
        Box(left, inner.top, max(column, 1.0), inner.height),
    )


def _cropped(box: Box, height: float) -> Box:
    return Box(box.left, box.top, box.width, min(box.height, height))


def _code_size(
    texts: list[str], box: Box, first: int, style: Style
) -> tuple[float, list[Paragraph]]:
    """Return the size at which no line is broken and all fit; else the smallest."""
    for size in CODES:
        room = box.width * SLACK - _numbers(first + len(texts) - 1, size, style)
        lines = [_broken(text, size, room, style) for text in texts]
        unbroken = all(len(line.lines) == 1 for line in lines)
        if unbroken and len(lines) * _lead(size, lines) <= box.height:
            break
    return size, lines


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
    deeper = width(start + "    ", size, style)
    first, *rest = breaks(text.lstrip(), size, max(room - deeper, size * 4), style)
    return Paragraph(text, (start + first, *(f"{start}    {line}" for line in rest)))


def _lit(lines: list[Paragraph], first: int, step: CodeStep) -> list[CodeLine]:
    return [CodeLine(n, line, n in step.lines) for n, line in enumerate(lines, first)]


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
    mark = CodeLine(None, Paragraph("⋮", ("⋮",)), False)
    return (*[mark] * (start > 0), *code[start:end], *[mark] * (end < len(code)))


def _beside(lines: Sequence[str], box: Box, lang: str) -> Text:
    """Set the column beside the code; what does not fit is left out, with a mark."""
    text = _text([clean(line) for line in lines], box, ASIDES, lang, gap=0.35, mono=True)
    if text.height <= box.height:
        return text
    count = max(1, _how_many_fit(text) - 1)
    return replace(text, paragraphs=(*text.paragraphs[:count], Paragraph("…", ("…",))))
