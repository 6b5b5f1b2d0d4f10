"""A survey as data: tables of pictures, objects and detections, and statistics of activations.

Tables are columns of equal length. A picture is known by its number, its place in the data set;
rows are in the order of these numbers, whatever the order in which they were gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tracer.errors import InputError
from tracer.surveys.moments import Moments, joined

Columns = Mapping[str, np.ndarray]

IOUS = (0.5, 0.75)
"""From which on a box covers an object."""

RPN_STEPS = ("all", "top_k", "small", "score", "nms", "top_n")
"""What is left of the anchors: all of them decoded and clipped, then after each step of the RPN."""

BOX_STEPS = ("all", "score", "small", "nms", "top_n")
"""The same of the pairs of a proposal and a class, in the post-processing."""

STEPS = (*(f"rpn_{name}" for name in RPN_STEPS), *(f"box_{name}" for name in BOX_STEPS), "matched")
"""After which it is known whether an object is still covered; ``"matched"``: it was found."""

STATIONS = (
    *("", "decode", "top_k", "small", "score", "nms", "top_n", "box"),
    *("class_score", "class_small", "class_nms", "class_top_n", "detection"),
)
"""Where an object was lost, as `Story.lost` names it; the first: nowhere."""

KINDS = ("correct", "localization", "classification", "duplicate", "background", "both", "ignored")
"""What a detection is: right, false of a kind of TIDE's, or within a crowd and not counted."""

PROBLEMS = ("unreadable", "empty", "size", "targets", "failed")
"""Why a picture is not in the survey."""

# name → dtype, and the length of each axis but the first: a number, or the name of a list.
PICTURES: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "number": ("int64", ()),
    "size": ("int32", (2,)),
    "resized": ("int32", (2,)),
    "batch": ("int32", (2,)),
    "grids": ("int32", ("levels", 2)),
    "objects": ("int32", ()),
    "crowds": ("int32", ()),
    "targets": ("bool", ()),
    "positives": ("int32", ("levels",)),
    "rpn": ("int32", (len(RPN_STEPS), "levels")),
    "box": ("int32", (len(BOX_STEPS),)),
    "rois": ("int32", ("pooled",)),
    "detections": ("int32", ()),
    "exact": ("bool", ()),
    "nan": ("int64", ()),
    "inf": ("int64", ()),
    "seconds": ("float64", ()),
    "stages": ("float64", ("stages",)),
    "held": ("int64", ("stages",)),
    "peak": ("int64", ()),
}
"""Of each picture: its size as given, resized and in its batch, in pixels (height, width); each
level's grid of cells; whether it has targets; anchors that the matcher makes positive, by level;
what is left after `RPN_STEPS` and `BOX_STEPS`; RoIs by the level that they are pooled from; whether
the steps gave the model's own boxes bit for bit; seconds, and bytes that modules gave, by stage;
the most bytes allocated on an accelerator. Counts that do not apply are -1."""

OBJECTS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "picture": ("int64", ()),
    "index": ("int32", ()),
    "label": ("int64", ()),
    "crowd": ("bool", ()),
    "area": ("float64", ()),
    "box": ("float32", (4,)),
    "resized": ("float32", (4,)),
    "iou": ("float32", ("levels",)),
    "reached": ("bool", (len(IOUS), len(STEPS))),
    "rank": ("int32", (len(IOUS),)),
    "lost": ("int8", ()),
    "pooled": ("int8", ()),
    "score": ("float32", ()),
    "overlap": ("float32", ()),
}
"""Of each object: its box as x1, y1, x2, y2 in original and in resized pixels; the best IoU with an
anchor of each level; after which steps some candidate covers it, at each of `IOUS`; the place of
the first proposal that does, by falling score from 0, -1 for none; index into `STATIONS`, -1 where
that is not known; the level that the nearest proposal is pooled from, -1 likewise; score and IoU of
the detection that found it, NaN for none."""

DETECTIONS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "picture": ("int64", ()),
    "label": ("int64", ()),
    "score": ("float32", ()),
    "box": ("float32", (4,)),
    "kind": ("int8", ()),
    "object": ("int32", ()),
}
"""Of each detection: its box in original pixels; index into `KINDS`, -1 without targets; the object
that it found, or -1."""


@dataclass(frozen=True)
class Subject:
    """What was surveyed: a model, and how it was set.

    Attributes:
        model: its class.
        kind: ``"two-stage"``, ``"one-stage"``, or ``"other"`` for what is no detector.
        fingerprint: of its weights.
        classes: what its classes are called, by label, the background first; empty if unknown.
        levels: the pyramid's, finest first; what anchors lie on.
        pooled: the levels that RoIs are pooled from.
        stages: whose time is taken.
        settings: numbers that the results depend on, by name.
        static: whether no pass was run.
        base: of each level the anchors of one cell, x1, y1, x2, y2 around the origin in pixels;
            empty where anchors are of another kind.
        types: class of each module, by path.
    """

    model: str
    kind: str
    fingerprint: str
    classes: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    pooled: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    settings: Mapping[str, float | int | str | None] = field(default_factory=dict)
    static: bool = False
    base: tuple[tuple[tuple[float, ...], ...], ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """What statistics are of: one call of a module in each pass.

    Attributes:
        path: of the module.
        nth: which call of it in a pass, from 0.
        role: ``"result"``, or ``"input"`` of a batch norm.
        channels: how many there are.
    """

    path: str
    nth: int
    role: str
    channels: int


@dataclass(frozen=True, eq=False)
class Activations:
    """Statistics of what modules gave, over all pictures.

    Attributes:
        keys: what each is of.
        moments: of all their channels, one key after the other.
        counts: int64 [K, 3], zeros, NaN and infinite values.
        norms: of each batch norm, by path, float64 [2, C]: its own mean and variance.
    """

    keys: tuple[Key, ...] = ()
    moments: Moments = field(default_factory=lambda: Moments.none(0))
    counts: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    norms: Mapping[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the channels of each key begin, and where the last ones end, int64 [K + 1]."""
        return np.concatenate([[0], np.cumsum([key.channels for key in self.keys])]).astype(
            np.int64
        )

    def of(self, at: int) -> Moments:
        """Return the moments of one key's channels."""
        return self.moments[self.starts[at] : self.starts[at + 1]]

    def __add__(self, other: Activations) -> Activations:
        """Return the statistics of both sets of values."""
        norms = {**self.norms, **other.norms}
        if self.keys == other.keys:
            counts = self.counts + other.counts
            return Activations(self.keys, self.moments + other.moments, counts, norms)
        keys = tuple(sorted({*self.keys, *other.keys}, key=_order))
        one, two = self._spread(keys), other._spread(keys)
        return Activations(keys, one.moments + two.moments, one.counts + two.counts, norms)

    def _spread(self, keys: Sequence[Key]) -> Activations:
        """The same with further keys, of which there are no values."""
        place = {key: at for at, key in enumerate(self.keys)}
        parts = [self.of(place[k]) if k in place else Moments.none(k.channels) for k in keys]
        none = np.zeros(3, np.int64)
        counts = [self.counts[place[key]] if key in place else none for key in keys]
        return Activations(tuple(keys), joined(parts), np.stack(counts), self.norms)


def _order(key: Key) -> tuple[str, int, str, int]:
    return key.path, key.nth, key.role, key.channels


@dataclass(frozen=True)
class Problem:
    """A picture that is not in the survey, or an oddity of one that is.

    Attributes:
        number: of the picture.
        name: of the picture.
        kind: one of `PROBLEMS`.
        text: what was found.
        left_out: whether the picture is not counted.
    """

    number: int
    name: str
    kind: str
    text: str
    left_out: bool = True


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set, surveyed: plain data, without the model or the pictures.

    Two surveys of other pictures and the same model add up: ``a + b``. Counts are then equal bit
    for bit, whatever the order, and mean and spread of activations to rounding.

    Attributes:
        subject: what was surveyed.
        names: what the pictures are called, in the order of `pictures`.
        pictures: a row per picture, see `PICTURES`.
        objects: a row per object, see `OBJECTS`.
        detections: a row per detection, see `DETECTIONS`.
        peaks: float32 [P, K], the largest absolute finite value of each key in each picture, NaN
            where there was none.
        activations: what modules gave.
        problems: pictures that could not be used, and what is odd about others.
        environment: versions and devices.
        total: how many pictures the data set has.
    """

    subject: Subject
    names: tuple[str, ...]
    pictures: Columns
    objects: Columns
    detections: Columns
    peaks: np.ndarray
    activations: Activations
    problems: tuple[Problem, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    total: int = 0

    def __len__(self) -> int:
        """How many pictures are in it."""
        return len(self.names)

    def __add__(self, other: Survey) -> Survey:
        """Return the survey of both sets of pictures.

        Raises:
            InputError: they are of two models, or share a picture.
        """
        return combined([self, other])

    def __repr__(self) -> str:
        """``<Survey of FasterRCNN: 200 pictures, 1,143 objects, 3 left out>``."""
        left_out = sum(each.left_out for each in self.problems)
        return (
            f"<Survey of {self.subject.model}: {len(self):,} pictures, "
            f"{len(self.objects['picture']):,} objects, {left_out} left out>"
        )

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the pictures that were looked at, those left out too."""
        left_out = (each.number for each in self.problems if each.left_out)
        return frozenset({*self.pictures["number"].tolist(), *left_out})

    @property
    def left_out(self) -> tuple[Problem, ...]:
        """The pictures that could not be used, and why."""
        return tuple(each for each in self.problems if each.left_out)


def combined(surveys: Iterable[Survey]) -> Survey:
    """Return the survey of all pictures of several.

    Raises:
        InputError: there is none; they are of several models; two share a picture.
    """
    parts = list(surveys)
    if not parts:
        raise InputError("there is no survey to add up")
    first = parts[0]
    for other in parts[1:]:
        _require_same(first.subject, other.subject)
    _require_apart(parts)
    names = [name for part in parts for name in part.names]
    pictures = _stacked([part.pictures for part in parts])
    order = np.argsort(pictures["number"], kind="stable")
    activations = first.activations
    for part in parts[1:]:
        activations = activations + part.activations
    peaks = np.concatenate([_widened(part, activations.keys) for part in parts])
    return Survey(
        first.subject,
        tuple(names[at] for at in order),
        _taken(pictures, order),
        _sorted([part.objects for part in parts]),
        _sorted([part.detections for part in parts]),
        peaks[order],
        activations,
        _problems(parts),
        {**{k: v for part in reversed(parts) for k, v in part.environment.items()}},
        max(part.total for part in parts),
    )


class Sum:
    """Surveys that come one by one, added up as a tree: pairs of about equal size first.

    So few tables are ever open, and each row is copied seldom.
    """

    def __init__(self, none: Survey) -> None:
        """Begin with the survey of no picture."""
        self._none = none
        self._waiting: list[Survey] = []

    def __len__(self) -> int:
        """How many pictures were looked at."""
        return sum(map(_looked_at, self._waiting))

    def add(self, one: Survey) -> None:
        """Take one more, whole or not at all, whenever Ctrl-C comes."""
        waiting = [*self._waiting, one]
        while len(waiting) > 1 and _looked_at(waiting[-2]) < 2 * _looked_at(waiting[-1]):
            waiting[-2:] = [waiting[-2] + waiting[-1]]
        self._waiting = waiting

    def survey(self) -> Survey:
        """Return the sum."""
        return combined(self._waiting) if self._waiting else self._none


def _looked_at(survey: Survey) -> int:
    return len(survey) + len(survey.left_out)


def _require_same(one: Subject, other: Subject) -> None:
    """Refuse to add what two models, or two settings, gave."""
    if one == other:
        return
    for name in ("model", "fingerprint", "static", "settings", "classes"):
        if getattr(one, name) != getattr(other, name):
            what = "weights" if name == "fingerprint" else name
            raise InputError(
                f"these surveys do not add up: their {what} differ, "
                f"{_brief(getattr(one, name))} and {_brief(getattr(other, name))}"
            )
    raise InputError("these surveys do not add up: they are of two models")


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _require_apart(parts: Sequence[Survey]) -> None:
    """Refuse to count a picture twice."""
    seen: set[int] = set()
    for part in parts:
        numbers = part.numbers
        both = seen & numbers
        if both:
            number = min(both)
            raise InputError(
                f"picture {number} is in two of these surveys: give each its own share of the "
                "pictures, share=(0, 2) and share=(1, 2)"
            )
        seen |= numbers


def _stacked(tables: Sequence[Columns]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([each[name] for each in tables]) for name in tables[0]}


def _taken(table: Columns, order: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[order] for name, values in table.items()}


def _sorted(tables: Sequence[Columns]) -> dict[str, np.ndarray]:
    """All rows by their pictures' numbers; those of one picture keep their order."""
    table = _stacked(tables)
    return _taken(table, np.argsort(table["picture"], kind="stable"))


def _widened(part: Survey, keys: tuple[Key, ...]) -> np.ndarray:
    return aligned(part.activations.keys, part.peaks, keys)


def aligned(before: tuple[Key, ...], peaks: np.ndarray, keys: tuple[Key, ...]) -> np.ndarray:
    """Return peaks [..., K] of some keys as those of others, NaN where there are none."""
    if before == keys:
        return peaks
    place = {key: at for at, key in enumerate(before)}
    found = np.full((*peaks.shape[:-1], len(keys)), np.nan, np.float32)
    for at, key in enumerate(keys):
        if key in place:
            found[..., at] = peaks[..., place[key]]
    return found


def _problems(parts: Sequence[Survey]) -> tuple[Problem, ...]:
    found = [each for part in parts for each in part.problems]
    return tuple(sorted(found, key=lambda each: (each.number, each.kind, each.text)))


def columns(schema: Mapping[str, tuple[str, tuple[str | int, ...]]], subject: Subject, rows: int
            ) -> dict[str, np.ndarray]:  # fmt: skip
    """Return a table of so many rows, each number -1, each share NaN, each flag False."""
    usual = {"f": np.nan, "i": -1, "b": False}
    found = {}
    for name, (dtype, shape) in schema.items():
        lengths = [len(getattr(subject, n)) if isinstance(n, str) else n for n in shape]
        found[name] = np.full((rows, *lengths), usual[np.dtype(dtype).kind], dtype)
    return found


def empty(subject: Subject, total: int = 0) -> Survey:
    """Return the survey of no picture."""
    pictures, objects, detections = (
        columns(schema, subject, 0) for schema in (PICTURES, OBJECTS, DETECTIONS)
    )
    peaks = np.zeros((0, 0), np.float32)
    return Survey(subject, (), pictures, objects, detections, peaks, Activations(), total=total)
