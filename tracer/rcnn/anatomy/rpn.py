"""The region proposal network: scores and deltas per anchor, and what became of each proposal."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tracer.errors import MissingError
from tracer.rcnn.anatomy.anchors import Anchors, coder_limit, coder_weights, read_anchors
from tracer.rcnn.anatomy.fpn import Level, Pyramid
from tracer.rcnn.anatomy.funnel import Funnel, Step
from tracer.rcnn.anatomy.geometry import RESIZED, Boxes, clip, decode
from tracer.rcnn.anatomy.reading import Pass, fitting, plain
from tracer.rcnn.anatomy.transform import Picture
from tracer.record import Call

UNIT = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Proposals:
    """The proposals of one image, from all anchors to what the RoI heads get.

    A candidate is an anchor's index; boxes are in resized pixels of this image.

    Attributes:
        image: index in the batch.
        logits: float32 [A], objectness before the sigmoid.
        deltas: float32 [A, 4], dx, dy, dw, dh.
        decoded: all A anchors moved by their deltas, not clipped. Recorded values where they were
            kept (always from top-k on), else computed here, where `exp` may differ in the last
            place.
        clipped: the same, clipped to the image.
        funnel: all → top_k → clip → small → score → nms → top_n; groups are levels.
        boxes: the proposals, by falling score.
        scores: float32 [P], their objectness after the sigmoid, 0–1.
    """

    image: int
    logits: np.ndarray
    deltas: np.ndarray
    decoded: Boxes
    clipped: Boxes
    funnel: Funnel
    boxes: Boxes
    scores: np.ndarray

    @property
    def level(self) -> np.ndarray:
        """Index of the level that each proposal's anchor was on, int64 [P]."""
        found: np.ndarray = self.funnel.group[self.funnel.steps[-1].kept]
        return found


@dataclass(frozen=True, eq=False)
class Rpn:
    """What the region proposal network did in this pass.

    Attributes:
        levels: of the pyramid.
        anchors: the same for all images.
        weights: what the deltas are divided by when decoded.
        limit: what dw and dh are clamped to.
        nms_threshold, score_threshold, smallest: of the filter: IoU, score, side in pixels.
        pre_nms_top_n: at most so many per level before NMS.
        post_nms_top_n: at most so many in total after NMS.
    """

    levels: tuple[Level, ...]
    anchors: Anchors
    weights: tuple[float, ...]
    limit: float
    nms_threshold: float
    score_threshold: float
    smallest: float
    pre_nms_top_n: int
    post_nms_top_n: int
    _pass: Pass = field(repr=False)
    _filter: Call = field(repr=False)
    _pictures: tuple[Picture, ...] = field(repr=False)

    @fitting("the objectness scores")
    def objectness(self, level: int, image: int = 0) -> np.ndarray:
        """Return the logits of a level as a map, float32 [anchors per cell, H, W].

        Raises:
            MissingError: they were not kept.
        """
        found: np.ndarray = self._head_map(0, level)[image]
        return found

    @fitting("the box deltas")
    def delta_map(self, level: int, image: int = 0) -> np.ndarray:
        """Return the deltas of a level as a map, float32 [anchors per cell, 4, H, W].

        Raises:
            MissingError: they were not kept.
        """
        values = self._head_map(1, level)[image]
        found: np.ndarray = values.reshape(-1, 4, *values.shape[-2:])
        return found

    def _head_map(self, part: int, level: int) -> np.ndarray:
        head = self._pass.need_module("rpn.head", "objectness scores")
        assert head.result is not None
        what = ("objectness", "box deltas")[part]
        return self._pass.array(head.result[part][level], what)

    @fitting("the proposals")
    def proposals(self, image: int = 0) -> Proposals:
        """Return what became of each anchor of an image.

        Raises:
            MissingError: what it is read from was not kept; says how to record it.
        """
        if image not in self._read:
            self._read[image] = _proposals(self, image)
        return self._read[image]

    @cached_property
    def _read(self) -> dict[int, Proposals]:
        return {}


def read_rpn(run: Pass, pyramid: Pyramid, pictures: tuple[Picture, ...]) -> Rpn:
    """Read the RPN.

    Raises:
        MissingError: the model has none, or what it did was not recorded.
    """
    call = run.need_module("rpn", "proposals")
    what = "the steps from anchors to proposals"
    filtering = run.need_function("RegionProposalNetwork.filter_proposals", what, call)
    coding = run.function("BoxCoder.decode", call)
    own = filtering.args["self"]
    return Rpn(
        pyramid.levels,
        read_anchors(run, pyramid),
        coder_weights(run, coding, UNIT),
        coder_limit(run, coding),
        plain(own["nms_thresh"]),
        plain(own["score_thresh"]),
        plain(own["min_size"]),
        _count(run, "pre", filtering),
        _count(run, "post", filtering),
        run,
        filtering,
        pictures,
    )


def _count(run: Pass, when: str, filtering: Call) -> int:
    name = f"RegionProposalNetwork.{when}_nms_top_n"
    return int(plain(run.need_function(name, "top-n limits", filtering).result))


def _flat(rpn: Rpn, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [A] and deltas [A, 4] in the anchors' order."""
    logits, deltas = [], []
    for level in range(len(rpn.levels)):
        logits.append(rpn.objectness(level, image).transpose(1, 2, 0).reshape(-1))
        deltas.append(rpn.delta_map(level, image).transpose(2, 3, 0, 1).reshape(-1, 4))
    return np.concatenate(logits), np.concatenate(deltas)


def _proposals(rpn: Rpn, image: int) -> Proposals:
    run, filtering = rpn._pass, rpn._filter
    size = rpn._pictures[image].resized_size
    logits, deltas = _flat(rpn, image)
    steps = _steps(rpn, image, logits)
    decoded = _decoded(rpn, image, deltas, steps[1].kept)
    clipped = clip(decoded, size)
    result = filtering.result
    assert result is not None
    boxes = run.array(result[0][image], "the proposals")
    scores = run.array(result[1][image], "the proposals' scores")
    funnel = Funnel.of(rpn.anchors.level, steps, clipped)
    return Proposals(
        image,
        logits,
        deltas,
        Boxes(decoded, RESIZED, size, image),
        Boxes(clipped, RESIZED, size, image),
        funnel,
        Boxes(boxes, RESIZED, size, image),
        scores,
    )


def _decoded(rpn: Rpn, image: int, deltas: np.ndarray, top: np.ndarray) -> np.ndarray:
    """All anchors decoded; the top-k of them with the recorded values."""
    whole = rpn._pass.maybe(rpn._filter.args["proposals"])
    if whole is not None:
        found: np.ndarray = whole[image]
        return found
    decoded = decode(deltas, rpn.anchors.xyxy, rpn.weights, rpn.limit)
    clipping = rpn._pass.named("function", "clip_boxes_to_image", rpn._filter)[image]
    decoded[top] = rpn._pass.array(clipping.args["boxes"], "the decoded boxes")
    return decoded


def _steps(rpn: Rpn, image: int, logits: np.ndarray) -> tuple[Step, ...]:
    """Each step's survivors, from the indices that torchvision computed."""
    run, filtering = rpn._pass, rpn._filter
    top = run.need_function("RegionProposalNetwork._get_top_n_idx", "top-k indices", filtering)
    chosen = run.array(top.result, "the top-k indices")[image]
    small = run.named("function", "remove_small_boxes", filtering)
    nms = run.named("function", "batched_nms", filtering)
    if image >= len(small) or image >= len(nms):
        raise MissingError(f"the recorded pass ended before image {image} had proposals")
    large = chosen[run.array(small[image].result, "the indices of boxes that are large enough")]
    scored = _above(logits, large, run.shape(nms[image].args["boxes"])[0])
    kept = scored[run.array(nms[image].result, "the indices that NMS kept")]
    return (
        Step("all", np.arange(len(logits))),
        Step("top_k", chosen, rpn.pre_nms_top_n),
        Step("clip", chosen),
        Step("small", large, rpn.smallest),
        Step("score", scored, rpn.score_threshold),
        Step("nms", kept, rpn.nms_threshold),
        Step("top_n", kept[: rpn.post_nms_top_n], rpn.post_nms_top_n),
    )


def _above(logits: np.ndarray, large: np.ndarray, survivors: int) -> np.ndarray:
    """Return which of the boxes have the score asked for, given how many passed.

    The sigmoid is monotone, so those are the ones with the largest logits, in their old order.
    """
    if survivors == len(large):
        return large
    best = np.argsort(-logits[large], kind="stable")[:survivors]
    return large[np.sort(best)]
