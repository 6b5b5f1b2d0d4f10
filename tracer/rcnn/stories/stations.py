"""The stations of a two-stage detector, each with what it did to the candidate that is followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracer.rcnn.anatomy import Anatomy, Funnel
from tracer.rcnn.anatomy.anchors import base_anchors, ratios_of
from tracer.rcnn.anatomy.geometry import iou
from tracer.rcnn.stories.case import Case, Trail
from tracer.rcnn.stories.model import Box, Fact, Step

RPN_STEPS = ("top_k", "small", "score", "nms", "top_n")
BOX_STEPS = ("score", "small", "nms", "top_n")
SIZES = tuple(2.0**k for k in range(2, 11))
"""Sides of the anchors that are tried, in pixels."""


@dataclass(frozen=True, eq=False)
class Search:
    """What of an image leads to one box.

    Attributes:
        case: the image.
        box: float32 [4] in resized pixels.
        label: its class; None for any.
    """

    case: Case
    box: np.ndarray
    label: int | None

    @classmethod
    def of_object(cls, case: Case, number: int) -> Search:
        """Return what leads to an object of the image."""
        assert case.objects is not None
        return cls(case, case.objects.resized.xyxy[number], int(case.objects.labels[number]))

    @cached_property
    def anchors(self) -> np.ndarray:
        """IoU of each anchor with the box, float32 [A]."""
        return self._iou(self.case.parts.anchors.xyxy)

    @cached_property
    def rpn(self) -> Trail:
        """The anchors, by their decoded and clipped boxes."""
        first = self.case.first
        overlap = self._iou(first.proposals.clipped.xyxy)
        return Trail(first.proposals.funnel, overlap, first.scores, self.case.threshold)

    @cached_property
    def heads(self) -> Trail:
        """The pairs of a proposal and a class, by the boxes of their second decoding."""
        found = self.case.detections
        assert found.funnel is not None
        assert found.candidate_boxes is not None
        assert found.candidate_scores is not None
        overlap = self._iou(found.candidate_boxes)
        if self.label is not None:
            overlap = np.where(found.funnel.group == self.label, overlap, np.float32(0))
        return Trail(found.funnel, overlap, found.candidate_scores, self.case.threshold)

    @property
    def proposals(self) -> np.ndarray:
        """The anchors of the proposals, int64 [P], in the order in which they were pooled."""
        return self.rpn.funnel.steps[-1].kept

    def _iou(self, boxes: np.ndarray) -> np.ndarray:
        if len(boxes) == 0:
            return np.zeros(0, np.float32)
        found: np.ndarray = np.nan_to_num(iou(boxes, self.box[None])[:, 0])
        return found


# --- the RPN --------------------------------------------------------------------------------------


def rpn_steps(search: Search, anchor: int, lost: str = "") -> Iterator[Step]:
    """Yield what the RPN did with an anchor, up to the step that removed it.

    Args:
        search: the box that it is followed for.
        anchor: its index.
        lost: the step that lost the object, if one of these did.
    """
    yield anchor_step(search, anchor)
    yield _objectness_step(search, anchor)
    yield _decode_step(search, anchor, lost == "decode")
    if lost == "decode":
        return
    for name, last in _filters(search.rpn.funnel, RPN_STEPS, anchor):
        yield _filter_step(search, anchor, name, last, lost == name)


def anchor_step(search: Search, anchor: int) -> Step:
    """Return how well anchors fit the box, and where the one that is followed stands."""
    parts, overlap = search.case.parts, search.anchors
    best = int(overlap.argmax())
    level, row, column, _ = parts.anchors.cell_of(anchor)
    facts: dict[str, Fact] = {
        "level": parts.anchors.levels[level].name,
        "row": row,
        "column": column,
        **_sides(parts.anchors.xyxy[anchor]),
        "best_iou": float(overlap[best]),
        "best_level": parts.anchors.levels[int(parts.anchors.level[best])].name,
        **{f"best_{name}": side for name, side in _sides(parts.anchors.xyxy[best]).items()},
        "threshold": search.case.threshold,
        "total": len(overlap),
        "fitting": int((overlap >= np.float32(search.case.threshold)).sum()),
    }
    if not facts["fitting"]:
        facts |= better_anchor(parts, search.box, search.case.threshold)
    call = _module(parts, "anchor_generator" if parts.one_stage else "rpn.anchor_generator")
    return Step(
        "anchors", "rpn", call, False, int(str(facts["fitting"])), float(overlap[anchor]), None,
        as_box(parts.anchors.xyxy[anchor]), facts,
    )  # fmt: skip


def better_anchor(parts: Anatomy, box: np.ndarray, threshold: float) -> dict[str, Fact]:
    """Return an anchor that would fit a box: size and level, and the ratio where it takes another.

    Tried are sides that are powers of two with the model's own ratios, and the box's own ratio, at
    the cell of each level that lies nearest.

    Returns:
        ``better_size``, ``better_level`` and ``better_iou``; where it takes another ratio (h/w)
        ``other_size``, ``other_level``, ``other_iou`` and ``other_ratio``; nothing where no anchor
        reaches the threshold.
    """
    own = ratios_of(parts.anchors)
    x1, y1, x2, y2 = box.tolist()
    ratio = float(f"{(y2 - y1) / max(x2 - x1, 1e-6):.1g}")
    for ratios, name in ((own, None), ([ratio], ratio)):
        found = _best_laid(parts, box, np.asarray(ratios, np.float32))
        if found is not None and found[0] >= threshold:
            value, level, size = found
            kind = "better" if name is None else "other"
            told: dict[str, Fact] = {
                f"{kind}_iou": value,
                f"{kind}_level": level,
                f"{kind}_size": size,
            }
            return told if name is None else {**told, "other_ratio": name}
    return {}


def _best_laid(
    parts: Anatomy, box: np.ndarray, ratios: np.ndarray
) -> tuple[float, str, float] | None:
    """The best (IoU, level, size) of anchors of these ratios, laid as the generator lays them."""
    anchors = parts.anchors
    best: tuple[float, str, float] | None = None
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for index, level in enumerate(anchors.levels):
        row, column = anchors.cell_at(index, float(x), float(y))
        corner = np.asarray([column * anchors.steps[index][1], row * anchors.steps[index][0]] * 2)
        for size in SIZES:
            laid = base_anchors(size, ratios) + corner.astype(np.float32)
            value = float(np.nan_to_num(iou(laid, box[None])).max())
            if best is None or value > best[0]:
                best = (value, level.name, size)
    return best


def _objectness_step(search: Search, anchor: int) -> Step:
    case = search.case
    level = int(case.parts.anchors.level[anchor])
    facts: dict[str, Fact] = {
        "rank": case.first.rank(anchor) + 1,
        "of": case.parts.anchors.counts[level],
        "level": case.parts.anchors.levels[level].name,
    }
    score = float(case.first.scores[anchor])
    return Step("objectness", "rpn", _module(case.parts, "rpn.head"), score=score, facts=facts)


def _decode_step(search: Search, anchor: int, lost: bool) -> Step:
    trail = search.rpn
    box = search.case.first.proposals.clipped.xyxy[anchor]
    facts: dict[str, Fact] = {
        "threshold": trail.threshold,
        "before": float(search.anchors[anchor]),
        "fitting": int((search.anchors >= np.float32(trail.threshold)).sum()),
        **_sides(box),
    }
    call = call_of(search.case.parts, "BoxCoder.decode")
    left = int(trail.covers.sum())
    return Step(
        "decode", "rpn", call, lost, left, float(trail.overlap[anchor]), None, as_box(box), facts
    )


def _filter_step(search: Search, anchor: int, name: str, removed: bool, lost: bool) -> Step:
    """A step of ``filter_proposals``."""
    case, trail = search.case, search.rpn
    step = trail.funnel.step(name)
    facts: dict[str, Fact] = {
        "limit": step.limit,
        "removed": removed,
        "level": case.parts.anchors.levels[int(case.parts.anchors.level[anchor])].name,
    }
    score = float(case.first.scores[anchor])
    box = case.first.proposals.clipped.xyxy
    if name == "top_k":
        facts["rank"] = case.first.rank(anchor) + 1
    elif name == "small":
        facts |= _sides(box[anchor])
    elif name == "nms" and removed:
        facts |= suppressor(trail.funnel, case.first.scores, anchor, trail.overlap)
    elif name == "top_n":
        kept = trail.funnel.step("nms").kept
        facts |= {"rank": int(np.flatnonzero(kept == anchor)[0]) + 1, "total": len(kept)}
    call = call_of(case.parts, RPN_CALLS[name], "rpn", case.image)
    left, overlap = trail.left(name), float(trail.overlap[anchor])
    return Step(name, "rpn", call, lost, left, overlap, score, as_box(box[anchor]), facts)


RPN_CALLS = {
    "top_k": "RegionProposalNetwork._get_top_n_idx",
    "small": "remove_small_boxes",
    "score": "RegionProposalNetwork.filter_proposals",
    "nms": "batched_nms",
    "top_n": "RegionProposalNetwork.filter_proposals",
}


def suppressor(
    funnel: Funnel, scores: np.ndarray, removed: int, overlap: np.ndarray
) -> dict[str, Fact]:
    """Return which box NMS kept in the place of a removed one.

    Args:
        funnel: that NMS is a step of.
        scores: float32 [N].
        removed: the candidate.
        overlap: float32 [N], IoU with the object.

    Returns:
        ``by`` (the candidate), ``by_score``, ``by_iou`` (of the two boxes) and ``by_object`` (its
        IoU with the object).
    """
    by = int(funnel.suppressed_by[removed])
    return {
        "by": by,
        "by_score": float(scores[by]),
        "by_iou": float(funnel.overlap[removed]),
        "by_object": float(overlap[by]),
    }


# --- the second stage -----------------------------------------------------------------------------


def box_steps(search: Search, proposal: int, pair: int, lost: str = "") -> Iterator[Step]:
    """Yield what the second stage did with a proposal and one class, up to where it was removed.

    Args:
        search: the box that they are followed for.
        proposal: its index.
        pair: the candidate, as in `Detections.funnel`.
        lost: the step that lost the object, if one of these did.
    """
    yield _level_step(search, proposal)
    yield _classes_step(search, proposal, pair)
    yield _box_step(search, proposal, pair, lost == "box")
    if lost == "box":
        return
    for name, last in _filters(search.heads.funnel, BOX_STEPS, pair):
        yield class_filter_step(search, pair, name, last, lost == f"class_{name}")


def _filters(funnel: Funnel, names: Sequence[str], candidate: int) -> Iterator[tuple[str, bool]]:
    """Yield the steps of a funnel that a candidate came to, and whether it came no further."""
    places = [step.name for step in funnel.steps]
    fate = int(funnel.removed_by[candidate])
    for name in names:
        place = places.index(name)
        if 0 <= fate < place:
            return
        yield name, fate == place


def _level_step(search: Search, proposal: int) -> Step:
    case = search.case
    pooling = case.parts.roi_heads.box
    box, several = pooling.boxes[case.image].xyxy[proposal], len(pooling.levels) > 1
    facts: dict[str, Fact] = {
        "level": pooling.level_of(proposal, case.image).name,
        "side": float(pooling.sides(case.image)[proposal]),
        "exact": float(pooling.exact_level(case.image)[proposal]) if several else None,
        "proposal": proposal,
        "first_level": pooling.levels[0].name,
        "last_level": pooling.levels[-1].name,
    }
    overlap = float(search.rpn.overlap[search.proposals[proposal]])
    call = _module(case.parts, "roi_heads.box_roi_pool")
    return Step("level", "roi_heads", call, iou=overlap, box=as_box(box), facts=facts)


def _classes_step(search: Search, proposal: int, pair: int) -> Step:
    case = search.case
    scores = case.parts.roi_heads.scores(case.image)[proposal]
    label = int(search.heads.funnel.group[pair])
    first = int(scores[1:].argmax()) + 1
    facts: dict[str, Fact] = {
        "label": label,
        "background": float(scores[0]),
        "other_label": None if first == label else first,
        "other_score": float(scores[first]),
    }
    call = _module(case.parts, "roi_heads.box_predictor")
    return Step("classes", "roi_heads", call, score=float(scores[label]), facts=facts)


def _box_step(search: Search, proposal: int, pair: int, lost: bool) -> Step:
    trail, found = search.heads, search.case.detections
    assert found.candidate_boxes is not None
    facts: dict[str, Fact] = {
        "label": int(trail.funnel.group[pair]),
        "threshold": trail.threshold,
        "before": float(search.rpn.overlap[search.proposals[proposal]]),
        **_sides(found.candidate_boxes[pair]),
    }
    call = call_of(search.case.parts, "BoxCoder.decode", "roi_heads")
    left, box = int(trail.covers.sum()), as_box(found.candidate_boxes[pair])
    return Step("box", "roi_heads", call, lost, left, float(trail.overlap[pair]), None, box, facts)


def class_filter_step(search: Search, pair: int, name: str, removed: bool, lost: bool) -> Step:
    """Return what a step of ``postprocess_detections`` did with a candidate.

    Args:
        search: the box that it is followed for.
        pair: the candidate.
        name: of the step, as in `Detections.funnel`.
        removed: whether it removed the candidate.
        lost: whether it lost the object.
    """
    trail, found = search.heads, search.case.detections
    assert found.candidate_boxes is not None
    assert found.candidate_scores is not None
    step = trail.funnel.step(name)
    facts: dict[str, Fact] = {
        "limit": step.limit,
        "removed": removed,
        "label": int(trail.funnel.group[pair]),
    }
    if name == "small":
        facts |= _sides(found.candidate_boxes[pair])
    elif name == "nms" and removed:
        facts |= suppressor(trail.funnel, found.candidate_scores, pair, trail.overlap)
    elif name == "top_n":
        kept = trail.funnel.step("nms").kept
        facts |= {"rank": int(np.flatnonzero(kept == pair)[0]) + 1, "total": len(kept)}
    parts = search.case.parts
    call = call_of(
        parts, _post_call(parts, name), "" if parts.one_stage else "roi_heads", search.case.image
    )
    return Step(
        f"class_{name}", "roi_heads", call, lost, trail.left(name), float(trail.overlap[pair]),
        float(found.candidate_scores[pair]), as_box(found.candidate_boxes[pair]), facts,
    )  # fmt: skip


def _post_call(parts: Anatomy, name: str) -> str:
    """The function that makes a step of the post-processing."""
    owner = parts.run.model.type if parts.one_stage else "RoIHeads"
    return {"small": "remove_small_boxes", "nms": "batched_nms"}.get(
        name, f"{owner}.postprocess_detections"
    )


def detection_step(case: Case, number: int, lost: bool, **facts: Fact) -> Step:
    """Return what came out: a detection, in resized pixels.

    Args:
        case: the image.
        number: of the detection.
        lost: whether the object is lost all the same, as the detection found another one.
        facts: more about it.
    """
    found = case.detections
    call = call_of(case.parts, "GeneralizedRCNNTransform.postprocess")
    told: dict[str, Fact] = {"number": number, "label": int(found.labels[number]), **facts}
    box = as_box(found.resized.xyxy[number])
    score = float(found.scores[number])
    return Step("detection", "postprocess", call, lost, score=score, box=box, facts=told)


# --- small things ---------------------------------------------------------------------------------


def as_box(box: np.ndarray) -> Box:
    """Return a box [4] as plain numbers."""
    x1, y1, x2, y2 = (float(v) for v in box)
    return x1, y1, x2, y2


def _sides(box: np.ndarray) -> dict[str, Fact]:
    x1, y1, x2, y2 = as_box(box)
    return {"width": x2 - x1, "height": y2 - y1}


def _module(parts: Anatomy, path: str) -> int | None:
    call = parts.run.module(path)
    return None if call is None else call.id


def call_of(parts: Anatomy, name: str, within: str = "", nth: int = 0) -> int | None:
    """Return the id of a call of a function, None if it was not recorded.

    Args:
        parts: the pass.
        name: of the function.
        within: a module in which it was called; anywhere, if not given.
        nth: which of its calls; the last, if there are fewer.
    """
    around = parts.run.module(within) if within else None
    calls = parts.run.named("function", name, around)
    return calls[min(nth, len(calls) - 1)].id if calls else None
