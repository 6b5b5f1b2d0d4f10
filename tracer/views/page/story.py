"""What became of each object and how each detection came to be, for the page, as finished text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tracer.languages import languages
from tracer.numbers import shown
from tracer.rcnn.anatomy import Anatomy
from tracer.rcnn.classes import class_name
from tracer.rcnn.stories import Step, Stories, Story, nothing_to_tell, why
from tracer.views.kit.stories import boxes_of, notes_of, say, state, station, summary, told, verdict
from tracer.views.page.parts import Arrays, put
from tracer.views.page.shell import texts

MOST = 100
"""Objects of a picture at most, and detections, the best first."""

Drawing = dict[str, Any]


def stories(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """The objects and the best detections of an image, each with its story.

    ``boxes``: what they are about, the first ``objects`` of them objects. ``first``: which one to
    begin with. ``note``, ``heads``: above the table. ``stories``: of each its row of the table
    (``cells``), ``verdict`` and ``notes``; its stations: what is said of each (``steps``: name,
    numbers, sentence), the ``ticks`` at which they end, and which one ``lost`` it; and the boxes on
    the way with their colours, ``way``.
    """
    found = why(parts, image=image)
    assert isinstance(found, Stories)
    every = (*found.objects[:MOST], *found.detections[:MOST])
    if not every:
        raise nothing_to_tell(parts, image)
    scale = np.asarray([*parts.pictures[image].scale[::-1]] * 2, np.float32)
    boxes = np.asarray([story.box for story in every], np.float32) * scale
    lost = (i for i, story in enumerate(every) if story.lost)
    return {
        "boxes": put(arrays, f"{image}/stories", boxes, np.float32),
        "objects": min(len(found.objects), MOST),
        "first": next(lost, 0),
        "note": [" ".join(_note(found, len(every), lang)) for lang in languages()],
        "heads": [_heads(lang) for lang in languages()],
        "stories": [_story(parts, story) for story in every],
    }


def _note(found: Stories, told: int, lang: str) -> Iterator[str]:
    yield summary(found, lang)
    every = len(found.objects) + len(found.detections)
    if told < every:
        yield texts("stories_thinned", lang, n=told, all=every)


def _heads(lang: str) -> list[str]:
    return [say(key, lang) for key in ("what_of", "class", "outcome", "score", "iou")]


def _story(parts: Anatomy, story: Story) -> dict[str, Any]:
    names, calls = parts.trace.classes, parts.trace.calls
    way = [
        [[round(side, 1) for side in step.box], colour]
        for step, colour in boxes_of(story)
        if step.box
    ]
    colours = {step.name: colour for step, colour in boxes_of(story)}
    return {
        "cells": [_cells(story, names, lang) for lang in languages()],
        "verdict": [verdict(story, names, lang) + say("stop", lang) for lang in languages()],
        "notes": [list(notes_of(story, names, lang)) for lang in languages()],
        "steps": [[_step(step, names, lang) for step in story.steps] for lang in languages()],
        "ticks": [None if step.call is None else calls[step.call].end for step in story.steps],
        "inks": [colours.get(step.name) for step in story.steps],
        "lost": next((i for i, step in enumerate(story.steps) if step.lost), -1),
        "way": way,
    }


def _cells(story: Story, names: tuple[str, ...], lang: str) -> list[str]:
    what = f"{say(f'about.{story.about}', lang)} {story.number}"
    label = "" if story.label is None else class_name(names, story.label, lang)
    numbers = (shown(story.score, "number"), shown(story.overlap, "overlap"))
    return [what, label, state(story, lang), *numbers]


def _step(step: Step, names: tuple[str, ...], lang: str) -> list[str]:
    numbers = (("left", "count"), ("iou", "overlap"), ("score", "number"))
    said = [
        f"{say(name, lang)} {shown(getattr(step, name), kind)}"
        for name, kind in numbers
        if getattr(step, name) is not None
    ]
    return [station(step.name, lang), " · ".join(said), told(step, names, lang)]
