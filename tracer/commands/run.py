"""Record a pass over pictures, or the building of a model, into a file.

The file is what every other command reads:

  tracer run street.jpg -o street.safetensors --weights COCO_V1
  tracer show street.safetensors --as table

It holds every source line, and the tensors that page, slides and figures draw from. Less is
recorded faster, into a smaller file: --grain op leaves the lines out, --keep none the tensors.

Training, with COCO-style targets and the gradients of a backward pass:

  tracer run street.jpg --train --targets instances.json --backward -o training.safetensors

The construction instead of a pass:

  tracer run --build -o construction.safetensors --set trainable_layers=2
"""

from __future__ import annotations

import argparse
import ast
from functools import partial
from typing import TYPE_CHECKING, Any

from tracer.commands.common import add_overwrite, progress, recorded, say, summary
from tracer.errors import InputError
from tracer.files import output

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tracer.record import Trace

HELP = "record a pass over pictures (or the building of a model) into a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="pictures, one batch")
    parser.add_argument(
        "-o",
        "--output",
        metavar="PASS",
        default="pass.safetensors",
        help="file to write (%(default)s)",
    )
    add_overwrite(parser)
    _add_model(parser)
    _add_mode(parser)
    _add_recording(parser)


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--model",
        default="fasterrcnn_resnet50_fpn",
        metavar="NAME",
        help="one of torchvision's detectors, or fasterrcnn_<resnet>_fpn (%(default)s)",
    )
    group.add_argument(
        "--weights",
        metavar="W",
        help="COCO_V1 (downloaded by torchvision), a checkpoint file, demo, or none: random",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of random weights and samples (0)"
    )
    group.add_argument("--min-size", type=int, metavar="PX", help="shorter side after resizing")
    group.add_argument("--max-size", type=int, metavar="PX", help="longest side after resizing")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="any other option of the model, e.g. num_classes=5, trainable_layers=2, "
        "norm_layer=FrozenBatchNorm2d; may be repeated",
    )
    group.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (%(default)s)")


def _add_mode(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is run")
    group.add_argument("--build", action="store_true", help="record how the model is built instead")
    group.add_argument("--train", action="store_true", help="training mode: losses from targets")
    group.add_argument("--targets", metavar="FILE", help="COCO-style JSON, for --train")
    group.add_argument("--backward", action="store_true", help="with --train: the gradients too")


def _add_recording(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is recorded")
    group.add_argument(
        "--grain",
        metavar="G",
        help="how fine: module, function, op or line, each with those before it (line)",
    )
    group.add_argument(
        "--keep",
        action="append",
        metavar="PATTERN",
        help="keep full tensors: results of matching calls ('backbone.fpn.*'), 'args:PATTERN', "
        "'within:PATTERN', all, none, or anatomy: what page, slides and figures draw from "
        "(anatomy; none with --build); may be repeated",
    )
    group.add_argument("--only", action="append", metavar="PATTERN", help="record matching calls")
    group.add_argument(
        "--packages",
        action="append",
        default=[],
        metavar="NAME",
        help="packages beside torchvision",
    )
    group.add_argument("--no-previews", action="store_true", help="leave the small pictures out")


def run(args: argparse.Namespace) -> int:
    """Record, save, and say where."""
    _check(args)
    inputs = [*args.images, *(each for each in (args.targets, args.weights) if each)]
    path = output(args.output, "recording", inputs, args.overwrite)
    record = partial(_construction if args.build else _pass, args)
    summary(recorded(record, path, args.overwrite), path)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse combinations that mean nothing."""
    if args.build and (args.images or args.train):
        raise InputError("--build records the construction: it takes no pictures and no --train")
    if not args.build and not args.images:
        raise InputError("name the pictures to run the model on (or --build)")
    if args.train != (args.targets is not None):
        raise InputError("--train and --targets FILE go together: losses need targets")
    if args.backward and not args.train:
        raise InputError("--backward needs --train: only losses have gradients")


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the model's keywords that a command line names."""
    options = dict(_assignment(text) for text in args.set)
    sizes = {"min_size": args.min_size, "max_size": args.max_size}
    return {**options, **{name: size for name, size in sizes.items() if size is not None}}


def _assignment(text: str) -> tuple[str, Any]:
    """Split ``name=value``; the value is a Python literal, or else a string."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise InputError(f"--set takes OPTION=VALUE, as in --set num_classes=5; found {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _recording_options(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "grain": args.grain or "line",
        "keep": _kept(args),
        "only": args.only,
        "packages": args.packages,
        "previews": not args.no_previews,
    }


def _kept(args: argparse.Namespace) -> bool | list[str]:
    """Return the patterns of what is kept: unless told otherwise, what every view draws from."""
    asked = args.keep or ["none" if args.build else "anatomy"]
    if "none" in asked and len(asked) > 1:
        raise InputError("--keep none keeps nothing: leave the other --keep out, or the none")
    return "all" in asked or ([] if asked == ["none"] else asked)


def _weights(args: argparse.Namespace) -> str | None:
    return None if args.weights in (None, "none", "random") else args.weights


def _construction(args: argparse.Namespace) -> Trace:
    import tracer
    from tracer.rcnn import models

    builder, keywords = models.recipe(args.model, _weights(args), **model_options(args))
    with progress(f"building {args.model}") as step:
        record = partial(tracer.trace, builder, progress=step, **_recording_options(args))
        return models.make(record, keywords, seed=args.seed)


def _pass(args: argparse.Namespace) -> Trace:
    import torch

    from tracer.rcnn import models
    from tracer.rcnn.classes import classes_of
    from tracer.rcnn.pictures import load_pictures
    from tracer.rcnn.targets import load_targets

    device = _device(args.device)
    pictures = load_pictures(args.images)
    model = models.build(args.model, _weights(args), seed=args.seed, **model_options(args))
    model.train(args.train).to(device)
    targets = None
    if args.targets:
        sizes = [(p.shape[1], p.shape[2]) for p in pictures]
        targets = load_targets(args.targets, args.images, sizes, classes_of(model))
        targets = [{name: t.to(device) for name, t in each.items()} for each in targets]
    if _weights(args) is None:
        say(f"random weights (seed {args.seed}): take --weights COCO_V1 for trained ones")
    torch.manual_seed(args.seed)
    return _record(args, model, [p.to(device) for p in pictures], targets)


def _record(
    args: argparse.Namespace,
    model: nn.Module,
    images: list[Tensor],
    targets: list[dict[str, Tensor]] | None,
) -> Trace:
    import torch

    import tracer

    options = _recording_options(args)
    with (
        progress("recording") as step,
        torch.set_grad_enabled(args.train),
        tracer.Recorder(model, progress=step, **options) as recorder,
    ):
        losses = model(images, targets)
        if args.backward:
            sum(losses.values()).backward()
    return recorder.trace


def _device(name: str) -> Any:
    """Return a torch device that this machine has."""
    import torch

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"device {name!r} cannot be used: {reason}") from error
    return device
