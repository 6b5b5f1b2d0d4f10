"""Record passes over pictures and the building of their model, and make a lecture of them.

Nothing is downloaded: the pictures are two scenes of the demo's own, of two sizes, and the weights
are small ones that find the shapes in such scenes. What the scenes show is known, and so a pass in
training mode is recorded too. On a photograph, with a network:

  tracer demo --picture photo --weights COCO_V1

With --weights none they are random: shapes are as they always are, and detections mean nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tracer.commands.common import add_lang, progress, say
from tracer.commands.lecture import chosen, saved, write_lecture
from tracer.files import output_folder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tracer.recording import Recording

HELP = "make a lecture of a scene of its own: page, deck, handout, figures, and an index"

MODEL = "fasterrcnn_resnet50_fpn"


@dataclass(frozen=True)
class Subject:
    """What the demo runs.

    Attributes:
        images: float32 [3, H, W] each, in 0–1.
        picture: what they show, in words.
        weights: as `tracer.rcnn.models.build` takes them.
        targets: what is on each image, as torchvision's detectors take it; None where unknown.
    """

    images: list[Tensor]
    picture: str
    weights: str | None
    targets: list[dict[str, Tensor]] | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", default="demo", help="folder to write (%(default)s)"
    )
    parser.add_argument(
        "--picture",
        metavar="P",
        help="scene (two of the demo's own), photo (a photograph that matplotlib ships), or a file",
    )
    parser.add_argument(
        "--weights", metavar="W", help="demo, COCO_V1 (downloaded), a checkpoint file, or none"
    )
    parser.add_argument("--min-size", type=int, metavar="PX", help="shorter side after resizing")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random weights (0)")
    add_lang(parser, "both", default="both")


def run(args: argparse.Namespace) -> int:
    """Record them, and write everything that is made of them."""
    from tracer.rcnn import models

    folder = output_folder(args.output)
    subject = _subject(args)
    say(f"{subject.picture}, {_weights_in_words(subject.weights, args.seed)}")
    model = models.build(MODEL, subject.weights, seed=args.seed, **_sizes(args)).eval()
    building = saved(partial(_construction, args), folder / "construction.safetensors")
    passing = saved(partial(_pass, model, subject), folder / "pass.safetensors")
    training = None
    if subject.targets is not None:
        learn = partial(_pass, model.train(), subject)
        training = saved(learn, folder / "training.safetensors")
    write_lecture(folder, passing, building, chosen(args.lang), training)
    return 0


def _subject(args: argparse.Namespace) -> Subject:
    from tracer.rcnn.demo.scenes import demo_scenes
    from tracer.rcnn.demo.weights import packaged_weights
    from tracer.rcnn.pictures import load_picture, sample_photo

    ours = packaged_weights().is_file()
    weights = args.weights or ("demo" if ours else None)
    weights = None if weights in ("none", "random") else weights
    picture = args.picture or ("scene" if ours else "photo")
    if picture == "scene":
        scenes = demo_scenes()
        images, targets = [s.tensor() for s in scenes], [s.target() for s in scenes]
        return Subject(images, "the demo's scenes", weights, targets)
    if picture == "photo":
        return Subject([load_picture(sample_photo())], "matplotlib's sample photograph", weights)
    return Subject([load_picture(picture)], picture, weights)


def _weights_in_words(weights: str | None, seed: int) -> str:
    if weights is None:
        return f"random weights (seed {seed}): shapes are real, detections mean nothing"
    return "the demo's own weights, for its scenes" if weights == "demo" else f"weights {weights}"


def _sizes(args: argparse.Namespace) -> dict[str, Any]:
    return {} if args.min_size is None else {"min_size": args.min_size}


def _construction(args: argparse.Namespace) -> Recording:
    import tracer
    from tracer.rcnn import models

    builder, keywords = models.recipe(MODEL, **_sizes(args))
    with progress("building") as step:
        record = partial(tracer.trace, builder, grain="line", progress=step)
        return models.make(record, keywords, seed=args.seed)


def _pass(model: nn.Module, subject: Subject) -> Recording:
    import torch

    import tracer

    with progress("recording") as step, torch.no_grad():
        torch.manual_seed(0)  # of the samples that training draws
        given = (subject.images,) if subject.targets is None else (subject.images, subject.targets)
        keep = ["anatomy"] if model.training else ["anatomy", "backbone.fpn.layer_blocks.0"]
        return tracer.trace(model, *given, grain="line", keep=keep, progress=step)
