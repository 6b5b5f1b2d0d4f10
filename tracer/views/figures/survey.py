"""A survey in figures: objects by size, what each step leaves, what was lost, what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from tracer.languages import Texts
from tracer.surveys import reading
from tracer.surveys.data import STEPS, Survey
from tracer.views.kit.fonts import families, register
from tracer.views.kit.palette import CYCLE, THEMES

say = Texts("survey")
THEME = THEMES["light"]


def survey_figures(survey: Survey, lang: str = "en") -> Iterator[tuple[str, Figure]]:
    """Yield the figures that the survey has something for, each with the name of its table.

    Args:
        survey: the survey.
        lang: the language.
    """
    register()
    family = families(say("title", lang))
    with mpl.rc_context({"font.family": family, "axes.unicode_minus": False}):
        groups = reading.by_side(survey)
        if groups:
            yield "sizes", _sizes(survey, groups, lang)
        if reading.with_funnel(survey).any():
            yield "funnel", _funnel(survey, lang)
        lost = sorted(reading.lost(survey).items(), key=lambda item: item[1])
        if lost:
            names = [say(f"station.{name}", lang) for name, _ in lost]
            yield "lost", _bars("lost", names, [count for _, count in lost], lang)
        kinds = [item for item in reversed(reading.kinds(survey).items()) if item[1]]
        if kinds:
            names = [say(f"kind.{name}", lang) for name, _ in kinds]
            yield "kinds", _bars("kinds", names, [count for _, count in kinds], lang)


def _figure(name: str, rows: int, lang: str) -> Figure:
    figure = Figure(figsize=(8, 1.1 + 0.32 * rows), dpi=120, layout="constrained")
    figure.suptitle(say(f"figure.{name}", lang), fontsize=12, x=0.01, ha="left", color=THEME.ink)
    return figure


def _bars(name: str, names: Sequence[str], counts: Sequence[float], lang: str) -> Figure:
    """A bar for each name, with its count at the end."""
    figure = _figure(name, len(names), lang)
    axes = figure.subplots()
    bars = axes.barh(range(len(names)), counts, color=THEME.accent_soft)
    axes.bar_label(bars, [f"{count:,.0f}" for count in counts], padding=3, color=THEME.ink)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([])
    axes.margins(x=0.12)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def _sizes(survey: Survey, groups: Sequence[reading.Group], lang: str) -> Figure:
    """Objects by size, parted by the best IoU that an anchor has with them."""
    figure = _figure("sizes", 8, lang)
    axes = figure.subplots()
    best = np.nan_to_num(reading.best(survey), nan=1.0)
    low, high = reading.SHARES
    parts = (
        (f"IoU ≥ {high}", best >= high, CYCLE[0]),
        (f"{low} ≤ IoU < {high}", (best >= low) & (best < high), CYCLE[2]),
        (f"IoU < {low}", best < low, CYCLE[1]),
    )
    bottom = np.zeros(len(groups))
    for label, chosen, colour in parts:
        counts = np.array([chosen[group.chosen].sum() for group in groups])
        axes.bar(range(len(groups)), counts, bottom=bottom, color=colour, label=label)
        bottom += counts
    ends = [f"{g.low:g}–{g.high:g}" if np.isfinite(g.high) else f"≥ {g.low:g}" for g in groups]
    axes.set_xticks(range(len(groups)), ends)
    axes.set_xlabel(say("figure.size_axis", lang))
    axes.set_ylabel(say("column.objects", lang))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _funnel(survey: Survey, lang: str) -> Figure:
    """The mean of what each step leaves of a picture, on a scale of powers of ten."""
    chosen = reading.with_funnel(survey)
    means = [
        *survey.pictures["rpn"][chosen].sum(2).mean(0),
        *survey.pictures["box"][chosen].mean(0),
    ]
    names = [say(f"step.{name}", lang) for name in STEPS[:-1]]
    figure = _bars("funnel", names[::-1], [float(mean) for mean in means[::-1]], lang)
    (axes,) = figure.axes
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, max(means) * 8)
    axes.xaxis.set_visible(False)
    return figure
