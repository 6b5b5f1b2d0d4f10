"""Anchors against objects: which have none that overlaps them well enough, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tracer.rcnn.findings import Finding

LEAST = 0.5
"""The IoU below which an anchor is said to miss an object."""
MANY = 0.25
"""The share of objects that are missed from which on it is said."""


def best_iou(
    boxes: np.ndarray,
    base: Sequence[np.ndarray],
    grids: Sequence[tuple[int, ...]],
    batch: Sequence[int],
) -> np.ndarray:
    """Return the largest IoU that any anchor has with each box, [N].

    An anchor of a given shape overlaps a box most where their centres are nearest, in x and in y
    apart; so of each shape only the four cells around that place are looked at.

    Args:
        boxes: float [N, 4] as x1, y1, x2, y2 in resized pixels.
        base: of each level the anchors of the cell at the origin, [A, 4].
        grids: of each level the map's height and width in cells.
        batch: the padded batch's height and width in pixels.
    """
    best = np.zeros(len(boxes))
    for anchors, grid in zip(base, grids, strict=True):
        step = np.array([batch[1] // grid[1], batch[0] // grid[0]], np.float64)  # x, y
        last = np.array([grid[1] - 1, grid[0] - 1], np.float64)
        for anchor in anchors.astype(np.float64):
            best = np.maximum(best, _best_of(boxes, anchor, step, last))
    return best


def _best_of(
    boxes: np.ndarray, anchor: np.ndarray, step: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """The largest IoU of one anchor, moved over a grid, with each box."""
    off = (boxes[:, :2] + boxes[:, 2:] - anchor[:2] - anchor[2:]) / 2  # of the centres
    inter = np.ones(len(boxes))
    for axis in (0, 1):
        cell = np.floor(off[:, axis] / step[axis])
        shared = [
            _shared(boxes, anchor, np.clip(cell + more, 0, last[axis]) * step[axis], axis)
            for more in (0, 1)
        ]
        inter = inter * np.maximum(*shared)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(anchor[2:] - anchor[:2])
    found: np.ndarray = inter / (area - inter)
    return found


def _shared(boxes: np.ndarray, anchor: np.ndarray, shift: np.ndarray, axis: int) -> np.ndarray:
    """How many pixels two intervals share along an axis."""
    low = np.maximum(boxes[:, axis], anchor[axis] + shift)
    high = np.minimum(boxes[:, axis + 2], anchor[axis + 2] + shift)
    found: np.ndarray = np.maximum(high - low, 0)
    return found


def unmatched(
    boxes: np.ndarray, best: np.ndarray, base: Sequence[np.ndarray], threshold: float
) -> Iterator[Finding]:
    """Find that a quarter of the objects, or more, have no anchor at an IoU of a half.

    Args:
        boxes: [N, 4] in resized pixels.
        best: [N], the largest IoU of each.
        base: of each level the anchors of one cell.
        threshold: the IoU from which on an anchor is a positive.
    """
    below = int((best < LEAST).sum())
    if not below or below < MANY * len(best):
        return
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))[best < LEAST]
    anchors = np.concatenate(list(base))
    sizes = np.sqrt(np.prod(anchors[:, 2:] - anchors[:, :2], axis=1))
    facts = {
        "below": below,
        "all": len(best),
        "positive": int((best < threshold).sum()),
        "threshold": threshold,
        "small": sides.min(),
        "large": sides.max(),
        "least": sizes.min(),
        "most": sizes.max(),
    }
    yield Finding("anchors-objects", facts, "warning")
