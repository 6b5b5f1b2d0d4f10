"""The backbone: its stages, one block in real maps, channels, costs, receptive field, freezing."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, FeatureMap, Picture
from tracer.rcnn.anatomy.backbone import Block
from tracer.views.figures.common import focus, over_picture
from tracer.views.figures.sheet import Sheet, figure, frame, limits
from tracer.views.kit.palette import CYCLE, DIVERGING, TAG, level_colour, written_on


@figure(height=3.9)
def fig_backbone_stages(s: Sheet, parts: Anatomy, image: int) -> None:
    """The backbone's stages as a strip: the mean of each one's channels."""
    picture, maps = parts.pictures[image], parts.backbone.maps
    grid = s.grid(2, len(maps) + 1, height_ratios=[1, 1])
    first = s.panel(grid[0, 0])
    s.picture(first, picture.rgb())
    s.heading(first, s.say("image"))
    first.set_anchor("S")
    s.labels(first, dims((3, *picture.resized_size)))
    s.panel(grid[1, 0]).set_axis_off()
    for i, feature in enumerate(maps, 1):
        _stage(s, s.panel(grid[0, i]), feature, picture, image, -1)
        _stage(s, s.panel(grid[1, i]), feature, picture, image, 0)
    first_of = s.say("strongest_channel")
    s.text(s.figure.axes[1], 0.95, 0.5, first_of, ha="right", va="center", size=0.85,
           colour=s.theme.muted, transform=s.figure.axes[1].transAxes)  # fmt: skip
    s.title("backbone_stages")


def _stage(
    s: Sheet, ax: Axes, feature: FeatureMap, picture: Picture, image: int, which: int
) -> None:
    colour = level_colour(feature.name)
    try:
        channel = -1 if which == -1 else feature.strongest(1, image)[0]
        over_picture(s, ax, feature, feature.channel(channel, image), picture)
    except MissingError:
        s.empty(ax, "not_kept")
    frame(ax, colour)
    ax.set_anchor("S" if which == -1 else "N")
    if which == -1:
        stride = s.say("stride")
        s.heading(ax, f"{feature.name}\n{stride} {feature.stride[0]:g}", colour)
    else:
        s.text(ax, 0.5, -0.06, dims(feature.shape[1:]), transform=ax.transAxes, ha="center",
               va="top", size=0.75, colour=s.theme.muted)  # fmt: skip


@figure(height=4.6)
def fig_bottleneck(s: Sheet, parts: Anatomy, image: int, path: str = "") -> None:
    """One residual block as its real maps: convolutions, shortcut, addition, ReLU."""
    block, picture = parts.backbone.block(path), parts.pictures[image]
    grid = s.grid(2, len(block.convolutions) + 3, wspace=0.2)
    entering = s.panel(grid[0, 0])
    _block_map(s, entering, block.input, picture, image, s.say("input"))
    for i, (size, feature) in enumerate(block.convolutions, 1):
        normed = s.say("conv_norm", size=size)
        head = s.say("conv", size=size) if s.slide else normed
        _block_map(s, s.panel(grid[0, i]), feature, picture, image, head)
    kind = s.say("conv_1x1") if block.projected else s.say("unchanged")
    last = len(block.convolutions)
    shortcut = s.panel(grid[1, last])
    below = s.say("shortcut_below", kind=kind)
    head = below if s.slide else s.say("shortcut", kind=kind)
    _block_map(s, shortcut, block.shortcut, picture, image, head)
    added, output = s.panel(grid[0, last + 1]), s.panel(grid[0, last + 2])
    _block_map(s, added, block.added, picture, image, s.say("sum"))
    _block_map(s, output, block.output, picture, image, "ReLU")
    for i, sign in enumerate(["→"] * last + ["+", "→"]):
        ax = s.figure.axes[1 + i] if i < last else (added if i == last else output)
        s.text(ax, -0.11, 0.5, sign, transform=ax.transAxes, ha="center", va="center", size=1.2,
               in_layout=False)  # fmt: skip
    _zeros(s, s.panel(grid[1, : max(last, 1)]), block)
    s.title("bottleneck", kind=block.kind, path=block.path.removeprefix("backbone.body."))


def _block_map(
    s: Sheet, ax: Axes, feature: FeatureMap, picture: Picture, image: int, head: str
) -> None:
    try:
        plane = feature.mean(image)
    except MissingError:
        s.empty(ax, "not_kept")
    else:
        low, high = limits(plane.values)
        reach = max(abs(low), abs(high))
        over_picture(s, ax, feature, plane, picture, cmap=DIVERGING, vmin=-reach, vmax=reach)
    frame(ax, s.theme.faint, 1)
    s.heading(ax, head)
    s.labels(ax, dims(feature.shape[1:]))


def _zeros(s: Sheet, ax: Axes, block: Block) -> None:
    """How much the ReLU sets to zero, and the range of values along the block."""
    steps = [(s.say("input"), block.input), *block.convolutions]
    steps += [(s.say("sum"), block.added), ("ReLU", block.output)]
    for i, (_, feature) in enumerate(steps):
        summary = feature.summary
        if summary.min is None or summary.max is None or summary.mean is None:
            continue
        ax.plot([i, i], [summary.min, summary.max], color=s.theme.muted, lw=s.point / 4)
        ax.plot([i], [summary.mean], "o", color=s.theme.accent, ms=s.point / 2)
        if summary.zeros:
            word = "" if s.slide else s.say("at_zero")
            text = f"{summary.zeros:.0%}{word}"
            s.text(ax, i, summary.max, text, size=0.72, ha="center", va="bottom",
                   colour=s.theme.muted)  # fmt: skip
    ax.axhline(0, color=s.theme.faint, lw=1)
    s.categories(ax.xaxis, range(len(steps)), (name for name, _ in steps))
    ax.set_xlim(-0.9 if s.slide else -0.6, len(steps) - 0.4)
    ax.margins(y=0.25 if s.slide else 0.12)
    if s.slide:
        s.heading(ax, s.say("range_mean_zeros"))
    else:
        s.heading(ax, s.say("range_mean"))


@figure(height=5.6)
def fig_channels(s: Sheet, parts: Anatomy, image: int, rows: int = 5, columns: int = 8) -> None:
    """A grid of the strongest channels of one backbone map."""
    feature, picture = _richest(parts), parts.pictures[image]
    channels = feature.strongest(rows * columns, image)
    columns = min(columns, max(len(channels), 1))
    grid = s.grid(-(-len(channels) // columns), columns)
    for i, channel in enumerate(channels):
        ax = s.panel(grid[divmod(i, columns)])
        over_picture(s, ax, feature, feature.channel(channel, image), picture)
        s.tag(ax, 0.02, 0.97, str(channel), TAG, transform=ax.transAxes, va="top", size=0.62,
              fine=True)  # fmt: skip
    total = feature.shape[1]
    s.title("channels", channels=len(channels), total=total, name=feature.name, path=feature.path)


def _richest(parts: Anatomy) -> FeatureMap:
    """A map of the backbone whose values were kept, the finest one; else the last stage."""
    candidates = [*parts.backbone.maps]
    for path in reversed(parts.backbone.blocks):
        try:
            candidates += [feature for _, feature in parts.backbone.block(path).convolutions]
        except MissingError:
            continue
        if candidates[-1].kept or candidates[-2].kept:
            break
    kept = [feature for feature in candidates if feature.kept]
    if not kept:
        return parts.backbone.maps[-1]
    best = kept[0]
    name = "C5" if best.name not in {m.name for m in parts.backbone.maps} else best.name
    return best if best.name == name else _renamed(best)


def _renamed(feature: FeatureMap) -> FeatureMap:
    from dataclasses import replace

    return replace(feature, name=feature.path.partition("#")[0].removeprefix("backbone.body."))


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


def receptive_fields(depths: tuple[int, ...], bottleneck: bool) -> list[tuple[str, int, int]]:
    """Return (name, receptive field, stride) in pixels of C1…C5 of a torchvision ResNet.

    Each layer adds (kernel - 1) times the stride so far. The 3×3 of a stage's first block has the
    stride, as torchvision builds it.
    """
    field, stride = 1 + 6, 2  # the 7×7 convolution
    found = [("C1", field, stride)]
    field, stride = field + 2 * stride, 4  # the 3×3 max-pooling
    for stage, depth in enumerate(depths):
        for block in range(depth):
            field += 2 * stride
            stride *= 2 if stage and not block else 1
            field += 0 if bottleneck else 2 * stride
        found.append((f"C{stage + 2}", field, stride))
    return found


@figure(height=4.6)
def fig_receptive_field(s: Sheet, parts: Anatomy, image: int) -> None:
    """Receptive field and stride, growing over the image."""
    fields = receptive_fields(*_depths(parts))
    picture = parts.pictures[image]
    x, y = focus(parts, image)
    grid = s.grid(1, 2, width_ratios=[1.3, 1])
    ax, right = s.panel(grid[0, 0]), s.panel(grid[0, 1])
    s.picture(ax, picture.rgb())
    for name, field, stride in reversed(fields):
        colour = level_colour(name)
        corner = (x - field / 2, y - field / 2)
        ax.add_patch(Rectangle(corner, field, field, fill=False, ec=colour, lw=s.point / 4.5))
        ax.add_patch(Rectangle((x - stride / 2, y - stride / 2), stride, stride, fc=colour, lw=0))
    height, width = picture.resized_size
    ax.set_xlim(*_around(width, x, fields[-1][1]))
    ax.set_ylim(*_around(height, y, fields[-1][1])[::-1])
    s.heading(ax, s.say("cell_sees"))
    places = np.arange(len(fields))
    colours = [level_colour(name) for name, _, _ in fields]
    right.bar(places, [field for _, field, _ in fields], 0.6, color=colours, alpha=0.55)
    right.bar(places, [stride for *_, stride in fields], 0.6, color=colours)
    for place, (_, field, stride) in zip(places.tolist(), fields, strict=True):
        s.text(right, place, field, f"{field}", ha="center", va="bottom", size=0.85)
        s.text(right, place, stride, f"{stride}", ha="center", va="bottom", size=0.75)
    right.set_yscale("log", base=2)
    right.set_ylim(1, fields[-1][1] * 2.2)
    right.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    s.categories(right.xaxis, places.tolist(), (name for name, _, _ in fields))
    s.labels(right, y=s.say("pixels"))
    s.heading(right, s.say("field_and_stride"))
    s.title("receptive_field")


def _around(size: int, middle: float, field: float) -> tuple[float, float]:
    """What to show along one side: the picture and the largest field, within reason."""
    most, hair = size * 0.25, size * 0.03
    before, after = field / 2 - middle, middle + field / 2 - size
    return -min(max(before, 0) + hair, most), size + min(max(after, 0) + hair, most)


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
    colour = level_colour(f"C{column + 1}")
    ax.add_patch(
        Rectangle(
            (column + 0.02, row - 0.38), 0.96, 0.76, fc=colour if trains else s.theme.panel,
            ec=colour, lw=0.8, alpha=1 if trains else 0.7,
        )
    )  # fmt: skip
    ink = written_on(colour) if trains else s.theme.muted
    s.text(ax, column + 0.5, row, f"{size / 1e6:.2f}", ha="center", va="center", size=0.78,
           colour=ink)  # fmt: skip
