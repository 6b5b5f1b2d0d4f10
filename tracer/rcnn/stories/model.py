"""Stories as data: what became of an object, a box or a detection, station by station."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

Fact = Union[None, bool, int, float, str]  # noqa: UP007 (evaluated at run time)
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """One station of a story: what it did with the candidate that is followed.

    The candidate is an anchor that becomes a proposal, a pair of this proposal and a class, and a
    detection: of all that may become the object the one that came furthest, or the detection's own.

    Attributes:
        name: ``"anchors"``, ``"objectness"``, ``"decode"``, ``"top_k"``, ``"small"``, ``"score"``,
            ``"nms"``, ``"top_n"`` of the RPN; ``"level"``, ``"classes"``, ``"box"``,
            ``"class_score"``, ``"class_small"``, ``"class_nms"``, ``"class_top_n"`` of the second
            stage; ``"detection"``; in training ``"anchor_match"``, ``"anchor_sample"``,
            ``"box_match"``, ``"box_sample"``, ``"losses"``; of a one-stage detector
            ``"candidates"``, ``"nms"``, ``"top_n"``.
        stage: of the pass, as in `Call.stage`.
        call: id of the call that did it, None if it was not recorded.
        lost: whether it is the step that lost the object.
        left: how many candidates with an IoU of at least the threshold are left after it.
        iou: of the followed candidate's box at this station with the object.
        score: of the candidate: objectness, then its class's probability, 0–1.
        box: the candidate's box, x1, y1, x2, y2 in resized pixels.
        facts: more numbers of this station by name.
    """

    name: str
    stage: str
    call: int | None = None
    lost: bool = False
    left: int | None = None
    iou: float | None = None
    score: float | None = None
    box: Box | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A setting with which the object would not have been lost at its station.

    Attributes:
        setting: as ``FasterRCNN`` calls it, ``"box_nms_thresh"``.
        recorded: what it was.
        needed: what keeps the object, found by running the recorded filters again with it.
    """

    setting: str
    recorded: float
    needed: float


@dataclass(frozen=True, slots=True)
class Story:
    """What became of an object, of a box, or how a detection came to be.

    Attributes:
        about: ``"object"``, ``"box"`` or ``"detection"``.
        image: index in the batch.
        number: of the object among the image's targets, or of the detection; None of a box.
        box: x1, y1, x2, y2 in pixels of the original image.
        label: its class; None of a box.
        outcome: of an object or box ``"found"`` or ``"lost"``, in training ``"learned"`` or
            ``"lost"``; of a detection ``"correct"``, ``"false"`` or, without targets,
            ``"unknown"``.
        lost: name of the step that lost it, ``""`` if none did.
        steps: the stations in order.
        changes: what would have kept it, all of them together; empty where no setting does, or
            where none is needed.
        seen: whether the second stage saw it: if not, nobody knows what it would have made of it.
        partner: of a found object its detection; of a correct detection its object, of a false one
            the object that it overlaps most, if any.
        overlap: IoU with the partner.
        score: of the detection.
        kind: of a false detection its class of error: ``"localization"``, ``"classification"``,
            ``"duplicate"``, ``"background"`` or ``"both"``; else ``""``.
        instead: of a lost object a detection of another class on it, if there is one.
        facts: more numbers by name, as the class of `instead`, or what an object gave to each loss.
    """

    about: str
    image: int
    number: int | None
    box: Box
    label: int | None
    outcome: str
    lost: str = ""
    steps: tuple[Step, ...] = ()
    changes: tuple[Change, ...] = ()
    seen: bool = True
    partner: int | None = None
    overlap: float | None = None
    score: float | None = None
    kind: str = ""
    instead: int | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def step(self, name: str) -> Step:
        """Return a station by its name.

        Raises:
            KeyError: the story did not come there.
        """
        found = next((step for step in self.steps if step.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def records(self) -> dict[str, Any]:
        """Return the story as plain dicts and lists, ready for JSON."""
        return {
            **{name: _plain(getattr(self, name)) for name in self.__dataclass_fields__},
            "steps": [_fields(step) for step in self.steps],
            "changes": [_fields(change) for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class Stories:
    """All objects of an image, or of a batch, and all of its detections.

    Attributes:
        objects: a story for each object, in the order of the targets.
        detections: a story for each detection, by falling score; none in training.
        threshold: IoU from which on a detection counts as found.
        training: whether it was a training pass.
        known: whether the objects of every image are known, from recorded or given targets.
    """

    objects: tuple[Story, ...]
    detections: tuple[Story, ...]
    threshold: float = 0.5
    training: bool = False
    known: bool = True

    @property
    def missed(self) -> tuple[Story, ...]:
        """The objects that were lost."""
        return tuple(story for story in self.objects if story.lost)

    @property
    def false(self) -> tuple[Story, ...]:
        """The detections that are none of the objects."""
        return tuple(story for story in self.detections if story.outcome == "false")

    @property
    def lost(self) -> dict[str, int]:
        """How many objects each station lost, the most first."""
        return dict(Counter(story.lost for story in self.missed).most_common())

    @property
    def errors(self) -> dict[str, int]:
        """How many false detections there are of each kind, the most first."""
        return dict(Counter(story.kind for story in self.false).most_common())

    def records(self) -> dict[str, Any]:
        """Return all of it as plain dicts and lists, ready for JSON."""
        return {
            "threshold": self.threshold,
            "training": self.training,
            "known": self.known,
            "lost": self.lost,
            "errors": self.errors,
            "objects": [story.records() for story in self.objects],
            "detections": [story.records() for story in self.detections],
        }


def _fields(item: Step | Change) -> dict[str, Any]:
    return {name: _plain(getattr(item, name)) for name in item.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
