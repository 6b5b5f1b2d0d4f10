"""What steps leave of many boxes: how many, of which groups, and the boxes themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tracer.rcnn.anatomy import Funnel, Picture
from tracer.views.figures.common import grey
from tracer.views.figures.sheet import Sheet
from tracer.views.kit.palette import TAG, written_on

DRAWN = 150
"""Boxes on a small picture at most, spread evenly over the scores."""
SHARES = 1.3
"""Where the bars of shares begin, in lengths of the longest bar of counts."""


def funnel_of(
    s: Sheet, picture: Picture, funnel: Funnel, boxes: Sequence[np.ndarray], order: np.ndarray,
    told: Sequence[tuple[str, str]], groups: Sequence[tuple[str, str]],
) -> None:  # fmt: skip
    """Draw a funnel: a row of bars for each step, beside them a picture of what it leaves.

    Args:
        s: what is drawn on.
        picture: that the boxes are on.
        funnel: its groups count from 0.
        boxes: per step, float32 [total, 4] in resized pixels.
        order: float [total], by which the candidates are ordered, the best lowest.
        told: per step its name and its limit.
        groups: per group its name and its colour.
    """
    count = len(funnel.steps)
    rows = -(-count // 2)
    grid = s.grid(rows, 3, width_ratios=[2.3 if s.slide else 2.1, 1, 1])
    counts = funnel.counts(len(groups))
    _bars(s, s.panel(grid[:, 0]), counts, told, groups)
    for i, (step, xyxy) in enumerate(zip(funnel.steps, boxes, strict=True)):
        ax = s.panel(grid[divmod(i, 2)[0], 1 + i % 2])
        best = step.kept[np.argsort(order[step.kept], kind="stable")]
        some = best[np.linspace(0, len(best) - 1, min(len(best), DRAWN)).astype(int)]
        colours = [groups[group][1] for group in funnel.group[some]]
        s.picture(ax, grey(picture))
        s.outlines(ax, xyxy[some], colours, 0.7, 0.8)
        s.tag(ax, 0.02, 0.97, f"{i + 1}", TAG, transform=ax.transAxes, va="top")
        ax.set_xlim(0, picture.resized_size[1])
        ax.set_ylim(picture.resized_size[0], 0)


def _bars(
    s: Sheet, ax: Axes, counts: np.ndarray, told: Sequence[tuple[str, str]],
    groups: Sequence[tuple[str, str]],
) -> None:  # fmt: skip
    """A bar per step, as long as it leaves boxes, and one of the groups' shares in them."""
    totals = counts.sum(1)
    for row, total in enumerate(totals.tolist()):
        length = total / max(int(totals.max()), 1)
        ax.barh(row, length, color=s.theme.accent_soft, height=0.62, lw=0)
        inside = length > 0.6
        place, soft = 0.03 if inside else length + 0.03, s.theme.accent_soft
        ink = written_on(soft) if inside else s.theme.ink
        s.text(ax, place, row, f"{total:,}", va="center", size=0.95, fontweight="bold", colour=ink)
        _shares(s, ax, row, counts[row] / max(total, 1), groups)
    names = (f"{i}  {name}\n{limit}".strip() for i, (name, limit) in enumerate(told, 1))
    s.categories(ax.yaxis, range(len(told)), names)
    ax.set_ylim(len(told) - 0.4, -0.6)
    ax.set_xlim(0, SHARES + 1.02)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelcolor=s.theme.ink)
    there = [group for i, group in enumerate(groups) if counts[:, i].any()]
    marks = [Rectangle((0, 0), 1, 1, color=colour, label=name) for name, colour in there]
    place = {"loc": "upper right", "bbox_to_anchor": (1.0, 0.0), "ncols": 3 if s.slide else 5}
    spacing = {"handlelength": 0.8, "columnspacing": 0.8, "borderpad": 0.1}
    s.legend(ax, handles=marks, frameon=False, **place, **spacing)


def _shares(
    s: Sheet, ax: Axes, row: int, shares: np.ndarray, groups: Sequence[tuple[str, str]]
) -> None:
    left = SHARES
    for share, (_, colour) in zip(shares.tolist(), groups, strict=True):
        ax.barh(row, share, left=left, color=colour, height=0.62, lw=0)
        if share > (0.16 if s.slide else 0.12):
            s.text(ax, left + share / 2, row, f"{share:.0%}", ha="center", va="center", size=0.68,
                   fine=True, colour=written_on(colour))  # fmt: skip
        left += share
