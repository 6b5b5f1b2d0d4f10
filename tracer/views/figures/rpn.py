"""The RPN: anchors, objectness, deltas, and what becomes of the proposals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tracer.errors import MissingError
from tracer.rcnn.anatomy import Anatomy, Plane, Proposals
from tracer.rcnn.anatomy.geometry import RESIZED, Boxes, Cells, area, iou
from tracer.views.figures.common import arrow, focus, grey, over_picture
from tracer.views.figures.funnel import funnel_of
from tracer.views.figures.sheet import Sheet, bare, figure, frame
from tracer.views.kit.palette import CYCLE, SCORES, level_colour
from tracer.views.kit.scene import Marks, over, stand

# --- anchors --------------------------------------------------------------------------------------


@figure(height=5.4)
def fig_base_anchors(s: Sheet, parts: Anatomy, image: int) -> None:
    """The base anchors of every level, to one scale with the picture, and each level's close up."""
    anchors = parts.anchors
    count = len(anchors.levels)
    grid = s.grid(max(count, 1), 3, width_ratios=[5, 1, 1.1])
    whole = s.panel(grid[:, 0])
    height, width = parts.pictures[image].resized_size
    s.picture(whole, grey(parts.pictures[image]), (-width / 2, width / 2, height / 2, -height / 2))
    for level, base in zip(anchors.levels, anchors.base, strict=True):
        s.boxes(whole, base, level_colour(level.name), 1.4)
    _within(
        whole, np.concatenate([*anchors.base, [[-width / 2, -height / 2, width / 2, height / 2]]])
    )
    s.cross(whole, 0, 0)
    s.heading(whole, s.say("to_one_scale"))
    for i, (level, base) in enumerate(zip(anchors.levels, anchors.base, strict=True)):
        _base_of_level(s, s.panel(grid[i, 1]), s.panel(grid[i, 2]), level.name, base)
    s.title("base_anchors", total=len(anchors))


def _base_of_level(s: Sheet, ax: Axes, beside: Axes, name: str, base: np.ndarray) -> None:
    colour = level_colour(name)
    s.boxes(ax, base, colour, 1.4)
    _within(ax, base)
    ax.set_aspect("equal")
    bare(ax)
    beside.set_axis_off()
    sizes = [_size_of(box) for box in base[:3].tolist()]
    more = [f"+{len(base) - 3}"] if len(base) > 3 else []
    place = {"transform": beside.transAxes, "va": "center", "colour": s.ink(colour), "fine": True}
    s.text(beside, 0.0, 0.5, "\n".join([name, *sizes, *more]), **place)


def _size_of(box: Sequence[float]) -> str:
    """Height × width, as shapes are written."""
    x1, y1, x2, y2 = box
    return f"{y2 - y1:g}×{x2 - x1:g}"


def _within(ax: Axes, boxes: np.ndarray, room: float = 0.04) -> None:
    """Show all of some boxes, and a little around them."""
    (x1, y1), (x2, y2) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    more = room * max(x2 - x1, y2 - y1)
    ax.set_xlim(x1 - more, x2 + more)
    ax.set_ylim(y2 + more, y1 - more)


@figure(height=6.0)
def fig_anchors_of_cell(
    s: Sheet, parts: Anatomy, image: int, point: tuple[float, float] | None = None
) -> None:
    """The anchors of the cell that a pixel lies in: of all levels, and of each close up."""
    picture, anchors = parts.pictures[image], parts.anchors
    x, y = focus(parts, image) if point is None else point
    count = len(anchors.levels)
    columns = min(3, count + 1)
    grid = s.grid(-(-(count + 1) // columns), columns)
    first = s.panel(grid[0, 0])
    s.picture(first, grey(picture))
    height, width = picture.resized_size
    shown = [np.asarray([[0, 0, width, height]], np.float32)]
    for i, level in enumerate(anchors.levels):
        ax = s.panel(grid[divmod(i + 1, columns)])
        s.picture(ax, grey(picture))
        row, column = anchors.cell_at(i, x, y)
        boxes = anchors.xyxy[anchors.at_cell(i, row, column)]
        for panel in (first, ax):
            s.boxes(panel, boxes, level_colour(level.name), 1.5)
        s.points(ax, stand(Cells(level.map.shape[-2:], anchors.steps[i])), alpha=0.9)
        s.heading(ax, f"{level.name}  [{row}, {column}]  " + _step(s, *anchors.steps[i]),
                  level_colour(level.name))  # fmt: skip
        _within(ax, boxes, 0.12)
        frame(ax, level_colour(level.name))
        ax.set_facecolor(s.theme.panel)
        shown.append(boxes)
    _within(first, np.concatenate(shown))
    for ax in s.figure.axes if s.ax is None else [first]:
        s.cross(ax, x, y)
    s.heading(first, s.say("levels_at") + f" ({x:.0f}, {y:.0f})")
    s.title("anchors_of_cell")


def _step(s: Sheet, down: int, right: int) -> str:
    return s.say("every_px", size=f"{right}" if right == down else f"{down}×{right}")


# --- scores and deltas ----------------------------------------------------------------------------


@figure(height=5.6)
def fig_objectness(s: Sheet, parts: Anatomy, image: int) -> None:
    """Objectness per level over the picture: the best anchor of each cell."""
    picture, rpn = parts.pictures[image], parts.rpn
    columns = min(3, len(rpn.levels) + 1)
    grid = s.grid(-(-(len(rpn.levels) + 1) // columns), columns)
    first = s.panel(grid[0, 0])
    s.picture(first, picture.rgb())
    s.heading(first, s.say("resized_image"))
    shown = None
    for i, level in enumerate(rpn.levels):
        ax = s.panel(grid[divmod(i + 1, columns)])
        logits = rpn.objectness(i, image)
        with np.errstate(over="ignore"):
            best = 1 / (1 + np.exp(-logits.max(0)))
        s.picture(ax, grey(picture))
        shown = over_picture(s, ax, over(level.map, Plane(best), (0, 1), SCORES, 0.75), picture)
        frame(ax, level_colour(level.name))
        top = float(np.nanmax(best, initial=0))
        text = s.say("best_score", top=top)
        s.heading(ax, f"{level.name}   {text}", level_colour(level.name))
    if shown is not None:
        label = s.say("objectness_after")
        s.colour_bar(s.figure.axes, shown, label, shrink=0.6)
    s.title("objectness")


@figure(height=3.4)
def fig_deltas(s: Sheet, parts: Anatomy, image: int) -> None:
    """How the RPN's deltas are spread, of all anchors and of the proposals."""
    proposals = parts.rpn.proposals(image)
    grid, names = s.grid(1, 4), ("dx", "dy", "dw", "dh")
    axes = [s.panel(grid[0, i]) for i in range(4)]
    groups = (
        (np.arange(proposals.funnel.total), s.theme.bar, True, s.say("all_anchors")),
        (proposals.funnel.steps[-1].kept, s.theme.accent, False, s.say("proposals")),
    )
    for pair in (slice(0, 2), slice(2, 4)):  # shifts, and logarithms
        values = proposals.deltas[:, pair]
        finite = np.abs(values[np.isfinite(values)])
        reach = float(np.percentile(finite, 99.5)) if finite.size else 1.0
        edges = np.linspace(-reach, reach, 41)
        for column, (ax, name) in enumerate(zip(axes[pair], names[pair], strict=True)):
            for index, colour, filled, who in groups:
                shown = values[index, column]
                shown = shown[np.isfinite(shown)]
                share = np.histogram(shown, edges)[0] * (100 / max(len(shown), 1))
                ax.stairs(share, edges, fill=filled, color=colour, label=who, lw=s.point / 5)
            ax.axvline(0, color=s.theme.muted, lw=0.8, ls=":")
            s.heading(ax, name, fontweight="bold")
    for ax in axes:
        ax.set_ylim(0, max(other.get_ylim()[1] for other in axes))
        ax.yaxis.set_visible(ax is axes[0])
    place = {"loc": "upper right", "bbox_to_anchor": (1.0, -0.1), "ncols": 2}
    legend = s.legend(axes[-1], frameon=False, **place)
    legend.set_in_layout(False)  # it is wider than its panel
    s.labels(axes[0], " \n ", s.say("percent"))  # room for it
    s.title("deltas")


@figure(height=5.6)
def fig_decode(s: Sheet, parts: Anatomy, image: int, anchor: int | None = None) -> None:
    """Decoding with numbers: an anchor, its deltas, the refined box, the clamp."""
    proposals, rpn = parts.rpn.proposals(image), parts.rpn
    targets = parts.pictures[image].resized_targets
    index = _clear_example(proposals, rpn.anchors.xyxy, targets) if anchor is None else anchor
    grid = s.grid(1, 2, width_ratios=[1.15, 1])
    ax, right = s.panel(grid[0, 0]), s.panel(grid[0, 1])
    before, after = rpn.anchors.xyxy[index], proposals.decoded.xyxy[index]
    level = rpn.levels[int(rpn.anchors.level[index])]
    colour = level_colour(level.name)
    s.picture(ax, grey(parts.pictures[image]))
    s.boxes(ax, before[None], colour, 1.6, ls=":")
    s.boxes(ax, after[None], colour, 2.2)
    start, end = _middle(before), _middle(after)
    ax.add_patch(arrow(s, start, end, color=colour, lw=s.point / 6))
    _around(ax, parts.pictures[image].resized_size, before, after)
    ax.set_adjustable("datalim")  # fill the panel: there is nothing to be seen beside it
    dotted = s.say("anchor_and_box")
    s.labels(ax, f"{level.name}, #{index:,}" + ("\n" if s.slide else ": ") + dotted)
    _numbers(s, right, proposals, index, before, after, rpn.weights, rpn.limit)
    if targets is not None and len(targets):
        gained = _best_iou(np.stack([before, after]), targets)
        s.boxes(ax, targets.xyxy, s.theme.target, 1.2)
        s.heading(ax, s.say("iou_from_to", before=gained[0], after=gained[1]))
    s.title("decode", limit=rpn.limit)


def _best_iou(boxes: np.ndarray, targets: Boxes) -> np.ndarray:
    """Return the IoU of each box with the target that it overlaps most, float32 [N]."""
    found: np.ndarray = np.nan_to_num(iou(boxes, targets.xyxy)).max(1)
    return found


def _clear_example(proposals: Proposals, anchors: np.ndarray, targets: Boxes | None) -> int:
    """The proposal among the best that gained most, of those that lie on the image all along.

    Without targets, the one that moved most.
    """
    best = proposals.funnel.steps[-1].kept[:60]
    if len(best) == 0:
        best = proposals.funnel.step("top_k").kept[:60]
    height, width = proposals.decoded.size
    side = np.asarray([width, height], np.float32)
    near = np.ones(len(best), bool)
    for xyxy in (proposals.decoded.xyxy[best], anchors[best]):
        boxes = np.nan_to_num(xyxy, nan=np.inf)
        near &= (boxes[:, :2] >= -0.1 * side).all(1) & (boxes[:, 2:] <= 1.1 * side).all(1)
    moved = np.nan_to_num(np.abs(proposals.deltas[best])).sum(1)
    if targets is not None and len(targets):
        after, before = proposals.decoded.xyxy[best], anchors[best]
        moved = _best_iou(after, targets) - _best_iou(before, targets)
    return int(best[near][moved[near].argmax()] if near.any() else best[moved.argmin()])


def _middle(box: np.ndarray) -> tuple[float, float]:
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2


def _around(ax: Axes, size: tuple[int, int], *boxes: np.ndarray) -> None:
    """Zoom in on boxes, with room around them."""
    every = np.stack(boxes)
    x1, y1 = every[:, :2].min(0).tolist()
    x2, y2 = every[:, 2:].max(0).tolist()
    reach = max(x2 - x1, y2 - y1, 40.0) * 0.7
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    height, width = size
    ax.autoscale_view()
    ax.set_xlim(max(x - reach, min(x1, 0) - 8), min(x + reach, max(x2, width) + 8), auto=True)
    ax.set_ylim(min(y + reach, max(y2, height) + 8), max(y - reach, min(y1, 0) - 8), auto=True)


def _numbers(
    s: Sheet, ax: Axes, proposals: Proposals, index: int, before: np.ndarray, after: np.ndarray,
    weights: tuple[float, ...], limit: float,
) -> None:  # fmt: skip
    """The same arithmetic, written out."""
    bare(ax)
    dx, dy, dw, dh = (proposals.deltas[index] / np.asarray(weights, np.float32)).tolist()
    x, y = _middle(before)
    width, height = float(before[2] - before[0]), float(before[3] - before[1])
    used_w, used_h = min(dw, limit), min(dh, limit)
    clamp = s.say("clamped")
    new_w, new_h = width * np.exp(used_w), height * np.exp(used_h)
    rest = "\n" if s.slide else "  "
    lines = [
        (s.say("anchor"), f"x={x:.1f}  y={y:.1f}{rest}w={width:.1f}  h={height:.1f}"),
        (s.say("deltas"), f"dx={dx:+.3f}  dy={dy:+.3f}{rest}dw={dw:+.3f}  dh={dh:+.3f}"),
        ("", ""),
        ("x + dx·w", f"{x:.1f} {dx:+.3f}·{width:.1f} = {x + dx * width:.1f}"),
        ("y + dy·h", f"{y:.1f} {dy:+.3f}·{height:.1f} = {y + dy * height:.1f}"),
        ("w·exp(dw)", f"{width:.1f}·{np.exp(used_w):.3f} = {new_w:.1f}{clamp * (dw > limit)}"),
        ("h·exp(dh)", f"{height:.1f}·{np.exp(used_h):.3f} = {new_h:.1f}{clamp * (dh > limit)}"),
        ("", ""),
        (s.say("box"), "  ".join(f"{v:.1f}" for v in after.tolist())),
        (s.say("score"), f"sigmoid({proposals.logits[index]:.2f}) = "
         f"{1 / (1 + np.exp(-float(proposals.logits[index]))):.3f}"),
    ]  # fmt: skip
    _in_columns(s, ax, lines)


def _in_columns(s: Sheet, ax: Axes, lines: list[tuple[str, str]]) -> None:
    """Write names and values line by line; on a slide, values of two lines take two."""
    top, step, column = (0.97, 0.079, 0.31) if s.slide else (0.9, 0.088, 0.27)
    rows = [(name if n == 0 else "", part) for name, text in lines
            for n, part in enumerate(text.split("\n"))]  # fmt: skip
    for row, (name, text) in enumerate(rows):
        style = {"transform": ax.transAxes, "va": "center"}
        s.text(ax, 0.02, top - row * step, name, colour=s.theme.muted, size=0.95, **style)
        s.text(ax, column, top - row * step, text, size=0.95, **style)


# --- the funnel -----------------------------------------------------------------------------------


@figure(height=6.4)
def fig_funnel(s: Sheet, parts: Anatomy, image: int) -> None:
    """The funnel from all anchors to proposals: counts, shares of the levels, and the boxes."""
    proposals, rpn = parts.rpn.proposals(image), parts.rpn
    limits = {
        "top_k": f"≤ {rpn.pre_nms_top_n:,}",
        "small": f"≥ {rpn.smallest:g} px",
        "score": f"≥ {rpn.score_threshold:g}",
        "nms": f"IoU ≤ {rpn.nms_threshold:g}",
        "top_n": f"≤ {rpn.post_nms_top_n:,}",
    }
    told = [
        (s.say(f"rpn_step.{step.name}"), limits.get(step.name, ""))
        for step in proposals.funnel.steps
    ]
    groups = [(level.name, level_colour(level.name)) for level in rpn.levels]
    boxes = {"all": rpn.anchors.xyxy, "top_k": proposals.decoded.xyxy}
    shown = [boxes.get(step.name, proposals.clipped.xyxy) for step in proposals.funnel.steps]
    funnel_of(s, parts.pictures[image], proposals.funnel, shown, -proposals.logits, told, groups)
    counts = [len(step.kept) for step in proposals.funnel.steps]
    s.title("funnel", anchors=counts[0], proposals=counts[-1])


# --- NMS ------------------------------------------------------------------------------------------


@figure(height=5.0)
def fig_nms(s: Sheet, parts: Anatomy, image: int) -> None:
    """Before and after NMS, and what suppressed what."""
    proposals, picture = parts.rpn.proposals(image), parts.pictures[image]
    before = proposals.funnel.step("score").kept
    after = proposals.funnel.step("nms").kept
    grid = s.grid(2, 3, height_ratios=[1.35, 1])
    order = before[np.argsort(-proposals.logits[before], kind="stable")]
    share = min(len(order), 150)
    last = proposals.logits[order[share - 1]] if share else np.inf
    shown_after = after[proposals.logits[after] >= last]
    stay = len(shown_after)
    panels = (
        (order[:share], s.say("before_nms", share=share)),
        (shown_after, s.say("these_stay", stay=stay)),
    )
    for i, (chosen, head) in enumerate(panels):
        ax = s.panel(grid[0, i])
        s.picture(ax, grey(picture))
        _boxes_by_level(s, ax, parts, proposals, chosen)
        s.heading(ax, head)
    _suppression(s, s.panel(grid[0, 2]), parts, proposals, image)
    _overlaps(s, s.panel(grid[1, :]), parts, proposals)
    removed = len(proposals.funnel.removed("nms"))
    s.title("nms", removed=removed, before=len(before), iou=parts.rpn.nms_threshold)


def _boxes_by_level(
    s: Sheet, ax: Axes, parts: Anatomy, proposals: Proposals, chosen: np.ndarray
) -> None:
    names = [level.name for level in parts.rpn.levels]
    colours = [level_colour(names[i]) for i in proposals.funnel.group[chosen]]
    if len(chosen) == 0:
        s.text(ax, 0.5, 0.5, s.say("none"), transform=ax.transAxes, ha="center",
               colour="white", size=1.2)  # fmt: skip
    s.boxes(ax, proposals.clipped.xyxy[chosen], colours, 0.8, alpha=0.7)


def _suppression(s: Sheet, ax: Axes, parts: Anatomy, proposals: Proposals, image: int) -> None:
    funnel, picture = proposals.funnel, parts.pictures[image]
    s.picture(ax, grey(picture))
    removed = funnel.removed("nms")
    if len(removed) == 0:
        s.heading(ax, s.say("none_removed"))
        return
    final = funnel.steps[-1].kept
    by, counts = np.unique(funnel.suppressed_by[removed], return_counts=True)
    among = np.isin(by, final[:50]) if np.isin(by, final[:50]).any() else np.ones(len(by), bool)
    winner = int(by[among][counts[among].argmax()])
    victims = removed[funnel.suppressed_by[removed] == winner]
    name = parts.rpn.levels[int(funnel.group[winner])].name
    s.boxes(ax, proposals.clipped.xyxy[victims], "#ffffff", 0.7, ls="--", alpha=0.8)
    s.boxes(ax, proposals.clipped.xyxy[[winner]], level_colour(name), 2.2)
    overlap = funnel.overlap[victims]
    text = f"IoU {overlap.min():.2f}–{overlap.max():.2f}"
    count = len(victims)
    s.heading(ax, s.say("one_removed", count=count) + f"  {text}")


def _overlaps(s: Sheet, ax: Axes, parts: Anatomy, proposals: Proposals) -> None:
    """How much each removed box overlaps what was kept, by level."""
    funnel = proposals.funnel
    removed = funnel.removed("nms")
    if len(removed) == 0:
        s.empty(ax, "none_removed")
        return
    names = [level.name for level in parts.rpn.levels]
    groups = [funnel.overlap[removed[funnel.group[removed] == i]] for i in range(len(names))]
    edges = np.linspace(parts.rpn.nms_threshold, 1, 31).tolist()
    colours = [level_colour(name) for name in names]
    ax.hist(groups, edges, stacked=True, color=colours, label=names, histtype="stepfilled")
    ax.set_xlim(parts.rpn.nms_threshold, 1)
    with_which = s.say("iou_with_kept")
    s.labels(ax, with_which, s.say("boxes"))
    ax.margins(y=0.5)  # room for the legend above the bars
    s.legend(ax, loc="upper right", ncols=len(names))


# --- recall ---------------------------------------------------------------------------------------


@figure(height=4.6)
def fig_recall(s: Sheet, parts: Anatomy, image: int) -> None:
    """Recall against the targets after each step, and each target's best IoU."""
    proposals, targets = parts.rpn.proposals(image), parts.pictures[image].resized_targets
    if targets is None:
        raise MissingError(
            "recall needs targets: pass them along, tracer.trace(model, images, targets); in eval "
            "mode they only travel through the transform"
        )
    grid = s.grid(1, 2, width_ratios=[1.2, 1])
    ax, right = s.panel(grid[0, 0]), s.panel(grid[0, 1])
    if len(targets) == 0:
        s.empty(ax, "no_targets")
        s.picture(right, parts.pictures[image].rgb())
    else:
        best = _best_per_step(parts, proposals, targets)
        _recall_lines(s, ax, proposals, best)
        _targets_on_picture(s, right, parts, image, targets, best[-1])
    s.title("recall")


def _best_per_step(parts: Anatomy, proposals: Proposals, targets: Boxes) -> np.ndarray:
    """Best IoU of each target among the boxes left after each step, float32 [steps, M]."""
    size, image = proposals.boxes.size, proposals.image
    rows = []
    for step in proposals.funnel.steps:
        xyxy = parts.rpn.anchors.xyxy if step.name == "all" else proposals.clipped.xyxy
        if step.name == "top_k":
            xyxy = proposals.decoded.xyxy
        boxes = Boxes(xyxy[step.kept], RESIZED, size, image)
        shared = np.nan_to_num(targets.iou(boxes))
        rows.append(shared.max(1) if len(boxes) else np.zeros(len(targets), np.float32))
    return np.stack(rows)


def _recall_lines(s: Sheet, ax: Axes, proposals: Proposals, best: np.ndarray) -> None:
    steps = range(len(best))
    for threshold, colour in zip((0.5, 0.7, 0.9), CYCLE, strict=False):
        ax.plot(
            steps, (best >= threshold).mean(1), "o-", color=colour, label=f"IoU ≥ {threshold}",
            lw=s.point / 4.5, ms=s.point / 2,
        )  # fmt: skip
    names = [s.say(f"rpn_step.{step.name}") for step in proposals.funnel.steps]
    names[0] = s.say("anchors_as_is")
    names[1] = s.say("decoded")
    ax.set_xticks(list(steps), names, rotation=28, ha="right", fontfamily=s.fonts)
    ax.set_ylim(-0.03, 1.06)
    ax.grid(axis="y", color=s.theme.faint, lw=0.7)
    s.labels(ax, y=s.say("share_found"))
    s.legend(ax, loc="best")


def _targets_on_picture(
    s: Sheet, ax: Axes, parts: Anatomy, image: int, targets: Boxes, best: np.ndarray
) -> None:
    s.picture(ax, parts.pictures[image].rgb())
    small_first = np.argsort(area(targets.xyxy), kind="stable")
    groups = (("", s.theme.negative), ("", s.theme.positive))
    names = tuple(f"{value:.2f}" for value in best)
    marks = Marks(targets.xyxy, (best >= 0.5).astype(int), groups, names).take(small_first)
    s.marked(ax, marks, parts.pictures[image].resized_size, 1.8)
    s.heading(ax, s.say("best_of_proposals"))
