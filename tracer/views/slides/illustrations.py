"""Figures and picture files on a slide: drawn at its size, without a title of their own."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image, UnidentifiedImageError

from tracer.errors import InputError, MissingError, near
from tracer.rcnn.classes import names_in
from tracer.views.figures import FIGURES
from tracer.views.kit.palette import THEMES
from tracer.views.slides.deck import Pictures
from tracer.views.slides.subject import Subject

ZOOM = 0.92
"""How large a figure's text is beside that of a whole slide: the title takes its share of room."""

NAMED = ("detections", "detection_funnel", "story")
"""The figures that are told what the classes are called."""

PAD = 0.07
"""Inches around each panel."""

_CJK = "\u2e80-\u9fff\uff00-\uffef"


def drawn(
    subject: Subject,
    name: str,
    *,
    theme: str,
    size: tuple[float, float],
    zoom: float = 1.0,
    options: Mapping[str, Any] | None = None,
) -> Pictures:
    """Draw a figure of `tracer.views.figures`.

    Args:
        subject: the recording.
        name: of the figure.
        theme: ``"light"`` or ``"dark"``.
        size: width and height in inches.
        zoom: how much larger its text becomes than the figure has it.
        options: of the figure.

    Returns:
        The figure, or its steps; its own title and remark are the alternative text.

    Raises:
        MissingError: there is no such figure, or the recording lacks what it shows.
        InputError: an option that the figure does not have.
    """
    if name not in FIGURES:
        raise MissingError(f"there is no figure {name!r}{near(name, FIGURES)}")
    settings: dict[str, Any] = {"lang": subject.lang, "theme": theme, "image": subject.image}
    if name in NAMED and subject.trace.classes:
        settings["names"] = names_in(subject.trace.classes, subject.lang)
    settings |= options or {}
    try:
        figure = FIGURES[name].draw(
            subject.parts, size="slide", inches=drawn_inches(size, zoom), **settings
        )
    except TypeError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"figure {name!r} cannot be drawn with {dict(options or {})!r}: {error}"
        ) from error
    whole = undressed(figure, size, zoom)
    figures = stepwise(figure, STEPS[name](figure)) if name in STEPS else (figure,)
    return replace(whole, figures=figures)


def undressed(figure: Figure, size: tuple[float, float], zoom: float = 1.0) -> Pictures:
    """Return a figure for a slide, which has a title of its own: the figure's is its alternative.

    Args:
        figure: of size ``"slide"``, drawn in `drawn_inches`.
        size: of its place, in inches.
        zoom: how much larger its text becomes than it is drawn.
    """
    alt = " ".join(_unwrapped(text) for text in _undress(figure))
    return Pictures((sized(figure, size, zoom),), alt)


def sized(figure: Figure, size: tuple[float, float], zoom: float = 1.0) -> Figure:
    """Give a figure that was drawn for a whole slide the size that its place has, and return it.

    Args:
        figure: of size ``"slide"``.
        size: of its place, in inches.
        zoom: how much larger its text becomes than it is drawn.
    """
    figure.set_size_inches(drawn_inches(size, zoom))
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=PAD, h_pad=PAD)
    return figure


def drawn_inches(size: tuple[float, float], zoom: float = 1.0) -> tuple[float, float]:
    """Return the size that a figure is drawn in, for a place of so many inches."""
    return size[0] / (zoom * ZOOM), size[1] / (zoom * ZOOM)


def _undress(figure: Figure) -> tuple[str, str]:
    """Take the figure's title and its remark away, and return them: a slide has its own."""
    said = figure.get_suptitle(), figure.get_supxlabel()
    for text in figure.texts:
        if text.get_text() in said:
            text.set_visible(False)
            text.set_in_layout(False)
    return said


def _unwrapped(text: str) -> str:
    """Join the lines of a text; between two Chinese characters without a space."""
    return re.sub(rf"(?<=[{_CJK}])\n(?=[{_CJK}])", "", text).replace("\n", " ")


# --- steps ----------------------------------------------------------------------------------------


def stepwise(figure: Figure, hidden: Iterable[Iterable[int]]) -> tuple[Figure, ...]:
    """Return copies of a figure, laid out alike, each with some of its artists hidden.

    Args:
        figure: drawn.
        hidden: for each step the places of the artists that are not to be seen, in the order of
            `_artists`.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        for _ in range(2):  # the second time finds the widths of the labels that the first placed
            engine.execute(figure)
    with mpl.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)  # a file of "none" would be drawn twice all the same
    packed = pickle.dumps(figure)
    return tuple(_without(pickle.loads(packed), places) for places in hidden)


def _without(figure: Figure, places: Iterable[int]) -> Figure:
    FigureCanvasAgg(figure)
    artists = _artists(figure)
    for place in places:
        artists[place].set_visible(False)
    return figure


def _artists(figure: Figure) -> list[Artist]:
    """The axes, then all that the first of them holds."""
    first = figure.axes[0]
    return [*figure.axes, *first.patches, *first.texts, *first.get_yticklabels()]


def _merge_steps(figure: Figure) -> list[list[int]]:
    """The backbone's maps; their laterals; then row by row from the top of the pyramid."""
    panels = range(len(figure.axes))
    before = {panel for panel in panels if panel % 5 <= 1}
    shown = [{panel for panel in panels if panel % 5 == 0}, before]
    shown += [before | set(panels[: 5 * row]) for row in range(1, len(panels) // 5 + 1)]
    return [[panel for panel in panels if panel not in seen] for seen in shown]


def _row_steps(figure: Figure) -> list[list[int]]:
    """One bar more at a time, and the picture of what it leaves."""
    artists = _artists(figure)
    first = figure.axes[0]
    rows = len(first.get_yticks())
    labels = len(artists) - rows
    panels = len(figure.axes)
    place = {panel: panel - 1 for panel in range(1, panels)}
    place |= {i: _row_of(artist) for i, artist in enumerate(artists[:labels]) if i >= panels}
    place |= {labels + row: row for row in range(rows)}
    return [[i for i, row in place.items() if row > seen] for seen in range(rows)]


def _row_of(artist: Any) -> int:
    """The row of a bar, or of a number beside it."""
    is_text = hasattr(artist, "get_position")
    row: float = artist.get_position()[1] if is_text else artist.get_y() + artist.get_height() / 2
    return round(row)


STEPS: dict[str, Callable[[Figure], list[list[int]]]] = {
    "merges": _merge_steps,
    "funnel": _row_steps,
    "detection_funnel": _row_steps,
}
"""The figures that are shown step by step."""


# --- picture files --------------------------------------------------------------------------------


def from_file(
    file: Path | BinaryIO, *, theme: str, size: tuple[float, float], place: str = ""
) -> Figure:
    """Return a picture file as a figure of a slide.

    Args:
        file: its path, or the open file.
        theme: of the deck.
        size: that it may have, in inches.
        place: where it is asked for, for the message.

    Raises:
        InputError: it cannot be read, or is no picture.
    """
    try:
        with Image.open(file) as picture:
            return from_pixels(picture, theme=theme, size=size)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        name = repr(str(file)) if isinstance(file, Path) else "of the notebook"
        why = "it is no picture" if isinstance(error, UnidentifiedImageError) else error
        before = f"{place}: " if place else ""
        raise InputError(f"{before}the picture {name} cannot be read: {why}") from error


def from_pixels(picture: Image.Image, *, theme: str, size: tuple[float, float]) -> Figure:
    """Return a picture as a figure as large as fits, on the deck's own background."""
    import numpy as np

    pixels = np.asarray(picture.convert("RGBA"))
    height, width = pixels.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    with mpl.rc_context({"figure.dpi": 100}):
        figure = Figure((width * scale, height * scale), facecolor=THEMES[theme].paper)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(pixels, interpolation="antialiased", aspect="auto")
    ax.set_axis_off()
    return figure
