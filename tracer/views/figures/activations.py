"""Activations: a grid of feature maps, value histograms through the depth."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, FeatureMap
from tracer.record import Call, TensorSummary
from tracer.record.query import ancestors
from tracer.views.figures.common import over_picture
from tracer.views.figures.sheet import Sheet, figure
from tracer.views.kit.palette import SEQUENTIAL, level_colour
from tracer.views.kit.scene import over


@figure(height=5.8)
def fig_feature_grid(s: Sheet, parts: Anatomy, image: int, columns: int = 6) -> None:
    """The strongest channels of every level of the pyramid, side by side."""
    picture, levels = parts.pictures[image], parts.pyramid.levels
    grid = s.grid(len(levels), columns + 1)
    for row, level in enumerate(levels):
        channels = (-1, *level.map.strongest(columns, image)) if _seen(level.map, image) else ()
        for column in range(columns + 1):
            ax = s.panel(grid[row, column])
            if column == 0:
                shape = "" if s.slide else f"\n{dims(level.map.shape[1:])}"
                s.labels(ax, y=f"{level.name}{shape}")
                ax.yaxis.label.set_color(s.ink(level_colour(level.name)))
            if column >= len(channels):
                ax.set_axis_off()
                continue
            channel = channels[column]
            over_picture(s, ax, over(level.map, level.map.channel(channel, image)), picture)
            head = s.say("mean") if channel == -1 else f"{channel}"
            s.heading(ax, head, s.theme.muted, pad=s.point * 0.15)
    s.title("feature_grid")


def _seen(feature: FeatureMap, image: int) -> bool:
    try:
        feature.mean(image)
    except MissingError:
        return False
    return True


@figure(height=5.2)
def fig_histograms(s: Sheet, parts: Anatomy, image: int) -> None:
    """How the values are spread that blocks hand on, through the depth, and how many are zero."""
    layers = _handed_on(parts)
    if not layers:
        raise MissingError(
            "the trace has no histograms (previews were switched off): record with previews"
        )
    grid = s.grid(2, 1, height_ratios=[2.2, 1])
    top, below = s.panel(grid[0, 0]), s.panel(grid[1, 0])
    _spread(s, top, [summary for _, summary in layers])
    _zero_share(s, below, layers)
    _stage_marks(s, (top, below), [call for call, _ in layers])
    s.title("histograms")


def _handed_on(parts: Anatomy) -> list[tuple[Call, TensorSummary]]:
    """What each block made, in order: the result of the last leaf module in it."""
    trace, run = parts.trace, parts.run
    leaves = {path for path, module in trace.modules.items() if not module.children}
    found: dict[int | None, tuple[Call, TensorSummary]] = {}
    for call in trace.calls[run.model.id :]:
        if call.start > run.model.end:
            break
        if call.kind != "module" or call.path not in leaves or call.result is None:
            continue
        if call.result.tensor is None:
            continue
        summary = trace.tensors[call.result.tensor].summary
        if summary.histogram and summary.min is not None and summary.max is not None:
            around = next(c for c in ancestors(trace, call) if c.kind == "module")
            found.pop(around.id, None)
            found[around.id] = (call, summary)
    return list(found.values())


def _scaled(values: np.ndarray) -> np.ndarray:
    """A symmetric logarithm: straight around zero, logarithmic beyond ±1."""
    found: np.ndarray = np.sign(values) * np.log1p(np.abs(values))
    return found


def _spread(s: Sheet, ax: Axes, summaries: list[TensorSummary]) -> None:
    low = min(float(_scaled(np.float64(summary.min))) for summary in summaries)
    high = max(float(_scaled(np.float64(summary.max))) for summary in summaries)
    rows = 90
    image = np.zeros((rows, len(summaries)))
    for column, summary in enumerate(summaries):
        counts = np.asarray(summary.histogram, float)
        edges = np.linspace(summary.min, summary.max, len(counts) * 8)  # type: ignore[arg-type]
        places = (_scaled(edges) - low) / max(high - low, 1e-9) * (rows - 1)
        np.add.at(image[:, column], places.astype(int), np.repeat(counts, 8) / 8)
        image[:, column] /= max(image[:, column].sum(), 1e-9)
    shown = ax.imshow(
        np.ma.masked_less_equal(image, 0), origin="lower", aspect="auto", cmap=SEQUENTIAL,
        extent=(-0.5, len(summaries) - 0.5, low, high), norm=LogNorm(1e-4, 1),
        interpolation="nearest",
    )  # fmt: skip
    means = [float(_scaled(np.float64(summary.mean or 0))) for summary in summaries]
    ax.plot(means, color=s.theme.warn, lw=s.point / 9)
    ticks = [v for v in (-100, -10, -1, 0, 1, 10, 100) if low <= _scaled(np.float64(v)) <= high]
    ax.set_yticks([float(_scaled(np.float64(v))) for v in ticks], [f"{v}" for v in ticks])
    ax.set_xticks([])
    s.labels(ax, y=s.say("value"))
    s.colour_bar(ax, shown, s.say("share"))


def _zero_share(s: Sheet, ax: Axes, layers: list[tuple[Call, TensorSummary]]) -> None:
    values = [summary.zeros or 0 for _, summary in layers]
    ax.bar(range(len(values)), values, width=1.0, color=s.theme.accent_soft)
    ax.set_xlim(-0.5, len(values) - 0.5)
    ax.set_ylim(0, 1)
    ax.set_xticks([])
    s.labels(ax, y=s.say("zeros"))


def _stage_marks(s: Sheet, axes: tuple[Axes, Axes], calls: list[Call]) -> None:
    """Mark where each stage begins, and name it."""
    begins = [i for i, c in enumerate(calls) if i == 0 or c.stage != calls[i - 1].stage]
    for n, start in enumerate(begins):
        for ax in axes:
            ax.axvline(start - 0.5, color=s.theme.muted, lw=0.7, ls=":")
        end = begins[n + 1] if n + 1 < len(begins) else len(calls)
        if end - start < max(2, len(calls) * 0.012):
            continue
        s.text(axes[1], (start + end - 1) / 2, -0.08, calls[start].stage, ha="center", va="top",
               rotation=20 if end - start < len(calls) * 0.06 else 0, size=0.75,
               transform=axes[1].get_xaxis_transform(), colour=s.theme.ink)  # fmt: skip
