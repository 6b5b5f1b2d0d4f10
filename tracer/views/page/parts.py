"""What the drawings are put together from."""

from __future__ import annotations

import re

import numpy as np

Arrays = dict[str, np.ndarray]
Group = tuple[str, str, str]
"""Of boxes that belong together: their name in English and in Chinese, their colour."""


def put(arrays: Arrays, name: str, values: np.ndarray, dtype: type) -> str:
    """Keep an array for the page and return the name that it has there."""
    arrays[f"scene/{name}"] = np.ascontiguousarray(values, dtype)
    return f"scene/{name}"


def level_group(name: str) -> Group:
    """Return a level as a group of boxes; P2 has the same colour everywhere, as in the figures."""
    number = re.search(r"\d+", name)
    return name, name, f"level-{min(max(int(number[0]) if number else 1, 1), 7)}"
