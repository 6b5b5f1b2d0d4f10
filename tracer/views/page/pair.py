"""The page of a comparison: two recordings side by side, which step together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tracer.errors import InputError, TracerError
from tracer.languages import checked, languages
from tracer.rcnn.anatomy import Anatomy, Detections, anatomies, fitting
from tracer.rcnn.anatomy.agreement import IOU, Outcome, agree
from tracer.rcnn.classes import class_name, names_in
from tracer.rcnn.stories import followed
from tracer.record import Trace
from tracer.record.comparison import Comparison, Difference, line_text
from tracer.record.query import lines_by_call
from tracer.views.kit.differences import (
    around_parting,
    how,
    missing_told,
    notes,
    say,
    setting_text,
    standing,
    verdict,
)
from tracer.views.kit.palette import class_colour, written_on
from tracer.views.page.data import REDUCTIONS, Contents, plain
from tracer.views.page.drawings import picture_of
from tracer.views.page.pack import Press
from tracer.views.page.parts import Arrays, put
from tracer.views.page.shell import document, texts
from tracer.views.page.together import Step, together

BUDGET = 8_000_000
"""How many bytes a page of two recordings may have, unless told otherwise."""
MAIN = "pair.js"
OWN = ("settings", "origin", "inputs", "first", "second")
"""The statuses of pairs that differ by themselves: what follows from others is not among them."""


def pair_page(compared: Comparison, *, lang: str | None = None, budget: int = BUDGET) -> str:
    """Return two recordings as one HTML document, in step; the options are `Compared.page`'s."""
    if lang is not None:
        checked(lang)
    if budget <= 0:
        raise InputError(f"a page's budget is a number of bytes from 1; found {budget}")
    if not (compared.first.calls and compared.second.calls):
        raise TracerError("a recording without a call has nothing to show in a page")
    title = " | ".join(trace.called() for trace in (compared.first, compared.second))
    shown = _Shown(compared, lang)
    press, frame = Press(), len(document("", title, lang or languages()[0], MAIN))
    for name, reduction in (("", lambda it: it), *REDUCTIONS):
        shown.reduce(name, reduction)
        if frame + press.size(*shown.contents()) <= budget:
            break
    return document(press.pack(*shown.contents()), title, lang or languages()[0], MAIN)


class _Shown:
    """What a page holds of a comparison, and less and less of it."""

    def __init__(self, compared: Comparison, lang: str | None) -> None:
        self._compared, self._lang = compared, lang
        self._sides = [plain(compared.first), plain(compared.second)]
        self._steps = together(compared)
        self._arrays: Arrays = {}
        self._found = _detections(compared, self._arrays)
        self._second: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._texts = {key: texts.each(key) for key in texts.all("en") if key.startswith("pair.")}
        self._texts |= {f"pair.{name}": say.each(f"detections.{name}") for name in _OUTCOMES}

    def reduce(self, name: str, reduction: Callable[[Contents], Contents]) -> None:
        """Leave something out of both recordings, and note it where there was such a thing."""
        for side, before in enumerate(self._sides):
            after = reduction(before)
            less = len(after.arrays) < len(before.arrays) or after.trace is not before.trace
            thinner = any(after.arrays[n].shape != before.arrays[n].shape for n in after.arrays)
            if after.trace.calls and (less or thinner):
                self._sides[side] = replace(after, left_out=(*before.left_out, name))

    def contents(self) -> tuple[Sequence[Mapping[str, Any]], Mapping[str, np.ndarray]]:
        """Return what is to be packed: JSON data and arrays."""
        (first, rest), (second, other) = (side.data(self._lang) for side in self._sides)
        beside = self._second.setdefault(id(second), (second, {"second": second}))[1]
        left_out = dict.fromkeys(name for side in self._sides for name in side.left_out)
        data = (first, beside, {
            **rest,
            "texts": {**rest["texts"], **self._texts},
            "left_out": list(left_out),
            "pair": {**self._compared_data(), "labels": other["labels"]},
        })  # fmt: skip
        arrays = (
            *self._sides[0].arrays.items(),
            *((f"second/{name}", array) for name, array in self._sides[1].arrays.items()),
            *self._arrays.items(),
        )
        return data, dict(arrays)

    def _compared_data(self) -> dict[str, Any]:
        """Return the comparison as JSON data, of the calls and lines that the page holds.

        Returns:
            ``names``: of the two. ``verdict``, ``notes``: in each language. ``statuses``: by each
            status how it is called. ``pairs``: of each the ticks at which its calls start, its
            status, whether it moved, the pair around it, and how arguments, results and settings
            differ: names, words in each language, and of tensors the two states. ``steps``: the
            ticks in each recording, and the pair. ``first``: the pair to look at first, and
            ``branch``: the step where control parts; None if there is none. ``detections``: see
            `_detections`.
        """
        compared = self._compared
        ticks = [_ticks(side.trace) for side in self._sides]
        number: dict[int, int] = {}
        rows, around = [], around_parting(compared)
        for index, pair in enumerate(compared.pairs):
            starts = [
                call.start if call is not None and call.start in known else None
                for call, known in zip((pair.first, pair.second), ticks, strict=True)
            ]
            if starts == [None, None]:
                continue
            number[index] = len(number)
            rows.append([*starts, *_row(compared, index, around, number)])
        steps = [
            (*row, number[step.pair])
            for step in self._steps
            if step.pair in number and (row := _kept(step, ticks)) != (None, None)
        ]
        first = _first(compared)
        return {
            "names": [compared.first.called(), compared.second.called()],
            "verdict": [verdict(compared, lang) for lang in languages()],
            "notes": [list(notes(compared, lang)) for lang in languages()],
            "statuses": {name: say.each(f"status_of.{name}") for name in _STATUSES},
            "ways": [say.each(f"way.{name}") for name in _WAYS],
            "pairs": rows,
            "steps": [list(column) for column in zip(*steps, strict=True)],
            "first": None if first is None else number.get(first),
            "branch": _branch(compared, steps),
            "detections": self._found,
        }


_OUTCOMES = ("what", "class_a", "score_a", "class_b", "score_b", "iou", "kept", "relabelled",
             "vanished", "appeared")  # fmt: skip
_STATUSES = ("same", "settings", "within", "origin", "again", "follows", "inputs", "first",
             "second", "moved")  # fmt: skip


def _ticks(trace: Trace) -> set[int]:
    calls = (tick for call in trace.calls for tick in (call.start, call.end))
    return {*calls, *(line.tick for line in trace.lines)}


def _kept(step: Step, ticks: Sequence[set[int]]) -> tuple[int | None, int | None]:
    first, second = (
        tick if tick in known else None
        for tick, known in zip((step.first, step.second), ticks, strict=True)
    )
    return first, second


def _row(
    compared: Comparison, index: int, around: set[int], number: Mapping[int, int]
) -> list[Any]:
    pair = compared.pairs[index]
    return [
        standing(compared, index, around),
        int(pair.moved),
        None if pair.parent is None else number.get(pair.parent),
        [_difference(compared, it) for it in pair.inputs],
        [_difference(compared, it) for it in pair.results],
        [[setting_text(setting, lang) for lang in languages()] for setting in pair.settings],
    ]


_WAYS = {"data": 0, "fingerprint": 1, "statistics": 2}


def _difference(compared: Comparison, it: Difference) -> list[Any]:
    states = [None if value is None else value.tensor for value in (it.first, it.second)]
    told = [how(compared, it, lang) for lang in languages()]
    return [it.name, told, *states, _WAYS.get(it.by)]


def _first(compared: Comparison) -> int | None:
    """Return the pair to look at first: where the two part, else the first that differs."""
    if compared.divergence is not None:
        return compared.divergence
    own = (i for i, pair in enumerate(compared.pairs) if pair.status in OWN)
    others = (i for i, pair in enumerate(compared.pairs) if pair.status != "same")
    return next(own, next(others, None)) if compared.verdict != "inputs" else next(others, None)


def _branch(
    compared: Comparison, steps: Sequence[tuple[int | None, int | None, int]]
) -> int | None:
    """Return the step after which control parts."""
    branch = compared.branch
    if branch is None:
        return None
    pair = compared.pairs[branch.pair]
    assert pair.first is not None
    assert pair.second is not None
    traces, calls = (compared.first, compared.second), (pair.first, pair.second)
    ran = [lines_by_call(trace)[call.id] for trace, call in zip(traces, calls, strict=True)]
    tick = pair.first.start
    for lines in zip(*ran, strict=False):
        texts_ = [line_text(*it) for it in zip(traces, calls, (x.line for x in lines), strict=True)]
        if texts_[0] != texts_[1]:
            break
        tick = lines[0].tick
    return next((i for i, (first, _, _) in enumerate(steps) if first == tick), None)


# --- detections -----------------------------------------------------------------------------------


def _detections(compared: Comparison, arrays: Arrays) -> dict[str, Any] | None:
    """Return what two passes detected, as JSON data; None where one of them has no detections.

    Returns:
        ``iou``: from which on boxes belong together. ``images``: of each its ``size`` (height,
        width) and, for each pass, the ``picture`` (a JPEG's bytes, None if it is not known), the
        ``boxes`` [N, 4] in pixels of the resized image, and of each box name in every language,
        score, colour and colour of text on it. ``outcomes``: image, what became of it, index
        in each pass, IoU, and why one of them lacks it, in each language; None if it does not.
    """
    traces = compared.first, compared.second
    try:
        both = anatomies(*traces)
        found = [parts.results for parts in both]
    except TracerError:
        return None
    count = min(map(len, found))
    images = [
        [_side(trace, parts, results[i], f"{side}/{i}", arrays)
         for side, (trace, parts, results) in enumerate(zip(traces, both, found, strict=True))]
        for i in range(count)
    ]  # fmt: skip
    outcomes = agree(*found)
    told = _missing(both, found, outcomes)
    rows = [_outcome(it, told.get(it)) for it in outcomes]
    return {"iou": IOU, "images": images, "outcomes": rows}


def _outcome(it: Outcome, told: list[str] | None) -> list[Any]:
    iou = None if it.iou is None else round(it.iou, 3)
    return [it.image, it.kind, it.first, it.second, iou, told]


def _missing(
    both: Sequence[Anatomy], found: Sequence[Sequence[Detections]], outcomes: Sequence[Outcome]
) -> dict[Outcome, list[str]]:
    """Return why a pass lacks what the other one detected, in each language, where it is known."""
    lacking: dict[tuple[int, int], list[Outcome]] = {}
    for it in outcomes:
        if it.first is None or it.second is None:
            lacking.setdefault((int(it.second is None), it.image), []).append(it)
    told: dict[Outcome, list[str]] = {}
    for (side, image), chosen in lacking.items():
        parts, other = both[side], found[1 - side][image]
        numbers = [it.first if side else it.second for it in chosen]
        try:
            stories = followed(parts, other, [n for n in numbers if n is not None])
        except TracerError:
            continue
        for it, story in zip(chosen, stories, strict=True):
            names = parts.trace.classes
            told[it] = [missing_told(story, "AB"[side], names, lang) for lang in languages()]
    return told


def _side(
    trace: Trace, parts: Anatomy, found: Detections, name: str, arrays: Arrays
) -> dict[str, Any]:
    called = [names_in(trace.classes, lang) for lang in languages()]
    labels = found.labels.tolist()
    inks = [class_colour(label) for label in labels]
    try:
        with fitting("picture"):
            picture = picture_of(parts, found.image, f"{name}/picture", arrays)
    except TracerError:
        picture = None
    return {
        "size": list(parts.pictures[found.image].resized_size),
        "picture": picture,
        "boxes": put(arrays, f"{name}/boxes", found.resized.xyxy, np.float32),
        "names": [
            [
                class_name(names, label, lang)
                for names, lang in zip(called, languages(), strict=True)
            ]
            for label in labels
        ],
        "scores": [round(float(score), 3) for score in found.scores],
        "inks": [[ink, written_on(ink)] for ink in inks],
    }
