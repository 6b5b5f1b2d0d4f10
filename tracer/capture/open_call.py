"""A call that is under way."""

from __future__ import annotations

import time
from types import FrameType
from typing import Any

from tracer.record import Call, Line, Source, Value

_NOTHING = Value("arguments", "")


class Open:
    """A call that is under way, or over but not yet frozen into a `Call` (same names, there)."""

    parent: int | None = None
    nth = 0
    start = -1
    end = -1
    args = _NOTHING
    result: Value | None = None
    source: Source | None = None
    called_from: Source | None = None
    seconds = 0.0
    error = ""
    thread = 0
    owner: Any = None  # the module, builder or code object that a frame belongs to
    keeps = 0.0  # tensors of fewer bytes in and beneath it are kept
    outside = False  # whether `only` leaves it out (a root is recorded all the same)
    before: BaseException | None = None  # being handled when the call began
    frame: FrameType | None = None
    line: Line | None = None  # the line that is running, and its place in the list
    line_at = -1
    locals: dict[str, Any]  # of its frame, while there is one, and their fingerprints
    prints: dict[str, Any]

    def __init__(self, number: int, kind: str, path: str, type_name: str) -> None:
        self.id = number
        self.kind = kind
        self.path = path
        self.type = type_name
        self.since = time.perf_counter()

    def frozen(
        self, *, end: int, seconds: float, macs: int, uncounted: set[str], stage: str
    ) -> Call:
        """The record of this call."""
        return Call(
            id=self.id,
            kind=self.kind,
            path=self.path,
            nth=self.nth,
            type=self.type,
            parent=self.parent,
            start=self.start,
            end=end,
            args=self.args,
            result=self.result,
            stage=stage,
            source=self.source,
            called_from=self.called_from,
            macs=macs,
            seconds=seconds,
            error=self.error,
            thread=self.thread,
            uncounted=tuple(sorted(uncounted)),
        )
