"""Measures a detector on scenes that it was not trained on, with pycocotools.

pycocotools is the reference implementation of COCO's average precision, and other
libraries call it; using it directly keeps the list of dependencies short.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from tracer.errors import TracerError
from tracer.rcnn.demo.scenes import CLASSES, DEMO_SIZE, Scene, default_scene, scene

LEVELS = {"P2": (0, 112), "P3": (112, 224), "P4": (224, 448), "P5": (448, 10_000)}
"""Square roots of box areas in pixels that RoI pooling takes from each level.

From k = floor(4 + log2(sqrt(w h) / 224)) of the FPN paper (arXiv:1612.03144, equation 1).
"""


@dataclass(frozen=True)
class Evaluation:
    """COCO's measures, each a share in 0 to 1, NaN where no object counts.

    Attributes:
        scenes: how many were used.
        objects: how many they hold in all.
        ap: average precision, mean over IoU 0.50 to 0.95 and over classes.
        ap50: the same at IoU 0.50.
        ap75: the same at IoU 0.75.
        recall: average recall over IoU 0.50 to 0.95 with at most 100 detections a scene.
        recall50: recall at IoU 0.50.
        per_class: class -> (ap, ap50).
        per_level: level that pools boxes of this size -> (ap, ap50, objects).
    """

    scenes: int
    objects: int
    ap: float
    ap50: float
    ap75: float
    recall: float
    recall50: float
    per_class: dict[str, tuple[float, float]]
    per_level: dict[str, tuple[float, float, int]]

    def text(self) -> str:
        """A table of fixed width."""
        rows = [
            f"{self.scenes} scenes, {self.objects} objects",
            f"AP {self.ap:.3f}   AP50 {self.ap50:.3f}   AP75 {self.ap75:.3f}   "
            f"AR100 {self.recall:.3f}   recall at IoU 0.5 {self.recall50:.3f}",
            "",
            f"{'class':<12}{'AP':>7}{'AP50':>7}",
        ]
        rows += [f"{name:<12}{ap:7.3f}{ap50:7.3f}" for name, (ap, ap50) in self.per_class.items()]
        rows += [
            "",
            f"{'size':<12}{'AP':>7}{'AP50':>7}{'objects':>9}   (sqrt of box area; pooled from)",
        ]
        for level, (ap, ap50, count) in self.per_level.items():
            low, high = LEVELS[level]
            sizes = f"{low}-{high} px" if high < 10_000 else f"{low} px up"
            rows.append(f"{sizes:<12}{ap:7.3f}{ap50:7.3f}{count:9d}   {level}")
        return "\n".join(rows)


def evaluate(
    model: nn.Module, n: int = 300, size: tuple[int, int] = DEMO_SIZE, first_seed: int = 0
) -> Evaluation:
    """Runs the model on `n` held-out scenes and measures its detections.

    Training starts at seed 1,000,000, so the first million seeds are held out.
    """
    scenes = [scene(first_seed + i, size) for i in range(n)]
    return measure(scenes, detections(model, scenes))


@torch.inference_mode()
def detections(model: nn.Module, scenes: Iterable[Scene]) -> Iterator[dict[str, Tensor]]:
    """Yields torchvision's result for each scene: boxes, labels, scores."""
    model.eval()
    for one in scenes:
        yield model([one.tensor()])[0]


def pooling_level(boxes: np.ndarray) -> np.ndarray:
    """The level, 2 to 5, from which RoI pooling takes each of `boxes` [N, 4], in pixels."""
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    found: np.ndarray = np.clip(np.floor(4 + np.log2(sides / 224) + 1e-6), 2, 5).astype(int)
    return found


def default_scene_table(model: nn.Module) -> str:
    """What the model finds in the default scene, as a table of fixed width."""
    picture = default_scene()
    result = next(iter(detections(model, [picture])))
    overlaps = box_iou(torch.from_numpy(picture.boxes), result["boxes"])
    levels = pooling_level(picture.boxes)
    rows = ["default scene", f"{'object':<12}{'level':>6}{'score':>7}{'IoU':>7}"]
    matched = set()
    for label, level, row in zip(picture.labels, levels, overlaps, strict=True):
        row = row * (result["labels"] == int(label))
        best = int(row.argmax()) if len(row) else -1
        score, overlap = (float(result["scores"][best]), float(row[best])) if len(row) else (0, 0)
        matched.add(best)
        rows.append(f"{CLASSES[label]:<12}{f'P{level}':>6}{score:7.3f}{overlap:7.3f}")
    others = [float(s) for i, s in enumerate(result["scores"]) if i not in matched]
    rows.append(f"{len(others)} other detections, the highest at {max(others, default=0):.3f}")
    return "\n".join(rows)


def measure(scenes: Sequence[Scene], results: Iterable[dict[str, Tensor]]) -> Evaluation:
    """Compares detections with the truth.

    Args:
        scenes: the truth.
        results: for each scene `boxes` [N, 4], `labels` [N] and `scores` [N].

    Raises:
        TracerError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise TracerError(
            "evaluating needs pycocotools: pip install rcnn-tracer[train]."
        ) from error
    found = [row for i, result in enumerate(results) for row in _rows(i, result)]
    truth = COCO()
    truth.dataset = _dataset(scenes)
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(found) if found else COCO(), "bbox")
        run.params.areaRng = [[0, 1e10]] + [[a * a, b * b] for a, b in LEVELS.values()]
        run.params.areaRngLbl = ["all", *LEVELS]
        run.evaluate()
        run.accumulate()
    return _summary(scenes, run.eval["precision"], run.eval["recall"])


def _dataset(scenes: Sequence[Scene]) -> dict[str, list[dict[str, Any]]]:
    """The truth in COCO's format."""
    objects: list[dict[str, Any]] = [
        {"image_id": i, "category_id": int(label), "bbox": _xywh(box), "iscrowd": 0}
        for i, one in enumerate(scenes)
        for box, label in zip(one.boxes, one.labels, strict=True)
    ]
    for number, row in enumerate(objects, start=1):
        row.update(id=number, area=row["bbox"][2] * row["bbox"][3])
    return {
        "images": [{"id": i} for i in range(len(scenes))],
        "annotations": objects,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES) if i],
    }


def _rows(image: int, result: dict[str, Tensor]) -> list[dict[str, Any]]:
    """One scene's detections in COCO's format."""
    return [
        {"image_id": image, "category_id": label, "bbox": _xywh(box), "score": score}
        for box, label, score in zip(
            result["boxes"].tolist(),
            result["labels"].tolist(),
            result["scores"].tolist(),
            strict=True,
        )
    ]


def _xywh(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _summary(scenes: Sequence[Scene], precision: np.ndarray, recall: np.ndarray) -> Evaluation:
    """Averages COCOeval's arrays.

    Args:
        scenes: the truth.
        precision: [IoU thresholds, recalls, classes, sizes, detection limits], -1 for none.
        recall: [IoU thresholds, classes, sizes, detection limits], -1 for none.
    """
    precision, recall = precision[..., -1], recall[..., -1]
    sides = np.concatenate([np.sqrt(np.prod(s.boxes[:, 2:] - s.boxes[:, :2], 1)) for s in scenes])
    levels = enumerate(LEVELS.items(), start=1)
    return Evaluation(
        scenes=len(scenes),
        objects=len(sides),
        ap=_mean(precision[..., 0]),
        ap50=_mean(precision[0, ..., 0]),
        ap75=_mean(precision[5, ..., 0]),
        recall=_mean(recall[..., 0]),
        recall50=_mean(recall[0, ..., 0]),
        per_class={
            name: (_mean(precision[:, :, k, 0]), _mean(precision[0, :, k, 0]))
            for k, name in enumerate(CLASSES[1:])
        },
        per_level={
            level: (
                _mean(precision[..., i]),
                _mean(precision[0, ..., i]),
                int(((sides >= low) & (sides < high)).sum()),
            )
            for i, (level, (low, high)) in levels
        },
    )


def _mean(values: np.ndarray) -> float:
    """The mean of what counts, NaN if nothing does."""
    counted = values[values > -1]
    return float(counted.mean()) if counted.size else float("nan")
