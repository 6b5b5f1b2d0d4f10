"""Write a recording as one HTML page to step through, in any browser, without a network.

  tracer page pass.safetensors -o pass.html
  tracer page pass.safetensors -o pass.html --lang zh --budget 2
  tracer page pass.safetensors --at 'call=backbone.fpn&text=inner_top_down'

The page holds both languages. What does not fit into the budget is left out, the least important
first, and the page says what. --at is the step that it opens at, written as in a link to it.
"""

from __future__ import annotations

import argparse

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
    parser.add_argument("--lang", default="en", help=f"that it opens in: {', '.join(languages())}")
    parser.add_argument(
        "--at", default="", metavar="ADDRESS", help="the step that it opens at (the first)"
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
    made = page(trace, lang=args.lang, budget=int(args.budget * 1e6), at=args.at)
    Page(made).save(path, overwrite=args.overwrite)
    report(path, "the recording as one page")
    return 0
