"""A Trace read as Faster R-CNN: what the anchors were, which proposals survived, and so on.

>>> parts = anatomy(tracer.trace(model, images, keep="anatomy"))
>>> parts.rpn.proposals(image=0).funnel.counts(len(parts.pyramid))
>>> parts.detections[0].boxes  # in original pixels

It needs neither the model nor torch. What a trace does not hold is a `MissingError` that says how
to record it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from tracer.errors import MissingError
from tracer.rcnn.anatomy.anchors import Anchors, read_anchors
from tracer.rcnn.anatomy.backbone import Backbone, Block, read_backbone
from tracer.rcnn.anatomy.detections import Detections, read_detections
from tracer.rcnn.anatomy.features import FeatureMap, Plane
from tracer.rcnn.anatomy.fpn import Level, Merge, Pyramid, read_pyramid
from tracer.rcnn.anatomy.funnel import Funnel, Step
from tracer.rcnn.anatomy.geometry import ORIGINAL, RESIZED, Boxes
from tracer.rcnn.anatomy.reading import Pass, find_pass, fitting
from tracer.rcnn.anatomy.roi import Grid, Pooling, RoiHeads, lay_grid, read_roi_heads
from tracer.rcnn.anatomy.rpn import Proposals, Rpn, read_rpn
from tracer.rcnn.anatomy.training import Loss, Matching, Samples, Training, read_training
from tracer.rcnn.anatomy.transform import Picture, read_pictures
from tracer.record import Trace

__all__ = [
    "ORIGINAL",
    "RESIZED",
    "Anatomy",
    "Anchors",
    "Backbone",
    "Block",
    "Boxes",
    "Detections",
    "FeatureMap",
    "Funnel",
    "Grid",
    "Level",
    "Loss",
    "Matching",
    "Merge",
    "Picture",
    "Plane",
    "Pooling",
    "Proposals",
    "Pyramid",
    "RoiHeads",
    "Rpn",
    "Samples",
    "Step",
    "Training",
    "anatomies",
    "anatomy",
    "fitting",
    "lay_grid",
]


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parts of one pass, each read when it is first asked for.

    Every property raises `MissingError` if the model has no such part, the pass did not get
    there, or the trace lacks what it is read from; the message says which, and what to record.

    Attributes:
        trace: the recording.
        run: the calls of this pass.
        like: a pass over the same pictures, of which they are read; None for this one.
    """

    trace: Trace
    run: Pass = field(repr=False)
    like: Anatomy | None = field(default=None, repr=False)

    @property
    def training(self) -> bool:
        """Whether this pass computed losses."""
        return self.run.training

    @property
    def one_stage(self) -> bool:
        """Whether the model is a one-stage detector (RetinaNet, FCOS, SSD)."""
        return self.run.one_stage

    @cached_property
    @fitting("the pictures")
    def pictures(self) -> tuple[Picture, ...]:
        """The images of the batch, through the transform."""
        return read_pictures(self.run) if self.like is None else self.like.pictures

    @cached_property
    @fitting("the backbone")
    def backbone(self) -> Backbone:
        """C1–C5 and the residual blocks."""
        return read_backbone(self.run)

    @cached_property
    @fitting("the pyramid")
    def pyramid(self) -> Pyramid:
        """The levels that the RPN looks at, and how the FPN made them."""
        return read_pyramid(self.run)

    @cached_property
    @fitting("the anchors")
    def anchors(self) -> Anchors:
        """The anchors, in resized pixels."""
        return read_anchors(self.run, self.pyramid)

    @cached_property
    @fitting("the RPN")
    def rpn(self) -> Rpn:
        """Objectness, deltas and the way to the proposals."""
        return read_rpn(self.run, self.pyramid, self.pictures)

    @cached_property
    @fitting("the RoI heads")
    def roi_heads(self) -> RoiHeads:
        """Level assignment, RoIAlign, class scores and deltas."""
        return read_roi_heads(self.run, self.pyramid, self.pictures)

    @cached_property
    @fitting("the detections")
    def detections(self) -> tuple[Detections, ...]:
        """The detections of each image, with the steps that led to them."""
        heads = None if self.one_stage or self.training else self.roi_heads
        return read_detections(self.run, heads, self.pictures)

    @cached_property
    @fitting("the detections")
    def results(self) -> tuple[Detections, ...]:
        """The detections of each image alone: what came out, not how."""
        return read_detections(self.run, None, self.pictures)

    @cached_property
    @fitting("the losses")
    def losses(self) -> Training:
        """Matches, samples and losses of a training pass."""
        if self.one_stage:
            name = self.run.model.type
            raise MissingError(
                f"{name} is a one-stage detector: it samples no anchors and no proposals, and its "
                "losses are not taken apart here"
            )
        return read_training(self.run, self.anchors, self.pictures)


def anatomy(trace: Trace, nth: int = 0, *, like: Trace | None = None) -> Anatomy:
    """Read a pass of a torchvision detector.

    Args:
        trace: a recording, best made with ``keep="anatomy"``.
        nth: which pass, if the recording holds several.
        like: the recording that `tracer.rerun` began with, for a recording that it made: the
            pictures are read there.

    Raises:
        MissingError: it holds no such pass.
    """
    with fitting("the pass"):
        whole = None if like is None else Anatomy(like, find_pass(like))
        return Anatomy(trace, find_pass(trace, nth), whole)


def anatomies(first: Trace, second: Trace) -> tuple[Anatomy, Anatomy]:
    """Read two passes over the same pictures, either of which may be a rerun of the other.

    Raises:
        MissingError: one of them holds no pass.
    """
    return _pictured(first, second), _pictured(second, first)


def _pictured(trace: Trace, other: Trace) -> Anatomy:
    """Read a pass; of one that began in the middle the pictures are the other's."""
    reran = any(change.endswith("from a recording") for change in trace.settings.changes)
    return anatomy(trace, like=other if reran else None)
