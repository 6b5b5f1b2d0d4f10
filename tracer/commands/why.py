"""Tell what became of an object, or how a detection came to be, station by station.

All objects of a recording: found, or the station that lost them, and what would have kept them:

  tracer run street.jpg --targets instances.json -o pass.safetensors
  tracer why pass.safetensors
  tracer why pass.safetensors --missed --lang zh

One of them from the anchors to where it was lost, or a place of the picture:

  tracer why pass.safetensors --object 3
  tracer why pass.safetensors --box 120,40,260,300

Detections: the way back to proposal, anchor and cell, and what is wrong with the false ones:

  tracer why pass.safetensors --detection 0
  tracer why pass.safetensors --false --targets instances.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tracer.commands.common import add_lang, printed
from tracer.errors import InputError, near
from tracer.foreign import write_lines

if TYPE_CHECKING:
    from tracer.record import Trace

HELP = "tell what became of an object: found, or which step lost it, and what would have kept it"

FORMATS = ("text", "markdown", "json", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="PASS", help="a recording, as tracer run writes it")
    parser.add_argument(
        "--targets", metavar="FILE", help="the objects: COCO-style JSON (those recorded, if any)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--object", type=int, metavar="N", help="one object, counted from 0")
    what.add_argument("--box", metavar="X1,Y1,X2,Y2", help="a place, in the picture's own pixels")
    what.add_argument("--detection", type=int, metavar="N", help="one detection, the best is 0")
    what.add_argument("--missed", action="store_true", help="only the objects that were lost")
    what.add_argument("--false", action="store_true", help="only the detections of no object")
    parser.add_argument("--image", type=int, metavar="I", help="which picture of the batch")
    parser.add_argument(
        "--iou", type=float, default=0.5, metavar="T", help="from which on a box covers (0.5)"
    )
    add_lang(parser)
    parser.add_argument("--format", metavar="F", default="text", help=", ".join(FORMATS))


def run(args: argparse.Namespace) -> int:
    """Tell it."""
    if args.format not in FORMATS:
        hint = near(args.format, FORMATS)
        raise InputError(f"--format {args.format!r}: there is {', '.join(FORMATS)}{hint}")
    from tracer.recording import load

    trace = load(args.file)
    asked = {
        "object": args.object,
        "box": None if args.box is None else _box(args.box),
        "detection": args.detection,
        "image": args.image,
        "iou": args.iou,
    }
    if args.format == "json":
        write_lines(_json(trace, args, asked))
        return 0
    report = trace.why(
        **asked, missed=args.missed, false=args.false, targets=args.targets, lang=args.lang
    )
    printed(report, args.format)
    return 0


def _box(text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != 4:
        raise InputError(f"--box takes four numbers, x1,y1,x2,y2; found {text!r}")
    return found


def _json(trace: Trace, args: argparse.Namespace, asked: Mapping[str, Any]) -> str:
    """The stories as data; of all of them those that were asked for."""
    from tracer.rcnn.stories import Stories, false_ones, missed_ones, why
    from tracer.rcnn.stories.given import targets_of
    from tracer.views.reports.formats import json_text

    targets = None if args.targets is None else targets_of(trace, args.targets)
    found = why(trace, targets=targets, **asked)
    records = found.records()
    if isinstance(found, Stories) and args.missed:
        records["objects"] = [each.records() for each in missed_ones(found)]
    if isinstance(found, Stories) and args.false:
        records["detections"] = [each.records() for each in false_ones(found)]
    if trace.settings.changes:  # a story's own "changes" are what would have kept its object
        records["changed"] = list(trace.settings.changes)
    return json_text(records)
