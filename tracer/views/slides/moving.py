"""A flow on a slide: played in the browser, one step after the other where nothing can move."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tracer.rcnn.anatomy import Anatomy
from tracer.views.figures.sheet import Sheet, columns, drawing, figure, wrap
from tracer.views.kit.flows import Flow, Item, flow_of
from tracer.views.kit.flows.model import Place
from tracer.views.kit.palette import SCREEN, ramp
from tracer.views.kit.scene import Points, Ruled
from tracer.views.slides.deck import Moving, Pictures
from tracer.views.slides.illustrations import sized
from tracer.views.slides.subject import Subject

LETTERS = 56
"""In a line of what is said at a step."""
SMALL = 0.75
"""The size of what is said where all steps are shown at once."""


def moving(subject: Subject, name: str, *, theme: str, size: tuple[float, float]) -> Moving:
    """Return one of `tracer.views.kit.flows.FLOWS`.

    Args:
        subject: the recording.
        name: which one.
        theme: of the still.
        size: of the still, in inches.

    Raises:
        MissingError: there is none of that name, or the recording lacks what it shows.
    """
    flow = flow_of(subject.parts, name)
    figures = tuple(
        sized(
            draw_step(
                subject.parts, flow=flow, number=number, lang=subject.lang, theme=theme,
                image=subject.image, size="slide",
            ),
            size,
        )
        for number in range(len(flow.steps))
    )  # fmt: skip
    said = " ".join(f"{n}. {step.said[subject.lang]}" for n, step in enumerate(flow.steps, 1))
    return Moving(flow, subject.lang, Pictures(figures, said))


@figure(height=5.0)
def draw_step(s: Sheet, parts: Anatomy, image: int, flow: Flow, number: int) -> None:
    """One step of a flow, and what is said of it."""
    _step(s, s.panel(), flow, number, 1.3, LETTERS)


def at_once(moving: Moving, theme: str) -> Moving:
    """Return it with one still of all its steps, for a page that is read and not watched."""
    steps, first = moving.flow.steps, moving.still.figures[0]
    wide, high = (float(inches) for inches in first.get_size_inches())
    with drawing(high, moving.lang, theme=theme, size="slide", inches=(wide, high)) as s:
        abreast = max(range(1, len(steps) + 1), key=partial(_scale, s, moving.flow, wide, high))
        grid = s.grid(-(-len(steps) // abreast), abreast)
        for number in range(len(steps)):
            ax = s.panel(grid[divmod(number, abreast)])
            _step(s, ax, moving.flow, number, SMALL, _letters(abreast))
    return replace(moving, still=replace(moving.still, figures=(s.figure,)))


def _letters(abreast: int) -> int:
    """In a line of what is said at a step, where so many steps stand side by side."""
    return LETTERS * 2 // abreast


def _scale(s: Sheet, flow: Flow, wide: float, high: float, abreast: int) -> float:
    """How large the pictures are, in inches for a unit, with so many steps side by side."""
    left, top, right, bottom = _reach(flow, s.lang)
    steps, letters = len(flow.steps), _letters(abreast)
    said = (wrap(f"{n}. {step.said[s.lang]}", letters) for n, step in enumerate(flow.steps, 1))
    lines = 1 + max(text.count("\n") for text in said)
    words = (1.2 * lines + 1) * SMALL * s.point / 72
    room = high / -(-steps // abreast) - words
    return min(wide / abreast / (right - left), room / (bottom - top))


def _step(s: Sheet, ax: Axes, flow: Flow, number: int, size: float, letters: int) -> None:
    step = flow.steps[number]
    ax.set_axis_off()
    s.heading(ax, wrap(f"{number + 1}. {step.said[s.lang]}", letters), size=size, loc="left")
    for index in sorted(step.places):
        place, alpha = step.places[index]
        _draw(s, ax, flow.items[index], place, alpha, index, min(size, 1.0))
    left, top, right, bottom = _reach(flow, s.lang)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", anchor="NW")


def _reach(flow: Flow, lang: str, room: float = 8) -> Place:
    """The part of the board that is ever drawn on: left, top, right and bottom."""
    seen = [
        _room(flow.items[index], place, lang)
        for step in flow.steps
        for index, (place, alpha) in step.places.items()
        if alpha
    ]
    x, y, width, height = np.asarray(seen).T
    edges = x.min(), y.min(), (x + width).max(), (y + height).max()
    left, top, right, bottom = (float(edge) for edge in edges)
    return left - room, top - room, right + room, bottom + room


def _room(item: Item, place: Place, lang: str) -> Place:
    """Where an item is drawn: of a text, which is placed by its lower left corner, about where."""
    if item.kind != "text":
        return place
    x, y, _, height = place
    return x, y - height, columns(item.text[lang]) * height * 0.55, height


def _draw(
    s: Sheet, ax: Axes, item: Item, place: Place, alpha: float, order: int, size: float
) -> None:
    x, y, width, height = place
    colour = item.colour or s.theme.ink
    extent = (x, x + width, y + height, y)
    if item.kind == "image" and item.image is not None:
        values = item.image if item.image.ndim == 3 else ramp(SCREEN)[item.image]
        smooth = "antialiased" if item.image.ndim == 3 else "nearest"
        ax.imshow(values, extent=extent, alpha=alpha, interpolation=smooth, zorder=order)
    elif item.kind == "text":
        ax.text(x, y, item.text[s.lang], color=colour, fontsize=s.point * size, alpha=alpha,
                zorder=order)  # fmt: skip
    elif item.kind == "dots":
        down, across = item.cells
        row, column = (np.indices(item.cells) + 0.5).reshape(2, -1)
        xy = np.stack([x + column * width / across, y + row * height / down], -1)
        s.points(ax, Points(xy, colour), alpha=alpha, zorder=order)
    elif item.kind == "grid":
        lines = Ruled((x, y, x + width, y + height), *item.cells, colour)
        s.ruled(ax, lines, lw=0.6, alpha=alpha, zorder=order)
    else:
        filled = item.kind == "fill"
        style = {"facecolor": colour} if filled else {"fill": False, "edgecolor": colour}
        dash = "--" if item.dashed else "-"
        box = Rectangle(
            (x, y), width, height, alpha=alpha, linestyle=dash, linewidth=2.2, zorder=order, **style
        )
        ax.add_patch(box)
