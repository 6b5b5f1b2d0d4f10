"""Which level a box is pooled from, and which boxes survive NMS."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tracer.errors import TracerError
from tracer.languages import languages, listed
from tracer.numbers import box_size, number
from tracer.rcnn.anatomy import Anatomy, Boxes, Funnel, Pooling, anatomy
from tracer.rcnn.anatomy.geometry import area
from tracer.rcnn.classes import class_name
from tracer.record import Call, Trace
from tracer.views.kit.guesses.model import Guess, Words, alike, choices, words

TRIED = 200
"""Boxes that are looked at for questions."""


# --- levels ---------------------------------------------------------------------------------------


def levels(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions about RoIs of different levels."""
    parts = anatomy(trace)
    pooling = parts.roi_heads.box
    if len(pooling.levels) < 2:
        return
    seen: set[int] = set()
    for index in draw.sample(range(len(pooling.boxes[0])), min(TRIED, len(pooling.boxes[0]))):
        level = int(pooling.assigned[0][index])
        if level not in seen and level == pooling.formula()[index]:
            seen.add(level)
            yield _level(parts, pooling, index, draw)


def _level(parts: Anatomy, pooling: Pooling, index: int, draw: random.Random) -> Guess:
    names = [level.name for level in pooling.levels]
    right = names[int(pooling.assigned[0][index])]
    box = pooling.boxes[0].xyxy[index]
    side, exact = float(pooling.sides()[index]), float(pooling.exact_level()[index])
    numbers = {
        "size": box_size(box),
        "side": f"{side:.1f}",
        "exact": f"{exact:.2f}",
        "scale": f"{pooling.canonical_scale:g}",
        "level": f"{pooling.canonical_level:g}",
        "low": names[0],
        "high": names[-1],
        "right": right,
    }
    wrong = [
        (alike(name), words(f"mistake.level.{key}", **{**numbers, "wrong": name}))
        for key, name in _slips(parts, pooling, index)
    ]
    return Guess(
        "level",
        words("ask.level", **numbers),
        choices(draw, alike(right), wrong, most=len(names) + 1),
        (words("why.level", **numbers), words("why.clamped", **numbers)),
        ends(parts.trace, "LevelMapper", pooling.path),
        "picture",
        "levels",
    )


def _slips(parts: Anatomy, pooling: Pooling, index: int) -> Iterator[tuple[str, str]]:
    """Yield what a slip leads to, and which: a level's name."""
    names = [level.name for level in pooling.levels]
    x1, y1, x2, y2 = pooling.boxes[0].xyxy[index].tolist()
    right = int(pooling.assigned[0][index])
    base = pooling.canonical_level, pooling.canonical_scale, pooling.k_min, pooling.k_max
    scale = parts.pictures[0].scale
    original = _of_side(
        float(np.sqrt(max((x2 - x1) * (y2 - y1) / (scale[0] * scale[1]), 0))), *base
    )
    own = _own_level(parts, pooling, index)
    if own is not None and own != names[right]:
        yield ("anchor" if own in names else "coarsest"), own
    if original != right:
        yield "original", names[original]
    longer = _of_side(max(x2 - x1, y2 - y1), *base)
    if longer != right:
        yield "longer", names[longer]
    exact = float(pooling.exact_level()[index])
    rounded = int(np.clip(round(exact), pooling.k_min, pooling.k_max)) - pooling.k_min
    if rounded != right:
        yield "rounded", names[rounded]
    yield "turned", names[len(names) - 1 - right]
    for place, name in enumerate(names):
        if place != right:
            yield ("finer" if place < right else "coarser"), name
    for level in parts.pyramid.levels:
        if level.name not in names:
            yield "coarsest", level.name


def _of_side(side: float, level: float, scale: float, low: int, high: int) -> int:
    """The formula's level for another side, as an index."""
    k = np.floor(level + np.log2(max(side, 1e-6) / scale) + 1e-6)
    return int(np.clip(k, low, high)) - low


def _own_level(parts: Anatomy, pooling: Pooling, index: int) -> str | None:
    """The level that the proposal's anchor was on, where RoIs are the proposals."""
    try:
        found = parts.rpn.proposals(0)
    except TracerError:
        return None
    if len(found.boxes) != len(pooling.boxes[0]) or parts.training:
        return None
    return parts.pyramid.levels[int(found.level[index])].name


# --- NMS ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Candidates:
    """What NMS was given.

    Attributes:
        boxes: float32 [total, 4] in resized pixels.
        scores: float32 [total].
        funnel: what became of them.
        named: what a group (a class, a level) is called.
        filter: the function around NMS.
        drawing: that shows them.
    """

    boxes: np.ndarray
    scores: np.ndarray
    funnel: Funnel
    named: Callable[[int], Words]
    filter: str
    drawing: str


def survivors(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions of three boxes each: the best, one that it removes, one that stays too."""
    parts = anatomy(trace)
    for read in (_detected, _proposed):
        try:
            found = read(parts)
        except TracerError:
            continue
        for trio in _trios(found, draw):
            yield _survivor(trace, found, trio, draw)


def _detected(parts: Anatomy) -> _Candidates:
    found = parts.detections[0]
    assert found.funnel is not None
    assert found.candidate_boxes is not None
    assert found.candidate_scores is not None
    known = parts.trace.classes

    def named(label: int) -> Words:
        return {lang: class_name(known, label, lang) for lang in languages()}

    return _Candidates(
        found.candidate_boxes, found.candidate_scores, found.funnel, named,
        "RoIHeads.postprocess_detections", "detections",
    )  # fmt: skip


def _proposed(parts: Anatomy) -> _Candidates:
    found = parts.rpn.proposals(0)
    names = [level.name for level in parts.pyramid.levels]
    scores = 1 / (1 + np.exp(-found.logits.astype(np.float64)))
    return _Candidates(
        found.clipped.xyxy, scores, found.funnel, lambda group: alike(names[group]),
        "RegionProposalNetwork.filter_proposals", "proposals",
    )  # fmt: skip


def _trios(found: _Candidates, draw: random.Random) -> Iterator[tuple[int, int, int]]:
    """Yield a box that stays, one that it removes, and the one of all that stay nearest to it.

    Of those the one that overlaps most, of another group if it can be.
    """
    funnel = found.funnel
    removed, kept = funnel.removed("nms"), funnel.step("nms").kept
    limit = funnel.step("nms").limit or 0
    used: set[int] = set()
    for gone in draw.sample(removed.tolist(), min(TRIED, len(removed))):
        best = int(funnel.suppressed_by[gone])
        if best < 0 or best in used or not funnel.overlap[gone] > limit + 0.02:
            continue
        others = kept[(kept != best) & (found.scores[kept] < found.scores[best])]
        if not len(others):
            continue
        here = Boxes(found.boxes[[best]], "resized", (1, 1))
        overlap = here.iou(Boxes(found.boxes[others], "resized", (1, 1)))[0]
        third = int(others[int(overlap.argmax())])
        if overlap.max() > 0:
            used.add(best)
            yield best, gone, third


def _survivor(
    trace: Trace, found: _Candidates, trio: tuple[int, int, int], draw: random.Random
) -> Guess:
    order = draw.sample(range(3), 3)
    called = {trio[place]: "ABC"[n] for n, place in enumerate(order)}
    boxes = found.boxes[list(trio)]
    overlaps = Boxes(boxes, "resized", (1, 1)).iou(Boxes(boxes, "resized", (1, 1)))
    best, gone, third = (called[i] for i in trio)
    group = found.funnel.group
    limit = float(found.funnel.step("nms").limit or 0)
    numbers: dict[str, object] = {"limit": f"{limit:g}", "best": best, "gone": gone, "third": third}
    for i in trio:
        it = called[i].lower()
        numbers |= {
            f"{it}_group": found.named(int(group[i])),
            f"{it}_score": number(float(found.scores[i])),
            f"{it}_size": box_size(found.boxes[i]),
        }
    for name, (a, b) in {"gone": (0, 1), "third": (0, 2)}.items():
        numbers[f"iou_{name}"] = f"{overlaps[a, b]:.2f}"
    pairs = [(0, 1), (0, 2), (1, 2)]
    said = sorted(
        "".join(sorted((called[trio[a]], called[trio[b]]))) + f"{overlaps[a, b]:.2f}"
        for a, b in pairs
    )
    told = [f"{it[0]}–{it[1]} {it[2:]}" for it in said]
    numbers["pairs"] = {lang: listed(told, lang) for lang in languages()}
    same = group[trio[2]] == group[trio[0]]
    numbers["third_group"] = found.named(int(group[trio[2]]))
    numbers["best_group"] = found.named(int(group[trio[0]]))
    larger = area(boxes[[1]])[0] > area(boxes[[0]])[0]
    wrong = [
        (_set(best), words("mistake.nms.one_left" if same else "mistake.nms.groups", **numbers)),
        (
            _set(gone, third),
            words("mistake.nms.larger" if larger else "mistake.nms.other", **numbers),
        ),
        (_set(best, gone, third), words("mistake.nms.all", **numbers)),
        (_set(best, gone), words("mistake.nms.least", **numbers)),
    ]
    right = _set(best, third)
    why = (
        words("why.nms", **numbers),
        words("why.nms_same" if same else "why.nms_group", **numbers),
    )
    key = "ask.nms" if found.drawing == "detections" else "ask.nms_level"
    return Guess(
        "nms", words(key, **numbers), choices(draw, right, wrong), why,
        ends(trace, "batched_nms", found.filter), "picture", found.drawing,
    )  # fmt: skip


def _set(*names: str) -> Words:
    return alike(" + ".join(sorted(names)))


# --- shared ---------------------------------------------------------------------------------------


def ends(trace: Trace, name: str, around: str) -> int:
    """Return the tick at which a call has its result.

    Args:
        trace: the recording.
        name: of the call, the first within `around`.
        around: another call, which stands for it where it has none.
    """
    outer = next((call for call in trace.calls if _is(call, around)), trace.calls[0])
    inner = (c for c in trace.calls[outer.id :] if c.start < outer.end and _is(c, name))
    return next(inner, outer).end


def _is(call: Call, name: str) -> bool:
    return name in (call.path, call.path.partition(".")[0]) or call.path.endswith(f".{name}")
