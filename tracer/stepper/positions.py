"""A trace laid out for stepping: its positions in order, and what each name held at each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from tracer.record import Call, Line, Source, Trace, Value, query
from tracer.stepper.readable import Reader, successors, writers


@dataclass(frozen=True, slots=True)
class Position:
    """One place where the stepper can stand.

    Attributes:
        tick: the place on the trace's clock.
        kind: ``"start"`` of a call, ``"line"`` (about to run) or ``"end"`` of a call.
        call: the call that starts, runs the line, or ends.
        line: the line, for kind ``"line"``.
    """

    tick: int
    kind: str
    call: Call
    line: Line | None = None


class Timeline:
    """Answers questions about any moment of a trace; each answer depends on the moment alone."""

    def __init__(self, trace: Trace, now: int | None = None) -> None:
        """Index a trace, once.

        Args:
            trace: the recording.
            now: of a run that is still under way, the present: there are no positions after it.
        """
        self.trace = trace
        self.lines_of: dict[int, list[Line]] = {}
        for line in trace.lines:
            self.lines_of.setdefault(line.call, []).append(line)
        self.children_of: dict[int, list[Call]] = {}
        for call in trace.calls:
            if call.parent is not None:
                self.children_of.setdefault(call.parent, []).append(call)
        found = sorted(_positions(trace), key=lambda p: p.tick)
        self.positions = [p for p in found if now is None or p.tick <= now]
        self.ticks = [position.tick for position in self.positions]
        self._bindings: dict[int, _Bindings] = {}
        self._texts: dict[str, list[str]] = {}

    # --- where ---

    def index(self, tick: int) -> int:
        """Return the index of the position at `tick`, or of the last one before it."""
        return max(0, bisect_right(self.ticks, tick) - 1)

    def at(self, tick: int) -> Position:
        """Return the position at `tick`, or the last one before it."""
        return self.positions[self.index(tick)]

    def stack(self, call: Call) -> tuple[Call, ...]:
        """Return the call and the calls around it, the innermost first."""
        found = [call]
        while found[-1].parent is not None:
            found.append(self.trace.calls[found[-1].parent])
        return tuple(found)

    def has_lines(self, call: Call) -> bool:
        """Whether lines of this call were recorded."""
        return call.id in self.lines_of

    def line(self, call: Call, tick: int) -> Line | None:
        """Return the line of `call` that is running, or about to run, at `tick`."""
        lines = self.lines_of.get(call.id, [])
        index = bisect_right(lines, tick, key=lambda line: line.tick)
        return lines[index - 1] if index else None

    def place(self, call: Call, tick: int) -> Source | None:
        """Return the place in the source where `call` is at `tick`: a line of it, or its ``def``.

        A call whose own source was not recorded stands where it was called from.
        """
        outwards = chain([call], query.ancestors(self.trace, call))
        places = (self._own_place(each, tick) for each in outwards)
        return next((place for place in places if place is not None), None)

    def _own_place(self, call: Call, tick: int) -> Source | None:
        line = self.line(call, tick)
        if line is not None and call.source is not None:
            return Source(call.source.file, line.line)
        if call.source is not None and call.source.file in self.trace.sources:
            return call.source
        return call.called_from

    def text(self, file: str) -> list[str]:
        """Return the lines of a recorded source file, none where it was not recorded."""
        if file not in self._texts:
            source = self.trace.sources.get(file)
            self._texts[file] = source.text.split("\n") if source else []
        return self._texts[file]

    def iteration(self, line: Line) -> int:
        """Return how many times the same line had run before in the same call."""
        return self._iterations[line.tick]

    @cached_property
    def _iterations(self) -> dict[int, int]:
        seen: Counter[tuple[int, int]] = Counter()
        found = {}
        for line in self.trace.lines:
            found[line.tick] = seen[line.call, line.line]
            seen[line.call, line.line] += 1
        return found

    # --- what ---

    def reader(self, tick: int) -> Reader:
        """Return what reads values as they were at `tick`."""
        return Reader(self.trace, tick, self._successors)

    @cached_property
    def _successors(self) -> dict[int, int]:
        return successors(self.trace)

    def bound(self, call: Call, name: str, tick: int) -> Value | None:
        """Return what the argument or local `name` of `call` held at `tick`."""
        return self._of(call).at(name, tick)

    def locals(self, call: Call, tick: int) -> dict[str, Value]:
        """Return all arguments and locals of `call` at `tick`, in order of their first binding."""
        bindings = self._of(call)
        found = ((name, bindings.at(name, tick)) for name in bindings.names)
        return {name: value for name, value in found if value is not None}

    def names(self, call: Call) -> tuple[str, ...]:
        """Return every name that `call` ever binds."""
        return self._of(call).names

    def changed(self, position: Position) -> dict[str, Value]:
        """Return what is new at a position: the arguments, or what the line before it bound."""
        if position.kind == "start":
            return dict(position.call.args.items)
        done = self.finished_line(position)
        return dict(done.changed) if done is not None else {}

    def finished_line(self, position: Position) -> Line | None:
        """Return the line of the same call that ran just before a position."""
        lines = self.lines_of.get(position.call.id, [])
        index = bisect_left(lines, position.tick, key=lambda line: line.tick)
        return lines[index - 1] if index else None

    def raised(self, position: Position) -> str:
        """Return what was raised just before a position, by nothing within; ``""`` for nothing.

        What passes on through the calls around is raised once: where it began.
        """
        call, done = position.call, self.finished_line(position)
        if position.kind == "start" or (done is None and position.kind == "line"):
            return ""
        error = call.error if done is None else done.raised
        made = self.children_of.get(call.id, []) if done is None else self.calls_of_line(done)
        return "" if any(inner.error == error for inner in made) else error

    def writers(self, state: int) -> frozenset[int]:
        """Return the calls that wrote in place over a tensor, by one of its states and later."""
        return writers(self.trace, self._successors, state)

    def calls_of_line(self, line: Line) -> tuple[Call, ...]:
        """Return the calls that a line made, in order."""
        made = self.children_of.get(line.call, [])
        first = bisect_right(made, line.tick, key=lambda call: call.start)
        last = bisect_left(made, self._next_tick(line), key=lambda call: call.start)
        return tuple(made[first:last])

    def _next_tick(self, line: Line) -> int:
        call, lines = self.trace.calls[line.call], self.lines_of[line.call]
        index = bisect_right(lines, line.tick, key=lambda later: later.tick)
        if index < len(lines):
            return lines[index].tick
        return call.end

    def _of(self, call: Call) -> _Bindings:
        if call.id not in self._bindings:
            self._bindings[call.id] = _Bindings(call, self.lines_of.get(call.id, []))
        return self._bindings[call.id]


def _positions(trace: Trace) -> Iterator[Position]:
    calls = trace.calls
    for call in calls:
        yield Position(call.start, "start", call)
        yield Position(call.end, "end", call)
    for line in trace.lines:
        yield Position(line.tick, "line", calls[line.call], line)


class _Bindings:
    """What the names of one call held, from when on."""

    def __init__(self, call: Call, lines: list[Line]) -> None:
        self._history: dict[str, tuple[list[int], list[Value | None]]] = {}
        for name, value in call.args.items:
            self._bind(name, call.start, value)
        after = [*(line.tick for line in lines[1:]), call.end]
        for line, tick in zip(lines, after, strict=False):
            for name, value in line.changed:
                self._bind(name, tick, value)
            for name in line.deleted:
                self._bind(name, tick, None)
        self.names = tuple(self._history)

    def _bind(self, name: str, tick: int, value: Value | None) -> None:
        ticks, values = self._history.setdefault(name, ([], []))
        ticks.append(tick)
        values.append(value)

    def at(self, name: str, tick: int) -> Value | None:
        """Return what `name` held at `tick`, None if it was not bound."""
        ticks, values = self._history.get(name, ([], []))
        index = bisect_right(ticks, tick)
        return values[index - 1] if index else None
