"""The HTML deck as paper: each step a page, nothing that moves, figures in vectors."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from tracer.languages import about
from tracer.views.slides.deck import Code, Deck, Part, Pictures, Slide, stilled
from tracer.views.slides.markup import escaped, sections, style
from tracer.views.slides.measure import has_chinese

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
"""Of the pictures within figures; all else in them is drawn by lines."""

STYLE = """
@page { size: 1280px 720px; margin: 0; }
* { box-sizing: border-box; margin: 0; padding: 0; }
html, body { width: 1280px; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
.slides > section { position: relative; display: flex !important; flex-direction: column;
  width: 1280px; height: 720px; overflow: hidden; break-after: page; background: var(--paper); }
.slides > section:last-child { break-after: auto; }
.slides .code .line.here { background: var(--here); }
.slides .code .beside li.current { font-size: 24px; }
.page-number { position: absolute; right: 54px; bottom: 14px;
  color: var(--muted); font-size: 24px; }
"""


def contents(deck: Deck) -> list[tuple[str, int]]:
    """Return each slide's title and the page that it begins on, from 0."""
    counts = [
        max((_steps(part) for part in slide.parts), default=1) for slide in stilled(deck).slides
    ]
    starts = accumulate(counts[:-1], initial=0)
    return [(slide.title, start) for slide, start in zip(deck.slides, starts, strict=True)]


def printable(deck: Deck) -> str:
    """Return a deck as an HTML document for printing."""
    flat = replace(deck, slides=tuple(page for s in stilled(deck).slides for page in _pages(s)))
    figures = [
        f for s in flat.slides for p in s.parts if isinstance(p, Pictures) for f in p.figures
    ]
    sources = iter([_source(figure) for figure in figures])
    slides = re.sub(
        r'(?<= src=")data:image/webp;base64,[^"]*', lambda _: next(sources), _sections(flat)
    )
    return (
        f'<!doctype html><html lang="{about("html", deck.languages[0])}" data-theme="{deck.theme}">'
        f'<meta charset="utf-8"><title>{escaped(deck.title)}</title>'
        f"<style>{faces(slides)}{style(deck.theme)}{STYLE}</style>"
        f'<body class="reveal"><div class="slides">{slides}</div></body></html>'
    )


def _pages(slide: Slide) -> Iterator[Slide]:
    """Yield a slide once for each of its steps."""
    count = max((_steps(part) for part in slide.parts), default=1)
    for step in range(count):
        title = f"{slide.title} ({step + 1}/{count})" if count > 1 else slide.title
        parts = tuple(_at(part, min(step, _steps(part) - 1)) for part in slide.parts)
        yield replace(slide, title=title, parts=parts, notes=())


def _steps(part: Part) -> int:
    if isinstance(part, Pictures):
        return max(1, len(part.figures))
    return max(1, len(part.steps)) if isinstance(part, Code) else 1


def _at(part: Part, step: int) -> Part:
    if isinstance(part, Pictures):
        return replace(part, figures=part.figures[step : step + 1])
    return replace(part, steps=part.steps[step : step + 1]) if isinstance(part, Code) else part


def _sections(flat: Deck) -> str:
    """Return the slides as the HTML writer makes them, with numbers, and the steps' lines lit."""
    blank = replace(flat, slides=tuple(map(_without_figures, flat.slides)))
    pairs = enumerate(zip(sections(blank), flat.slides, strict=True), 1)
    number = '<span class="page-number">{}</span></section>'
    return "\n".join(
        _marked(section, slide).replace("</section>", number.format(n))
        for n, (section, slide) in pairs
    )


def _without_figures(slide: Slide) -> Slide:
    """Put blank figures for the slide's own, which are drawn in another way."""
    from matplotlib.figure import Figure

    def blank(part: Part) -> Part:
        if not isinstance(part, Pictures):
            return part
        sizes = (tuple(map(float, figure.get_size_inches())) for figure in part.figures)
        return replace(part, figures=tuple(Figure(figsize=(w, h)) for w, h in sizes))

    return replace(slide, parts=tuple(map(blank, slide.parts)))


def _marked(section: str, slide: Slide) -> str:
    for part in slide.parts:
        lines = part.steps[0].lines if isinstance(part, Code) and part.steps else ()
        for line in lines:
            plain = rf'class="(line[^"]*)" data-line="{line}"'
            section = re.sub(plain, rf'class="\1 here" data-line="{line}"', section)
    return section.replace('class="visible" data-lines', 'class="current" data-lines')


def _source(figure: Figure) -> str:
    """Return a figure as the address of an SVG picture whose text is text."""
    import matplotlib as mpl

    drawn = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg", dpi=DPI)
    return f"data:image/svg+xml;base64,{b64encode(drawn.getvalue()).decode()}"


def faces(text: str) -> str:
    """Return the rules by which a document brings the Chinese font along: as much as it needs."""
    letters = "".join(sorted(filter(has_chinese, set(text))))
    return "".join(_face(letters, bold) for bold in (False, True)) if letters else ""


def _face(letters: str, bold: bool) -> str:
    from fontTools.subset import Subsetter
    from fontTools.ttLib import TTFont

    from tracer.views.kit.fonts import CHINESE, file_of

    made, chosen = io.BytesIO(), Subsetter()
    chosen.populate(text=letters)
    with TTFont(file_of(CHINESE, bold), lazy=True) as font:
        chosen.subset(font)
        font.save(made)
    data = b64encode(made.getvalue()).decode()
    weight = "bold" if bold else "normal"
    return (
        f'@font-face {{ font-family: "{CHINESE}"; font-weight: {weight}; '
        f'src: url("data:font/ttf;base64,{data}"); }}\n'
    )
