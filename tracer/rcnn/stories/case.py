"""What a story is told from: one image of a pass, its objects, and the two filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tracer.errors import InputError, NotRecorded
from tracer.rcnn.anatomy import ORIGINAL, Anatomy, Boxes, Detections, Funnel, Picture, fitting
from tracer.rcnn.anatomy.detections import with_candidates
from tracer.rcnn.anatomy.filtering import (
    DetectionFilter,
    ProposalFilter,
    detection_filter,
    proposal_filter,
)
from tracer.rcnn.anatomy.geometry import iou
from tracer.rcnn.stories.matching import Matches, match_detections


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one image.

    Attributes:
        boxes: in original pixels.
        resized: the same in resized pixels.
        labels: int64 [M].
    """

    boxes: Boxes
    resized: Boxes
    labels: np.ndarray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Case:
    """One image of a pass.

    Attributes:
        parts: the pass.
        image: index in the batch.
        objects: its objects; None where no targets were recorded or given.
        threshold: IoU from which on a box covers an object.
    """

    parts: Anatomy
    image: int
    objects: Objects | None
    threshold: float = 0.5

    @property
    def picture(self) -> Picture:
        """The image."""
        return self.parts.pictures[self.image]

    @property
    def labels(self) -> np.ndarray:
        """The objects' labels; empty where there are no objects."""
        return np.zeros(0, np.int64) if self.objects is None else self.objects.labels

    @property
    def boxes(self) -> np.ndarray:
        """The objects' boxes, float32 [M, 4] in resized pixels."""
        return np.zeros((0, 4), np.float32) if self.objects is None else self.objects.resized.xyxy

    @cached_property
    @fitting("the RPN's filter")
    def first(self) -> ProposalFilter:
        """The RPN's filter."""
        return proposal_filter(self.parts.rpn, self.image)

    @cached_property
    @fitting("the post-processing")
    def second(self) -> DetectionFilter:
        """The filter of the post-processing."""
        return detection_filter(self.detections)

    @cached_property
    @fitting("the detections")
    def detections(self) -> Detections:
        """The image's detections, with their candidates."""
        found = self.parts.detections[self.image]
        return with_candidates(self.parts.run, found) if self.parts.one_stage else found

    @cached_property
    def overlaps(self) -> np.ndarray:
        """IoU of each detection with each object, float32 [D, M].

        In resized pixels, as of the candidates: but for rounding it is that of the original ones.
        """
        found: np.ndarray = np.nan_to_num(iou(self.detections.resized.xyxy, self.boxes))
        return found

    @cached_property
    def matches(self) -> Matches:
        """Which detection found which object."""
        found = self.detections
        return match_detections(self.overlaps, found.labels, self.labels, self.threshold)


def recorded_objects(picture: Picture) -> Objects | None:
    """Return the targets that went into the pass, None where there were none."""
    if picture.targets is None or picture.resized_targets is None:
        return None
    if picture.target_labels is None:
        raise NotRecorded(
            f"the labels of image {picture.index}'s targets are not in the trace", keep="anatomy"
        )
    return Objects(picture.targets, picture.resized_targets, picture.target_labels)


def given_objects(picture: Picture, target: Mapping[str, object]) -> Objects:
    """Return objects that are given beside the recording.

    Args:
        picture: that they are in.
        target: ``boxes`` [M, 4] in original pixels and ``labels`` [M], as arrays or tensors.

    Raises:
        InputError: they are none of this picture.
    """
    boxes = _array(target, "boxes", picture.index, np.float32).reshape(-1, 4)
    labels = _array(target, "labels", picture.index, np.int64).reshape(-1)
    if len(boxes) != len(labels):
        raise InputError(
            f"targets[{picture.index}] has {len(boxes)} boxes and {len(labels)} labels"
        )
    for number, box in enumerate(boxes):
        check_box(box, picture, f"box {number} of targets[{picture.index}]")
    found = Boxes(boxes, ORIGINAL, picture.original_size, picture.index)
    return Objects(found, picture.to_resized(found), labels)


def _array(target: Mapping[str, object], key: str, image: int, dtype: type) -> np.ndarray:
    if key not in target:
        raise InputError(
            f"targets[{image}] lacks {key!r} (it has {', '.join(target) or 'nothing'})"
        )
    value = target[key]
    detached = value.detach().cpu() if hasattr(value, "detach") else value
    try:
        return np.asarray(detached, dtype)
    except (TypeError, ValueError) as error:
        raise InputError(f"{key!r} of targets[{image}] are no numbers: {error}") from error


def check_box(box: np.ndarray, picture: Picture, what: str) -> None:
    """Refuse a box that lies beyond its picture, or has no area.

    Args:
        box: [4], x1, y1, x2, y2 in original pixels.
        picture: the picture.
        what: the box is called, for the error.

    Raises:
        InputError: says what was found.
    """
    height, width = picture.original_size
    x1, y1, x2, y2 = (float(v) for v in box)
    told = f"{what}, {x1:g},{y1:g},{x2:g},{y2:g} as x1,y1,x2,y2,"
    if not (x1 < x2 and y1 < y2):
        raise InputError(f"{told} has no area: give the upper left corner, then the lower right")
    # a pixel more: annotations are often rounded
    if not (x1 >= -1 and y1 >= -1 and x2 <= width + 1 and y2 <= height + 1):
        raise InputError(
            f"{told} does not lie in image {picture.index} of {height}×{width} pixels: boxes are "
            "in pixels of the original image"
        )


@dataclass(frozen=True, eq=False)
class Trail:
    """The candidates of one funnel that may become an object.

    Attributes:
        funnel: candidates and the steps that removed some.
        overlap: float32 [N], IoU of each with the object; 0 for those of another class.
        scores: float32 [N].
        threshold: IoU from which on one covers the object.
    """

    funnel: Funnel
    overlap: np.ndarray
    scores: np.ndarray
    threshold: float

    @cached_property
    def covers(self) -> np.ndarray:
        """Which candidates cover the object, bool [N]."""
        found: np.ndarray = self.overlap >= np.float32(self.threshold)
        return found

    def left(self, step: str) -> int:
        """Return how many of these are left after a step."""
        return int(self.covers[self.funnel.step(step).kept].sum())

    def lost(self) -> str:
        """Return the first step after which none is left; ``""`` if some came through."""
        names = (step.name for step in self.funnel.steps)
        return next((name for name in names if not self.left(name)), "")

    def furthest(self) -> int:
        """Return the candidate that came furthest; of equal ones the one of the best score.

        Where none covers the object, the one that overlaps it most.
        """
        chosen = np.flatnonzero(self.covers)
        if len(chosen) == 0:
            return int(self.overlap.argmax())
        for step in self.funnel.steps:
            left = step.kept[self.covers[step.kept]]
            chosen = left if len(left) else chosen
        return int(chosen[self.scores[chosen].argmax()])
