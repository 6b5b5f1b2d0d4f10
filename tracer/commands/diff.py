"""Compare two recordings: where they part, and what merely follows from that.

  tracer diff before.safetensors after.safetensors
  tracer diff eval.safetensors train.safetensors --path backbone --grain op
  tracer diff cpu.safetensors cuda.safetensors --tolerance 0.001 --exit-code
  tracer diff a.safetensors b.safetensors --lang zh --format markdown
  tracer diff a.safetensors b.safetensors --format html -o both.html
  tracer diff a.safetensors b.safetensors --format png -o depth.png

Calls are matched by path and number, and by their order where the models differ. What two passes
detected is compared at the end. --format html writes a page with both side by side, which step
together; png, svg and pdf a figure of how far results are apart through the depth.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang, add_overwrite, beside, printed, report
from tracer.errors import InputError, MissingError, NotRecorded
from tracer.files import output, put
from tracer.foreign import write_lines
from tracer.languages import Texts

if TYPE_CHECKING:
    from tracer.recording import Compared

HELP = "compare two recordings: the first call where they part, and all that differs"

FORMATS = ("text", "markdown", "csv", "json", "html", "png", "svg", "pdf")
FILES = ("html", "png", "svg", "pdf")
say = Texts("diff")
DIFFERENT = 1
"""The exit code, where one is asked for, of two recordings that differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("first", metavar="A", help="a recording, as tracer run writes it")
    parser.add_argument("second", metavar="B", help="another of the same kind")
    parser.add_argument("--grain", help="module (and where the two part), function, op, or all")
    parser.add_argument("--stage", help="only these stages: fpn, or rpn,roi_heads")
    parser.add_argument(
        "--path", help="only the calls of this path, label or pattern, and what ran in them"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="R",
        help="values that differ by up to R standard deviations count as the same (0)",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="(%(default)s)")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="of the page (html) or the figure (png, svg, pdf), the file to write (A-B.html, "
        "A-B.png … beside A)",
    )
    add_overwrite(parser)
    add_lang(parser)
    parser.add_argument(
        "--exit-code", action="store_true", help=f"exit with {DIFFERENT} if the two differ"
    )


def run(args: argparse.Namespace) -> int:
    """Print what differs."""
    from tracer.recording import compare, load

    file = _file(args)
    compared = compare(load(args.first), load(args.second), tolerance=args.tolerance)
    if file is not None and args.format == "html":
        compared.page(lang=args.lang).save(file, overwrite=args.overwrite)
        report(file, "two recordings on one page")
    elif file is not None:
        drawn = io.BytesIO()
        compared.figure(lang=args.lang or "en").savefig(drawn, format=args.format, dpi=150)
        put(file, drawn.getvalue(), args.format, args.overwrite)
        report(file, "how far the results are apart through the depth")
    if file is not None:
        return DIFFERENT if args.exit_code and not compared.same else 0
    asked = {"grain": args.grain, "stage": args.stage, "path": args.path}
    if args.format == "json":
        write_lines(compared.to_json(**asked))
    else:
        printed(compared.report(**asked, lang=args.lang), args.format)
    if args.format in ("text", "markdown") and _may_detect(compared):
        _detections(compared, args)
    return DIFFERENT if args.exit_code and not compared.same else 0


def _may_detect(compared: Compared) -> bool:
    """Whether there may be detections, and other ones: two passes in eval mode that differ."""
    modes = {trace.environment.get("mode") for trace in (compared.first, compared.second)}
    return compared.first.kind == "pass" and "train" not in modes and not compared.same


def _detections(compared: Compared, args: argparse.Namespace) -> None:
    """Print what became of the detections, or which option would have kept them."""
    try:
        write_lines("\n" + compared.detections(lang=args.lang).to(args.format))
    except NotRecorded as error:
        write_lines("\n" + say("detections.unknown", args.lang, option=error.remedy))
    except MissingError:  # a failed pass, a model that detects nothing
        return


def _file(args: argparse.Namespace) -> Path | None:
    """Return where the page or the figure goes; None where a report is asked for.

    Raises:
        InputError: an option of the one is given for the other, or the file cannot be written.
    """
    if args.format not in FILES:
        if args.output or args.overwrite:
            formats = f"{', '.join(FILES[:-1])} and {FILES[-1]}"
            raise InputError(f"-o and --overwrite are for {formats}; a report goes to stdout")
        return None
    for name in ("grain", "stage", "path"):
        if getattr(args, name) is not None:
            raise InputError(
                f"--{name} chooses what a report lists; {args.format} shows every call"
            )
    name = args.output or beside(
        args.first, f"-{beside(Path(args.second).name, f'.{args.format}')}"
    )
    return output(name, args.format, [args.first, args.second], args.overwrite)
