"""Training: matches, samples, their balance, the losses."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from tracer.rcnn.anatomy import Anatomy, Loss, Matching, Samples
from tracer.views.figures.common import grey, names_of_classes
from tracer.views.figures.sheet import Sheet, figure
from tracer.views.kit.palette import SEQUENTIAL, written_on


@figure(height=5.4)
def fig_matches(s: Sheet, parts: Anatomy, image: int) -> None:
    """The IoU matrix of targets and boxes, and what matching made of it."""
    grid = s.grid(2, 2, width_ratios=[1, 1] if s.slide else [1.5, 1])
    pairs = (
        (parts.losses.anchors(image).matching, s.say("anchors")),
        (parts.losses.proposals(image).matching, s.say("proposals")),
    )
    for row, (matching, who) in enumerate(pairs):
        _matrix(s, s.panel(grid[row, 0]), matching, who, _target_names(s, parts, image))
        _iou_histogram(s, s.panel(grid[row, 1]), matching, who)
    s.title("matches")


def _target_names(s: Sheet, parts: Anatomy, image: int) -> list[str]:
    """The class of each target, or its number where that was not recorded."""
    labels, called = parts.pictures[image].target_labels, names_of_classes(s, parts)
    if labels is None:
        return [str(i) for i in range(len(parts.losses.anchors(image).matching.targets))]
    return [called(label) for label in labels.tolist()]


def _matrix(s: Sheet, ax: Axes, matching: Matching, who: str, names: list[str]) -> None:
    count = len(matching.boxes)
    if len(matching.targets) == 0:
        s.empty(ax, "all_negative", count=count)
        return
    best = np.argsort(-np.nan_to_num(matching.best_iou), kind="stable")[:48]
    best = best[np.lexsort((-matching.best_iou[best], matching.best_target[best]))]
    values = matching.iou(best)
    shown = ax.imshow(values, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto",
                      interpolation="nearest")  # fmt: skip
    positive = matching.positive[best]
    columns = np.flatnonzero(positive)
    ax.plot(columns, matching.matches[best][positive], ".", color=s.theme.warn, ms=s.point / 1.8)
    ax.set_yticks(range(len(names)), names, fontfamily=s.fonts)
    ax.set_xticks([])
    n = len(best)
    s.labels(
        ax,
        s.say("matched_of", n=n, count=count, who=who),
        s.say("target"),
    )
    s.colour_bar(ax, shown, "IoU")


def _iou_histogram(s: Sheet, ax: Axes, matching: Matching, who: str) -> None:
    edges = np.linspace(0, 1, 41).tolist()
    kinds = (
        (matching.negative, s.theme.negative, s.say("negative")),
        (matching.ignored, s.theme.ignored, s.say("ignored")),
        (matching.positive & ~matching.low_quality, s.theme.positive, s.say("positive")),
        (matching.low_quality, s.theme.low_quality, s.say("low_quality")),
    )
    found = [kind for kind in kinds if kind[0].any()]
    values = [matching.best_iou[mask] for mask, _, _ in found]
    colours = [colour for _, colour, _ in found]
    names = [f"{name} {int(mask.sum()):,}" for mask, _, name in found]
    ax.hist(values, edges, stacked=True, color=colours, label=names, log=True,
            histtype="stepfilled")  # fmt: skip
    for threshold in {matching.low, matching.high}:
        ax.axvline(threshold, color=s.theme.ink, lw=1, ls="--")
    ax.set_xlim(0, 1)
    s.heading(ax, who)
    s.labels(ax, s.say("best_iou"))
    if s.slide:  # its text would hide the bars
        s.legend(ax, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        s.legend(ax, loc="upper right")


@figure(height=4.4)
def fig_sampled_anchors(s: Sheet, parts: Anatomy, image: int) -> None:
    """The sampled anchors on the picture: what the RPN's losses saw."""
    _samples(s, parts, image, parts.losses.anchors(image))
    s.title("sampled_anchors")


@figure(height=4.4)
def fig_sampled_rois(s: Sheet, parts: Anatomy, image: int) -> None:
    """The sampled proposals on the picture: what the RoI heads' losses saw."""
    _samples(s, parts, image, parts.losses.proposals(image))
    s.title("sampled_rois")


def _samples(s: Sheet, parts: Anatomy, image: int, samples: Samples) -> None:
    grid = s.grid(1, 2)
    picture = parts.pictures[image]
    kinds = (
        (samples.positive, s.theme.positive, s.say("positive")),
        (samples.negative, s.theme.negative, s.say("negative")),
    )
    for column, (index, colour, name) in enumerate(kinds):
        ax = s.panel(grid[0, column])
        s.picture(ax, grey(picture))
        s.boxes(ax, samples.matching.targets.xyxy, s.theme.target, 1.8)
        shown = index[np.linspace(0, len(index) - 1, min(len(index), 120)).astype(int)]
        s.boxes(ax, samples.matching.boxes.xyxy[shown], colour, 0.9, alpha=0.75)
        height, width = picture.resized_size
        ax.set_xlim(-width * 0.06, width * 1.06)
        ax.set_ylim(height * 1.06, -height * 0.06)
        more = s.say("part_drawn") if len(index) > 120 else ""
        s.heading(ax, s.say("colon").join((name, f"{len(index)}{more}")), colour)
    handle = s.say("targets")
    s.tag(s.figure.axes[-1], 0.99, 0.01, handle, s.theme.target, ha="right", va="bottom",
          transform=s.figure.axes[-1].transAxes)  # fmt: skip


@figure(height=3.6)
def fig_balance(s: Sheet, parts: Anatomy, image: int) -> None:
    """How many positives and negatives there were, and how many were sampled."""
    training = parts.losses
    grid = s.grid(1, 2)
    pairs = (
        (training.anchors(image), s.say("anchors")),
        (training.proposals(image), s.say("proposals")),
    )
    for column, (samples, who) in enumerate(pairs):
        _balance(s, s.panel(grid[0, column]), samples, who)
    s.title("balance")


def _balance(s: Sheet, ax: Axes, samples: Samples, who: str) -> None:
    m = samples.matching
    rows = (
        (s.say("there_were"), m.positive.sum(), m.ignored.sum(), m.negative.sum()),
        (s.say("sampled"), len(samples.positive), 0, len(samples.negative)),
    )
    names = (s.say("positives"), s.say("ignored"), s.say("negatives"))
    colours = (s.theme.positive, s.theme.ignored, s.theme.negative)
    for row, (_, *counts) in enumerate(rows):
        total, left = max(sum(int(c) for c in counts), 1), 0.0
        for count, name, colour in zip(counts, names, colours, strict=True):
            share = int(count) / total
            ax.barh(row, share, left=left, color=colour, height=0.55)
            text = f"{name} {int(count):,}"
            if share > (0.34 if s.slide else 0.24):
                s.text(ax, left + share / 2, row, text, ha="center", va="center", size=0.8,
                       colour=written_on(colour))  # fmt: skip
            elif count:
                place = -0.36 if name == names[0] else 0.36
                s.text(ax, left + share / 2, row + place, text, ha="left", va="center", size=0.75,
                       colour=s.ink(colour))  # fmt: skip
            left += share
    s.categories(ax.yaxis, [0, 1], (row[0] for row in rows))
    ax.set_ylim(1.6, -0.6)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    s.heading(ax, who)


@figure(height=5.2)
def fig_losses(s: Sheet, parts: Anatomy, image: int) -> None:
    """The losses taken apart: their values, and what each sample adds."""
    losses = parts.losses.losses
    taken = [loss for loss in losses if loss.terms is not None]
    grid = s.grid(2, max(len(taken), 1), height_ratios=[1, 1.5])
    _values(s, s.panel(grid[0, :]), losses)
    for column, loss in enumerate(taken):
        _terms(s, s.panel(grid[1, column]), loss)
    total = sum(loss.value for loss in losses)
    s.title("losses", total=total)


def _values(s: Sheet, ax: Axes, losses: tuple[Loss, ...]) -> None:
    values = [loss.value for loss in losses]
    ax.barh(range(len(losses)), values, color=s.theme.accent, height=0.6)
    for row, value in enumerate(values):
        s.text(ax, value, row, f" {value:.4f}", va="center", size=0.9)
    s.categories(ax.yaxis, range(len(losses)), (loss.name for loss in losses))
    ax.invert_yaxis()
    finite = [value for value in values if np.isfinite(value)]
    ax.set_xlim(0, max([*finite, 1e-6]) * 1.15)
    ax.tick_params(axis="y", labelcolor=s.theme.ink, length=0)


def _terms(s: Sheet, ax: Axes, loss: Loss) -> None:
    assert loss.terms is not None
    each = loss.terms if loss.terms.ndim == 1 else loss.terms.sum(tuple(range(1, loss.terms.ndim)))
    terms = np.sort(each)[::-1]
    name = loss.name.removeprefix("loss_")
    s.heading(ax, name)
    if len(terms) == 0:
        s.empty(ax, "nothing_to_add")
        return
    ax.fill_between(np.arange(len(terms)), terms, step="mid", color=s.theme.accent_soft, lw=0)
    ax.margins(x=0)
    half = int(np.searchsorted(np.cumsum(terms), terms.sum() / 2)) + 1
    ax.axvline(half - 0.5, color=s.theme.warn, lw=1, ls="--")
    share = s.say("give_half", half=half)
    share = s.say("gives_half") if half == 1 else share
    s.text(ax, 0.97, 0.95, share, ha="right", va="top",
           transform=ax.transAxes, size=0.8, colour=s.ink(s.theme.warn))  # fmt: skip
    space = "\n" if s.slide else " "
    s.labels(ax, f"Σ {terms.sum():.2f} ÷ {loss.divisor}{space}= {loss.computed:.4f}")
