"""How many anchors an object gets, and which loss a term belongs to."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np

from tracer.numbers import box_size, count, number
from tracer.rcnn.anatomy import Anatomy, anatomy
from tracer.record import Trace
from tracer.views.kit.guesses.boxes import ends
from tracer.views.kit.guesses.model import Guess, alike, choices, words

# --- anchors --------------------------------------------------------------------------------------


def anchors(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions: how many anchors an object gets, in eval mode how many a level has."""
    parts = anatomy(trace)
    if parts.training:
        targets = len(parts.losses.anchors(0).matching.targets)
        for target in draw.sample(range(targets), targets):
            yield _of_object(parts, target, draw)
        return
    for level in draw.sample(range(len(parts.anchors.counts)), len(parts.anchors.counts)):
        yield _of_level(parts, level, draw)


def _of_object(parts: Anatomy, target: int, draw: random.Random) -> Guess:
    samples = parts.losses.anchors(0)
    it = samples.matching
    mine = it.matches == target
    quality = it.iou()[target]
    clear = int((mine & (it.best_iou >= np.float32(it.high))).sum())
    right = int(mine.sum())
    numbers = {
        "size": box_size(it.targets.xyxy[target]),
        "high": f"{it.high:g}",
        "low": f"{it.low:g}",
        "best": f"{quality.max():.3f}",
        "clear": count(clear),
        "saved": count(right - clear),
        "right": count(right),
        "all": count(len(it.boxes)),
    }
    slips = {
        "clear": clear,
        "one": 1,
        "half": int((quality >= 0.5).sum()),
        "low": int((quality >= np.float32(it.low)).sum()),
        "sampled": int(np.isin(samples.positive, np.flatnonzero(mine)).sum()),
        "cell": sum(map(len, parts.anchors.base)),
        "all": len(it.boxes),
        "twice": 2 * right,
    }
    wrong = (
        (alike(count(n)), words(f"mistake.anchors.{key}", **numbers)) for key, n in slips.items()
    )
    why = (
        words("why.anchors", **numbers),
        words("why.saved" if right > clear else "why.unsaved", **numbers),
    )
    tick = ends(parts.trace, "assign_targets_to_anchors", "rpn")
    ask = words("ask.anchors", **numbers)
    right_text = alike(count(right))
    return Guess(
        "anchors", ask, choices(draw, right_text, wrong), why, tick, "picture", "anchor_matches"
    )


def _of_level(parts: Anatomy, level: int, draw: random.Random) -> Guess:
    found = parts.anchors
    rows, columns = parts.pyramid.levels[level].map.shape[-2:]
    each, right = len(found.base[level]), found.counts[level]
    height, width = parts.pictures[0].padded_size
    numbers = {
        "name": parts.pyramid.levels[level].name,
        "map": f"{rows}×{columns}",
        "rows": rows,
        "columns": columns,
        "each": each,
        "right": count(right),
        "picture": f"{height}×{width}",
        "total": count(len(found)),
    }
    slips = {
        "cells": rows * columns,
        "pixels": height * width * each,
        "nine": rows * columns * 9,
        "total": len(found),
        "numbers": right * 4,
    }
    wrong = (
        (alike(count(n)), words(f"mistake.of_level.{key}", **numbers)) for key, n in slips.items()
    )
    return Guess(
        "anchors",
        words("ask.of_level", **numbers),
        choices(draw, alike(count(right)), wrong),
        (words("why.of_level", **numbers),),
        ends(parts.trace, "anchor_generator", "rpn"),
        "picture",
        "anchors",
    )


# --- losses ---------------------------------------------------------------------------------------

NAMES = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")
"""Of torchvision's Faster R-CNN: of the RPN and of the RoI heads, whether or what and where."""


def losses(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions: the largest term of each loss, and whose it is."""
    parts = anatomy(trace)
    known = {loss.name: loss for loss in parts.losses.losses if loss.name in NAMES}
    if len(known) < len(NAMES):
        return
    for name in draw.sample(NAMES, len(NAMES)):
        loss = known[name]
        if loss.terms is None or not loss.terms.size or not np.isfinite(loss.terms).all():
            continue
        numbers = {
            "term": number(float(loss.terms.max())),
            "name": name,
            "n": count(loss.terms.size),
            "sum": number(float(loss.terms.sum(dtype=np.float64))),
            "divisor": loss.divisor,
            "value": number(loss.value),
        }
        wrong = [
            (alike(other), words(f"mistake.loss.{_apart(name, other)}", right=name, wrong=other))
            for other in NAMES
            if other != name
        ]
        around = "rpn" if NAMES.index(name) < 2 else "roi_heads"
        inner = "compute_loss" if around == "rpn" else "fastrcnn_loss"
        yield Guess(
            "loss",
            words(f"ask.{name}", **numbers),
            choices(draw, alike(name), wrong),
            (words(f"why.{name}", **numbers), words("why.loss", **numbers)),
            ends(trace, inner, around),
            "picture",
            "losses",
        )


def _apart(name: str, other: str) -> str:
    """In what two losses differ: whose they are, what they measure, or both."""
    a, b = (divmod(NAMES.index(one), 2) for one in (name, other))
    return "both" if a[0] != b[0] and a[1] != b[1] else "stage" if a[0] != b[0] else "measure"
