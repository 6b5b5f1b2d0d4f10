"""What several stages' figures show alike: a level's map over the picture, the boxes to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, FeatureMap, Picture
from tracer.rcnn.anatomy.geometry import area
from tracer.rcnn.classes import class_name
from tracer.views.figures.sheet import Sheet
from tracer.views.kit.scene import Overlay


def over_picture(sheet: Sheet, ax: Axes, over: Overlay, picture: Picture) -> AxesImage:
    """Show a map where it lies on the resized image, in its pixels, without the padding."""
    shown = sheet.overlaid(ax, over)
    height, width = picture.resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    return shown


def small_pictures(sheet: Sheet, maps: Iterable[FeatureMap], image: int) -> str:
    """Say where maps are drawn from small pictures that leave cells out."""
    steps = [1]
    for feature in maps:
        with suppress(MissingError):
            steps.append(feature.mean(image).step)
    return sheet.say("small_pictures", n=max(steps)) if max(steps) > 1 else ""


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


def focus(parts: Anatomy, image: int, side: float | None = None) -> tuple[float, float]:
    """Return a point of the resized image worth a look: the middle of the best box there is.

    Args:
        parts: of a pass.
        image: which one of the batch.
        side: in pixels: of the box that is nearest to that size instead.
    """
    picture = parts.pictures[image]
    try:
        boxes = parts.detections[image].resized.xyxy
    except MissingError:
        boxes = np.zeros((0, 4), np.float32)
    if len(boxes) == 0 and picture.resized_targets is not None:
        boxes = picture.resized_targets.xyxy
    if len(boxes):
        sides = np.sqrt(np.maximum(area(boxes), 1))
        chosen = 0 if side is None else int(np.abs(np.log(sides / side)).argmin())
        x1, y1, x2, y2 = boxes[chosen].tolist()
        return (x1 + x2) / 2, (y1 + y2) / 2
    height, width = picture.resized_size
    return width / 2, height / 2
