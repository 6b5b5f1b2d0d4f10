"""Make all of a lecture from pictures: recordings, page, deck, handout, figures, and an index.

  tracer lecture street.jpg -o lecture
  tracer lecture street.jpg crossing.jpg -o lecture --lang both --model fasterrcnn_resnet50_fpn_v2

The pictures are one batch, seen by torchvision's trained weights, which are downloaded once; other
ones are named by --weights. Open index.html in the folder: it leads to everything else.
"""

from __future__ import annotations

import argparse
import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.commands import run as recording
from tracer.commands.common import add_lang, counting, recorded, say, summary
from tracer.errors import MissingError
from tracer.files import output_folder, put
from tracer.foreign import write_lines
from tracer.languages import Texts, about, languages, preferred

if TYPE_CHECKING:
    from tracer.recording import Recording
    from tracer.views.reports.report import Table
    from tracer.views.slides import Deck

HELP = "make all of a lecture from pictures: page, deck, handout, figures, and an index"

texts = Texts("lecture")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("images", nargs="+", metavar="PHOTO", help="pictures, one batch")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write into")
    add_lang(parser, "both")
    recording.add_model(parser, weights="COCO_V1")


def run(args: argparse.Namespace) -> int:
    """Record the pass and the construction, and write everything that is made of them."""
    from tracer.rcnn.pictures import load_pictures

    # what is no picture is said before anything is fetched or built
    pictures = load_pictures(args.images)
    folder = output_folder(args.output)
    build, record = _construction(args), recording.usual(args)
    building = saved(partial(recording.construction, build), folder / "construction.safetensors")
    passing = saved(
        partial(recording.one_pass, record, pictures=pictures), folder / "pass.safetensors"
    )
    write_lecture(folder, passing, building, chosen(args.lang))
    return 0


def _construction(args: argparse.Namespace) -> argparse.Namespace:
    """Return the options of the construction: weights from a file fill the model after it."""
    from tracer.rcnn import models

    build, weights = recording.usual(args, build=True), recording.named_weights(args)
    if weights is not None and models.is_from_file(args.model, weights):
        found = models.classes_in_file(args.model, weights, **recording.model_options(args))
        build.weights = None
        build.set = [*(f"{name}={count}" for name, count in found.items()), *build.set]
    return build


def chosen(lang: str) -> tuple[str, ...]:
    """Return the languages that ``--lang`` asks for, the reader's own first."""
    first = preferred()
    every = (first, *(each for each in languages() if each != first))
    return every if lang == "both" else (lang,)


def saved(record: Callable[[], Recording], path: Path) -> Recording:
    """Record, save, and say so."""
    found = recorded(record, path)
    summary(found, path)
    return found


# --- what is made of the recordings ---------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """One thing to open.

    Attributes:
        key: of what is said of it, in ``lecture.toml``.
        links: to its files in the lecture's folder, by what they are called.
    """

    key: str
    links: Mapping[str, str]


def write_lecture(
    folder: Path,
    passing: Recording,
    building: Recording,
    langs: Iterable[str],
    training: Recording | None = None,
) -> None:
    """Write page, deck, handout, figures, commentary and reports, and the index to all of them.

    Args:
        folder: that has both recordings, ``pass.safetensors`` and ``construction.safetensors``.
        passing: the pass.
        building: the construction of its model.
        langs: in these languages.
        training: a pass in training mode, for a page and for the figures of what is learned.
    """
    traces, langs = {"pass": passing, "construction": building}, tuple(langs)
    more = {} if training is None else {"training": training}
    _pages(folder, {**traces, **more}, langs[0] if len(langs) == 1 else None)
    made = {lang: list(_pieces(folder, traces, more, lang)) for lang in langs}
    put(folder / "index.html", _index(folder, passing, made), "html")
    write_lines(f"open {folder / 'index.html'} in a browser: it leads to everything")


def _pages(folder: Path, traces: Mapping[str, Recording], lang: str | None) -> None:
    """Write the pages, which hold every language and open in one, or in their reader's own."""
    for name, trace in traces.items():
        trace.page(lang=lang).save(folder / f"{name}.html")
        write_lines(f"{folder / name}.html: step through the {trace.kind}, in every language")


def _pieces(
    folder: Path, both: Mapping[str, Recording], more: Mapping[str, Recording], lang: str
) -> Iterator[Piece]:
    yield Piece("page", {"pass.html": f"pass.html#lang={lang}"})
    yield from _decks(folder, both["pass"], lang)
    yield _figures(folder, both["pass"], tuple(more.values()), lang)
    for name in ("construction", *more):
        yield Piece(name, {f"{name}.html": f"{name}.html#lang={lang}"})
    yield _commentary(folder, both, lang)
    yield from _reports(folder, both, lang)


def named(name: str, lang: str) -> str:
    """Return the name of a file in a language: ``slides.html``, ``slides.zh.html``."""
    stem, dot, ending = name.partition(".")
    return name if lang == "en" else f"{stem}.{lang}{dot}{ending}"


def _decks(folder: Path, trace: Recording, lang: str) -> Iterator[Piece]:
    """The deck, and the same without its steps as a handout."""
    from tracer.views.slides import deck, unstepped

    try:
        with counting("slides", None) as step:
            made = deck(trace, lang=lang, page="pass.html", progress=step)
        for reason in made.left_out:
            say(f"left out of the deck: {reason}")
        yield _deck(folder, made, "deck", named("slides.html", lang))
        yield _deck(folder, unstepped(made), "handout", named("handout.pdf", lang))
    except MissingError as error:
        say(f"left out: {error}")


def _deck(folder: Path, made: Deck, key: str, name: str) -> Piece:
    from tracer.views.slides import write

    write(made, folder / name)
    write_lines(f"{folder / name}: the {key}, {len(made.slides)} slides")
    return Piece(key, {name: name})


def _figures(folder: Path, trace: Recording, also: Sequence[Recording], lang: str) -> Piece:
    name = named("figures", lang)
    with counting("figures", None) as step:
        trace.figures(folder / name, also=also, lang=lang, progress=step)
    drawn = len(list((folder / name).glob("*.png")))
    write_lines(f"{folder / name / 'index.html'}: {drawn} figures")
    return Piece("figures", {f"{name}/": f"{name}/index.html"})


def _commentary(folder: Path, both: Mapping[str, Recording], lang: str) -> Piece:
    """Write what `tracer explain` prints."""
    from tracer.rcnn.narration import explain

    links = {}
    for stem, trace in both.items():
        name = named(f"{stem}-commentary.md", lang)
        put(folder / name, explain(trace, lang=lang) + "\n", "text")
        write_lines(f"{folder / name}: what happens and why, with these numbers")
        links[texts(f"of.{stem}", lang)] = name
    return Piece("commentary", links)


# --- reports --------------------------------------------------------------------------------------


def _tables(trace: Recording, lang: str) -> dict[str, Table]:
    return {
        "stages": trace.board(lang=lang),
        "table": trace.table(lang=lang),
        "tree": trace.tree(lang=lang),
        "architecture": trace.architecture(lang=lang),
        "annotated": trace.architecture(annotated=True, fold=True, lang=lang),
    }


def _reports(folder: Path, both: Mapping[str, Recording], lang: str) -> Iterator[Piece]:
    """Write every report in every format that is read as it is, and the calls as data."""
    output_folder(folder / "reports")
    found: dict[str, dict[str, str]] = {}
    for stem, trace in both.items():
        of = texts(f"of.{stem}", lang)
        for report, table in _tables(trace, lang).items():
            for ending, form in (("html", "html"), ("txt", "text"), ("csv", "csv")):
                name = f"reports/{named(f'{stem}-{report}.{ending}', lang)}"
                put(folder / name, table.to(form) + "\n", "html" if form == "html" else "text")
                found.setdefault(report, {})[f"{of} .{ending}"] = name
        calls = f"reports/{stem}-calls.json"
        put(folder / calls, trace.to_json() + "\n", "text")
        found.setdefault("calls", {})[f"{of} .json"] = calls
    write_lines(f"{folder / 'reports'}: {', '.join(found)}, of the pass and of the construction")
    yield from (Piece(report, links) for report, links in found.items())


# --- the index ------------------------------------------------------------------------------------

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
section + section { margin-top: 4rem; border-top: 1px solid #8884; }
img { width: 100%; max-height: 26rem; object-fit: contain; object-position: left; }
ul { list-style: none; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); }
li { border: 1px solid #8884; border-radius: .5rem; padding: .8rem 1rem; }
li p { margin: .3rem 0 0; }
h2 { font-size: 1.1rem; margin: 0; }
nav a, li a { display: inline-block; margin-right: .8rem; }
:root { color-scheme: light dark; }
"""


def _index(folder: Path, trace: Recording, made: Mapping[str, list[Piece]]) -> str:
    """Return the page that leads to everything, its languages one below the other."""
    from tracer.views.kit.html_text import content_policy

    policy = html.escape(content_policy(_STYLE, images="'self' file:"))
    links = "".join(f'<a href="#{lang}">{about("name", lang)}</a>' for lang in made)
    first = next(iter(made))
    return "\n".join(
        [
            f'<!doctype html><html lang="{about("html", first)}"><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{html.escape(texts('title', first, subject=trace.subject))}</title>",
            f"<style>{_STYLE}</style>",
            f"<nav>{links}</nav>" if len(made) > 1 else "",
            *(_section(folder, trace, lang, pieces) for lang, pieces in made.items()),
            "</html>\n",
        ]
    )


def _section(folder: Path, trace: Recording, lang: str, pieces: list[Piece]) -> str:
    """One language's part of the index: what was recorded, its picture, and what there is."""
    from tracer.views.reports.names import title

    heading = html.escape(texts("title", lang, subject=trace.subject))
    facts, begin = html.escape(title(trace, lang)), html.escape(texts("begin", lang))
    picture = f"{named('figures', lang)}/detections.png"
    shown = f'<a href="pass.html#lang={lang}"><img src="{picture}" alt="{facts}"></a>'
    items = "\n".join(_item(piece, lang) for piece in pieces)
    return (
        f'<section id="{lang}" lang="{about("html", lang)}"><h1>{heading}</h1>'
        f"<p>{facts}</p><p>{begin}</p>"
        f"{shown if (folder / picture).is_file() else ''}<ul>{items}</ul></section>"
    )


def _item(piece: Piece, lang: str) -> str:
    heading, says = (html.escape(texts(f"{piece.key}.{part}", lang)) for part in ("title", "says"))
    links = "".join(
        f'<a href="{file}">{html.escape(label)}</a>' for label, file in piece.links.items()
    )
    return f"<li><h2>{heading}</h2><p>{says}</p><p>{links}</p></li>"
