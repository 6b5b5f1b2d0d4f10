"""The screen's theme, and values as colours of a picture."""

from __future__ import annotations

import numpy as np

from tracer.views.kit.palette import THEMES

THEME = THEMES["dark"]
"""Of the whole screen."""

_ANCHORS = np.array(
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], float
)
"""Five colours, evenly spread from low to high, that also differ in lightness (viridis)."""


def coloured(plane: np.ndarray) -> np.ndarray:
    """Turn values 0–255, uint8 [h, w], into colours, uint8 [h, w, 3]."""
    position = plane.astype(float) / 255 * (len(_ANCHORS) - 1)
    grid = np.arange(len(_ANCHORS))
    channels = [np.interp(position, grid, _ANCHORS[:, c]) for c in range(3)]
    found: np.ndarray = np.stack(channels, axis=-1).round().astype(np.uint8)
    return found


def fitted(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a plane to fit into width × height by repeating or dropping pixels, as [h, w]."""
    rows, columns = plane.shape
    scale = min(width / columns, height / rows)
    new = (max(1, int(rows * scale)), max(1, int(columns * scale)))
    y, x = (np.arange(n) * old // n for n, old in zip(new, plane.shape, strict=True))
    return plane[np.ix_(y, x)]
