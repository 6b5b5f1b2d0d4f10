"""How a single value, or a shape, is written where a person reads it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Union

from tracer.foreign import clean

Cell = Union[None, bool, int, float, str]  # noqa: UP007 (evaluated at run time)


def shown(cell: Cell, kind: str = "text") -> str:
    """Return what a reader sees of a cell in a column of this kind; ``""`` for None."""
    if cell is None:
        return ""
    if isinstance(cell, (bool, str)):
        return clean(str(cell))
    if isinstance(cell, float) and not math.isfinite(cell):
        return str(cell)
    return WRITERS.get(kind, str)(cell)


def dims(shape: Iterable[int], none: str = "scalar") -> str:
    """``(2, 256, 32, 40)`` → ``2×256×32×40``; of a tensor without axes, `none`."""
    return "×".join(str(size) for size in shape) or none


def box_size(box: Iterable[float]) -> str:
    """Write a box's height and width, ``"60×80"``, from x1, y1, x2, y2 in pixels."""
    x1, y1, x2, y2 = map(float, box)
    return f"{y2 - y1:.0f}×{x2 - x1:.0f}"


def count(value: float) -> str:
    """``25557032`` → ``25,557,032``."""
    return f"{value:,}"


def large(value: float) -> str:
    """A large count with three digits and a unit: ``118013952`` → ``118 M``."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        # 999 500 and more of one unit would be rounded to 1000 of it.
        if abs(value) >= 0.9995 * size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{value:.0f}"


def seconds(value: float) -> str:
    """A duration with three digits: ``0.00123`` → ``1.23 ms``."""
    if abs(value) >= 0.9995:
        return f"{_three_digits(value)} s"
    if abs(value) >= 0.9995e-3:
        return f"{_three_digits(value * 1e3)} ms"
    return f"{value * 1e6:.0f} µs"


def _three_digits(value: float) -> str:
    size = abs(value)
    return f"{value:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def fraction(value: float) -> str:
    """``0.4985`` → ``49.9 %``."""
    return f"{value * 100:.1f} %"


def overlap(value: float) -> str:
    """An IoU, with three digits: ``0.5834`` → ``0.583``."""
    return f"{value:.3f}"


def number(value: float) -> str:
    """Four significant digits; whole numbers whole, thousands parted, truth values in words.

    The page's script writes numbers alike (``numbers.js``).
    """
    if isinstance(value, bool) or not math.isfinite(value):
        return str(value)
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e9):
        return f"{value:,.0f}" if isinstance(value, float) else f"{value:,}"
    four = f"{value:.4g}"
    return four if "e" in four else f"{float(four):,g}"


WRITERS: dict[str, Callable[[float], str]] = {
    "count": count,
    "macs": large,
    "seconds": seconds,
    "fraction": fraction,
    "number": number,
    "overlap": overlap,
    "pixels": count,
}
