"""Colours: one for each pyramid level, the same everywhere, told apart by colour-blind eyes too.

The level colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/). C5, P5 and every
box pooled from P5 share one; where two levels have the same stride, the second takes a spare one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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

CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999")
"""For things that are not levels, in the same order."""

SEQUENTIAL = "viridis"
"""Colour map of magnitudes and scores."""

DIVERGING = "PuOr_r"
"""Colour map of values around zero; both ends are told apart by colour-blind eyes."""


def level_colour(name: str) -> str:
    """Return the colour of a level or backbone map by its name, ``"P4"``, ``"C4"``, ``"P5b"``."""
    found = re.fullmatch(r"[A-Z]+(\d+)([b-z]?)", name)
    if found is None:
        return _SPARE[-1]
    if found[2]:
        return _SPARE[(ord(found[2]) - ord("b")) % len(_SPARE)]
    return _BY_EXPONENT.get(int(found[1]), _SPARE[1])


def class_colour(label: int) -> str:
    """Return the colour of a class; they repeat after eight."""
    return CYCLE[(label - 1) % len(CYCLE)]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of everything that is not data.

    Attributes:
        paper: background.
        ink: text.
        muted: secondary text, arrows.
        faint: grid lines, frames.
        panel: background of boxes in diagrams.
        positive, negative, ignored: samples; `target` is for ground truth.
        warn: what a reader must not overlook.
    """

    paper: str
    ink: str
    muted: str
    faint: str
    panel: str
    positive: str = "#009E73"
    negative: str = "#D55E00"
    ignored: str = "#999999"
    target: str = "#F0E442"
    warn: str = "#D55E00"


THEMES = {
    "light": Theme("#ffffff", "#1f2430", "#5d6675", "#dfe3ea", "#f3f5f8"),
    "dark": Theme("#14171f", "#e8eaf0", "#9aa4b5", "#343a48", "#1f2430"),
}


def written_on(colour: str) -> str:
    """Return the colour of text on a colour."""
    return "#14171f" if light(colour) else "#ffffff"


def light(colour: str) -> bool:
    """Whether dark text reads better on a colour than white."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue > 150
