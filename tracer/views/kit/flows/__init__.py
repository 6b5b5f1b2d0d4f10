"""How one tensor becomes the next, as a few steps to watch, at the places where people get lost.

>>> flow = flow_of(anatomy(recording), "nms")
>>> [step.said["en"] for step in flow.steps]

A flow is data: things on a board, and where each is at each step. ``flow.js`` moves them, in the
page and in decks; what cannot move shows one step after the other.
"""

from __future__ import annotations

from collections.abc import Callable

from tracer.errors import MissingError, near
from tracer.rcnn.anatomy import Anatomy, fitting
from tracer.views.kit.flows.boxes import anchors, decode, levels, nms
from tracer.views.kit.flows.maps import align, merge, padding, stride
from tracer.views.kit.flows.model import Flow, Frame, Item

__all__ = ["FLOWS", "Flow", "Frame", "Item", "flow_of"]

FLOWS: dict[str, Callable[[Anatomy], Flow]] = {
    "padding": padding,
    "stride": stride,
    "merge": merge,
    "anchors": anchors,
    "decode": decode,
    "nms": nms,
    "levels": levels,
    "align": align,
}
"""What there is, in the order of a pass."""


def flow_of(parts: Anatomy, name: str) -> Flow:
    """Return one of `FLOWS`, of the first picture of a pass.

    Raises:
        MissingError: there is none of that name, or the recording lacks what it shows.
    """
    if name not in FLOWS:
        there = ", ".join(FLOWS)
        raise MissingError(f"no flow is called {name!r}{near(name, FLOWS)} (there is {there})")
    with fitting(f"the flow {name!r}"):
        return FLOWS[name](parts)
