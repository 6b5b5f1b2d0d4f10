"""Look a detector, its pictures, targets and weights over, before they run or after they broke.

A model by name, with the pictures (and targets) that it is to work on:

  tracer doctor street.jpg --model fasterrcnn_resnet50_fpn_v2 --targets instances.json
  tracer doctor --model fasterrcnn_resnet18_fpn --set num_classes=1 --static

A checkpoint against a model, or a recording, also of a run that failed:

  tracer doctor weights.pth --model fasterrcnn_resnet50_fpn
  tracer doctor pass.safetensors --lang zh

It trains nothing. The exit code is 0 if nothing is wrong, 1 with errors, 2 if it cannot look.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.commands.common import add_lang
from tracer.commands.run import add_model, device_of, model_options, named_weights
from tracer.errors import InputError
from tracer.foreign import write_lines

if TYPE_CHECKING:
    from tracer.views.reports.findings import Findings

HELP = "find what is wrong with a model, its pictures, targets, weights, or a recording"

WEIGHTS = (".pth", ".pt", ".bin", ".ckpt")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="pictures; or one recording; or one checkpoint"
    )
    parser.add_argument("--targets", metavar="FILE", help="COCO-style JSON of the pictures")
    parser.add_argument("--static", action="store_true", help="no pass, only what can be seen")
    parser.add_argument(
        "--format", choices=("text", "markdown", "json"), default="text", help="(%(default)s)"
    )
    add_lang(parser)
    add_model(parser, default=None)


def run(args: argparse.Namespace) -> int:
    """Print what is found; the exit code says whether it runs."""
    _check(args)
    found = _found(args)
    write_lines(found.to(args.format, args.lang))
    return 0 if found.healthy else 1


def _check(args: argparse.Namespace) -> None:
    """Refuse what can be seen to be wrong before anything is read."""
    if not args.files and args.model is None:
        raise InputError("name a model (--model), pictures, a recording or a checkpoint")


def _found(args: argparse.Namespace) -> Findings:
    if len(args.files) == 1 and _is_recording(Path(args.files[0])):
        return _of_recording(args)
    return _of_model(args)


def _is_recording(path: Path) -> bool:
    """Whether a file is a recording of ours: safetensors whose metadata says so."""
    if path.suffix not in (".safetensors", ".json"):
        return False
    from safetensors import SafetensorError, safe_open

    if path.suffix == ".json":
        return path.name.endswith(".safetensors.index.json")
    try:
        with safe_open(path, "numpy") as file:
            return (file.metadata() or {}).get("format") == "rcnn-tracer"
    except (OSError, SafetensorError):
        return not path.exists()  # the loader says what is wrong with it


def _of_recording(args: argparse.Namespace) -> Findings:
    import tracer

    if args.targets or args.model or args.static:
        raise InputError("a recording is looked at as it is: leave the other options out")
    return tracer.doctor(tracer.load(args.files[0]))


def _of_model(args: argparse.Namespace) -> Findings:
    import tracer
    from tracer.rcnn import models

    weights = [f for f in args.files if Path(f).suffix in (*WEIGHTS, ".safetensors")]
    pictures = [f for f in args.files if f not in weights]
    if len(weights) > 1:
        raise InputError(f"one checkpoint at a time; found {', '.join(map(repr, weights))}")
    if args.targets and not pictures:
        raise InputError("--targets needs the pictures that they belong to")
    model = models.build(
        args.model or models.DEFAULT, named_weights(args), seed=args.seed, **model_options(args)
    )
    device = device_of(args.device)
    images, targets = _inputs(args, pictures, device)
    model.train(targets is not None).to(device)
    return tracer.doctor(
        model, images, targets, weights=weights[0] if weights else None, static=args.static
    )


def _inputs(args: argparse.Namespace, pictures: list[str], device: Any) -> tuple[Any, Any]:
    """Load pictures and targets as they are, so that what is wrong with them can be said."""
    if not pictures:
        return None, None
    from tracer.rcnn.pictures import load_pictures
    from tracer.rcnn.targets import load_targets

    images = [picture.to(device) for picture in load_pictures(pictures)]
    if not args.targets:
        return images, None
    sizes = [(p.shape[1], p.shape[2]) for p in images]
    targets = load_targets(args.targets, pictures, sizes, check=False)
    return images, [{name: t.to(device) for name, t in each.items()} for each in targets]
