"""What a slide lets one try: boxes over the picture, and sliders that say which of them are shown.

The numbers are the recording's own: the anchors with their objectness, the proposals, the
detections, each with its score, so that a slider only chooses among them and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from matplotlib.patches import Patch

from tracer.errors import MissingError, near
from tracer.foreign import clean
from tracer.numbers import count
from tracer.rcnn.anatomy import Anatomy
from tracer.rcnn.classes import class_name
from tracer.views.figures.sheet import Sheet, figure
from tracer.views.kit.scene import Marks, by_class, by_level
from tracer.views.slides.deck import Interactive, Pictures, Slider
from tracer.views.slides.illustrations import sized
from tracer.views.slides.subject import Subject

RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""How many of the best a slider lets through; the largest that make a difference."""

SCORES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

DIGITS = 4
"""Of scores: as many as both sides of a comparison have."""


def interactive(
    subject: Subject, name: str, *, theme: str, size: tuple[float, float]
) -> Interactive:
    """Return one of `INTERACTIVES`.

    Args:
        subject: the recording.
        name: which one.
        theme: of the still.
        size: of the still, in inches.

    Raises:
        MissingError: there is none of that name, or the recording lacks what it shows.
    """
    if name not in INTERACTIVES:
        known = ", ".join(INTERACTIVES)
        raise MissingError(
            f"nothing interactive is called {name!r}{near(name, INTERACTIVES)} (there is {known})"
        )
    made = INTERACTIVES[name](subject)
    return replace(made, still=_still(made, subject, theme, size))


# --- what there is --------------------------------------------------------------------------------


def anchors(subject: Subject) -> Interactive:
    """The anchors that the RPN scores highest on each level."""
    found = subject.parts.rpn.proposals(subject.image)
    chosen = found.funnel.step("top_k").kept
    chosen = chosen[np.argsort(-found.logits[chosen], kind="stable")]
    level = found.funnel.group[chosen]
    rank = _rank_within(level)
    names = [each.name for each in subject.parts.pyramid.levels]
    middle, ranks = len(names) // 2, _ranks(rank)
    every = subject.say("all")
    of_level = Slider(
        subject.say("level"), (*map(float, range(len(names))), -1.0), (*names, every),
        middle, "is", level.astype(float),
    )  # fmt: skip
    best = _best(subject.say("best_of_level"), ranks, 20, rank)
    marks = by_level(subject.parts.anchors.xyxy[chosen], level, names)
    said = subject.say("count.anchors", total=len(subject.parts.anchors), shown="{shown}")
    return _over_picture(subject, marks, (of_level, best), said)


def proposals(subject: Subject) -> Interactive:
    """What the RPN hands on, by objectness."""
    found = subject.parts.rpn.proposals(subject.image)
    order = np.argsort(-found.scores, kind="stable")
    rank = np.arange(1, len(order) + 1)
    ranks = _ranks(rank)
    names = [each.name for each in subject.parts.pyramid.levels]
    score = _score(subject.say("objectness_from"), found.scores[order], 0.0, 0.5)
    best = _best(subject.say("at_most"), ranks, 20, rank)
    marks = by_level(found.boxes.xyxy[order], found.level[order], names)
    said = subject.say("count.proposals", total=len(order), shown="{shown}")
    return _over_picture(subject, marks, (score, best), said)


def detections(subject: Subject) -> Interactive:
    """What comes out, by score and class."""
    found = subject.parts.detections[subject.image]
    known = subject.trace.classes
    marks = by_class(
        found.resized.xyxy, found.labels,
        lambda label: clean(class_name(known, label, subject.lang)), found.scores,
    )  # fmt: skip
    called = [name for name, _ in marks.groups]
    score = _score(subject.say("score_from"), found.scores, 0.05, 0.5)
    of_class = Slider(
        subject.say("class"), (-1.0, *map(float, range(len(called)))),
        (subject.say("all"), *called), 0, "is", marks.group.astype(float),
    )  # fmt: skip
    said = subject.say("count.detections", total=len(found), shown="{shown}")
    return _over_picture(subject, marks, (score, of_class), said)


INTERACTIVES: dict[str, Callable[[Subject], Interactive]] = {
    "anchors": anchors, "proposals": proposals, "detections": detections,
}  # fmt: skip
"""What an outline can name."""


# --- sliders --------------------------------------------------------------------------------------


def _rank_within(group: np.ndarray) -> np.ndarray:
    """Return each one's place among those of its group, from 1."""
    rank = np.empty(len(group), np.int64)
    for each in np.unique(group):
        inside = group == each
        rank[inside] = np.arange(1, inside.sum() + 1)
    return rank


def _ranks(rank: np.ndarray) -> tuple[int, ...]:
    """Return the steps of a slider, up to the first that lets all through."""
    most = int(rank.max(initial=1))
    return (*(step for step in RANKS if step < most), most)


def _best(label: str, ranks: tuple[int, ...], start: int, rank: np.ndarray) -> Slider:
    place = max(n for n, step in enumerate(ranks) if step <= max(start, ranks[0]))
    texts = tuple(map(count, ranks))
    return Slider(label, tuple(map(float, ranks)), texts, place, "max", rank.astype(float))


def _score(label: str, scores: np.ndarray, least: float, start: float) -> Slider:
    values = tuple(value for value in SCORES if value >= least)
    texts = tuple(f"{value:.2f}" for value in values)
    own = np.round(scores.astype(float), DIGITS)
    return Slider(label, values, texts, values.index(start), "min", own)


def _over_picture(
    subject: Subject, marks: Marks, sliders: tuple[Slider, ...], said: str
) -> Interactive:
    picture = subject.parts.pictures[subject.image].rgb()
    whole = replace(marks, xyxy=np.round(marks.xyxy.astype(float), 1))
    return Interactive(picture, whole, sliders, said, Pictures((), ""))


# --- the still ------------------------------------------------------------------------------------


def _still(part: Interactive, subject: Subject, theme: str, size: tuple[float, float]) -> Pictures:
    drawn = draw_still(
        subject.parts, part=part, lang=subject.lang, theme=theme, image=subject.image, size="slide"
    )
    set_to = (f"{s.label} {s.texts[s.start]}" for s in part.sliders)
    there = part.count.replace("{shown}", count(int(part.shown().sum())))
    said = subject.say("set_to", settings=subject.say("between").join((there, *set_to)))
    more = subject.say("try_it")
    return Pictures((sized(drawn, size),), said, said + more)


@figure(height=5.0)
def draw_still(s: Sheet, parts: Anatomy, image: int, part: Interactive) -> None:
    """The picture with the boxes that are shown at first, and what the colours stand for."""
    ax = s.panel()
    s.picture(ax, part.picture)
    shown = part.marks.take(part.shown())
    s.marked(ax, shown, part.picture.shape[:2])
    here = sorted(set(shown.group.tolist()))
    marks = [Patch(color=shown.groups[g][1], label=shown.groups[g][0]) for g in here]
    if marks and not shown.names:
        s.legend(ax, handles=marks, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
