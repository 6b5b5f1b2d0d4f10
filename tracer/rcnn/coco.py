"""COCO's annotation files, checked as they are read.

The format is the one of https://cocodataset.org/#format-data: ``images``, ``annotations`` and
``categories``, boxes as x, y, width, height, masks as polygons or as run lengths.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tracer.errors import InputError, near
from tracer.rcnn.fields import kind, listed, member, name, number, shown, whole
from tracer.rcnn.pictures import is_turned

Id = int | str


class SizeError(InputError):
    """A picture has another size than its annotations say."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """An annotation file whose lists and ids are sound; the rest is checked where it is used.

    Attributes:
        images: its images.
        by_image: for each image's id its annotations, and what to call each in an error.
        categories: the ids of its categories, if it lists any.
    """

    images: tuple[Mapping[str, Any], ...]
    by_image: Mapping[Id, Sequence[tuple[str, Mapping[str, Any]]]]
    categories: frozenset[Id]

    def of(self, picture: str | Path, size: tuple[int, int]) -> dict[str, Any]:
        """Return what is annotated in one picture, crowds left out.

        Args:
            picture: its path; it is found by the last part of ``file_name``, and where several
                images share that, by the parts before.
            size: its height and width in pixels, upright.

        Returns:
            ``boxes`` [N, 4] as x1, y1, x2, y2, ``labels`` [N], and ``places`` [N], what to call
            each in an error; ``given`` as in `inspection.of_boxes`; ``masks`` [N, H, W] and
            ``keypoints`` [N, K, 3] where all have them.

        Raises:
            InputError: what of the file is wrong, by annotation and field.
        """
        image, where = self._image(picture)
        _check_size(image, where, picture, size)
        found = [(place, each) for place, each, crowd in self._annotated(image) if not crowd]
        entry = self._boxes(found)
        if found and all(each.get("segmentation") for _, each in found):
            entry["masks"] = [_mask(each["segmentation"], size, place) for place, each in found]
        if found and all(each.get("keypoints") for _, each in found):
            entry["keypoints"] = _keypoints(found)
        return entry

    def regions(self, at: int, picture: str | Path, size: tuple[int, int]) -> dict[str, Any]:
        """Return all boxes of one image, crowds too, without masks and keypoints.

        Args:
            at: the image's place in `images`.
            picture: the path of its picture.
            size: as in `of`.

        Returns:
            As `of`; also ``crowd`` [N], whether it is a region of many, and ``area`` [N], that of
            the object in square pixels, its box's where none is stated.

        Raises:
            InputError: as there.
        """
        image = self.images[at]
        _check_size(image, f"images[{at}]", picture, size)
        found = [(place, each) for place, each, _ in self._annotated(image)]
        entry = self._boxes(found)
        entry["crowd"] = [crowd for _, _, crowd in self._annotated(image)]
        entry["area"] = [
            (x2 - x1) * (y2 - y1)
            if each.get("area") is None
            else number(each["area"], f"area of {place}")
            for (place, each), (x1, y1, x2, y2) in zip(found, entry["boxes"], strict=True)
        ]
        return entry

    def _annotated(self, image: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
        """What is annotated in an image: what to call it, itself, whether it is a crowd."""
        for place, each in self.by_image.get(image["id"], ()):
            yield place, each, bool(whole(each.get("iscrowd") or 0, f"iscrowd of {place}"))

    def _boxes(self, found: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
        return {
            "boxes": [_corners(each, place) for place, each in found],
            "labels": [self._label(each, place) for place, each in found],
            "places": [place for place, _ in found],
            "given": "sizes",
        }

    def _image(self, picture: str | Path) -> tuple[Mapping[str, Any], str]:
        parts = _parts(str(picture))
        known = [_parts(image["file_name"]) for image in self.images]
        shared = [_shared(each, parts) for each in known]
        best = max(shared, default=0)
        if best == 0:
            names = [each[-1] for each in known]
            raise InputError(f"no image is called {parts[-1]!r}{near(parts[-1], names)}")
        if shared.count(best) > 1:
            raise InputError(
                f"{shared.count(best)} images are called {'/'.join(parts[-best:])!r}: give each "
                "its own name"
            )
        at = shared.index(best)
        return self.images[at], f"images[{at}]"

    def _label(self, annotation: Mapping[str, Any], place: str) -> int:
        label = whole(member(annotation, "category_id", place), f"category_id of {place}")
        if self.categories and label not in self.categories:
            listed_ids = ", ".join(map(str, sorted(self.categories, key=str)[:8]))
            raise InputError(
                f"category_id of {place} is {label}, and the categories are {listed_ids}"
            )
        return label


def read(content: Any) -> Annotations:
    """Check an annotation file's lists and ids.

    Args:
        content: the file's JSON.

    Raises:
        InputError: it is of another kind, or names things that are not there.
    """
    images = tuple(_checked_image(*item) for item in enumerate(_table(content, "images")))
    ids = {str(image["id"]): image["id"] for image in images}
    if len(ids) < len(images):
        raise InputError(f"the {len(images)} images have {len(ids)} different ids")
    by_image: dict[Id, list[tuple[str, Mapping[str, Any]]]] = defaultdict(list)
    annotations = _table(content, "annotations")
    for at, annotation in enumerate(annotations):
        place = _place(annotation, at)
        by_image[_image_id(annotation, place, ids)].append((place, annotation))
    if by_image and not by_image.keys() & set(ids.values()):
        first = next(iter(by_image))
        raise InputError(
            f"none of the {len(annotations)} annotations is of one of the {len(images)} images: "
            f"the first has image_id {shown(first)}"
        )
    categories = content.get("categories") or []
    listed(categories, "categories")
    wheres = [f"categories[{at}]" for at in range(len(categories))]
    found = (
        name(member(c, "id", at), f"id of {at}") for c, at in zip(categories, wheres, strict=True)
    )
    return Annotations(images, by_image, frozenset(found))


def _table(content: Any, key: str) -> list[Any]:
    if not isinstance(content, Mapping):
        raise InputError(f"the file is {kind(content)}, where an object with {key!r} is expected")
    return listed(member(content, key, "the file"), key)


def _checked_image(at: int, image: Any) -> Mapping[str, Any]:
    where = f"images[{at}]"
    file_name = member(image, "file_name", where)
    if not isinstance(file_name, str) or not _parts(file_name):
        raise InputError(f"file_name of {where} is {shown(file_name)}, where a path is expected")
    return {**image, "id": name(member(image, "id", where), f"id of {where}")}


def _place(annotation: Any, at: int) -> str:
    """Return what to call an annotation: its place in the file, and its id."""
    number_of = annotation.get("id") if isinstance(annotation, Mapping) else None
    return f"annotations[{at}]" + ("" if number_of is None else f" (id {shown(number_of)})")


def _image_id(annotation: Any, place: str, ids: Mapping[str, Id]) -> Id:
    found = name(member(annotation, "image_id", place), f"image_id of {place}")
    if ids.get(str(found), found) != found:
        raise InputError(
            f"image_id of {place} is {shown(found)} and the image's id is "
            f"{shown(ids[str(found)])}: write both as numbers or both as text"
        )
    return found


def _parts(path: str) -> list[str]:
    """Split a path of any system; a part of the web's is one too."""
    return [part for part in re.split(r"[\\/]+", path) if part not in ("", ".")]


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many of the last parts of two paths are the same."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


def _check_size(
    image: Mapping[str, Any], where: str, picture: str | Path, size: tuple[int, int]
) -> None:
    """Refuse an image of another size than the picture: its boxes would lie elsewhere."""
    stated = [image.get(key) for key in ("height", "width")]
    if None in stated:
        return
    height, width = (
        whole(value, f"{key} of {where}")
        for value, key in zip(stated, ("height", "width"), strict=True)
    )
    if (height, width) == size:
        return
    about = f"{_parts(str(picture))[-1]!r} is {height}×{width} there"
    if (width, height) == size and _is_turned(picture):
        raise SizeError(
            f"{about}, as its file stores it, and {size[0]}×{size[1]} as its EXIF orientation "
            "turns it: save the picture upright without that entry, and turn its annotations too"
        )
    swapped = ": height and width are swapped" if (width, height) == size else ""
    raise SizeError(f"{about}, and the picture is {size[0]}×{size[1]}{swapped}")


def _is_turned(picture: str | Path) -> bool:
    """Whether the file's EXIF entry swaps its sides."""
    try:
        with Image.open(picture) as opened:
            return is_turned(opened)
    except OSError:
        return False


def _corners(annotation: Mapping[str, Any], place: str) -> list[float]:
    where = f"bbox of {place}"
    values = listed(member(annotation, "bbox", place), where, 4, " numbers x, y, width, height")
    x, y, w, h = (number(value, f"{where}, item {i},") for i, value in enumerate(values))
    return [x, y, x + w, y + h]


def _keypoints(found: Sequence[tuple[str, Mapping[str, Any]]]) -> list[np.ndarray]:
    points = []
    for place, annotation in found:
        where = f"keypoints of {place}"
        values = listed(annotation["keypoints"], where, what=" of x, y, visibility, …")
        if len(values) % 3:
            raise InputError(f"{where} has {len(values)} numbers, where three make a point")
        points.append(np.reshape([number(v, f"{where}, an item,") for v in values], (-1, 3)))
        if len(points[-1]) != len(points[0]):
            raise InputError(
                f"{where} has {len(points[-1])} points, and those before have {len(points[0])}"
            )
    return points


def _mask(segmentation: Any, size: tuple[int, int], place: str) -> np.ndarray:
    """Return an object's mask: uint8 [H, W] of 0 and 1."""
    where = f"segmentation of {place}"
    if isinstance(segmentation, Mapping):
        return _from_runs(segmentation, size, where)
    mask = Image.new("1", (size[1], size[0]))
    for polygon in listed(segmentation, where, what=" of polygons"):
        ImageDraw.Draw(mask).polygon(_polygon(polygon, where), fill=1)
    return np.asarray(mask, np.uint8)


def _polygon(polygon: Any, where: str) -> list[float]:
    if isinstance(polygon, (int, float)):
        raise InputError(f"{where} is a list of numbers: put each polygon into a list of its own")
    values = listed(polygon, f"a polygon in {where}", what=" x, y, x, y, …")
    if len(values) < 6 or len(values) % 2:
        raise InputError(
            f"a polygon in {where} has {len(values)} numbers, where an even count from 6 is needed"
        )
    return [number(value, f"a number in {where}") for value in values]


def _from_runs(runs: Mapping[str, Any], size: tuple[int, int], where: str) -> np.ndarray:
    """Return a mask from the lengths of its runs of 0 and 1, down the columns from the left."""
    stated = [whole(v, f"size of {where}") for v in listed(member(runs, "size", where), where, 2)]
    if tuple(stated) != size:
        raise InputError(f"size of {where} is {stated}, and the picture's is {list(size)}")
    counts = member(runs, "counts", where)
    if isinstance(counts, str):
        lengths = _decompressed(counts, where)
    else:
        lengths = [whole(v, f"a count in {where}") for v in listed(counts, f"counts of {where}")]
    if min(lengths, default=0) < 0 or sum(lengths) != size[0] * size[1]:
        raise InputError(
            f"counts of {where} add up to {sum(lengths)}, and the picture has "
            f"{size[0] * size[1]} pixels"
        )
    values = np.arange(len(lengths), dtype=np.uint8) % 2
    return np.ascontiguousarray(np.repeat(values, lengths).reshape(size[::-1]).T)


def _decompressed(text: str, where: str) -> list[int]:
    """Return the run lengths that COCO's compressed text stands for.

    As ``rleFrString`` of the COCO API has it: of each character from ``"0"`` on, five bits are
    of a number, lowest first, and the sixth says that more follow; the highest bit is the sign.
    From the fourth number on, each is the difference to the one before the last.
    """
    lengths: list[int] = []
    value = shift = 0
    for char in text:
        bits = ord(char) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise InputError(f"counts of {where} is no text of compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise InputError(f"counts of {where} ends in the middle of a number")
    return lengths
