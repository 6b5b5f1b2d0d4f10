"""The pictures that the page draws by itself, from maps of a level to what became of each box.

What they are is read by `tracer.rcnn.anatomy`; here it becomes JSON data and small arrays. Boxes
are in pixels of the resized image, float32 x1, y1, x2, y2.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import ceil
from typing import Any

import numpy as np

from tracer.errors import TracerError
from tracer.numbers import number
from tracer.rcnn.anatomy import Anatomy, Merge, Plane, Pooling, anatomy, fitting
from tracer.rcnn.anatomy.geometry import FIRST, Cells
from tracer.record import Trace
from tracer.views.kit.flows import FLOWS, flow_of
from tracer.views.kit.palette import SCREEN
from tracer.views.kit.scene import Overlay, in_bytes
from tracer.views.page.boxes import detections, matches, proposals, rois
from tracer.views.page.parts import Arrays, level_group, put, said
from tracer.views.page.story import stories

PICTURE_SIDE = 900
"""Pixels of a picture's longer side at most."""
PLANE_SIDE = 128
"""Cells of a map's longer side at most; larger maps are thinned, and the page says so."""

Drawing = dict[str, Any]
Pair = tuple[float, float]


def scenes(trace: Trace) -> tuple[dict[str, Any], Arrays]:
    """Return what can be drawn of a pass, as JSON data and arrays; empty if nothing can.

    Arrays are named ``scene/…``; what the trace was not told to keep is absent.

    Returns:
        ``batch``: how many images went in. ``images``: of each image of which something can be
        drawn its number ``image``; ``resized`` and ``padded``, its size as (height, width); the
        arrays ``picture`` (a JPEG's bytes) and ``targets`` (boxes); and its ``drawings``.
        Each drawing has a ``key``, by which the page names it, a ``kind``, by which it is
        drawn, and the ``stage`` that it is about, empty where it suits any. An array stands in it
        as ``{"array": name}``, a text as a list of it in each language. ``fits``: for each call the
        key of the drawing that goes with it, or with the nearest call around it; None for none.
        With the whole pass goes what came out of it.
    """
    arrays: Arrays = {}
    try:
        parts = anatomy(trace)
        batch = len(parts.pictures)
    except TracerError:
        return {}, {}
    drawn = [found for i in range(batch) if (found := _image(parts, i, arrays))["drawings"]]
    keys = {drawing["key"] for image in drawn for drawing in image["drawings"]}
    return {"batch": batch, "images": drawn, "fits": _fits(trace, keys)} if drawn else {}, arrays


def _fits(trace: Trace, keys: set[str]) -> list[str | None]:
    patterns = {key: re.compile(calls) for key, calls in _FITTING.items() if key in keys}
    whole = next((key for key in ("detections", "losses") if key in keys), None)
    roots = {call.id for call in trace.calls if call.parent is None}
    found: list[str | None] = []
    for call in trace.calls:
        if call.id in roots:
            found.append(whole)
            continue
        assert call.parent is not None
        around = None if call.parent in roots else found[call.parent]
        name = f"{call.type} {call.path}@{call.stage}"
        own = (key for key, calls in patterns.items() if calls.search(name))
        found.append(next(own, around))
    return found


def _image(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, Any]:
    picture = parts.pictures[image]
    data: dict[str, Any] = {
        "image": image,
        "resized": list(picture.resized_size),
        "padded": list(picture.padded_size),
    }
    for name, read in (("picture", _picture), ("targets", _targets)):
        with suppress(TracerError), fitting(name):
            data[name] = read(parts, image, arrays)
    drawings = []
    for key, (kind, stage, draw) in _DRAWINGS.items():
        with suppress(TracerError), fitting(key):
            own = {"key": key, "kind": kind, "stage": stage}
            drawings.append({**own, **draw(parts, image, arrays)})
    flows = list(_flows(parts)) if drawings and image == 0 else []
    there = {flow["key"] for flow in flows}
    for drawing in drawings:
        if _WATCH.get(drawing["key"]) in there:
            drawing["watch"] = _WATCH[drawing["key"]]
    drawn = sorted(drawings + flows, key=lambda drawing: _ORDER.index(drawing["stage"]))
    return {**data, "drawings": drawn}


def _flows(parts: Anatomy) -> Iterator[Drawing]:
    for name in FLOWS:
        with suppress(TracerError):
            flow = flow_of(parts, name)
            own = {"key": f"flow_{name}", "kind": "flows", "stage": _FLOW_STAGES[name]}
            yield {**own, "flow": flow.data()}


_WATCH = {
    "overlay": "flow_padding",
    "merges": "flow_merge",
    "anchors": "flow_anchors",
    "proposals": "flow_decode",
    "levels": "flow_levels",
    "align": "flow_align",
    "detections": "flow_nms",
}
"""By drawing the flow that shows how it comes about."""


def _picture(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, str]:
    return picture_of(parts, image, f"{image}/picture", arrays)


def picture_of(parts: Anatomy, image: int, name: str, arrays: Arrays) -> dict[str, str]:
    """Put the resized image, its normalisation undone, as JPEG among the arrays.

    Raises:
        MissingError: the recording did not keep it.
    """
    from PIL import Image

    pixels = (parts.pictures[image].rgb() * 255 + 0.5).astype(np.uint8)
    picture = Image.fromarray(pixels)
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return put(arrays, name, np.frombuffer(out.getvalue(), np.uint8), np.uint8)


def _targets(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, str]:
    found = parts.pictures[image].resized_targets
    if found is None:
        raise TracerError("no targets were given")
    return put(arrays, f"{image}/targets", found.xyxy, np.float32)


# --- maps -----------------------------------------------------------------------------------------


def _overlay(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    parts.pictures[image].rgb()  # without a picture there is nothing to lay a tensor over
    return {"first": FIRST}


def _merges(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    merges = parts.pyramid.merges
    found = [_merge(m, image, arrays) for m in merges if m.top is not None]
    if not found:
        raise TracerError("nothing is merged in this pyramid")
    with suppress(TracerError):  # the top, to which nothing is added
        found[:0] = [_top(m, image, arrays) for m in merges if m.top is None]
    return {
        "first": FIRST,
        "merges": found,
        "note": _thinned([(merge["name"], merge["planes"][0]) for merge in found]),
    }


def _merge(merge: Merge, image: int, arrays: Arrays) -> dict[str, Any]:
    """Lateral + upsampled = sum → output; the first three on one scale, so that they compare."""
    planes = merge.planes(image)
    terms = [np.nan_to_num(plane.values) for plane in planes[:3]]
    low, high = min(float(t.min()) for t in terms), max(float(t.max()) for t in terms)
    ranges = [(low, high)] * 3 + [None]
    return _row(merge, dict(enumerate(zip(planes, ranges, strict=True))), image, arrays)


def _top(merge: Merge, image: int, arrays: Arrays) -> dict[str, Any]:
    """What comes of the coarsest map: a lateral and an output, each on its own scale."""
    ends = {0: (merge.lateral.mean(image), None), 3: (merge.output.mean(image), None)}
    return _row(merge, ends, image, arrays)


def _row(
    merge: Merge,
    planes: Mapping[int, tuple[Plane, tuple[float, float] | None]],
    image: int,
    arrays: Arrays,
) -> dict[str, Any]:
    """The planes of a level, each by its place: lateral, upsampled, sum, output."""
    shown = []
    for k, (plane, extent) in planes.items():
        name = f"{image}/merge/{merge.name}/{k}"
        drawn = _plane(name, plane, merge.output.stride, extent, arrays)
        text = said(f"merge_{k}", source=merge.source.name, name=merge.name)
        shown.append({**drawn, "place": k, "text": text})
    return {"name": merge.name, "group": level_group(merge.name), "planes": shown}


def _plane(
    name: str, plane: Plane, stride: Pair, span: Pair | None, arrays: Arrays
) -> dict[str, Any]:
    """A plane in 8 bits, thinned to `PLANE_SIDE`, and how to read it."""
    thin = max(1, -(-max(plane.values.shape) // PLANE_SIDE))
    values, step = np.nan_to_num(plane.values[::thin, ::thin]), plane.step * thin
    cells = Cells(values.shape, (stride[0] * step, stride[1] * step))
    over = Overlay(values, cells, span or (float(values.min()), float(values.max())), SCREEN)
    return {"values": put(arrays, name, over.bytes, np.uint8), **over.data(), "step": step}


def _thinned(named: list[tuple[str, dict[str, Any]]]) -> list[str] | None:
    """Say which planes are drawn in part only, if any are."""
    steps = dict.fromkeys(plane["step"] for _, plane in named if plane["step"] > 1)
    texts = [
        said("map_thinned", n=n, names=", ".join(name for name, p in named if p["step"] == n))
        for n in steps
    ]
    return [" ".join(text) for text in zip(*texts, strict=True)] or None


def _align(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """Where RoIAlign samples each RoI, on the channel mean of the RoI's level."""
    pooling = parts.roi_heads.box
    if len(pooling.boxes[image]) == 0:
        raise TracerError("no RoI is pooled")
    means = [level.map.mean(image) for level in pooling.levels]
    planes = []
    for level, mean in zip(pooling.levels, means, strict=True):
        plane = _plane(f"{image}/map/{level.name}", mean, (1, 1), None, arrays)
        planes.append({**plane, "note": _thinned([(level.name, plane)])})
    grids, pooled = _grids(pooling, image, means, planes)
    return {
        **rois(parts, image, arrays),
        "first": FIRST,
        "planes": planes,
        "bins": list(pooling.output_size),
        "grids": put(arrays, f"{image}/align/grids", grids, np.float32),
        "pooled": put(arrays, f"{image}/align/pooled", pooled, np.uint8),
    }


def _grids(
    pooling: Pooling, image: int, means: list[Plane], planes: list[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Where each RoI is sampled, and what comes out of the channel mean.

    Returns:
        [N, 6]: in cells of the RoI's level x and y of its corner, width and height of a bin; how
        many samples a bin has across and down. [N, bins]: in 8 bits, as the level's plane.
    """
    grids, pooled = [], []
    for index, level in enumerate(pooling.assigned[image]):
        grid = pooling.grid(index, image)
        down, across = grid.bin_size
        mean = means[level]
        values = grid.thinned(mean.step, mean.values.shape).pool(mean.values[None]).ravel()
        pooled.append(in_bytes(values, *planes[level]["range"]))
        ratio = pooling.sampling_ratio
        counts = [ratio if ratio > 0 else max(ceil(size), 1) for size in (across, down)]
        grids.append([*grid.roi[:2], across, down, *counts])
    return np.array(grids), np.array(pooled)


# --- what is no map and no box --------------------------------------------------------------------


def _anchors(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """The anchors of one cell, which are moved to any other, for each level."""
    anchors = parts.anchors
    levels = zip(parts.pyramid.levels, anchors.base, anchors.steps, anchors.counts, strict=True)
    return {
        "first": FIRST,
        "groups": [level_group(level.name) for level in parts.pyramid.levels],
        "levels": [
            {
                "grid": list(level.map.shape[-2:]),
                "base": base.round(3).tolist(),
                "step": list(step),
                "stride": list(level.map.stride),
                "sizes": ", ".join(
                    "×".join(map(number, (y2 - y1, x2 - x1))) for x1, y1, x2, y2 in base.tolist()
                ),
                "n": number(count),
            }
            for level, base, step, count in levels
        ],
    }


def _losses(parts: Anatomy, image: int, arrays: Arrays) -> Drawing:
    """The losses of the whole batch, and what each sample adds to them, by falling size."""
    found = []
    values = [loss.value if np.isfinite(loss.value) else 0 for loss in parts.losses.losses]
    for loss, value in zip(parts.losses.losses, values, strict=True):
        share = value / max(*values, 1e-9)
        entry: dict[str, Any] = {"name": loss.name, "value": number(loss.value), "share": share}
        if loss.terms is not None and np.isfinite(loss.terms).all():
            terms = loss.terms.reshape(len(loss.terms), -1).sum(1, dtype=np.float64)
            ordered = np.sort(terms)[::-1]
            entry["terms"] = put(arrays, f"loss/{loss.name}", ordered, np.float32)
            total, n = float(terms.sum()), len(terms)
            half = int(np.searchsorted(np.cumsum(ordered), total / 2)) + 1 if total > 0 else 0
            how = {"sum": number(total), "divisor": loss.divisor, "half": half, "n": n}
            entry |= {"half": half, "text": said("loss_sum", **how) if n else said("loss_none")}
        found.append(entry)
    return {"losses": found}


_DRAWINGS: dict[str, tuple[str, str, Callable[[Anatomy, int, Arrays], Drawing]]] = {
    "overlay": ("overlay", "", _overlay),
    "merges": ("merges", "fpn", _merges),
    "anchors": ("anchors", "rpn", _anchors),
    "proposals": ("boxes", "rpn", proposals),
    "anchor_matches": (
        "boxes",
        "rpn",
        lambda parts, image, arrays: matches(
            parts, parts.losses.anchors(image), f"{image}/anchor_matches", arrays
        ),
    ),
    "roi_matches": (
        "boxes",
        "roi_heads",
        lambda parts, image, arrays: matches(
            parts, parts.losses.proposals(image), f"{image}/roi_matches", arrays
        ),
    ),
    "levels": ("levels", "roi_heads", rois),
    "align": ("align", "roi_heads", _align),
    "losses": ("losses", "losses", _losses),
    "detections": ("boxes", "postprocess", detections),
    "stories": ("stories", "postprocess", stories),
}
"""By key: how it is drawn, the stage that it is about, and what reads it."""

_FLOW_STAGES = {
    "padding": "transform",
    "stride": "stem",
    "merge": "fpn",
    "anchors": "rpn",
    "decode": "rpn",
    "levels": "roi_heads",
    "align": "roi_heads",
    "nms": "postprocess",
}
_ORDER = ("", "transform", "stem", "fpn", "rpn", "roi_heads", "losses", "postprocess")
"""The stages as drawings are listed; what suits any call stands first."""

_FITTING = {
    "flow_padding": r"GeneralizedRCNNTransform(?!\.postprocess)",
    "flow_stride": r"(^|[ .])body\.conv1@",
    "merges": "^FeaturePyramid",
    "anchors": "AnchorGenerator",
    "proposals": "^RegionProposalNetwork |filter_proposals",
    "flow_decode": r"BoxCoder\.decode@rpn",
    "anchor_matches": r"\.assign_targets_to_anchors|RegionProposalNetwork\.compute_loss",
    "roi_matches": r"\.(assign_targets_to_proposals|select_training_samples|subsample)",
    "levels": "LevelMapper|^RoIHeads ",
    "align": "roi_align|MultiScaleRoIAlign",
    "detections": "postprocess",
    "losses": "fastrcnn_loss",
}
"""By key, first come first: the calls that it goes with, by class, path and stage."""
