"""One box of every pooled level: in pixels, in that level's cells, and pooled."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, Level, Picture
from tracer.views.figures.common import channel_to_show, leading_proposals, over_picture
from tracer.views.figures.sheet import Sheet, figure, frame
from tracer.views.kit.palette import TAG, level_colour
from tracer.views.kit.scene import alone, over

MARGIN = 0.18
"""Room around a box, as a share of its longer side."""


@figure(height=7.2)
def fig_boxes_in_cells(s: Sheet, parts: Anatomy, image: int) -> None:
    """For each level one of its boxes: on the picture, on the level's map, after RoIAlign."""
    pooling = parts.roi_heads.box
    grid = s.grid(3, len(pooling.levels), height_ratios=[1, 1, 0.9])
    for column, level in enumerate(pooling.levels):
        axes = [s.panel(grid[row, column]) for row in range(3)]
        index = box_of_level(parts, image, column)
        if index is None:
            _nothing(s, axes, level)
        else:
            _column(s, axes, parts, image, index, level)
    bins = dims(pooling.output_size)
    coarser = len({level.map.stride for level in pooling.levels}) > 1
    alike = s.say("alike_many") if coarser else ""
    s.title("boxes_in_cells", bins=bins, alike=alike)


def box_of_level(parts: Anatomy, image: int, level: int) -> int | None:
    """Return the box to show of a level: the best detection's, else the best proposal; or None."""
    assigned = parts.roi_heads.box.assigned[image]
    leading = leading_proposals(parts, image, 40)
    for candidates in (leading, np.arange(len(assigned))):
        found = candidates[assigned[candidates] == level]
        if len(found):
            return int(found[0])
    return None


def _nothing(s: Sheet, axes: list[Axes], level: Level) -> None:
    s.heading(axes[0], level.name, level_colour(level.name))
    s.empty(axes[0], "no_box_here")
    for ax in axes:
        ax.set_axis_off()


def _column(
    s: Sheet, axes: list[Axes], parts: Anatomy, image: int, index: int, level: Level
) -> None:
    """One level: picture, cells, pooled values."""
    pooling, colour = parts.roi_heads.box, level_colour(level.name)
    box = pooling.boxes[image].xyxy[index]
    width, height = (box[2:] - box[:2]).tolist()
    s.picture(axes[0], parts.pictures[image].rgb())
    s.heading(axes[0], f"{height:.0f}×{width:.0f} " + s.say("px"), colour)
    channel = channel_to_show(level.map, image)
    _cells(s, axes[1], level, parts.pictures[image], channel)
    down, right = level.map.stride
    cells = f"{height / down:.1f}×{width / right:.1f}"
    s.heading(axes[1], s.say("name_cells", name=level.name, cells=cells), colour)
    for ax in axes[:2]:
        _outline(s, ax, box)
        _around(ax, box)
        frame(ax, colour)
        ax.set_facecolor(s.theme.panel)
    _pooled(s, axes[2], parts, image, index, channel)


def _cells(s: Sheet, ax: Axes, level: Level, picture: Picture, channel: int) -> None:
    """The level's map, where it was kept or the recording has a small picture of it."""
    try:
        plane = level.map.channel(channel, picture.index)
    except MissingError:
        s.empty(ax, "map_not_kept")
        return
    over_picture(s, ax, over(level.map, plane), picture)


def _outline(s: Sheet, ax: Axes, box: np.ndarray) -> None:
    x1, y1, x2, y2 = box.tolist()
    dark: dict[str, Any] = {"fill": False, "ec": TAG, "lw": s.point / 2.4}
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **dark))
    ax.add_patch(
        Rectangle((x1, y1), x2 - x1, y2 - y1, **{**dark, "ec": "white", "lw": s.point / 5})
    )


def _around(ax: Axes, box: np.ndarray) -> None:
    """Show the box in a square with some room around it."""
    x, y = ((box[:2] + box[2:]) / 2).tolist()
    reach = float((box[2:] - box[:2]).max()) * (0.5 + MARGIN)
    ax.set_xlim(x - reach, x + reach)
    ax.set_ylim(y + reach, y - reach)


def _pooled(s: Sheet, ax: Axes, parts: Anatomy, image: int, index: int, channel: int) -> None:
    try:
        pooled = parts.roi_heads.box.pooled(index, image)
    except MissingError:
        s.empty(ax, "map_not_kept")
        ax.set_axis_off()
        return
    s.overlaid(ax, alone(pooled.mean(0) if channel == -1 else pooled[channel]))
    frame(ax, level_colour(parts.roi_heads.box.level_of(index, image).name))
    s.heading(ax, dims(pooled.shape))
