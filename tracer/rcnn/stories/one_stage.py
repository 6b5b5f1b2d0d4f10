"""One-stage detectors: what of their post-processing can be told from a recording.

Their heads score every place of every level for every class. What is recorded are the candidates
that passed the score threshold and the limit per level (of SSD per class), as NMS got them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from tracer.errors import MissingError
from tracer.rcnn.anatomy.reading import plain
from tracer.rcnn.stories.case import Case
from tracer.rcnn.stories.model import Fact, Step
from tracer.rcnn.stories.stations import (
    Search,
    anchor_step,
    as_box,
    class_filter_step,
)


def candidate_steps(search: Search, pair: int | None, lost: str = "") -> Iterator[Step]:
    """Yield what can be told of a candidate: its anchors, and what NMS and the limit made of it.

    Args:
        search: the box that it is followed for.
        pair: the candidate; None where there is none at all.
        lost: the step that lost the object, if one of these did.
    """
    with suppress(MissingError):  # SSD's default boxes and FCOS's points are not read here
        yield anchor_step(search, int(search.anchors.argmax()))
    yield _candidates_step(search, pair, lost == "candidates")
    if pair is None or lost == "candidates":
        return
    fate = int(search.heads.funnel.removed_by[pair])
    yield class_filter_step(search, pair, "nms", fate == 3, lost == "class_nms")
    if fate != 3:
        yield class_filter_step(search, pair, "top_n", fate == 4, lost == "class_top_n")


def _candidates_step(search: Search, pair: int | None, lost: bool) -> Step:
    case, trail = search.case, search.heads
    call = case.parts.run.need_function(postprocessing(case), "the candidates of NMS")
    own = call.args["self"]
    facts: dict[str, Fact] = {
        "limit": plain(own["score_thresh"]),
        "top_k": plain(own["topk_candidates"]),
        "all": trail.funnel.total or None,
        "threshold": trail.threshold,
        "uncut": plain(own["topk_candidates"]) if _uncut(case) else None,
    }
    if pair is None:
        return Step("candidates", "head", call.id, lost, 0, facts=facts)
    found = case.detections
    assert found.candidate_boxes is not None
    facts["label"] = int(trail.funnel.group[pair])
    return Step("candidates", "head", call.id, lost, int(trail.covers.sum()),
                float(trail.overlap[pair]), float(trail.scores[pair]),
                as_box(found.candidate_boxes[pair]), facts)  # fmt: skip


def _uncut(case: Case) -> bool:
    """Whether there are candidates, and no level (of SSD no class) had as many as its limit allows.

    Then the limit has removed none.
    """
    run = case.parts.run
    call = run.need_function(postprocessing(case), "the candidates of NMS")
    limit = plain(call.args["self"]["topk_candidates"])
    if run.model.type == "SSD":
        counts = np.bincount(case.detections.funnel.group)  # type: ignore[union-attr]
        return bool(len(counts)) and bool((counts < limit).all())
    clips = run.named("function", "clip_boxes_to_image", call)
    levels = len(clips) // len(case.parts.pictures)
    mine = clips[case.image * levels : (case.image + 1) * levels]
    sizes = [run.shape(clip.args["boxes"])[0] for clip in mine]
    return any(sizes) and all(size < limit for size in sizes)


def postprocessing(case: Case) -> str:
    """Return the name of the function that makes detections of the head's scores."""
    return f"{case.parts.run.model.type}.postprocess_detections"
