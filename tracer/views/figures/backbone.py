"""The backbone: its stages, one block in real maps, costs, receptive field, freezing."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.patches import ConnectionPatch, Rectangle

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, FeatureMap, Picture
from tracer.rcnn.anatomy.geometry import Cells
from tracer.views.figures.common import focus, grey, over_picture, small_pictures
from tracer.views.figures.sheet import Sheet, figure, frame
from tracer.views.kit.palette import CYCLE, DIVERGING, level_colour, stage_colour, written_on
from tracer.views.kit.scene import Points, limits, over

CLOSE = 64
"""Pixels to each side of the place that is shown close up."""


@figure(height=4.6)
def fig_backbone_stages(s: Sheet, parts: Anatomy, image: int) -> None:
    """The backbone's stages, the mean of each one's channels: whole and close up."""
    picture, maps = parts.pictures[image], parts.backbone.maps
    at = focus(parts, image, CLOSE)
    grid = s.grid(2, len(maps) + 1, height_ratios=[1, 1.15])
    above, below = ([s.panel(grid[row, i]) for i in range(len(maps) + 1)] for row in (0, 1))
    for ax in (above[0], below[0]):
        s.picture(ax, picture.rgb())
    s.heading(above[0], f"{s.say('image')}\n{dims((3, *picture.resized_size))}")
    for i, feature in enumerate(maps, 1):
        for ax in (above[i], below[i]):
            _stage(s, ax, feature, picture, image)
        name = feature.name
        name += "" if s.slide else f" · {s.say('stride')} {feature.stride[0]:g}"
        s.heading(above[i], f"{name}\n{dims(feature.shape[1:])}", level_colour(feature.name))
    for ax, lattice in zip(below, [None, *(feature.cells() for feature in maps)], strict=True):
        _close_up(s, ax, at, picture, lattice)
    s.title("backbone_stages", side=2 * CLOSE, small=small_pictures(s, maps, image))


def _stage(s: Sheet, ax: Axes, feature: FeatureMap, picture: Picture, image: int) -> None:
    try:
        plane = feature.mean(image)
    except MissingError:
        s.empty(ax, "not_kept")
    else:
        over_picture(s, ax, over(feature, plane), picture)
    frame(ax, level_colour(feature.name))


def _close_up(
    s: Sheet, ax: Axes, at: tuple[float, float], picture: Picture, lattice: Cells | None
) -> None:
    """Show what lies around a place of the picture, and how many cells that is."""
    height, width = picture.resized_size
    x, y = (
        min(max(v, CLOSE), max(most - CLOSE, CLOSE))
        for v, most in zip(at, (width, height), strict=True)
    )
    ax.set_xlim(x - CLOSE, x + CLOSE)
    ax.set_ylim(y + CLOSE, y - CLOSE)
    what, stride = ("so_many_cells", lattice.stride) if lattice else ("so_many_pixels", (1, 1))
    shown = [2 * CLOSE / side for side in stride]  # of a very coarse map a part of one cell
    s.labels(ax, s.say(what, sides="×".join(f"{n:.0f}" if n >= 1 else f"{n:g}" for n in shown)))


@figure(height=3.9)
def fig_bottleneck(s: Sheet, parts: Anatomy, image: int, path: str = "") -> None:
    """One residual block as its real maps: convolutions, shortcut, addition, ReLU."""
    block, picture = parts.backbone.block(path), parts.pictures[image]
    steps = [(s.say("input"), block.input)]
    steps += [
        (size if s.slide else s.say("conv_norm", size=size), feature)
        for size, feature in block.convolutions
    ]
    steps += [(s.say("sum"), block.added), ("ReLU", block.output)]
    grid = s.grid(2, len(steps), wspace=0.24, hspace=0.3)
    axes = [s.panel(grid[0, i]) for i in range(len(steps))]
    for ax, (head, feature) in zip(axes, steps, strict=True):
        _block_map(s, ax, feature, picture, image, head)
    kind = s.say("conv_1x1") if block.projected else s.say("unchanged")
    shortcut = s.panel(grid[1, len(steps) // 2 - 1])
    _block_map(s, shortcut, block.shortcut, picture, image, s.say("shortcut", kind=kind))
    for before, after in pairwise(axes):
        _flow(s, before, after, (1.0, 0.5), (0.0, 0.5))
    _flow(s, axes[0], shortcut, (0.5, 0.0), (0.0, 0.5), "angle,angleA=-90,angleB=180,rad=6")
    _flow(s, shortcut, axes[-2], (1.0, 0.5), (-0.13, 0.42), "angle,angleA=0,angleB=90,rad=6")
    s.text(axes[-2], -0.13, 0.5, "+", transform=axes[-2].transAxes, ha="center", va="center",
           size=1.3, in_layout=False, bbox={"boxstyle": "circle,pad=0.1", "fc": s.theme.paper,
           "ec": s.theme.muted}, zorder=6)  # fmt: skip
    small = small_pictures(s, [feature for _, feature in steps], image)
    name = block.path.removeprefix("backbone.body.")
    s.title("bottleneck", kind=block.kind, path=name, small=small)


def _flow(
    s: Sheet, start: Axes, end: Axes, leave: tuple[float, float], enter: tuple[float, float],
    style: str = "arc3",
) -> None:  # fmt: skip
    """Draw an arrow from one panel to another, each place in parts of its panel."""
    patch = ConnectionPatch(
        leave, enter, "axes fraction", "axes fraction", axesA=start, axesB=end, arrowstyle="-|>",
        mutation_scale=s.point, color=s.theme.muted, lw=s.point / 8, connectionstyle=style,
    )  # fmt: skip
    patch.set_in_layout(False)
    patch.set_zorder(-1)  # beneath what is written on its way
    s.figure.add_artist(patch)


def _block_map(
    s: Sheet, ax: Axes, feature: FeatureMap, picture: Picture, image: int, head: str
) -> None:
    """One map of the block, with its shape and how much of it is zero."""
    try:
        plane = feature.mean(image)
    except MissingError:
        s.empty(ax, "not_kept")
    else:
        low, high = limits(plane.values)
        reach = max(abs(low), abs(high))
        over_picture(s, ax, over(feature, plane, (-reach, reach), DIVERGING), picture)
    frame(ax, s.theme.faint, 1)
    s.heading(ax, head)
    zeros = feature.summary.zeros
    s.labels(
        ax, dims(feature.shape[1:]) + ("\n" + s.say("share_at_zero", zeros=zeros) if zeros else "")
    )
    ax.xaxis.label.set_bbox({"fc": s.theme.paper, "ec": "none", "pad": 1})


# --- costs ----------------------------------------------------------------------------------------

WIDTHS = (64, 128, 256, 512)
"""Planes of a ResNet's four stages; a Bottleneck puts out four times as many channels."""


def bottleneck_cost(channels: int) -> tuple[int, int]:
    """Parameters and multiply-adds per cell of a Bottleneck with `channels` in and out, stride 1.

    Three convolutions, without bias, and a weight and a bias per channel of each norm.
    """
    inner = channels // 4
    convolutions = channels * inner + 9 * inner * inner + inner * channels
    return convolutions + 2 * (inner + inner + channels), convolutions


def basic_block_cost(channels: int) -> tuple[int, int]:
    """Parameters and multiply-adds per cell of a BasicBlock with `channels` in and out."""
    convolutions = 2 * 9 * channels * channels
    return convolutions + 2 * 2 * channels, convolutions


@figure(height=3.9)
def fig_blocks_compared(s: Sheet, parts: Anatomy, image: int) -> None:
    """Bottleneck against BasicBlock at equal width: parameters and multiply-adds."""
    cells = _cells_per_stage(parts)
    grid = s.grid(1, 2)
    kinds = (
        ("Bottleneck", bottleneck_cost, CYCLE[0]),
        ("BasicBlock", basic_block_cost, CYCLE[1]),
    )
    heads = (
        s.say("parameters"),
        s.say("macs_here"),
    )
    for part, head in enumerate(heads):
        ax = s.panel(grid[0, part])
        for k, (kind, cost, colour) in enumerate(kinds):
            values = [
                cost(4 * width)[part] * (cells[i] if part else 1) for i, width in enumerate(WIDTHS)
            ]
            places = np.arange(len(WIDTHS)) + (k - 0.5) * 0.38
            ax.bar(places, values, 0.36, color=colour, label=kind)
            for place, value in zip(places.tolist(), values, strict=True):
                s.text(ax, place, value, short(value), ha="center", va="bottom", size=0.72,
                       fine=True)  # fmt: skip
        ax.set_yscale("log")
        ax.set_xticks(range(len(WIDTHS)), [str(4 * width) for width in WIDTHS])
        s.labels(ax, s.say("channels_in_and_out"))
        s.heading(ax, head)
        ax.set_ylim(ax.get_ylim()[0] / 2.5, ax.get_ylim()[1] * 3)
        ax.minorticks_off()
        if part == 0:
            s.legend(ax, loc="upper left")
    ratio = basic_block_cost(256)[0] / bottleneck_cost(256)[0]
    s.title("blocks_compared", ratio=ratio)


def _cells_per_stage(parts: Anatomy) -> list[int]:
    """Cells of C2…C5 in this pass, by halving where the backbone has no such maps."""
    rows, columns = parts.pictures[0].padded_size
    return [-(-rows // stride) * -(-columns // stride) for stride in (4, 8, 16, 32)]


def short(value: float) -> str:
    """Write a large number in three digits with a unit."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


# --- receptive field ------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def influences(depths: tuple[int, ...], bottleneck: bool) -> list[tuple[str, np.ndarray, int]]:
    """Return for C1…C5 of a torchvision ResNet how much each pixel counts for one point.

    As if every layer took the plain mean of its window, and every block that of its two ways: the
    gradient of a ResNet whose weights are all alike. The 3×3 of a stage's first block has the
    stride, as torchvision builds it.

    Returns:
        (name, share of each pixel as float64 [F, F], stride in pixels). F is the receptive field;
        its middle pixel is the one at which the point stands, for all windows are odd and padded
        alike on both sides.
    """
    seen, stride = _mean_of(np.ones((1, 1)), 7, 1), 2
    found = [("C1", seen, stride)]
    seen, stride = _mean_of(seen, 3, stride), 4  # the max-pooling
    for stage, depth in enumerate(depths):
        for block in range(depth):
            way = _mean_of(seen, 3, stride)
            stride *= 2 if stage and not block else 1
            way = way if bottleneck else _mean_of(way, 3, stride)
            seen = (way + np.pad(seen, (len(way) - len(seen)) // 2)) / 2
        found.append((f"C{stage + 2}", seen, stride))
    return found


def _mean_of(seen: np.ndarray, window: int, step: int) -> np.ndarray:
    """What is seen by the mean of a window of points, `step` pixels apart, that see `seen` each."""
    reach = step * (window - 1)
    for axis in (0, 1):
        aside = [(0, 0), (0, 0)]
        shifted = []
        for i in range(window):
            aside[axis] = (i * step, reach - i * step)
            shifted.append(np.pad(seen, aside))
        seen = np.mean(shifted, 0)
    return seen


def receptive_fields(depths: tuple[int, ...], bottleneck: bool) -> list[tuple[str, int, int]]:
    """Return (name, receptive field, stride) in pixels of C1…C5 of a torchvision ResNet."""
    return [(name, len(seen), stride) for name, seen, stride in influences(depths, bottleneck)]


@figure(height=5.4)
def fig_receptive_field(s: Sheet, parts: Anatomy, image: int) -> None:
    """What a point of each stage sees of the picture: how far, how strongly, around which pixel."""
    shown = influences(*_depths(parts))[1:]
    picture, at = parts.pictures[image], focus(parts, image)
    grid = s.grid(2, len(shown), height_ratios=[1.35, 1])
    below = s.panel(grid[1, :])
    for column, (name, seen, stride) in enumerate(shown):
        above = s.panel(grid[0, column])
        _seen_by(s, above, picture, at, name, seen, stride)
        s.labels(above, s.say("half_within", n=_influence(s, below, name, seen)))
        above.xaxis.label.set_color(s.ink(level_colour(name)))
    below.axvline(0, color=s.theme.ink, lw=1, ls=":")
    below.set_yticks([])
    below.margins(x=0)
    s.labels(below, s.say("pixels_from_point"), s.say("influence"))
    s.title("receptive_field")


def _seen_by(
    s: Sheet, ax: Axes, picture: Picture, at: tuple[float, float], name: str, seen: np.ndarray,
    stride: int,
) -> None:  # fmt: skip
    """One point's field on the picture, brightest where it counts most, among its neighbours."""
    height, width = picture.resized_size
    lattice = Cells((-(-height // stride), -(-width // stride)), (stride, stride))
    row, column = lattice.at(*at)
    x, y = lattice.point(row, column)
    left, top = x - len(seen) // 2, y - len(seen) // 2
    field = np.asarray([[left, top, left + len(seen), top + len(seen)]])
    s.picture(ax, grey(picture))
    colours = ListedColormap([(*to_rgb(level_colour(name)), a) for a in np.linspace(0, 0.85, 64)])
    extent = (left, left + len(seen), top + len(seen), top)
    ax.imshow(np.sqrt(seen), extent=extent, cmap=colours, zorder=2)
    s.boxes(ax, field, level_colour(name), 1.4, zorder=3)
    near = np.arange(-2, 3) * stride
    s.points(ax, Points(np.stack(np.meshgrid(x + near, y + near), -1).reshape(-1, 2)), zorder=4)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    s.heading(ax, f"{name}  [{row}, {column}]\n" + s.say("sees_px", field=len(seen), stride=stride),
              level_colour(name))  # fmt: skip


def _influence(s: Sheet, ax: Axes, name: str, seen: np.ndarray) -> int:
    """Draw how much the columns of pixels count; return how far to each side half of it lies."""
    share = seen.sum(0)
    away = np.arange(len(share)) - len(share) // 2
    ax.plot(away, share / share.max(), color=level_colour(name), lw=s.point / 5)
    return next(n for n in range(len(share)) if share[np.abs(away) <= n].sum() >= 0.5)


def _depths(parts: Anatomy) -> tuple[tuple[int, ...], bool]:
    """Blocks per stage, and whether they are Bottlenecks.

    Raises:
        MissingError: the backbone is no ResNet.
    """
    if not parts.backbone.resnet:
        raise MissingError(
            f"the backbone of {parts.run.model.type} is no ResNet: receptive fields and freezing "
            "are drawn for ResNets only"
        )
    table = parts.run.trace.modules
    prefix = f"{parts.run.prefix}backbone.body."
    depths = tuple(len(table[f"{prefix}layer{i}"].children) for i in (1, 2, 3, 4))
    return depths, table[f"{prefix}layer1.0"].type == "Bottleneck"


# --- freezing -------------------------------------------------------------------------------------

PARTS = ("conv1 + bn1", "layer1", "layer2", "layer3", "layer4")


@figure(height=3.7)
def fig_frozen_layers(s: Sheet, parts: Anatomy, image: int) -> None:
    """Which of a ResNet's parameters train for ``trainable_layers`` 0–5, and in this model."""
    _depths(parts)
    table, prefix = parts.run.trace.modules, f"{parts.run.prefix}backbone.body."
    rows = [("conv1", "bn1"), *((f"layer{i}",) for i in (1, 2, 3, 4))]
    sizes = [sum(table[prefix + name].params for name in row) for row in rows]
    trained = [sum(table[prefix + name].trainable for name in row) for row in rows]
    ax = s.panel()
    for layers in range(6):
        for i, size in enumerate(sizes):
            _frozen_cell(s, ax, layers, i, size, trains=i >= 5 - layers)
        total = sum(sizes[5 - layers :])
        s.text(ax, 5.1, layers, f"{total / 1e6:.2f} M", va="center", size=0.9)
    for i, (size, count) in enumerate(zip(sizes, trained, strict=True)):
        _frozen_cell(s, ax, 6.4, i, size, trains=count > 0)
    s.text(ax, 5.1, 6.4, f"{sum(trained) / 1e6:.2f} M", va="center", size=0.9, fontweight="bold")
    ax.set_xlim(-0.05, 6.0)
    ax.set_ylim(7.0, -0.6)
    s.categories(ax.xaxis, [i + 0.5 for i in range(5)], PARTS)
    ax.xaxis.tick_top()
    names = [f"trainable_layers={n}" for n in range(6)] + [s.say("this_model")]
    s.categories(ax.yaxis, [*range(6), 6.4], names)
    ax.tick_params(length=0, labelcolor=s.theme.ink)
    for spine in ax.spines.values():
        spine.set_visible(False)
    s.title("frozen_layers")


def _frozen_cell(s: Sheet, ax: Axes, row: float, column: int, size: int, trains: bool) -> None:
    colour = stage_colour(("stem", "layer1", "layer2", "layer3", "layer4")[column])
    ax.add_patch(
        Rectangle(
            (column + 0.02, row - 0.38), 0.96, 0.76, fc=colour if trains else s.theme.panel,
            ec=colour, lw=0.8, alpha=1 if trains else 0.7,
        )
    )  # fmt: skip
    ink = written_on(colour) if trains else s.theme.muted
    s.text(ax, column + 0.5, row, f"{size / 1e6:.2f}", ha="center", va="center", size=0.78,
           colour=ink)  # fmt: skip
