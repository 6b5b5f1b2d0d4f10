"""What the drawings are put together from."""

from __future__ import annotations

import math
import re

import numpy as np

from tracer.languages import languages
from tracer.views.page.shell import texts

Arrays = dict[str, np.ndarray]
Group = tuple[list[str], str, str]
"""Of boxes that belong together: name in every language, colour, colour of text on it."""

LEVEL_COLOURS = ("#999999", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Of P1 to P7, as in the figures."""


def put(arrays: Arrays, name: str, values: np.ndarray, dtype: type) -> dict[str, str]:
    """Keep an array for the page and return what stands for it in the JSON data."""
    arrays[f"scene/{name}"] = np.ascontiguousarray(values, dtype)
    return {"array": f"scene/{name}"}


said = texts.each
"""One of the page's texts in each of its languages, its {names} filled in."""


def alike(text: str) -> list[str]:
    """Return what is the same in every language."""
    return [text for _ in languages()]


def number(value: float) -> str:
    """Write a number as the page does: four digits, whole numbers whole, thousands parted."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{value:,.0f}".replace(",", "\u202f")
    if 1e-4 <= abs(value) < 1e5:
        return f"{float(f'{value:.4g}'):g}"
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.2e}")


def big(n: int) -> str:
    """Write a large count in three digits: 41.3 M, 5.2 k."""
    power = min(int(math.log10(max(n, 1))) // 3, 4)
    return f"{float(f'{n / 1000**power:.3g}'):g}{('', ' k', ' M', ' G', ' T')[power]}"


def coloured_group(names: list[str], level: int) -> Group:
    """Return a group in the colour of a level, black or white text on it."""
    colour = LEVEL_COLOURS[level - 1]
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    light = 0.3 * red + 0.59 * green + 0.11 * blue > 130
    return names, colour, "#14171f" if light else "#ffffff"


def level_group(name: str) -> Group:
    """Return a level as a group of boxes; P2 has the same colour everywhere, as in the figures."""
    number = re.search(r"\d+", name)
    return coloured_group(alike(name), min(max(int(number[0]) if number else 1, 1), 7))


def indent(line: str) -> int:
    """Return how far a line of code is indented."""
    return len(line) - len(line.lstrip())
