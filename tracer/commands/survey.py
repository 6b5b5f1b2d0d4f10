"""Survey a whole data set: anchors, the funnel, where objects are lost, activations.

Pictures with COCO-style targets, by a model with its weights:

  tracer survey --coco instances.json --images photos --weights COCO_V1 -o survey

Objects against anchors alone, without a pass, before anything is trained:

  tracer survey --coco instances.json --images photos --static -o survey

Pictures without targets (the funnel and activations are there); a survey that was interrupted:

  tracer survey photos/*.jpg --weights COCO_V1 -o survey
  tracer survey photos/*.jpg --weights COCO_V1 -o survey --resume

On several processes, or on a Dask cluster that is running:

  tracer survey --coco instances.json --weights COCO_V1 -o survey --workers 4
  tracer survey --coco instances.json --weights COCO_V1 -o survey --scheduler tcp://host:8786

The folder gets a page, tables as Markdown and CSV, figures, and survey.safetensors with all of it.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tracer.commands.common import add_lang, say, size_of, surveying
from tracer.commands.run import add_model, device_of, model_options, named_weights
from tracer.errors import InputError
from tracer.files import output_folder
from tracer.foreign import write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from tracer.surveys.data import Survey
    from tracer.surveys.pictures import Files, Pictures

HELP = "survey a data set: anchors, funnel, lost objects, activations; on one machine or many"

FILE = "survey.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="pictures")
    parser.add_argument("--coco", metavar="FILE", help="COCO-style JSON: its pictures and targets")
    parser.add_argument(
        "--images", dest="folder", metavar="DIR", help="where they are (beside that file)"
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", default="survey", help="folder to write (%(default)s)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")
    parser.add_argument("--static", action="store_true", help="no pass: anchors and objects only")
    parser.add_argument("--resume", action="store_true", help="go on from what is in the folder")
    parser.add_argument(
        "--odd", type=int, default=3, metavar="N", help="record so many odd pictures (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="local processes")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster that is running")
    parser.add_argument("--threads", type=int, metavar="N", help="that compute, in each process")
    add_lang(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Survey, and write what was found."""
    from tracer.views.survey.folder import write_survey

    pictures = _pictures(args)
    folder = output_folder(args.output)
    model = _model(args)
    found = _survey(args, model, pictures, folder / FILE)
    links = {} if args.static else _recordings(args, model, found, pictures, folder)
    for path in write_survey(found, folder, args.lang, links):
        write_lines(f"{path}: {size_of(path)}")
    write_lines(str(found).strip("<>"))
    done = len(found.numbers)
    if done < found.total:
        say(f"interrupted: {done:,} of {found.total:,} pictures are in it; go on with --resume")
        return 130
    if not len(found):
        raise InputError(f"none of the {found.total:,} pictures could be used: {_first(found)}")
    return 0


def _first(found: Survey) -> str:
    problem = found.left_out[0]
    return f"{problem.name!r}: {problem.text}"


def _pictures(args: argparse.Namespace) -> Files:
    from dataclasses import replace

    from tracer.surveys.pictures import annotated, picture_files

    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit is a number of pictures from 1; found {args.limit}")
    if args.coco:
        found = annotated(args.coco, args.folder, args.images)
    elif args.folder:
        raise InputError("--images DIR says where the pictures of --coco FILE are: name that file")
    else:
        found = picture_files(args.images)
    if args.limit is None:
        return found
    return replace(found, paths=found.paths[: args.limit], places=found.places[: args.limit])


def _model(args: argparse.Namespace) -> nn.Module:
    import torch

    from tracer.rcnn import models

    if args.threads:
        torch.set_num_threads(args.threads)
    device = device_of(args.device)
    model = models.build(args.model, named_weights(args), seed=args.seed, **model_options(args))
    if named_weights(args) is None and not args.static:
        say(f"random weights (seed {args.seed}): take --weights COCO_V1 for trained ones")
    return model.eval().to(device)


def _survey(args: argparse.Namespace, model: nn.Module, pictures: Pictures, path: Path) -> Survey:
    import tracer

    with surveying() as step:
        return tracer.survey(
            model,
            pictures,
            static=args.static,
            path=path,
            resume=args.resume,
            workers=args.workers,
            scheduler=args.scheduler,
            progress=step,
        )


def _recordings(
    args: argparse.Namespace, model: nn.Module, found: Survey, pictures: Pictures, folder: Path
) -> dict[int, str]:
    """Record odd pictures, and return where the page of each is, by its number."""
    from tracer.surveys.odd import names_of, record_odd

    links = {}
    for number, recording in record_odd(model, pictures, found, args.odd):
        file, page = names_of(folder, number)
        recording.save(file)
        recording.page(lang=args.lang).save(page)
        links[number] = page.name
    return links
