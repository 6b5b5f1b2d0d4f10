"""Slides as HTML sections, and their style: as the deck in a browser has them."""

from __future__ import annotations

import html
import io
import json
import re
import textwrap
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tracer.foreign import clean
from tracer.languages import about, languages
from tracer.views.kit.flows.model import say
from tracer.views.kit.palette import css, stage_colour
from tracer.views.slides import syntax
from tracer.views.slides.deck import (
    Cells,
    Code,
    CodeStep,
    Deck,
    Interactive,
    Moving,
    Part,
    Pictures,
    Points,
    Slide,
    Slider,
)
from tracer.views.slides.design import FIGURE, STAGES, stage_title, texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 1830
"""Of a figure that fills a slide, from left to right: enough for a projector of 1920."""

QUALITY = 92
"""Of the pictures (WebP)."""

CODE_SIZES = (22, 20, 18, 17, 16, 15, 14)
"""Pixels of code, the largest that fits; 16 of them are 12 points."""

CODE_ROOM = (826, 470)
"""Pixels that code has beside its shapes."""

LETTER, GUTTER, LEADING = 0.605, 4.8, 1.42
"""Width of a letter, of the line numbers, and height of a line, over the size of the text."""


@cache
def static(name: str) -> str:
    """Return the text of one of the deck's own files."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def escaped(text: str) -> str:
    """Return text as text, whatever it holds."""
    return html.escape(clean(text))


def style(theme: str) -> str:
    """Return the deck's own style, with the colours of its theme, of code and of the stages."""
    stages = "".join(f".stage-{s}{{--stage:{stage_colour(s, theme)}}}" for s in STAGES)
    return f":root{{{css(theme)}color-scheme:{theme}}}\n{stages}\n{static('deck.css')}"


# --- slides ---------------------------------------------------------------------------------------


def sections(deck: Deck, reveal: str = "") -> Iterator[str]:
    """Yield each slide as a ``<section>``.

    Args:
        deck: the slides.
        reveal: the version of reveal.js that shows them, for the last one to name; "" for none.
    """
    taken: Counter[str] = Counter()
    for number, slide in enumerate(deck.slides, 1):
        shown_with = reveal if number == len(deck.slides) else ""
        yield _slide(deck, slide, _identity(slide, deck, taken), shown_with)


def _identity(slide: Slide, deck: Deck, taken: Counter[str]) -> str:
    """A name for the address of a slide: its key, made safe and made unique."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", slide.key).strip("-") or "slide"
    name = name if deck.lang != "both" or slide.lang == "en" else f"{name}-{slide.lang}"
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}-{taken[name]}"


def _slide(deck: Deck, slide: Slide, name: str, reveal: str) -> str:
    stage = slide.stage if slide.stage in STAGES else "overview"
    kinds = " ".join(type(part).__name__.lower() for part in slide.parts)
    body = "".join(_part(part) for part in slide.parts)
    licence = texts("shown_with", slide.lang, version=reveal)
    foot = f'<footer><span class="stage">{escaped(stage_title(stage, slide.lang))}</span>'
    foot += _link(deck, slide)
    foot += f'<span class="licence">{escaped(licence)}</span></footer>' if reveal else "</footer>"
    return (
        f'<section id="{name}" class="{slide.layout} stage-{stage}" '
        f'lang="{about("html", slide.lang)}" data-parts="{kinds}">'
        f"<h2>{escaped(slide.title)}</h2>"
        f'<div class="body">{body}</div>{foot}'
        f'<aside class="notes">{"".join(f"<p>{escaped(n)}</p>" for n in slide.notes)}</aside>'
        "</section>"
    )


def _link(deck: Deck, slide: Slide) -> str:
    if deck.page is None or not slide.step:
        return ""
    page = deck.page.as_uri() if deck.page.is_absolute() else quote(deck.page.as_posix())
    target = escaped(page + slide.step)
    text = texts("in_page", slide.lang)
    return f'<a class="step" href="{target}" target="_blank" rel="noopener">{text}</a>'


# --- parts ----------------------------------------------------------------------------------------


def _part(part: Part) -> str:
    if isinstance(part, Points):
        return _points(part)
    if isinstance(part, Pictures):
        return _pictures(part)
    if isinstance(part, Interactive):
        return _interactive(part)
    if isinstance(part, Moving):
        return _moving(part)
    return _cells(part) if isinstance(part, Cells) else _code(part)


def _points(part: Points) -> str:
    kind = ' class="fragment"' if part.stepwise else ""
    items = "".join(f"<li{kind}>{escaped(line)}</li>" for line in part.lines)
    return f'<ul class="part points">{items}</ul>'


def _cells(part: Cells) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        written = (
            f"<{tag}{' class=number' if i in part.numbers else ''}>{escaped(cell)}</{tag}>"
            for i, cell in enumerate(cells)
        )
        return f"<tr>{''.join(written)}</tr>"

    body = "".join(row(cells, "td") for cells in part.rows)
    dense = " dense" if len(part.rows) > 8 else ""
    head = row(part.head, "th")
    written = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    return f'<div class="part cells{dense}">{written}</div>'


def _pictures(part: Pictures) -> str:
    """The first figure, and over it, one after the other, its steps."""
    shown = "".join(_image(figure, part.alt, step) for step, figure in enumerate(part.figures))
    caption = f"<figcaption>{escaped(part.caption)}</figcaption>" if part.caption else ""
    return f'<figure class="part pictures"><div class="stack">{shown}</div>{caption}</figure>'


def _image(figure: Figure, alt: str, step: int) -> str:
    said = ' class="fragment" alt=""' if step else f' alt="{escaped(alt)}"'
    return f'<img{said} src="{_address(_webp(figure))}">'


def _address(webp: bytes) -> str:
    return f"data:image/webp;base64,{b64encode(webp).decode()}"


def _webp(figure: Figure) -> bytes:
    """Draw a figure; one that is smaller than a slide gets as much fewer pixels."""
    width, height = figure.get_size_inches()
    scale = min(PIXELS / width, PIXELS * FIGURE[1] / FIGURE[0] / height)
    written = io.BytesIO()
    settings = {"quality": QUALITY, "method": 2}
    figure.savefig(written, format="webp", dpi=scale, pil_kwargs=settings)
    return written.getvalue()


# --- what one can try -----------------------------------------------------------------------------


def _interactive(part: Interactive) -> str:
    """A canvas that the deck's script draws on, the sliders, and the data as text for it."""
    data = escaped(json.dumps(_data(part), separators=(",", ":")))
    sliders = "".join(_slider(slider) for slider in part.sliders)
    keys = "".join(
        f"<li>{escaped(name)}</li>" for name, _ in part.marks.groups if not part.marks.names
    )
    return (
        f'<div class="part interactive" data-boxes="{data}"><div class="stack">'
        f'<canvas role="img" aria-label="{escaped(part.still.alt)}"></canvas>'
        f'<img hidden alt="" src="{_address(_picture(part))}"></div>'
        f'<div class="sliders" data-prevent-swipe><output aria-live="polite"></output>{sliders}'
        f'<ul class="key">{keys}</ul></div></div>'
    )


def _moving(part: Moving) -> str:
    """What the deck's script makes a board of: the flow and its words, as text."""
    words = {key: say.each(key) for key in ("play", "stop", "on", "back", "at")}
    given = {"flow": part.flow.data(), "words": words, "lang": languages().index(part.lang)}
    data = escaped(json.dumps(given, separators=(",", ":"), ensure_ascii=False))
    return f'<div class="part moving" data-prevent-swipe data-flow="{data}"></div>'


def _slider(slider: Slider) -> str:
    text = escaped(slider.texts[slider.start])
    return (
        f"<label><span>{escaped(slider.label)} <b>{text}</b></span>"
        f'<input type="range" min="0" max="{len(slider.values) - 1}" value="{slider.start}" '
        f'aria-label="{escaped(slider.label)}" aria-valuetext="{text}"></label>'
    )


def _data(part: Interactive) -> dict[str, Any]:
    """What the script draws from; its texts are cleaned, and set as text."""
    height, width = part.picture.shape[:2]
    return {
        "size": [width, height],
        **part.marks.data(),
        "names": [clean(name) for name in part.marks.names],
        "count": clean(part.count),
        "sliders": [
            {
                "rule": slider.rule,
                "values": slider.values,
                "texts": [clean(text) for text in slider.texts],
                "of": slider.of.tolist(),
            }
            for slider in part.sliders
        ],
    }


def _picture(part: Interactive) -> bytes:
    from PIL import Image

    written = io.BytesIO()
    pixels = (part.picture * 255).round().astype("uint8")
    Image.fromarray(pixels).save(written, "WEBP", quality=QUALITY)
    return written.getvalue()


# --- code -----------------------------------------------------------------------------------------


def _code(part: Code) -> str:
    coloured = enumerate(syntax.lines(part.text), part.first)
    lines = "".join(_line(number, runs) for number, runs in coloured)
    steps = "".join(_step(step, alone=len(part.steps) == 1) for step in part.steps)
    beside = f'<ol class="beside">{steps}</ol>' if steps else ""
    source = f'<p class="source">{escaped(part.source)}</p>'
    return (
        f'<div class="part code size-{_size(part.text)}"><div class="listing">'
        f"<pre>{lines}</pre>{source}</div>{beside}</div>"
    )


def _size(text: str) -> int:
    return next((size for size in CODE_SIZES if _fits(text, size)), CODE_SIZES[-1])


def _fits(text: str, size: int) -> bool:
    """Whether a source, with its long lines broken, has room at a size."""
    columns = int((CODE_ROOM[0] / size - GUTTER) / LETTER)
    rows = sum(_rows(line, columns) for line in text.splitlines())
    return rows * size * LEADING <= CODE_ROOM[1]


def _rows(line: str, columns: int) -> int:
    """How many rows a line takes; what does not fit goes on a step farther in."""
    return len(textwrap.wrap(line, columns, subsequent_indent=" " * _hang(line))) or 1


def _hang(line: str) -> int:
    """How far in a broken line goes on, in letters."""
    return min(len(line) - len(line.lstrip()) + 4, 24) // 4 * 4


def _line(number: int, runs: Sequence[syntax.Run]) -> str:
    text, hang = "".join(map(_span, runs)), _hang("".join(run.text for run in runs))
    return f'<span class="line in-{hang}" data-line="{number}"><i>{number}</i>{text}\n</span>'


def _span(run: syntax.Run) -> str:
    text = escaped(run.text)
    return f'<span class="{run.kind}">{text}</span>' if run.kind else text


def _step(step: CodeStep, alone: bool) -> str:
    """What is beside the code at a step; the only step is there from the beginning."""
    numbers = " ".join(map(str, step.lines))
    first, last = step.lines[0], step.lines[-1]
    name = str(first) if first == last else f"{first}–{last}"
    shown = "visible" if alone else "fragment"
    said = "".join(f"<span>{escaped(line)}</span>" for line in step.beside)
    return f'<li class="{shown}" data-lines="{numbers}"><b>{name}</b>{said}</li>'
