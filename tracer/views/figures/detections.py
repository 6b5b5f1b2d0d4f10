"""From class scores to detections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, Detections, Step
from tracer.views.figures.common import names_of_classes
from tracer.views.figures.funnel import funnel_of
from tracer.views.figures.sheet import Sheet, figure, ink_on
from tracer.views.kit.palette import class_colour
from tracer.views.kit.scene import alone, by_class

Naming = Callable[[int], str]
BEST = 12
"""So many detections are drawn on a picture."""


@figure(height=5.0)
def fig_detections(
    s: Sheet,
    parts: Anatomy,
    image: int,
    names: Sequence[str] | None = None,
    count: int = BEST,
    scores: bool = True,
) -> None:
    """The top detections on the original image, if wanted with their scores for all classes.

    A one-stage detector scores anchors, not proposals, and so has none of them for all classes.
    """
    found, called = parts.detections[image], names_of_classes(s, parts, names)
    if not scores or found.proposal is None:
        _on_original(s, s.panel(), parts, found, called, count, numbered=False)
        s.title("detections", found=len(found), scores="")
        return
    grid = s.grid(1, 2, width_ratios=[1.2, 1])
    _on_original(s, s.panel(grid[0, 0]), parts, found, called, count)
    _class_scores(s, s.panel(grid[0, 1]), parts, found, called, count)
    s.title("detections", found=len(found), scores=s.say("scores_beside"))


def best_detections(
    s: Sheet,
    ax: Axes,
    parts: Anatomy,
    found: Detections,
    name: str,
    other: Detections,
    lacks: Sequence[int],
) -> None:
    """Draw the best detections of a pass on the original image, with their names and scores.

    Args:
        s: the sheet.
        ax: where.
        parts: the pass.
        found: what it detected in an image.
        name: of the pass, above the picture.
        other: what another pass detected there.
        lacks: which of these this one did not: of its best they are dashed.
    """
    _on_original(s, ax, parts, found, names_of_classes(s, parts, None), BEST, numbered=False)
    dashed = [number for number in lacks if number < BEST]
    colours = [class_colour(int(other.labels[number])) for number in dashed]
    s.boxes(ax, other.boxes.xyxy[dashed], colours, 1.2, ls=(0, (4, 3)), zorder=0.5)
    s.heading(ax, s.say("both_detections.of", name=name, shown=min(BEST, len(found)),
                        total=len(found)))  # fmt: skip


def _on_original(
    s: Sheet,
    ax: Axes,
    parts: Anatomy,
    found: Detections,
    called: Naming,
    count: int,
    numbered: bool = True,
) -> None:
    """Draw the best detections: numbered as the rows of a table, or with names and scores."""
    picture = parts.pictures[found.image]
    height, width = picture.original_size
    s.picture(ax, picture.original_rgb(), extent=(0, width, height, 0))
    scores = None if numbered else found.scores[:count]
    marks = by_class(found.boxes.xyxy[:count], found.labels[:count], called, scores)
    shown = len(marks)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    if numbered:
        marks = replace(marks, names=tuple(map(str, range(1, shown + 1))))
    s.marked(ax, marks, (height, width))
    total = len(found)
    s.heading(ax, s.say("best_of", shown=shown, total=total) if total else s.say("no_detections"))


def _class_scores(
    s: Sheet, ax: Axes, parts: Anatomy, found: Detections, called: Naming, count: int
) -> None:
    if found.proposal is None or len(found) == 0:
        s.empty(ax, "no_detections")
        return
    rows = found.proposal[:count]
    scores = parts.roi_heads.scores(found.image)[rows]
    classes = _classes_to_show(scores)
    values = scores[:, classes]
    shown = s.overlaid(ax, alone(values, (0, 1)))
    ax.set_aspect("auto")
    for (row, column), value in np.ndenumerate(values):
        if len(classes) <= 10:
            s.text(ax, column, row, f"{value:.2f}", ha="center", va="center", size=0.68,
                   colour=ink_on(shown, value))  # fmt: skip
    heads = [s.say("background") if c == 0 else called(c) for c in classes]
    ax.set_xticks(range(len(classes)), heads, rotation=35, ha="right", fontfamily=s.fonts)
    labels = enumerate(found.labels[:count].tolist(), 1)
    who = [f"{called(label)} {i}" for i, label in labels]
    s.categories(ax.yaxis, range(len(who)), who)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    s.heading(ax, s.say("class_scores"))


def _classes_to_show(scores: np.ndarray, count: int = 10) -> list[int]:
    """All classes if few; else the background and those of the highest scores."""
    total = scores.shape[1]
    if total <= count:
        return list(range(total))
    best = np.argsort(-scores[:, 1:].max(0), kind="stable")[: count - 1] + 1
    return [0, *sorted(best.tolist())]


@figure(height=5.6)
def fig_detection_funnel(
    s: Sheet, parts: Anatomy, image: int, names: Sequence[str] | None = None
) -> None:
    """The post-processing funnel: from proposals times classes to detections."""
    found = parts.detections[image]
    if found.funnel is None or found.candidate_boxes is None or found.candidate_scores is None:
        raise MissingError(
            f"{parts.run.model.type} is a one-stage detector: its post-processing is not taken "
            "apart here"
        )
    steps, called = found.funnel.steps, names_of_classes(s, parts, names)
    left = np.bincount(found.labels, minlength=parts.roi_heads.num_classes)[1:]
    shown = np.argsort(-left, kind="stable")[:7] + 1
    place = np.full(parts.roi_heads.num_classes, len(shown))
    place[shown] = np.arange(len(shown))
    groups = [(called(int(c)), class_colour(int(c))) for c in shown]
    groups.append((s.say("others"), s.theme.muted))
    grouped = replace(found.funnel, group=place[found.funnel.group])
    boxes = [found.candidate_boxes] * len(steps)
    told = [(s.say(f"class_step.{step.name}"), _limit(step)) for step in steps]
    picture = parts.pictures[image]
    funnel_of(s, picture, grouped, boxes, -found.candidate_scores, told, groups)
    s.title("detection_funnel", first=len(steps[0].kept), last=len(steps[-1].kept))


def _limit(step: Step) -> str:
    """The number that a step goes by, as it is compared."""
    sign = {"score": "> ", "small": "≥ ", "nms": "IoU ≤ ", "top_n": "≤ "}.get(step.name, "")
    unit = " px" if step.name == "small" else ""
    return "" if step.limit is None else f"{sign}{step.limit:g}{unit}"
