"""How many boxes NMS removed of the first picture, at each level and of each class."""

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


def removed_of(trace: Trace, which: str) -> Counts:
    """Return what NMS removed of the first picture of a pass.

    Args:
        trace: the recording.
        which: ``"proposals"``, by the level's place in the pyramid; or ``"detections"``, by label.

    Raises:
        LookupError: the recording does not tell: it has no such filter, or did not keep its boxes.
    """
    return _counted(trace)[which]


@once
def _counted(trace: Trace) -> dict[str, Counts]:
    return {name: counts for name, read in _FUNNELS.items() if (counts := _read(trace, read))}


def _read(trace: Trace, read: Callable[[Anatomy], Funnel | None]) -> Counts:
    try:
        funnel = read(anatomy(trace))
    except TracerError:
        return ()
    return nms_counts(funnel) if funnel is not None and funnel.total else ()


_FUNNELS: dict[str, Callable[[Anatomy], Funnel | None]] = {
    "proposals": lambda parts: parts.rpn.proposals(0).funnel,
    "detections": lambda parts: parts.detections[0].funnel,
}
