"""Record a pass over a picture and the building of its model, and write every report of both.

Nothing is downloaded: the picture is the demo's own scene, and the weights are small ones that find
the shapes in such scenes. On a photograph, with a network:

  tracer demo --picture photo --weights COCO_V1

With --weights none they are random: shapes are as they always are, and detections mean nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.commands.common import progress, recorded, say, summary
from tracer.files import output_folder, put
from tracer.foreign import write_lines
from tracer.languages import languages

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tracer.record import Trace
    from tracer.views.reports.report import Table

HELP = "record a pass and a construction, and write every report of them into a folder"

MODEL = "fasterrcnn_resnet50_fpn"


@dataclass(frozen=True)
class Subject:
    """What the demo runs.

    Attributes:
        image: float32 [3, H, W] in 0–1.
        picture: what it shows, in words.
        weights: as `tracer.rcnn.models.build` takes them.
    """

    image: Tensor
    picture: str
    weights: str | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", default="demo", help="folder to write (%(default)s)"
    )
    parser.add_argument(
        "--picture",
        metavar="P",
        help="scene (the demo's own), photo (a photograph that matplotlib ships), or a file",
    )
    parser.add_argument(
        "--weights", metavar="W", help="demo, COCO_V1 (downloaded), a checkpoint file, or none"
    )
    parser.add_argument("--min-size", type=int, metavar="PX", help="shorter side after resizing")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of random weights (0)")
    parser.add_argument(
        "--lang", choices=languages(), default="en", help="language of the reports (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Record both, write everything, and list what was written."""
    from tracer.rcnn import models

    folder = output_folder(args.output)
    subject = _subject(args)
    say(f"{subject.picture}, {_weights_in_words(subject.weights, args.seed)}")
    model = models.build(MODEL, subject.weights, seed=args.seed, **_sizes(args)).eval()
    construction, passing = folder / "construction.safetensors", folder / "pass.safetensors"
    building = recorded(partial(_construction, args), construction)
    summary(building, construction)
    _write(building, folder / "construction", args.lang)
    running = recorded(partial(_pass, model, subject.image), passing)
    summary(running, passing)
    _write(running, folder / "pass", args.lang)
    _explain(building, folder / "construction-commentary.md", args.lang)
    _explain(running, folder / "pass-commentary.md", args.lang)
    code = _draw(passing, folder / "figures", args.lang)
    write_lines(
        f"open {folder / 'pass.html'} in a browser; {folder / 'figures' / 'index.html'} too"
    )
    return code


def _explain(trace: Trace, path: Path, lang: str) -> None:
    """Write what `tracer explain` prints."""
    from tracer.rcnn.narration import explain

    put(path, explain(trace, lang=lang) + "\n", "text")
    write_lines(f"{path}: what happens and why, with these numbers")


def _draw(passing: Path, folder: Path, lang: str) -> int:
    """Draw what `tracer figures` draws."""
    from tracer.commands import figures

    parser = argparse.ArgumentParser()
    figures.add_arguments(parser)
    return figures.run(parser.parse_args([str(passing), "-o", str(folder), "--lang", lang]))


def _subject(args: argparse.Namespace) -> Subject:
    from tracer.rcnn.demo.scenes import default_scene
    from tracer.rcnn.demo.weights import packaged_weights
    from tracer.rcnn.pictures import load_picture, sample_photo

    ours = packaged_weights().is_file()
    weights = args.weights or ("demo" if ours else None)
    weights = None if weights in ("none", "random") else weights
    picture = args.picture or ("scene" if ours else "photo")
    if picture == "scene":
        return Subject(default_scene().tensor(), "the demo's scene", weights)
    if picture == "photo":
        return Subject(load_picture(sample_photo()), "matplotlib's sample photograph", weights)
    return Subject(load_picture(picture), picture, weights)


def _weights_in_words(weights: str | None, seed: int) -> str:
    if weights is None:
        return f"random weights (seed {seed}): shapes are real, detections mean nothing"
    return "the demo's own weights, for its scenes" if weights == "demo" else f"weights {weights}"


def _sizes(args: argparse.Namespace) -> dict[str, Any]:
    return {} if args.min_size is None else {"min_size": args.min_size}


def _construction(args: argparse.Namespace) -> Trace:
    import tracer
    from tracer.rcnn import models

    builder, keywords = models.recipe(MODEL, **_sizes(args))
    with progress("building") as step:
        record = partial(tracer.trace, builder, grain="line", progress=step)
        return models.make(record, keywords, seed=args.seed)


def _pass(model: nn.Module, image: Tensor) -> Trace:
    import torch

    import tracer

    with progress("recording") as step, torch.no_grad():
        return tracer.trace(model, [image], grain="line", keep="anatomy", progress=step)


@dataclass(frozen=True)
class Report:
    """One report of the demo.

    Attributes:
        name: of its files, after the recording's.
        says: what it is, in a few words.
        files: what is in them, by suffix.
    """

    name: str
    says: str
    files: Mapping[str, str]


def _reports(trace: Trace, lang: str) -> Iterator[Report]:
    from tracer.views.reports.architecture import architecture
    from tracer.views.reports.board import stages
    from tracer.views.reports.contract import to_json
    from tracer.views.reports.table import table
    from tracer.views.reports.tree import tree

    shapes = architecture(trace, annotated=True, fold=True, lang=lang)
    yield _report("stages", "the lines that go on the board", stages(trace, lang=lang), "csv")
    yield _report("table", "one line per call, and totals", table(trace, lang=lang), "csv")
    yield _report("tree", "which call made which", tree(trace, lang=lang))
    yield _report("architecture", "what print(model) prints", architecture(trace, lang=lang))
    yield _report("annotated", "the same with live shapes", shapes)
    yield Report("calls", "every call as data for other programs", {"json": to_json(trace)})


def _report(name: str, says: str, table: Table, *more: str) -> Report:
    formats = {"txt": "text", "html": "html", **{suffix: suffix for suffix in more}}
    return Report(name, says, {suffix: table.to(form) for suffix, form in formats.items()})


def _write(trace: Trace, stem: Path, lang: str) -> None:
    """Write every report of a recording, and print a line for each."""
    from tracer.views.page import write_page

    for report in _reports(trace, lang):
        for suffix, text in report.files.items():
            path = stem.with_name(f"{stem.name}-{report.name}.{suffix}")
            put(path, text + "\n", "html" if suffix == "html" else "text")
        suffixes = ", ".join(f".{suffix}" for suffix in report.files)
        write_lines(f"{stem}-{report.name} ({suffixes}): {report.says}")
    page = stem.with_suffix(".html")
    write_page(trace, page, lang=lang)
    write_lines(f"{page}: all of it on one page, to step through in a browser")
