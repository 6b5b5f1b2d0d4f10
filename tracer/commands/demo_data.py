"""Write scenes of the demo as a COCO-style data set: pictures, and what is in them.

  tracer demo-data 200 -o scenes
  tracer survey --coco scenes/instances.json --weights demo --min-size 160 -o survey

The same seed gives the same pixels. With --broken the folder holds what real data sets hold too:
files that cannot be read, sizes that are wrong, boxes outside, crowds, ids with gaps.
"""

from __future__ import annotations

import argparse

from tracer.commands.common import counting
from tracer.errors import InputError
from tracer.files import output_folder
from tracer.foreign import write_lines

HELP = "write the demo's scenes as a COCO-style data set, or a deliberately broken one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "count", type=int, nargs="?", default=20, metavar="N", help="scenes (%(default)s)"
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write into")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first scene (0)")
    parser.add_argument(
        "--size", type=int, default=160, metavar="PX", help="side of a picture (%(default)s)"
    )
    parser.add_argument(
        "--broken", action="store_true", help="also what a survey has to get along with"
    )


def run(args: argparse.Namespace) -> int:
    """Write them."""
    if args.count < 1:
        raise InputError(f"N is a number of scenes from 1; found {args.count}")
    from tracer.rcnn.demo.data import write_scenes

    folder = output_folder(args.output)
    with counting("drawing", args.count) as step:
        path = write_scenes(folder, args.count, args.seed, args.size, args.broken, step)
    write_lines(f"{path}: {args.count} scenes{' and broken ones' if args.broken else ''}")
    return 0
