"""torchvision's detectors as a domain: what a recording asks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.domain import Domain
from tracer.rcnn.classes import classes_of
from tracer.rcnn.stages import detector_at, patterns
from tracer.record import Finding, Module, Trace

# What the anatomy of the detectors is read from. The limits leave out, of an image of 800 pixels,
# the finest level of the pyramid and its lateral, which alone are larger than all else together; of
# smaller images and of coarser backbones every map stays. One image of up to 800 × 1333 pixels
# takes at most 61 MB, with its original and the record itself: to that end C5's lateral stays up to
# 800 × 1248 only. What is looked at cell by cell has a picture of all its cells.
PRESETS: dict[str, tuple[str, ...]] = {
    "anatomy": (
        # the picture as it was given and as a batch, and boxes between its two sizes
        "args:transform<4MB",
        "args:*.transform<4MB",
        "transform",
        "*.transform",
        "resize_boxes",
        "args:resize_boxes",
        # the stages' and the finest levels' cells
        "map:*body.relu",
        "map:*body.layer[1-4]",
        "map:*fpn.inner_blocks.[01]*",
        "map:*fpn.layer_blocks.[01]*",
        # laterals, and what the heads and RoIAlign take
        "*fpn.inner_blocks.[0-2]*<2MB",
        "*fpn.inner_blocks.3*<1MB",
        "args:head<24MB",
        "args:*.head<24MB",
        "args:*.box_roi_pool<24MB",
        # anchors, scores and deltas, and each step of the filter
        "within:AnchorGenerator.set_cell_anchors",
        "*rpn.head.cls_logits",
        "*rpn.head.bbox_pred",
        "RegionProposalNetwork._get_top_n_idx",
        "RegionProposalNetwork.filter_proposals",
        "args:clip_boxes_to_image",
        "remove_small_boxes",
        "batched_nms",
        "args:batched_nms",  # of a one-stage detector all that is left of its head's scores
        # levels, the two layers of the head, scores and detections
        "LevelMapper.__call__",
        "*.box_head.fc6<24MB",
        "*.box_head<24MB",
        "*roi_heads.box_predictor",
        "softmax",
        "*.postprocess_detections",
        "maskrcnn_inference",
        "keypointrcnn_inference",
        # training: targets, samples, losses
        "args:RoIHeads.assign_targets_to_proposals",
        "RoIHeads.select_training_samples",
        "BalancedPositiveNegativeSampler.__call__",
        "args:smooth_l1_loss",
        "args:binary_cross_entropy_with_logits",
    ),
}


class Detectors(Domain):
    """Faster R-CNN and torchvision's other detectors, wherever in a model one of them lies.

    Of a builder nothing is known before it has run; the functions of torchvision that it calls
    name the stages of a construction.
    """

    presets = PRESETS

    def knows(self, target: Any) -> bool:
        """Whether there is a detector in a model; of a builder, always."""
        if not hasattr(target, "named_modules") or isinstance(target, type):
            return True
        paths = dict(target.named_modules())
        return detector_at(paths) is not None or classes_of(target) is not None

    def stage_patterns(self, modules: Mapping[str, Module], kind: str) -> Sequence[tuple[str, str]]:
        """The stages in the paper's and torchvision's words."""
        found = patterns(modules, kind)
        return super().stage_patterns(modules, kind) if found is None else found

    def class_count(self, model: Any) -> int | None:
        """How many classes its predictor tells apart."""
        return classes_of(model)

    def check_inputs(
        self, model: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> None:
        """Check images and targets, where torchvision's own code takes them."""
        from tracer.rcnn.inputs import check_inputs

        check_inputs(model, inputs, keywords)

    def remarks(
        self, model: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> Sequence[Finding]:
        """Say once for each kind what torchvision would refuse, or run with in silence."""
        from tracer.rcnn.findings import in_order
        from tracer.rcnn.inputs import findings

        return in_order(findings(model, inputs, keywords))

    def diagnose(self, model: Any, trace: Trace) -> tuple[Sequence[Finding], Finding | None]:
        """Hold the model's parts against each other and against what ran, and look at the end."""
        from tracer.rcnn.diagnosis import diagnose

        return diagnose(model, trace)
