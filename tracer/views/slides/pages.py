"""Where everything stands on the pages of a deck: sizes and line breaks, measured, in points.

The writers that place text themselves (`pptx`, `pdf`) put what is here where it says. A slide of
several steps is several pages, alike but for what the step changes; so is a list too long for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import quote

from tracer.foreign import clean
from tracer.views.slides.deck import (
    Cells,
    Code,
    Deck,
    Part,
    Pictures,
    Points,
    Slide,
    stilled,
)
from tracer.views.slides.design import texts
from tracer.views.slides.grid import Tabled, tabled
from tracer.views.slides.listing import Listing, listings
from tracer.views.slides.measure import Style, shortened
from tracer.views.slides.placing import (
    BODY,
    BULLET,
    GAP,
    HALF,
    LINK,
    MARGIN,
    OPENING,
    OPENINGS,
    SLACK,
    SMALLEST,
    SPACING,
    SUBTITLE,
    TEXTS,
    TITLE,
    TITLES,
    WIDTH,
    Box,
    Paragraph,
    Text,
    above,
    how_many_fit,
    set_caption,
    set_text,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WEIGHTS = {Points: 3, Cells: 4, Pictures: 6.25, Code: 6}  # of widths; see `design.BESIDE`


# --- what stands on a page ------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """Points, or as many of them as one page holds.

    Attributes:
        text: one paragraph each.
        bullets: whether they have them; the lines of an opening do not.
        stepwise: whether they appear one by one.
    """

    text: Text
    bullets: bool
    stepwise: bool


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


def pages(deck: Deck, *, embedded: bool = False) -> tuple[Page, ...]:
    """Place every slide of a deck; `embedded` is of the fonts, as in `Style`."""
    every = [
        page
        for slide in stilled(deck).slides
        for page in _pages(slide, deck, Style(slide.lang, embedded=embedded))
    ]
    return tuple(replace(page, number=number) for number, page in enumerate(every, 1))


def _pages(slide: Slide, deck: Deck, style: Style) -> list[Page]:
    views = [
        _views(part, box, slide, style)
        for part, box in zip(slide.parts, places(slide.layout, kinds(slide)), strict=True)
    ]
    count = max(map(len, views), default=1)
    address = _address(deck, slide)
    said = texts("in_page", slide.lang)
    link = set_text((said,), LINK, (SMALLEST,), style) if address else None
    return [
        Page(
            slide,
            _title(slide, f" ({step + 1}/{count})" if count > 1 else "", style),
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


def _title(slide: Slide, step: str, style: Style) -> Text:
    box = title_place(slide.layout, kinds(slide))
    sizes = OPENINGS if slide.layout == "title" else TITLES
    bold = replace(style, bold=True)
    text = clean(slide.title)
    placed = set_text((text + step,), box, sizes, bold)
    if placed.height <= box.height:
        return placed
    full = int(box.height // placed.lead) - 1
    short = shortened(text, placed.size, box.width * SLACK * full, bold)
    return set_text((short + step,), box, sizes[-1:], bold)


def _address(deck: Deck, slide: Slide) -> str:
    if deck.page is None or not slide.step:
        return ""
    page = deck.page.as_posix()
    page = deck.page.as_uri() if deck.page.is_absolute() else quote(page, errors="replace")
    fragment = quote(slide.step.removeprefix("#"), safe="%/=&:.~-_,;+@!$'()*?", errors="replace")
    return f"{page}#{fragment}"


# --- parts ----------------------------------------------------------------------------------------


def _views(part: Part, box: Box, slide: Slide, style: Style) -> Sequence[Pane]:
    """Return what is seen of a part, step by step."""
    if isinstance(part, Points):
        return _listed(part, box, slide, style)
    if isinstance(part, Pictures):
        caption = set_caption(part.caption, box, style)
        return [_pictured(figure, part.alt, caption, box) for figure in part.figures]
    if isinstance(part, Cells):
        return [tabled(part, box, style)]
    assert isinstance(part, Code)  # `stilled` left nothing interactive
    return listings(part, box, style)


def _listed(part: Points, box: Box, slide: Slide, style: Style) -> list[Listed]:
    """Set points at the largest size at which all fit, or on as many pages as they need."""
    bullets = slide.layout != "title"
    waiting = [clean(line) for line in part.lines if line.strip()] or [""]
    setting = partial(set_text, style=style, gap=SPACING, indent=BULLET if bullets else 0.0)
    text = setting(waiting, box, TEXTS[2:] if box.width < BODY.width / 2 else TEXTS)
    found = []
    while text.height > box.height and len(waiting) > 1:
        count = how_many_fit(text)
        found.append(setting(waiting[:count], box, TEXTS[-1:]))
        waiting = waiting[count:]
        text = setting(waiting, box, TEXTS[-1:])
    return [Listed(_cut(each), bullets, part.stepwise) for each in (*found, text)]


def _cut(text: Text) -> Text:
    """Leave out the lines of a single paragraph that is too long even for a page of its own."""
    if text.height <= text.box.height:
        return text
    whole = text.paragraphs[0]
    kept = whole.lines[: int(text.box.height // text.lead)]
    length = sum(map(len, kept)) - 1
    shorter = Paragraph(whole.text[:length] + "…", (*kept[:-1], kept[-1][:-1] + "…"))
    return replace(text, paragraphs=(shorter,))


def _pictured(figure: Figure, alt: str, caption: Text | None, box: Box) -> Pictured:
    wide, tall = (float(side) for side in figure.get_size_inches())
    room = above(box, caption)
    scale = min(room.width / wide, room.height / tall)
    inner = Box(
        room.left + (room.width - wide * scale) / 2,
        room.top + (room.height - tall * scale) / 2,
        wide * scale,
        tall * scale,
    )
    return Pictured(inner, figure, clean(alt), caption)
