"""Pictures and targets, looked at for mistakes that torchvision runs with in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tracer.rcnn.findings import Finding

_FAR = 1.0  # pixels that a box may reach beyond the picture: annotations are rounded
_SHRUNK, _BLOWN = 1 / 6, 16.0  # how much a picture may be resized by before a word is said
_LEAST = 32  # pixels of the shorter side: one cell of C5


def of_picture(low: float, high: float, where: str) -> Iterator[Finding]:
    """Find a picture whose values are not 0–1.

    Args:
        low: its least value.
        high: its largest.
        where: what to call it.

    A resized picture may reach a little beyond 0–1; normalised ones reach from about −2 to 2.6.
    """
    facts = {"where": where, "low": low, "high": high}
    if high > 4:
        yield Finding("picture-255", facts, "warning")
    elif low < -0.5:
        yield Finding("picture-normalised", facts, "warning")
    elif low >= 0 and 0 < high <= 1.5 / 255:  # as if divided by 255 twice
        yield Finding("picture-dark", facts, "warning")


def scale(transform: Any, height: int, width: int) -> float:
    """Return by how much `_resize_image_and_masks` enlarges a picture, in eval mode.

    Args:
        transform: a detector's, for its ``min_size``, ``max_size`` and ``fixed_size``.
        height: of the picture, in pixels.
        width: likewise.
    """
    if transform.fixed_size is not None:  # width, height
        return float(min(transform.fixed_size[0] / width, transform.fixed_size[1] / height))
    least, most = min(height, width), max(height, width)
    return float(min(transform.min_size[-1] / least, transform.max_size / most))


def new_size(transform: Any, height: int, width: int) -> tuple[int, int]:
    """Return the height and width that a picture is resized to; the arguments are `scale`'s."""
    if transform.fixed_size is not None:
        return transform.fixed_size[1], transform.fixed_size[0]
    factor = scale(transform, height, width)
    return int(height * factor), int(width * factor)


def batch_size(transform: Any, *sizes: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width of a batch of pictures, from theirs after they are resized."""
    step = transform.size_divisible
    height, width = (-(-max(sides) // step) * step for sides in zip(*sizes, strict=True))
    return height, width


def of_size(height: int, width: int, scale: float, where: str) -> Iterator[Finding]:
    """Find a picture that loses or gains nearly all of its pixels when it is resized.

    Args:
        height: in pixels, as given.
        width: likewise.
        scale: what both are multiplied by.
        where: what to call it.
    """
    new = {"new_height": int(height * scale), "new_width": int(width * scale)}
    facts = {"where": where, "height": height, "width": width, **new}
    if scale <= _SHRUNK or min(new.values()) < _LEAST:
        yield Finding("picture-shrunk", {**facts, "times": 1 / scale}, "warning")
    elif scale >= _BLOWN:
        yield Finding("picture-blown", {**facts, "times": scale}, "warning")


def of_boxes(
    boxes: np.ndarray, size: tuple[int, int], places: Sequence[str], given: str = "corners"
) -> Iterator[Finding]:
    """Find boxes that are no x1, y1, x2, y2 in pixels of their picture.

    Args:
        boxes: [N, 4] as corners.
        size: the picture's height and width in pixels.
        places: [N], what to call each box.
        given: what the corners were made from: ``"corners"``, or ``"sizes"`` (x, y, width, height).

    Yields:
        One finding of each kind, about the first such box; of a list that makes sense when it is
        read in another way, the one that says in which.
    """
    if not len(boxes):
        return
    extent = np.array([size[1], size[0]], np.float64)
    low, high = boxes[:, :2], boxes[:, 2:]
    flat = np.asarray(~(high > low).all(1))
    outside = _outside(low, high, extent)
    swapped = np.asarray((high < low).any(1))
    other = low + high if given == "corners" else high - low  # the second corner in the other way
    turned = np.asarray(~_outside(low[:, ::-1], high[:, ::-1], extent).any())
    if (boxes >= 0).all() and (boxes <= 1).all() and min(size) > 2:
        yield _box("boxes-fractions", np.ones(len(boxes), bool), boxes, size, places)
    elif _is_misread(swapped | outside, low, other, extent):
        kind = "boxes-xywh" if given == "corners" else "boxes-corners"
        yield _box(kind, swapped | outside, boxes, size, places)
    elif outside.any() and not flat.any() and turned and 2 * outside.sum() >= len(boxes):
        yield _box("boxes-yx", outside, boxes, size, places)
    else:
        yield from (
            _box(kind, odd, boxes, size, places)
            for kind, odd in (
                ("boxes-swapped", swapped),
                ("boxes-flat", flat & ~swapped),
                ("boxes-outside", outside & ~flat),
            )
            if odd.any()
        )


def _is_misread(odd: np.ndarray, low: np.ndarray, other: np.ndarray, extent: np.ndarray) -> bool:
    """Whether half of the boxes are odd, and all are sound if their second corner is another."""
    sound = (other > low).all() and not _outside(low, other, extent).any()
    return bool(odd.any() and 2 * odd.sum() >= len(odd) and sound)


def _outside(low: np.ndarray, high: np.ndarray, extent: np.ndarray) -> np.ndarray:
    return np.asarray((low < -_FAR).any(1) | ~(high <= extent + _FAR).all(1))


def _box(
    kind: str, odd: np.ndarray, boxes: np.ndarray, size: tuple[int, int], places: Sequence[str]
) -> Finding:
    first = int(np.flatnonzero(odd)[0])
    facts = {
        "where": places[first],
        "box": ", ".join(f"{v:.6g}" for v in boxes[first].tolist()),
        "count": int(odd.sum()),
        "all": len(boxes),
        "width": size[1],
        "height": size[0],
    }
    refused = bool((boxes[:, 2:] <= boxes[:, :2]).any())  # by torchvision: without area
    return Finding(kind, facts, "error" if refused else "warning")


def of_labels(
    labels: np.ndarray, classes: int | None, places: Sequence[str], background: bool = True
) -> Iterator[Finding]:
    """Find labels that name no class of an object.

    Args:
        labels: [N].
        classes: how many classes the model tells apart, background included, if known.
        places: [N], what to call each label's box.
        background: whether the model keeps label 0 for it; those with a sigmoid for each class do
            not.
    """
    kinds = {
        "labels-negative": labels < 0,
        "labels-background": (labels == 0) & background,
        "labels-large": labels >= (np.inf if classes is None else classes),
    }
    for kind, odd in kinds.items():
        if odd.any():
            first = int(np.flatnonzero(odd)[0])
            facts = {
                "where": places[first],
                "label": int(labels[first]),
                "count": int(odd.sum()),
                "all": len(labels),
                "least": int(background),
                "last": (classes or 0) - 1,
            }
            yield Finding(kind, facts, "error" if kind == "labels-large" else "warning")
