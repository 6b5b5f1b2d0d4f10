"""The whole pipeline as a diagram, with the shapes of this pass on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from tracer.errors import MissingError
from tracer.numbers import dims
from tracer.rcnn.anatomy import Anatomy
from tracer.views.figures.common import arrow
from tracer.views.figures.sheet import Sheet, bare, figure
from tracer.views.kit.palette import stage_colour


@dataclass(frozen=True)
class Station:
    """One box of the diagram: its place, its colour and what it says."""

    x: float
    y: float
    head: str
    lines: tuple[str, ...]
    colour: str
    width: float = 1.5
    height: float = 1.35
    dashed: bool = False

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@figure(height=5.4)
def fig_pipeline(s: Sheet, parts: Anatomy, image: int) -> None:
    """The pipeline with this pass's shapes; what runs only in training is dashed."""
    ax = s.panel()
    bare(ax)
    one_stage = parts.one_stage
    stations = _one_stage(s, parts, image) if one_stage else _two_stage(s, parts, image)
    for station in stations.values():
        _station(s, ax, station)
    for start, end in _edges(one_stage):
        _connect(s, ax, stations[start], stations[end])
    if not one_stage:
        _training(s, ax, parts, stations)
    ax.set_xlim(-0.1, 8.1 if one_stage else 10.35)
    ax.set_ylim(-2.95, 1.2)
    name = parts.run.model.type
    mode = s.say("training") if parts.training else s.say("eval")
    dashed = "" if one_stage else s.say("dashed")
    s.title("pipeline", name=name, mode=mode, dashed=dashed)


def _count(read: Callable[[], object]) -> str:
    """A number, or a dash where the trace lacks what it is read from."""
    try:
        return str(read())
    except MissingError:
        return "–"


def _found(s: Sheet, parts: Anatomy, image: int) -> str:
    """How many detections there are; in training there are none by design."""
    if parts.training:
        return s.say("not_in_training")
    found = _count(lambda: f"{len(parts.detections[image]):,}")
    return s.say("count_detections", found=found)


def _common(s: Sheet, parts: Anatomy, image: int) -> dict[str, Station]:
    picture = parts.pictures[image]
    batch = dims((len(parts.pictures), 3, *picture.padded_size))
    maps = [f"{m.name} {dims(m.shape[1:])}" for m in parts.backbone.maps[-4:]]
    levels = [f"{v.name} {dims(v.map.shape[1:])}" for v in parts.pyramid.levels]
    given, resized = dims(picture.original_size), dims(picture.resized_size)
    wide = 1.7 if s.slide else 1.5
    return {
        "transform": Station(
            0,
            0,
            s.say("transform"),
            (given, f"→ {resized}", batch),
            stage_colour("transform"),
            wide,
        ),
        "backbone": Station(
            1.95, 0, s.say("backbone"), tuple(maps), stage_colour("backbone"), wide, 1.75
        ),
        "fpn": Station(3.9, 0, s.say("pyramid"), tuple(levels), stage_colour("fpn"), wide, 1.95),
    }


def _two_stage(s: Sheet, parts: Anatomy, image: int) -> dict[str, Station]:
    anchors = _count(lambda: f"{len(parts.anchors):,}")
    proposals = _count(lambda: f"{len(parts.rpn.proposals(image).boxes):,}")
    pooled = _count(lambda: dims(parts.roi_heads.layers[0][1]))
    classes = _count(lambda: parts.roi_heads.num_classes)
    found = _found(s, parts, image)
    aligned = pooled if s.slide else f"RoIAlign {pooled}"
    stations = _common(s, parts, image)
    stations["rpn"] = Station(
        5.85, 0.62, "RPN",
        (s.say("count_anchors", anchors=anchors),
         s.say("count_proposals", proposals=proposals)),
        stage_colour("rpn"), width=2.0, height=1.0,
    )  # fmt: skip
    stations["roi"] = Station(
        5.85, -0.78, "RoI heads",
        (aligned, s.say("count_classes", classes=classes)),
        stage_colour("roi_heads"), width=2.0, height=1.0,
    )  # fmt: skip
    stations["out"] = _end(s, found, -2.1)
    return stations


def _one_stage(s: Sheet, parts: Anatomy, image: int) -> dict[str, Station]:
    found = _found(s, parts, image)
    stations = _common(s, parts, image)
    said = [s.say("at_once")]
    with suppress(MissingError):  # an SSD's boxes are no anchors of the RPN's kind
        said = [s.say("anchors_and", anchors=f"{len(parts.anchors):,}"), *said]
    stations["head"] = Station(
        5.85, 0, s.say("head"), tuple(said), stage_colour("head"), width=2.0
    )  # fmt: skip
    stations["out"] = _end(s, found, -2.0)
    return stations


def _end(s: Sheet, found: str, y: float) -> Station:
    title = s.say("post_processing")
    return Station(5.7, y, title, (found,), stage_colour("postprocess"), width=2.3, height=0.8)


def _edges(one_stage: bool) -> list[tuple[str, str]]:
    if one_stage:
        return [("transform", "backbone"), ("backbone", "fpn"), ("fpn", "head"), ("head", "out")]
    return [
        ("transform", "backbone"),
        ("backbone", "fpn"),
        ("fpn", "rpn"),
        ("fpn", "roi"),
        ("rpn", "roi"),
        ("roi", "out"),
    ]


def _station(s: Sheet, ax: Axes, station: Station) -> None:
    low = station.y - station.height / 2
    ax.add_patch(
        FancyBboxPatch(
            (station.x, low), station.width, station.height,
            boxstyle="round,pad=0,rounding_size=0.08", fc=s.theme.panel, ec=station.colour,
            lw=s.point / 4.5, ls=(0, (4, 3)) if station.dashed else "-",
        )
    )  # fmt: skip
    top = low + station.height - 0.17
    s.text(ax, station.middle, top, station.head, ha="center", va="center", fontweight="bold",
           size=1.0)  # fmt: skip
    room = station.height - 0.38
    for i, line in enumerate(station.lines):
        y = top - 0.24 - (i + 0.5) * room / max(len(station.lines), 1) + 0.06
        s.text(ax, station.middle, y, line, ha="center", va="center", size=0.92, fine=s.slide)


def _connect(s: Sheet, ax: Axes, start: Station, end: Station, **options: object) -> None:
    if abs(start.middle - end.middle) < 0.1:
        a = (start.middle, start.y - start.height / 2)
        b = (start.middle, end.y + end.height / 2)
    else:
        a = (start.x + start.width, start.y + (end.y - start.y) * 0.35)
        b = (end.x, end.y)
    ax.add_patch(arrow(s, a, b, **options))


def _training(s: Sheet, ax: Axes, parts: Anatomy, stations: dict[str, Station]) -> None:
    """Targets and the losses that they lead to; dashed, for a pass in eval mode has neither."""
    dashed: dict[str, Any] = {"linestyle": (0, (4, 3)), "color": stage_colour("losses")}
    names = ["loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg"]
    values = dict.fromkeys(names, "")
    if parts.training:
        values = {loss.name: f"  {loss.value:.3f}" for loss in parts.losses.losses}
    lines = tuple(name.removeprefix("loss_") + value for name, value in values.items())
    rpn, roi, transform = stations["rpn"], stations["roi"], stations["transform"]
    targets = Station(0, -2.1, s.say("targets"), (s.say("boxes_labels"),), stage_colour("losses"),
                      transform.width, 0.8, True)  # fmt: skip
    losses = Station(8.35, (rpn.y + roi.y) / 2, s.say("losses"), lines, stage_colour("losses"),
                     1.9, 1.75, True)  # fmt: skip
    for station in (targets, losses):
        _station(s, ax, station)
    middle = transform.middle
    ax.add_patch(arrow(s, (middle, -1.7), (middle, -transform.height / 2), **dashed))
    for station in (rpn, roi):
        ax.add_patch(
            arrow(s, (station.x + station.width, station.y), (losses.x, station.y), **dashed)
        )
    down = losses.middle
    low = targets.y - 0.6
    ax.plot([middle, middle, down], [targets.y - 0.4, low, low], lw=s.point / 8, **dashed)
    ax.add_patch(arrow(s, (down, low), (down, losses.y - losses.height / 2), **dashed))
