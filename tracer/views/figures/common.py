"""What several stages' figures show alike: a level's map over the picture, the boxes to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, FeatureMap, Picture, Plane
from tracer.rcnn.classes import class_name
from tracer.views.figures.sheet import Sheet, columns
from tracer.views.kit.scene import cells


def over_picture(
    sheet: Sheet, ax: Axes, feature: FeatureMap, plane: Plane, picture: Picture, **options: Any
) -> Any:
    """Show a plane where it lies on the resized image, in its pixels, without the padding."""
    shown = sheet.map(ax, plane, extent=cells(feature, plane).extent, **options)
    height, width = picture.resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    return shown


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


def names_of_classes(
    sheet: Sheet, parts: Anatomy, names: Sequence[str] | None = None
) -> Callable[[int], str]:
    """Return what gives a label's name in the sheet's language: of `names`, else the recording's.

    Dollar signs are escaped: to matplotlib they begin a formula.
    """
    known = parts.trace.classes if names is None else names
    return lambda label: class_name(known, label, sheet.lang).replace("$", r"\$")


def tag_boxes(
    sheet: Sheet, ax: Axes, boxes: np.ndarray, texts: Sequence[str], colours: Sequence[str],
    size: tuple[int, int],
) -> None:  # fmt: skip
    """Name boxes [N, 4] at a corner where no earlier name stands; else not at all.

    Args:
        sheet: what is drawn on.
        ax: a picture of `size` (height, width) in pixels.
        boxes: x1, y1, x2, y2 in these pixels, the most important first.
        texts: one per box.
        colours: likewise.
        size: of the picture.
    """
    height, width = size
    tall, scale = _text_height(sheet, ax, size)
    taken: list[tuple[float, float, float, float]] = []
    for (x1, y1, x2, y2), text, colour in zip(boxes.tolist(), texts, colours, strict=True):
        wide = columns(text) * tall * scale
        right = x2 - wide
        corners = ((x1, y1), (x1, y1 - tall), (right, y1), (x1, y2 - tall), (x1, y2),
                   (right, y2 - tall))  # fmt: skip
        for x, y in corners:
            x, y = min(max(x, 0.0), width - wide), min(max(y, 0.0), height - tall)
            place = (x, y, x + wide, y + tall)
            if not any(_overlap(place, other) for other in taken):
                taken.append(place)
                sheet.tag(ax, x + wide * 0.03, y + tall * 0.12, text, colour, ha="left", va="top",
                          size=0.72)  # fmt: skip
                break


def _text_height(sheet: Sheet, ax: Axes, size: tuple[int, int]) -> tuple[float, float]:
    """Return a tag's height in the picture's pixels, and half a character's width over it."""
    box = ax.get_position()
    inches = sheet.figure.get_size_inches() * (box.width, box.height)
    per_inch = max(size[1] / inches[0], size[0] / inches[1])
    return sheet.points(0.72) / 72 * 1.55 * per_inch, 0.42


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


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
