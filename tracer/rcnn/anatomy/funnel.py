"""Candidates that steps remove one after the other: of the RPN and of the post-processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        suppressed_by: int64 [total], the surviving candidate of the same group that overlaps a
            candidate removed by NMS most; -1 for all others.
        overlap: float32 [total], their IoU, of the clipped boxes.
    """

    total: int
    group: np.ndarray
    steps: tuple[Step, ...]
    suppressed_by: np.ndarray
    overlap: np.ndarray

    def step(self, name: str) -> Step:
        """Return a step by its name."""
        return next(step for step in self.steps if step.name == name)

    def removed(self, name: str) -> np.ndarray:
        """Return the candidates that a step removed, int64."""
        place = next(i for i, step in enumerate(self.steps) if step.name == name)
        if place == 0:
            return np.empty(0, np.int64)
        return np.setdiff1d(self.steps[place - 1].kept, self.steps[place].kept)

    @property
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
