"""A training pass: which boxes are matched to which targets, what is sampled, what is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tracer.errors import MissingError, NotRecorded
from tracer.rcnn.anatomy.anchors import Anchors
from tracer.rcnn.anatomy.geometry import RESIZED, Boxes, iou
from tracer.rcnn.anatomy.reading import Pass, fitting
from tracer.rcnn.anatomy.transform import Picture
from tracer.record import Call, Value

BELOW = -1
"""Best IoU below the low threshold: a negative."""
BETWEEN = -2
"""Best IoU between the two thresholds: ignored."""


@dataclass(frozen=True, eq=False)
class Matching:
    """Boxes against targets, in one image. All boxes are in resized pixels.

    Attributes:
        image: index in the batch.
        boxes: the N boxes that are matched: anchors, or proposals with the targets appended.
        targets: the M target boxes.
        high, low: IoU thresholds: positive from `high` on, negative below `low`.
        best_target: int64 [N], the target of largest IoU; -1 if there are no targets.
        best_iou: float32 [N].
        matches: int64 [N], the matched target, or `BELOW`, or `BETWEEN`.
        low_quality: bool [N], positive only because no other box overlaps its target more.
    """

    image: int
    boxes: Boxes
    targets: Boxes
    high: float
    low: float
    best_target: np.ndarray
    best_iou: np.ndarray
    matches: np.ndarray
    low_quality: np.ndarray

    def iou(self, index: np.ndarray | slice | None = None) -> np.ndarray:
        """Return the IoU matrix, float32 [M, N], of all boxes or of some."""
        boxes = self.boxes if index is None else self.boxes.take(index)
        return self.targets.iou(boxes)

    @property
    def positive(self) -> np.ndarray:
        """Mask of the positives, bool [N]."""
        return self.matches >= 0

    @property
    def negative(self) -> np.ndarray:
        """Mask of the negatives, bool [N]."""
        found: np.ndarray = self.matches == BELOW
        return found

    @property
    def ignored(self) -> np.ndarray:
        """Mask of those that are neither, bool [N]."""
        found: np.ndarray = self.matches == BETWEEN
        return found


@dataclass(frozen=True, eq=False)
class Loss:
    """One of the losses, taken apart.

    Attributes:
        name: the key in what the model returned, ``"loss_objectness"``.
        value: as recorded.
        terms: float32, one per sample (per sample and coordinate [n, 4] for box losses), before
            they are summed; None where they were not kept.
        divisor: what their sum is divided by; None like `terms`.
    """

    name: str
    value: float
    terms: np.ndarray | None = None
    divisor: int | None = None

    @property
    def computed(self) -> float | None:
        """The value put together again from the terms."""
        if self.terms is None or not self.divisor:
            return None
        return float(self.terms.sum(dtype=np.float64) / self.divisor)


@dataclass(frozen=True, eq=False)
class Samples:
    """What a loss saw of one image.

    Attributes:
        matching: of the boxes it was sampled from.
        positive, negative: int64, the sampled boxes, indices into `matching.boxes`.
        labels: int64 [N], class (1 for every positive anchor), 0 for negatives, -1 ignored.
    """

    matching: Matching
    positive: np.ndarray
    negative: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Training:
    """What the losses of this pass were made from.

    Attributes:
        losses: in the order the model returned them.
        targets_added: whether the targets were appended to the proposals (torchvision does).
    """

    losses: tuple[Loss, ...]
    targets_added: bool
    _pass: Pass = field(repr=False)
    _anchors: Anchors = field(repr=False)
    _pictures: tuple[Picture, ...] = field(repr=False)

    @fitting("the anchors' samples")
    def anchors(self, image: int = 0) -> Samples:
        """Return matches and samples of the anchors of an image, for the RPN's losses.

        Raises:
            MissingError: what it is read from was not recorded.
        """
        return self._once("anchors", _anchor_samples, image)

    @fitting("the proposals' samples")
    def proposals(self, image: int = 0) -> Samples:
        """Return matches and samples of the proposals of an image, for the RoI heads' losses.

        Raises:
            MissingError: what it is read from was not recorded.
        """
        return self._once("proposals", _proposal_samples, image)

    def _once(self, whose: str, read: Callable[[Training, int], Samples], image: int) -> Samples:
        if (whose, image) not in self._read:
            self._read[whose, image] = read(self, image)
        return self._read[whose, image]

    def anchor_targets(self) -> np.ndarray:
        """Return the regression targets of all images' sampled positive anchors, float32 [n, 4].

        Raises:
            MissingError: they were not kept.
        """
        call = self._pass.need_function("RegionProposalNetwork.compute_loss", "the RPN's losses")
        op = _op(self._pass, "smooth_l1_loss", call)
        return self._pass.array(op.args["target"], "the anchors' regression targets")

    def proposal_targets(self, image: int = 0) -> np.ndarray:
        """Return the regression targets of an image's sampled proposals, float32 [n, 4].

        Raises:
            MissingError: they were not kept.
        """
        call = self._pass.need_function("RoIHeads.select_training_samples", "training samples")
        assert call.result is not None
        return self._pass.array(call.result[3][image], "the proposals' regression targets")

    @cached_property
    def _read(self) -> dict[tuple[str, int], Samples]:
        return {}


def match(
    boxes: Boxes, targets: Boxes, high: float, low: float, allow_low_quality: bool
) -> Matching:
    """Match boxes to targets as torchvision's ``Matcher`` does.

    Args:
        boxes: N boxes.
        targets: M target boxes in the same pixels.
        high: IoU from which on a box is positive.
        low: IoU below which it is negative.
        allow_low_quality: also make the boxes positive that overlap some target more than any
            other box does, if that is little.
    """
    count = len(boxes)
    if len(targets) == 0:
        none = np.full(count, BELOW, np.int64)
        zero = np.zeros(count, np.float32)
        return Matching(
            boxes.image, boxes, targets, high, low, none, zero, none, np.zeros(count, bool)
        )
    quality = iou(targets.xyxy, boxes.xyxy)
    best, value = quality.argmax(0), quality.max(0) if count else np.zeros(0, np.float32)
    matches = best.copy()
    matches[value < np.float32(low)] = BELOW
    matches[(value >= np.float32(low)) & (value < np.float32(high))] = BETWEEN
    saved = np.zeros(count, bool)
    if allow_low_quality and count:
        most = (quality == quality.max(1, keepdims=True)).any(0)
        saved = most & (matches < 0)
        matches[most] = best[most]
    return Matching(boxes.image, boxes, targets, high, low, best, value, matches, saved)


def read_training(run: Pass, anchors: Anchors, pictures: tuple[Picture, ...]) -> Training:
    """Read the losses.

    Raises:
        MissingError: this is no training pass, or it did not come to its losses.
    """
    if not run.training:
        raise MissingError(
            "there are no losses in a pass in eval mode: record one in training mode, "
            "model.train(), with targets"
        )
    if run.model.result is None or run.model.result.kind != "mapping":
        raise MissingError("the recorded training pass did not come to its losses")
    losses = tuple(_loss(run, name, value) for name, value in run.model.result.items)
    added = run.function("RoIHeads.add_gt_proposals") is not None
    return Training(losses, added, run, anchors, pictures)


def _anchor_samples(training: Training, image: int) -> Samples:
    run = training._pass
    what = "the anchors' matches"
    call = run.need_function("RegionProposalNetwork.assign_targets_to_anchors", what)
    picture = training._pictures[image]
    targets = _targets(picture)
    boxes = Boxes(training._anchors.xyxy, RESIZED, picture.resized_size, image)
    high, low = _thresholds(run, call, (0.7, 0.3))
    matching = match(boxes, targets, high, low, allow_low_quality=True)
    sampler = _sampler(run, "RegionProposalNetwork.compute_loss")
    labels = np.where(matching.matches >= 0, 1, np.where(matching.matches == BELOW, 0, -1))
    return Samples(matching, *_sampled(run, sampler, image), labels.astype(np.int64))


def _proposal_samples(training: Training, image: int) -> Samples:
    run = training._pass
    what = "the proposals' matches"
    call = run.need_function("RoIHeads.assign_targets_to_proposals", what)
    picture = training._pictures[image]
    xyxy = run.array(call.args["proposals"][image], "the proposals with the targets added")
    given = run.array(call.args["gt_labels"][image], "the targets' labels")
    high, low = _thresholds(run, call, (0.5, 0.5))
    boxes = Boxes(xyxy, RESIZED, picture.resized_size, image)
    matching = match(boxes, _targets(picture), high, low, allow_low_quality=False)
    labels = given[np.maximum(matching.matches, 0)] if len(given) else np.zeros(len(boxes), int)
    labels = np.where(matching.matches >= 0, labels, np.where(matching.matches == BELOW, 0, -1))
    sampler = _sampler(run, "RoIHeads.subsample")
    return Samples(matching, *_sampled(run, sampler, image), labels.astype(np.int64))


def _targets(picture: Picture) -> Boxes:
    if picture.resized_targets is None:
        raise MissingError(f"image {picture.index} has no targets: pass them to the model")
    return picture.resized_targets


def _thresholds(run: Pass, call: Call, usual: tuple[float, float]) -> tuple[float, float]:
    """The matcher's (high, low): the numbers that it compares with; torchvision's without ops."""
    matcher = run.function("Matcher.__call__", call)
    below = () if matcher is None else run.named("op", "lt", matcher)
    found = [op.args.items[1][1].scalar for op in below[:2]]
    if len(found) == 2 and all(isinstance(f, float) for f in found):
        return float(found[1]), float(found[0])  # type: ignore[arg-type]
    return usual


def _sampler(run: Pass, within: str) -> Call:
    around = run.need_function(within, "training samples")
    return run.need_function("BalancedPositiveNegativeSampler.__call__", "training samples", around)


def _sampled(run: Pass, sampler: Call, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the sampled positives and negatives, from the sampler's two masks."""
    assert sampler.result is not None
    masks = [run.array(sampler.result[i][image], "the training samples") for i in (0, 1)]
    return np.flatnonzero(masks[0]), np.flatnonzero(masks[1])


def _op(run: Pass, name: str, within: Call) -> Call:
    found = run.named("op", name, within)
    if not found:
        raise NotRecorded(f"{name} is not in the trace", grain="op")
    return found[-1]


def _loss(run: Pass, name: str, value: Value) -> Loss:
    number = run.state(value).summary.min
    recorded = float("nan") if number is None else float(number)
    takers = {
        "loss_objectness": ("RegionProposalNetwork.compute_loss", _objectness),
        "loss_rpn_box_reg": ("RegionProposalNetwork.compute_loss", _rpn_boxes),
        "loss_classifier": ("fastrcnn_loss", _classifier),
        "loss_box_reg": ("fastrcnn_loss", _roi_boxes),
    }
    if name not in takers or run.one_stage:
        return Loss(name, recorded)
    function, take = takers[name]
    call = run.function(function)
    parts = None if call is None else take(run, call)
    return Loss(name, recorded) if parts is None else Loss(name, recorded, *parts)


_Parts = tuple[np.ndarray, int] | None


def _pair(run: Pass, name: str, call: Call) -> tuple[np.ndarray, np.ndarray] | None:
    """The kept input and target of a loss function."""
    ops = run.named("op", name, call)
    if not ops:
        return None
    values = [run.maybe(ops[-1].args.get(part)) for part in ("input", "target")]
    return None if values[0] is None or values[1] is None else (values[0], values[1])


def _objectness(run: Pass, call: Call) -> _Parts:
    pair = _pair(run, "binary_cross_entropy_with_logits", call)
    if pair is None:
        return None
    logits, labels = pair
    terms = np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))
    return terms, len(terms)


def _rpn_boxes(run: Pass, call: Call) -> _Parts:
    pair = _pair(run, "smooth_l1_loss", call)
    sampled = _pair(run, "binary_cross_entropy_with_logits", call)
    if pair is None or sampled is None:
        return None
    return smooth_l1(*pair), len(sampled[0])


def _classes(run: Pass, call: Call) -> tuple[np.ndarray, np.ndarray] | None:
    """Logits and labels of all images' samples, as ``fastrcnn_loss`` got them."""
    logits = run.maybe(call.args["class_logits"])
    labels = [run.maybe(value) for _, value in call.args["labels"].items]
    if logits is None or any(each is None for each in labels):
        return None
    return logits, np.concatenate([each for each in labels if each is not None])


def _classifier(run: Pass, call: Call) -> _Parts:
    pair = _classes(run, call)
    if pair is None:
        return None
    logits, labels = pair
    shifted = logits - logits.max(1, keepdims=True)
    terms = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels]
    return terms, len(terms)


def _roi_boxes(run: Pass, call: Call) -> _Parts:
    pair = _pair(run, "smooth_l1_loss", call)
    every = _classes(run, call)
    if pair is None or every is None:
        return None
    return smooth_l1(*pair), len(every[1])


def smooth_l1(values: np.ndarray, targets: np.ndarray, beta: float = 1 / 9) -> np.ndarray:
    """Return ½d²/β where d = |values - targets| is below β, else d - ½β; same shape."""
    distance = np.abs(values - targets)
    found: np.ndarray = np.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta)
    return found
