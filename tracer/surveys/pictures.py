"""The pictures of a data set, one at a time: from files, or from any of torch's data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image
from torch import Tensor

from tracer.errors import InputError, near
from tracer.rcnn import coco, inspection
from tracer.rcnn.pictures import is_turned, load_picture, picture_tensor
from tracer.rcnn.targets import read_json


class Unusable(InputError):
    """A picture that cannot be surveyed.

    Attributes:
        kind: one of `data.PROBLEMS`.
    """

    def __init__(self, kind: str, text: str) -> None:
        """Say why."""
        self.kind = kind
        super().__init__(text)


@dataclass(frozen=True, eq=False)
class Item:
    """A picture, and what is known to be in it.

    Attributes:
        image: float32 [3, H, W], 0–1; None where only its size was asked for.
        size: height and width in pixels.
        boxes: float32 [M, 4] as x1, y1, x2, y2 in pixels; None without targets.
        labels: int64 [M].
        crowd: bool [M], regions of many.
        area: float64 [M], in square pixels.
        remarks: what is odd about its targets.
    """

    image: Tensor | None
    size: tuple[int, int]
    boxes: np.ndarray | None = None
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    crowd: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    area: np.ndarray = field(default_factory=lambda: np.zeros(0))
    remarks: tuple[str, ...] = ()


class Pictures(Protocol):
    """Pictures by their numbers, from 0."""

    def __len__(self) -> int:
        """How many there are."""

    def name(self, number: int) -> str:
        """Return what a picture is called."""

    def item(self, number: int, pixels: bool = True) -> Item:
        """Return a picture; without `pixels` at least its size.

        Raises:
            Unusable: it cannot be surveyed; says why.
        """


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Files:
    """Pictures from files, with targets of a COCO-style file or without.

    Attributes:
        paths: of the pictures.
        annotations: the targets.
        places: of each picture its place in the annotations' images.
        root: the folder that paths begin in.
    """

    paths: tuple[Path, ...]
    annotations: coco.Annotations | None = None
    places: tuple[int, ...] = ()
    root: Path = field(default_factory=Path.cwd)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)

    def name(self, number: int) -> str:
        """Return a picture's path; of annotated ones the name that they have there."""
        if self.annotations is None:
            return str(self.paths[number])
        return str(self.annotations.images[self.places[number]]["file_name"])

    def item(self, number: int, pixels: bool = True) -> Item:
        """Return a picture, as `load_picture` loads it.

        Raises:
            Unusable: it cannot be read, or what is annotated in it does not fit it.
        """
        path = self.root / self.paths[number]
        image, size = _loaded(path, pixels)
        if self.annotations is None:
            return Item(image, size)
        try:
            found = self.annotations.regions(self.places[number], path, size)
        except InputError as error:
            kind = "size" if isinstance(error, coco.SizeError) else "targets"
            raise Unusable(kind, str(error)) from None
        return with_boxes(image, size, found)


def _loaded(path: Path, pixels: bool) -> tuple[Tensor | None, tuple[int, int]]:
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise Unusable("empty", f"the picture {str(path)!r} is empty: it has no byte")
        if pixels:
            image = load_picture(path)
            return image, (int(image.shape[1]), int(image.shape[2]))
        with Image.open(path) as opened:
            width, height = opened.size
            return None, ((width, height) if is_turned(opened) else (height, width))
    except Unusable:
        raise
    except InputError as error:
        raise Unusable("unreadable", str(error)) from None
    except Exception as error:  # Pillow's decoders raise what they like
        raise Unusable("unreadable", f"the picture {str(path)!r} cannot be read: {error}") from None


def with_boxes(image: Tensor | None, size: tuple[int, int], found: Mapping[str, Any]) -> Item:
    """Return a picture with its objects; those without an area are left out, and said."""
    boxes = np.asarray(found["boxes"], np.float64).reshape(-1, 4)
    labels = np.asarray(found["labels"], np.int64).reshape(-1)
    crowd = np.asarray(found.get("crowd", np.zeros(len(labels))), bool).reshape(-1)
    flat = ~(boxes[:, 2:] > boxes[:, :2]).all(1)
    area = found.get("area")
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = np.asarray(sides.prod(1) if area is None else area, np.float64).reshape(-1)
    if not len(boxes) == len(labels) == len(crowd) == len(areas):
        raise Unusable(
            "targets", f"there are {len(boxes)} boxes, {len(labels)} labels and {len(crowd)} flags"
        )
    if not np.isfinite(boxes).all():
        raise Unusable("targets", "a box has a coordinate that is no number")
    places = list(found.get("places") or (f"box {at}" for at in range(len(boxes))))
    odd = inspection.of_boxes(boxes, size, places, str(found.get("given", "corners")))
    remarks = tuple(each.sentence() for each in odd)
    keep = ~flat
    return Item(
        image, size, boxes[keep].astype(np.float32), labels[keep], crowd[keep], areas[keep], remarks
    )


def picture_files(images: Sequence[str | Path]) -> Files:
    """Return pictures by their paths, in the order given.

    Raises:
        InputError: there is none.
    """
    if not images:
        raise InputError("there are no pictures to survey")
    return Files(tuple(map(Path, images)))


def annotated(
    path: str | Path, folder: str | Path | None = None, images: Sequence[str | Path] = ()
) -> Files:
    """Return the pictures of a COCO-style file.

    Args:
        path: of the annotations.
        folder: where its pictures are; that of the annotations, if not given.
        images: only these of them, by path.

    Raises:
        InputError: the file cannot be read, lists no picture, or none of those that there are.
    """
    try:
        annotations = coco.read(read_json(Path(path)))
    except InputError as error:
        raise InputError(
            str(error) if str(path) in str(error) else f"{str(path)!r}: {error}"
        ) from None
    where = Path(path).parent if folder is None else Path(folder)
    if not annotations.images:
        raise InputError(f"{str(path)!r} lists no pictures")
    if images:
        return _chosen(annotations, images, str(path))
    paths = tuple(where / str(each["file_name"]) for each in annotations.images)
    if not any(each.is_file() for each in paths):
        hint = near(paths[0].name, (p.name for p in where.iterdir())) if where.is_dir() else ""
        raise InputError(
            f"none of the {len(paths)} pictures that {str(path)!r} lists is in {str(where)!r}: the "
            f"first is {str(annotations.images[0]['file_name'])!r}{hint}"
        )
    return Files(paths, annotations, tuple(range(len(paths))))


def _chosen(annotations: coco.Annotations, images: Sequence[str | Path], path: str) -> Files:
    """The annotated pictures among some paths."""
    known = {Path(str(each["file_name"])).name: at for at, each in enumerate(annotations.images)}
    missing = [each for each in images if Path(each).name not in known]
    if missing:
        name = Path(missing[0]).name
        raise InputError(
            f"{path!r} has no targets for {len(missing)} of the {len(images)} pictures: the first "
            f"is {name!r}{near(name, known)}"
        )
    places = tuple(known[Path(each).name] for each in images)
    return Files(tuple(map(Path, images)), annotations, places)


# --- torch's data sets ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DataSet:
    """Any of torch's data sets, or a sequence: of pictures, or of pairs of a picture and a target.

    Attributes:
        data: gives a picture, or a picture and its target, by number. A picture is a tensor
            [3, H, W] of 0–1, or one of Pillow's; a target has ``boxes`` and ``labels``, or is a
            list of COCO's annotations.
        names: what the pictures are called; by number, if not given.
    """

    data: Any
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many there are."""
        return len(self.data)

    def name(self, number: int) -> str:
        """Return what a picture is called."""
        return self.names[number] if self.names else str(number)

    def item(self, number: int, pixels: bool = True) -> Item:
        """Return a picture.

        Raises:
            Unusable: the data set raised, or gave something else.
        """
        try:
            found = self.data[number]
        except Exception as error:
            kind = type(error).__name__
            raise Unusable("unreadable", f"the data set raised {kind}: {error}") from error
        pair = isinstance(found, (tuple, list)) and len(found) == 2
        image = _tensor(found[0] if pair else found, self.name(number))
        size = int(image.shape[1]), int(image.shape[2])
        if not pair or found[1] is None:
            return Item(image, size)
        return with_boxes(image, size, _target(found[1]))


def _tensor(image: Any, name: str) -> Tensor:
    if isinstance(image, Image.Image):
        try:
            return picture_tensor(image, name)
        except InputError as error:
            raise Unusable("unreadable", str(error)) from None
    if not isinstance(image, Tensor) or image.dim() != 3 or image.numel() == 0:
        shape = tuple(image.shape) if hasattr(image, "shape") else type(image).__name__
        raise Unusable("unreadable", f"a picture is a tensor [3, H, W]; the data set gave {shape}")
    return image


def _target(target: Any) -> Mapping[str, Any]:
    """A target as boxes and labels, of torchvision's form or a list of COCO's annotations."""
    if isinstance(target, Mapping) and {"boxes", "labels"} <= target.keys():
        names = {"boxes": "boxes", "labels": "labels", "iscrowd": "crowd", "area": "area"}
        return {new: _array(target[old]) for old, new in names.items() if old in target}
    if isinstance(target, (list, tuple)) and all(isinstance(each, Mapping) for each in target):
        try:
            boxes = [[x, y, x + w, y + h] for x, y, w, h in (each["bbox"] for each in target)]
            return {
                "boxes": boxes,
                "labels": [each["category_id"] for each in target],
                "crowd": [bool(each.get("iscrowd", 0)) for each in target],
                "area": [each.get("area", each["bbox"][2] * each["bbox"][3]) for each in target],
                "given": "sizes",
            }
        except (KeyError, TypeError, ValueError) as error:
            raise Unusable("targets", f"a target is no COCO annotation: {error!r}") from None
    raise Unusable(
        "targets",
        "a target is a dict with 'boxes' and 'labels', or a list of COCO's annotations; the data "
        f"set gave {type(target).__name__}",
    )


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)


def pictures_of(dataset: Any, names: Sequence[str] | None = None) -> Pictures:
    """Return what is given as pictures.

    Raises:
        InputError: it is no data set, or empty.
    """
    if isinstance(dataset, (Files, DataSet)):
        return dataset
    if isinstance(dataset, (list, tuple)) and dataset and isinstance(dataset[0], (str, Path)):
        return picture_files(dataset)
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        raise InputError(
            "a survey takes a data set of torch's, with a length and items by number, or a list of "
            f"pictures; found {type(dataset).__name__}"
        )
    if len(dataset) == 0:
        raise InputError("there are no pictures to survey: the data set is empty")
    if names is not None and len(names) != len(dataset):
        raise InputError(f"there are {len(dataset)} pictures and {len(names)} names")
    return DataSet(dataset, tuple(names or ()))
