"""The feature pyramid: its levels over the picture, the merges, one point seen by every level."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import ConnectionPatch, Rectangle

from tracer.errors import MissingError, option
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, Level, Merge, Picture, Plane
from tracer.rcnn.anatomy.reading import kept_by
from tracer.views.figures.common import focus, grey, over_picture
from tracer.views.figures.sheet import Sheet, bare, figure, frame
from tracer.views.kit.palette import TAG, level_colour
from tracer.views.kit.scene import limits, over, without_border


@figure(height=5.6)
def fig_pyramid(s: Sheet, parts: Anatomy, image: int) -> None:
    """P2–P6 over the picture: the mean of each level's channels, cell by cell."""
    picture, levels = parts.pictures[image], parts.pyramid.levels
    columns = min(3, len(levels) + 1)
    rows = -(-(len(levels) + 1) // columns)
    grid = s.grid(rows, columns)
    first = s.panel(grid[0, 0])
    s.picture(first, picture.rgb())
    s.heading(first, s.say("resized_image") + f"  {dims(picture.resized_size)}")
    for i, level in enumerate(levels, 1):
        _level_panel(s, s.panel(grid[divmod(i, columns)]), level, picture, image)
    s.title("pyramid")


def _level_panel(s: Sheet, ax: Axes, level: Level, picture: Picture, image: int) -> None:
    colour, stride = level_colour(level.name), level.map.stride
    name = f"{level.name}  {dims(level.map.shape[1:])}  "
    s.heading(ax, name + s.say("stride_of", stride=stride[0]), colour)
    s.picture(ax, grey(picture))
    try:
        plane = level.map.mean(image)
    except MissingError:
        s.empty(ax, "not_kept_here")
        return
    over_picture(s, ax, over(level.map, plane, alpha=0.62), picture)
    frame(ax, colour)


# --- merges ---------------------------------------------------------------------------------------


@figure(height=7.6)
def fig_merges(s: Sheet, parts: Anatomy, image: int, channel: int = -1) -> None:
    """Each merge of the pyramid: lateral + upsampled = sum → 3×3, with the real maps."""
    merges, picture = parts.pyramid.merges, parts.pictures[image]
    if len(merges) < 2:
        raise MissingError(
            f"{parts.run.model.type} merges nothing here: its backbone has no feature pyramid of "
            "several levels"
        )
    grid = s.grid(len(merges), 5, wspace=0.35 if s.slide else 0.22, hspace=0.14)
    above: Axes | None = None
    for row, merge in enumerate(merges):
        axes = [s.panel(grid[row, column]) for column in range(5)]
        _merge_row(s, axes, merge, picture, image, channel)
        _row_signs(s, axes, top=row == 0)
        if row == 0:
            _column_heads(s, axes)
        if above is not None:
            _enlarging(s, above, axes[2], merge)
        above = axes[3]
    what = s.say("mean_of_channels")
    what = what if channel == -1 else s.say("channel", channel=channel)
    exact = all(merge.lateral.kept for merge in merges)
    small = s.say("finer_from_previews")
    end = "" if exact else small
    s.title("merges", what=what, end=end)


def _column_heads(s: Sheet, axes: list[Axes]) -> None:
    heads = (
        s.say("backbone"),
        s.say("lateral"),
        s.say("upsampled"),
        s.say("sum"),
        s.say("output"),
    )
    for ax, head in zip(axes, heads, strict=True):
        s.heading(ax, head, pad=s.point * 0.6)


def _merge_row(
    s: Sheet, axes: list[Axes], merge: Merge, picture: Picture, image: int, channel: int
) -> None:
    colour = level_colour(merge.name)
    planes = _planes(merge, image, channel)
    scale = _shared([plane for plane in planes[1:4] if plane is not None])
    names = (merge.source.name, "", "", "", merge.name)
    maps = (merge.source, merge.lateral, merge.upsampled, merge.merged, merge.output)
    for i, (ax, plane, feature) in enumerate(zip(axes, planes, maps, strict=True)):
        if plane is None or feature is None:
            bare(ax)
            ax.set_box_aspect(picture.resized_size[0] / picture.resized_size[1])
            continue
        over_picture(s, ax, over(feature, plane, scale if 1 <= i <= 3 else None), picture)
        frame(ax, colour if i == 4 else s.theme.faint, 2.4 if i == 4 else 1.0)
        if not s.slide:
            shape = f"{names[i]} {dims(feature.shape[1:])}".strip()
            place = {"transform": ax.transAxes, "ha": "left", "va": "bottom", "size": 0.62}
            # the longest is wider than a small map
            place |= {"fine": True, "clip_on": False, "in_layout": False}
            s.tag(ax, 0.0, 0.0, shape, colour if names[i] else TAG, **place)
    if s.slide:  # the maps are small there: what they are stands beside the row
        for ax, feature, x in ((axes[0], merge.source, -0.06), (axes[4], merge.output, 1.06)):
            text = f"{feature.name}\n{dims(feature.shape[1:])}"
            s.text(ax, x, 0.5, text, transform=ax.transAxes, ha="right" if x < 0 else "left",
                   va="center", size=0.72, fine=True, colour=s.ink(colour))  # fmt: skip


def _planes(merge: Merge, image: int, channel: int) -> tuple[Plane | None, ...]:
    """Source, lateral, upsampled, sum, output; None for what there is not."""
    try:
        source = merge.source.mean(image)
    except MissingError:
        source = None
    if merge.upsampled is not None:
        return (source, *merge.planes(image, channel))
    lateral = merge.lateral.channel(channel, image)
    return source, lateral, None, lateral, merge.output.channel(channel, image)


def _shared(planes: list[Plane]) -> tuple[float, float]:
    inner = [without_border(plane.values).ravel() for plane in planes]
    return limits(np.concatenate(inner), 1)


def _row_signs(s: Sheet, axes: list[Axes], top: bool) -> None:
    """The operators between the panels of a row."""
    signs = ("", "1×1\n→", "+", "=", "3×3\n→")
    for ax, sign in zip(axes, signs, strict=True):
        if not sign or (top and sign == "+"):
            continue
        size, gap = (1.7 if sign in "+=" else 0.72), (0.27 if s.slide else 0.115)
        s.text(
            ax, -gap, 0.5, sign, transform=ax.transAxes, ha="center", va="center", size=size,
            colour=s.theme.ink, in_layout=False,
        )  # fmt: skip
    if top:
        s.text(
            axes[2], 0.5, 0.5, s.say("top_alone"),
            transform=axes[2].transAxes, ha="center", va="center", size=0.8,
            colour=s.theme.muted,
        )  # fmt: skip


def _enlarging(s: Sheet, above: Axes, below: Axes, merge: Merge) -> None:
    """The arrow from the sum above to the map that it is enlarged to, most often doubled."""
    assert merge.top is not None
    assert merge.upsampled is not None
    factor = round(merge.upsampled.shape[-1] / merge.top.shape[-1])
    patch = ConnectionPatch(
        (0.1, 0.0), (0.86, 1.03), "axes fraction", "axes fraction", axesA=above, axesB=below,
        arrowstyle="-|>", mutation_scale=s.point, color=s.theme.muted, lw=s.point / 8,
        connectionstyle="arc3,rad=-0.15",
    )  # fmt: skip
    below.add_artist(patch)
    patch.set_clip_on(False)
    patch.set_in_layout(False)
    s.tag(
        below, 0.98, 0.97, f"×{factor}", TAG, transform=below.transAxes, ha="right", va="top",
        size=0.62, fine=True, clip_on=False, in_layout=False,
    )  # fmt: skip


# --- one point ------------------------------------------------------------------------------------


@figure(height=6.4)
def fig_same_point(
    s: Sheet, parts: Anatomy, image: int, point: tuple[float, float] | None = None
) -> None:
    """The same point of the picture in every level: the cell that it is in, and its channels."""
    picture, levels = parts.pictures[image], parts.pyramid.levels
    x, y = focus(parts, image) if point is None else point
    grid = s.grid(len(levels) * 2, 2, width_ratios=[1, 1.25])
    whole, close = s.panel(grid[: len(levels), 0]), s.panel(grid[len(levels) :, 0])
    _cells(s, whole, close, parts, picture, (x, y))
    for row, level in enumerate(levels):
        _vector(s, s.panel(grid[2 * row : 2 * row + 2, 1]), level, x, y, image)
    s.title("same_point")


def _cells(
    s: Sheet, whole: Axes, close: Axes, parts: Anatomy, picture: Picture, at: tuple[float, float]
) -> None:
    """The point's cells on the picture, and close up."""
    (x, y), (height, width) = at, picture.resized_size
    levels = parts.pyramid.levels
    for ax in (whole, close):
        s.picture(ax, picture.rgb())
        for level in reversed(levels):
            _cell(s, ax, level, x, y)
        s.cross(ax, x, y)
    whole.set_xlim(0, width)
    whole.set_ylim(height, 0)
    s.heading(whole, s.say("the_point") + f"  ({x:.0f}, {y:.0f})")
    every = np.asarray([_cell_box(level, x, y) for level in levels])
    (left, top), (right, bottom) = every[:, :2].min(0), every[:, 2:].max(0)
    room = 0.08 * (bottom - top)
    close.set_xlim(left - 3 * room, right + 3 * room)
    close.set_ylim(bottom + room, top - room)
    _cell_names(s, close, levels)


def _cell_names(s: Sheet, ax: Axes, levels: tuple[Level, ...]) -> None:
    """Each level's name and the side of its cells, in its colour, in a column beside the panel."""
    place = {"transform": ax.transAxes, "ha": "left", "va": "top"}
    for i, level in enumerate(levels):
        down, right = level.map.stride
        size = f"{right:g}" if down == right else f"{down:g}×{right:g}"
        space = "  " if s.slide else "\n"
        text = level.name + space + s.say("size_px", size=size)
        s.text(
            ax, 1.03, 1 - i * 0.21, text, colour=s.ink(level_colour(level.name)), size=0.85, **place
        )


def _cell(s: Sheet, ax: Axes, level: Level, x: float, y: float) -> None:
    colour, (left, top, right, bottom) = level_colour(level.name), _cell_box(level, x, y)
    size = right - left, bottom - top
    ax.add_patch(
        Rectangle((left, top), *size, fill=True, fc=colour + "30", ec=colour, lw=s.point / 4.5)
    )


def _cell_box(level: Level, x: float, y: float) -> tuple[float, float, float, float]:
    lattice = level.map.cells()
    return lattice.box(*lattice.at(x, y))


def _vector(s: Sheet, ax: Axes, level: Level, x: float, y: float, image: int) -> None:
    colour = level_colour(level.name)
    row, column = level.map.cells().at(x, y)
    s.labels(ax, y=f"{level.name}\n[{row}, {column}]")
    ax.yaxis.label.set(color=s.ink(colour), rotation=0, ha="right", va="center")
    ax.spines["bottom"].set_visible(False)
    ax.set_xticks([])
    try:
        values = level.map.data()[image, :, row, column]
    except MissingError:
        s.empty(ax, "values_not_kept", option=option(keep=kept_by(level.map.keep)))
        ax.spines["left"].set_visible(False)
        return
    ax.fill_between(np.arange(len(values)), np.nan_to_num(values), step="mid", color=colour, lw=0)
    ax.axhline(0, color=s.theme.faint, lw=0.8)
    ax.margins(x=0)
