"""The anchor explorer: the anchors of one cell on the picture, and how many there are of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import RESIZED, Anatomy, Anchors, Boxes, Picture, anatomy
from tracer.rcnn.anatomy.geometry import iou
from tracer.record import Trace
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Shown, Slider
from tracer.views.explorers.explorer import Explorer
from tracer.views.figures.common import focus
from tracer.views.kit.palette import level_colour

ALL = 0.0
"""The ratio, or the size, that stands for those of the model."""
SIZES = (16, 32, 64, 128, 256, 512)
COLOURS = ("#F0E442", "#56B4E9", "#FFFFFF", "#FF8F6B", "#B8E986", "#D0A6FF")
"""Of a cell's anchors; none is a level's."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What is looked at.

    Attributes:
        picture: one image of the batch.
        anchors: of the pass.
        objects: boxes to be found, in resized pixels: targets, else detections.
        photo: the picture, as wide as it is drawn.
        lang: of the texts.
    """

    picture: Picture
    anchors: Anchors
    objects: Boxes
    photo: Image.Image
    lang: str
    names: tuple[str, ...] = field(default=())


def base_anchors(size: float, ratios: np.ndarray) -> np.ndarray:
    """Return the boxes of a size around the origin, one per ratio, rounded to whole pixels.

    The arithmetic of ``AnchorGenerator.generate_anchors``: a box of height over width `ratio`
    has the area size × size.

    Args:
        size: in pixels.
        ratios: float32 [K], height over width.
    """
    tall = np.sqrt(ratios.astype(np.float32))
    heights, widths = tall * np.float32(size), (np.float32(1) / tall) * np.float32(size)
    return np.round(np.stack([-widths, -heights, widths, heights], 1) / 2)


def shapes_of(base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return √(w·h) in pixels and h/w of base anchors [K, 4]."""
    width, height = (base[:, 2] - base[:, 0]), (base[:, 3] - base[:, 1])
    return np.sqrt(width * height), height / np.maximum(width, 1)


def cell_anchors(
    anchors: Anchors, level: int, size: float, ratio: float, x: float, y: float
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the anchors of the cell nearest to a pixel, float32 [K, 4], and (row, column).

    Args:
        anchors: of a pass.
        level: index of the level.
        size: of other anchors than the model's, in pixels; 0 for the model's own.
        ratio: height over width of the only one that is wanted; 0 for all.
        x: of the pixel, in resized pixels.
        y: likewise.
    """
    own = anchors.base[level]
    row, column = anchors.cell_at(level, x, y)
    ratios = np.asarray(ratios_of(anchors), np.float32)
    base = own if size == ALL else base_anchors(size, ratios)
    if ratio != ALL:
        base = base[np.abs(np.log(shapes_of(base)[1] / ratio)) < 0.15]
    down, right = anchors.steps[level]
    corner = np.asarray([column * right, row * down] * 2, np.float32)
    return base + corner, (row, column)


def ratios_of(anchors: Anchors) -> list[float]:
    """Return the ratios h/w that the model's anchors have, rising.

    Rounding to whole pixels blurs them, the less the larger the anchor: 22 over 46 is a 0.5.
    """
    found: list[float] = []
    for base in reversed(anchors.base):
        for ratio in shapes_of(base)[1].tolist():
            if not any(abs(np.log(ratio / known)) < 0.15 for known in found):
                found.append(round(ratio * 20) / 20 or ratio)
    return sorted(found)


def draw(scene: Scene, level: str, size: float, ratio: float, x: int, y: int) -> Shown:
    """Show the anchors of a cell on the picture."""
    index = scene.names.index(level)
    boxes, cell = cell_anchors(scene.anchors, index, size, ratio, x, y)
    image = scene.photo.copy()
    canvas = drawing.Canvas(image, drawing.scale_of(scene.picture))
    down, right = scene.anchors.steps[index]
    for spot in _spots(scene.picture, down, right):
        canvas.dots([spot], level_colour(level), 1)
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(boxes))]
    canvas.boxes(boxes, colours, 3)
    canvas.cross(cell[1] * right, cell[0] * down)
    canvas.tag(2, scene.picture.resized_size[0] - 2, level, level_colour(level))
    words = told.block(
        _counts(scene, index, size, ratio),
        told.note(_cell(scene, level, cell)),
        _boxes(scene, boxes, colours),
        *_beyond(scene, boxes),
    )
    return Shown(words, canvas.jpeg(), image.width)


def _spots(picture: Picture, down: int, right: int) -> list[tuple[float, float]]:
    """The centres of all cells, where they lie far enough apart to be seen."""
    if drawing.scale_of(picture) * min(down, right) < 9:
        return []
    rows, columns = picture.resized_size
    return [(x, y) for y in range(0, rows, down) for x in range(0, columns, right)]


def _cell(scene: Scene, level: str, cell: tuple[int, int]) -> str:
    return told.say("cell_and_cross", scene.lang, row=cell[0], column=cell[1], level=level)


def _boxes(scene: Scene, boxes: np.ndarray, colours: list[str]) -> str:
    """A row per anchor: width, height, ratio, best IoU with an object."""
    heads = [told.say(key, scene.lang) for key in ("sides", "ratio", "side", "best_iou")]
    best = np.zeros(len(boxes), np.float32)
    if len(scene.objects):
        best = np.nan_to_num(iou(boxes, scene.objects.xyxy)).max(1)
    sizes, ratios = shapes_of(boxes)
    rows = [
        (told.swatch(f"{x2 - x1:g} × {y2 - y1:g}", colour), f"{r:.2f}", f"{s:.0f}", f"{b:.2f}")
        for (x1, y1, x2, y2), colour, r, s, b in zip(
            boxes.tolist(), colours, ratios, sizes, best, strict=True
        )
    ]
    return told.table(heads, rows, raw=(0,))


def _counts(scene: Scene, chosen: int, size: float, ratio: float) -> str:
    """Cells times anchors per cell, level by level."""
    lang = scene.lang
    heads = [told.say(key, lang) for key in ("level", "cells", "per_cell", "anchors")]
    rows = []
    for i, level in enumerate(scene.anchors.levels):
        name = f"{level.name} ◂" if i == chosen else level.name
        rows.append((
            told.swatch(name, level_colour(level.name)),
            dims(level.map.shape[-2:]),
            str(len(scene.anchors.base[i])),
            f"{scene.anchors.counts[i]:,}",
        ))  # fmt: skip
    total = told.say("in_all", lang)
    rows.append((total, "", "", f"{len(scene.anchors):,}"))
    other = size != ALL or ratio != ALL
    return told.table(heads, rows, raw=(0,)) + (told.note(_other(lang), True) if other else "")


def _other(lang: str) -> str:
    return told.say("counts_recorded", lang)


def _beyond(scene: Scene, boxes: np.ndarray) -> list[str]:
    """How many of the boxes stick out of the image: they are anchors all the same."""
    height, width = scene.picture.resized_size
    out = (boxes[:, :2] < 0).any(1) | (boxes[:, 2] > width) | (boxes[:, 3] > height)
    if not out.any():
        return []
    count = int(out.sum())
    text = told.say("outside", scene.lang, count=count, all=len(boxes))
    return [told.note(text, muted=True)]


def explorer(
    trace: Trace, lang: str, *, image: int = 0, level: str = "", size: float = ALL,
    ratio: float = ALL, x: int | None = None, y: int | None = None,
) -> Explorer:  # fmt: skip
    """Return the anchor explorer.

    Args:
        trace: a recording of a detector with anchors.
        lang: of the texts.
        image: which one of the batch.
        level: where it starts, ``"P4"``.
        size: where it starts, in pixels; 0 for the model's own.
        ratio: where it starts, height over width; 0 for all.
        x: the position, in resized pixels; without it, the middle of the best detection.
        y: likewise.
    """
    parts = anatomy(trace)
    scene = scene_of(parts, lang, image)
    own = told.say("models_own", lang)
    every = told.say("all", lang)
    ratios = ratios_of(scene.anchors)
    height, width = scene.picture.resized_size
    point = focus(parts, image)
    controls = (
        Choice("level", told.say("level", lang), tuple((n, n) for n in scene.names),
               level or scene.names[min(2, len(scene.names) - 1)], buttons=True),
        Choice("ratio", told.say("ratio_h_w", lang),
               ((every, ALL), *((f"{r:g}", r) for r in ratios)), ratio, buttons=True),
        Choice("size", told.say("size", lang),
               ((own, ALL), *((f"{s}", float(s)) for s in SIZES)), size),
        Slider("x", "x", 0, width - 1, _start(x, point[0], width)),
        Slider("y", "y", 0, height - 1, _start(y, point[1], height)),
    )  # fmt: skip

    def still(values: Mapping[str, Any]) -> dict[str, str | bytes]:
        from tracer.views.figures.rpn import fig_anchors_of_cell

        at = (float(values["x"]), float(values["y"]))
        figure = fig_anchors_of_cell(parts, lang=lang, image=image, point=at)
        return {"image/png": figure._repr_png_()}  # type: ignore[attr-defined]

    return Explorer("anchors", lang, controls, lambda **at: draw(scene, **at), still)


def scene_of(parts: Anatomy, lang: str, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    picture = parts.pictures[image]
    names = tuple(level.name for level in parts.anchors.levels)
    photo = drawing.photo(picture)
    return Scene(picture, parts.anchors, _objects(parts, picture), photo, lang, names)


def _objects(parts: Anatomy, picture: Picture) -> Boxes:
    """What is to be found in the image: the targets if there are any, else the detections."""
    if picture.resized_targets is not None:
        return picture.resized_targets
    try:
        return parts.detections[picture.index].resized
    except MissingError:
        none = np.empty((0, 4), np.float32)
        return Boxes(none, RESIZED, picture.resized_size, picture.index)


def _start(given: int | None, usual: float, size: int) -> int:
    return min(max(round(usual if given is None else given), 0), size - 1)
