"""Candidates that steps remove one after the other: of the RPN and of the post-processing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracer.rcnn.anatomy.geometry import suppressors


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a funnel.

    Attributes:
        name: ``"all"``, ``"top_k"``, ``"clip"``, ``"small"``, ``"score"``, ``"nms"``, ``"top_n"``.
        kept: int64 [K], the candidates that are left after it. After ``"top_k"`` they are by
            falling score within each level, after ``"nms"`` by falling score.
        limit: the number or threshold of the step (pixels, score, IoU, count); None without.
    """

    name: str
    kept: np.ndarray
    limit: float | None = None


@dataclass(frozen=True, eq=False)
class Funnel:
    """What became of each candidate.

    Attributes:
        total: how many candidates there were.
        group: int64 [total], each candidate's level (RPN) or class (post-processing).
        steps: in order; the first one is ``"all"``.
        suppressed_by: int64 [total], for which surviving candidate NMS removed each one, as
            `geometry.suppressors` finds it; -1 for those that it did not remove.
        overlap: float32 [total], their IoU, of the clipped boxes.
    """

    total: int
    group: np.ndarray
    steps: tuple[Step, ...]
    suppressed_by: np.ndarray
    overlap: np.ndarray

    @classmethod
    def of(cls, group: np.ndarray, steps: Sequence[Step], boxes: np.ndarray) -> Funnel:
        """Return a funnel, and in it what suppressed what.

        Args:
            group: int64 [total], level or class of each candidate.
            steps: in order; one of them is ``"nms"``.
            boxes: float32 [total, 4], as NMS got them.
        """
        total, place = len(group), [step.name for step in steps].index("nms")
        kept, limit = steps[place].kept, steps[place].limit or 0
        removed = _without(steps[place - 1].kept, kept, total)
        by, overlap = np.full(total, -1, np.int64), np.zeros(total, np.float32)
        by[removed], overlap[removed] = suppressors(boxes, group, kept, removed, limit)
        return cls(total, group, tuple(steps), by, overlap)

    def step(self, name: str) -> Step:
        """Return a step by its name."""
        return next(step for step in self.steps if step.name == name)

    def removed(self, name: str) -> np.ndarray:
        """Return the candidates that a step removed, int64."""
        place = next(i for i, step in enumerate(self.steps) if step.name == name)
        if place == 0:
            return np.empty(0, np.int64)
        return _without(self.steps[place - 1].kept, self.steps[place].kept, self.total)

    @cached_property
    def removed_by(self) -> np.ndarray:
        """Index into `steps` of what removed each candidate; -1 for those that came through."""
        fate = np.full(self.total, -1, np.int64)
        for i, step in enumerate(self.steps[1:], 1):
            fate[self.removed(step.name)] = i
        return fate

    def counts(self, groups: int) -> np.ndarray:
        """Return how many are left per step and group, int64 [steps, groups]."""
        rows = [np.bincount(self.group[step.kept], minlength=groups) for step in self.steps]
        return np.stack(rows)[:, :groups]


def _without(before: np.ndarray, after: np.ndarray, total: int) -> np.ndarray:
    """Return which of `total` candidates are in `before` and not in `after`, in rising order."""
    gone = np.zeros(total, bool)
    gone[before], gone[after] = True, False
    return np.flatnonzero(gone)
