"""Every colour of every view: levels, stages, classes, samples, paper and ink, source code.

A level has one colour wherever it is shown, a stage another, and no class, sample or series of a
chart shares one with a level. Levels have the colours of Okabe and Ito
(https://jfly.uni-koeln.de/color/), classes those that Paul Tol calls muted
(https://personal.sron.nl/~pault/): both are told apart by colour-blind eyes. C5, P5 and every box
pooled from P5 share one; where two levels have the same stride, the second takes a spare one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache

import numpy as np

_BY_EXPONENT = {
    1: "#999999",
    2: "#0072B2",  # blue
    3: "#E69F00",  # orange
    4: "#009E73",  # green
    5: "#CC79A7",  # purple
    6: "#D55E00",  # vermilion
    7: "#56B4E9",  # sky blue
}
_SPARE = ("#56B4E9", "#F0E442", "#999999")

CYCLE = ("#648FFF", "#DC267F", "#FFB000", "#785EF0", "#FE6100", "#5d6675")
"""For series of a chart that are no levels: IBM's design colours, for colour-blind eyes too."""

CLASSES = (
    *("#CC6677", "#88CCEE", "#DDCC77", "#44AA99", "#AA4499"),
    *("#117733", "#999933", "#882255", "#332288"),
)

STAGES = {
    "transform": ("#7d8794", "#8b95a3"),
    "stem": ("#b07aa1", "#c79abb"),
    "layer1": ("#d3764c", "#e58f69"),
    "layer2": ("#d9982e", "#e3ad52"),
    "layer3": ("#b8a622", "#cdbd47"),
    "layer4": ("#7f9f3f", "#9dbd5c"),
    "fpn": ("#2f8f83", "#4bb0a3"),
    "rpn": ("#3b7fc4", "#62a1e2"),
    "roi_heads": ("#6a68c2", "#908ee0"),
    "postprocess": ("#a2528f", "#c47ab2"),
    "losses": ("#b3455a", "#e07a8d"),
}
"""Of each stage of a pass, on light and on dark paper."""

_KIN = {
    "body": "layer2",
    "backbone": "layer2",
    "head": "rpn",
    "anchors": "roi_heads",
    "weights": "stem",
    "build": "stem",
    "activations": "layer4",
    "questions": "rpn",
}
"""Stages of a construction, of other detectors and of a talk: whose colour they have."""

CHANNELS = ("#d62728", "#2ca02c", "#1f77b4")
"""Of the red, the green and the blue channel of a picture."""

SEQUENTIAL = "viridis"
"""Colour map of magnitudes and scores in figures and explorers, one of matplotlib's."""

SCORES = "magma"
"""Of scores that lie over a grey picture."""

DIVERGING = "PuOr_r"
"""Colour map of values around zero; both ends are told apart by colour-blind eyes."""


SCREEN, TERMINAL = "screen", "terminal"
RAMPS = {
    # dark to light in even steps of lightness: blue, teal, green, yellow
    SCREEN: ("#0d102e", "#262869", "#28528c", "#227d8e", "#34a57a", "#85c84f", "#f0e25c"),
    TERMINAL: ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"),  # five of viridis
}
"""Colour maps of our own: of values in page and deck, where no matplotlib is, and in a terminal."""


@cache
def ramp(name: str) -> np.ndarray:
    """Return the 256 colours of a map, uint8 [256, 3]: one of `RAMPS`, else matplotlib's."""
    if name not in RAMPS:
        import matplotlib as mpl

        colours = mpl.colormaps[name](np.arange(256))[:, :3] * 255
    else:
        stops = [channels(colour) for colour in RAMPS[name]]
        at = np.arange(256) / 255 * (len(stops) - 1)
        parts = np.transpose(stops)
        colours = np.stack([np.interp(at, np.arange(len(stops)), part) for part in parts], -1)
    found: np.ndarray = colours.round().astype(np.uint8)
    return found


def level_colour(name: str) -> str:
    """Return the colour of a level or backbone map by its name, ``"P4"``, ``"C4"``, ``"P5b"``."""
    found = re.fullmatch(r"[A-Z]+(\d+)([b-z]?)", name)
    if found is None:
        return _SPARE[-1]
    if found[2]:
        return _SPARE[(ord(found[2]) - ord("b")) % len(_SPARE)]
    return _BY_EXPONENT.get(int(found[1]), _SPARE[1])


def class_colour(label: int) -> str:
    """Return the colour of a class; they repeat after nine."""
    return CLASSES[(label - 1) % len(CLASSES)]


def stage_colour(name: str | None, theme: str = "light") -> str:
    """Return the colour of a stage by its name in a recording; the muted one of any other."""
    named = STAGES.get(_KIN.get(name or "", name or ""))
    return named[theme == "dark"] if named else THEMES[theme].muted


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of everything that is not data.

    Attributes:
        paper: background of figures, slides and panes; `ground` is what panes lie on.
        ink: text.
        muted: secondary text, arrows.
        faint: grid lines, frames.
        panel: background of boxes in diagrams, of what is pointed at.
        accent, accent_soft: what can be pressed; bars of a histogram.
        here: behind the line where the cursor stands; `edge` is its arrow.
        fresh: what has just changed.
        error: what went wrong.
        bar: parts of a chart that stay in the background.
        positive, negative, low_quality, ignored: samples and matches; `target`: ground truth.
        warn: what a reader must not overlook.
    """

    paper: str
    ground: str
    ink: str
    muted: str
    faint: str
    panel: str
    accent: str
    accent_soft: str
    here: str
    edge: str
    fresh: str
    error: str
    bar: str
    positive: str = "#228833"
    negative: str = "#EE6677"
    low_quality: str = "#66CCEE"
    ignored: str = "#8f8f8f"
    target: str = "#FFE14D"
    warn: str = "#E3123B"


THEMES = {
    "light": Theme(
        paper="#ffffff",
        ground="#f8f9fb",
        ink="#1f2430",
        muted="#5d6675",
        faint="#dfe3ea",
        panel="#f3f5f8",
        accent="#1f5fa8",
        accent_soft="#a9c6e6",
        here="#fff3cf",
        edge="#d9a400",
        fresh="#7a5200",
        error="#b3261e",
        bar="#d5d9e0",
    ),
    "dark": Theme(
        paper="#14171f",
        ground="#0f1218",
        ink="#e8eaf0",
        muted="#9aa4b5",
        faint="#343a48",
        panel="#1f2430",
        accent="#7db4f0",
        accent_soft="#355a85",
        here="#3a3219",
        edge="#d9a400",
        fresh="#f0cf7a",
        error="#ff8a80",
        bar="#3a414c",
    ),
}

TAG = THEMES["dark"].paper
"""Behind a label on a picture that belongs to no level, and the outline of what is drawn there."""

SOURCE = {
    "light": {
        "k": "#7b3fa0", "s": "#2f6b3a", "c": "#5d6571", "n": "#a14a12", "f": "#1f5fa8",
        "d": "#855700", "b": "#10686f",
    },
    "dark": {
        "k": "#cfa3ea", "s": "#93cf9c", "c": "#9ba4b3", "n": "#efa56f", "f": "#8fc0f5",
        "d": "#e0bb62", "b": "#7fd0d6",
    },
}  # fmt: skip
"""Of source code, by theme and kind: keyword, string, comment, number, name, decorator, built-in.
Plain text and operators have the colour of all text."""


def css(theme: str) -> str:
    """Return a theme, its source and its stages as declarations of CSS variables."""
    return "".join(f"--{name}:{colour};" for name, colour in _variables(theme))


def _variables(theme: str) -> Iterator[tuple[str, str]]:
    it = THEMES[theme]
    yield from ((field.name.replace("_", "-"), getattr(it, field.name)) for field in fields(it))
    yield from SOURCE[theme].items()
    yield SCREEN, ",".join(RAMPS[SCREEN])
    yield from ((f"stage-{name}", stage_colour(name, theme)) for name in (*STAGES, *_KIN))


def written_on(colour: str) -> str:
    """Return the colour of text on a colour: dark on light ones, else white."""
    return THEMES["dark"].paper if light(colour) else THEMES["light"].paper


def channels(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue of ``"#rrggbb"``, 0–255."""
    red, green, blue = bytes.fromhex(colour[1:7])
    return red, green, blue


def light(colour: str) -> bool:
    """Whether dark text reads better on a colour than white."""
    red, green, blue = channels(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue > 150
