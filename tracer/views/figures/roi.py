"""The RoI heads: level assignment, RoIAlign on real features, the head, class scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tracer.errors import InputError, MissingError, NotRecorded, option
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, Grid, Pooling
from tracer.rcnn.anatomy.reading import kept_by
from tracer.views.figures.common import leading_proposals, names_of_classes
from tracer.views.figures.sheet import Sheet, bare, figure, frame, ink_on, wrap
from tracer.views.kit.palette import TAG, class_colour, level_colour
from tracer.views.kit.scene import Points, Ruled, alone, bins, by_level, limits

# --- level assignment -----------------------------------------------------------------------------


@figure(height=5.2)
def fig_level_assignment(s: Sheet, parts: Anatomy, image: int, highlight: int = 12) -> None:
    """Which level each box is pooled from: its size against the formula, and on the picture."""
    pooling = parts.roi_heads.box
    best = leading_proposals(parts, image, highlight)
    grid = s.grid(1, 3, width_ratios=[1.3, 0.3, 1.5])
    _sizes(s, s.panel(grid[0, 0]), pooling, image, best)
    _level_counts(s, s.panel(grid[0, 1]), pooling, image)
    _on_picture(s, s.panel(grid[0, 2]), parts, pooling, image, best)
    formula = f"k = ⌊{pooling.canonical_level:g} + log₂(√(wh) / {pooling.canonical_scale:g})⌋"
    k_min, k_max = pooling.k_min, pooling.k_max
    s.title("level_assignment", formula=formula, k_min=k_min, k_max=k_max)


def _sizes(s: Sheet, ax: Axes, pooling: Pooling, image: int, best: np.ndarray) -> None:
    sides = pooling.sides(image)
    if len(sides) == 0:
        s.empty(ax, "nothing_pooled")
        return
    low = max(float(sides[sides > 0].min(initial=8)) * 0.8, 2.0)
    high = max(float(sides.max()) * 1.25, pooling.canonical_scale * 2)
    x = np.geomspace(low, high, 800)
    k = pooling.canonical_level + np.log2(x / pooling.canonical_scale)
    steps = np.clip(np.floor(k + 1e-6), pooling.k_min, pooling.k_max)
    ax.plot(x, k, color=s.theme.muted, lw=s.point / 9, ls="--", zorder=2)
    for level, name in enumerate(_names(pooling)):
        there = steps == pooling.k_min + level
        if there.any():
            ax.axvspan(x[there][0], x[there][-1], color=level_colour(name), alpha=0.12, lw=0)
            ax.plot(x[there], steps[there], color=level_colour(name), lw=s.point / 2.6, zorder=3)
    rows = pooling.k_min + pooling.assigned[image]
    rows = rows + np.random.default_rng(0).uniform(-0.34, 0.34, len(sides))
    colours = np.asarray([level_colour(_names(pooling)[i]) for i in pooling.assigned[image]])
    ax.scatter(sides, rows, c=colours, s=s.point * 1.6, alpha=0.5, lw=0, zorder=4)
    ax.scatter(sides[best], rows[best], c=colours[best], s=s.point * 5, lw=s.point / 9,
               ec=s.theme.ink, zorder=5)  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_xlim(low, high)
    _level_rows(s, ax, pooling, named=True)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    s.labels(ax, s.say("side"))
    _thresholds(s, ax, pooling, low, high)


def _thresholds(s: Sheet, ax: Axes, pooling: Pooling, low: float, high: float) -> None:
    """Mark the sizes at which the level changes."""
    for k in range(pooling.k_min + 1, pooling.k_max + 1):
        edge = pooling.canonical_scale * 2.0 ** (k - pooling.canonical_level)
        if low < edge < high:
            ax.axvline(edge, color=s.theme.muted, lw=0.7, ls=":", zorder=1)
            s.text(
                ax, edge, 0.99, f"{edge:g}", transform=ax.get_xaxis_transform(), ha="center",
                va="top", size=0.75, colour=s.theme.muted,
                bbox={"facecolor": s.theme.paper, "edgecolor": "none", "pad": 1},
            )  # fmt: skip


def _names(pooling: Pooling) -> list[str]:
    return [level.name for level in pooling.levels]


def _level_rows(s: Sheet, ax: Axes, pooling: Pooling, named: bool) -> None:
    """One row of the vertical axis per level, by its k."""
    names = _names(pooling)
    ks = [pooling.k_min + i for i in range(len(names))]
    ax.set_ylim(ks[0] - 0.75, ks[-1] + 0.75)
    # two levels of one stride have one k: all boxes go to the first of them
    reached = [f"\nk = {k}" if k <= pooling.k_max else "" for k in ks]
    s.categories(ax.yaxis, ks, (name + k for name, k in zip(names, reached, strict=True)))
    ax.tick_params(axis="y", length=0)
    for name, label in zip(names, ax.get_yticklabels(), strict=True):
        label.set(color=s.ink(level_colour(name)), fontweight="bold", visible=named)


def _level_counts(s: Sheet, ax: Axes, pooling: Pooling, image: int) -> None:
    names = _names(pooling)
    counts = np.bincount(pooling.assigned[image], minlength=len(names))
    ks = np.arange(len(names)) + pooling.k_min
    ax.barh(ks, counts, color=[level_colour(n) for n in names], height=0.62)
    longest = max(int(counts.max(initial=0)), 1)
    for k, count in zip(ks.tolist(), counts.tolist(), strict=True):
        s.text(ax, count + longest * 0.04, k, f"{count:,}", va="center", size=0.9,
               in_layout=False)  # fmt: skip
    _level_rows(s, ax, pooling, named=False)
    ax.set_xlim(0, longest * 1.9)
    ax.set_xticks([])
    ax.spines[["left", "bottom"]].set_visible(False)
    s.labels(ax, s.say("boxes"))


def _on_picture(
    s: Sheet, ax: Axes, parts: Anatomy, pooling: Pooling, image: int, best: np.ndarray
) -> None:
    boxes, assigned = pooling.boxes[image].xyxy, pooling.assigned[image]
    names = _names(pooling)
    s.picture(ax, parts.pictures[image].rgb())
    colours = [level_colour(names[i]) for i in assigned]
    rest = np.setdiff1d(np.arange(len(boxes)), best)[:60]
    s.boxes(ax, boxes[rest], [colours[i] for i in rest], 0.5, alpha=0.3)
    height, width = parts.pictures[image].resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    s.marked(ax, by_level(boxes[best], assigned[best], names, named=True), (height, width))
    s.heading(ax, s.say("leading_boxes", count=len(best)))


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
    picture, whole, close, result, sums = _panels(s)
    colour = level_colour(level.name)
    _roi_on_picture(s, picture, parts, image, index, colour)
    _roi_on_map(s, whole, grid, features[shown], level.name, shown, cell)
    _one_bin(s, close, grid, features[shown], cell)
    _pooled(s, result, pooled[shown], cell, colour)
    _arithmetic(s, sums, grid, features[shown], cell)
    samples = grid.samples.shape[2]
    s.title(
        "roi_align",
        index=index,
        name=level.name,
        bins=dims(grid.bins),
        samples=samples,
        channels=len(pooled),
        shape=dims(pooled.shape),
    )


def _panels(s: Sheet) -> tuple[Axes, Axes, Axes, Axes, Axes]:
    """Picture, map, one bin, output, sums: two by two; on a slide map and bin are the largest."""
    if not s.slide:
        g = s.grid(3, 2, width_ratios=[1, 1.12], height_ratios=[1, 1, 0.13])
        places = (g[0, 0], g[0, 1], g[1, 0], g[1, 1], g[2, :])
    else:
        g = s.grid(3, 3, width_ratios=[1, 1.3, 1.3], height_ratios=[0.55, 0.78, 0.47])
        places = (g[0, 0], g[:, 1], g[:2, 2], g[1:, 0], g[2, 2])
    picture, whole, close, result, sums = (s.panel(place) for place in places)
    sums.set_axis_off()
    return picture, whole, close, result, sums


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
            found: int = (
                clear[0] if clear else max(shown[:40], key=lambda i: _fit(pooling, i, image))
            )
            return found
    options = sorted({level.map.keep for level in pooling.levels if not level.map.kept})
    raise NotRecorded("no map that a box was pooled from is in the trace", keep=kept_by(*options))


def _fit(pooling: Pooling, index: int, image: int) -> float:
    """How good a box is to look at: cells about as large as bins are best."""
    grid = pooling.grid(index, image)
    return -abs(float(np.log2(max(*grid.bin_size, 1e-3) / 1.5)))


def _bin_to_explain(pooled: np.ndarray) -> tuple[int, int]:
    """The bin of the largest value, as (row, column): off the border where there is an inside."""
    inside = np.full(pooled.shape, -np.inf)
    core = (slice(1, -1), slice(1, -1)) if min(pooled.shape) > 2 else (slice(None), slice(None))
    inside[core] = np.nan_to_num(pooled)[core]
    row, column = np.unravel_index(int(inside.argmax()), pooled.shape)
    return int(row), int(column)


def _roi_on_picture(
    s: Sheet, ax: Axes, parts: Anatomy, image: int, index: int, colour: str
) -> None:
    box = parts.roi_heads.box.boxes[image].xyxy[index]
    s.picture(ax, parts.pictures[image].rgb())
    s.boxes(ax, box[None], colour, 2.2)
    x1, y1, x2, y2 = box.tolist()
    rows, columns = parts.roi_heads.box.output_size
    s.ruled(ax, Ruled((x1, y1, x2, y2), rows, columns, colour))
    height, width = parts.pictures[image].resized_size
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    head = s.say("box_resized")
    head = s.say("box_pixels") if s.slide else head
    digits = 0 if s.slide else 1
    corners = f"({x1:.{digits}f}, {y1:.{digits}f}) – ({x2:.{digits}f}, {y2:.{digits}f})"
    s.heading(ax, f"{head}\n{corners}")


def _roi_on_map(
    s: Sheet, ax: Axes, grid: Grid, values: np.ndarray, level: str, channel: int,
    cell: tuple[int, int],
) -> None:  # fmt: skip
    x1, y1, x2, y2 = grid.roi.tolist()
    margin = max(x2 - x1, y2 - y1) * 0.12 + 1
    s.overlaid(ax, alone(values))
    s.ruled(ax, bins(grid))
    s.points(ax, Points(grid.samples.reshape(-1, 2)))
    _mark_bin(s, ax, grid, cell)
    height, width = values.shape
    ax.set_xlim(max(x1 - margin, -0.5), min(x2 + margin, width - 0.5))
    ax.set_ylim(min(y2 + margin, height - 0.5), max(y1 - margin, -0.5))
    frame(ax, level_colour(level))
    where = s.say("channel_of", channel=channel, level=level)
    corners = f"({x1:.2f}, {y1:.2f}) – ({x2:.2f}, {y2:.2f})"
    if s.slide:
        s.heading(ax, where + s.say("comma_in_cells") + f"\n{corners}")
    else:
        s.heading(ax, f"{where}\n{corners} " + s.say("in_cells"))


def _mark_bin(s: Sheet, ax: Axes, grid: Grid, cell: tuple[int, int]) -> None:
    height, width = grid.bin_size
    corner = (grid.roi[0] + cell[1] * width, grid.roi[1] + cell[0] * height)
    ax.add_patch(Rectangle(corner, width, height, fill=False, ec=s.theme.warn, lw=s.point / 4))


def _one_bin(s: Sheet, ax: Axes, grid: Grid, values: np.ndarray, cell: tuple[int, int]) -> None:
    """One bin close up: its sampling points, the cells around one of them, weights and values."""
    points, corners = grid.samples[cell], grid.corners[cell]
    low, high = corners.reshape(-1, 2).min(0) - 1, corners.reshape(-1, 2).max(0) + 1
    seen = values[max(low[1], 0) : high[1] + 1, max(low[0], 0) : high[0] + 1]
    s.overlaid(ax, alone(values, limits(seen, 0), alpha=0.85))
    _mark_bin(s, ax, grid, cell)
    s.points(ax, Points(points, size=0.53, edge=TAG))
    chosen = _telling(grid, cell)
    weights = grid.weights[cell][chosen]
    away = ((-0.22, -0.16), (0.22, -0.16), (-0.22, 0.16), (0.22, 0.16))  # off the point itself
    for (x, y), weight, (right, down) in zip(
        corners[chosen].tolist(), weights.tolist(), away, strict=True
    ):
        ax.plot([points[chosen, 0], x], [points[chosen, 1], y], color="white", lw=s.point / 8)
        label = f"{values[y, x]:.2f}\n×{weight:.2f}"
        s.tag(ax, x + right, y + down, label, TAG, ha="center", va="center", size=0.62,
              fine=True)  # fmt: skip
    s.points(ax, Points(points[[chosen]], s.theme.warn, 0.59, "#ffffff"))
    ax.set_xlim(max(low[0], -0.5), min(high[0], values.shape[1] - 0.5))
    ax.set_ylim(min(high[1], values.shape[0] - 0.5), max(low[1], -0.5))
    s.heading(ax, s.say("bin_close", cell=cell))


def _arithmetic(s: Sheet, ax: Axes, grid: Grid, values: np.ndarray, cell: tuple[int, int]) -> None:
    """The numbers: one sample from four cells, the bin from its samples."""
    corners, weights, chosen = grid.corners[cell], grid.weights[cell], _telling(grid, cell)
    around = values[corners[..., 1], corners[..., 0]]
    samples = (around * weights).sum(-1)
    pairs = zip(weights[chosen].tolist(), around[chosen].tolist(), strict=True)
    parts = " + ".join(f"{w:.2f}·{v:.2f}" for w, v in pairs)
    some = ", ".join(f"{v:.2f}" for v in samples[:4].tolist()) + ("…" if len(samples) > 4 else "")
    one = s.say("sample") + f" = {parts} = {samples[chosen]:.3f}"
    mean = s.say("bin_mean") + f"({some}) = {samples.mean():.3f}"
    width = 36 if s.slide else 120
    style = {"transform": ax.transAxes, "ha": "center", "va": "top", "colour": s.theme.muted}
    s.text(ax, 0.5, 1.0, f"{wrap(one, width)}\n{wrap(mean, width)}", **style)


def _telling(grid: Grid, cell: tuple[int, int]) -> int:
    """The sampling point of a bin that is farthest from any cell's centre."""
    return int(grid.weights[cell].max(-1).argmin())


def _pooled(s: Sheet, ax: Axes, pooled: np.ndarray, cell: tuple[int, int], colour: str) -> None:
    shown = s.overlaid(ax, alone(pooled))
    wide = np.abs(np.nan_to_num(pooled)).max(initial=0) >= 10
    digits = (0 if wide else 1) if s.slide else 2
    for (row, column), value in np.ndenumerate(pooled):
        number, ink = f"{value:.{digits}f}", ink_on(shown, value)
        s.text(ax, column, row, number, ha="center", va="center", size=0.8, colour=ink,
               fine=True)  # fmt: skip
    corner, line = (cell[1] - 0.5, cell[0] - 0.5), s.point / 3
    ax.add_patch(Rectangle(corner, 1, 1, fill=False, ec=s.theme.warn, lw=line))
    frame(ax, colour)
    ax.set_anchor("N")
    whole = s.say("pooled_channel")
    s.heading(ax, s.say("pooled") if s.slide else whole)


# --- head -----------------------------------------------------------------------------------------


@figure(height=4.4)
def fig_head(s: Sheet, parts: Anatomy, image: int, box: int | None = None) -> None:
    """What the box head makes of one box: pooled maps, hidden layers, class scores and deltas."""
    heads = parts.roi_heads
    index = _box_for_head(parts, image) if box is None else box
    if index is not None and not 0 <= index < len(heads.box.boxes[image]):
        count = len(heads.box.boxes[image])
        raise InputError(f"there is no box {index}: image {image} has {count}")
    hidden = () if index is None else heads.hidden(index, image)
    columns = 2 + max(len(hidden), 1)
    grid = s.grid(2, columns, wspace=0.16,
                  width_ratios=[1.25, *[1] * (columns - 2), 1.45])  # fmt: skip
    _pooled_channels(s, s.panel(grid[:, 0]), parts, image, index)
    for i, (path, values) in enumerate(hidden, 1):
        ax = s.panel(grid[:, i])
        _hidden_layer(s, ax, parts, path, values)
        s.text(ax, -0.085, 0.5, "→", transform=ax.transAxes, ha="center", va="center", size=1.4,
               in_layout=False)  # fmt: skip
    _scores_of_box(s, s.panel(grid[0, -1]), parts, image, index)
    _deltas_of_box(s, s.panel(grid[1, -1]), parts, image, index)
    flat, total = int(np.prod(heads.layers[0][1][1:])), heads.layers[0][1][0]
    who = s.say("no_box") if index is None else s.say("box_n", index=index)
    s.title(
        "head",
        who=who,
        flat=flat,
        classes=heads.num_classes,
        deltas=heads.num_classes * 4,
        total=total,
    )


def _box_for_head(parts: Anatomy, image: int) -> int | None:
    """The box behind the best detection, or the first one; None where there are no boxes."""
    leading = leading_proposals(parts, image, 1)
    return int(leading[0]) if len(leading) else None


def _pooled_channels(s: Sheet, ax: Axes, parts: Anatomy, image: int, index: int | None) -> None:
    """All channels of a box's pooled features, side by side."""
    shape = parts.roi_heads.layers[0][1][1:]
    s.heading(ax, f"RoIAlign\n{dims(shape)}")
    try:
        pooled = None if index is None else parts.roi_heads.box.pooled(index, image)
    except MissingError:
        pooled = None
    if pooled is None:
        _no_values(s, ax, index, "*box_roi_pool")
        return
    s.overlaid(ax, alone(tiled(pooled)))
    down = _rows_for(len(pooled))
    line: dict[str, Any] = {"color": s.theme.paper, "lw": s.point / 18}
    for i in range(1, len(pooled) // down):
        ax.axvline(i * shape[2] - 0.5, **line)
    for i in range(1, down):
        ax.axhline(i * shape[1] - 0.5, **line)
    s.labels(ax, s.say("channels_numbers", channels=len(pooled), numbers=pooled.size))  # fmt: skip


def tiled(maps: np.ndarray) -> np.ndarray:
    """Lay [C, h, w] out as one picture, row by row and as square as C's divisors allow."""
    count, height, width = maps.shape
    down = _rows_for(count)
    grid = maps.reshape(down, count // down, height, width)
    found: np.ndarray = grid.transpose(0, 2, 1, 3).reshape(down * height, -1)
    return found


def _rows_for(count: int) -> int:
    """The largest divisor of a count that is not above its square root."""
    return next(n for n in range(int(np.sqrt(count)), 0, -1) if count % n == 0)


def _no_values(s: Sheet, ax: Axes, index: int | None, keep: str = "") -> None:
    """Say why there are none: no box, or nothing of the results of these calls was kept.

    Of many boxes they are larger than what the anatomy keeps, and have to be named.
    """
    bare(ax)
    if index is None:
        s.empty(ax, "no_proposals")
    else:
        narrow = option(keep=keep).replace(" ", "\n").replace("=", "=\n")
        s.empty(ax, "not_kept_too", option=narrow)


def _hidden_layer(s: Sheet, ax: Axes, parts: Anatomy, path: str, values: np.ndarray | None) -> None:
    """One fully connected layer's values as a square, with its size."""
    params = parts.run.trace.modules[parts.run.prefix + path].params
    name = path.removeprefix("roi_heads.box_head.")
    space = "\n" if s.slide else " "
    size = f"{params / 1e6:.2f} M" + s.say("of_parameters", space=space)
    if values is None:
        s.heading(ax, f"{name} + ReLU")
        _no_values(s, ax, 0, "*box_head*")
        return
    s.heading(ax, f"{name} + ReLU\n{len(values)}")
    squares = tiled(values[:, None, None])
    s.overlaid(ax, alone(squares, (0, limits(squares)[1])))
    zeros = float((values == 0).mean())
    s.labels(ax, f"{size}\n" + s.say("share_at_zero", zeros=zeros))


def _scores_of_box(s: Sheet, ax: Axes, parts: Anatomy, image: int, index: int | None) -> None:
    """The box's softmax over the classes, the largest few if there are many."""
    heads, called = parts.roi_heads, names_of_classes(s, parts)
    s.heading(ax, f"cls_score  {heads.num_classes}  → softmax")
    if index is None:
        _no_values(s, ax, index)
        return
    scores = heads.scores(image)[index]
    shown = _leading_classes(scores)
    colours = [s.theme.muted if c == 0 else class_colour(c) for c in shown]
    ax.barh(range(len(shown)), scores[shown], color=colours, height=0.68)
    for row, label in enumerate(shown):
        s.text(ax, scores[label], row, f" {scores[label]:.3f}", va="center", size=0.8)
    background = s.say("background")
    _named_rows(s, ax, [called(c) if c else background for c in shown])
    ax.set_xlim(0, 1.25)


def _leading_classes(scores: np.ndarray, count: int = 5) -> list[int]:
    """The labels with the highest scores, in the labels' order."""
    best = np.argsort(-np.nan_to_num(scores), kind="stable")[:count]
    return sorted(best.tolist())


def _deltas_of_box(s: Sheet, ax: Axes, parts: Anatomy, image: int, index: int | None) -> None:
    """The four deltas of the box's best class, as the layer puts them out."""
    heads, called = parts.roi_heads, names_of_classes(s, parts)
    if index is None:
        s.heading(ax, f"bbox_pred  {heads.num_classes}×4")
        _no_values(s, ax, index)
        return
    best = int(np.nan_to_num(heads.scores(image)[index, 1:]).argmax()) + 1
    deltas = heads.deltas(image)[index]
    deltas = deltas[min(best, len(deltas) - 1)]
    whose = s.say("deltas_of", name=called(best))
    named = s.say("deltas_of_named", name=called(best))
    s.heading(ax, f"bbox_pred  {heads.num_classes}×4\n{whose if s.slide else named}")
    ax.barh(range(4), deltas, color=class_colour(best), height=0.68)
    reach = max(float(np.abs(np.nan_to_num(deltas)).max()), 1e-3)
    reach *= 5.5 if s.slide else 2.6  # room for the numbers beside the names of the rows
    for row, (value, by) in enumerate(zip(deltas.tolist(), heads.weights, strict=True)):
        side = "left" if value >= 0 else "right"
        s.text(ax, value, row, f" {value:+.2f}/{by:g} ", va="center", ha=side, size=0.8)
    ax.axvline(0, color=s.theme.muted, lw=0.8)
    _named_rows(s, ax, ["dx", "dy", "dw", "dh"])
    ax.set_xlim(-reach, reach)


def _named_rows(s: Sheet, ax: Axes, names: list[str]) -> None:
    """Rows from the top down with their names, and no horizontal axis."""
    s.categories(ax.yaxis, range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelcolor=s.theme.ink)
