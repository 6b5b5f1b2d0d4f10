"""From class scores to detections."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, Detections
from tracer.views.figures.common import names_of_classes, tag_boxes
from tracer.views.figures.rpn import funnel_bars
from tracer.views.figures.sheet import Sheet, figure, ink_on
from tracer.views.kit.palette import class_colour

Naming = Callable[[int], str]


@figure(height=5.0)
def fig_detections(
    s: Sheet, parts: Anatomy, image: int, names: Sequence[str] | None = None, count: int = 12
) -> None:
    """The top detections on the original image, with their scores for all classes."""
    found, called = parts.detections[image], names_of_classes(s, parts, names)
    grid = s.grid(1, 2, width_ratios=[1.2, 1])
    _on_original(s, s.panel(grid[0, 0]), parts, found, called, count)
    _class_scores(s, s.panel(grid[0, 1]), parts, found, called, count)
    s.title("detections", found=len(found))


def _on_original(
    s: Sheet, ax: Axes, parts: Anatomy, found: Detections, called: Naming, count: int
) -> None:
    picture = parts.pictures[found.image]
    height, width = picture.original_size
    s.picture(ax, picture.original_rgb(), extent=(0, width, height, 0))
    labels, scores = found.labels[:count].tolist(), found.scores[:count].tolist()
    boxes = found.boxes.xyxy[:count]
    colours = [class_colour(label) for label in labels]
    s.boxes(ax, boxes, colours, 1.6)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    texts = [f"{called(label)} {score:.2f}" for label, score in zip(labels, scores, strict=True)]
    tag_boxes(s, ax, boxes, texts, colours, (height, width))
    shown = len(boxes)
    total = len(found)
    s.heading(ax, s.say("best_of", shown=shown, total=total))


def _class_scores(
    s: Sheet, ax: Axes, parts: Anatomy, found: Detections, called: Naming, count: int
) -> None:
    if found.proposal is None:
        s.empty(ax, "one_stage")
        return
    if len(found) == 0:
        s.empty(ax, "no_detections")
        return
    rows = found.proposal[:count]
    scores = parts.roi_heads.scores(found.image)[rows]
    classes = _classes_to_show(scores)
    values = scores[:, classes]
    shown = s.map(ax, values, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if len(classes) <= 10:
            s.text(ax, column, row, f"{value:.2f}", ha="center", va="center", size=0.68,
                   colour=ink_on(shown, value))  # fmt: skip
    heads = [s.say("background") if c == 0 else called(c) for c in classes]
    ax.set_xticks(range(len(classes)), heads, rotation=35, ha="right", fontfamily=s.fonts)
    who = [called(label) for label in found.labels[:count].tolist()]
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


@figure(height=4.2)
def fig_detection_funnel(
    s: Sheet, parts: Anatomy, image: int, names: Sequence[str] | None = None
) -> None:
    """The post-processing funnel: from proposals times classes to detections."""
    found = parts.detections[image]
    if found.funnel is None:
        raise MissingError(
            f"{parts.run.model.type} is a one-stage detector: its post-processing is not taken "
            "apart here"
        )
    classes = parts.roi_heads.num_classes - 1
    counts = found.funnel.counts(classes + 1)[:, 1:]
    order = np.argsort(-counts[-1], kind="stable")[:7]
    rest = np.setdiff1d(np.arange(classes), order)
    grouped = np.concatenate([counts[:, order], counts[:, rest].sum(1, keepdims=True)], 1)
    called = names_of_classes(s, parts, names)
    groups = [called(int(c) + 1) for c in order] + [s.say("others")]
    colours = [class_colour(int(c) + 1) for c in order] + [s.theme.muted]
    labels = []
    for step in found.funnel.steps:
        sign = {"score": "> ", "small": "≥ ", "nms": "IoU ≤ ", "top_n": "≤ "}.get(step.name, "")
        unit = " px" if step.name == "small" else ""
        limit = "" if step.limit is None else f"{sign}{step.limit:g}{unit}"
        labels.append("\n".join([s.say(f"class_step.{step.name}"), limit]))
    funnel_bars(s, s.panel(), grouped, labels, groups, colours)
    first, last = int(counts[0].sum()), int(counts[-1].sum())
    s.title("detection_funnel", first=first, last=last)
