"""The transform: normalised, resized, padded to one batch; and the targets with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, Picture
from tracer.rcnn.anatomy.geometry import area
from tracer.views.figures.sheet import Sheet, figure, wrap
from tracer.views.kit.palette import CHANNELS

MOST = 2
"""Pictures of the batch that are shown."""


@figure(height=6.2)
def fig_transform(s: Sheet, parts: Anatomy, image: int) -> None:
    """Pictures of their own sizes become one batch, to one scale; a target goes along."""
    others = [i for i in range(len(parts.pictures)) if i != image]
    shown = [parts.pictures[i] for i in (image, *others)[:MOST]]
    ratios = [0.9, 0.8, 1.25, 0.9] if s.slide else [1, 1, 0.62]
    grid = s.grid(len(shown), len(ratios), width_ratios=ratios)
    rows, columns = shown[0].padded_size
    rows, columns = (
        max(n, *(p.original_size[i] for p in shown)) for i, n in enumerate((rows, columns))
    )
    for row, picture in enumerate(shown):
        left, right = (s.panel(grid[row, i]) for i in range(2))
        labels = [_original(s, left, picture), _batched(s, right, picture)]
        if s.slide:
            _beside(s, s.panel(grid[row, 2]), picture, [each for said in labels for each in said])
        else:
            for ax, said in zip((left, right), labels, strict=True):
                s.labels(ax, "\n".join(said))
        for ax in (left, right):
            ax.set_xlim(0, columns)
            ax.set_ylim(rows, 0)
        _values(s, s.panel(grid[row, -1]), picture, last=row == len(shown) - 1)
    first = shown[0]
    sizes = {"min_size": first.min_size, "max_size": first.max_size}
    s.title("transform", count=len(parts.pictures), **sizes)


def _followed(picture: Picture) -> int | None:
    """The target whose way is written out: the largest."""
    targets = picture.targets
    return None if targets is None or len(targets) == 0 else int(area(targets.xyxy).argmax())


def _boxes(s: Sheet, ax: Axes, xyxy: np.ndarray, followed: int) -> str:
    """Outline targets, one of them brightly; return its corners."""
    colours = [s.theme.warn if i == followed else s.theme.target for i in range(len(xyxy))]
    s.boxes(ax, xyxy, colours, 1.4)
    return ", ".join(f"{value:.0f}" for value in xyxy[followed].tolist())


def _original(s: Sheet, ax: Axes, picture: Picture) -> list[str]:
    """Draw the picture as it was given; return what is to be said of it."""
    height, width = picture.original_size
    s.picture(ax, picture.original_rgb(), extent=(0, width, height, 0))
    heading = f"{s.say('original')} {picture.index}"
    s.heading(ax, heading if s.slide else f"{heading}:  {dims(picture.original_size)}")
    followed = _followed(picture)
    if picture.targets is not None and followed is not None:
        return [s.say("corners", corners=_boxes(s, ax, picture.targets.xyxy, followed))]
    return [] if picture.original is not None else [s.say("from_resized")]


def _batched(s: Sheet, ax: Axes, picture: Picture) -> list[str]:
    """The picture in the batch's frame; what is padded is hatched, in the colour of a zero."""
    (height, width), (rows, columns) = picture.resized_size, picture.padded_size
    s.picture(ax, picture.rgb())
    zero = np.clip(picture.mean, 0, 1)
    style: dict[str, Any] = {"fc": zero, "hatch": "///", "ec": "white", "lw": 0}
    ax.fill([width, columns, columns, width], [0, 0, rows, rows], **style)
    ax.fill([0, width, width, 0], [height, height, rows, rows], **style)
    if not s.slide:
        s.heading(ax, f"{_factors(picture)}  {dims(picture.resized_size)}")
    below, beside = picture.padding
    said = [s.say("padding", right=beside, below=below, size=dims(picture.padded_size))]
    followed = _followed(picture)
    if picture.resized_targets is not None and followed is not None:
        corners = _boxes(s, ax, picture.resized_targets.xyxy, followed)
        said = [s.say("corners", corners=corners), *said]
    return said


def _factors(picture: Picture) -> str:
    down, right = picture.scale
    return f"×{down:.4f} ↓  ×{right:.4f} →"


def _beside(s: Sheet, ax: Axes, picture: Picture, labels: Sequence[str]) -> None:
    """What is said of a picture before and after, beside both: a slide has no room beneath."""
    ax.set_axis_off()
    sizes = f"{dims(picture.original_size)} → {dims(picture.resized_size)}"
    lines = [wrap(line, 34) for line in (sizes, _factors(picture), *labels)]
    s.text(ax, 0, 0.5, "\n".join(lines), transform=ax.transAxes, va="center",
           colour=s.theme.muted)  # fmt: skip


def _values(s: Sheet, ax: Axes, picture: Picture, last: bool) -> None:
    """How the channels' values are spread after the normalisation."""
    for channel, colour in zip(picture.resized, CHANNELS, strict=True):
        finite = channel[np.isfinite(channel)]
        ax.hist(finite, 60, histtype="step", color=colour, lw=s.point / 7)
    ax.axvline(0, color=s.theme.muted, lw=1, ls=":")
    ax.set_yticks([])
    ax.set_xlim(-2.3, 2.8)
    ax.spines["left"].set_visible(False)
    s.heading(ax, s.say("after"), loc="right" if s.slide else "center")
    s.labels(ax, s.say("rgb_and_zero") if last else "")
