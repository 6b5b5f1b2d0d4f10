"""Step through a recording, forwards and backwards, in torchvision's own source.

  tracer step pass.safetensors
  tracer step street.jpg --weights COCO_V1
  tracer step --build --set trainable_layers=2

Pictures (or --build) are recorded first, line by line. In a terminal this opens a full screen with
the source, the call tree, the locals and the tensors; elsewhere, or with --plain, it reads commands
(h lists them) and answers in lines. A script of commands makes a lesson or a test:

  tracer step pass.safetensors --commands lesson.txt
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang, add_overwrite
from tracer.errors import InputError
from tracer.foreign import write_lines

if TYPE_CHECKING:
    from tracer.recording import Recording
    from tracer.stepper import Stepper

HELP = "step through a recording, forwards and backwards"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "target",
        nargs="*",
        metavar="PASS | IMAGE",
        help="a recording (.safetensors), or pictures to record first",
    )
    parser.add_argument("--plain", action="store_true", help="lines of text, no full screen")
    parser.add_argument(
        "--commands", metavar="FILE", help="carry out a script and print what it says (- is stdin)"
    )
    parser.add_argument(
        "--at",
        metavar="PLACE",
        help="where to begin: a step (2758), a call (rpn.head#1) or a stage",
    )
    add_lang(parser)
    _add_recording(parser)


def _add_recording(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recording first")
    group.add_argument("--build", action="store_true", help="how the model is built, not a pass")
    group.add_argument("--model", default="fasterrcnn_resnet50_fpn", metavar="NAME")
    group.add_argument("--weights", metavar="W", help="as of tracer run")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of random weights (0)")
    group.add_argument("--min-size", type=int, metavar="PX", help="shorter side after resizing")
    group.add_argument("--max-size", type=int, metavar="PX", help="longest side after resizing")
    group.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE")
    group.add_argument("--keep", action="append", metavar="PATTERN", help="tensors to keep whole")
    group.add_argument("-o", "--output", metavar="PASS", help="save what was recorded")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    """Record if asked to, then step."""
    script = _read_script(args.commands) if args.commands else None
    trace = _trace(args)
    from tracer.stepper import Stepper
    from tracer.views.screen.lessons import Lessons

    stepper = Stepper(trace, lang=args.lang)
    stepper.lessons = Lessons(trace)
    if args.at is not None:
        stepper.do(f"goto {args.at}")
    if script is not None:
        _print(_transcript(stepper, script, args.commands))
    elif args.plain or not (sys.stdin.isatty() and sys.stdout.isatty()):
        _print(_conversation(stepper))
    else:
        _full_screen(stepper)
    return 0


def _full_screen(stepper: Stepper) -> None:
    """Open the full screen.

    Raises:
        InputError: the terminal is too small for it.
    """
    from tracer.views.screen import LEAST, StepperApp

    width, height = shutil.get_terminal_size()
    if width < LEAST[0] or height < LEAST[1]:
        raise InputError(
            f"the terminal has {width}×{height} characters and the full screen needs "
            f"{LEAST[0]}×{LEAST[1]}: enlarge it, or add --plain"
        )
    StepperApp(stepper).run()


def _read_script(name: str) -> str:
    """Return a script's text.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise InputError(f"cannot read the script {name!r}: {reason}") from error


# --- what to step through -------------------------------------------------------------------------


def _trace(args: argparse.Namespace) -> Recording:
    """Return the recording that is named, or make it."""
    if args.build and args.target:
        raise InputError("--build records the construction: it takes no pictures and no recording")
    if not args.build and not args.target:
        raise InputError("name a recording (PASS.safetensors), or pictures to record, or --build")
    recordings = [name for name in args.target if name.endswith((".safetensors", ".index.json"))]
    if recordings and len(args.target) > 1:
        raise InputError(f"one recording at a time: found {', '.join(args.target)}")
    if recordings:
        from tracer.recording import load

        return load(recordings[0])
    trace = _recorded(args)
    if args.output:
        trace.save(args.output, overwrite=args.overwrite)
    return trace


def _recorded(args: argparse.Namespace) -> Recording:
    """Record pictures or a construction line by line, also one that fails."""
    from tracer.commands.common import even_failed
    from tracer.files import output

    if args.output:
        output(args.output, "recording", args.target, args.overwrite)
    return even_failed(partial(_construction if args.build else _pass, args))


def _construction(args: argparse.Namespace) -> Recording:
    import tracer
    from tracer.commands.common import progress
    from tracer.commands.run import model_options
    from tracer.rcnn import models

    builder, keywords = models.recipe(args.model, _weights(args), **model_options(args))
    with progress(f"building {args.model}") as step:
        record = partial(tracer.trace, builder, grain="line", progress=step)
        return models.make(record, keywords, seed=args.seed)


def _pass(args: argparse.Namespace) -> Recording:
    import torch

    import tracer
    from tracer.commands.common import progress
    from tracer.commands.run import model_options
    from tracer.rcnn import models
    from tracer.rcnn.pictures import load_pictures

    pictures = load_pictures(args.target)
    model = models.build(args.model, _weights(args), seed=args.seed, **model_options(args)).eval()
    keep = True if args.keep and "all" in args.keep else args.keep
    with progress(f"recording {args.model}") as step, torch.no_grad():
        return tracer.trace(model, pictures, grain="line", keep=keep, progress=step)


def _weights(args: argparse.Namespace) -> str | None:
    return None if args.weights in (None, "none", "random") else args.weights


# --- lines of text --------------------------------------------------------------------------------


def _print(texts: Iterable[str]) -> None:
    """Write each text as soon as it is there."""
    for text in texts:
        write_lines(text)


def _transcript(stepper: Stepper, script: str, name: str) -> Iterator[str]:
    from tracer.views.screen import prompt as plain

    yield plain.opening(stepper)
    yield from plain.scripted(stepper, script, "standard input" if name == "-" else name)


def _conversation(stepper: Stepper) -> Iterator[str]:
    from tracer.views.screen import prompt as plain

    yield plain.opening(stepper)
    yield from plain.session(stepper, _typed(plain.PROMPT))


def _typed(prompt: str) -> Iterator[str]:
    """Yield what is typed, or piped in: then the commands are shown as if they were typed."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 (input() then has a history)
        with contextlib.suppress(EOFError):
            while True:
                yield input(prompt)
        return
    for line in sys.stdin:
        write_lines(prompt + line.rstrip("\n"))
        yield line
