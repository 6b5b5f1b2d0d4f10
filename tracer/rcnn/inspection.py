"""Pictures and targets, looked at for mistakes that torchvision runs with in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tracer.rcnn.findings import Finding

_FAR = 1.0  # pixels that a box may reach beyond the picture: annotations are rounded


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
    if (boxes >= 0).all() and (boxes <= 1).all() and min(size) > 2:
        yield _box("boxes-fractions", np.ones(len(boxes), bool), boxes, size, places)
    elif _is_misread(swapped | outside, low, other, extent):
        kind = "boxes-xywh" if given == "corners" else "boxes-corners"
        yield _box(kind, swapped | outside, boxes, size, places)
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
    refused = kind in ("boxes-flat", "boxes-swapped")
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
            yield Finding(kind, facts, "warning" if kind == "labels-background" else "error")
