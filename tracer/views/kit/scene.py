"""A map laid over its picture: which pixels a cell stands for, and which cell a pixel lies in."""

from __future__ import annotations

from dataclasses import dataclass

from tracer.rcnn.anatomy import FeatureMap, Plane

FIRST = 0.0
"""Where the first cell begins, in cells from the picture's corner; the one place that says so."""


@dataclass(frozen=True)
class Cells:
    """The cells of a map, or of the part of it that a small picture shows.

    Attributes:
        shape: how many there are, (rows, columns).
        stride: pixels of the resized image per cell, (vertical, horizontal).
    """

    shape: tuple[int, int]
    stride: tuple[float, float]

    def box(
        self, row: float, column: float, rows: float = 1, columns: float = 1
    ) -> tuple[float, float, float, float]:
        """Return the pixels of some cells as x1, y1, x2, y2, from the first of them on."""
        down, right = self.stride
        top, left = row + FIRST, column + FIRST
        return left * right, top * down, (left + columns) * right, (top + rows) * down

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The pixels of all cells as left, right, bottom, top: what matplotlib asks for."""
        left, top, right, bottom = self.box(0, 0, *self.shape)
        return left, right, bottom, top

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Return (row, column) of the cell that a pixel lies in, or of the nearest."""
        places = (pixel / side - FIRST for pixel, side in zip((y, x), self.stride, strict=True))
        row, column = (
            min(max(int(place), 0), size - 1)
            for place, size in zip(places, self.shape, strict=True)
        )
        return row, column

    def affine(self, scale: float) -> tuple[float, float, float, float, float, float]:
        """Return the way from a picture's pixels, so many to one resized, to cells, as Pillow's."""
        down, right = self.stride
        return 1 / (right * scale), 0, -FIRST, 0, 1 / (down * scale), -FIRST


def cells(feature: FeatureMap, plane: Plane | None = None) -> Cells:
    """Return where the cells of a map lie; with a plane, where those that it shows do."""
    if plane is None:
        return Cells(feature.shape[-2:], feature.stride)
    rows, columns = plane.values.shape
    down, right = feature.stride
    return Cells((rows, columns), (down * plane.step, right * plane.step))
