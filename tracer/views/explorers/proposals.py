"""The proposal explorer: the filters again, with other thresholds, on the recorded tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, anatomy
from tracer.rcnn.anatomy.filtering import (
    DetectionFilter,
    DetectionSettings,
    Filtered,
    ProposalFilter,
    ProposalSettings,
    detection_filter,
    proposal_filter,
)
from tracer.rcnn.classes import class_name
from tracer.record import Trace
from tracer.views.explorers import drawing
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Control, Shown, Slider
from tracer.views.explorers.explorer import Explorer
from tracer.views.figures.rpn import fig_funnel
from tracer.views.kit.palette import class_colour, level_colour
from tracer.views.kit.scene import Marks, by_class, by_level

BAR = 90
"""Pixels of the longest bar."""


@dataclass(frozen=True, eq=False)
class Scene(drawing.Scene):
    """What is looked at.

    Attributes:
        rpn: its first filter.
        box: its second one; None in training and where it was not recorded.
        levels: names of the levels.
        names: of the classes, by label; empty where they are not known.
        recorded: what the recorded settings leave, of the first and of the second filter.
    """

    rpn: ProposalFilter
    box: DetectionFilter | None
    levels: tuple[str, ...]
    names: Sequence[str]
    recorded: tuple[Filtered, Filtered | None]


def refilter(
    scene: Scene, first: ProposalSettings, second: DetectionSettings | None
) -> tuple[Filtered, Filtered | None, int]:
    """Run both filters.

    A proposal that the pass did not have was never seen by the RoI heads: it has no class scores,
    and gives no detection here.

    Returns:
        The proposals, the detections (None without a second filter), and how many of the
        proposals the recorded pass had too.
    """
    proposals = scene.rpn(first)
    known = scene.rpn.proposals.funnel.steps[-1].kept
    shared = np.flatnonzero(np.isin(known, proposals.kept))
    if scene.box is None or second is None:
        return proposals, None, len(shared)
    return proposals, scene.box(second, shared), len(shared)


def draw(scene: Scene, *, show: str, boxes: int, **values: Any) -> Shown:
    """Show the funnel of both filters and the boxes that are left."""
    first, second = settings(values)
    proposals, detections, shared = refilter(scene, first, second)
    canvas = scene.canvas()
    if show == "detections" and detections is not None:
        canvas.marked(_detections(scene, detections, boxes), 3)
    else:
        canvas.marked(_proposals(scene, proposals, boxes), 2 if boxes <= 60 else 1)
    words = [_funnel(scene, proposals, scene.recorded[0], first)]
    if detections is not None and scene.recorded[1] is not None and second is not None:
        words.append(_second(scene, detections, second))
    unseen = len(proposals.kept) - shared
    if unseen and scene.box is not None:
        words.append(told.note(told.say("unseen", scene.lang, count=unseen), muted=True))
    return canvas.shown(told.block(*words))


def settings(values: Mapping[str, Any]) -> tuple[ProposalSettings, DetectionSettings | None]:
    """Return the settings that the controls stand for, by the names of ``FasterRCNN``'s options."""
    first = ProposalSettings(*(values[f"rpn_{f.name}"] for f in fields(ProposalSettings)))
    if "box_score_thresh" not in values:
        return first, None
    return first, DetectionSettings(*(values[f"box_{f.name}"] for f in fields(DetectionSettings)))


# --- boxes ----------------------------------------------------------------------------------------


def _proposals(scene: Scene, left: Filtered, most: int) -> Marks:
    """The best proposals in their levels' colours."""
    return by_level(left.boxes.xyxy[:most], left.group[left.kept[:most]], scene.levels)


def _detections(scene: Scene, left: Filtered, most: int) -> Marks:
    """The best detections, named."""
    labels = left.group[left.kept[:most]]
    called = partial(class_name, scene.names, lang=scene.lang)
    return by_class(left.boxes.xyxy[:most], labels, called, left.scores[: len(labels)])


# --- words ----------------------------------------------------------------------------------------


def _funnel(scene: Scene, left: Filtered, recorded: Filtered, chosen: ProposalSettings) -> str:
    """A row per step of the RPN's filter: limit, how many are left, how many were, per level."""
    counts = left.counts(len(scene.levels))
    colours = [level_colour(name) for name in scene.levels]
    limits = {
        "top_k": f"≤ {chosen.pre_nms_top_n:,}",
        "small": f"≥ {scene.rpn.smallest:g} px",
        "score": f"≥ {chosen.score_thresh:g}",
        "nms": f"IoU ≤ {chosen.nms_thresh:g}",
        "top_n": f"≤ {chosen.post_nms_top_n:,}",
    }
    title = told.say("proposals", scene.lang)
    return _table(scene, title, left, recorded, limits, counts, colours, "all") + _legend(scene)


def _second(scene: Scene, left: Filtered, chosen: DetectionSettings) -> str:
    """The same of the post-processing, by class."""
    assert scene.box is not None
    assert scene.recorded[1] is not None
    counts = left.counts(scene.box.classes + 1)[:, 1:]
    colours = [class_colour(i + 1) for i in range(scene.box.classes)]
    limits = {
        "score": f"> {chosen.score_thresh:g}",
        "small": f"≥ {scene.box.smallest:g} px",
        "nms": f"IoU ≤ {chosen.nms_thresh:g}",
        "top_n": f"≤ {chosen.detections_per_img:,}",
    }
    title = told.say("detections", scene.lang)
    return _table(scene, title, left, scene.recorded[1], limits, counts, colours, "pairs")


def _table(
    scene: Scene,
    title: str,
    left: Filtered,
    recorded: Filtered,
    limits: Mapping[str, str],
    counts: np.ndarray,
    colours: Sequence[str],
    every: str,
) -> str:
    lang = scene.lang
    longest = max(1, int(counts[1:].sum(1).max()))
    rows = []
    for i, step in enumerate(left.steps):
        name = told.say(f"step.{every if step.name == 'all' else step.name}", lang)
        parts = zip((counts[i] * BAR / longest).tolist(), colours, strict=True)
        drawn = "" if i == 0 else told.bar(parts)
        was = len(recorded.steps[i].kept)
        limit = limits.get(step.name, "")
        rows.append((name, limit, f"{len(step.kept):,}", f"{was:,}", drawn))
    heads = (title, "", told.say("now", lang), told.say("recorded", lang), "")
    return told.table(heads, rows, raw=(4,))


def _legend(scene: Scene) -> str:
    named = [told.swatch(name, level_colour(name)) for name in scene.levels]
    return f'<p style="margin:.2em 0 .8em">{" &nbsp; ".join(named)}</p>'


# --- the explorer ---------------------------------------------------------------------------------


def explorer(
    trace: Trace, lang: str, *, image: int = 0, show: str = "proposals", boxes: int = 100
) -> Explorer:
    """Return the proposal explorer; the options are `Recording.explore`'s."""
    parts = anatomy(trace)
    scene = scene_of(parts, lang, image)

    still = partial(fig_funnel, parts, lang=lang, image=image)
    controls = _controls(scene, show, boxes)
    return Explorer("proposals", lang, controls, partial(draw, scene), lambda values: still())


def _controls(scene: Scene, show: str, boxes: int) -> tuple[Control, ...]:
    say = [("proposals", told.say("proposals", scene.lang))]
    if scene.box is not None:
        say.append(("detections", told.say("detections", scene.lang)))
    options = tuple((text, value) for value, text in say)
    return (
        Choice("show", told.say("draw", scene.lang), options, show, buttons=True),
        Slider("boxes", told.say("boxes_at_most", scene.lang), 1, 1000, boxes),
        *_sliders("rpn", scene.rpn.recorded),
        *(_sliders("box", scene.box.recorded) if scene.box is not None else ()),
    )


def _sliders(prefix: str, recorded: ProposalSettings | DetectionSettings) -> list[Slider]:
    """A slider for each setting, standing where it was recorded."""
    sliders = []
    for each in fields(recorded):
        name, value = f"{prefix}_{each.name}", getattr(recorded, each.name)
        if isinstance(value, int):
            most = max(value, 100 if prefix == "box" else 1000)
            sliders.append(Slider(name, name, 1, most, value))
        else:
            sliders.append(Slider(name, name, 0.0, 1.0, value, 0.01))
    return sliders


def scene_of(parts: Anatomy, lang: str, image: int = 0) -> Scene:
    """Prepare an image of a pass."""
    first = proposal_filter(parts.rpn, image)
    try:
        second = detection_filter(parts.detections[image])
    except MissingError:
        second = None
    left = None if second is None else second(second.recorded)
    levels = tuple(level.name for level in parts.rpn.levels)
    picture = parts.pictures[image]
    photo = drawing.photo(picture)
    classes, recorded = parts.trace.classes, (first(first.recorded), left)
    return Scene(picture, photo, lang, first, second, levels, classes, recorded)
