"""Show a recording as a report: on the terminal, or written in a format.

  tracer show pass.safetensors
  tracer show pass.safetensors --as tree --depth 2
  tracer show pass.safetensors --path 'backbone.fpn' --columns call,input,output,macs
  tracer show pass.safetensors --as stages --lang zh --format markdown
  tracer show pass.safetensors --as architecture --annotated --fold
  tracer show training.safetensors --as parameters --path backbone.body.layer2
  tracer show pass.safetensors --as contract --format csv > golden.csv
  tracer show pass.safetensors --format json > calls.json

A terminal gets colours and what fits its width, a file or a pipe about 120 characters a line; with
--wide no column is left out. JSON of a table or a tree is the list of calls that docs/json.md
describes.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang, printed
from tracer.errors import InputError, near
from tracer.foreign import write_lines

if TYPE_CHECKING:
    from tracer.record import Trace
    from tracer.views.reports.report import Table

HELP = "print a recording as a table, tree, stages, architecture, parameters or contract"

FORMATS = ("text", "markdown", "csv", "html", "json", "latex")
REPORTS = ("table", "tree", "stages", "architecture", "parameters", "contract")

# Options that say nothing about a report: given all the same, they are a mistake worth a word.
_UNUSED = {
    "table": ("annotated",),
    "tree": ("annotated",),
    "stages": ("annotated", "fold", "stage", "path", "depth", "grain"),
    "architecture": ("stage", "depth", "grain"),
    "parameters": ("annotated", "fold", "stage", "depth", "grain"),
    "contract": ("annotated", "fold", "stage", "path", "depth", "grain"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", metavar="PASS", help="a recording, as tracer run writes it")
    parser.add_argument(
        "--as", dest="report", metavar="REPORT", default="table", help=f"{', '.join(REPORTS)}"
    )
    parser.add_argument("--format", metavar="F", default="text", help=f"{', '.join(FORMATS)}")
    add_lang(parser)
    parser.add_argument("--wide", action="store_true", help="text with every column, uncut")
    _add_selection(parser.add_argument_group("what of it"))


def _add_selection(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--stage", help="only these stages: fpn, or rpn,roi_heads")
    group.add_argument(
        "--path",
        help="only the calls of this path, label or pattern, and what ran in them; of the "
        "architecture and the parameters, the modules",
    )
    group.add_argument(
        "--depth", type=int, metavar="N", help="levels beneath the outermost calls; 0: those alone"
    )
    group.add_argument(
        "--grain", help="module, function, op, some of them with commas between, or all"
    )
    group.add_argument("--columns", help="keys with commas between (a wrong one lists them all)")
    group.add_argument(
        "--fold",
        action=argparse.BooleanOptionalAction,
        help="write neighbours that are alike once (table and tree do, architecture does not)",
    )
    group.add_argument(
        "--annotated", action="store_true", default=None, help="architecture with live shapes"
    )


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    _check(args)
    from tracer.recording import load

    trace = load(args.file)
    if args.format == "json" and args.report in ("table", "tree"):
        write_lines(_contract(trace, args))
    else:
        printed(_report(trace, args), args.format, args.wide)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what can be seen to be wrong before the recording is read."""
    for option, known in (("report", REPORTS), ("format", FORMATS)):
        given = getattr(args, option)
        if given not in known:
            option = "as" if option == "report" else option
            listed = ", ".join(known)
            raise InputError(f"--{option} {given!r}: there is {listed}{near(given, known)}")
    for name in _UNUSED[args.report]:
        if getattr(args, name) is not None:
            raise InputError(f"--{name} says nothing about --as {args.report}; leave it out")
    if args.wide and args.format != "text":
        raise InputError(f"--wide is of text: --format {args.format} has every column anyway")
    if args.depth is not None and args.depth < 0:
        raise InputError(f"--depth counts levels from 0; found {args.depth}")
    if _is_contract(args) and (args.columns is not None or args.fold):
        name = "fold" if args.fold else "columns"
        raise InputError(
            f"--{name} cannot change the JSON list of calls, whose fields are fixed; narrow it "
            "with --stage, --path, --depth or --grain, or take --format csv"
        )


def _is_contract(args: argparse.Namespace) -> bool:
    return args.format == "json" and args.report in ("table", "tree")


def _contract(trace: Trace, args: argparse.Namespace) -> str:
    from tracer.views.reports.contract import to_json

    return to_json(trace, grain=args.grain, stage=args.stage, path=args.path, depth=args.depth)


def _report(trace: Trace, args: argparse.Namespace) -> Table:
    if args.report in ("table", "tree"):
        return _calls(trace, args)
    if args.report == "stages":
        from tracer.views.reports.board import stages

        report = stages(trace, lang=args.lang)
    elif args.report == "parameters":
        from tracer.views.reports.parameters import parameters

        report = parameters(trace, path=args.path, lang=args.lang)
    elif args.report == "contract":
        from tracer.views.reports.table import contract

        report = contract(trace, lang=args.lang)
    else:
        from tracer.views.reports.architecture import architecture

        annotated, fold = bool(args.annotated), bool(args.fold)
        report = architecture(trace, annotated=annotated, fold=fold, path=args.path, lang=args.lang)
    return report if args.columns is None else report.select(args.columns.split(","))


def _calls(trace: Trace, args: argparse.Namespace) -> Table:
    from tracer.views.reports.table import table
    from tracer.views.reports.tree import tree

    return (table if args.report == "table" else tree)(
        trace,
        grain=args.grain,
        stage=args.stage,
        path=args.path,
        depth=args.depth,
        columns=args.columns,
        fold=args.fold is not False,
        lang=args.lang,
    )
