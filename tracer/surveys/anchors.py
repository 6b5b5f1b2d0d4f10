"""Anchors that would fit a data set's objects better, and by how much.

Sizes and ratios are clustered by k-means in their logarithms, as ``AnchorGenerator`` makes its
anchors of both: of two boxes of one centre and one ratio whose sides differ by a factor r the IoU
is 1/r², so that −log IoU is twice the distance of the logarithms of their sizes. What a set of
anchors is worth is then measured with it laid out over the pictures' own grids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracer.errors import InputError
from tracer.rcnn.anatomy.anchors import base_anchors, shapes_of
from tracer.rcnn.anchor_fit import best_iou
from tracer.surveys.data import Survey
from tracer.surveys.reading import SHARES, ratios, sides, single

ENOUGH = 20
"""Objects, at least, for a proposal."""

MOST = 50_000
"""Objects that anchors are held against; of more a sample, evenly over all of them."""


@dataclass(frozen=True)
class AnchorSet:
    """A set of anchors, and how it fits.

    Attributes:
        name: ``"own"``, ``"sizes"``, ``"ratios"`` or ``"both"``: what of it is new.
        sizes: of each level, √(w·h) in pixels, as ``AnchorGenerator`` takes them.
        ratios: of each level, h/w, likewise.
        near: the share of objects with an anchor at each of `SHARES`.
        mean: of the objects' best IoU.
    """

    name: str
    sizes: tuple[tuple[float, ...], ...]
    ratios: tuple[tuple[float, ...], ...]
    near: tuple[float, ...]
    mean: float


def anchor_sets(survey: Survey) -> list[AnchorSet]:
    """Return the model's anchors, and sets that would fit better, the best last.

    Returns:
        The model's own first; nothing where there are no objects, or anchors of another kind.

    Raises:
        InputError: scipy is not installed.
    """
    base = [np.asarray(level, np.float64) for level in survey.subject.base]
    chosen = np.flatnonzero(single(survey) & ~np.isnan(survey.objects["iou"]).any(1))
    if not base or len(chosen) < ENOUGH:
        return []
    if len(chosen) > MOST:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST).astype(int)]
    boxes = survey.objects["resized"][chosen]
    own_sizes, own_ratios = _described(base)
    new_sizes = _sizes(sides(boxes), own_sizes)
    new_ratios = [_rounded(_centres(np.log(ratios(boxes)), len(r)), 2) for r in own_ratios[:1]]
    new_ratios = new_ratios * len(base)
    sets = {
        "own": (own_sizes, own_ratios),
        "sizes": (new_sizes, own_ratios),
        "ratios": (own_sizes, new_ratios),
        "both": (new_sizes, new_ratios),
    }
    found = []
    for name, (size, ratio) in sets.items():
        laid = base if name == "own" else _base(size, ratio)
        found.append(_measured(name, size, ratio, laid, survey, chosen))
    own, *others = found
    better = [each for each in others if _worth(each) > _worth(own)]
    return [own, *sorted(better, key=_worth)]


def _worth(each: AnchorSet) -> tuple[float, ...]:
    return each.near[0], each.near[1], each.mean


def _described(
    base: Sequence[np.ndarray],
) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    """Sizes and ratios that levels' anchors have, as far as rounding to pixels shows them."""
    size = [_distinct(shapes_of(level)[0], 0.06, 0) for level in base]
    # rounding to whole pixels blurs ratios, the less the larger the anchor
    blurred = _distinct(shapes_of(base[-1])[1], 0.15, 4)
    ratio = tuple(round(value * 20) / 20 or value for value in blurred)
    return size, [ratio] * len(base)


def _distinct(values: np.ndarray, apart: float, digits: int) -> tuple[float, ...]:
    found: list[float] = []
    for value in sorted(values.tolist()):
        if not found or np.log(value / found[-1]) > apart:
            found.append(value)
    return tuple(round(value, digits) for value in found)


def _sizes(side: np.ndarray, own: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """As many sizes as there are, spread over the levels from small to large."""
    counts = [len(level) for level in own]
    centres = _rounded(_centres(np.log(side), sum(counts)), 0)
    found, start = [], 0
    for count in counts:
        part = centres[start : start + count]
        found.append(part or centres[-1:])
        start += count
    return found


def _centres(values: np.ndarray, count: int) -> np.ndarray:
    """The centres of k-means in one dimension, raised from logarithms, rising.

    Raises:
        InputError: scipy is not installed.
    """
    try:
        from scipy.cluster.vq import kmeans2
    except ImportError:
        raise InputError(
            "a proposal of anchors needs scipy: pip install rcnn-tracer[survey]"
        ) from None
    count = min(count, len(np.unique(values)))
    start = np.quantile(values, (np.arange(count) + 0.5) / count)
    centres, _ = kmeans2(values[:, None], np.unique(start)[:, None], iter=50, minit="matrix")
    found: np.ndarray = np.exp(np.sort(centres[:, 0]))
    return found


def _rounded(values: np.ndarray, digits: int) -> tuple[float, ...]:
    return tuple(dict.fromkeys(round(float(value), digits) for value in values))


def _base(
    size: Sequence[tuple[float, ...]], ratio: Sequence[tuple[float, ...]]
) -> list[np.ndarray]:
    """The anchors of one cell of each level."""
    return [
        np.concatenate([base_anchors(each, np.asarray(shape, np.float32)) for each in level])
        for level, shape in zip(size, ratio, strict=True)
    ]


def _measured(
    name: str,
    size: Sequence[tuple[float, ...]],
    ratio: Sequence[tuple[float, ...]],
    base: Sequence[np.ndarray],
    survey: Survey,
    chosen: np.ndarray,
) -> AnchorSet:
    """Hold objects against anchors laid out over their pictures, pictures of one size together."""
    rows = np.searchsorted(survey.pictures["number"], survey.objects["picture"][chosen])
    layout = np.concatenate(
        [survey.pictures["batch"], survey.pictures["grids"].reshape(len(survey), -1)], 1
    )[rows]
    best = np.zeros(len(chosen))
    shapes, which = np.unique(layout, axis=0, return_inverse=True)
    boxes = survey.objects["resized"][chosen].astype(np.float64)
    for at, shape in enumerate(shapes):
        there = which.reshape(-1) == at
        grids = [tuple(map(int, grid)) for grid in shape[2:].reshape(-1, 2)]
        best[there] = best_iou(boxes[there], base, grids, shape[:2].tolist())
    near = tuple(float((best >= limit).mean()) for limit in SHARES)
    return AnchorSet(name, tuple(size), tuple(ratio), near, float(best.mean()))
