"""The screen's theme, and pictures as large as a pane."""

from __future__ import annotations

import numpy as np

from tracer.views.kit.palette import THEMES

THEME = THEMES["dark"]
"""Of the whole screen."""


def fitted(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a plane to fit into width × height by repeating or dropping pixels, as [h, w]."""
    rows, columns = plane.shape
    scale = min(width / columns, height / rows)
    new = (max(1, int(rows * scale)), max(1, int(columns * scale)))
    y, x = (np.arange(n) * old // n for n, old in zip(new, plane.shape, strict=True))
    return plane[np.ix_(y, x)]
