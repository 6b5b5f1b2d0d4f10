"""The pictures that the page draws by itself: anchors, proposals, levels, RoIAlign, detections.

What they are is read by `tracer.rcnn.anatomy`; here it becomes small arrays. Boxes stay in the
pixels that the anatomy says, float32 x1, y1, x2, y2.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from tracer.errors import TracerError
from tracer.rcnn.anatomy import Anatomy, Funnel, Merge, Pooling, anatomy
from tracer.record import Trace

MOST_IMAGES = 4
PICTURE_SIDE = 900
"""Pixels of a picture's longer side at most."""
PLANE_SIDE = 128
"""Cells of a map's longer side at most."""
MOST_CANDIDATES = 6000

Arrays = dict[str, np.ndarray]


def scenes(trace: Trace) -> tuple[dict[str, Any], Arrays]:
    """Return what can be drawn of a pass, as JSON data and arrays; empty if nothing can.

    Arrays are named ``scene/…``; what the trace was not told to keep is absent.
    """
    arrays: Arrays = {}
    try:
        parts = anatomy(trace)
        pictures = parts.pictures
    except TracerError:
        return {}, {}
    data: dict[str, Any] = {}
    for name, read in _SHARED.items():
        with suppress(TracerError):
            data[name] = read(parts, arrays)
    data["images"] = [_image(parts, i, arrays) for i in range(min(len(pictures), MOST_IMAGES))]
    return data, arrays


def _image(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, Any]:
    picture = parts.pictures[image]
    data: dict[str, Any] = {
        "original": list(picture.original_size),
        "resized": list(picture.resized_size),
        "padded": list(picture.padded_size),
    }
    for name, read in _PER_IMAGE.items():
        with suppress(TracerError):
            data[name] = read(parts, image, arrays)
    return data


def _put(arrays: Arrays, name: str, values: np.ndarray, dtype: type) -> str:
    """Keep an array under a name and return the name."""
    arrays[f"scene/{name}"] = np.ascontiguousarray(values, dtype)
    return f"scene/{name}"


# --- of the whole batch ---------------------------------------------------------------------------


def _levels(parts: Anatomy, arrays: Arrays) -> list[dict[str, Any]]:
    return [
        {"name": level.name, "shape": list(level.map.shape), "stride": list(level.map.stride)}
        for level in parts.pyramid.levels
    ]


def _anchors(parts: Anatomy, arrays: Arrays) -> dict[str, Any]:
    anchors = parts.anchors
    return {
        "base": [base.round(3).tolist() for base in anchors.base],
        "steps": [list(step) for step in anchors.steps],
        "counts": list(anchors.counts),
    }


def _pooling(parts: Anatomy, arrays: Arrays) -> dict[str, Any]:
    pooling = parts.roi_heads.box
    return {
        "levels": [level.index for level in pooling.levels],
        "scales": list(pooling.scales),
        "bins": list(pooling.output_size),
        "ratio": pooling.sampling_ratio,
        "canonical": [pooling.canonical_scale, pooling.canonical_level],
        "limits": [pooling.k_min, pooling.k_max],
    }


_SHARED: dict[str, Callable[[Anatomy, Arrays], Any]] = {
    "levels": _levels,
    "anchors": _anchors,
    "pooling": _pooling,
}


# --- of each image --------------------------------------------------------------------------------


def _picture(parts: Anatomy, image: int, arrays: Arrays) -> str:
    """The resized image, its normalisation undone, as JPEG."""
    from PIL import Image

    pixels = (parts.pictures[image].rgb() * 255 + 0.5).astype(np.uint8)
    picture = Image.fromarray(pixels)
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return _put(arrays, f"{image}/picture", np.frombuffer(out.getvalue(), np.uint8), np.uint8)


def _targets(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, Any]:
    picture = parts.pictures[image]
    if picture.resized_targets is None:
        raise TracerError("no targets were given")
    labels = picture.target_labels
    return {
        "boxes": _put(arrays, f"{image}/targets", picture.resized_targets.xyxy, np.float32),
        "labels": [] if labels is None else labels.tolist(),
    }


def _proposals(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, Any]:
    """The candidates that were among the best of their level, and what became of each."""
    found = parts.rpn.proposals(image)
    funnel = found.funnel
    chosen = funnel.step("top_k").kept
    order = np.argsort(-found.logits[chosen], kind="stable")[:MOST_CANDIDATES]
    chosen = chosen[order]
    scores = 1 / (1 + np.exp(-found.logits[chosen].astype(np.float64)))
    name = f"{image}/candidates"
    return {
        "boxes": _put(arrays, f"{name}/boxes", found.clipped.xyxy[chosen], np.float32),
        "anchors": _put(arrays, f"{name}/anchors", parts.anchors.xyxy[chosen], np.float32),
        "scores": _put(arrays, f"{name}/scores", scores, np.float32),
        **_fates(funnel, chosen, len(parts.pyramid), name, arrays),
    }


def _fates(
    funnel: Funnel, chosen: np.ndarray, groups: int, name: str, arrays: Arrays
) -> dict[str, Any]:
    """What became of the chosen candidates, and how many were left after each step."""
    place = np.full(funnel.total, -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    by = funnel.suppressed_by[chosen]
    by = np.where(by >= 0, place[np.maximum(by, 0)], -1)
    return {
        "group": _put(arrays, f"{name}/group", funnel.group[chosen], np.uint8),
        "fate": _put(arrays, f"{name}/fate", funnel.removed_by[chosen] + 1, np.uint8),
        "by": _put(arrays, f"{name}/by", by, np.int32),
        "steps": [[step.name, len(step.kept), step.limit] for step in funnel.steps],
        "counts": funnel.counts(groups).tolist(),
    }


def _rois(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, Any]:
    pooling: Pooling = parts.roi_heads.box
    name = f"{image}/rois"
    return {
        "boxes": _put(arrays, f"{name}/boxes", pooling.boxes[image].xyxy, np.float32),
        "level": _put(arrays, f"{name}/level", pooling.assigned[image], np.uint8),
    }


def _detections(parts: Anatomy, image: int, arrays: Arrays) -> dict[str, Any]:
    found = parts.detections[image]
    name = f"{image}/detections"
    data = {
        "boxes": _put(arrays, f"{name}/boxes", found.resized.xyxy, np.float32),
        "scores": _put(arrays, f"{name}/scores", found.scores, np.float32),
        "labels": found.labels.tolist(),
    }
    if found.proposal is not None:
        data["proposal"] = found.proposal.tolist()
    if found.funnel is not None:
        steps = found.funnel.steps
        data["steps"] = [[step.name, len(step.kept), step.limit] for step in steps]
    return data


def _maps(parts: Anatomy, image: int, arrays: Arrays) -> list[dict[str, Any]]:
    """The channel mean of each level."""
    return [
        _plane(f"{image}/map/{level.name}", level.map.mean(image), None, arrays)
        for level in parts.pyramid.levels
    ]


def _merges(parts: Anatomy, image: int, arrays: Arrays) -> list[dict[str, Any]]:
    return [_merge(merge, image, arrays) for merge in parts.pyramid.merges if merge.top is not None]


def _merge(merge: Merge, image: int, arrays: Arrays) -> dict[str, Any]:
    """Lateral + upsampled = sum → output; the first three on one scale, so that they compare."""
    planes = merge.planes(image)
    terms = [np.nan_to_num(plane.values) for plane in planes[:3]]
    low, high = min(float(t.min()) for t in terms), max(float(t.max()) for t in terms)
    ranges = [(low, high)] * 3 + [None]
    names = ("lateral", "upsampled", "sum", "output")
    shown = [
        _plane(f"{image}/merge/{merge.name}/{name}", plane, extent, arrays)
        for name, plane, extent in zip(names, planes, ranges, strict=True)
    ]
    return {"name": merge.name, "source": merge.source.name, "planes": shown}


def _plane(
    name: str, plane: Any, extent: tuple[float, float] | None, arrays: Arrays
) -> dict[str, Any]:
    """A plane in 8 bits, thinned to `PLANE_SIDE`, and how to read it."""
    thin = max(1, -(-max(plane.values.shape) // PLANE_SIDE))
    values = np.nan_to_num(plane.values[::thin, ::thin].astype(np.float32))
    low, high = extent or (float(values.min()), float(values.max()))
    scale = 255 / (high - low) if high > low else 0.0
    pixels = np.clip((values - low) * scale + 0.5, 0, 255)
    return {
        "array": _put(arrays, name, pixels, np.uint8),
        "range": [low, high],
        "step": plane.step * thin,
    }


_PER_IMAGE: dict[str, Callable[[Anatomy, int, Arrays], Any]] = {
    "picture": _picture,
    "targets": _targets,
    "proposals": _proposals,
    "rois": _rois,
    "detections": _detections,
    "maps": _maps,
    "merges": _merges,
}
