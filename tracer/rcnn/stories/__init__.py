"""What became of an object, and how a detection came to be, told from a recording.

>>> story = why(trace, object=0)
>>> story.lost, story.changes
('nms', (Change('rpn_nms_thresh', 0.7, 0.74),))

It reads the record alone: neither the model nor torch is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from tracer.errors import InputError, MissingError, option
from tracer.rcnn.anatomy import (
    ORIGINAL,
    Anatomy,
    Boxes,
    Detections,
    Picture,
    anatomy,
    fitting,
)
from tracer.rcnn.anatomy.detections import no_detections
from tracer.rcnn.stories import learning, objects
from tracer.rcnn.stories.case import Case, Objects, check_box, given_objects, recorded_objects
from tracer.rcnn.stories.model import Change, Step, Stories, Story
from tracer.record import Trace

__all__ = [
    "Change",
    "Step",
    "Stories",
    "Story",
    "false_ones",
    "followed",
    "missed_ones",
    "nothing_to_tell",
    "why",
    "worth_telling",
]

Targets = Sequence[Mapping[str, object]]


def why(
    source: Trace | Anatomy,
    *,
    object: int | None = None,
    box: Sequence[float] | None = None,
    detection: int | None = None,
    image: int | None = None,
    targets: Targets | None = None,
    iou: float = 0.5,
) -> Story | Stories:
    """Tell what became of an object, a box or a detection; or of all of them.

    Args:
        source: the recording of a pass of a detector, best made with ``keep="anatomy"``.
        object: number of an object among its image's targets, from 0.
        box: x1, y1, x2, y2 in pixels of the original image.
        detection: number of a detection, by falling score, from 0.
        image: index in the batch; of a single story 0 if not given, else all of them.
        targets: one dict for each image, ``boxes`` [M, 4] as x1, y1, x2, y2 in original pixels and
            ``labels`` [M], arrays or tensors; if not given, those that went into the pass.
        iou: from which on a box covers an object, above 0 and up to 1.

    Returns:
        One `Story` where one of `object`, `box` and `detection` is given, else `Stories`.

    Raises:
        InputError: options that exclude each other, no such image or object, a box that is no box
            of the image, targets that are none of the pictures'.
        MissingError: the recording lacks what is asked for; says how to record it.
    """
    asked = [each for each in (object, box, detection) if each is not None]
    if len(asked) > 1:
        raise InputError("ask for one thing at a time: an object, a box or a detection")
    if not 0 < iou <= 1:
        raise InputError(f"{option(iou=None)} is above 0 and up to 1; found {iou}")
    parts = source if isinstance(source, Anatomy) else anatomy(source)
    with _ended(parts.trace), fitting("the story"):
        images = _images(parts.pictures, image, targets, all=not asked)
        cases = [Case(parts, i, _objects(parts.pictures[i], targets), iou) for i in images]
        if object is not None:
            return _object(cases[0], object)
        if box is not None:
            return _box(cases[0], box)
        return _all(cases) if detection is None else _detection(cases[0], detection)


@contextmanager
def _ended(trace: Trace) -> Iterator[None]:
    """Of a pass that failed, say who knows why, where it does not hold what is asked for."""
    try:
        yield
    except MissingError as error:
        if trace.error is None:
            raise
        raise MissingError(f"{error}; the pass failed, and tracer doctor says why") from error


def missed_ones(found: Stories) -> tuple[Story, ...]:
    """Return the objects that were lost.

    Raises:
        MissingError: nobody knows, for there are no targets.
    """
    if not found.known:
        raise MissingError(_unknown("which objects were missed"))
    return found.missed


def false_ones(found: Stories) -> tuple[Story, ...]:
    """Return the detections that are none of the objects.

    Raises:
        MissingError: nobody knows, for there are no targets, or no detections in training.
    """
    if found.training:
        raise no_detections()
    if not found.known:
        raise MissingError(_unknown("which detections are false"))
    return found.false


def _unknown(what: str) -> str:
    return (
        f"{what} is not known, for the recording has no targets: give them "
        f"({option(targets=None)}), or record the pass with them, model(images, targets)"
    )


def followed(parts: Anatomy, found: Detections, chosen: Sequence[int]) -> tuple[Story, ...]:
    """Tell what became, in a pass, of what another pass over the same picture detected.

    Args:
        parts: the pass.
        found: the other one's detections of an image.
        chosen: which of these: as objects they are followed here.

    Returns:
        A story for each, without the settings that would have kept it.

    Raises:
        MissingError: the pass does not hold what is needed, has no such class, or is over another
            picture.
    """
    picture, boxes = parts.pictures[found.image], found.boxes.take(np.array(chosen, np.int64))
    labels = found.labels[list(chosen)]
    if boxes.size != picture.original_size:
        raise MissingError(f"image {found.image} is another picture in the two passes")
    case = Case(parts, found.image, Objects(boxes, picture.to_resized(boxes), labels))
    with _ended(parts.trace), fitting("the story"):
        if len(labels) and not parts.one_stage and labels.max() > case.second.classes:
            raise MissingError(f"the pass has {case.second.classes} classes")
        numbers = range(len(labels))
        return tuple(objects.object_story(case, number, helped=False) for number in numbers)


def worth_telling(parts: Anatomy, image: int = 0, targets: Targets | None = None) -> Story:
    """Return the story of an image to begin with: a lost object, else an object or a detection.

    Args:
        parts: a pass.
        image: index in the batch.
        targets: as in `why`.

    Raises:
        MissingError: there is neither an object nor a detection.
    """
    case = Case(parts, image, _objects(parts.pictures[image], targets))
    with fitting("the story"):
        found = [_object(case, number) for number in range(len(case.labels))]
        if found:
            return next((story for story in found if story.lost), found[0])
        if parts.training or len(case.detections) == 0:
            raise nothing_to_tell(parts, image)
        return _detection(case, 0)


def nothing_to_tell(parts: Anatomy, image: int) -> MissingError:
    """Return the error of an image that has neither an object nor a detection."""
    kind = "one-stage detector" if parts.one_stage else "detector"
    return MissingError(
        f"there is no object in image {image}, and the {kind} gave no detection to tell of"
    )


def _images(
    pictures: tuple[Picture, ...], image: int | None, targets: Targets | None, *, all: bool
) -> Sequence[int]:
    count = len(pictures)
    if targets is not None and len(targets) != count:
        raise InputError(f"the pass has {count} images, and there are {len(targets)} targets")
    if image is None:
        return range(count) if all else (0,)
    if not 0 <= image < count:
        raise InputError(f"the pass has images 0 to {count - 1}: there is no image {image}")
    return (image,)


def _objects(picture: Picture, targets: Targets | None) -> Objects | None:
    if targets is None:
        return recorded_objects(picture)
    return given_objects(picture, targets[picture.index])


def _object(case: Case, number: int) -> Story:
    if case.objects is None:
        raise MissingError(_no_targets(case))
    count = len(case.objects)
    if not 0 <= number < count:
        there = f"objects 0 to {count - 1}" if count else "no objects"
        raise InputError(f"image {case.image} has {there}: there is no object {number}")
    tell = learning.object_story if case.parts.training else objects.object_story
    return tell(case, number)


def _no_targets(case: Case) -> str:
    return (
        f"the recording has no targets of image {case.image}, so that its objects are not known: "
        f"give them ({option(targets=None)}), ask for a box, or record the pass with them, "
        "model(images, targets), which changes nothing in eval mode"
    )


def _box(case: Case, box: Sequence[float]) -> Story:
    try:
        original = np.asarray(box, np.float32).reshape(4)
    except (TypeError, ValueError):
        raise InputError(f"a box is four numbers, x1,y1,x2,y2; found {box!r:.80}") from None
    check_box(original, case.picture, "the box")
    boxes = Boxes(original[None], ORIGINAL, case.picture.original_size, case.image)
    resized = case.picture.to_resized(boxes).xyxy[0]
    tell = learning.box_story if case.parts.training else objects.box_story
    return tell(case, resized, original)


def _detection(case: Case, number: int) -> Story:
    count = len(case.detections)
    if not 0 <= number < count:
        there = f"detections 0 to {count - 1}" if count else "no detections"
        raise InputError(f"image {case.image} has {there}: there is no detection {number}")
    return objects.detection_story(case, number)


def _all(cases: Sequence[Case]) -> Stories:
    if all(case.objects is None for case in cases) and cases[0].parts.training:
        raise MissingError(_no_targets(cases[0]))
    found = tuple(_object(case, n) for case in cases for n in range(len(case.labels)))
    training = cases[0].parts.training
    detections = (
        ()
        if training
        else tuple(_detection(case, n) for case in cases for n in range(len(case.detections)))
    )
    known = all(case.objects is not None for case in cases)
    return Stories(found, detections, cases[0].threshold, training, known)
