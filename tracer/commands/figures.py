"""Write the figures of a recorded pass into a folder, with an index to look through.

  tracer figures pass.safetensors -o figures
  tracer figures pass.safetensors -o figures --stage fpn --stage roi_heads --lang zh --format svg
  tracer figures pass.safetensors training.safetensors -o figures --contact-sheet

Of several passes each figure is drawn from the first that it fits. With --contact-sheet one more
picture shows them all, in every language, size and theme. Figures that fit no pass (losses without
targets, say) are listed in the index with the reason.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tracer.commands.common import add_lang, add_overwrite, counting
from tracer.foreign import write_lines

HELP = "write the figures of a recorded pass, with an index"

FORMATS = ("png", "svg", "pdf")
STAGES = (
    "overview", "transform", "backbone", "fpn", "rpn", "roi_heads", "losses", "activations",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "traces", metavar="PASS", nargs="+", help="recorded passes, best with --keep anatomy"
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder to write into")
    add_overwrite(parser)
    parser.add_argument(
        "--stage",
        action="append",
        choices=STAGES,
        help="only the figures of this stage; may be repeated",
    )
    add_lang(parser)
    parser.add_argument("--format", choices=FORMATS, default="png", help="(%(default)s)")
    parser.add_argument("--dpi", type=int, default=150, metavar="N", help="of png (%(default)s)")
    parser.add_argument("--image", type=int, default=0, metavar="N", help="of the batch (0)")
    parser.add_argument(
        "--names",
        metavar="A,B,…",
        help="names of the classes from 1 on, instead of the recording's own",
    )
    parser.add_argument("--size", choices=("notebook", "slide"), default="notebook")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument(
        "--contact-sheet",
        action="store_true",
        help="also all of them on one picture, in every look",
    )


def run(args: argparse.Namespace) -> int:
    """Draw, write, and say how it went."""
    import tracer
    from tracer.views.figures.folder import Options, chosen, write_contact_sheet, write_figures

    options = Options(
        tuple(args.stage or ()), args.lang, args.format, args.dpi, args.image,
        tuple(name.strip() for name in args.names.split(",")) if args.names else (),
        args.size, args.theme, Path(args.traces[0]).name, args.overwrite,
    )  # fmt: skip
    traces = [tracer.load(trace) for trace in args.traces]
    with counting("drawing", len(chosen(options.stages))) as step:
        written = write_figures(traces, args.output, options, step)
    done = sum(bool(each.file) for each in written)
    more = f", {len(written) - done} do not fit this pass" if done < len(written) else ""
    if args.contact_sheet:
        sheet = Path(args.output) / "contact-sheet.png"
        with counting("drawing again", len(chosen(options.stages))) as step:
            write_contact_sheet(traces, sheet, options, step)
        write_lines(f"{sheet}: each figure in every language, size and theme")
    seconds = sum(each.seconds for each in written)
    write_lines(f"{Path(args.output) / 'index.html'}: {done} figures{more}, {seconds:.1f} s")
    return 0
