"""Boxes, maps and points over a picture as data: figures, explorers, page and decks draw the same.

There is a painter for each: `Sheet` for matplotlib, `Canvas` for Pillow, and ``paint.js`` for what
runs in a browser. Where names stand they all find by one rule, `places`; where the cells of a map
lie says `Cells`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tracer.rcnn.anatomy import FeatureMap, Grid, Plane
from tracer.rcnn.anatomy.geometry import Cells
from tracer.views.kit.palette import (
    SEQUENTIAL,
    THEMES,
    channels,
    class_colour,
    level_colour,
    ramp,
    written_on,
)

Size = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Marks:
    """Boxes on a picture, each of a group and in its colour.

    Attributes:
        xyxy: float [N, 4] as x1, y1, x2, y2 in pixels of the picture, the most important first.
        group: int64 [N], which of `groups` each belongs to.
        groups: name and colour, ``("P3", "#E69F00")``.
        names: what is written at each box; empty for nothing.
    """

    xyxy: np.ndarray
    group: np.ndarray
    groups: tuple[tuple[str, str], ...]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many boxes there are."""
        return len(self.xyxy)

    @property
    def colours(self) -> list[str]:
        """The colour of each box."""
        return [self.groups[group][1] for group in self.group]

    def take(self, index: np.ndarray | slice) -> Marks:
        """Return some of the boxes, in the order of an index, mask or slice."""
        names = tuple(np.asarray(self.names, object)[index]) if self.names else ()
        return replace(self, xyxy=self.xyxy[index], group=self.group[index], names=names)

    def data(self) -> dict[str, list[object]]:
        """Return what ``paint.js`` draws from, for JSON."""
        return {
            "boxes": self.xyxy.ravel().tolist(),
            "group": self.group.tolist(),
            "colours": [colour for _, colour in self.groups],
            "inks": [written_on(colour) for _, colour in self.groups],
            "names": list(self.names),
        }


@dataclass(frozen=True, eq=False)
class Overlay:
    """The values of a map, a cell of one colour for each.

    Attributes:
        values: float [h, w].
        cells: where they lie, in pixels of the picture; of a map by itself, in cells of its own.
        span: what the first and the last colour stand for.
        colours: the name of a colour map.
        alpha: how much of it is seen, 0–1.
    """

    values: np.ndarray
    cells: Cells
    span: tuple[float, float]
    colours: str = SEQUENTIAL
    alpha: float = 1

    @property
    def bytes(self) -> np.ndarray:
        """Which of the 256 colours each cell has, uint8 [h, w]."""
        return in_bytes(self.values, *self.span)

    def data(self) -> dict[str, list[float]]:
        """Return what ``paint.js`` draws `bytes` by, for JSON."""
        return {"range": [*self.span], "stride": [*self.cells.stride]}

    @property
    def pixels(self) -> np.ndarray:
        """The colours of the cells, uint8 [h, w, 3]; NaN and infinities in the warning colour."""
        found: np.ndarray = ramp(self.colours)[self.bytes]
        found[~np.isfinite(self.values)] = channels(THEMES["light"].warn)
        return found


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a picture.

    Attributes:
        xy: float [N, 2] in pixels of the picture.
        colour: of all of them.
        size: their diameter, in heights of the text in the picture.
        edge: the colour around each, or none.
    """

    xy: np.ndarray
    colour: str = "#ffffff"
    size: float = 0.2
    edge: str = ""


@dataclass(frozen=True, eq=False)
class Ruled:
    """Lines that part a box evenly, as the bins of RoIAlign do.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the picture.
        rows, columns: how many parts there are.
        colour: of the lines.
    """

    box: tuple[float, float, float, float]
    rows: int
    columns: int
    colour: str = "#ffffff"

    @property
    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the upright and the level ones stand, [columns + 1] and [rows + 1]."""
        x1, y1, x2, y2 = self.box
        return np.linspace(x1, x2, self.columns + 1), np.linspace(y1, y2, self.rows + 1)


def over(
    feature: FeatureMap, plane: Plane, span: tuple[float, float] | None = None,
    colours: str = SEQUENTIAL, alpha: float = 1,
) -> Overlay:  # fmt: skip
    """Lay a plane of a map where it is on the picture; without a span, by `limits`."""
    span = limits(plane.values) if span is None else span
    return Overlay(plane.values, feature.cells(plane), span, colours, alpha)


def alone(
    values: np.ndarray, span: tuple[float, float] | None = None, step: int = 1, alpha: float = 1
) -> Overlay:
    """Show values [h, w] by themselves, cell i at i; of a thinned map at i steps."""
    cells = Cells((len(values), len(values[0])), (step, step))
    return Overlay(values, cells, limits(values) if span is None else span, alpha=alpha)


def bins(grid: Grid, colour: str = "#ffffff") -> Ruled:
    """Return the bins of RoIAlign, in cells of the map."""
    (x, y), (rows, columns), (tall, wide) = grid.roi[:2].tolist(), grid.bins, grid.bin_size
    return Ruled((x, y, x + columns * wide, y + rows * tall), rows, columns, colour)


def stand(cells: Cells, colour: str = "#ffffff") -> Points:
    """Return where the points of a map stand."""
    down, right = cells.stride
    rows, columns = np.indices(cells.shape)
    return Points(np.stack([columns.ravel() * right, rows.ravel() * down], -1), colour)


def limits(values: np.ndarray, share: float = 0.5) -> tuple[float, float]:
    """Return the range to show: all but the outermost `share` percent at each end.

    Of a map the cells at its border do not count: they see the zeros that convolutions pad with,
    and often stand out so far that nothing else is seen.
    """
    values = without_border(values)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, [share, 100 - share]).tolist()
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def without_border(values: np.ndarray) -> np.ndarray:
    """Return a map [h, w] without its border of 5 % at each side; small ones as they are."""
    if values.ndim != 2 or min(values.shape) < 10:
        return values
    rows, columns = (max(1, round(size * 0.05)) for size in values.shape)
    return values[rows:-rows, columns:-columns]


def in_bytes(values: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Return values as 8 bits, the lowest as 0 and the highest as 255."""
    found = np.nan_to_num(values.astype(np.float32))
    least = float(found.min()) if low is None else low
    most = float(found.max()) if high is None else high
    with np.errstate(over="ignore"):  # infinities count as the largest number that there is
        pixels: np.ndarray = np.clip((found - least) * (255 / ((most - least) or 1)) + 0.5, 0, 255)
    return pixels.astype(np.uint8)


def by_level(
    xyxy: np.ndarray, level: np.ndarray, levels: Sequence[str], named: bool = False
) -> Marks:
    """Return boxes in the colours of their levels, given as indices; if wanted with their names."""
    names = tuple(levels[index] for index in level) if named else ()
    return Marks(xyxy, level, tuple((name, level_colour(name)) for name in levels), names)


def by_class(
    xyxy: np.ndarray,
    labels: np.ndarray,
    called: Callable[[int], str],
    scores: np.ndarray | None = None,
) -> Marks:
    """Return boxes in the colours of their classes; with scores, named by class and score."""
    there, group = np.unique(labels, return_inverse=True)
    groups = tuple((called(int(label)), class_colour(int(label))) for label in there)
    pairs = () if scores is None else zip(group, scores, strict=True)
    return Marks(xyxy, group, groups, tuple(f"{groups[g][0]} {score:.2f}" for g, score in pairs))


def places(boxes: np.ndarray, sizes: Sequence[Size], frame: Size) -> list[Size | None]:
    """Return where the names of boxes stand, x and y of their upper left corners; None for nowhere.

    A name stands at the corner of its box where it hides least of all boxes and of no other name.

    Args:
        boxes: float [N, 4] as x1, y1, x2, y2, the most important first.
        sizes: width and height of each name.
        frame: width and height of the picture, which no name leaves.
    """
    found: list[Size | None] = []
    taken = np.zeros((0, 4))
    for box, (wide, tall) in zip(boxes.tolist(), sizes, strict=True):
        x1, y1, x2, y2 = box
        corners = [
            *((x1, y1 - tall), (x1, y2), (x2 - wide, y1 - tall), (x2 - wide, y2)),
            *((x1, y1), (x2 - wide, y1), (x1, y2 - tall), (x2 - wide, y2 - tall)),
        ]
        most = (max(frame[0] - wide, 0), max(frame[1] - tall, 0))
        spots = np.clip(np.asarray(corners, float), 0, most)
        spots = np.concatenate([spots, spots + np.asarray([wide, tall])], 1)
        free = spots[~(_hidden(taken, spots) > 0).any(0)]
        if len(free) == 0:
            found.append(None)
            continue
        best = free[_hidden(boxes, free).sum(0).argmin()]
        taken = np.concatenate([taken, best[None]])
        found.append((float(best[0]), float(best[1])))
    return found


def _hidden(boxes: np.ndarray, spots: np.ndarray) -> np.ndarray:
    """Return which part of each box lies in each spot, 0–1, [N, M]."""
    low = np.maximum(boxes[:, None, :2], spots[None, :, :2])
    sides = np.maximum(np.minimum(boxes[:, None, 2:], spots[None, :, 2:]) - low, 0)
    whole = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-9)
    found: np.ndarray = sides.prod(2) / whole[:, None]
    return found
