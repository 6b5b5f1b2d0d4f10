"""Explorers: parts of a recording with controls, for a notebook.

>>> recording.explore("anchors", lang="zh", level="P5")

Each lives in a file of its own with an ``explorer(trace, lang, **options)``; it is built of
functions that draw for given values and need neither a notebook nor widgets.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from tracer.errors import InputError, near
from tracer.languages import checked
from tracer.rcnn.anatomy import fitting
from tracer.rcnn.findings import changed

if TYPE_CHECKING:
    from tracer.record import Trace
    from tracer.views.explorers.explorer import Explorer

EXPLORERS = {
    "steps": "tree, source, tensors, picture: the page to step through",
    "pyramid": "a level's channels over the picture, and one point in every level",
    "anchors": "the anchors of a cell, by level, size, ratio and position",
    "proposals": "the filters, with other thresholds and limits",
    "story": "what became of an object, or how a detection came to be",
    "roi_align": "bins, sampling points and the pooled map of a box",
    "quiz": "guess first: shapes, levels, NMS, lines … on the recording's own numbers",
    "compare": "two passes side by side",
    "what_if": "a level, a channel or a threshold changed: the detections before and after",
    "keep": "what to keep of the next recording, and what it will cost",
}
"""What there is, by name."""

__all__ = ["EXPLORERS", "explore"]


def explore(trace: Trace, name: str, *, lang: str = "en", **options: Any) -> Explorer:
    """Return an explorer; a notebook displays it.

    Args:
        trace: the recording.
        name: a key of `EXPLORERS`.
        lang: of the texts.
        options: the explorer's own: where its controls start, ``image=`` for another one of the
            batch.

    Raises:
        InputError: there is no such explorer, language or option.
        MissingError: the recording lacks what it shows; says how to record it.
    """
    if name not in EXPLORERS:
        there = ", ".join(EXPLORERS)
        raise InputError(f"there is no explorer {name!r}{near(name, EXPLORERS)} (there is {there})")
    checked(lang)
    make = importlib.import_module(f"{__name__}.{name}").explorer
    parameters = list(inspect.signature(make).parameters)[2:]
    with fitting(f"what the explorer {name!r} shows"):
        found: Explorer = make(trace, lang, **{n: options[n] for n in parameters if n in options})
    known = [*dict.fromkeys([*parameters, *found.controls])]
    for option in options:
        if option not in known:
            there = f"it takes {', '.join(known)}" if known else "it takes none"
            raise InputError(f"{name} has no option {option!r}{near(option, known)} ({there})")
    if start := {n: value for n, value in options.items() if n not in parameters}:
        found.set(**start)
    found.about = changed(trace, lang)
    return found
