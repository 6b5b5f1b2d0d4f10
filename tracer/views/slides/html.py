"""The deck as one HTML file: reveal.js, style, pictures and notes inline, nothing to fetch.

reveal.js (MIT licence) comes from the package ``sphinx-revealjs``, which ships it; none of it is in
this project. The file's policy lets nothing run but the two scripts whose hashes it names, and
nothing be loaded but the pictures that it holds.
"""

from __future__ import annotations

import hashlib
import html
import importlib.util
import io
import re
import textwrap
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tracer.errors import MissingError
from tracer.views.cells import clean
from tracer.views.page.highlight import KINDS, tokens
from tracer.views.slides.design import STAGES, stage_colour, stage_title
from tracer.views.slides.files import put
from tracer.views.slides.model import Cells, Code, CodeStep, Deck, Part, Pictures, Points, Slide

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

LETTER, GUTTER, LEADING = 0.605, 4.8, 1.5
"""Width of a letter, of the line numbers, and height of a line, over the size of the text."""

LANGUAGES = {"en": "en", "zh": "zh-Hans", "both": "en"}
_WORDS = {
    "step": ("In the page, at this step", "在网页里打开这一步"),
    "shown_with": ("Shown with reveal.js {}, MIT licence", "放映使用 reveal.js {}（MIT 许可）"),
}


def write_html(deck: Deck, path: str | Path) -> Path:
    """Write a deck as one HTML file and return its path.

    Raises:
        InputError: it cannot be written.
        MissingError: the package that ships reveal.js is not installed.
    """
    return put(path, document(deck).encode())


def document(deck: Deck) -> str:
    """Return the whole file.

    Raises:
        MissingError: the package that ships reveal.js is not installed.
    """
    script, reveal = static("deck.js"), _file("dist/reveal.js")
    style = "\n".join((_file("dist/reset.css"), _file("dist/reveal.css"), _style(deck.theme)))
    policy = (
        f"default-src 'none'; script-src {_digest(reveal)} {_digest(script)}; "
        f"style-src {_digest(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "lang": LANGUAGES[deck.lang],
        "theme": deck.theme,
        "policy": policy,
        "title": _text(deck.title),
        "style": style,
        "slides": "\n".join(_slides(deck)),
        "licence": _text_of_lines(_file("LICENSE")),
        "reveal": reveal,
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], static("deck.html"))


# --- files ----------------------------------------------------------------------------------------


@cache
def static(name: str) -> str:
    """Return the text of one of the writer's own files."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@cache
def _file(name: str) -> str:
    """Return a file of reveal.js, without the pointer to its source map."""
    found = importlib.util.find_spec("sphinx_revealjs")
    places = found.submodule_search_locations if found else None
    if not places:
        raise MissingError(
            "HTML slides need reveal.js, which sphinx-revealjs ships: "
            "pip install 'rcnn-tracer[slides]'"
        )
    try:
        text = Path(places[0], "_static", "revealjs", name).read_text("utf-8")
    except OSError as error:
        raise MissingError(
            f"the installed sphinx-revealjs has no reveal.js file {name!r}: "
            "pip install --upgrade 'rcnn-tracer[slides]'"
        ) from error
    return re.sub(r"^//# sourceMappingURL=.*$", "", text, flags=re.MULTILINE)


def reveal_version() -> str:
    """Return the version of reveal.js, as it names itself."""
    script = _file("dist/reveal.js")
    found = re.search(r'="(\d+\.\d+\.\d+)"', script) or re.search(r"(\d+\.\d+\.\d+)", script)
    return found[1] if found else ""


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style(theme: str) -> str:
    """The deck's own style, with the colours of its theme and of the stages."""
    from tracer.views.figures.palette import THEMES

    colours = THEMES[theme]
    names = ("paper", "ink", "muted", "faint", "panel")
    variables = "".join(f"--{name}:{getattr(colours, name)};" for name in names)
    stages = "".join(f".stage-{s}{{--stage:{stage_colour(s)}}}" for s in STAGES)
    return f":root{{{variables}color-scheme:{theme}}}\n{stages}\n{static('deck.css')}"


# --- slides ---------------------------------------------------------------------------------------


def _text(text: str) -> str:
    """Text as text, whatever it holds."""
    return html.escape(clean(text))


def _text_of_lines(text: str) -> str:
    return "\n".join(_text(line) for line in text.splitlines())


def _slides(deck: Deck) -> Iterator[str]:
    taken: Counter[str] = Counter()
    for number, slide in enumerate(deck.slides, 1):
        yield _slide(deck, slide, _identity(slide, deck, taken), last=number == len(deck.slides))


def _identity(slide: Slide, deck: Deck, taken: Counter[str]) -> str:
    """A name for the address of a slide: its key, made safe and made unique."""
    name = re.sub(r"[^A-Za-z0-9-]+", "-", slide.key).strip("-") or "slide"
    name = name if deck.lang != "both" or slide.lang == "en" else f"{name}-{slide.lang}"
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}-{taken[name]}"


def _slide(deck: Deck, slide: Slide, name: str, last: bool) -> str:
    stage = slide.stage if slide.stage in STAGES else "overview"
    kinds = " ".join(type(part).__name__.lower() for part in slide.parts)
    body = "".join(_part(part) for part in slide.parts)
    foot = f'<footer><span class="stage">{_text(stage_title(stage, slide.lang))}</span>'
    foot += f"{_link(deck, slide)}{_shown_with(slide) if last else ''}</footer>"
    return (
        f'<section id="{name}" class="{slide.layout} stage-{stage}" '
        f'lang="{LANGUAGES[slide.lang]}" data-parts="{kinds}">'
        f"<h2>{_text(slide.title)}</h2>"
        f'<div class="body">{body}</div>{foot}'
        f'<aside class="notes">{"".join(f"<p>{_text(n)}</p>" for n in slide.notes)}</aside>'
        "</section>"
    )


def _say(name: str, slide: Slide) -> str:
    return _WORDS[name][slide.lang == "zh"]


def _link(deck: Deck, slide: Slide) -> str:
    if deck.page is None or not slide.step:
        return ""
    page = deck.page.as_uri() if deck.page.is_absolute() else quote(deck.page.as_posix())
    target = _text(page + slide.step)
    return (
        f'<a class="step" href="{target}" target="_blank" rel="noopener">{_say("step", slide)}</a>'
    )


def _shown_with(slide: Slide) -> str:
    return f'<span class="licence">{_say("shown_with", slide).format(reveal_version())}</span>'


# --- parts ----------------------------------------------------------------------------------------


def _part(part: Part) -> str:
    if isinstance(part, Points):
        return _points(part)
    if isinstance(part, Pictures):
        return _pictures(part)
    return _cells(part) if isinstance(part, Cells) else _code(part)


def _points(part: Points) -> str:
    kind = ' class="fragment"' if part.stepwise else ""
    items = "".join(f"<li{kind}>{_text(line)}</li>" for line in part.lines)
    return f'<ul class="part points">{items}</ul>'


def _cells(part: Cells) -> str:
    def row(cells: Iterable[str], tag: str) -> str:
        written = (
            f"<{tag}{' class=number' if i in part.numbers else ''}>{_text(cell)}</{tag}>"
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
    caption = f"<figcaption>{_text(part.caption)}</figcaption>" if part.caption else ""
    return f'<figure class="part pictures"><div class="stack">{shown}</div>{caption}</figure>'


def _image(figure: Figure, alt: str, step: int) -> str:
    data = b64encode(_webp(figure)).decode()
    said = ' class="fragment" alt=""' if step else f' alt="{_text(alt)}"'
    return f'<img{said} src="data:image/webp;base64,{data}">'


def _webp(figure: Figure) -> bytes:
    """Draw a figure; one that is smaller than a slide gets as much fewer pixels."""
    from tracer.views.slides.design import FIGURE

    width, height = figure.get_size_inches()
    scale = min(PIXELS / width, PIXELS * FIGURE[1] / FIGURE[0] / height)
    written = io.BytesIO()
    settings = {"quality": QUALITY, "method": 2}
    figure.savefig(written, format="webp", dpi=scale, pil_kwargs=settings)
    return written.getvalue()


# --- code -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """A piece of one source line in one colour."""

    kind: str
    text: str


def _code(part: Code) -> str:
    lines = "".join(_line(n, runs) for n, runs in enumerate(_lines(part.text), part.first))
    steps = "".join(_step(step) for step in part.steps)
    beside = f'<ol class="beside">{steps}</ol>' if steps else ""
    source = f'<p class="source">{_text(part.source)}</p>'
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


def _line(number: int, runs: list[_Run]) -> str:
    text, hang = "".join(map(_span, runs)), _hang("".join(run.text for run in runs))
    return f'<span class="line in-{hang}" data-line="{number}"><i>{number}</i>{text}\n</span>'


def _span(run: _Run) -> str:
    text = _text(run.text)
    return f'<span class="{run.kind}">{text}</span>' if run.kind else text


def _lines(text: str) -> list[list[_Run]]:
    """Cut a source into lines of coloured runs."""
    lines: list[list[_Run]] = [[]]
    units = text.encode("utf-16-le", "surrogatepass")
    runs, at = tokens(text), 0
    for kind, length in zip(runs[::2], runs[1::2], strict=True):
        piece = units[at : at + 2 * length].decode("utf-16-le", "surrogatepass")
        at += 2 * length
        for row, part in enumerate(piece.split("\n")):
            if row:
                lines.append([])
            if part:
                lines[-1].append(_Run(KINDS[kind], part))
    return lines


def _step(step: CodeStep) -> str:
    numbers = " ".join(map(str, step.lines))
    first, last = step.lines[0], step.lines[-1]
    name = str(first) if first == last else f"{first}–{last}"
    said = "".join(f"<span>{_text(line)}</span>" for line in step.beside)
    return f'<li class="fragment" data-lines="{numbers}"><b>{name}</b>{said}</li>'
