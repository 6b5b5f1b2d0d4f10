"""The transform: original, normalised, resized, padded."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tracer.languages import listed
from tracer.rcnn.anatomy import Anatomy, Picture
from tracer.views.figures.sheet import Sheet, figure
from tracer.views.kit.palette import CHANNELS


@figure(height=5.0)
def fig_transform(s: Sheet, parts: Anatomy, image: int) -> None:
    """Original → normalised → resized → padded batch, with sizes, scale factors and boxes."""
    picture = parts.pictures[image]
    grid = s.grid(2, 3, height_ratios=[1.6, 1])
    axes = [s.panel(grid[0, i]) for i in range(3)]
    _original(s, axes[0], picture)
    _resized(s, axes[1], picture)
    _padded(s, axes[2], picture, len(parts.pictures))
    rows, columns = picture.padded_size
    for ax, (height, width) in zip(
        axes[1:], (picture.resized_size, picture.padded_size), strict=True
    ):
        ax.set_xlim(0, max(width, columns))
        ax.set_ylim(max(height, rows), 0)
    _histogram(s, s.panel(grid[1, 0]), picture, normalised=False)
    _histogram(s, s.panel(grid[1, 1]), picture, normalised=True)
    _settings(s, s.panel(grid[1, 2]), picture)
    s.title("transform")


def _original(s: Sheet, ax: Axes, picture: Picture) -> None:
    height, width = picture.original_size
    s.picture(ax, picture.original_rgb(), extent=(0, width, height, 0))
    if picture.targets is not None:
        s.boxes(ax, picture.targets.xyxy, s.theme.target, 1.4)
    s.heading(ax, s.say("original") + f"  {width}×{height}")
    if picture.original is None:
        s.labels(ax, s.say("from_resized"))


def _resized(s: Sheet, ax: Axes, picture: Picture) -> None:
    height, width = picture.resized_size
    s.picture(ax, picture.rgb())
    if picture.resized_targets is not None:
        s.boxes(ax, picture.resized_targets.xyxy, s.theme.target, 1.4)
    down, right = picture.scale
    s.heading(ax, s.say("resized") + f"  {width}×{height}")
    s.labels(ax, listed((f"×{right:.4f} →", f"×{down:.4f} ↓"), s.lang, clauses=True))


def _padded(s: Sheet, ax: Axes, picture: Picture, count: int) -> None:
    height, width = picture.padded_size
    s.picture(ax, picture.rgb(padded=True))
    own = picture.resized_size
    ax.add_patch(Rectangle((0, 0), own[1], own[0], fill=False, ec=s.theme.edge, lw=s.point / 5))
    below, right = picture.padding
    s.heading(ax, s.say("padded") + f"  {width}×{height}")
    images = s.say("batch_of", count=count)
    s.labels(ax, images + s.say("padding", right=right, below=below))


def _histogram(s: Sheet, ax: Axes, picture: Picture, normalised: bool) -> None:
    values = picture.resized
    if not normalised:
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (picture.mean, picture.std))
        values = values * std + mean
    for channel, colour in zip(values, CHANNELS, strict=True):
        finite = channel[np.isfinite(channel)]
        ax.hist(finite, 60, histtype="step", color=colour, lw=s.point / 7)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    head = s.say("after") if normalised else s.say("before")
    s.heading(ax, head)
    s.labels(ax, s.say("rgb"))


def _settings(s: Sheet, ax: Axes, picture: Picture) -> None:
    ax.set_axis_off()
    mean = ", ".join(f"{v:.3f}" for v in picture.mean)
    std = ", ".join(f"{v:.3f}" for v in picture.std)
    lines = [
        (s.say("mean"), mean),
        (s.say("std"), std),
        ("min_size", str(picture.min_size)),
        ("max_size", str(picture.max_size)),
        (s.say("targets"), str(0 if picture.targets is None else len(picture.targets))),
    ]
    for i, (name, value) in enumerate(lines):
        style = {"transform": ax.transAxes, "va": "center"}
        s.text(ax, 0.0, 0.9 - i * 0.19, name, colour=s.theme.muted, **style)
        s.text(ax, 0.34, 0.9 - i * 0.19, value, **style)
