"""Write a recording as one HTML page to step through, in any browser, without a network.

  tracer page pass.safetensors -o pass.html
  tracer page pass.safetensors -o pass.html --lang zh --budget 2
  tracer page pass.safetensors --at fpn
  tracer page pass.safetensors --at 'call=backbone.fpn&text=inner_top_down'

The page holds both languages. What does not fit into the budget is left out, the least important
first, and the page says what. --at is the call or the stage that it opens at, or a step, written as
in a link to it.
"""

from __future__ import annotations

import argparse
from urllib.parse import quote

from tracer.commands.common import add_overwrite, beside, report
from tracer.errors import InputError
from tracer.files import output
from tracer.languages import languages

HELP = "write a recording as one HTML page to step through in a browser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="PASS", help="a recording, as tracer run writes it")
    parser.add_argument(
        "-o", "--output", metavar="HTML", help="the file to write (PASS with .html at its end)"
    )
    add_overwrite(parser)
    parser.add_argument(
        "--lang", choices=languages(), help="that it opens in (its reader's browser's)"
    )
    parser.add_argument(
        "--at", default="", metavar="PLACE", help="where it opens: fpn, rpn.head#1, or an address"
    )
    parser.add_argument(
        "--tour", default="", metavar="TOUR", help="to offer first: a name or file (tracer tour)"
    )
    parser.add_argument(
        "--budget", type=float, default=6.0, metavar="MB", help="the page's size at most (6)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page, and say where."""
    from tracer.recording import load
    from tracer.views.page import Page, page

    if not 0 < args.budget < float("inf"):
        raise InputError(f"--budget is a number of megabytes above 0; found {args.budget:g}")
    path = output(args.output or beside(args.file, ".html"), "html", [args.file], args.overwrite)
    trace = load(args.file)
    budget, at = int(args.budget * 1e6), _address(args.at)
    made = page(trace, lang=args.lang, budget=budget, at=at, tour=args.tour)
    Page(made).save(path, overwrite=args.overwrite)
    report(path, "the recording as one page")
    return 0


def _address(place: str) -> str:
    """Return the address of a place: of a call or a stage by its name, or as it is written."""
    return f"call={quote(place)}" if place and "=" not in place else place
