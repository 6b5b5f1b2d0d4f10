"""Activations: a grid of feature maps, value histograms through the depth, dead channels."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from tracer.errors import MissingError
from tracer.languages import listed
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy, FeatureMap
from tracer.record import Call, TensorSummary
from tracer.views.figures.common import over_picture
from tracer.views.figures.sheet import Sheet, figure
from tracer.views.kit.palette import CYCLE, level_colour


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
            over_picture(s, ax, level.map, level.map.channel(channel, image), picture)
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
    """How values are spread, layer by layer across the depth, and how many are zero."""
    layers = _layers(parts)
    if not layers:
        raise MissingError(
            "the trace has no histograms: previews were switched off; record with previews"
        )
    grid = s.grid(2, 1, height_ratios=[2.2, 1])
    top, below = s.panel(grid[0, 0]), s.panel(grid[1, 0])
    _spread(s, top, [summary for _, summary in layers])
    _zero_share(s, below, layers)
    _stage_marks(s, (top, below), [call for call, _ in layers])
    s.title("histograms")


def _layers(parts: Anatomy) -> list[tuple[Call, TensorSummary]]:
    """Leaf modules of the pass with the summary of what they made, in order."""
    trace, run = parts.trace, parts.run
    leaves = {path for path, module in trace.modules.items() if not module.children}
    found = []
    for call in trace.calls[run.model.id :]:
        if call.start > run.model.end:
            break
        if call.kind != "module" or call.path not in leaves or call.result is None:
            continue
        if call.result.tensor is None:
            continue
        summary = trace.tensors[call.result.tensor].summary
        if summary.histogram and summary.min is not None and summary.max is not None:
            found.append((call, summary))
    return found


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
        np.ma.masked_less_equal(image, 0), origin="lower", aspect="auto", cmap="viridis",
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


@figure(height=4.4)
def fig_dead_channels(s: Sheet, parts: Anatomy, image: int) -> None:
    """Channels that a ReLU leaves at zero everywhere, and how strong the others are."""
    maps = _before_relu(parts)
    if not parts.backbone.resnet:
        raise MissingError(
            f"the backbone of {parts.run.model.type} is no ResNet: what goes into its ReLUs is not "
            "read here"
        )
    if not maps:
        raise MissingError(
            "no map that goes into a ReLU was kept: record with "
            'keep=["anatomy", "backbone.body.layer4.*.bn1"]'
        )
    ax = s.panel()
    notes = []
    for i, feature in enumerate(maps):
        peaks = np.nan_to_num(feature.data()[image]).max(axis=(1, 2))
        peaks = np.sort(peaks)[::-1]
        dead = int((peaks <= 0).sum())
        share = np.arange(len(peaks)) / max(len(peaks), 1)
        ax.plot(share, peaks, color=CYCLE[i % len(CYCLE)], lw=s.point / 5, label=feature.name)
        notes.append(f"{feature.name}: {dead}/{len(peaks)}")
    ax.axhline(0, color=s.theme.ink, lw=1)
    low, high = ax.get_ylim()
    depth = min(low, -0.1, -0.14 * high if s.slide else 0.0)
    ax.axhspan(depth, 0, color=s.theme.warn, alpha=0.10, lw=0)
    dead_here = s.say("dead_here")
    s.text(ax, 0.01, depth / 2, dead_here, va="center",
           size=0.85, colour=s.theme.warn)  # fmt: skip
    ax.set_xlim(0, 1)
    s.labels(
        ax,
        s.say("by_peak"),
        s.say("peak"),
    )
    s.legend(ax, loc="upper right")
    s.title("dead_channels", notes=listed(notes, s.lang, clauses=True))


def _before_relu(parts: Anatomy) -> list[FeatureMap]:
    """Kept maps that go straight into a ReLU: the inner convolutions of residual blocks."""
    found = []
    for path in parts.backbone.blocks:
        try:
            block = parts.backbone.block(path)
        except MissingError:
            continue
        name = path.removeprefix(f"{parts.run.prefix}backbone.body.")
        for size, feature in block.convolutions[:-1]:
            if feature.kept:
                found.append(_named(feature, f"{name} {size}"))
    return found[:6]


def _named(feature: FeatureMap, name: str) -> FeatureMap:
    from dataclasses import replace

    return replace(feature, name=name)
