"""What became of an object: its box at each station, and how IoU and score go along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tracer.languages import joined
from tracer.rcnn.anatomy import Anatomy
from tracer.rcnn.stories import Step, Story, why, worth_telling
from tracer.views.figures.common import grey
from tracer.views.figures.sheet import Sheet, figure, wrap
from tracer.views.kit.stories import boxes_of, changed, say, station, verdict

ROOM = 0.7
"""Around the boxes of a close-up, of their larger side."""


@figure(height=7.4)
def fig_story(
    s: Sheet,
    parts: Anatomy,
    image: int,
    object: int | None = None,
    detection: int | None = None,
    box: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
) -> None:
    """What became of an object, a detection or a box; without one, of the first lost object."""
    if object is None and detection is None and box is None:
        story = worth_telling(parts, image)
    else:
        told = why(parts, object=object, detection=detection, box=box, image=image)
        assert isinstance(told, Story)
        story = told
    known = parts.trace.classes if names is None else names
    shown = [step for step, _ in boxes_of(story)][:3]
    grid = s.grid(2, 2, height_ratios=[0.01, 1])
    head = s.panel(grid[0, :])
    head.set_axis_off()
    s.heading(head, wrap(_told(s, story, known), 88 if s.slide else 112), loc="left")
    goal = _goal(parts, story)
    whole, *places = _places(grid[1, 0], len(shown))
    _whole(s, s.panel(whole), parts, story, goal)
    for place, step in zip(places, shown, strict=True):
        _close(s, s.panel(place), parts, story, goal, step)
    _chain(s, s.panel(grid[1, 1]), story)
    s.title("story")


def _places(place: Any, shown: int) -> list[Any]:
    """The places of the whole picture and of the close-ups, in two rows."""
    rows = place.subgridspec(2, 1)
    above = [rows[0, 0].subgridspec(1, 2)[0, i] for i in (0, 1)] if shown == 3 else [rows[0, 0]]
    below = 1 + shown - len(above)
    return [*above, *(rows[1, 0].subgridspec(1, below)[0, i] for i in range(below))]


def _told(s: Sheet, story: Story, names: Sequence[str]) -> str:
    """The verdict, and what would have kept a lost object. A dollar sign begins a formula."""
    text = verdict(story, names, s.lang) + say("stop", s.lang)
    if story.changes:
        text += f" {say('note.changes', s.lang, changes=changed(story.changes, s.lang))}"
    return joined(text).replace("$", r"\$")


def _goal(parts: Anatomy, story: Story) -> np.ndarray:
    """The box that the story is about, float32 [1, 4] in resized pixels."""
    picture = parts.pictures[story.image]
    factors = np.asarray([picture.scale[1], picture.scale[0]] * 2, np.float32)
    return np.asarray([story.box], np.float32) * factors


def _whole(s: Sheet, ax: Axes, parts: Anatomy, story: Story, goal: np.ndarray) -> None:
    """The whole picture, and where in it the object is."""
    picture = parts.pictures[story.image]
    s.picture(ax, picture.rgb())
    s.boxes(ax, goal, s.theme.target, 2)
    height, width = picture.resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)


def _close(s: Sheet, ax: Axes, parts: Anatomy, story: Story, goal: np.ndarray, step: Step) -> None:
    """The box of a station, close up, over the box that the story is about."""
    s.picture(ax, grey(parts.pictures[story.image]))
    mine = np.asarray([step.box], np.float32)
    s.boxes(ax, goal, s.theme.target, 2)
    colour = s.theme.warn if step.lost else s.theme.positive
    s.boxes(ax, mine, colour, 2)
    both = np.concatenate([goal, mine])
    (x1, y1), (x2, y2) = both[:, :2].min(0), both[:, 2:].max(0)
    half = max(x2 - x1, y2 - y1) * (1 + ROOM) / 2
    ax.set_xlim((x1 + x2) / 2 - half, (x1 + x2) / 2 + half)
    ax.set_ylim((y1 + y2) / 2 + half, (y1 + y2) / 2 - half)
    ax.set_aspect("equal")
    ax.set_facecolor(s.theme.panel)
    style = {"ha": "center", "transform": ax.transAxes, "in_layout": False, "clip_on": False}
    s.tag(ax, 0.5, 0.98, station(step.name, s.lang), colour, va="top", **style)
    if step.iou is not None:
        s.tag(ax, 0.5, 0.02, f"IoU {step.iou:.3f}", colour, va="bottom", **style)


def _chain(s: Sheet, ax: Axes, story: Story) -> None:
    """IoU and score of what is followed, station by station, and how many others are left."""
    places = np.arange(len(story.steps))
    threshold = story.steps[0].facts.get("threshold")
    if isinstance(threshold, float):
        ax.axvline(threshold, color=s.theme.muted, lw=1, ls=":")
    for kind, colour, mark in (("score", s.theme.low_quality, "s"), ("iou", s.theme.accent, "o")):
        values = np.asarray([_or_nan(getattr(step, kind)) for step in story.steps])
        known = ~np.isnan(values)
        ax.plot(values[known], places[known], f"-{mark}", color=colour, ms=s.point * 0.6,
                lw=s.point / 5, label=say(kind, s.lang))  # fmt: skip
    for place, step in enumerate(story.steps):
        if step.left is not None and story.about != "detection":
            s.text(ax, 1.06, place, f"{step.left:,}", ha="left", va="center", fine=True,
                   colour=s.theme.warn if step.lost else s.theme.muted)  # fmt: skip
        if step.lost:
            ax.axhspan(place - 0.45, place + 0.45, color=s.theme.warn, alpha=0.15, lw=0)
    ax.set_ylim(len(places) - 0.4, -0.6)
    ax.set_xlim(-0.05, 1.95)  # numbers to the right
    ax.set_xticks([0, 0.5, 1])
    s.categories(ax.yaxis, places.tolist(), [station(step.name, s.lang) for step in story.steps])
    s.legend(ax, loc="lower right")


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
