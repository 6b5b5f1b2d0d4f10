"""The names that an expression can look up at one position of a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracer.record import Call, Value
from tracer.stepper.positions import Position, Timeline
from tracer.stepper.readable import module_value

RESULT_NAMES = ("__return__", "result")
"""What an expression calls the result of a call that ends."""

COUNTER_NAMES = ("nth", "iteration", "hits")
"""What a condition calls the number of a call, of a loop's round, and of a hit."""

NEW = "__new__"
"""What an expression calls everything that is new at a position."""


class Scope(Mapping[str, Any]):
    """The names that an expression can look up at one position."""

    def __init__(
        self,
        timeline: Timeline,
        position: Position,
        call: Call | None = None,
        counters: Mapping[str, int] | None = None,
    ) -> None:
        """Look from a position into `call` (the position's own unless another is selected).

        Args:
            timeline: of the trace.
            position: the moment.
            call: whose arguments and locals are seen.
            counters: `COUNTER_NAMES` and their numbers; a recorded name goes first.
        """
        self._timeline = timeline
        self._position = position
        self._call = call or position.call
        self._counters = counters or {}
        self._read = timeline.reader(position.tick)

    def __getitem__(self, name: str) -> Any:
        """Return what `name` is; KeyError if it is nothing."""
        if name == NEW:
            return tuple(self._new())
        found = self._timeline.bound(self._call, name, self._position.tick)
        if found is None and name in RESULT_NAMES:
            found = self._result()
        if found is None and name == "self" and self._call.kind == "module":
            found = module_value(self._timeline.trace, self._call.path)
        if found is None and name in self._counters:
            return self._counters[name]
        if found is None:
            raise KeyError(name)
        return self._read(found)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that are there."""
        yield from self._timeline.locals(self._call, self._position.tick)
        if self._result() is not None:
            yield from RESULT_NAMES

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _result(self) -> Value | None:
        at_end = self._position.kind == "end" and self._position.call is self._call
        return self._call.result if at_end else None

    def _new(self) -> Iterator[Any]:
        yield from map(self._read, self._timeline.changed(self._position).values())
        if (result := self._result()) is not None:
            yield self._read(result)
