"""Average precision of a survey's detections, by pycocotools: COCO's own measure."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np

from tracer.errors import InputError
from tracer.surveys.data import Survey

NAMES = ("ap", "ap50", "ap75", "small", "medium", "large", "ar1", "ar10", "ar100")
"""The first nine of ``COCOeval.stats``, in its order."""


def precision(survey: Survey) -> dict[str, float]:
    """Return COCO's measures by `NAMES`, each 0–1, NaN where no object counts.

    Sizes are those of the annotations' areas; crowd regions are ignored, as COCO does.

    Returns:
        Nothing where no picture has targets, or no pass was run.

    Raises:
        InputError: pycocotools is not installed.
    """
    told = survey.pictures["targets"]
    if survey.subject.static or survey.subject.kind == "other" or not told.any():
        return {}
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise InputError(
            "average precision needs pycocotools: pip install rcnn-tracer[survey]"
        ) from None
    numbers = survey.pictures["number"][told]
    truth = COCO()
    truth.dataset = _truth(survey, numbers)
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        rows = _found(survey, numbers)
        run = COCOeval(truth, truth.loadRes(rows) if len(rows) else COCO(), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    stats = [float(value) for value in run.stats[: len(NAMES)]]
    return {n: v if v >= 0 else float("nan") for n, v in zip(NAMES, stats, strict=True)}


def _truth(survey: Survey, numbers: np.ndarray) -> dict[str, Any]:
    objects = survey.objects
    labels = sorted({*objects["label"].tolist(), *survey.detections["label"].tolist()})
    boxes = _xywh(objects["box"])
    columns = (objects["picture"], objects["label"], objects["crowd"], objects["area"], boxes)
    return {
        "images": [{"id": number} for number in numbers.tolist()],
        "categories": [{"id": label} for label in labels],
        "annotations": [
            {"id": at, "image_id": picture, "category_id": label, "iscrowd": int(crowd),
             "area": area, "bbox": box}
            for at, (picture, label, crowd, area, box) in enumerate(
                zip(*(column.tolist() for column in columns), strict=True), start=1
            )
        ],
    }  # fmt: skip


def _found(survey: Survey, numbers: np.ndarray) -> np.ndarray:
    """Detections as pycocotools takes them at once: picture, x, y, w, h, score, label."""
    table = survey.detections
    chosen = np.isin(table["picture"], numbers)
    parts = (
        table["picture"][:, None], _xywh(table["box"]), table["score"][:, None],
        table["label"][:, None],
    )  # fmt: skip
    return np.concatenate(parts, 1, dtype=np.float64)[chosen]


def _xywh(boxes: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    return found.astype(np.float64)
