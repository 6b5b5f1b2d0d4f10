"""A survey in this process: from a model and pictures to what is saved as it goes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from tracer.errors import InputError, option
from tracer.rcnn.classes import classes_of
from tracer.rcnn.models import evaluating
from tracer.surveys.cluster import on_cluster
from tracer.surveys.data import Subject, Survey, combined
from tracer.surveys.gather import here
from tracer.surveys.parts import Parts, parts_of, subject_of
from tracer.surveys.pictures import Pictures, pictures_of
from tracer.surveys.saving import Progress, Saving
from tracer.surveys.store import load_survey


def survey(
    model: nn.Module,
    dataset: Any,
    *,
    names: Sequence[str] | None = None,
    static: bool = False,
    share: tuple[int, int] = (0, 1),
    path: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 0,
    scheduler: str | None = None,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Survey a data set: anchors against objects, the funnel, where objects are lost, activations.

    Each picture is run by itself, in eval mode and without gradients; the model is left as it was.
    A picture that cannot be read, or makes the model raise, is named in `Survey.problems`, and the
    rest goes on. Ctrl-C ends it early: what there is is returned, and saved if there is a `path`.

    >>> found = tracer.survey(model, dataset, path="survey.safetensors")

    Args:
        model: one of torchvision's detectors, or a module with one in it; of any other module the
            activations alone are surveyed, and it is called with a batch of one picture.
        dataset: one of torch's with a length, of pictures or of pairs (picture, target); or paths
            of pictures. A picture is a tensor [3, H, W], 0–1, or one of Pillow's; a target is a
            dict with ``boxes`` [N, 4] as x1, y1, x2, y2 in pixels and ``labels`` [N], if wanted
            ``iscrowd`` and ``area``, or a list of COCO's annotations.
        names: what the pictures are called; by number, if not given.
        static: no pass: objects against anchors only.
        share: ``(k, n)``: every n-th picture from number k on, so that n processes take all of them
            between them; add their surveys up.
        path: a file that what there is is saved to, now and then and in the end.
        resume: go on from that file: pictures that it has are not looked at again.
        overwrite: also replace a file of another kind.
        workers: so many local processes, by Dask.
        scheduler: address of a Dask scheduler that is running.
        classes: what the model's classes are called, by label, the background first.
        progress: called after each picture, see `Progress`.

    Raises:
        InputError: no pictures, a share that is none, a file that is of another survey, a static
            survey of what is no detector; a scheduler that is not there or does not fit.
    """
    pictures = pictures_of(dataset, names)
    first, step = share
    if not 0 <= first < step:
        raise InputError(f"share=(k, n) is the k-th of n shares, from 0; found {share}")
    parts = parts_of(model)
    if static and parts.detector is None:
        raise InputError(
            f"{type(model).__name__} is no detector of torchvision's: a static survey holds "
            "objects against its anchors, of which there are none"
        )
    with evaluating(model):
        subject = subject_of(parts, _classes(parts, classes), static)
        before = _before(path, resume, subject, pictures)
        done = frozenset() if before is None else before.numbers
        numbers = [n for n in range(first, len(pictures), step) if n not in done]
        keep = Saving(path, before, overwrite)
        if workers or scheduler:
            return on_cluster(model, pictures, subject, numbers, workers, scheduler, keep, progress)
        return here(parts, subject, pictures, numbers, keep, progress)


def _classes(parts: Parts, given: Sequence[str] | None) -> tuple[str, ...]:
    """What the classes are called: as given, else as the model says."""
    names = tuple(given or getattr(parts.model, "classes", None) or ())
    count = classes_of(parts.detector) if parts.detector is not None else None
    if given and count not in (None, len(names)):
        raise InputError(f"classes= has {len(names)} names, the model {count} classes")
    return names if count in (None, len(names)) else ()


def _before(
    path: str | os.PathLike[str] | None, resume: bool, subject: Subject, pictures: Pictures
) -> Survey | None:
    """What an earlier run left, having seen that it is of the same model and pictures."""
    if not resume or path is None or not Path(path).exists():
        return None
    found = load_survey(path)
    combined([found, replace(found, names=(), subject=subject, **_nothing(found))])
    for number, name in zip(found.pictures["number"].tolist(), found.names, strict=True):
        if not (number < len(pictures) and pictures.name(number) == name):
            raise InputError(
                f"{os.fspath(path)!r} is a survey of other pictures: its picture {number} is "
                f"{name!r}; name another folder, or leave {option(resume=True)} out"
            )
    return found


def _nothing(found: Survey) -> dict[str, Any]:
    """What a survey of no picture has."""
    tables = {
        name: {key: values[:0] for key, values in getattr(found, name).items()}
        for name in ("pictures", "objects", "detections")
    }
    return {**tables, "peaks": found.peaks[:0], "problems": ()}
