"""What would have kept a lost object: the recorded filters again, with other settings.

From the station that lost it on, each setting that stands in the way is moved as little as keeps
the object there, and the whole filter runs with it: what is returned has been tried. Nothing of the
model runs, so of a proposal that the pass did not have nobody knows what the second stage would
have made of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from tracer.rcnn.anatomy.filtering import (
    DetectionSettings,
    Filtered,
    ProposalSettings,
    greedy,
    overlaps,
)
from tracer.rcnn.anatomy.geometry import iou
from tracer.rcnn.stories.matching import match_detections
from tracer.rcnn.stories.model import Change
from tracer.rcnn.stories.stations import Search

Settings = TypeVar("Settings", ProposalSettings, DetectionSettings)
Relax = Callable[[Settings, Filtered], Iterable[Settings]]


def proposal_changes(search: Search) -> tuple[Change, ...]:
    """Return settings of the RPN with which a box on the object becomes a proposal; else nothing.

    Args:
        search: the object, which the RPN's filter lost.
    """
    first = search.case.first
    covers, scores, boxes = search.rpn.covers, first.scores, first.proposals.clipped.xyxy

    def by_rank(now: ProposalSettings, left: Filtered) -> Iterable[ProposalSettings]:
        best = min(first.rank(int(each)) for each in np.flatnonzero(covers))
        yield replace(now, pre_nms_top_n=best + 1)

    def by_score(now: ProposalSettings, left: Filtered) -> Iterable[ProposalSettings]:
        before = _kept(left, "small")
        yield replace(now, score_thresh=_below(float(scores[before[covers[before]]].max()), True))

    def by_nms(now: ProposalSettings, left: Filtered) -> Iterable[ProposalSettings]:
        for value in _nms_thresholds(left, "score", covers, scores, boxes, now.nms_thresh):
            yield replace(now, nms_thresh=value)

    def by_count(now: ProposalSettings, left: Filtered) -> Iterable[ProposalSettings]:
        yield replace(now, post_nms_top_n=_place(left, covers))

    relax = {"top_k": by_rank, "score": by_score, "nms": by_nms, "top_n": by_count}
    found = _repaired(first.recorded, first, covers, relax)
    mode = "train" if search.case.parts.training else "test"
    return () if found is None else _changes(first.recorded, found, "rpn_", f"_{mode}")


def detection_changes(search: Search, number: int | None) -> tuple[Change, ...]:
    """Return settings of the post-processing with which the object is found; else nothing.

    Args:
        search: the object, which the post-processing lost.
        number: of the object; None of a box, which is found by any detection that covers it.
    """
    case, second, trail = search.case, search.case.second, search.heads
    boxes = case.detections.candidate_boxes
    assert boxes is not None
    covers, scores = trail.covers, trail.scores

    def by_score(now: DetectionSettings, left: Filtered) -> Iterable[DetectionSettings]:
        yield replace(now, score_thresh=_below(float(scores[covers].max()), False))

    def by_nms(now: DetectionSettings, left: Filtered) -> Iterable[DetectionSettings]:
        for value in _nms_thresholds(left, "small", covers, scores, boxes, now.nms_thresh):
            yield replace(now, nms_thresh=value)

    def by_count(now: DetectionSettings, left: Filtered) -> Iterable[DetectionSettings]:
        yield replace(now, detections_per_img=_place(left, covers))

    relax = {"score": by_score, "nms": by_nms, "top_n": by_count}
    found = _repaired(second.recorded, second, covers, relax)
    if found is None or not _matched(search, second(found), number):
        return ()
    return _changes(second.recorded, found, "" if case.parts.one_stage else "box_")


def _repaired(
    settings: Settings,
    refilter: Callable[[Settings], Filtered],
    covers: np.ndarray,
    relax: Mapping[str, Relax[Settings]],
) -> Settings | None:
    """Move one setting after the other until a candidate that covers the object comes through."""
    left = refilter(settings)
    while (at := _lost(left, covers)) < len(left.steps):
        name = left.steps[at].name
        proposed = relax[name](settings, left) if name in relax else ()
        tried = ((each, refilter(each)) for each in proposed)
        found = next((pair for pair in tried if _lost(pair[1], covers) > at), None)
        if found is None:
            return None
        settings, left = found
    return settings


def _lost(left: Filtered, covers: np.ndarray) -> int:
    """Index of the first step after which no candidate is left that covers the object."""
    gone = (i for i, step in enumerate(left.steps) if not covers[step.kept].any())
    return next(gone, len(left.steps))


def _kept(left: Filtered, name: str) -> np.ndarray:
    return next(step.kept for step in left.steps if step.name == name)


def _place(left: Filtered, covers: np.ndarray) -> int:
    """How many must be let through for the first that covers the object to be among them."""
    return int(np.flatnonzero(covers[_kept(left, "nms")])[0]) + 1


def _below(score: float, reached: bool) -> float:
    """A threshold of two digits that a score passes: it may be equal to it, or must exceed it."""
    if score <= 0:
        return 0.0 if reached else -1.0
    step = 10.0 ** (math.floor(math.log10(score)) - 1)
    value = math.floor(score / step) * step
    short = float(f"{value:.2g}")
    limit = np.float32(short)
    passes = np.float32(score) >= limit if reached else np.float32(score) > limit
    return short if passes else float(f"{value - step:.2g}")


def _nms_thresholds(
    left: Filtered,
    before: str,
    covers: np.ndarray,
    scores: np.ndarray,
    boxes: np.ndarray,
    recorded: float,
) -> Iterable[float]:
    """Thresholds, rising by hundredths, with which NMS keeps a box on the object in its group."""
    candidates = _kept(left, before)
    groups = np.unique(left.group[candidates[covers[candidates]]])
    tables = []
    for group in groups:
        members = candidates[left.group[candidates] == group]
        members = members[np.argsort(-scores[members], kind="stable")]
        tables.append((overlaps(boxes[members]), covers[members]))
    for hundredths in range(math.floor(recorded * 100) + 1, 101):
        value = hundredths / 100
        if any(covering[greedy(table, value)].any() for table, covering in tables):
            yield value


def _matched(search: Search, left: Filtered, number: int | None) -> bool:
    """Whether a detection finds the object, when all of them are matched anew."""
    case = search.case
    if number is None:
        return bool(search.heads.covers[left.kept].any())
    labels = left.group[left.kept]
    shared = np.nan_to_num(iou(left.boxes.xyxy, case.boxes))
    found = match_detections(shared, labels, case.labels, case.threshold)
    return bool(found.detection_of[number] >= 0)


def _changes(
    recorded: Settings, found: Settings, prefix: str, mode: str = ""
) -> tuple[Change, ...]:
    """The settings that differ, as the detector's constructor calls them."""
    return tuple(
        Change(f"{prefix}{name}{mode if name.endswith('top_n') else ''}", old, new)
        for name in recorded.__dataclass_fields__
        if (old := getattr(recorded, name)) != (new := getattr(found, name))
    )
