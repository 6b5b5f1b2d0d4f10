"""Flows of maps: padding into the batch, stride, lateral + upsampled, RoIAlign."""

from __future__ import annotations

import numpy as np

from tracer.errors import MissingError
from tracer.languages import languages, listed
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy
from tracer.rcnn.facts import Here, read
from tracer.views.kit.flows.model import Board, Flow, Place, fit, small
from tracer.views.kit.palette import level_colour
from tracer.views.kit.scene import in_bytes

MOST_PICTURES = 3
GREY, MARK = "#8a8f98", "#d55e00"


# --- the batch ------------------------------------------------------------------------------------


def padding(parts: Anatomy) -> Flow:
    """Pictures of several sizes become one tensor."""
    board, pictures = Board("padding"), parts.pictures[:MOST_PICTURES]
    height, width = pictures[0].padded_size
    room = 600 / len(pictures)
    largest = [max(height, *(p.original_size[0] for p in pictures))]
    largest += [max(width, *(p.original_size[1] for p in pictures))]
    scale = min((room - 16) / largest[1], 250 / largest[0])
    corners = [(20 + n * room, 30.0) for n in range(len(pictures))]
    zeros = [board.new("fill", colour=GREY) for _ in pictures]
    images = [board.new("image", image=small(p.rgb())) for p in pictures]
    frames = [board.new("box", colour=MARK) for _ in pictures]

    def at(sizes: list[tuple[int, int]], shift: float = 0) -> list[Place]:
        spots = [(20 + n * shift, 30 + n * shift) for n in range(len(sizes))] if shift else corners
        return [(*spot, w * scale, h * scale) for spot, (h, w) in zip(spots, sizes, strict=True)]

    given = [p.original_size for p in pictures]
    resized = [p.resized_size for p in pictures]
    padded = [p.padded_size for p in pictures]
    board.step("given", dict(zip(images, at(given), strict=True)), {"sizes": _sizes(given)})
    board.step("resized", dict(zip(images, at(resized), strict=True)), {"sizes": _sizes(resized)})
    sides = {
        f"{name}_by": read(f"rounded_{name}", Here(parts.trace)) for name in ("height", "width")
    }
    known = {"size": dims((height, width)), **sides}
    frame = "frame" if None in sides.values() else "rounded"
    board.step(frame, dict(zip(frames, at(padded), strict=True)), known)
    share = {"share": _share(resized, padded)}
    board.step("zeros", dict(zip(zeros, at(padded), strict=True)), share)
    both = [*zip(zeros, at(padded, 22), strict=True), *zip(images, at(resized, 22), strict=True)]
    batch = dims((len(parts.pictures), 3, height, width))
    board.step("batch", dict([*both, *zip(frames, at(padded, 22), strict=True)]), {"batch": batch})
    return board.done()


def _sizes(sizes: list[tuple[int, int]]) -> dict[str, str]:
    return {lang: listed(map(dims, sizes), lang) for lang in languages()}


def _share(resized: list[tuple[int, int]], padded: list[tuple[int, int]]) -> str:
    used, whole = (sum(h * w for h, w in sizes) for sizes in (resized, padded))
    return f"{1 - used / whole:.0%}"


# --- stride ---------------------------------------------------------------------------------------


def stride(parts: Anatomy) -> Flow:
    """The first convolution's window on its way over the corner of the padded picture."""
    path = f"{parts.run.prefix}backbone.body.conv1"
    call = parts.run.module("backbone.body.conv1")
    module = parts.trace.modules.get(path)
    if module is None or call is None or call.result is None:
        raise MissingError("the backbone has no first convolution of its own (no ResNet)")
    settings = dict(module.settings)
    kernel, step, edge = (
        int(settings.get(name, usual).partition("×")[0])
        for name, usual in (("kernel_size", "1"), ("stride", "1"), ("padding", "0"))
    )
    count, board = kernel + 2 * step, Board("stride")
    cell = 230 / count
    pixels = small(parts.pictures[0].rgb()[: count - edge, : count - edge], count)
    shown = board.new("image", image=pixels)
    lines = board.new("grid", colour=GREY, cells=(count, count))
    outputs = [board.new("fill", colour=level_colour("P3")) for _ in range(4)]
    result = board.new("grid", colour=GREY, cells=(3, 3))
    window = board.new("box", colour=MARK)
    left, top, right = 30.0, 50.0, 400.0

    def looks(row: int, column: int) -> Place:
        x, y = left + column * step * cell, top + row * step * cell
        return x, y, kernel * cell, kernel * cell

    def gives(row: int, column: int) -> Place:
        return right + column * 60, top + row * 60, 60, 60

    went_in = parts.run.shape(next(v for _, v in call.args.items if v.tensor is not None))
    came_out = parts.run.shape(call.result)
    numbers = {"kernel": dims((kernel, kernel)), "step": step, "edge": edge}
    beginning: dict[int, Place] = {
        shown: (
            left + edge * cell,
            top + edge * cell,
            (count - edge) * cell,
            (count - edge) * cell,
        ),
        lines: (left, top, count * cell, count * cell),
    }
    board.step("picture", beginning, numbers)
    ways = (("first", 0, 0), ("across", 0, 1), ("again", 0, 2), ("down", 1, 0))
    for output, (key, row, column) in zip(outputs, ways, strict=True):
        place = {window: looks(row, column), output: gives(row, column)}
        board.step(key, {**place, result: (right, top, 180, 180)}, numbers)
    both = {"given": dims(went_in[-2:]), "made": dims(came_out[-2:])}
    board.step("whole", {}, {**numbers, **both})
    return board.done()


# --- the pyramid ----------------------------------------------------------------------------------


def merge(parts: Anatomy) -> Flow:
    """The coarsest merge: a coarse map doubled, a lateral, their sum."""
    found = next((m for m in parts.pyramid.merges if m.top is not None), None)
    if found is None or found.top is None:
        raise MissingError("nothing is merged in this pyramid")
    planes = [np.nan_to_num(plane.values) for plane in found.planes(0)]
    low, high = min(float(p.min()) for p in planes[:3]), max(float(p.max()) for p in planes[:3])
    lateral, upsampled, added = (in_bytes(plane, low, high) for plane in planes[:3])
    board = Board("merge")
    coarse, fine = found.top.shape[-2:], found.lateral.shape[-2:]
    doubled = fit(fine, (20, 60, 190, 190))
    before = (
        doubled[0],
        doubled[1],
        doubled[2] * coarse[1] / fine[1],
        doubled[3] * coarse[0] / fine[0],
    )
    side = fit(fine, (230, 60, 190, 190))
    middle = fit(fine, (125, 60, 190, 190))
    last = fit(fine, (430, 60, 190, 190))
    up = board.new("image", image=upsampled)
    lines = board.new("grid", colour=GREY, cells=(coarse[0], coarse[1]))
    own = board.new("image", image=lateral)
    total = board.new("image", image=added)
    smooth = board.new("image", image=in_bytes(planes[3]))
    numbers = {
        "coarse": dims(coarse),
        "fine": dims(fine),
        "name": found.name,
        "source": found.source.name,
        "channels": found.lateral.shape[1],
    }
    board.step("coarse", {up: before, lines: before}, numbers)
    board.step("doubled", {up: doubled, lines: doubled}, numbers)
    board.step("lateral", {own: side}, numbers, gone=(lines,))
    board.step("added", {up: middle, own: middle, total: middle}, numbers)
    board.step("output", {smooth: last}, numbers, gone=(up, own))
    return board.done()


# --- RoIAlign -------------------------------------------------------------------------------------


def align(parts: Anatomy) -> Flow:
    """One box on its level's map: no rounding, bins, sampling points, one value per bin."""
    pooling = parts.roi_heads.box
    sides = pooling.sides()
    if not len(sides):
        raise MissingError("no RoI is pooled")
    index = int(np.argsort(-sides)[min(2, len(sides) - 1)])
    level = pooling.level_of(index)
    plane, grid = level.map.mean(0), pooling.grid(index)
    values = np.nan_to_num(plane.values)
    rows, columns = values.shape
    size = (rows * plane.step, columns * plane.step)
    board = Board("align")
    room = fit(size, (20, 30, 330, 300))
    unit = room[2] / size[1]
    x1, y1, *_ = (float(v) for v in grid.roi)
    # A cell's value stands at its integer coordinate: its square is half a cell to each side.
    corner = room[0] + (x1 + 0.5) * unit, room[1] + (y1 + 0.5) * unit
    high, wide = (bin * n * unit for bin, n in zip(grid.bin_size, grid.bins, strict=True))
    box = (*corner, wide, high)
    ratio = pooling.sampling_ratio
    counts = [ratio if ratio > 0 else max(int(np.ceil(bin)), 1) for bin in grid.bin_size]
    pooled = grid.thinned(plane.step, values.shape).pool(values[None])[0]
    low, most = float(values.min()), float(values.max())
    shown = board.new("image", image=in_bytes(values))
    roi = board.new("box", colour="#ffffff")
    bins = board.new("grid", colour="#ffffff", cells=grid.bins)
    points = board.new(
        "dots", colour=MARK, cells=(grid.bins[0] * counts[0], grid.bins[1] * counts[1])
    )
    out = board.new("image", image=in_bytes(pooled, low, most))
    lines = board.new("grid", colour=GREY, cells=grid.bins)
    result = (400.0, 60.0, 220.0, 220.0 * grid.bins[0] / grid.bins[1])
    numbers = {
        "name": level.name,
        "map": dims(level.map.shape[-2:]),
        "size": f"{grid.bin_size[0] * grid.bins[0]:.2f}×{grid.bin_size[1] * grid.bins[1]:.2f}",
        "bins": dims(grid.bins),
        "points": counts[0] * counts[1],
        "all": counts[0] * counts[1] * grid.bins[0] * grid.bins[1],
    }
    board.step("map", {shown: room}, numbers)
    board.step("box", {roi: box}, numbers)
    board.step("bins", {bins: box}, numbers)
    board.step("points", {points: box}, numbers)
    board.step("mean", {out: box}, numbers, gone=(points,))
    board.step("out", {out: result, lines: result}, numbers)
    return board.done()
