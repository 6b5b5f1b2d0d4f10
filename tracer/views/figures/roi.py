"""The RoI heads: level assignment, RoIAlign on real features, the head, class scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from tracer.errors import InputError, MissingError
from tracer.rcnn.anatomy import Anatomy, Grid, Pooling
from tracer.views.figures.common import arrow, leading_proposals
from tracer.views.figures.palette import level_colour
from tracer.views.figures.sheet import Sheet, bare, figure, frame, limits, times, wrap

# --- level assignment -----------------------------------------------------------------------------


@figure(height=5.2)
def fig_level_assignment(s: Sheet, parts: Anatomy, image: int, highlight: int = 12) -> None:
    """Which level each box is pooled from: its size against the formula, and on the picture."""
    pooling = parts.roi_heads.box
    grid = s.grid(2, 2, width_ratios=[1.15, 1], height_ratios=[5, 1.15])
    _sizes(s, s.panel(grid[0, 0]), pooling, image)
    _level_counts(s, s.panel(grid[1, 0]), pooling, image)
    best = leading_proposals(parts, image, highlight)
    _on_picture(s, s.panel(grid[:, 1]), parts, pooling, image, best)
    formula = f"k = ⌊{pooling.canonical_level:g} + log₂(√(wh) / {pooling.canonical_scale:g})⌋"
    k_min, k_max = pooling.k_min, pooling.k_max
    s.title(
        f"Which level a box is pooled from:  {formula}",
        f"每个框从哪一层取特征：  {formula}",
        f"Left: each dot is a box; k is clamped to {k_min}…{k_max}, the levels that are pooled "
        "from. Right: the boxes in the resized image, in the colour of their level.",
        f"左：每点一个框；k 被限制在 {k_min}～{k_max} 之内，即参与池化的各层。"
        "右：缩放后图像上的框，颜色即所属的层。",
    )


def _sizes(s: Sheet, ax: Axes, pooling: Pooling, image: int) -> None:
    sides, exact = pooling.sides(image), pooling.exact_level(image)
    if len(sides) == 0:
        s.empty(ax, "no proposals: nothing is pooled", "没有候选框，也就无从池化")
        return
    low = max(float(sides[sides > 0].min(initial=8)) * 0.8, 2.0)
    high = max(float(sides.max()) * 1.25, pooling.canonical_scale * 2)
    x = np.geomspace(low, high, 800)
    k = pooling.canonical_level + np.log2(x / pooling.canonical_scale)
    steps = np.clip(np.floor(k + 1e-6), pooling.k_min, pooling.k_max)
    ax.plot(x, k, color=s.theme.muted, lw=1.0, ls="--", label="4 + log₂(√(wh)/224)", zorder=2)
    for level, name in enumerate(_names(pooling)):
        there = steps == pooling.k_min + level
        if there.any():
            ax.axvspan(x[there][0], x[there][-1], color=level_colour(name), alpha=0.10, lw=0)
            ax.plot(x[there], steps[there], color=level_colour(name), lw=s.point / 3.2, zorder=3)
    place = np.random.default_rng(0)
    jitter = place.uniform(-0.32, 0.32, len(sides))
    colours = [level_colour(_names(pooling)[i]) for i in pooling.assigned[image]]
    ax.scatter(
        sides, pooling.k_min + pooling.assigned[image] + jitter, c=colours, s=s.point * 1.3,
        alpha=0.55, lw=0, zorder=4,
    )  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xlim(low, high)
    ax.set_ylim(min(pooling.k_min, float(exact.min())) - 0.6, pooling.k_max + 1.1)
    ax.set_yticks(
        range(pooling.k_min, pooling.k_max + 1),
        [f"k={k}" for k in range(pooling.k_min, pooling.k_max + 1)],
    )
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    s.labels(ax, s.say("√(w·h) in pixels of the resized image", "√(w·h)，缩放后图像的像素"))
    _thresholds(s, ax, pooling, low, high)


def _thresholds(s: Sheet, ax: Axes, pooling: Pooling, low: float, high: float) -> None:
    """Mark the sizes at which the level changes."""
    for k in range(pooling.k_min + 1, pooling.k_max + 1):
        edge = pooling.canonical_scale * 2.0 ** (k - pooling.canonical_level)
        if low < edge < high:
            ax.axvline(edge, color=s.theme.muted, lw=0.7, ls=":", zorder=1)
            s.text(
                ax, edge, 0.99, f"{edge:g} px", transform=ax.get_xaxis_transform(), ha="center",
                va="top", size=0.75, colour=s.theme.muted,
                bbox={"facecolor": s.theme.paper, "edgecolor": "none", "pad": 1},
            )  # fmt: skip


def _names(pooling: Pooling) -> list[str]:
    return [level.name for level in pooling.levels]


def _level_counts(s: Sheet, ax: Axes, pooling: Pooling, image: int) -> None:
    names = _names(pooling)
    counts = np.bincount(pooling.assigned[image], minlength=len(names))
    places = np.arange(len(names))
    ax.bar(places, counts, color=[level_colour(n) for n in names], width=0.7)
    for place, count in zip(places.tolist(), counts.tolist(), strict=True):
        s.text(ax, place, count, f"{count:,}", ha="center", va="bottom", size=0.8)
    ax.set_xticks(places, names)
    ax.set_ylim(0, max(counts.max(initial=0) * 1.35, 1))
    ax.set_xlim(-0.6, max(len(names), 3) - 0.4)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    s.labels(ax, s.say("boxes per level", "各层分到的框数"))


def _on_picture(
    s: Sheet, ax: Axes, parts: Anatomy, pooling: Pooling, image: int, best: np.ndarray
) -> None:
    boxes, assigned = pooling.boxes[image].xyxy, pooling.assigned[image]
    names = _names(pooling)
    s.picture(ax, parts.pictures[image].rgb())
    colours = [level_colour(names[i]) for i in assigned]
    rest = np.setdiff1d(np.arange(len(boxes)), best)[:60]
    s.boxes(ax, boxes[rest], [colours[i] for i in rest], 0.5, alpha=0.3)
    s.boxes(ax, boxes[best], [colours[i] for i in best], 1.6)
    for i in best.tolist():
        s.tag(ax, boxes[i, 0], boxes[i, 1], names[assigned[i]], colours[i], ha="left", va="top",
              size=0.6)  # fmt: skip
    height, width = parts.pictures[image].resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    thin = s.say(f"bold: {len(best)} leading boxes", f"粗线：{len(best)} 个主要的框")
    s.heading(ax, thin)


# --- RoIAlign -------------------------------------------------------------------------------------


@figure(height=8.0)
def fig_roi_align(
    s: Sheet, parts: Anatomy, image: int, box: int | None = None, channel: int | None = None
) -> None:
    """RoIAlign on real features: bins, sampling points, bilinear weights, pooled output."""
    pooling = parts.roi_heads.box
    index = choose_box(parts, image) if box is None else box
    if not 0 <= index < len(pooling.boxes[image]):
        raise InputError(f"there is no box {index}: image {image} has {len(pooling.boxes[image])}")
    level = pooling.level_of(index, image)
    features, grid = level.map.data()[image], pooling.grid(index, image)
    pooled = pooling.pooled(index, image)
    shown = int(np.nan_to_num(pooled).std(axis=(1, 2)).argmax()) if channel is None else channel
    cell = _bin_to_explain(pooled[shown])
    picture, whole, close, result = _four_panels(s)
    colour = level_colour(level.name)
    _roi_on_picture(s, picture, parts, image, index, colour)
    _roi_on_map(s, whole, grid, features[shown], level.name, shown, cell)
    _one_bin(s, close, grid, features[shown], cell)
    _pooled(s, result, pooled[shown], cell, colour)
    _arithmetic(s, result, grid, features[shown], cell)
    samples = grid.samples.shape[2]
    s.title(
        f"RoIAlign: box {index} from {level.name}, read off the real feature map",
        f"RoIAlign：第 {index} 个框，取自 {level.name} 的真实特征图",
        f"{times(grid.bins)} bins × {samples} sampling points, each interpolated from the four "
        "cells around it: no coordinate is ever rounded. A cell's value stands at its centre. All "
        f"{len(pooled)} channels make {times(pooled.shape)} numbers for the box head.",
        f"{times(grid.bins)} 个格子 × 每格 {samples} 个采样点，每点由周围四个单元双线性插值："
        f"坐标全程不取整。单元的值位于其中心。全部 {len(pooled)} 个通道得到 {times(pooled.shape)} "
        "个数，交给 box head。",
    )


def _four_panels(s: Sheet) -> tuple[Axes, Axes, Axes, Axes]:
    """Picture, map, one bin, output: two by two, on a wide slide in three columns."""
    if not s.slide:
        places = s.grid(2, 2, width_ratios=[1, 1.12])
        return (
            s.panel(places[0, 0]), s.panel(places[0, 1]),
            s.panel(places[1, 0]), s.panel(places[1, 1]),
        )  # fmt: skip
    places = s.grid(2, 3, width_ratios=[0.95, 1.2, 1.2])
    return (
        s.panel(places[0, 0]),
        s.panel(places[:, 1]),
        s.panel(places[1, 0]),
        s.panel(places[:, 2]),
    )


def choose_box(parts: Anatomy, image: int) -> int:
    """Return a box that can be shown: of the leading ones, the largest whose map was kept.

    Raises:
        MissingError: no box's map was kept, or there are no boxes.
    """
    pooling = parts.roi_heads.box
    if len(pooling.boxes[image]) == 0:
        raise MissingError(f"image {image} has no proposals: there is nothing to pool")
    candidates = [leading_proposals(parts, image, 40), np.arange(len(pooling.boxes[image]))]
    for chosen in candidates:
        shown = [i for i in chosen.tolist() if pooling.level_of(i, image).map.kept]
        if shown:
            clear = [i for i in shown if 0.9 <= max(pooling.grid(i, image).bin_size) <= 4]
            return clear[0] if clear else max(shown[:40], key=lambda i: _fit(pooling, i, image))
    options = sorted({level.map.keep for level in pooling.levels if not level.map.kept})
    raise MissingError(
        "no map that a box was pooled from is in the trace: record with "
        f'keep=["anatomy", {", ".join(repr(o) for o in options)}]'.replace("'", '"')
    )


def _fit(pooling: Pooling, index: int, image: int) -> float:
    """How good a box is to look at: cells about as large as bins are best."""
    grid = pooling.grid(index, image)
    return -abs(float(np.log2(max(*grid.bin_size, 1e-3) / 1.5)))


def _bin_to_explain(pooled: np.ndarray) -> tuple[int, int]:
    """The bin of the largest value, as (row, column)."""
    row, column = np.unravel_index(int(np.nan_to_num(pooled).argmax()), pooled.shape)
    return int(row), int(column)


def _roi_on_picture(
    s: Sheet, ax: Axes, parts: Anatomy, image: int, index: int, colour: str
) -> None:
    box = parts.roi_heads.box.boxes[image].xyxy[index]
    s.picture(ax, parts.pictures[image].rgb())
    s.boxes(ax, box[None], colour, 2.2)
    x1, y1, x2, y2 = box.tolist()
    rows, columns = parts.roi_heads.box.output_size
    line: dict[str, Any] = {"color": colour, "lw": s.point / 14, "alpha": 0.8}
    ax.vlines(np.linspace(x1, x2, columns + 1), y1, y2, **line)
    ax.hlines(np.linspace(y1, y2, rows + 1), x1, x2, **line)
    height, width = parts.pictures[image].resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    head = s.say("the box, in resized pixels", "框，缩放后图像的像素")
    s.heading(ax, f"{head}\n({x1:.1f}, {y1:.1f}) – ({x2:.1f}, {y2:.1f})")


def _roi_on_map(
    s: Sheet, ax: Axes, grid: Grid, values: np.ndarray, level: str, channel: int,
    cell: tuple[int, int],
) -> None:  # fmt: skip
    x1, y1, x2, y2 = grid.roi.tolist()
    margin = max(x2 - x1, y2 - y1) * 0.12 + 1
    s.map(ax, values, vmin=limits(values)[0], vmax=limits(values)[1])
    rows, columns = grid.bins
    line: dict[str, Any] = {"color": "white", "lw": s.point / 12, "alpha": 0.9}
    for i in range(columns + 1):
        x = x1 + i * grid.bin_size[1]
        ax.plot([x, x], [y1, y1 + rows * grid.bin_size[0]], **line)
    for i in range(rows + 1):
        y = y1 + i * grid.bin_size[0]
        ax.plot([x1, x1 + columns * grid.bin_size[1]], [y, y], **line)
    points = grid.samples.reshape(-1, 2)
    ax.plot(points[:, 0], points[:, 1], ".", color="white", ms=s.point / 4.5, mew=0)
    _mark_bin(s, ax, grid, cell)
    height, width = values.shape
    ax.set_xlim(max(x1 - margin, -0.5), min(x2 + margin, width - 0.5))
    ax.set_ylim(min(y2 + margin, height - 0.5), max(y1 - margin, -0.5))
    frame(ax, level_colour(level))
    where = s.say(f"channel {channel} of {level}", f"{level} 的第 {channel} 通道")
    s.heading(
        ax, f"{where}\n({x1:.2f}, {y1:.2f}) – ({x2:.2f}, {y2:.2f}) " + s.say("in cells", "（单元）")
    )


def _mark_bin(s: Sheet, ax: Axes, grid: Grid, cell: tuple[int, int]) -> None:
    height, width = grid.bin_size
    corner = (grid.roi[0] + cell[1] * width, grid.roi[1] + cell[0] * height)
    ax.add_patch(Rectangle(corner, width, height, fill=False, ec=s.theme.warn, lw=s.point / 4))


def _one_bin(s: Sheet, ax: Axes, grid: Grid, values: np.ndarray, cell: tuple[int, int]) -> None:
    """One bin close up: its sampling points, the cells around one of them, weights and values."""
    points, corners = grid.samples[cell], grid.corners[cell]
    low, high = corners.reshape(-1, 2).min(0) - 1, corners.reshape(-1, 2).max(0) + 1
    s.map(ax, values, vmin=limits(values)[0], vmax=limits(values)[1], alpha=0.75)
    _mark_bin(s, ax, grid, cell)
    ax.plot(points[:, 0], points[:, 1], "o", color="white", mec="#14171f", ms=s.point / 1.9)
    chosen = _telling(grid, cell)
    weights = grid.weights[cell][chosen]
    away = ((-0.22, -0.16), (0.22, -0.16), (-0.22, 0.16), (0.22, 0.16))  # off the point itself
    for (x, y), weight, (right, down) in zip(
        corners[chosen].tolist(), weights.tolist(), away, strict=True
    ):
        ax.plot([points[chosen, 0], x], [points[chosen, 1], y], color="white", lw=s.point / 8)
        label = f"{values[y, x]:.2f}\n×{weight:.2f}"
        s.tag(ax, x + right, y + down, label, "#14171f", ha="center", va="center", size=0.62)
    ax.plot(*points[chosen], "o", color=s.theme.warn, mec="white", ms=s.point / 1.7)
    ax.set_xlim(max(low[0], -0.5), min(high[0], values.shape[1] - 0.5))
    ax.set_ylim(min(high[1], values.shape[0] - 0.5), max(low[1], -0.5))
    s.heading(ax, s.say(f"bin {cell}, close up", f"放大看格子 {cell}"))


def _arithmetic(s: Sheet, ax: Axes, grid: Grid, values: np.ndarray, cell: tuple[int, int]) -> None:
    """The numbers: one sample from four cells, the bin from its samples."""
    corners, weights, chosen = grid.corners[cell], grid.weights[cell], _telling(grid, cell)
    around = values[corners[..., 1], corners[..., 0]]
    samples = (around * weights).sum(-1)
    pairs = zip(weights[chosen].tolist(), around[chosen].tolist(), strict=True)
    parts = " + ".join(f"{w:.2f}·{v:.2f}" for w, v in pairs)
    some = ", ".join(f"{v:.2f}" for v in samples[:4].tolist()) + ("…" if len(samples) > 4 else "")
    one = s.say("sample", "采样点") + f" = {parts} = {samples[chosen]:.3f}"
    mean = s.say("bin = mean of ", "格子 = 均值 ") + f"({some}) = {samples.mean():.3f}"
    width = 44 if s.slide else 70
    s.labels(ax, f"{wrap(one, width)}\n{wrap(mean, width)}")


def _telling(grid: Grid, cell: tuple[int, int]) -> int:
    """The sampling point of a bin that is farthest from any cell's centre."""
    return int(grid.weights[cell].max(-1).argmin())


def _pooled(s: Sheet, ax: Axes, pooled: np.ndarray, cell: tuple[int, int], colour: str) -> None:
    s.map(ax, pooled)
    low, high = limits(pooled)
    for (row, column), value in np.ndenumerate(pooled):
        ink = "#14171f" if value > (low + high) / 2 else "white"
        s.text(ax, column, row, f"{value:.2f}", ha="center", va="center", size=0.68, colour=ink)
    corner, line = (cell[1] - 0.5, cell[0] - 0.5), s.point / 3
    ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec=s.theme.warn, lw=line))
    frame(ax, colour)
    ax.set_anchor("N")
    s.heading(ax, s.say("pooled output of this channel", "该通道的池化结果"))


# --- head -----------------------------------------------------------------------------------------

_MEANING = {
    "box_roi_pool": ("RoIAlign", "RoIAlign"),
    "fc6": ("fully connected + ReLU", "全连接 + ReLU"),
    "fc7": ("fully connected + ReLU", "全连接 + ReLU"),
    "cls_score": ("class logits", "各类得分（logits）"),
    "bbox_pred": ("4 deltas per class", "每类 4 个偏移量"),
}


@figure(height=3.9)
def fig_head(s: Sheet, parts: Anatomy, image: int) -> None:
    """From a box's pooled features to its scores and deltas, with sizes and parameters."""
    heads, modules = parts.roi_heads, parts.run.trace.modules
    layers = heads.layers
    ax = s.panel()
    bare(ax)
    trunk = [layer for layer in layers if "box_predictor" not in layer[0]]
    ends = [layer for layer in layers if "box_predictor" in layer[0]]
    width = 1.0
    for i, (path, shape) in enumerate(trunk):
        params = modules[parts.run.prefix + path].params
        _layer_box(s, ax, i * 1.45, 0, width, path, shape, params)
        if i:
            ax.add_patch(arrow(s, (i * 1.45 - 0.45, 0), (i * 1.45, 0)))
    x = len(trunk) * 1.45
    for y, (path, shape) in zip((0.62, -0.62), ends, strict=False):
        params = modules[parts.run.prefix + path].params
        _layer_box(s, ax, x, y, width, path, shape, params)
        ax.add_patch(arrow(s, (x - 0.45, 0), (x, y), connectionstyle="arc3"))
    ax.set_xlim(-0.1, x + width + 0.1)
    ax.set_ylim(-1.2, 1.2)
    boxes = layers[0][1][0] if layers else 0
    flat = int(np.prod(layers[0][1][1:])) if layers else 0
    s.title(
        f"The box head: {flat:,} numbers per box become {heads.num_classes} scores and "
        f"{heads.num_classes * 4} deltas",
        f"box head：每个框的 {flat:,} 个数变成 {heads.num_classes} 个得分和 "
        f"{heads.num_classes * 4} 个偏移量",
        f"All {boxes:,} boxes of the batch go through as one batch, each by itself; class 0 is the "
        "background.",
        f"一批中的全部 {boxes:,} 个框一起通过，彼此独立；第 0 类是背景。",
    )


def _layer_box(
    s: Sheet, ax: Axes, x: float, y: float, width: float, path: str, shape: Sequence[int],
    params: int,
) -> None:  # fmt: skip
    height = 0.95
    ax.add_patch(
        FancyBboxPatch(
            (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.06",
            fc=s.theme.panel, ec=s.theme.faint, lw=1.2,
        )
    )  # fmt: skip
    name = path.split(".")[-1]
    meaning = _MEANING.get(name)
    middle = x + width / 2
    style = {"ha": "center", "va": "center"}
    s.text(ax, middle, y + 0.27, name, size=0.95, fontweight="bold", **style)
    s.text(ax, middle, y + 0.02, times(shape), size=0.85, **style)
    if meaning:
        s.text(ax, middle, y - 0.18, s.say(*meaning), size=0.72, colour=s.theme.muted, **style)
    if params:
        text = s.say(f"{params / 1e6:.2f} M parameters", f"{params / 1e6:.2f} M 参数")
        s.text(ax, middle, y - 0.35, text, size=0.68, colour=s.theme.muted, **style)
