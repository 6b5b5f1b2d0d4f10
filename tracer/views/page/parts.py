"""What the drawings are put together from."""

from __future__ import annotations

import numpy as np

from tracer.languages import languages
from tracer.views.kit.palette import level_colour, written_on
from tracer.views.page.shell import texts

Arrays = dict[str, np.ndarray]
Group = tuple[list[str], str, str]
"""Of boxes that belong together: name in every language, colour, colour of text on it."""


def put(arrays: Arrays, name: str, values: np.ndarray, dtype: type) -> dict[str, str]:
    """Keep an array for the page and return what stands for it in the JSON data."""
    arrays[f"scene/{name}"] = np.ascontiguousarray(values, dtype)
    return {"array": f"scene/{name}"}


said = texts.each
"""One of the page's texts in each of its languages, its {names} filled in."""


def alike(text: str) -> list[str]:
    """Return what is the same in every language."""
    return [text for _ in languages()]


def coloured_group(names: list[str], colour: str) -> Group:
    """Return a group in a colour, black or white text on it."""
    return names, colour, written_on(colour)


def level_group(name: str) -> Group:
    """Return a level as a group of boxes; P2 has the same colour everywhere, as in the figures."""
    return coloured_group(alike(name), level_colour(name))


def indent(line: str) -> int:
    """Return how far a line of code is indented."""
    return len(line) - len(line.lstrip())
