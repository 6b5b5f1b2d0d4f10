"""Training targets from files, as the tensors that torchvision's detectors take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracer.errors import InputError
from tracer.rcnn import coco, inspection
from tracer.rcnn.fields import listed, member, number, whole
from tracer.rcnn.pictures import siblings

if TYPE_CHECKING:
    from torch import Tensor

Targets = list[dict[str, "Tensor"]]


def load_targets(
    path: str | Path,
    names: Sequence[str | Path],
    sizes: Sequence[tuple[int, int]],
    classes: int | None = None,
    check: bool = True,
) -> Targets:
    """Load the training targets of some pictures.

    Args:
        path: a JSON file, either COCO-style (``images``, ``annotations``, boxes as ``x, y, width,
            height``; see `coco.Annotations.of`) or a list of ``{"boxes": [[x1, y1, x2, y2], …],
            "labels": […]}``, one per picture in their order. Crowd annotations are left out.
        names: the pictures' paths.
        sizes: the pictures' (height, width) in pixels.
        classes: how many classes the model tells apart, background included, if known.
        check: whether boxes and labels are refused that torchvision would refuse, or run with in
            silence.

    Returns:
        One dict per picture: ``boxes`` float32 [N, 4] as x1, y1, x2, y2 in pixels of the picture
        as loaded, ``labels`` int64 [N]; where every annotation has them, also ``masks`` uint8
        [N, H, W] and ``keypoints`` float32 [N, K, 3].

    Raises:
        InputError: the file cannot be read, or does not match the pictures; names the annotation
            and the field.
    """
    return [_tensors(entry) for entry in read_targets(path, names, sizes, classes, check)]


def read_targets(
    path: str | Path,
    names: Sequence[str | Path] | None,
    sizes: Sequence[tuple[int, int]],
    classes: int | None = None,
    check: bool = True,
) -> list[dict[str, Any]]:
    """Read targets as `load_targets` does, and return plain lists and arrays.

    Args:
        path: as there.
        names: the pictures' paths; None where they are not known: then the file must be of as many
            pictures, in their order.
        sizes: as there.
        classes: as there.
        check: as there.

    Raises:
        InputError: as there; or the pictures' names are needed.
    """
    content = read_json(Path(path))
    try:
        if isinstance(content, list):
            names = [f"image {i}" for i in range(len(sizes))] if names is None else names
            entries = _from_list(content, names)
        else:
            annotations = coco.read(content)
            names = _in_order(annotations, len(sizes)) if names is None else names
            entries = [annotations.of(*item) for item in zip(names, sizes, strict=True)]
        for entry, name, size in zip(entries if check else (), names, sizes, strict=check):
            _check(entry, Path(name).name, size, classes)
        return entries
    except InputError as error:
        raise InputError(f"targets {str(path)!r}: {error}") from None


def _in_order(annotations: coco.Annotations, count: int) -> list[str]:
    """The file's own names, if it is of as many pictures."""
    found = [str(image["file_name"]) for image in annotations.images]
    if len(found) != count:
        raise InputError(
            f"it has {len(found)} images, and the recording does not say what its {count} are "
            "called: give a file of these alone, or record with tracer run, which writes them down"
        )
    return found


def read_json(path: Path) -> Any:
    """Read JSON in UTF-8, 16 or 32, with a byte-order mark or without.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no targets file {str(path)!r}{siblings(path)}") from None
    except OSError as error:
        raise InputError(f"targets {str(path)!r} cannot be read: {error.strerror}") from error
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = error if content.strip() else "the file is empty"
        raise InputError(f"targets {str(path)!r} are not JSON: {reason}") from error


def _from_list(content: list[Any], names: Sequence[str | Path]) -> list[dict[str, Any]]:
    if content and isinstance(content[0], Mapping) and {"image_id", "score"} <= content[0].keys():
        raise InputError("this is a list of detections (COCO's results), where targets are needed")
    if len(content) != len(names):
        raise InputError(f"a list of {len(content)} targets does not match {len(names)} pictures")
    return [_listed(each, f"item {at}") for at, each in enumerate(content)]


def _listed(target: Any, where: str) -> dict[str, Any]:
    """Return one picture's boxes and labels of a plain list."""
    boxes = listed(member(target, "boxes", where), f"boxes of {where}")
    labels = listed(member(target, "labels", where), f"labels of {where}")
    if len(boxes) != len(labels):
        raise InputError(f"{where} has {len(boxes)} boxes and {len(labels)} labels")
    places = [f"box {at} of {where}" for at in range(len(boxes))]
    corners = [
        [
            number(v, f"a number of {place}")
            for v in listed(box, place, 4, " numbers x1, y1, x2, y2")
        ]
        for box, place in zip(boxes, places, strict=True)
    ]
    found = [whole(label, f"label {at} of {where}") for at, label in enumerate(labels)]
    return {"boxes": corners, "labels": found, "places": places, "given": "corners"}


def _tensors(entry: Mapping[str, Any]) -> dict[str, Tensor]:
    import torch

    boxes = torch.tensor(entry["boxes"], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor(entry["labels"], dtype=torch.int64).reshape(-1)
    dtypes = {"masks": torch.uint8, "keypoints": torch.float32}
    extra = {k: torch.as_tensor(np.array(entry[k]), dtype=dtypes[k]) for k in dtypes if k in entry}
    return {"boxes": boxes, "labels": labels, **extra}


def _check(entry: Mapping[str, Any], name: str, size: tuple[int, int], classes: int | None) -> None:
    """Refuse what torchvision would refuse in the middle of the pass, or run with in silence."""
    places = [f"{place} of {name!r}" for place in entry["places"]]
    boxes = np.array(entry["boxes"], np.float64).reshape(-1, 4)
    found = (
        *inspection.of_boxes(boxes, size, places, entry["given"]),
        *inspection.of_labels(np.array(entry["labels"], np.int64), classes, places),
    )
    if found:
        raise InputError(found[0].sentence())
