"""Objects in training mode: which anchors and boxes learnt from them, and at what loss."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tracer.rcnn.anatomy.training import Samples, Training
from tracer.rcnn.stories.case import Case
from tracer.rcnn.stories.changes import proposal_changes
from tracer.rcnn.stories.model import Fact, Step, Story
from tracer.rcnn.stories.stations import Search, as_box, call_of, rpn_steps

LOSSES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")


def object_story(case: Case, number: int) -> Story:
    """Tell what was learnt from an object.

    Args:
        case: the image.
        number: of the object.
    """
    assert case.objects is not None
    search = Search.of_object(case, number)
    steps = tuple(_steps(search, number))
    lost = next((step.name for step in steps if step.lost), "")
    box = as_box(case.objects.boxes.xyxy[number])
    outcome = "lost" if lost else "learned"
    return Story("object", case.image, number, box, search.label, outcome, lost, steps)


def box_story(case: Case, box: np.ndarray, original: np.ndarray) -> Story:
    """Tell whether a box became a proposal; in training there are no detections.

    Args:
        case: the image.
        box: float32 [4] in resized pixels.
        original: the same in original pixels.
    """
    search = Search(case, box, None)
    step = search.rpn.lost()
    lost = "decode" if step == "all" else step
    steps = tuple(rpn_steps(search, search.rpn.furthest(), lost))
    changes = proposal_changes(search) if lost not in ("", "decode") else ()
    outcome = "lost" if lost else "proposed"
    return Story("box", case.image, None, as_box(original), None, outcome, lost, steps, changes)


def _steps(search: Search, number: int) -> Iterator[Step]:
    losses, image = search.case.parts.losses, search.case.image
    anchors, boxes = losses.anchors(image), losses.proposals(image)
    first, *rest = rpn_steps(search, search.rpn.furthest())
    yield first
    yield from _samples(search, number, anchors, "anchor", "rpn")
    yield from rest
    yield from _samples(search, number, boxes, "box", "roi_heads")
    yield _losses_step(search, number)


def _samples(
    search: Search, number: int, samples: Samples, name: str, stage: str
) -> Iterator[Step]:
    """How many boxes are matched with an object, and how many of these are sampled."""
    matching = samples.matching
    mine = matching.matches == number
    sampled = samples.positive[mine[samples.positive]]
    matched, overlaps = int(mine.sum()), matching.iou()[number]
    best = int(overlaps.argmax())
    # of anchors any can be an object's best; of boxes only those that reach the threshold
    least = 0 if name == "anchor" else np.nextafter(np.float32(matching.high), np.float32(0))
    parts = search.case.parts
    facts: dict[str, Fact] = {
        "high": matching.high,
        "low": matching.low,
        "best": float(overlaps[best]),
        "taken": None if matched or overlaps[best] <= least else float(overlaps[best]),
        "low_quality": int((mine & matching.low_quality).sum()) or None,
        "own": _own(search, samples) if name == "box" else None,
    }
    calls = ("assign_targets_to_anchors" if name == "anchor" else "assign_targets_to_proposals",
             "fg_bg_sampler")  # fmt: skip
    owner = "RegionProposalNetwork" if name == "anchor" else "RoIHeads"
    call = call_of(parts, f"{owner}.{calls[0]}")
    yield Step(f"{name}_match", stage, call, not matched, matched, float(overlaps[best]), None,
               as_box(matching.boxes.xyxy[best]), facts)  # fmt: skip
    if not matched:
        return
    told: dict[str, Fact] = {
        "matched": matched,
        "positive": len(samples.positive),
        "all": len(samples.positive) + len(samples.negative),
    }
    call = call_of(parts, "BalancedPositiveNegativeSampler.__call__", stage)
    shared = float(overlaps[sampled].max()) if len(sampled) else None
    yield Step(f"{name}_sample", stage, call, not len(sampled), len(sampled), shared, facts=told)


def _own(search: Search, samples: Samples) -> int | None:
    """How often the object's own box is among the boxes: torchvision appends it once."""
    return int((samples.matching.boxes.xyxy == search.box).all(1).sum()) or None


def _losses_step(search: Search, number: int) -> Step:
    training, image = search.case.parts.losses, search.case.image
    shares = contributions(training, image, number)
    values = {loss.name: loss.value for loss in training.losses}
    facts: dict[str, Fact] = {}
    for name in LOSSES:
        facts |= {name: shares.get(name), f"{name}_all": values.get(name)}
    call = call_of(search.case.parts, "fastrcnn_loss")
    return Step("losses", "losses", call, facts=facts)


def contributions(training: Training, image: int, number: int) -> dict[str, float]:
    """Return what an object's sampled anchors and boxes gave to each loss.

    The samples stand in the losses as torchvision lays them: of the anchors the positives of all
    images, then the negatives; of the boxes image after image, each in the order of its boxes.

    Args:
        training: the losses of a pass.
        image: index in the batch.
        number: of the object.
    """
    anchors = [training.anchors(i) for i in range(image + 1)]
    boxes = [training.proposals(i) for i in range(image + 1)]
    positive = anchors[-1].positive
    first = sum(len(each.positive) for each in anchors[:-1])
    rpn = first + np.flatnonzero(anchors[-1].matching.matches[positive] == number)
    before = sum(len(each.positive) + len(each.negative) for each in boxes[:-1])
    sampled = np.sort(np.concatenate([boxes[-1].positive, boxes[-1].negative]))
    heads = before + np.flatnonzero(boxes[-1].matching.matches[sampled] == number)
    positive = boxes[-1].positive
    first = sum(len(each.positive) for each in boxes[:-1])
    moved = first + np.flatnonzero(boxes[-1].matching.matches[positive] == number)
    rows = dict(zip(LOSSES, (rpn, rpn, heads, moved), strict=True))
    return {
        loss.name: float(loss.terms[rows[loss.name]].sum(dtype=np.float64) / loss.divisor)
        for loss in training.losses
        if loss.name in rows and loss.terms is not None and loss.divisor
    }
