"""From class scores and deltas to detections in the original image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracer.errors import MissingError
from tracer.rcnn.anatomy.funnel import Funnel, Step
from tracer.rcnn.anatomy.geometry import ORIGINAL, RESIZED, Boxes, clip
from tracer.rcnn.anatomy.reading import Pass, plain
from tracer.rcnn.anatomy.roi import RoiHeads
from tracer.rcnn.anatomy.transform import Picture
from tracer.record import Call, Value


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one image.

    Attributes:
        image: index in the batch.
        boxes: in original pixels: what the model returns.
        resized: the same in resized pixels.
        labels: int64 [D]; 0 is the background and never returned.
        scores: float32 [D], falling.
        funnel: all → score → small → nms → top_n; None for a one-stage detector. A candidate is a
            pair of a proposal and a class: ``proposal * (num_classes - 1) + (label - 1)``;
            groups are labels.
        candidate_boxes: float32 [total, 4] in resized pixels, clipped; None like `funnel`.
        candidate_scores: float32 [total]; None like `funnel`.
        proposal: int64 [D], the proposal that each detection came from; None like `funnel`.
    """

    image: int
    boxes: Boxes
    resized: Boxes
    labels: np.ndarray
    scores: np.ndarray
    funnel: Funnel | None = None
    candidate_boxes: np.ndarray | None = None
    candidate_scores: np.ndarray | None = None
    proposal: np.ndarray | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self.labels)


def read_detections(
    run: Pass, heads: RoiHeads | None, pictures: tuple[Picture, ...]
) -> tuple[Detections, ...]:
    """Read the detections of every image.

    Args:
        run: the pass.
        heads: the RoI heads, None for a one-stage detector.
        pictures: the images.

    Raises:
        MissingError: there are none, as in training, or they were not kept.
    """
    if run.training:
        raise no_detections()
    scaling = run.need_function("GeneralizedRCNNTransform.postprocess", "detections")
    if heads is None:
        return tuple(_read(run, scaling, picture) for picture in pictures)
    call = run.need_function("RoIHeads.postprocess_detections", "detections")
    return tuple(_with_funnel(run, heads, call, scaling, p) for p in pictures)


def no_detections() -> MissingError:
    """Return the error of a training pass that is asked for detections."""
    return MissingError(
        "a pass in training mode returns losses and no detections: record one in eval mode, "
        "model.eval()"
    )


def _read(run: Pass, scaling: Call, picture: Picture) -> Detections:
    i = picture.index
    before = scaling.args["result"][i]
    after = run.named("function", "resize_boxes", scaling)
    if i >= len(after) or after[i].result is None:
        raise MissingError(f"the recorded pass ended before image {i} had detections")
    resized = run.array(before["boxes"], "the detections")
    boxes = run.array(after[i].result, "the detections in the original image")
    return Detections(
        i,
        Boxes(boxes, ORIGINAL, picture.original_size, i),
        Boxes(resized, RESIZED, picture.resized_size, i),
        run.array(before["labels"], "the detections' labels"),
        run.array(before["scores"], "the detections' scores"),
    )


def with_candidates(run: Pass, found: Detections) -> Detections:
    """Return a one-stage detector's detections with the candidates that its NMS got.

    Their funnel is that of a two-stage detector, all → score → small → nms → top_n, of which the
    first two removed nothing: what the score threshold and the limit per level (of SSD per class)
    removed is not among the candidates.

    Args:
        run: the pass.
        found: the detections of an image.

    Raises:
        MissingError: the candidates were not kept.
    """
    call = run.need_function(f"{run.model.type}.postprocess_detections", "the candidates of NMS")
    nms = run.named("function", "batched_nms", call)
    if found.image >= len(nms):
        raise MissingError(f"the recorded pass ended before image {found.image} had detections")
    args, what = nms[found.image].args, "the candidates of NMS"
    boxes, scores, labels = (run.array(args[name], what) for name in ("boxes", "scores", "idxs"))
    every = np.arange(len(scores))
    kept = run.array(nms[found.image].result, "the indices that NMS kept")
    own = call.args["self"]
    limit, threshold = plain(own["detections_per_img"]), plain(args["iou_threshold"])
    steps = (
        Step("all", every),
        Step("score", every, plain(own["score_thresh"])),
        Step("small", every, 0),
        Step("nms", kept, threshold),
        Step("top_n", kept[:limit], limit),
    )
    funnel = Funnel.of(labels, steps, boxes)
    return replace(found, funnel=funnel, candidate_boxes=boxes, candidate_scores=scores)


def _with_funnel(
    run: Pass, heads: RoiHeads, call: Call, scaling: Call, picture: Picture
) -> Detections:
    plain_detections = _read(run, scaling, picture)
    i = picture.index
    boxes = _candidate_boxes(run, call, i, picture)
    scores = np.ascontiguousarray(heads.scores(i)[:, 1:]).reshape(-1)
    classes = heads.num_classes - 1
    labels = np.tile(np.arange(1, classes + 1), len(scores) // max(classes, 1))
    steps = _steps(run, call, i, scores)
    d = plain_detections
    return Detections(
        i,
        d.boxes,
        d.resized,
        d.labels,
        d.scores,
        Funnel.of(labels, steps, boxes),
        boxes,
        scores,
        steps[-1].kept // max(classes, 1),
    )


def _candidate_boxes(run: Pass, call: Call, image: int, picture: Picture) -> np.ndarray:
    """Every proposal moved by every class's deltas, clipped, without the background's."""
    clipping = run.named("function", "clip_boxes_to_image", call)
    if image >= len(clipping):
        raise MissingError(f"the recorded pass ended before image {image} had detections")
    decoded: Value = clipping[image].args["boxes"]
    boxes = run.array(decoded, "the decoded boxes of all classes")
    if boxes.ndim == 2:  # without proposals torchvision leaves the classes' boxes in one row
        boxes = boxes.reshape(len(boxes), boxes.shape[1] // 4, 4)
    boxes = clip(boxes, picture.resized_size)
    return np.ascontiguousarray(boxes[:, 1:]).reshape(-1, 4)


def _steps(run: Pass, call: Call, image: int, scores: np.ndarray) -> tuple[Step, ...]:
    own = call.args["self"]
    small = run.named("function", "remove_small_boxes", call)[image]
    nms = run.named("function", "batched_nms", call)[image]
    threshold = plain(own["score_thresh"])
    scored = _above(scores, threshold, run.shape(small.args["boxes"])[0])
    large = scored[run.array(small.result, "the indices of boxes that are large enough")]
    kept = large[run.array(nms.result, "the indices that NMS kept")]
    limit = plain(own["detections_per_img"])
    return (
        Step("all", np.arange(len(scores))),
        Step("score", scored, threshold),
        Step("small", large, plain(small.args["min_size"])),
        Step("nms", kept, plain(own["nms_thresh"])),
        Step("top_n", kept[:limit], limit),
    )


def _above(scores: np.ndarray, threshold: float, passed: int) -> np.ndarray:
    """Return the candidates above a score; where rounding disagrees, the recorded number of them.

    Without the recorded softmax the scores are computed here, and one at the threshold may fall
    on the other side of it.
    """
    found = np.flatnonzero(scores > np.float32(threshold))
    if len(found) == passed:
        return found
    return np.sort(np.argsort(-scores, kind="stable")[:passed])
