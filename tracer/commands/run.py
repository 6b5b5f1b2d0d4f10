"""Record a pass over pictures, or the building of a model, into a file.

The file is what every other command reads:

  tracer run street.jpg -o street.safetensors --weights COCO_V1
  tracer show street.safetensors --as table

It holds every source line, and the tensors that page, slides and figures draw from. Less is
recorded faster, into a smaller file: --grain op leaves the lines out, --keep none the tensors.

With --targets an eval pass carries them along, unused, for `tracer why` to compare with:

  tracer run street.jpg --targets instances.json -o street.safetensors

Training, with COCO-style targets and the gradients of a backward pass:

  tracer run street.jpg --train --targets instances.json --backward -o training.safetensors

Something changed on purpose, to see what follows; the model itself stays as it is:

  tracer run street.jpg -o other.safetensors --change rpn.nms_thresh=0.5
  tracer run street.jpg -o other.safetensors --change 'backbone.fpn[pool]=zero'

The construction instead of a pass:

  tracer run --build -o construction.safetensors --set trainable_layers=2
"""

from __future__ import annotations

import argparse
import ast
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.commands.common import Progress, add_overwrite, progress, recorded, say, summary
from tracer.errors import InputError
from tracer.files import output

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tracer.recording import Recording

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
    add_model(parser)
    _add_mode(parser)
    _add_recording(parser)


def add_model(
    parser: argparse.ArgumentParser,
    default: str | None = "fasterrcnn_resnet50_fpn",
    weights: str | None = None,
) -> None:
    """Declare the options by which a model is named and built, with the defaults of these two."""
    group = parser.add_argument_group("the model")
    group.add_argument(
        "--model",
        default=default,
        metavar="NAME",
        help="one of torchvision's detectors, or fasterrcnn_<resnet>_fpn (fasterrcnn_resnet50_fpn)",
    )
    group.add_argument(
        "--weights",
        metavar="W",
        default=weights,
        help="COCO_V1 (downloaded by torchvision), a checkpoint file, demo, or none: random "
        f"({weights or 'none'})",
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
    group.add_argument(
        "--targets", metavar="FILE", help="COCO-style JSON: for --train, or for tracer why"
    )
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
    group.add_argument(
        "--change",
        action="append",
        default=[],
        metavar="PLACE=VALUE",
        help="a setting of the model by its path, or a module's result ('backbone.fpn[pool]', "
        "'rpn.head.conv#2'): zero, constant:X, noise:SEED, channel:N, without:N, or patch:FILE, "
        "what another recording kept there; may be repeated",
    )
    group.add_argument(
        "--fingerprints",
        action="store_true",
        help="64 bits of every tensor and parameter: tracer diff then compares bit for bit",
    )
    group.add_argument("--no-previews", action="store_true", help="leave the small pictures out")


def run(args: argparse.Namespace) -> int:
    """Record, save, and say where."""
    check(args)
    inputs = [*args.images, *(each for each in (args.targets, args.weights) if each)]
    path = output(args.output, "recording", inputs, args.overwrite)
    record = partial(construction if args.build else one_pass, args)
    summary(recorded(record, path, args.overwrite), path)
    return 0


def usual(args: argparse.Namespace, build: bool = False) -> argparse.Namespace:
    """Return the options of a command that records in the usual way, as `tracer run` has them."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = ["--build"] if build else ["--", *args.images]
    return parser.parse_args(words, argparse.Namespace(**vars(args)))


def check(args: argparse.Namespace) -> None:
    """Refuse combinations that mean nothing."""
    if args.build and (args.images or args.train):
        raise InputError("--build records the construction: it takes no pictures and no --train")
    if not args.build and not args.images:
        raise InputError("name the pictures to run the model on (or --build)")
    if args.train and args.targets is None:
        raise InputError("--train needs --targets FILE: losses need targets")
    if args.build and args.change:
        raise InputError("--change changes a pass; a construction takes --set")
    if args.backward and not args.train:
        raise InputError("--backward needs --train: only losses have gradients")


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the model's keywords that a command line names."""
    options = dict(_assignment(text) for text in args.set)
    sizes = {"min_size": args.min_size, "max_size": args.max_size}
    return {**options, **{name: size for name, size in sizes.items() if size is not None}}


def _assignment(text: str) -> tuple[str, Any]:
    """Split ``name=value``."""
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise InputError(f"--set takes OPTION=VALUE, as in --set num_classes=5; found {text!r}")
    return name, _literal(value)


def _literal(value: str) -> Any:
    """Return a Python literal's value, or else the text."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


def _change(text: str) -> tuple[str, Any]:
    """Split ``place=value``; a patch is the recording in that file."""
    import tracer

    place, equals, value = text.partition("=")
    if not (equals and place):
        raise InputError(
            f"--change takes PLACE=VALUE, as in --change rpn.nms_thresh=0.5; found {text!r}"
        )
    kind, _, file = value.partition(":")
    return place, tracer.load(file) if kind == "patch" else _literal(value)


def _recording_options(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "grain": args.grain or "line",
        "keep": _kept(args),
        "only": args.only,
        "packages": args.packages,
        "previews": not args.no_previews,
        "fingerprints": args.fingerprints,
    }


def _kept(args: argparse.Namespace) -> bool | list[str]:
    """Return the patterns of what is kept: unless told otherwise, what every view draws from."""
    asked = args.keep or ["none" if args.build else "anatomy"]
    if "none" in asked and len(asked) > 1:
        raise InputError("--keep none keeps nothing: leave the other --keep out, or the none")
    return "all" in asked or ([] if asked == ["none"] else asked)


def named_weights(args: argparse.Namespace) -> str | None:
    """Return the weights that a command line names; None for random ones."""
    return None if args.weights in (None, "none", "random") else args.weights


def construction(args: argparse.Namespace, told: Progress | None = None) -> Recording:
    """Record how the model is built.

    Args:
        args: the options of `tracer run`.
        told: is told of each call, instead of a display on stderr.
    """
    import tracer
    from tracer.rcnn import models

    builder, keywords = models.recipe(args.model, named_weights(args), **model_options(args))
    with progress(f"building {args.model}", told) as step:
        record = partial(tracer.trace, builder, progress=step, **_recording_options(args))
        return models.make(record, keywords, seed=args.seed)


def one_pass(
    args: argparse.Namespace,
    told: Progress | None = None,
    pictures: list[Tensor] | None = None,
) -> Recording:
    """Record a pass over the pictures.

    Args:
        args: the options of `tracer run`.
        told: see `construction`.
        pictures: what the files hold, where they have been read already.
    """
    import torch

    from tracer.rcnn import models
    from tracer.rcnn.classes import classes_of
    from tracer.rcnn.pictures import load_pictures
    from tracer.rcnn.targets import load_targets

    device = device_of(args.device)
    pictures = load_pictures(args.images) if pictures is None else pictures
    model = models.build(args.model, named_weights(args), seed=args.seed, **model_options(args))
    model.train(args.train).to(device)
    targets = None
    if args.targets:
        sizes = [(p.shape[1], p.shape[2]) for p in pictures]
        targets = load_targets(args.targets, args.images, sizes, classes_of(model))
        targets = [{name: t.to(device) for name, t in each.items()} for each in targets]
    if named_weights(args) is None:
        say(f"random weights (seed {args.seed}): take --weights COCO_V1 for trained ones")
    torch.manual_seed(args.seed)
    return _record(args, model, [p.to(device) for p in pictures], targets, told)


def _record(
    args: argparse.Namespace,
    model: nn.Module,
    images: list[Tensor],
    targets: list[dict[str, Tensor]] | None,
    told: Progress | None,
) -> Recording:
    import torch

    import tracer

    options = {**_recording_options(args), "change": dict(map(_change, args.change))}
    with (
        progress("recording", told) as step,
        torch.set_grad_enabled(args.train),
        tracer.Recorder(model, progress=step, **options) as recorder,
    ):
        losses = model(images, targets)
        if args.backward:
            sum(losses.values()).backward()
    return replace(recorder.trace, environment=_environment(recorder.trace, args.images))


def _environment(trace: Recording, pictures: list[str]) -> dict[str, str]:
    """What the recording says of itself, with the pictures' names: targets are found by them."""
    names = [Path(picture).name for picture in pictures]
    told = names if len(set(names)) == len(names) else pictures
    return {**trace.environment, "pictures": json.dumps(told, ensure_ascii=False)}


def device_of(name: str) -> Any:
    """Return a torch device that this machine has."""
    import torch

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"device {name!r} cannot be used: {reason}") from error
    return device
