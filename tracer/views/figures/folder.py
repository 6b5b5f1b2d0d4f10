"""The figures of a pass as files in a folder, with an index to look through."""

from __future__ import annotations

import html
import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate, product
from pathlib import Path
from typing import Any

from PIL import Image

from tracer.errors import InputError, MissingError, near
from tracer.files import output_folder, put
from tracer.languages import checked, languages
from tracer.rcnn.anatomy import Anatomy, anatomy, fitting
from tracer.record import Trace
from tracer.views.figures import FIGURES, STAGES, Entry
from tracer.views.figures.sheet import SIZES, texts
from tracer.views.kit.html_text import content_policy
from tracer.views.kit.palette import THEMES

FORMATS = ("png", "svg", "pdf")
DPI = (20, 1200)
"""The least and the most dots per inch."""


@dataclass(frozen=True)
class Options:
    """How figures are drawn and written; `tracer.Recording.figures` tells what each is."""

    stages: tuple[str, ...] = ()
    lang: str = "en"
    format: str = "png"
    dpi: int = 150
    image: int = 0
    names: tuple[str, ...] = ()
    size: str = "notebook"
    theme: str = "light"
    title: str = ""
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be, before anything is drawn."""
        for stage in self.stages:
            _one_of("stage", stage, STAGES)
        _one_of("format", self.format, FORMATS)
        checked(self.lang)
        if not DPI[0] <= self.dpi <= DPI[1]:
            raise InputError(f"dpi is between {DPI[0]} and {DPI[1]}; found {self.dpi}")


def _one_of(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        there = ", ".join(known)
        raise InputError(f"no {what} {name!r}{near(name, known)} (there are: {there})")


@dataclass(frozen=True)
class Written:
    """One figure of the index: its file, or why there is none."""

    entry: Entry
    file: str
    reason: str
    seconds: float


def chosen(stages: Sequence[str]) -> list[Entry]:
    """Return the figures of these stages, in order; of none, all."""
    return [entry for entry in FIGURES.values() if not stages or entry.stage in stages]


def write_figures(
    traces: Sequence[Trace],
    folder: str | Path,
    options: Options,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Written]:
    """Draw the figures that fit and write them and their index; return what became of each.

    Args:
        traces: recorded passes; a figure is drawn from the first of them that has what it shows.
        folder: to write into; made where there is none.
        options: how.
        progress: called with the name of each figure before it is drawn.

    Raises:
        InputError: there is no such image, or a file cannot be written.
        MissingError: no figure could be drawn.
    """
    passes = _passes(traces, options.image)
    target = output_folder(folder)
    written = []
    for entry in chosen(options.stages):
        progress(entry.name)
        written.append(_one(passes, entry, target, options))
    _index_html(target, written, options)
    _index_markdown(target, written, options)
    if not any(each.file for each in written):
        raise MissingError(f"no figure could be drawn: {written[0].reason}")
    return written


def _one(passes: Sequence[Anatomy], entry: Entry, folder: Path, asked: Options) -> Written:
    file = f"{entry.name}.{asked.format}"
    start = time.perf_counter()
    try:
        drawn = _drawn(passes, entry, asked)
    except MissingError as error:
        return Written(entry, "", str(error), time.perf_counter() - start)
    put(folder / file, drawn, asked.format, asked.overwrite)
    return Written(entry, file, "", time.perf_counter() - start)


def _drawn(passes: Sequence[Anatomy], entry: Entry, asked: Options) -> bytes:
    """Return a figure's file, of the first pass that it fits.

    Raises:
        MissingError: none has what it shows; says what the last one lacks.
    """
    options: dict[str, Any] = {"lang": asked.lang, "size": asked.size, "theme": asked.theme}
    if asked.names and entry.name in ("detections", "detection_funnel"):
        options["names"] = ("__background__", *asked.names)
    for parts in passes:
        try:
            figure = entry.draw(parts, image=asked.image, **options)
            file = io.BytesIO()
            with fitting("the figure"):
                figure.savefig(file, format=asked.format, dpi=asked.dpi)
            return file.getvalue()
        except MissingError:
            if parts is passes[-1]:
                raise
    raise MissingError("no pass was given")


def _passes(traces: Sequence[Trace], image: int) -> list[Anatomy]:
    passes = [anatomy(trace) for trace in traces]
    for count in (len(parts.pictures) for parts in passes):
        if not 0 <= image < count:
            raise InputError(f"image {image}: the pass has {count} images, counted from 0")
    return passes


# --- the contact sheet ----------------------------------------------------------------------------

THUMBNAIL = 480
"""Pixels of a figure's width on a contact sheet."""
GAP = 8
"""Pixels between two."""


def write_contact_sheet(
    traces: Sequence[Trace],
    file: str | Path,
    options: Options,
    progress: Callable[[str], None] = lambda name: None,
) -> Path:
    """Write one picture of all figures that fit: a row each, in every language, size and theme.

    Args:
        traces: recorded passes, as `write_figures` takes them.
        file: a PNG.
        options: which stages, which image; a folder's own language, size and theme do not matter.
        progress: called with the name of each figure before it is drawn.

    Raises:
        MissingError: no figure could be drawn.
    """
    passes = _passes(traces, options.image)
    rows = []
    for entry in chosen(options.stages):
        progress(entry.name)
        with suppress(MissingError):
            rows.append([_thumbnail(passes, entry, each) for each in _looks(options)])
    if not rows:
        raise MissingError("no figure could be drawn")
    heights = [max(each.height for each in row) + GAP for row in rows]
    sheet = Image.new("RGB", (len(rows[0]) * (THUMBNAIL + GAP), sum(heights)), "#808080")
    for row, top in zip(rows, accumulate(heights, initial=0), strict=False):
        for column, each in enumerate(row):
            sheet.paste(each, (column * (THUMBNAIL + GAP), top))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    put(Path(file), out.getvalue(), "png", options.overwrite)
    return Path(file)


def _looks(options: Options) -> Iterator[Options]:
    for lang, size, theme in product(languages(), SIZES, THEMES):
        dpi = round(THUMBNAIL / SIZES[size][0])
        yield replace(options, lang=lang, size=size, theme=theme, dpi=dpi, format="png")


def _thumbnail(passes: Sequence[Anatomy], entry: Entry, look: Options) -> Image.Image:
    picture = Image.open(io.BytesIO(_drawn(passes, entry, look))).convert("RGB")
    return picture.resize((THUMBNAIL, round(picture.height * THUMBNAIL / picture.width)))


# --- the index ------------------------------------------------------------------------------------

_THEME = THEMES["light"]
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;"
    f"color:{_THEME.ink};background:{_THEME.paper}}}"
    f"img,object{{max-width:100%;border:1px solid {_THEME.faint}}}"
    f"h2{{margin-top:2.5rem}}p.none{{color:{_THEME.muted}}}nav a{{margin-right:1rem}}"
)


def _titles(written: list[Written], lang: str) -> list[tuple[str, str, list[tuple[str, Written]]]]:
    """Return (stage, its title, its figures with their titles), in order."""
    groups = []
    for stage in STAGES:
        inside = [(w.entry.title(lang), w) for w in written if w.entry.stage == stage]
        if inside:
            groups.append((stage, texts(f"stage.{stage}", lang), inside))
    return groups


def _index_html(folder: Path, written: list[Written], asked: Options) -> None:
    groups = _titles(written, asked.lang)
    heading = texts("figures", asked.lang)
    policy = html.escape(content_policy(_STYLE, images="'self' file:"))
    name = html.escape(asked.title)
    links = "".join(f'<a href="#{stage}">{html.escape(title)}</a>' for stage, title, _ in groups)
    parts = [
        f'<!doctype html><html lang="{asked.lang}"><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{heading} · {name}</title><style>{_STYLE}</style>",
        f"<h1>{heading} · {name}</h1><nav>{links}</nav>",
    ]
    for stage, title, inside in groups:
        parts.append(f'<h2 id="{stage}">{html.escape(title)}</h2>')
        parts += [_html_figure(caption, each) for caption, each in inside]
    put(folder / "index.html", "\n".join(parts) + "</html>\n", "html", asked.overwrite)


def _html_figure(caption: str, each: Written) -> str:
    text = html.escape(caption)
    if not each.file:
        return f'<h3>{text}</h3><p class="none">{html.escape(each.reason)}</p>'
    if each.file.endswith(".pdf"):
        return f'<h3>{text}</h3><p><a href="{each.file}">{each.file}</a></p>'
    return f'<h3>{text}</h3><img loading="lazy" src="{each.file}" alt="{text}">'


def _index_markdown(folder: Path, written: list[Written], asked: Options) -> None:
    lines = [f"# {texts('figures', asked.lang)} · {asked.title}", ""]
    for _, title, inside in _titles(written, asked.lang):
        lines += [f"## {title}", ""]
        for caption, each in inside:
            shown = f"![{caption}]({each.file})" if each.file else each.reason
            shown = f"[{each.file}]({each.file})" if each.file.endswith(".pdf") else shown
            lines += [f"### {caption}", "", shown, ""]
    put(folder / "index.md", "\n".join(lines), "text", asked.overwrite)
