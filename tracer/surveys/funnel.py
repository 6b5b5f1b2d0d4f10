"""The funnel of one pass, from what its modules gave, and what became of each object in it.

The steps are torchvision's own: its methods and functions are called again on what the heads gave,
in the order of ``RegionProposalNetwork.filter_proposals`` and ``RoIHeads.postprocess_detections``.
The boxes that come out are held against the model's own, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import boxes as box_ops

from tracer.rcnn.stories.matching import kind_of_error, match_detections
from tracer.surveys.data import BOX_STEPS, IOUS, KINDS, RPN_STEPS, STATIONS, STEPS

_IGNORED = KINDS.index("ignored")


@dataclass(frozen=True, eq=False)
class Proposals:
    """What became of the anchors of one picture.

    Attributes:
        boxes: float32 [A, 4], all of them decoded and clipped, in resized pixels.
        counts: anchors by level.
        steps: int64 [K] each, who is left after `RPN_STEPS`.
        exact: whether what is left in the end are the model's own proposals.
    """

    boxes: Tensor
    counts: list[int]
    steps: tuple[Tensor, ...]
    exact: bool

    def by_level(self) -> np.ndarray:
        """How many are left, int64 [steps, levels]."""
        which = torch.arange(len(self.counts), device=self.boxes.device)
        level = which.repeat_interleave(torch.tensor(self.counts, device=self.boxes.device))
        rows = [torch.bincount(level[kept], minlength=len(self.counts)) for kept in self.steps]
        found: np.ndarray = torch.stack(rows).cpu().numpy()
        return found


@dataclass(frozen=True, eq=False)
class Candidates:
    """What became of the pairs of a proposal and a class.

    Attributes:
        boxes: float32 [P, C, 4], clipped, in resized pixels, without the background.
        steps: int64 [K] each, which pairs, ``proposal * C + (label - 1)``, are left after
            `BOX_STEPS`.
        exact: whether what is left in the end are the model's own detections.
    """

    boxes: Tensor
    steps: tuple[Tensor, ...]
    exact: bool


def proposals_of(
    rpn: Any, head: Any, anchors: Tensor, size: tuple[int, int], given: Tensor
) -> Proposals:
    """Follow the anchors of a batch of one picture through the RPN's filter.

    Args:
        rpn: the module.
        head: what its head gave: objectness and deltas, a map per level.
        anchors: [A, 4] in resized pixels.
        size: height and width of the resized picture.
        given: the model's own proposals [P, 4].
    """
    counts = [int(each[0].numel()) for each in head[0]]
    objectness, deltas = concat_box_prediction_layers(list(head[0]), list(head[1]))
    decoded = rpn.box_coder.decode(deltas, [anchors]).view(-1, 4)
    clipped = box_ops.clip_boxes_to_image(decoded, size)
    scores = objectness.reshape(1, -1)
    every = torch.arange(len(clipped), device=clipped.device)
    level = torch.arange(len(counts), device=clipped.device).repeat_interleave(
        torch.tensor(counts, device=clipped.device)
    )
    top = rpn._get_top_n_idx(scores, counts)[0]
    scores = torch.sigmoid(scores[0])
    large = top[box_ops.remove_small_boxes(clipped[top], rpn.min_size)]
    scored = large[torch.where(scores[large] >= rpn.score_thresh)[0]]
    kept = scored[
        box_ops.batched_nms(clipped[scored], scores[scored], level[scored], rpn.nms_thresh)
    ]
    left = kept[: rpn.post_nms_top_n()]
    exact = torch.equal(clipped[left], given)
    return Proposals(clipped, counts, (every, top, large, scored, kept, left), exact)


def candidates_of(
    heads: Any, predicted: Any, proposals: Tensor, size: tuple[int, int], given: Tensor
) -> Candidates:
    """Follow the pairs of a proposal and a class through the post-processing.

    Args:
        heads: the RoI heads.
        predicted: what the predictor gave: class logits [P, C + 1] and deltas.
        proposals: [P, 4] in resized pixels.
        size: height and width of the resized picture.
        given: the model's own detections [D, 4] in resized pixels.
    """
    logits, deltas = predicted
    classes = logits.shape[-1] - 1
    decoded = heads.box_coder.decode(deltas, [proposals]).reshape(len(proposals), classes + 1, 4)
    boxes = box_ops.clip_boxes_to_image(decoded, size)[:, 1:]
    flat = boxes.reshape(-1, 4)
    scores = torch.softmax(logits, -1)[:, 1:].reshape(-1)
    labels = torch.arange(classes, device=flat.device).repeat(len(proposals))
    every = torch.arange(len(flat), device=flat.device)
    scored = torch.where(scores > heads.score_thresh)[0]
    large = scored[box_ops.remove_small_boxes(flat[scored], min_size=1e-2)]
    kept = large[
        box_ops.batched_nms(flat[large], scores[large], labels[large] + 1, heads.nms_thresh)
    ]
    left = kept[: heads.detections_per_img]
    return Candidates(boxes, (every, scored, large, kept, left), torch.equal(flat[left], given))


# --- objects --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Fates:
    """What became of the objects of one picture, and what its detections are.

    Attributes:
        reached: bool [M, IOUS, STEPS].
        rank: int32 [M, IOUS].
        lost: int8 [M].
        pooled: int8 [M].
        detection: int64 [M], the detection that found each object, -1 for none.
        overlaps: float32 [D, M].
        kinds: int8 [D].
        objects: int64 [D], the object that each detection found.
    """

    reached: np.ndarray
    rank: np.ndarray
    lost: np.ndarray
    pooled: np.ndarray
    detection: np.ndarray
    overlaps: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray


def fates_of(
    boxes: Tensor,
    labels: np.ndarray,
    crowd: np.ndarray,
    detections: tuple[Tensor, np.ndarray],
    proposals: Proposals | None = None,
    candidates: Candidates | None = None,
    levels: Tensor | None = None,
) -> Fates:
    """Tell what became of each object.

    Args:
        boxes: [M, 4] in resized pixels.
        labels: int64 [M].
        crowd: bool [M], regions that are no single object.
        detections: [D, 4] in resized pixels and labels [D], by falling score.
        proposals: the anchors' way; None for a one-stage detector.
        candidates: the pairs' way; likewise.
        levels: int64 [P], the level that each proposal is pooled from.
    """
    single = np.flatnonzero(~crowd)
    overlaps = _overlaps(detections[0], boxes)
    found, own = detections[1], labels[single]
    matched = [match_detections(overlaps[:, single], found, own, t) for t in IOUS]
    reached = np.zeros((len(labels), len(IOUS), len(STEPS)), bool)
    rank = np.full((len(labels), len(IOUS)), -1, np.int32)
    pooled = np.full(len(labels), -1, np.int8)
    for which, match in enumerate(matched):
        reached[single, which, -1] = match.detection_of >= 0
    if proposals is not None and candidates is not None:
        _follow(boxes, labels, single, proposals, candidates, reached, rank)
        if levels is not None and len(levels) and len(single):
            left = proposals.boxes[proposals.steps[-1]]
            nearest = box_ops.box_iou(boxes[single], left).nan_to_num().argmax(1)
            pooled[single] = levels[nearest].cpu().numpy()
    detection = np.full(len(labels), -1, np.int64)
    detection[single] = matched[0].detection_of
    objects = matched[0].object_of.copy()
    objects[objects >= 0] = single[objects[objects >= 0]]
    kinds = _kinds(overlaps, found, labels, single, objects)
    if crowd.any():
        _ignore(kinds, objects, detections, boxes, labels, crowd)
    lost = np.full(len(labels), -1, np.int8)
    if candidates is not None:
        lost[single] = [_station(reached[at, 0]) for at in single]
    return Fates(reached, rank, lost, pooled, detection, overlaps, kinds, objects)


def _overlaps(one: Tensor, other: Tensor) -> np.ndarray:
    found: np.ndarray = box_ops.box_iou(one, other).nan_to_num().cpu().numpy()
    return found


def _follow(
    boxes: Tensor,
    labels: np.ndarray,
    single: np.ndarray,
    proposals: Proposals,
    candidates: Candidates,
    reached: np.ndarray,
    rank: np.ndarray,
) -> None:
    """Note after which steps some candidate still covers each object, one object at a time."""
    pairs = candidates.boxes.shape[0] * candidates.boxes.shape[1]
    left = [_mask(pairs, kept, boxes).view(candidates.boxes.shape[:2]) for kept in candidates.steps]
    thresholds = torch.tensor(IOUS, dtype=torch.float32, device=boxes.device)
    rows, ranks = [], []
    for at in single.tolist():
        overlap = box_ops.box_iou(boxes[at : at + 1], proposals.boxes)[0].nan_to_num()
        covers = overlap[None] >= thresholds[:, None]
        first = torch.stack([covers[:, kept].any(1) for kept in proposals.steps], 1)
        final = covers[:, proposals.steps[-1]]
        ranks.append(_first(final))
        which = int(labels[at]) - 1
        if not 0 <= which < candidates.boxes.shape[1] or not candidates.boxes.shape[0]:
            second = torch.zeros((len(IOUS), len(BOX_STEPS)), dtype=torch.bool, device=boxes.device)
        else:
            overlap = box_ops.box_iou(boxes[at : at + 1], candidates.boxes[:, which])[0]
            covers = overlap.nan_to_num()[None] >= thresholds[:, None]
            second = torch.stack([(covers & mask[:, which]).any(1) for mask in left], 1)
        rows.append(torch.cat([first, second], 1))
    if rows:
        reached[single, :, : len(RPN_STEPS) + len(BOX_STEPS)] = torch.stack(rows).cpu().numpy()
        rank[single] = torch.stack(ranks).cpu().numpy()


def _mask(count: int, kept: Tensor, like: Tensor) -> Tensor:
    found = torch.zeros(count, dtype=torch.bool, device=like.device)
    found[kept] = True
    return found


def _first(covers: Tensor) -> Tensor:
    """The place of the first proposal that covers, [IOUS]; -1 for none."""
    if covers.shape[1] == 0:
        return torch.full((covers.shape[0],), -1, device=covers.device)
    place = covers.to(torch.uint8).argmax(1)
    return torch.where(covers.any(1), place, -1)


def _station(reached: np.ndarray) -> int:
    """Index into `STATIONS` of where an object was lost, as `why` tells it.

    Args:
        reached: bool [STEPS].
    """
    after = dict(zip(STEPS, reached.tolist(), strict=True))
    if after["matched"]:
        return 0
    if after["box_all"]:
        name = next((n for n in BOX_STEPS if not after[f"box_{n}"]), None)
        return STATIONS.index("detection" if name is None else f"class_{name}")
    if after["rpn_top_n"]:
        return STATIONS.index("box")
    name = next(n for n in RPN_STEPS if not after[f"rpn_{n}"])
    return STATIONS.index("decode" if name == "all" else name)


def _kinds(
    overlaps: np.ndarray,
    found: np.ndarray,
    labels: np.ndarray,
    single: np.ndarray,
    objects: np.ndarray,
) -> np.ndarray:
    """Index into `KINDS` of each detection, int8 [D]."""
    kinds = np.zeros(len(found), np.int8)
    for at in np.flatnonzero(objects < 0).tolist():
        kind, _ = kind_of_error(overlaps[at, single], int(found[at]), labels[single], IOUS[0])
        kinds[at] = KINDS.index(kind)
    return kinds


def _ignore(
    kinds: np.ndarray,
    objects: np.ndarray,
    detections: tuple[Tensor, np.ndarray],
    boxes: Tensor,
    labels: np.ndarray,
    crowd: np.ndarray,
) -> None:
    """Take detections out that lie in a crowd of their class, as COCO's evaluation does.

    There the share of the detection's own area that lies in the region takes the place of IoU.
    """
    regions = boxes[torch.from_numpy(crowd).to(boxes.device)]
    found = detections[0]
    low = torch.maximum(found[:, None, :2], regions[None, :, :2])
    high = torch.minimum(found[:, None, 2:], regions[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(2)
    share = (inter / box_ops.box_area(found)[:, None]).nan_to_num().cpu().numpy()
    same = detections[1][:, None] == labels[crowd][None]
    within = ((share >= IOUS[0]) & same).any(1)
    kinds[within & (objects < 0)] = _IGNORED
