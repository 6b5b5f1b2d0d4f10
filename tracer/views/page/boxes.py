"""Boxes on the picture: each a member of a group, with what became of it and what is known of it.

All of these drawings have the same form, so that the page draws them by one mechanism:

``boxes``: [N, 4]; ``note``: what to say of all of them.
``group``, ``groups``: the group of each box, by which it has its colour and can be picked out.
``scores``: by which it can be picked out too, and which is written beside it; ``score``: from
which on they are shown at first.
``steps``, ``fate``: the steps of a funnel, each its name, how many were left, and the same by
group; and for each box which step removed it, counted from 1; 0 for those that came through.
``linked``: what is drawn beside the box at hand: (look, boxes, which of them).
``facts``, ``columns``: the text about the box at hand, and by name what is filled in: a value for
each box, or one for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracer.errors import TracerError
from tracer.languages import languages, listed
from tracer.numbers import number
from tracer.rcnn.anatomy import Anatomy, Funnel, Samples
from tracer.rcnn.classes import class_name
from tracer.rcnn.removed import nms_counts
from tracer.views.kit.palette import THEMES, class_colour
from tracer.views.page.parts import Arrays, Group, coloured_group, level_group, put, said
from tracer.views.page.shell import texts

Drawing = dict[str, Any]
MOST = 6000
"""Boxes of one drawing at most."""


def proposals(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """The candidates that were among the best of their level, and what became of each."""
    found = parts.rpn.proposals(image)
    funnel = found.funnel
    chosen = funnel.step("top_k").kept
    chosen = chosen[np.argsort(-found.logits[chosen], kind="stable")[:MOST]]
    name = f"{image}/candidates"
    boxes = put(arrays, f"{name}/boxes", found.clipped.xyxy[chosen], np.float32)
    anchors = put(arrays, f"{name}/anchors", parts.anchors.xyxy[chosen], np.float32)
    scores = 1 / (1 + np.exp(-found.logits[chosen].astype(np.float64)))
    by = put(arrays, f"{name}/by", _rival(funnel, chosen), np.int32)
    groups = [level_group(level.name) for level in parts.pyramid.levels]
    return {
        "boxes": boxes,
        "group": put(arrays, f"{name}/group", funnel.group[chosen], np.uint8),
        "groups": groups,
        "fate": put(arrays, f"{name}/fate", funnel.removed_by[chosen] + 1, np.uint8),
        "steps": _steps(funnel, funnel.counts(len(groups))),
        "note": _removed(funnel, lambda level: groups[level][0]),
        "linked": [["origin", anchors, None], ["rival", boxes, by]],
        "facts": "candidate",
        "columns": {"score": put(arrays, f"{name}/scores", scores, np.float32), "by": by},
    }


def _rival(funnel: Funnel, chosen: np.ndarray) -> np.ndarray:
    """For which of the chosen candidates each was removed, -1 for none."""
    place = np.full(funnel.total, -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    by = funnel.suppressed_by[chosen]
    return np.where(by >= 0, place[np.maximum(by, 0)], -1)


def _steps(funnel: Funnel, counts: np.ndarray | None = None, first: str = "all") -> list[Any]:
    parts = [[] for _ in funnel.steps] if counts is None else counts.tolist()
    names = [first, *(step.name for step in funnel.steps[1:])]
    if first == "pairs":  # torchvision: `>` for detections, `>=` in the RPN
        names = ["over" if name == "score" else name for name in names]
    return [
        _step(name, len(step.kept), part, step.limit)
        for name, step, part in zip(names, funnel.steps, parts, strict=True)
    ]


def _step(name: str, left: int, parts: list[int], limit: float | None = None) -> dict[str, Any]:
    text = said(f"step_{name}", limit="" if limit is None else number(limit))
    return {"name": text, "left": left, "parts": parts}


def _removed(funnel: Funnel, name: Callable[[int], list[str]]) -> list[str]:
    """Say in every language how many boxes NMS removed, in sum and of each group."""
    counts = nms_counts(funnel)

    def named(lang: int) -> list[str]:
        return [f"{name(group)[lang]} {number(n)}" for group, n in counts]

    gone = sum(n for _, n in counts)
    of = gone + len(funnel.step("nms").kept)
    return [
        texts("nms_removed", lang, n=number(gone), of=number(of), parts=listed(named(k), lang))
        for k, lang in enumerate(languages())
    ]


LEAST, SPAN = 3.0, 7.5
"""Of the sides of RoIs that are charted: log₂ at the left edge, and to the right one."""


def rois(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """The boxes that are pooled, and why each from its level.

    ``places``: [N], where each box's side is on a logarithmic axis from 0 to 1. ``spans``: of each
    level from where to where it is taken there, and the side from which on.
    """
    pooling = parts.roi_heads.box
    name = f"{image}/rois"
    sides = np.maximum(pooling.sides(image), 1e-3)
    k = np.arange(pooling.k_min, pooling.k_max + 1)
    edges = pooling.canonical_scale * 2.0 ** (k - pooling.canonical_level)
    starts = [0.0, *((np.log2(edges[1:]) - LEAST) / SPAN).tolist()]
    named = ["", *(number(round(edge)) for edge in edges[1:].tolist())]
    return {
        "boxes": put(arrays, f"{name}/boxes", pooling.boxes[image].xyxy, np.float32),
        "group": put(arrays, f"{name}/level", pooling.assigned[image], np.uint8),
        "groups": [level_group(level.name) for level in pooling.levels],
        "facts": "level_of",
        "columns": {
            "side": put(arrays, f"{name}/side", pooling.sides(image), np.float32),
            "exact": put(arrays, f"{name}/exact", pooling.exact_level(image), np.float32),
            "scale": pooling.canonical_scale,
            "level": pooling.canonical_level,
        },
        "places": put(arrays, f"{name}/places", (np.log2(sides) - LEAST) / SPAN, np.float32),
        "spans": list(zip(starts, [*starts[1:], 1.0], named, strict=True)),
    }


def detections(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """What came out, by class."""
    found = parts.detections[image]
    labels, group = np.unique(found.labels, return_inverse=True)
    name = f"{image}/detections"
    drawing: Drawing = {
        "boxes": put(arrays, f"{name}/boxes", found.resized.xyxy, np.float32),
        "group": put(arrays, f"{name}/group", group, np.uint8),
        "groups": [_class_group(parts, int(label)) for label in labels],
        "scores": put(arrays, f"{name}/scores", found.scores, np.float32),
        # Weak detections are hidden at first, if there are others.
        "score": 0.5 if (found.scores >= 0.5).any() else 0,
        "facts": "detection",
        "columns": {},
    }
    if found.proposal is not None:
        origin = put(arrays, f"{name}/proposal", found.proposal, np.int32)
        boxes = rois(parts, image, arrays)["boxes"]
        drawing["linked"] = [["origin", boxes, origin]]
        drawing |= {"facts": "detection_from", "columns": {"proposal": origin}}
    if found.funnel is not None:
        steps = _steps(found.funnel, first="pairs")
        told = ([f"{name}: {number(step['left'])}" for name in step["name"]] for step in steps)
        chain = map(" → ".join, zip(*told, strict=True))
        gone = _removed(found.funnel, lambda label: _class_group(parts, label)[0])
        drawing["note"] = list(map("\n".join, zip(chain, gone, strict=True)))
    return drawing


def _class_group(parts: Anatomy, label: int) -> Group:
    names = [class_name(parts.run.trace.classes, label, lang) for lang in languages()]
    return coloured_group(names, class_colour(label))


# --- training -------------------------------------------------------------------------------------

_THEME = THEMES["light"]

_MATCHES = {
    "positive": _THEME.positive,
    "low_quality": _THEME.low_quality,
    "ignored": _THEME.ignored,
    "negative": _THEME.negative,
}
"""How a box fared, and its colour."""


def matches(parts: Anatomy, samples: Samples, name: str, arrays: Arrays) -> Drawing:
    """Which boxes learn which target, and which of them were sampled for the losses.

    Of the many that were not sampled those are drawn that overlap a target most.
    """
    m = samples.matching
    targets = parts.pictures[m.image].resized_targets
    if targets is None:
        raise TracerError("no targets were given")
    group = np.select([m.low_quality, m.positive, m.ignored], [1, 0, 2], 3)
    sampled = np.zeros(len(m.boxes), bool)
    sampled[samples.positive] = sampled[samples.negative] = True
    # Samples first, then by IoU; of what is drawn the best overlapping come first.
    chosen = np.lexsort((-m.best_iou, ~sampled))[:MOST]
    chosen = chosen[np.argsort(-m.best_iou[chosen], kind="stable")]
    target = put(arrays, f"{name}/target", m.best_target[chosen], np.int32)
    counts = [np.bincount(g, minlength=len(_MATCHES)).tolist() for g in (group, group[sampled])]
    boxes = put(arrays, f"{name}/targets", targets.xyxy, np.float32)
    thinned = said("boxes_thinned", n=number(len(chosen)), all=number(len(m.boxes)))
    return {
        "note": thinned if len(chosen) < len(m.boxes) else None,
        "boxes": put(arrays, f"{name}/boxes", m.boxes.xyxy[chosen], np.float32),
        "group": put(arrays, f"{name}/group", group[chosen], np.uint8),
        "groups": [coloured_group(said(f"match_{how}"), n) for how, n in _MATCHES.items()],
        "fate": put(arrays, f"{name}/fate", np.where(sampled[chosen], 0, 2), np.uint8),
        "steps": [
            _step("matched", len(group), counts[0]),
            _step("sampled", int(sampled.sum()), counts[1]),
        ],
        "linked": [["target", boxes, target]],
        "facts": "match" if len(targets) else "match_none",
        "columns": {
            "iou": put(arrays, f"{name}/iou", m.best_iou[chosen], np.float32),
            "target": target,
            "low": m.low,
            "high": m.high,
        },
    }
