"""How many boxes NMS removed of each picture, at each level and of each class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracer.errors import TracerError
from tracer.rcnn.anatomy import Anatomy, Funnel, anatomy
from tracer.record import Trace
from tracer.record.query import once

Counts = tuple[tuple[int, int], ...]


def nms_counts(funnel: Funnel) -> Counts:
    """Return of each group of which NMS was given boxes: (group, how many of them it removed)."""
    names = [step.name for step in funnel.steps]
    before = funnel.steps[names.index("nms") - 1].kept
    removed = np.bincount(funnel.group[funnel.removed("nms")], minlength=funnel.group.max() + 1)
    return tuple((k, int(removed[k])) for k in np.unique(funnel.group[before]).tolist())


def removed_of(trace: Trace, which: str) -> tuple[Counts, ...]:
    """Return what NMS removed of each picture of a pass.

    Args:
        trace: the recording.
        which: ``"proposals"``, by the level's place in the pyramid; or ``"detections"``, by label.

    Raises:
        LookupError: the recording does not tell: it has no such filter, or did not keep its boxes.
    """
    return _counted(trace)[which]


@once
def _counted(trace: Trace) -> dict[str, tuple[Counts, ...]]:
    return {name: counts for name, read in _FUNNELS.items() if (counts := _read(trace, read))}


def _read(trace: Trace, read: Callable[[Anatomy, int], Funnel | None]) -> tuple[Counts, ...]:
    """Return each picture's counts, none of one without a box; nothing where none has any."""
    try:
        parts = anatomy(trace)
        funnels = [read(parts, image) for image in range(len(parts.pictures))]
    except TracerError:
        return ()
    found = tuple(() if it is None or not it.total else nms_counts(it) for it in funnels)
    return found if any(found) else ()


_FUNNELS: dict[str, Callable[[Anatomy, int], Funnel | None]] = {
    "proposals": lambda parts, image: parts.rpn.proposals(image).funnel,
    "detections": lambda parts, image: parts.detections[image].funnel,
}
