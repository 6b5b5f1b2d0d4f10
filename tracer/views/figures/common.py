"""What several stages' figures show alike: a level's map over the picture, the boxes to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, FeatureMap, Picture, Plane
from tracer.views.figures.sheet import Sheet


def over_picture(
    sheet: Sheet, ax: Axes, feature: FeatureMap, plane: Plane, picture: Picture, **options: Any
) -> Any:
    """Show a plane where it lies on the resized image, in its pixels, without the padding."""
    rows, columns = plane.values.shape
    down, right = feature.stride[0] * plane.step, feature.stride[1] * plane.step
    shown = sheet.map(ax, plane, extent=(0, columns * right, rows * down, 0), **options)
    height, width = picture.resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    return shown


def within(plane: Plane, feature: FeatureMap, picture: Picture) -> np.ndarray:
    """Return the part of a plane that lies on the image, without the padding."""
    rows, columns = (
        max(1, int(np.ceil(size / (stride * plane.step))))
        for size, stride in zip(picture.resized_size, feature.stride, strict=True)
    )
    return plane.values[:rows, :columns]


def grey(picture: Picture) -> np.ndarray:
    """Return the resized picture without colour, float32 [h, w, 3] in 0–1."""
    plain = picture.rgb() @ np.asarray([0.299, 0.587, 0.114], np.float32)
    return np.repeat(plain[..., None], 3, 2)


def channel_to_show(feature: FeatureMap, image: int) -> int:
    """Return the strongest channel where the values are kept, else the mean (-1)."""
    return feature.strongest(1, image)[0] if feature.kept else -1


def arrow(
    sheet: Sheet, start: tuple[float, float], end: tuple[float, float], **options: Any
) -> FancyArrowPatch:
    """Return an arrow in the sheet's muted colour, to be added to axes or figure."""
    settings: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": sheet.point * 1.1,
        "color": sheet.theme.muted,
        "lw": sheet.point / 8,
        "shrinkA": 0,
        "shrinkB": 0,
        **options,
    }
    return FancyArrowPatch(start, end, **settings)


def class_name(label: int, names: Sequence[str] | None) -> str:
    """Return a class's name, or its number where names are not known."""
    if names is not None and 0 <= label < len(names):
        return str(names[label])
    return f"#{label}"


def leading_proposals(parts: Anatomy, image: int, count: int) -> np.ndarray:
    """Return the proposals behind the best detections, without repeats; else the first ones."""
    total = len(parts.roi_heads.box.boxes[image])
    try:
        found = parts.detections[image].proposal
    except MissingError:
        found = None
    if found is None or len(found) == 0:
        return np.arange(min(count, total))
    _, first = np.unique(found, return_index=True)
    return found[np.sort(first)][:count]


def focus(parts: Anatomy, image: int) -> tuple[float, float]:
    """Return a point of the resized image worth a look: the middle of the best box there is."""
    picture = parts.pictures[image]
    try:
        boxes = parts.detections[image].resized.xyxy
    except MissingError:
        boxes = np.zeros((0, 4), np.float32)
    if len(boxes) == 0 and picture.resized_targets is not None:
        boxes = picture.resized_targets.xyxy
    if len(boxes):
        x1, y1, x2, y2 = boxes[0].tolist()
        return (x1 + x2) / 2, (y1 + y2) / 2
    height, width = picture.resized_size
    return width / 2, height / 2
