"""Write teaching slides from a recording: its figures, its shapes, its numbers, and what to say.

  tracer slides pass.safetensors -o deck.html
  tracer slides pass.safetensors -o fpn.pptx --stages fpn --lang zh
  tracer slides pass.safetensors -o lecture.pdf --outline lecture.toml --theme dark
  tracer slides pass.safetensors --against other.safetensors -o parting.html
  tracer slides --list

The file's ending says what is written: .html (one file, offline, S opens the speaker's window),
.pptx (to edit) or .pdf. Slides that the recording cannot fill are left out and named; record with
--keep anatomy for all of them. An outline chooses, orders and adds slides.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang, add_overwrite, beside
from tracer.errors import InputError
from tracer.languages import languages

if TYPE_CHECKING:
    from tracer.record import Trace
    from tracer.views.slides import Deck

HELP = "write teaching slides from a recording: HTML, PowerPoint or PDF"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", metavar="PASS", nargs="?", help="a recorded pass, best with --keep anatomy"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=".html, .pptx or .pdf (PASS-slides.html)"
    )
    add_overwrite(parser)
    add_lang(parser, "both")
    parser.add_argument("--outline", metavar="TOML", help="choose, order and add slides")
    parser.add_argument(
        "--stages",
        action="append",
        metavar="A,B,…",
        help="a lecture on these alone, e.g. fpn; may be repeated",
    )
    parser.add_argument(
        "--against",
        metavar="B",
        help="slides of where PASS and this recording part, instead of the walkthrough",
    )
    parser.add_argument("--tour", metavar="TOUR", help="follow a guided tour: its name, or a file")
    parser.add_argument("--theme", default="light", help="light or dark (%(default)s)")
    parser.add_argument("--image", type=int, default=0, metavar="N", help="of the batch (0)")
    parser.add_argument(
        "--page",
        metavar="HTML",
        help="the page that slides link into, written if it is not there (PASS.html, if it is)",
    )
    parser.add_argument(
        "--steps",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="figures, points and code step by step; in .pptx and .pdf a page for each step",
    )
    parser.add_argument("--strict", action="store_true", help="fail where a slide cannot be filled")
    parser.add_argument("--list", action="store_true", help="name the slides that there are")


def run(args: argparse.Namespace) -> int:
    """Write the slides, and say how many there are."""
    from tracer.commands.common import counting, report, say
    from tracer.files import output
    from tracer.recording import load
    from tracer.views.slides import deck, writer

    stages = [name for given in args.stages or () for name in given.split(",") if name]
    if args.list:
        return _list(stages, args.lang)
    if args.file is None:
        raise InputError("name a recording, or --list the slides that there are")
    path = Path(args.output or beside(args.file, "-slides.html"))
    write = writer(path)
    inputs = [each for each in (args.file, args.against, args.outline, args.page) if each]
    output(path, path.suffix[1:].lower(), inputs, args.overwrite)
    if args.against is not None:
        write(_compared(args), path, overwrite=args.overwrite)
        report(path, "where two recordings part")
        return 0
    trace = load(args.file)
    with counting("drawing", None) as step:
        made = deck(
            trace, lang=args.lang, theme=args.theme, stages=stages, outline=args.outline,
            strict=args.strict, page=_page(args, trace, path), image=args.image,
            steps=args.steps, tour=args.tour or "", progress=step,
        )  # fmt: skip
    for reason in made.left_out:
        say(f"left out: {reason}")
    write(made, path, overwrite=args.overwrite)
    report(path, _extent(made, path))
    return 0


def _compared(args: argparse.Namespace) -> Deck:
    """Make the deck of two recordings.

    Raises:
        InputError: an option of the walkthrough is given beside it.
    """
    from tracer.recording import compare, load
    from tracer.views.slides.parting import parting_deck

    for name in ("outline", "stages", "tour", "page"):
        if getattr(args, name):
            raise InputError(f"--{name} is for slides of one recording, not with --against")
    compared = compare(load(args.file), load(args.against))
    return parting_deck(compared, lang=args.lang, theme=args.theme, image=args.image)


def _extent(made: Deck, path: Path) -> str:
    """Say how many slides there are, and on how many pages, where each step has its own."""
    from tracer.views.slides.pages import pages

    slides = f"{len(made.slides)} slides"
    if path.suffix.lower() == ".html":
        return slides
    count = len(pages(made))
    more = ", one for each step (--no-steps: a handout)" if count > len(made.slides) else ""
    return f"{slides}, {count} pages{more}"


def _page(args: argparse.Namespace, trace: Trace, deck: Path) -> Path | None:
    """Return the page that the slides link into, as seen from the deck; write it if need be."""
    page = Path(args.page or beside(args.file, ".html"))
    if not page.is_file():
        if args.page is None:
            return None
        from tracer.commands.common import say
        from tracer.views.page import write_page

        write_page(trace, args.page, lang=_single(args.lang))
        say(f"{page}: the page that the slides link into")
    try:
        return Path(os.path.relpath(page.resolve(), deck.resolve().parent))
    except ValueError:  # on another drive
        return page.resolve()


def _list(stages: list[str], lang: str) -> int:
    """Print the slides by stage: what outlines call them, and their titles."""
    from tracer.rcnn.facts import PLACEHOLDER
    from tracer.views.slides.design import STAGES, stage_title, texts
    from tracer.views.slides.outline import catalogue, chosen

    entries = chosen(stages) if stages else tuple(catalogue().values())
    width = max(len(entry.key) for entry in entries)
    lang = _single(lang)
    for stage in STAGES:
        inside = [entry for entry in entries if entry.stage == stage]
        if inside:
            print(f"{stage}: {stage_title(stage, lang)}")
        for entry in inside:
            mark = "+" if entry.extra else " "
            print(f"  {mark} {entry.key:{width}}  {PLACEHOLDER.sub('…', entry.title[lang])}")
    print(texts("extra", lang))
    return 0


def _single(lang: str) -> str:
    """The language of what has only one: English beside a deck in every language."""
    return lang if lang in languages() else "en"
