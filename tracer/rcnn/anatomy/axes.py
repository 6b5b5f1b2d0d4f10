"""What the axes of a tensor mean, where it is known what the tensor is.

That is known from the call that gives or takes it, and under which name: never from its shape
alone. What is not known stays without names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from tracer.record import Call, Trace, Value

Axes = tuple[str, ...]

MAPS = ("batch", "channels", "height", "width")
IMAGE = MAPS[1:]
POOLED = ("rois", *IMAGE)
RESULT = "->"

# By the calls (a module's class and path, a function's qualified name), then by the name in which
# the tensor stands: of an argument, or RESULT with its place in what is returned. The axes are
# those of torchvision's own comments and names: `coords` x1, y1, x2, y2, `deltas` dx, dy, dw, dh.
_KNOWN: tuple[tuple[str, tuple[tuple[str, Axes], ...]], ...] = (
    (r".", ((r"targets\.\d+\.boxes", ("targets", "coords")),
            (r"targets\.\d+\.labels", ("targets",)))),
    (r"GeneralizedRCNNTransform\b", (
        (r"images?(\.\d+)?", IMAGE), (r"->(\.0)?", IMAGE), (r"->", MAPS), (r"->\.0\.tensors", MAPS),
        (r"result\.\d+\.boxes", ("detections", "coords")),
        (r"result\.\d+\.(labels|scores)", ("detections",)))),
    (r"_resize_image_and_masks", ((r"image|->\.0", IMAGE),)),
    (r"ImageList\.__init__", ((r"tensors", MAPS),)),
    (r"^(Conv2d|\w*BatchNorm2d|MaxPool2d|Conv2dNormActivation) .*(roi_heads|box_head|mask_)", (
        (r"input|->", POOLED),)),
    (r"^(Conv2d|\w*BatchNorm2d|MaxPool2d|Conv2dNormActivation|BasicBlock|Bottleneck) ", (
        (r"input|x|->", MAPS),)),
    (r"^(IntermediateLayerGetter|BackboneWithFPN|FeaturePyramidNetwork|LastLevel\w+) |"
     r"get_result_from_(inner|layer)_blocks", (
        (r"x(\.\w+)?|->(\.0)?(\.\w+)?", MAPS),)),
    (r"AnchorGenerator( |\.grid_anchors)", ((r"->\.\d+", ("anchors", "coords")),)),
    (r"concat_box_prediction_layers", (
        (r"->\.0", ("anchors", "score")), (r"->\.1", ("anchors", "deltas")))),
    (r"^BoxCoder\.encode$", ((r"->\.\d+", ("boxes", "deltas")),)),
    (r"^BoxCoder\.encode_single|encode_boxes", (
        (r"->", ("boxes", "deltas")),
        (r"reference_boxes|proposals", ("boxes", "coords")))),
    (r"^BoxCoder\.decode(_single)?$", (
        (r"rel_codes", ("boxes", "deltas")), (r"boxes", ("boxes", "coords")),
        (r"->", ("boxes", "coords")), (r"->", ("boxes", "classes", "coords")))),
    (r"RegionProposalNetwork\.filter_proposals|^RegionProposalNetwork ", (
        (r"proposals", ("batch", "anchors", "coords")), (r"->\.0\.\d+", ("proposals", "coords")),
        (r"->\.1\.\d+", ("proposals",)))),
    (r"_get_top_n_idx", ((r"objectness", ("batch", "anchors")),)),
    (r"assign_targets_to_anchors", (
        (r"->\.0\.\d+", ("anchors",)), (r"->\.1\.\d+", ("anchors", "coords")))),
    (r"^Matcher", ((r"match_quality_matrix", ("targets", "boxes")),
                   (r"->|(all_)?matches", ("boxes",)))),
    (r"RoIHeads\.select_training_samples|add_gt_proposals", (
        (r"->\.0(\.\d+)?|->\.\d+", ("rois", "coords")), (r"->\.[12]\.\d+", ("rois",)),
        (r"->\.3\.\d+", ("rois", "deltas")))),
    (r"MultiScaleRoIAlign|roi_align", ((r"->", POOLED), (r"boxes\.\d+", ("rois", "coords")))),
    (r"_convert_to_roi_format", ((r"->", ("rois", "image_coords")),)),
    (r"LevelMapper\.__call__", ((r"->", ("rois",)),)),
    (r"^(TwoMLPHead|Linear) .*box_head", ((r"->", ("rois", "features")),
                                          (r"input", ("rois", "features")))),
    (r"^FastRCNNPredictor ", (
        (r"->\.0", ("rois", "classes")), (r"->\.1", ("rois", "class_deltas")))),
    (r"postprocess_detections|fastrcnn_loss", (
        (r"class_logits", ("rois", "classes")), (r"box_regression", ("rois", "class_deltas")),
        (r"proposals\.\d+", ("rois", "coords")), (r"->\.0\.\d+", ("detections", "coords")),
        (r"->\.[12]\.\d+", ("detections",)))),
    (r"^(clip_boxes_to_image|resize_boxes)$", ((r"boxes|->", ("boxes", "coords")),)),
    (r"^(remove_small_boxes|box_area|_?batched_nms\w*|nms|box_iou|_box_inter_union)$", (
        (r"boxes[12]?", ("boxes", "coords")), (r"scores|idxs", ("boxes",)))),
)  # fmt: skip

NAMES = frozenset(name for _, places in _KNOWN for _, axes in places for name in axes)
"""All names of axes that there are."""

_SAME = ("ReLU", "ReLU6", "SiLU", "Hardswish", "Dropout", "Identity")
"""Modules that give each value's successor in its place."""


def axes(trace: Trace) -> dict[int, Axes]:
    """Return by tensor state what its axes are called; what is not known is not there.

    The first call that knows a tensor names it; a write in place leaves the axes as they are.
    """
    found: dict[int, Axes] = {}
    ends = sorted(trace.calls, key=lambda call: call.end)
    steps = [*((call.start, 0, call) for call in trace.calls), *((c.end, 1, c) for c in ends)]
    for _, ended, call in sorted(steps, key=lambda step: step[:2]):
        for name, state in _tensors(call.result, RESULT) if ended else _tensors(call.args, ""):
            known = _named(trace, call, name, state, found)
            if known:
                found.setdefault(state, known)
    return found


def _named(trace: Trace, call: Call, name: str, state: int, found: dict[int, Axes]) -> Axes | None:
    shape = trace.tensors[state].summary.shape
    before = [trace.tensors[state].previous]
    if call.type in _SAME and name == RESULT:
        before += call.args.tensors()
    for other in before:
        if other in found and trace.tensors[other].summary.shape == shape:
            return found[other]
    subject = f"{call.type} {call.path}" if call.kind == "module" else call.path
    known = _roles(subject, call.kind, name)
    return next((axes for axes in known if _fits(axes, shape)), None)


def _fits(axes: Axes, shape: tuple[int, ...]) -> bool:
    four = axes[-1] not in ("coords", "deltas") or shape[-1:] == (4,)
    return len(axes) == len(shape) and four


@cache
def _roles(subject: str, kind: str, name: str) -> tuple[Axes, ...]:
    """Return what a tensor of this name may be; what torch itself computes has no role."""
    if kind == "op":
        return ()
    return tuple(
        axes
        for calls, places in _KNOWN
        if re.search(calls, subject)
        for place, axes in places
        if re.fullmatch(place, name)
    )


def _tensors(value: Value | None, name: str) -> Iterator[tuple[str, int]]:
    if value is None or value.kind == "module":
        return
    if value.tensor is not None:
        yield name, value.tensor
    for key, item in value.items:
        yield from _tensors(item, f"{name}.{key}" if name else key)
