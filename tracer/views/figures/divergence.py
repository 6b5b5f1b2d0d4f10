"""Where two recordings part: how far each module's results are apart, through the depth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tracer.errors import MissingError
from tracer.rcnn.anatomy import anatomies
from tracer.rcnn.anatomy.agreement import agree
from tracer.record.comparison import Comparison, Pair
from tracer.views.figures.detections import best_detections
from tracer.views.figures.sheet import Sheet, drawing, require_image

FLOOR, CEILING = -7.0, 3.0
"""Powers of ten of a standard deviation: smaller changes are drawn as the least, larger as most."""


def fig_divergence(
    compared: Comparison, *, lang: str = "en", ax: Axes | None = None, theme: str = "light",
    size: str = "notebook", inches: tuple[float, float] | None = None,
) -> Figure:  # fmt: skip
    """Draw how far the results of each innermost module are apart, in order of execution.

    The options are those of all figures, see `figure`.

    Raises:
        MissingError: no module ran in either.
    """
    shown = _innermost(compared)
    if not shown:
        raise MissingError("no call of a module is in either recording: there is no depth to draw")
    pairs = [compared.pairs[index] for index in shown]
    with drawing(4.6, lang, ax, theme, size, inches) as s:
        panel = s.panel()
        _changes(s, panel, pairs)
        _parting(s, panel, compared, shown)
        _stages(s, panel, pairs)
        s.title("divergence")
    return s.figure


def fig_both_detections(
    compared: Comparison,
    *,
    image: int = 0,
    lang: str = "en",
    theme: str = "light",
    size: str = "notebook",
    inches: tuple[float, float] | None = None,
) -> Figure:
    """Draw what the two passes detected in a picture, side by side.

    Args:
        compared: two recordings of passes of a detector in eval mode.
        image: which one of the batch.
        lang: of all that is said.
        theme: ``"light"`` or ``"dark"``.
        size: ``"notebook"`` or ``"slide"``.
        inches: width and height of the figure, instead of its usual ones.

    Raises:
        MissingError: one of them holds no detections; says what to record.
        InputError: one of them has no such image.
    """
    both = anatomies(compared.first, compared.second)
    for parts in both:
        require_image(parts, image)
    found = [parts.results[image] for parts in both]
    outcomes = agree(found[:1], found[1:])
    with drawing(4.6, lang, None, theme, size, inches) as s:
        grid = s.grid(1, 2)
        for side, (name, parts) in enumerate(zip("AB", both, strict=True)):
            places = [(it.first, it.second)[:: 1 - 2 * side] for it in outcomes]
            lacks = [there for here, there in places if here is None and there is not None]
            ax = s.panel(grid[0, side])
            best_detections(s, ax, parts, found[side], name, found[1 - side], lacks)
        s.title("both_detections")
    return s.figure


def _innermost(compared: Comparison) -> list[int]:
    """Return the pairs of modules in which no other module ran."""
    around = {
        pair.parent
        for pair in compared.pairs
        if pair.call.kind == "module" and pair.parent is not None
    }
    for index in reversed(range(len(compared.pairs))):
        if index in around and (outer := compared.pairs[index].parent) is not None:
            around.add(outer)
    return [
        index
        for index, pair in enumerate(compared.pairs)
        if pair.call.kind == "module" and index not in around
    ]


def _height(pair: Pair) -> float:
    """Return the logarithm of a pair's change, within what is drawn."""
    if not math.isfinite(pair.change):
        return CEILING
    return min(max(math.log10(pair.change), FLOOR), CEILING - 0.5) if pair.change else FLOOR


def _changes(s: Sheet, ax: Axes, pairs: Sequence[Pair]) -> None:
    groups = {
        "agree": (s.theme.muted, "o"), "differ": (s.theme.accent, "o"),
        "first": (s.theme.warn, "v"), "second": (s.theme.warn, "^"),
    }  # fmt: skip
    for name, (colour, marker) in groups.items():
        places = [place for place, pair in enumerate(pairs) if _group(pair) == name]
        if not places:
            continue
        alone = name in ("first", "second")
        heights = [FLOOR - 0.8 if alone else _height(pairs[place]) for place in places]
        if name == "differ":
            ax.vlines(places, FLOOR, heights, color=colour, lw=s.point / 9, alpha=0.5)
        label = f"{s.say(f'divergence.{name}')} ({len(places)})"
        ax.plot(places, heights, marker, ms=s.point / 2.5, color=colour, label=label)
    ax.set_xlim(-0.5, len(pairs) - 0.5)
    ax.set_ylim(FLOOR - 1.6, CEILING + 0.6)
    ax.set_xticks([])
    powers = np.arange(FLOOR + 1, CEILING, 2).tolist()
    names = [f"$10^{{{int(power)}}}$" for power in powers]
    s.categories(ax.yaxis, [FLOOR, *powers, CEILING], ["0", *names, s.say("divergence.unlike")])
    s.labels(ax, y=s.say("divergence.change"))
    s.legend(ax, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderaxespad=0.2)


def _group(pair: Pair) -> str:
    if pair.status in ("first", "second"):
        return pair.status
    return "differ" if pair.results else "agree"


def _parting(s: Sheet, ax: Axes, compared: Comparison, shown: Sequence[int]) -> None:
    """Mark the module in which the two part."""
    if compared.divergence is None:
        return
    index: int | None = compared.divergence
    while index is not None and compared.pairs[index].call.kind != "module":
        index = compared.pairs[index].parent
    if index is None:
        return
    # Of a module that has others in it, its own code parts: the line stands where it begins.
    at = next((place for place, inner in enumerate(shown) if inner >= index), len(shown) - 1)
    name = compared.pairs[index].call.label
    ax.axvline(at, color=s.theme.warn, lw=s.point / 6)
    left = at < len(shown) / 2
    s.text(ax, at, CEILING + 0.55, f" {name} ", ha="left" if left else "right", va="top",
           colour=s.ink(s.theme.warn), fontweight="bold")  # fmt: skip


def _stages(s: Sheet, ax: Axes, pairs: Sequence[Pair]) -> None:
    """Mark where each stage begins, and name it."""
    stages = [pair.call.stage for pair in pairs]
    begins = [n for n, stage in enumerate(stages) if n == 0 or stage != stages[n - 1]]
    for start, end in zip(begins, [*begins[1:], len(pairs)], strict=True):
        ax.axvline(start - 0.5, color=s.theme.faint, lw=0.7, ls=":")
        if end - start >= max(2, len(pairs) * (0.06 if s.slide else 0.04)):
            s.text(ax, (start + end - 1) / 2, -0.02, stages[start], ha="center", va="top",
                   size=0.75, transform=ax.get_xaxis_transform())  # fmt: skip
