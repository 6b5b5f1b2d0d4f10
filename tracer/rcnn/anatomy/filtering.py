"""The two filters of a detector, again, with other thresholds and limits, on the recorded tensors.

>>> refilter = proposal_filter(parts, image=0)
>>> refilter(replace(refilter.recorded, nms_thresh=0.5)).counts(5)

With the recorded settings both give the recorded proposals and detections exactly: every candidate
has its recorded box, the order of equal scores is the recorded one, and NMS compares as
``torchvision.ops.batched_nms`` does. Nothing of the backbone or of the heads runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tracer.errors import MissingError
from tracer.rcnn.anatomy.detections import Detections
from tracer.rcnn.anatomy.funnel import Step
from tracer.rcnn.anatomy.geometry import Boxes, area, nms_limit
from tracer.rcnn.anatomy.rpn import Proposals, Rpn

COORDINATE_TRICK = 4000
"""``batched_nms`` on a CPU shifts the groups apart and runs once, up to so many box coordinates;
with more it runs once per group. The two round differently (torchvision/ops/boxes.py)."""


@dataclass(frozen=True)
class ProposalSettings:
    """What the RPN's filter is set to.

    Attributes:
        pre_nms_top_n: at most so many candidates per level before NMS.
        score_thresh: of the objectness after the sigmoid, 0–1.
        nms_thresh: IoU.
        post_nms_top_n: at most so many proposals of all levels together.
    """

    pre_nms_top_n: int
    score_thresh: float
    nms_thresh: float
    post_nms_top_n: int


@dataclass(frozen=True)
class DetectionSettings:
    """What the post-processing is set to.

    Attributes:
        score_thresh: of a class's probability, 0–1.
        nms_thresh: IoU, among boxes of one class.
        detections_per_img: at most so many.
    """

    score_thresh: float
    nms_thresh: float
    detections_per_img: int


@dataclass(frozen=True, eq=False)
class Filtered:
    """What is left of the candidates, step by step.

    Attributes:
        group: int64 [total], each candidate's level (RPN) or class (post-processing).
        steps: as in `Funnel`, without ``"clip"``.
        boxes: what came through, by falling score.
        scores: float32, their scores.
    """

    group: np.ndarray
    steps: tuple[Step, ...]
    boxes: Boxes
    scores: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """The candidates that came through, by falling score."""
        return self.steps[-1].kept

    def counts(self, groups: int) -> np.ndarray:
        """Return how many are left per step and group, int64 [steps, groups]."""
        rows = [np.bincount(self.group[step.kept], minlength=groups) for step in self.steps]
        return np.stack(rows)[:, :groups]


# --- proposals ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ProposalFilter:
    """The RPN's filter for one image; call it with settings.

    Attributes:
        recorded: the settings of the pass.
        proposals: what the pass made of each anchor.
        smallest: side in pixels that a box must have.
        scores: float32 [A], objectness after the sigmoid.
    """

    recorded: ProposalSettings
    proposals: Proposals
    smallest: float
    scores: np.ndarray
    _ranked: tuple[np.ndarray, ...] = field(repr=False)
    _overlaps: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __call__(self, settings: ProposalSettings) -> Filtered:
        """Filter the candidates: top-k per level, small boxes, score, NMS per level, top-n."""
        level, clipped = self.proposals.funnel.group, self.proposals.clipped
        chosen = np.concatenate([order[: settings.pre_nms_top_n] for order in self._ranked])
        large = chosen[_large(clipped.xyxy[chosen], self.smallest)]
        scored = large[self.scores[large] >= np.float32(settings.score_thresh)]
        kept = self._nms(scored, settings.nms_thresh)
        left = kept[: settings.post_nms_top_n]
        steps = (
            Step("all", np.arange(len(level))),
            Step("top_k", chosen, settings.pre_nms_top_n),
            Step("small", large, self.smallest),
            Step("score", scored, settings.score_thresh),
            Step("nms", kept, settings.nms_thresh),
            Step("top_n", left, settings.post_nms_top_n),
        )
        return Filtered(level, steps, clipped.take(left), self.scores[left])

    def rank(self, anchor: int) -> int:
        """Return an anchor's place by falling objectness within its level, from 0."""
        ranked = self._ranked[int(self.proposals.funnel.group[anchor])]
        return int(np.flatnonzero(ranked == anchor)[0])

    def _nms(self, candidates: np.ndarray, threshold: float) -> np.ndarray:
        level = self.proposals.funnel.group[candidates]
        if len(candidates) * 4 <= COORDINATE_TRICK:
            boxes = self.proposals.clipped.xyxy[candidates]
            found: np.ndarray = candidates[
                shifted_nms(boxes, self.scores[candidates], level, threshold)
            ]
            return found
        kept = [self._of_level(i, candidates[level == i], threshold) for i in np.unique(level)]
        return _by_score(np.concatenate(kept), self.scores, candidates)

    def _of_level(self, level: int, candidates: np.ndarray, threshold: float) -> np.ndarray:
        """NMS within a level; its candidates come by falling score already."""
        place = np.full(len(self.scores), -1, np.int64)
        ranked = self._ranked[level]
        place[ranked] = np.arange(len(ranked))
        places = place[candidates]
        table = self._table(level, int(places.max()) + 1)
        if len(places) != len(table) or places[-1] != len(places) - 1:
            table = table[np.ix_(places, places)]
        found: np.ndarray = candidates[greedy(table, threshold)]
        return found

    def _table(self, level: int, count: int) -> np.ndarray:
        """IoU among a level's first candidates; kept, as a threshold changes and boxes do not."""
        table = self._overlaps.get(level)
        if table is None or len(table) < count:
            boxes = self.proposals.clipped.xyxy[self._ranked[level][:count]]
            table = self._overlaps[level] = overlaps(boxes)
        return table[:count, :count]


def proposal_filter(rpn: Rpn, image: int = 0) -> ProposalFilter:
    """Prepare the filter of an image's anchors.

    Raises:
        MissingError: what it is computed from was not kept.
    """
    found = rpn.proposals(image)
    recorded = ProposalSettings(
        rpn.pre_nms_top_n, rpn.score_threshold, rpn.nms_threshold, rpn.post_nms_top_n
    )
    scores = _sigmoid(found.logits)
    scores[found.funnel.steps[-1].kept] = found.scores
    ranked = tuple(_ranked(found, i) for i in range(len(rpn.levels)))
    return ProposalFilter(recorded, found, rpn.smallest, scores, ranked)


def _ranked(found: Proposals, level: int) -> np.ndarray:
    """A level's anchors by falling objectness; those of the recorded top-k in recorded order."""
    top = found.funnel.step("top_k").kept
    first = top[found.funnel.group[top] == level]
    rest = np.setdiff1d(np.flatnonzero(found.funnel.group == level), first)
    return np.concatenate([first, rest[np.argsort(-found.logits[rest], kind="stable")]])


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-logits.astype(np.float32)))).astype(np.float32)


# --- detections -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class DetectionFilter:
    """The post-processing of one image; call it with settings.

    Attributes:
        recorded: the settings of the pass.
        detections: what the pass made of each pair of a proposal and a class.
        smallest: side in pixels that a box must have.
        classes: how many, without the background.
    """

    recorded: DetectionSettings
    detections: Detections
    smallest: float
    classes: int
    _boxes: Boxes = field(repr=False)
    _scores: np.ndarray = field(repr=False)
    _labels: np.ndarray = field(repr=False)

    def __call__(
        self, settings: DetectionSettings, proposals: np.ndarray | None = None
    ) -> Filtered:
        """Filter the candidates: score, small boxes, NMS per class, top-n.

        Args:
            settings: thresholds and limit.
            proposals: indices of the recorded proposals to start from; all, if not given.
        """
        every = np.arange(len(self._scores))
        if proposals is not None:
            every = every[np.isin(every // self.classes, proposals)]
        scored = every[self._scores[every] > np.float32(settings.score_thresh)]
        large = scored[_large(self._boxes.xyxy[scored], self.smallest)]
        boxes, scores = self._boxes.xyxy[large], self._scores[large]
        kept = large[batched_nms(boxes, scores, self._labels[large], settings.nms_thresh)]
        left = kept[: settings.detections_per_img]
        steps = (
            Step("all", every),
            Step("score", scored, settings.score_thresh),
            Step("small", large, self.smallest),
            Step("nms", kept, settings.nms_thresh),
            Step("top_n", left, settings.detections_per_img),
        )
        return Filtered(self._labels, steps, self._boxes.take(left), self._scores[left])


def detection_filter(found: Detections) -> DetectionFilter:
    """Prepare the post-processing of an image.

    Raises:
        MissingError: the detector has one stage.
    """
    funnel = found.funnel
    if funnel is None or found.candidate_boxes is None or found.candidate_scores is None:
        raise MissingError("a one-stage detector has no post-processing of proposals")
    limits = {step.name: step.limit for step in funnel.steps}
    recorded = DetectionSettings(
        float(limits["score"] or 0), float(limits["nms"] or 0), int(limits["top_n"] or 0)
    )
    boxes = Boxes(
        found.candidate_boxes, found.resized.pixels, found.resized.size, found.resized.image
    )
    classes = int(funnel.group.max()) if len(funnel.group) else 1
    smallest = float(limits["small"] or 0)
    return DetectionFilter(
        recorded, found, smallest, classes, boxes, found.candidate_scores, funnel.group
    )


# --- NMS as torchvision computes it ---------------------------------------------------------------


def batched_nms(
    boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float
) -> np.ndarray:
    """Return the boxes that no better one of their group overlaps, by falling score.

    Args:
        boxes: float32 [N, 4].
        scores: float32 [N].
        groups: int64 [N], level or class.
        threshold: IoU above which the worse of two is dropped.
    """
    if boxes.size <= COORDINATE_TRICK:
        return shifted_nms(boxes, scores, groups, threshold)
    return _grouped(boxes, scores, groups, threshold)


def shifted_nms(
    boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float
) -> np.ndarray:
    """NMS of all groups at once, each shifted to where no other one's boxes are.

    Boxes of two groups have an IoU of 0 then, so that only those within a group are compared.
    """
    if len(boxes) == 0:
        return np.empty(0, np.int64)
    offsets = groups.astype(boxes.dtype) * (boxes.max() + boxes.dtype.type(1))
    return _grouped(boxes + offsets[:, None], scores, groups, threshold)


def _grouped(
    boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, threshold: float
) -> np.ndarray:
    kept = [np.empty(0, np.int64)]
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        members = members[np.argsort(-scores[members], kind="stable")]
        kept.append(members[greedy(overlaps(boxes[members]), threshold)])
    return _by_score(np.concatenate(kept), scores, np.arange(len(scores)))


def overlaps(boxes: np.ndarray) -> np.ndarray:
    """Return the IoU of each pair of N boxes, float32 [N, N]: `geometry.iou`, with less memory."""
    shared = np.ones((len(boxes), len(boxes)), boxes.dtype)
    for axis in (0, 1):
        side = np.minimum(boxes[:, None, axis + 2], boxes[None, :, axis + 2])
        side -= np.maximum(boxes[:, None, axis], boxes[None, :, axis])
        shared *= np.maximum(side, 0, out=side)
    areas = area(boxes)
    union = areas[:, None] + areas[None]
    union -= shared
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = np.divide(shared, union, out=shared)
        return found


def greedy(table: np.ndarray, threshold: float) -> np.ndarray:
    """Return which of N boxes stay that come by falling score.

    Args:
        table: float32 [N, N], IoU.
        threshold: above it the worse of two goes.
    """
    apart = ~(table > nms_limit(threshold))
    alive = np.ones(len(apart), bool)
    for i in range(len(apart)):
        if alive[i]:
            alive[i + 1 :] &= apart[i, i + 1 :]
    return np.flatnonzero(alive)


def _by_score(kept: np.ndarray, scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Order by falling score; equal ones as they stand in `order`."""
    place = np.full(len(scores), -1, np.int64)
    place[order] = np.arange(len(order))
    kept = kept[np.argsort(place[kept], kind="stable")]
    return kept[np.argsort(-scores[kept], kind="stable")]


def _large(boxes: np.ndarray, smallest: float) -> np.ndarray:
    sides = boxes[:, 2:] - boxes[:, :2]
    found: np.ndarray = (sides >= np.float32(smallest)).all(1)
    return found
