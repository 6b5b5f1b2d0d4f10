"""The demo's scenes as a COCO-style folder, and what real folders hold that is broken."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tracer.files import output_folder, put
from tracer.rcnn.demo.scenes import CLASSES, scene

NAME = "instances.json"
FOLDER = "images"


def write_scenes(
    folder: Path,
    count: int,
    seed: int = 0,
    size: int = 160,
    broken: bool = False,
    told: Callable[[str], None] | None = None,
) -> Path:
    """Write scenes as PNG files beside ``instances.json``, whose path is returned.

    The same arguments give the same files. Ids of images and annotations have gaps where `broken`.

    Args:
        folder: where to; it is there.
        count: how many scenes.
        seed: of the first one; each further one has the next.
        size: side of a picture in pixels, at least 64.
        broken: also write pictures and annotations as no survey should fall over.
        told: called with each picture's name.

    Raises:
        TracerError: the size or the seed is out of range.
    """
    place = output_folder(folder / FOLDER)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    step = 3 if broken else 1
    for at in range(count):
        one = scene(seed + at, (size, size))
        name = f"{seed + at:06d}.png"
        put(place / name, encoded(Image.fromarray(one.image), "PNG"), "png")
        number = at * step + 1
        images.append(_image(number, name, one.image.shape))
        for box, label in zip(one.boxes.tolist(), one.labels.tolist(), strict=True):
            annotations.append(_annotation(len(annotations) * step + 1, number, box, label))
        if told is not None:
            told(name)
    if broken:
        _break(place, images, annotations, seed, size)
    for image in images:
        image["file_name"] = f"{FOLDER}/{image['file_name']}"
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": at, "name": name} for at, name in enumerate(CLASSES) if at],
    }
    return put(folder / NAME, json.dumps(content, indent=1), "text")


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    content = io.BytesIO()
    picture.save(content, format, **options)
    return content.getvalue()


def _image(number: int, name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"id": number, "file_name": name, "height": shape[0], "width": shape[1]}


def _annotation(
    number: int, image: int, box: list[float], label: int, **more: Any
) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    sides = [x2 - x1, y2 - y1]
    area = sides[0] * sides[1]
    return {
        "id": number,
        "image_id": image,
        "category_id": label,
        "bbox": [x1, y1, *sides],
        "area": area,
        "iscrowd": 0,
        **more,
    }


# --- broken ---------------------------------------------------------------------------------------

HUGE = 13_500
"""Side of a picture of more pixels than Pillow opens, all of one colour."""


def _break(
    place: Path,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    seed: int,
    size: int,
) -> None:
    """Add what real data sets hold."""
    for name, content, shape, boxes, more in _odd_ones(seed, size):
        (place / name).write_bytes(content)
        number = images[-1]["id"] + 7
        images.append({**_image(number, name, shape), **more})
        for box, label, extra in boxes:
            annotations.append(_annotation(annotations[-1]["id"] + 5, number, box, label, **extra))
    images.append(_image(images[-1]["id"] + 7, "missing.png", (size, size)))


Odd = tuple[
    str, bytes, tuple[int, ...], list[tuple[list[float], int, dict[str, Any]]], dict[str, Any]
]


def _odd_ones(seed: int, size: int) -> Iterator[Odd]:
    """Name, bytes, stated shape, boxes with labels, and further fields of each."""
    one = scene(seed + 1_000, (size, size))
    picture, shape = Image.fromarray(one.image), one.image.shape
    pairs = zip(one.boxes.tolist(), one.labels.tolist(), strict=True)
    boxes: list[tuple[list[float], int, dict[str, Any]]] = [(b, label, {}) for b, label in pairs]
    whole = encoded(picture, "JPEG", quality=90)
    yield "unreadable.jpg", b"this is no picture\n" * 20, shape, boxes, {}
    yield "cut-short.jpg", whole[: len(whole) // 3], shape, boxes, {}
    yield "empty.jpg", b"", shape, boxes, {}
    yield "grey.png", encoded(picture.convert("L"), "PNG"), shape, boxes, {}
    yield "cmyk.jpg", encoded(picture.convert("CMYK"), "JPEG"), shape, boxes, {}
    yield "turned.jpg", *_turned(picture), boxes, {}
    yield "huge.png", encoded(Image.new("1", (HUGE, HUGE)), "PNG"), (HUGE, HUGE), [], {}
    yield "wrong-size.png", encoded(picture, "PNG"), (size * 2, size + 1), boxes, {}
    yield "nothing.png", encoded(picture, "PNG"), shape, [], {}
    beyond = [([-20.0, -20.0, size * 2.0, size / 2], 1, {}), *boxes]
    yield "outside.png", encoded(picture, "PNG"), shape, beyond, {}
    flat = [([10.0, 10.0, 10.0, 40.0], 2, {}), *boxes]
    yield "flat-box.png", encoded(picture, "PNG"), shape, flat, {}
    crowd = [([2.0, 2.0, size - 2.0, size - 2.0], boxes[0][1], {"iscrowd": 1}), *boxes]
    yield "crowd.png", encoded(picture, "PNG"), shape, crowd, {}


def _turned(picture: Image.Image) -> tuple[bytes, tuple[int, ...]]:
    """The picture stored lying on its side, with the EXIF entry that stands it upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = picture.transpose(Image.Transpose.ROTATE_90)
    return encoded(lying, "JPEG", quality=95, exif=exif), (picture.height, picture.width)
