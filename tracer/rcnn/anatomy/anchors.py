"""Where boxes come from: anchors, and what is read of box coders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracer.errors import MissingError, NotRecorded
from tracer.rcnn.anatomy.fpn import Level, Pyramid
from tracer.rcnn.anatomy.reading import Pass, numbers
from tracer.record import Call


@dataclass(frozen=True, eq=False)
class Anchors:
    """The anchors, the same for every image of the batch, in resized pixels.

    They lie on the padded batch; those beyond an image's own size are anchors too.

    Attributes:
        levels: of the pyramid.
        xyxy: float32 [A, 4] of all levels, finest first; within a level row by row, and within a
            cell in the order of `base`.
        level: int64 [A], index of each anchor's level.
        base: per level, float32 [K, 4] around the origin: what every cell of the level gets.
        counts: anchors per level.
        steps: per level, (vertical, horizontal) distance of neighbouring cells in pixels.
    """

    levels: tuple[Level, ...]
    xyxy: np.ndarray
    level: np.ndarray
    base: tuple[np.ndarray, ...]
    counts: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        """How many anchors there are."""
        return len(self.xyxy)

    def start(self, level: int) -> int:
        """Return the index of a level's first anchor."""
        return sum(self.counts[:level])

    def at_cell(self, level: int, row: int, column: int) -> np.ndarray:
        """Return the indices of a cell's anchors, int64 [K]."""
        per_cell = len(self.base[level])
        width = self.levels[level].map.shape[-1]
        first = self.start(level) + (row * width + column) * per_cell
        return np.arange(first, first + per_cell)

    def cell_of(self, index: int) -> tuple[int, int, int, int]:
        """Return (level, row, column, which of the cell's anchors) of an anchor."""
        level = int(self.level[index])
        cell, which = divmod(index - self.start(level), len(self.base[level]))
        return (level, *divmod(cell, self.levels[level].map.shape[-1]), which)

    def cell_at(self, level: int, x: float, y: float) -> tuple[int, int]:
        """Return (row, column) of the cell that a pixel lies in, as every view of the level does.

        Its anchors stand at its point, but on a level whose size was rounded up: there the steps
        are ⌊padded size / cells⌋ and the anchors fall behind (61 pixels for a stride of 64, say).
        """
        return self.levels[level].map.cells().at(x, y)


def read_anchors(run: Pass, pyramid: Pyramid) -> Anchors:
    """Read the anchors, or lay the kept base anchors out over the maps as the generator does.

    Raises:
        MissingError: the model has no anchors, or they were not kept.
    """
    path = "anchor_generator" if run.one_stage else "rpn.anchor_generator"
    call = run.need_module(path, "anchors")
    maps = call.args.get("feature_maps")
    if maps is None or len(maps.items) != len(pyramid):
        raise MissingError(f"{call.label} was not given the {len(pyramid)} maps of the backbone")
    base = _base_anchors(run, call)
    assert run.transform.result is not None
    padded = run.shape(run.transform.result[0]["tensors"])[-2:]
    grids = [level.map.shape[-2:] for level in pyramid.levels]
    steps = tuple((padded[0] // rows, padded[1] // columns) for rows, columns in grids)
    laid = [lay(b, grid, step) for b, grid, step in zip(base, grids, steps, strict=True)]
    counts = tuple(len(each) for each in laid)
    recorded = None if call.result is None else run.maybe(call.result.get(0))
    every = np.concatenate(laid) if recorded is None else recorded
    level = np.repeat(np.arange(len(counts)), counts)
    return Anchors(pyramid.levels, every, level, tuple(base), counts, steps)


def lay(base: np.ndarray, grid: tuple[int, int], step: tuple[int, int]) -> np.ndarray:
    """Put base anchors [K, 4] at every cell of a grid; float32 [rows × columns × K, 4]."""
    y, x = np.meshgrid(
        np.arange(grid[0], dtype=np.int32) * step[0],
        np.arange(grid[1], dtype=np.int32) * step[1],
        indexing="ij",
    )
    shifts = np.stack([x, y, x, y], -1).reshape(-1, 1, 4).astype(base.dtype)
    found: np.ndarray = (shifts + base[None]).reshape(-1, 4)
    return found


def base_anchors(size: float, ratios: np.ndarray) -> np.ndarray:
    """Return the boxes of a size around the origin, one per ratio, rounded to whole pixels.

    The arithmetic of ``AnchorGenerator.generate_anchors``: a box of height over width `ratio`
    has the area size × size.

    Args:
        size: in pixels.
        ratios: float32 [K], height over width.
    """
    tall = np.sqrt(ratios.astype(np.float32))
    heights, widths = tall * np.float32(size), (np.float32(1) / tall) * np.float32(size)
    return np.round(np.stack([-widths, -heights, widths, heights], 1) / 2)


def shapes_of(base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return √(w·h) in pixels and h/w of base anchors [K, 4]."""
    width, height = (base[:, 2] - base[:, 0]), (base[:, 3] - base[:, 1])
    return np.sqrt(width * height), height / np.maximum(width, 1)


def ratios_of(anchors: Anchors) -> list[float]:
    """Return the ratios h/w that the model's anchors have, rising.

    Rounding to whole pixels blurs them, the less the larger the anchor: 22 over 46 is a 0.5.
    """
    found: list[float] = []
    for base in reversed(anchors.base):
        for ratio in shapes_of(base)[1].tolist():
            if not any(abs(np.log(ratio / known)) < 0.15 for known in found):
                found.append(round(ratio * 20) / 20 or ratio)
    return sorted(found)


def _base_anchors(run: Pass, generator: Call) -> list[np.ndarray]:
    """Base anchors pass through ``set_cell_anchors``, a ``to`` per level."""
    setting = run.function("AnchorGenerator.set_cell_anchors", generator)
    moved = () if setting is None else run.named("op", "to", setting)
    base = [run.maybe(call.result) for call in moved]
    if not base or any(b is None for b in base):
        kind = run.trace.modules[generator.path].type
        if kind != "AnchorGenerator":
            raise MissingError(
                f"{run.model.type} has no anchors of the kind that is read here: its {kind} lays "
                "out default boxes by a rule of its own"
            )
        raise NotRecorded("the base anchors are not in the trace", keep="anatomy", grain="op")
    return [b for b in base if b is not None]


def coder_weights(run: Pass, coding: Call | None, usual: tuple[float, ...]) -> tuple[float, ...]:
    """Return the weights (for dx, dy, dw, dh) that a decoding divided the deltas by.

    Args:
        run: the pass.
        coding: a call of ``BoxCoder.decode``.
        usual: torchvision's own, where ops were not recorded.
    """
    single = None if coding is None else run.function("BoxCoder.decode_single", coding)
    divided = () if single is None else run.named("op", "div", single)
    found = tuple(float(numbers(op)[0]) for op in divided[:4] if numbers(op))
    return found if len(found) == 4 else usual


def coder_limit(run: Pass, coding: Call | None) -> float:
    """Return what a decoding clamped dw and dh to."""
    single = None if coding is None else run.function("BoxCoder.decode_single", coding)
    for op in () if single is None else run.named("op", "clamp", single):
        value = op.args.get("max")
        if value is not None and isinstance(value.scalar, float):
            return value.scalar
    return float(np.log(1000 / 16))
