"""A call that is under way."""

from __future__ import annotations

import time
from types import FrameType
from typing import Any

from tracer.record import Call, Line, Source, Value

_NOTHING = Value("arguments", "")


class Open:
    """A call that is under way, or over but not yet frozen into a `Call` (same names, there)."""

    __slots__ = (
        "args",
        "before",
        "called_from",
        "end",
        "error",
        "frame",
        "id",
        "keeps",
        "kind",
        "line",
        "line_at",
        "locals",
        "nth",
        "outside",
        "owner",
        "parent",
        "path",
        "prints",
        "result",
        "seconds",
        "since",
        "source",
        "start",
        "thread",
        "type",
    )

    def __init__(self, number: int, kind: str, path: str, type_name: str) -> None:
        self.id = number
        self.kind = kind
        self.path = path
        self.type = type_name
        self.nth = 0
        self.parent: int | None = None
        self.start = -1
        self.end = -1
        self.args = _NOTHING
        self.result: Value | None = None
        self.source: Source | None = None
        self.called_from: Source | None = None
        self.seconds = 0.0
        self.error = ""
        self.thread = 0
        self.owner: Any = None  # the module, builder or code object that a frame belongs to
        self.keeps = 0.0  # tensors of fewer bytes in and beneath it are kept
        self.outside = False  # whether `only` leaves it out (a root is recorded all the same)
        self.before: BaseException | None = None  # being handled when the call began
        self.frame: FrameType | None = None
        self.line: Line | None = None  # the line that is running, and its place in the list
        self.line_at = -1
        self.locals: dict[str, Any] = {}
        self.prints: dict[str, Any] = {}
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
