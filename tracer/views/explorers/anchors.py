"""The anchor explorer: the anchors of one cell on the picture, and how many there are of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import RESIZED, Anatomy, Anchors, Boxes, Picture, anatomy
from tracer.rcnn.anatomy.anchors import base_anchors, ratios_of, shapes_of
from tracer.rcnn.anatomy.geometry import Cells, iou
from tracer.record import Trace
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Control, Shown, places
from tracer.views.explorers.explorer import Explorer
from tracer.views.figures.common import focus
from tracer.views.figures.rpn import fig_anchors_of_cell
from tracer.views.kit.palette import level_colour
from tracer.views.kit.scene import stand

ALL = 0.0
"""The ratio, or the size, that stands for those of the model."""
SIZES = (16, 32, 64, 128, 256, 512)
COLOURS = ("#F0E442", "#56B4E9", "#FFFFFF", "#FF8F6B", "#B8E986", "#D0A6FF")
"""Of a cell's anchors; none is a level's."""


@dataclass(frozen=True, eq=False)
class Scene(drawing.Scene):
    """What is looked at.

    Attributes:
        anchors: of the pass.
        objects: boxes to be found, in resized pixels: targets, else detections.
        names: of the levels.
    """

    anchors: Anchors
    objects: Boxes
    names: tuple[str, ...]


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


def draw(scene: Scene, level: str, size: float, ratio: float, x: int, y: int) -> Shown:
    """Show the anchors of a cell on the picture."""
    index = scene.names.index(level)
    boxes, cell = cell_anchors(scene.anchors, index, size, ratio, x, y)
    canvas = scene.canvas()
    down, right = scene.anchors.steps[index]
    if canvas.scale * min(down, right) >= 9:  # far enough apart to be seen
        cells = Cells(scene.anchors.levels[index].map.shape[-2:], (down, right))
        canvas.points(stand(cells, level_colour(level)))
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(boxes))]
    canvas.boxes(boxes, colours, 3)
    canvas.cross(cell[1] * right, cell[0] * down)
    canvas.tag(2, scene.picture.resized_size[0] - 2, level, level_colour(level))
    words = told.block(
        _counts(scene, index, size, ratio),
        told.note(told.say("cell_and_cross", scene.lang, row=cell[0], column=cell[1], level=level)),
        _boxes(scene, boxes, colours),
        *_beyond(scene, boxes),
    )
    return canvas.shown(words)


def _boxes(scene: Scene, boxes: np.ndarray, colours: list[str]) -> str:
    """A row per anchor: height, width, ratio, best IoU with an object."""
    heads = [told.say(key, scene.lang) for key in ("sides", "ratio", "side", "best_iou")]
    best = np.zeros(len(boxes), np.float32)
    if len(scene.objects):
        best = np.nan_to_num(iou(boxes, scene.objects.xyxy)).max(1)
    sizes, ratios = shapes_of(boxes)
    rows = [
        (told.swatch(f"{y2 - y1:g} × {x2 - x1:g}", colour), f"{r:.2f}", f"{s:.0f}", f"{b:.2f}")
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
    return told.table(heads, rows, raw=(0,)) + (
        told.note(told.say("counts_recorded", lang), True) if other else ""
    )


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
    """Return the anchor explorer; the options are `Recording.explore`'s."""
    parts = anatomy(trace)
    scene = scene_of(parts, lang, image)
    own = told.say("models_own", lang)
    every = told.say("all", lang)
    ratios = ratios_of(scene.anchors)
    controls: tuple[Control, ...] = (
        Choice("level", told.say("level", lang), tuple((n, n) for n in scene.names),
               level or scene.names[min(2, len(scene.names) - 1)], buttons=True),
        Choice("ratio", told.say("ratio_h_w", lang),
               ((every, ALL), *((f"{r:g}", r) for r in ratios)), ratio, buttons=True),
        Choice("size", told.say("size", lang),
               ((own, ALL), *((f"{s}", float(s)) for s in SIZES)), size),
        *places(scene.picture.resized_size, x, y, focus(parts, image)),
    )  # fmt: skip

    def still(values: Mapping[str, Any]) -> Figure:
        at = (float(values["x"]), float(values["y"]))
        return fig_anchors_of_cell(parts, lang=lang, image=image, point=at)

    return Explorer("anchors", lang, controls, lambda **at: draw(scene, **at), still)


def scene_of(parts: Anatomy, lang: str, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    picture = parts.pictures[image]
    names = tuple(level.name for level in parts.anchors.levels)
    objects = _objects(parts, picture)
    return Scene(picture, drawing.photo(picture), lang, parts.anchors, objects, names)


def _objects(parts: Anatomy, picture: Picture) -> Boxes:
    """What is to be found in the image: the targets if there are any, else the detections."""
    if picture.resized_targets is not None:
        return picture.resized_targets
    try:
        return parts.detections[picture.index].resized
    except MissingError:
        none = np.empty((0, 4), np.float32)
        return Boxes(none, RESIZED, picture.resized_size, picture.index)
