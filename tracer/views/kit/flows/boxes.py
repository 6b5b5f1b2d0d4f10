"""Flows of boxes: anchors over the map, decoding, NMS, the assignment of levels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracer.errors import MissingError, TracerError
from tracer.languages import languages
from tracer.numbers import box_size, count, dims
from tracer.rcnn.anatomy import Anatomy, Boxes, Funnel
from tracer.rcnn.anatomy.geometry import FIRST, clip
from tracer.rcnn.anatomy.geometry import decode as decoded
from tracer.rcnn.classes import class_name
from tracer.views.kit.flows.model import TEXT, Board, Flow, Place, Words, fit, inside, small
from tracer.views.kit.palette import level_colour

GREY, MARK, KEPT = "#8a8f98", "#d55e00", "#009e73"
ROOM: Place = (20, 20, 600, 320)
MOST = 5
"""Boxes of a level or a group that are followed."""


def _view(
    board: Board, parts: Anatomy, region: np.ndarray | None = None, room: Place = ROOM
) -> tuple[dict[int, Place], Callable[[np.ndarray], Place]]:
    """Put the first picture, or a region of it, on the board.

    Returns:
        Its place, by its number; and what gives the place of a box in pixels of the picture.
    """
    picture = parts.pictures[0]
    height, width = picture.resized_size
    whole = np.array([0, 0, width, height])
    x1, y1, x2, y2 = whole if region is None else np.clip(region.round(), 0, whole[[2, 3, 2, 3]])
    x1, y1, x2, y2 = (int(v) for v in (x1, y1, x2, y2))
    size = (max(y2 - y1, 1), max(x2 - x1, 1))
    image = board.new("image", image=small(picture.rgb()[y1 : y1 + size[0], x1 : x1 + size[1]]))
    place = fit(size, room)
    corner = np.array([x1, y1, x1, y1])
    return {image: place}, lambda box: inside(box - corner, size, place)


def _around(boxes: np.ndarray, share: float = 0.35) -> np.ndarray:
    """The region around boxes, with some of its sides to spare."""
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    spare = (high - low).max() * share
    return np.concatenate([low - spare, high + spare])


# --- anchors --------------------------------------------------------------------------------------


def anchors(parts: Anatomy) -> Flow:
    """The anchors of one cell, then the same ones at its neighbours."""
    found, board = parts.anchors, Board("anchors")
    level = max(range(len(found.counts)), key=lambda n: (found.counts[n] <= 2000, -n))
    name, (rows, columns) = (
        parts.pyramid.levels[level].name,
        parts.pyramid.levels[level].map.shape[-2:],
    )
    size, (down, right) = parts.pictures[0].padded_size, found.steps[level]
    picture, placed = _view(board, parts)
    cells = np.array([FIRST, FIRST, columns + FIRST, rows + FIRST])
    whole = placed(cells * [right, down, right, down])
    lines = board.new("grid", colour=GREY, cells=(rows, columns))
    base = found.base[level]
    boxes = [board.new("box", colour=level_colour(name)) for _ in base]
    dot = board.new("fill", colour=MARK)
    row, column = rows // 2, columns // 2

    def at(row: int, column: int) -> dict[int, Place]:
        centre = np.array([column * right, row * down] * 2)
        places = {b: placed(box + centre) for b, box in zip(boxes, base, strict=True)}
        x, y, *_ = placed(centre)
        return {**places, dot: (x - 4, y - 4, 8, 8)}

    numbers = {
        "name": name,
        "map": dims((rows, columns)),
        "step": dims((down, right)),
        "each": len(base),
        "count": count(found.counts[level]),
        "all": count(len(found)),
        "batch": dims(size),
    }
    board.step("map", {**picture, lines: whole}, numbers)
    board.step("cell", at(row, column), numbers)
    board.step("next", at(row, min(column + 1, columns - 1)), numbers)
    board.step("below", at(min(row + 1, rows - 1), min(column + 1, columns - 1)), numbers)
    board.step("corner", at(0, 0), numbers)
    board.step("all", {}, numbers)
    return board.done()


# --- decoding -------------------------------------------------------------------------------------


def decode(parts: Anatomy) -> Flow:
    """The anchor of a good proposal, moved, stretched, clipped."""
    found, board = parts.rpn.proposals(0), Board("decode")
    kept = found.funnel.steps[-1].kept[:20]
    if not len(kept):
        raise MissingError("there is no proposal")
    xyxy, deltas = parts.anchors.xyxy, found.deltas
    moves = np.abs(deltas[kept]).sum(1)
    anchor = int(kept[int(moves.argmax())])
    own, given = xyxy[[anchor]], deltas[[anchor]]
    weights, limit = parts.rpn.weights, parts.rpn.limit
    moved = decoded(given * np.array([1, 1, 0, 0], np.float32), own, weights, limit)
    size = parts.pictures[0].resized_size
    boxes = (own, moved, found.decoded.xyxy[[anchor]], clip(found.decoded.xyxy[[anchor]], size))
    region = _around(np.concatenate(boxes), 0.6)
    picture, placed = _view(board, parts, region, (60, 40, 520, 280))
    first = board.new("box", colour=GREY, dashed=True)
    box = board.new("box", colour=MARK)
    places = [placed(each[0]) for each in boxes]
    dx, dy, dw, dh = (float(v) for v in given[0] / np.asarray(weights, np.float32))
    width, height = float(own[0, 2] - own[0, 0]), float(own[0, 3] - own[0, 1])
    across, down = (float(np.exp(min(d, limit))) for d in (dw, dh))
    numbers = {
        "dx": f"{dx:.2f}", "dy": f"{dy:.2f}", "dw": f"{dw:.2f}", "dh": f"{dh:.2f}",
        "width": f"{width:.0f}", "height": f"{height:.0f}",
        "right": f"{dx * width:.1f}", "down": f"{dy * height:.1f}",
        "wider": f"{across:.2f}", "taller": f"{down:.2f}",
        "made": box_size(boxes[2][0]),
        "left": box_size(boxes[3][0]),
        "level": parts.pyramid.levels[int(parts.anchors.level[anchor])].name,
    }  # fmt: skip
    board.step("anchor", {**picture, first: places[0], box: places[0]}, numbers)
    last = "clipped" if (boxes[2] != boxes[3]).any() else "inside"
    for key, place in zip(("moved", "stretched", last), places[1:], strict=True):
        board.step(key, {box: place}, numbers)
    return board.done()


# --- NMS ------------------------------------------------------------------------------------------


def nms(parts: Anatomy) -> Flow:
    """The best box of a group, the ones that it removes, and the next best that stays."""
    board = Board("nms")
    boxes, scores, funnel, group = _candidates(parts)
    best, gone, other = _neighbours(boxes, scores, funnel)
    shown = [best, *gone, *([other] if other is not None else [])]
    picture, placed = _view(board, parts, _around(boxes[shown]))
    size = parts.pictures[0].resized_size
    overlap = Boxes(boxes[[best]], "resized", size).iou(Boxes(boxes[shown], "resized", size))[0]
    colours = [KEPT, *[MARK] * len(gone), "#0072b2"]
    items = {
        it: board.new("box", colour=colour) for it, colour in zip(shown, colours, strict=False)
    }
    places = {items[it]: placed(boxes[it]) for it in shown}
    limit = float(funnel.step("nms").limit or 0)
    numbers = {"limit": f"{limit:g}", "n": len(shown), "group": group(int(funnel.group[best]))}
    board.step("all", {**picture, **places}, numbers)
    hidden = tuple(items[it] for it in shown[1:])
    board.step("best", {}, {**numbers, "score": f"{scores[best]:.3f}"}, faint=hidden)
    for place, it in enumerate(gone, 1):
        told = {"iou": f"{overlap[place]:.2f}", "score": f"{scores[it]:.3f}"}
        board.step("compared", {items[it]: places[items[it]]}, {**numbers, **told})
        board.step("removed", {}, numbers, gone=(items[it],))
    if other is not None:
        told = {"iou": f"{overlap[-1]:.2f}", "score": f"{scores[other]:.3f}"}
        board.step("stays", {items[other]: places[items[other]]}, {**numbers, **told})
    board.step("done", {}, numbers)
    return board.done()


_Candidates = tuple[np.ndarray, np.ndarray, Funnel, Callable[[int], Words]]


def _candidates(parts: Anatomy) -> _Candidates:
    """What NMS was given: of the detections where it removed some there, else of the proposals."""
    known = parts.trace.classes

    def classes(label: int) -> Words:
        return {lang: class_name(known, label, lang) for lang in languages()}

    def levels(index: int) -> Words:
        return dict.fromkeys(languages(), parts.pyramid.levels[index].name)

    try:
        found = parts.detections[0]
        boxes, scores, funnel = found.candidate_boxes, found.candidate_scores, found.funnel
        if funnel is None or boxes is None or scores is None or not len(funnel.removed("nms")):
            raise MissingError("NMS removed no detection")
        return boxes, scores, funnel, classes
    except TracerError:
        pass
    first = parts.rpn.proposals(0)
    objectness = 1 / (1 + np.exp(-first.logits.astype(np.float64)))
    return first.clipped.xyxy, objectness, first.funnel, levels


def _neighbours(
    boxes: np.ndarray, scores: np.ndarray, funnel: Funnel
) -> tuple[int, list[int], int | None]:
    """The best box that removed others, at most two of these, and one of its group that stays."""
    removed, kept = funnel.removed("nms"), funnel.step("nms").kept
    by = funnel.suppressed_by[removed]
    if not (by >= 0).any():
        raise MissingError("NMS removed nothing")
    best = int(next(it for it in kept if it in by))
    gone = removed[by == best]
    apart = gone[np.argsort(funnel.overlap[gone])][:: max(1, len(gone) // 2)][:2]
    rest = kept[(kept != best) & (funnel.group[kept] == funnel.group[best])]
    rest = rest[scores[rest] <= scores[best]]
    if not len(rest):
        return best, apart.tolist(), None
    size = (1, 1)
    shared = Boxes(boxes[[best]], "resized", size).iou(Boxes(boxes[rest], "resized", size))[0]
    return best, apart.tolist(), int(rest[int(shared.argmax())])


# --- levels ---------------------------------------------------------------------------------------


def levels(parts: Anatomy) -> Flow:
    """RoIs on their way from the picture to the levels that they are pooled from."""
    pooling, board = parts.roi_heads.box, Board("levels")
    if not len(pooling.boxes[0]) or len(pooling.levels) < 2:
        raise MissingError("there are no RoIs to be shared out among levels")
    picture, placed = _view(board, parts, None, (20, 20, 360, 320))
    names = [level.name for level in pooling.levels]
    height = 320 / len(names)
    rows = {name: (410.0, 20 + n * height, 210.0, height - 8) for n, name in enumerate(names)}
    fields = {name: board.new("box", colour=level_colour(name)) for name in names}
    labels = {name: board.new("text", text=dict.fromkeys(languages(), name)) for name in names}
    chosen = _spread(pooling.sides(), pooling.assigned[0])
    items = [board.new("box", colour=level_colour(names[pooling.assigned[0][i]])) for i in chosen]
    beginning = {**picture, **{fields[n]: rows[n] for n in names}}
    beginning |= {labels[n]: (rows[n][0] + 8, rows[n][1] + 22, 30, TEXT) for n in names}
    places = [placed(pooling.boxes[0].xyxy[i]) for i in chosen]
    board.step(
        "picture", {**beginning, **dict(zip(items, places, strict=True))}, {"n": len(chosen)}
    )
    taken = dict.fromkeys(names, 0)
    for item, index in zip(items, chosen, strict=True):
        name = names[int(pooling.assigned[0][index])]
        x, y, wide, high = rows[name]
        box = pooling.boxes[0].xyxy[index]
        own = (float(box[3] - box[1]), float(box[2] - box[0]))
        across = (wide - 60) / MOST
        spot = fit(own, (x + 50 + taken[name] * across, y + 8, across - 6, high - 16))
        taken[name] += 1
        numbers = {
            "size": box_size(box), "name": name,
            "side": f"{pooling.sides()[index]:.1f}",
            "exact": f"{pooling.exact_level()[index]:.2f}",
            "low": names[0], "high": names[-1], "level": f"{pooling.canonical_level:g}",
            "scale": f"{pooling.canonical_scale:g}",
        }  # fmt: skip
        board.step("goes", {item: spot}, numbers)
    return board.done()


def _spread(sides: np.ndarray, assigned: np.ndarray) -> list[int]:
    """A few boxes from the smallest to the largest, of every level at least one."""
    order = np.argsort(sides)
    places = np.linspace(0, len(order) - 1, min(3, len(order))).astype(int)
    firsts = [int(np.flatnonzero(assigned == level)[0]) for level in np.unique(assigned)]
    found = dict.fromkeys([*firsts, *(int(order[n]) for n in places)])
    return sorted(list(found)[:MOST], key=lambda n: float(sides[n]))
