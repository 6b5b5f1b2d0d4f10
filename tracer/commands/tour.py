"""List guided tours, read one, or check it against a recording.

  tracer tour
  tracer tour ten-stops
  tracer tour ten-stops street.safetensors --lang zh
  tracer tour lecture-3.toml street.safetensors --strict

A tour is a TOML file of a few stops; docs/tours.md says how to write one. With a recording, each
stop is told with its step and its numbers there; --strict fails where a stop does not exist in it.
In the page that `tracer page` writes, tours are followed step by step.
"""

from __future__ import annotations

import argparse

from tracer.commands.common import add_lang
from tracer.foreign import clean_lines, write_lines
from tracer.languages import Texts

HELP = "list guided tours, or check one against a recording"

say = Texts("tour")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tour", nargs="?", metavar="TOUR", help="its name, or a TOML file")
    parser.add_argument(
        "recording", nargs="?", metavar="PASS", help="a recording, as tracer run writes it"
    )
    parser.add_argument("--strict", action="store_true", help="fail if a stop does not exist in it")
    add_lang(parser)


def run(args: argparse.Namespace) -> int:
    """Print what was asked for."""
    from tracer.recording import load
    from tracer.tours import find, missing, overview, shipped, written

    if args.tour is None:
        lines = [overview(tour, args.lang) for tour in shipped().values()]
        write_lines(clean_lines("\n".join(lines)))
        return 0
    tour = find(args.tour)
    trace = None if args.recording is None else load(args.recording)
    write_lines(clean_lines(written(tour, args.lang, trace)))
    return 1 if args.strict and trace is not None and missing(tour, trace) else 0
