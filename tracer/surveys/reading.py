"""What a survey says, in numbers: shares, recalls, quantiles, all read off its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tracer.surveys.data import IOUS, KINDS, STATIONS, STEPS, Survey
from tracer.surveys.moments import Moments

SIDES = (0, 16, 32, 64, 128, 256, 512, np.inf)
"""Bounds of √(w·h), in pixels, by which objects are grouped."""

RATIOS = (0, 0.35, 0.71, 1.41, 2.83, np.inf)
"""Bounds of h/w, around 1:4, 1:2, 1, 2:1 and 4:1."""

TOP = (10, 100, 1000)
"""Proposals of a picture, by falling score, among which an object is looked for."""

SHARES = (0.5, 0.7)
"""IoU with an anchor: from 0.7 on it is a positive by itself, below 0.5 no anchor is near."""

BOUNDED = {
    "ReLU6": (0.0, 6.0),
    "Sigmoid": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Hardtanh": (-1.0, 1.0),
}
"""Modules whose values end somewhere, and where."""


def single(survey: Survey) -> np.ndarray:
    """Return which rows of `Survey.objects` are single objects and no crowd, bool [N]."""
    return ~survey.objects["crowd"]


def sides(boxes: np.ndarray) -> np.ndarray:
    """Return √(w·h) of boxes [N, 4]."""
    found: np.ndarray = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float64))
    return found


def ratios(boxes: np.ndarray) -> np.ndarray:
    """Return h/w of boxes [N, 4]."""
    width, height = (boxes[:, axis + 2] - boxes[:, axis] for axis in (0, 1))
    found: np.ndarray = height / np.maximum(width, 1e-9)
    return found


@dataclass(frozen=True)
class Group:
    """Some objects.

    Attributes:
        low, high: between which their size or ratio lies; the upper bound excluded.
        chosen: which rows of `Survey.objects`, int64.
    """

    low: float
    high: float
    chosen: np.ndarray


def groups(survey: Survey, values: np.ndarray, bounds: Sequence[float]) -> list[Group]:
    """Return single objects by a value; groups without objects are left out."""
    there = single(survey)
    found = [
        Group(low, high, np.flatnonzero(there & (values >= low) & (values < high)))
        for low, high in pairwise(bounds)
    ]
    return [group for group in found if len(group.chosen)]


def by_side(survey: Survey) -> list[Group]:
    """Return the objects by their size after resizing."""
    return groups(survey, sides(survey.objects["resized"]), SIDES)


def by_ratio(survey: Survey) -> list[Group]:
    """Return the objects by h/w."""
    return groups(survey, ratios(survey.objects["resized"]), RATIOS)


def best(survey: Survey) -> np.ndarray:
    """Return each object's best IoU with an anchor, float32 [N]; NaN where there are none."""
    table = survey.objects["iou"]
    if table.shape[1] == 0:
        return np.full(len(table), np.nan, np.float32)
    found: np.ndarray = np.where(np.isnan(table).any(1), np.nan, table.max(1, initial=-1))
    return found


def best_level(survey: Survey) -> np.ndarray:
    """Return the level of that anchor, int64 [N]; -1 where there is none."""
    table = np.nan_to_num(survey.objects["iou"], nan=-1)
    if table.shape[1] == 0:
        return np.full(len(table), -1)
    found: np.ndarray = np.where(table.max(1) < 0, -1, table.argmax(1))
    return found


def share(flags: np.ndarray) -> float | None:
    """Return the share of what is true; None of nothing."""
    return float(flags.mean()) if len(flags) else None


def with_funnel(survey: Survey) -> np.ndarray:
    """Return which pictures have counts of the RPN's steps, bool [P]."""
    table = survey.pictures["rpn"]  # [P, steps, levels]
    return np.asarray((table >= 0).all((1, 2)) & (table.shape[2] > 0))


def followed(survey: Survey) -> np.ndarray:
    """Return the objects whose way through the funnel is known, int64."""
    return np.flatnonzero(single(survey) & (survey.objects["lost"] >= 0))


def recall(survey: Survey, iou: float, step: str, chosen: np.ndarray | None = None) -> float | None:
    """Return the share of objects that some candidate covers after a step.

    Args:
        survey: the survey.
        iou: one of `data.IOUS`.
        step: one of `data.STEPS`.
        chosen: rows of objects; all that were followed, if not given.
    """
    rows = followed(survey) if chosen is None else np.intersect1d(chosen, followed(survey))
    return share(survey.objects["reached"][rows, IOUS.index(iou), STEPS.index(step)])


def found_share(survey: Survey, iou: float) -> float | None:
    """Return the share of single objects with targets that a detection found."""
    rows = np.flatnonzero(single(survey))
    if survey.subject.static:
        return None
    return share(survey.objects["reached"][rows, IOUS.index(iou), -1])


def proposal_recall(survey: Survey, iou: float, top: int) -> float | None:
    """Return the share of objects that one of a picture's first proposals covers."""
    rank = survey.objects["rank"][followed(survey), IOUS.index(iou)]
    return share((rank >= 0) & (rank < top))


def lost(survey: Survey) -> dict[str, int]:
    """Return how many objects each station lost, in the stations' order."""
    found = np.bincount(survey.objects["lost"][followed(survey)], minlength=len(STATIONS))
    return {name: int(n) for name, n in zip(STATIONS, found, strict=True) if name and n}


def kinds(survey: Survey) -> dict[str, int]:
    """Return how many detections there are of each kind, where there are targets."""
    told = survey.detections["kind"]
    found = np.bincount(told[told >= 0], minlength=len(KINDS))
    return {name: int(n) for name, n in zip(KINDS, found, strict=True)}


def quantiles(values: np.ndarray) -> tuple[float, float, float, float] | None:
    """Return mean, 10 %, 50 % and 90 % of values; None of none."""
    if not len(values):
        return None
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9)).tolist()
    return float(values.mean()), low, middle, high


# --- activations ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """What is said of one call of a module over all pictures.

    Attributes:
        path, nth: which one.
        type: its class.
        channels: how many it has.
        low, high, mean, std: over all values of all pictures; NaN where there were none.
        zeros, nan, inf: shares of all values.
        dead: channels that were never anything but 0.
        constant: channels that had one value, another than 0, in all pictures.
        saturated: channels whose mean lies within a hundredth of where the module's values end.
        drift: of a batch norm, how far the mean of what it was given lies from its own, in its
            own standard deviations, the largest of all channels; None of others.
        stretch: of a batch norm, the standard deviation of what it was given over its own, the
            median of its channels; None of others.
    """

    path: str
    nth: int
    type: str
    channels: int
    low: float
    high: float
    mean: float
    std: float
    zeros: float
    nan: float
    inf: float
    dead: int
    constant: int
    saturated: int
    drift: float | None = None
    stretch: float | None = None

    @property
    def label(self) -> str:
        """``layer1.0.relu#2``."""
        return f"{self.path or '(root)'}#{self.nth}"


def lines(survey: Survey) -> Iterator[Line]:
    """Yield what is said of each call of a module, in the order of a pass."""
    activations = survey.activations
    given = {
        (key.path, key.nth): at for at, key in enumerate(activations.keys) if key.role == "input"
    }
    for at, key in enumerate(activations.keys):
        if key.role != "result":
            continue
        own = activations.of(at)
        whole = own.whole
        total = max(int(own.count.sum() + activations.counts[at, 1:].sum()), 1)
        zeros, nan, inf = (float(each) / total for each in activations.counts[at])
        low, high, mean, std = (
            float(each[0]) for each in (whole.low, whole.high, whole.mean, whole.std)
        )
        type_name = survey.subject.types.get(key.path, "")
        into = given.get((key.path, key.nth))
        drift, stretch = None, None
        if into is not None and key.path in activations.norms:
            drift, stretch = drifted(activations.of(into), activations.norms[key.path])
        dead, constant = int(_same(own, True).sum()), int(_same(own, False).sum())
        yield Line(
            key.path, key.nth, type_name, key.channels, low, high, mean, std, zeros, nan, inf,
            dead, constant, saturated(own, type_name), drift, stretch,
        )  # fmt: skip


def _same(own: Moments, zero: bool) -> np.ndarray:
    """Which channels had one value in all pictures, 0 or another; bool [C]."""
    found: np.ndarray = (own.low == own.high) & (own.count > 1) & ((own.low == 0) == zero)
    return found


def dead_channels(survey: Survey) -> int:
    """Return how many channels were never anything but 0.

    What a container hands on of a module within it is counted once.
    """
    activations = survey.activations
    results = [(key.path, activations.of(at)) for at, key in enumerate(activations.keys)
               if key.role == "result"]  # fmt: skip
    dead = [(path, own) for path, own in results if _same(own, True).any()]
    return sum(
        int(_same(own, True).sum())
        for path, own in dead
        if not any(_within(inner, path) and _equal(own, other) for inner, other in dead)
    )


def _within(inner: str, path: str) -> bool:
    return inner != path and inner.startswith(f"{path}." if path else "")


def _equal(one: Moments, other: Moments) -> bool:
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in ("mean", "low", "high"))


def saturated(own: Moments, type_name: str) -> int:
    """Return how many channels lie where a module's values end; those at 0 are dead instead."""
    if type_name not in BOUNDED:
        return 0
    low, high = BOUNDED[type_name]
    near = 0.01 * (high - low)
    there = own.mean >= high - near
    if low != 0:
        there |= own.mean <= low + near
    return int((there & (own.count > 0)).sum())


def drifted(given: Moments, norm: np.ndarray) -> tuple[float, float]:
    """Return how far a batch norm's input lies from its own statistics, see `Line`."""
    std = np.sqrt(np.maximum(norm[1], 1e-12))
    away = np.abs(given.mean - norm[0]) / std
    return float(away.max(initial=0)), float(np.median(given.std / std))


# --- odd pictures ---------------------------------------------------------------------------------

REASONS = ("nan", "recall", "extreme", "false")

Oddness = tuple[np.ndarray, Callable[[int], str]]
"""How odd each picture is, float64 [P], 0 for not at all; and where, by the picture's row."""


@dataclass(frozen=True)
class Odd:
    """A picture that deserves a look.

    Attributes:
        number, name: which one.
        reason: ``"nan"`` (values that are none), ``"recall"`` (few objects found), ``"extreme"``
            (activations far from those of all others), ``"false"`` (many false detections).
        value: how many, which share, how many standard deviations, how many.
        about: where, as the path of a module; else ``""``.
    """

    number: int
    name: str
    reason: str
    value: float
    about: str = ""


def odd_pictures(survey: Survey, limit: int = 10) -> list[Odd]:
    """Return the pictures that deserve a look, by turns the first of each reason."""
    columns = [list(_of_reason(survey, reason))[:limit] for reason in REASONS]
    found: list[Odd] = []
    for row in range(limit):
        for column in columns:
            if row < len(column) and all(column[row].number != each.number for each in found):
                found.append(column[row])
    return found[:limit]


def _of_reason(survey: Survey, reason: str) -> Iterator[Odd]:
    """The pictures that are odd for a reason, the oddest first."""
    values, about = _ODDNESS[reason](survey)
    numbers = survey.pictures["number"]
    for at in np.argsort(-values, kind="stable").tolist():
        if not values[at] > 0:
            return
        shown = 1 - values[at] if reason == "recall" else values[at]
        yield Odd(int(numbers[at]), survey.names[at], reason, float(shown), about(at))


def _nowhere(at: int) -> str:
    return ""


def _not_numbers(survey: Survey) -> Oddness:
    return (survey.pictures["nan"] + survey.pictures["inf"]).clip(min=0).astype(float), _nowhere


def _per_picture(survey: Survey, rows: np.ndarray, table: str) -> np.ndarray:
    """How many of some rows are of each picture, float64 [P]."""
    places = np.searchsorted(survey.pictures["number"], getattr(survey, table)["picture"][rows])
    return np.bincount(places, minlength=len(survey)).astype(float)


def _missed(survey: Survey) -> Oddness:
    there = np.flatnonzero(single(survey))
    if survey.subject.static:
        return np.zeros(len(survey)), _nowhere
    gone = there[~survey.objects["reached"][there, 0, -1]]
    total = _per_picture(survey, there, "objects")
    return _per_picture(survey, gone, "objects") / np.maximum(total, 1), _nowhere


def _false(survey: Survey) -> Oddness:
    wrong = np.flatnonzero((survey.detections["kind"] > 0) & (survey.detections["score"] >= 0.5))
    return _per_picture(survey, wrong, "detections"), _nowhere


def _extreme(survey: Survey) -> Oddness:
    """How far a picture's largest activation lies above those of all, in standard deviations."""
    peaks = survey.peaks.astype(np.float64)
    if peaks.size == 0 or len(peaks) < 3:
        return np.zeros(len(survey)), _nowhere
    keys = survey.activations.keys
    known = np.isfinite(peaks)
    count = known.sum(0)
    mean = np.where(known, peaks, 0).sum(0) / np.maximum(count, 1)
    apart = np.where(known, peaks - mean, 0)
    std = np.sqrt((apart**2).sum(0) / np.maximum(count - 1, 1))
    away = np.where(std > 0, apart / np.where(std > 0, std, 1), 0)
    which = away.argmax(1)
    values = away.max(1)
    return np.where(
        values >= 3, values, 0
    ), lambda at: f"{keys[which[at]].path}#{keys[which[at]].nth}"


_ODDNESS: dict[str, Callable[[Survey], Oddness]] = {
    "nan": _not_numbers,
    "recall": _missed,
    "extreme": _extreme,
    "false": _false,
}
