"""Tell what happens in a recording and why: the commentary, with this run's numbers in it.

Stage by stage, or one stage, module or function (the last part of its name will do):

  tracer explain street.safetensors --lang zh
  tracer explain street.safetensors --stage rpn
  tracer explain street.safetensors --path backbone.body.layer2.0
  tracer explain street.safetensors --function filter_proposals --lang both

Questions that learners ask; without words, a list of them. These, stages and functions can also be
read without a recording, then without numbers:

  tracer explain --question
  tracer explain street.safetensors --question label 0
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang
from tracer.foreign import in_prose, write_lines
from tracer.languages import languages

if TYPE_CHECKING:
    from tracer.record import Trace

HELP = "explain a recording: stages, functions, lines and common questions, in English or Chinese"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "recording", nargs="?", metavar="PASS", help="a file that 'run' has written"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--stage", metavar="NAME", help="one stage, e.g. fpn")
    what.add_argument("--path", help="one module, e.g. rpn.head or rpn.head.conv#1")
    what.add_argument("--function", metavar="NAME", help="one function, e.g. filter_proposals")
    what.add_argument(
        "--question",
        nargs="*",
        metavar="WORD",
        help="the question with this key or these words; without any: list them all",
    )
    add_lang(parser, "both")


def run(args: argparse.Namespace) -> int:
    """Explain, and print."""
    import tracer
    from tracer.rcnn.narration import explain

    trace = None if args.recording is None else tracer.load(args.recording)
    question = None if args.question is None else " ".join(args.question)
    text = explain(trace, args.stage, args.path, args.function, args.lang, question=question)
    if trace is not None:
        langs = languages() if args.lang == "both" else (args.lang,)
        said = [in_prose(line) for lang in langs for line in _about(trace, lang)]
        text = "\n\n".join([*said, text])
    _show(text)
    return 0


def _about(trace: Trace, lang: str) -> Iterator[str]:
    """Yield what is to be known of the run before its commentary is read."""
    from tracer.rcnn.findings import changed, told
    from tracer.views.reports.names import failure

    yield from changed(trace, lang)
    if trace.error is not None:
        yield failure(trace, lang)
        yield from told(trace, lang)


def _show(text: str) -> None:
    """Print Markdown: laid out on a terminal, as it is into a file or another program."""
    if not sys.stdout.isatty():
        write_lines(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    console.print(Markdown(text), width=min(console.width, 100))
