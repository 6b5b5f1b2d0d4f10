"""Which detections two passes over the same pictures have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracer.rcnn.anatomy.detections import Detections

IOU = 0.5
"""From this IoU on two boxes are taken for the same object."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a detection.

    Attributes:
        image: index in the batch.
        first, second: index among each pass's detections of that image; None where it has none.
        labels: in each pass; None likewise.
        scores: in each pass; None likewise.
        iou: of the two boxes; None where only one is there.
    """

    image: int
    first: int | None
    second: int | None
    labels: tuple[int | None, int | None]
    scores: tuple[float | None, float | None]
    iou: float | None = None

    @property
    def kind(self) -> str:
        """``"kept"``, ``"relabelled"``, ``"vanished"`` or ``"appeared"``."""
        if self.first is None or self.second is None:
            return "appeared" if self.first is None else "vanished"
        return "kept" if self.labels[0] == self.labels[1] else "relabelled"


def agree(first: Sequence[Detections], second: Sequence[Detections]) -> tuple[Outcome, ...]:
    """Match the detections of two passes, image by image; first those of the first pass."""
    found: list[Outcome] = []
    for mine, other in zip(first, second, strict=False):
        pairs = _pairs(mine, other)
        partners = set(pairs.values())
        places: list[tuple[int | None, int | None]] = [(i, pairs.get(i)) for i in range(len(mine))]
        places += [(None, j) for j in range(len(other)) if j not in partners]
        found += [_outcome(mine, other, *place) for place in places]
    return tuple(found)


def _pairs(mine: Detections, other: Detections) -> dict[int, int]:
    """Match boxes one to one: those of one class before others, the best IoU first."""
    ious = mine.boxes.iou(other.boxes)
    alike = mine.labels[:, None] == other.labels[None]
    found: dict[int, int] = {}
    taken: set[int] = set()
    for allowed in (alike, ~alike):
        candidates = np.argwhere(allowed & (ious >= IOU))
        order = np.argsort(-ious[tuple(candidates.T)], kind="stable")
        for i, j in candidates[order].tolist():
            if i not in found and j not in taken:
                found[i] = j
                taken.add(j)
    return found


def _outcome(mine: Detections, other: Detections, i: int | None, j: int | None) -> Outcome:
    both = [None if at is None else (of, at) for of, at in ((mine, i), (other, j))]
    labels = [None if one is None else int(one[0].labels[one[1]]) for one in both]
    scores = [None if one is None else float(one[0].scores[one[1]]) for one in both]
    iou = None
    if i is not None and j is not None:
        iou = float(mine.boxes.take(slice(i, i + 1)).iou(other.boxes.take(slice(j, j + 1)))[0, 0])
    return Outcome(
        mine.image, i, j, (labels[0], labels[1]), (scores[0], scores[1]), iou
    )  # fmt: skip
