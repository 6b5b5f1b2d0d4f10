"""A cursor over a trace: it moves, forwards and backwards, and stops at breakpoints. No I/O.

The state at a position depends on the position alone, never on the way there; only the breakpoints
and the selected stack entry are the cursor's own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from tracer.errors import MissingError
from tracer.record import Call, Line, Source, Trace, Value
from tracer.record.statements import first_line
from tracer.stepper.breakpoints import (
    Breakpoint,
    Location,
    locate,
    no_lines,
    read_condition,
    read_location,
    ticks_of,
)
from tracer.stepper.evaluate import Expression, parse
from tracer.stepper.positions import Position, Timeline
from tracer.stepper.scope import Scope
from tracer.stepper.text import source_line

Goal = Callable[[Position], bool]
"""Whether a movement ends at a position."""


class Cursor:
    """Stands at one position of a trace.

    Attributes:
        trace: the recording.
        timeline: its positions.
        tick: where it stands.
        selected: which entry of the stack is looked at, 0 for the innermost.
        ops: whether single steps visit ops too.
        breakpoints: by number.
        live: whether the run is still under way; its positions end at the present.
        beyond: where a movement wants to stop that ran into the present, else None.
    """

    def __init__(self, trace: Trace, tick: int | None = None, live: bool = False) -> None:
        """Stand at a trace's first position, or where it failed.

        Args:
            trace: the recording.
            tick: where to stand instead.
            live: whether `tick` is the present of a run that is still under way.

        Raises:
            MissingError: nothing was recorded.
        """
        self.trace = trace
        self.live = live
        self.beyond: Goal | None = None
        self.timeline = Timeline(trace, tick if live else None)
        if not self.timeline.positions:
            raise MissingError("this recording holds no call, so there is nothing to step through")
        self.selected = 0
        self.ops = False
        self.breakpoints: dict[int, Breakpoint] = {}
        self._numbered = 0
        self.tick = self.timeline.at(self._begin() if tick is None else tick).tick

    def _begin(self) -> int:
        """Return the first tick, of a failed run that of the line that raised."""
        failure = self.trace.error
        if failure is None or failure.call is None:
            return self.timeline.ticks[0]
        for call in self.timeline.stack(self.trace.calls[failure.call]):
            if lines := self.timeline.lines_of.get(call.id):
                return lines[-1].tick
        return self.trace.calls[failure.call].start

    # --- where it stands ---

    @property
    def position(self) -> Position:
        """The position that it stands at."""
        return self.timeline.at(self.tick)

    @property
    def stack(self) -> tuple[Call, ...]:
        """The calls that are running, the innermost first."""
        return self.timeline.stack(self.position.call)

    @property
    def call(self) -> Call:
        """The selected call of the stack."""
        return self.stack[self.selected]

    @property
    def line(self) -> Line | None:
        """The line that the selected call is at, if its lines were recorded."""
        return self.timeline.line(self.call, self.tick)

    @property
    def place(self) -> Source | None:
        """The place in the source that the selected call is at."""
        return self.timeline.place(self.call, self.tick)

    @property
    def locals(self) -> dict[str, Value]:
        """The arguments and locals of the selected call."""
        return self.timeline.locals(self.call, self.tick)

    @property
    def scope(self) -> Scope:
        """The names that an expression sees."""
        return Scope(self.timeline, self.position, self.call)

    @property
    def at_end(self) -> bool:
        """Whether there is nothing after this position."""
        return self.tick == self.timeline.ticks[-1]

    def evaluate(self, text: str) -> Any:
        """Return the value of an expression over what was recorded here.

        Raises:
            EvaluationError: it does not parse, or makes no sense for these values.
            MissingError: it names what is not there.
        """
        return parse(text).evaluate(self.scope)

    # --- moving ---

    def goto(self, tick: int) -> None:
        """Stand at a tick.

        Raises:
            MissingError: there is no such position.
        """
        if self.timeline.at(tick).tick != tick:
            last = self.timeline.ticks[-1]
            raise MissingError(f"there is no step {tick}; steps go from 0 to {last}")
        self.tick, self.selected, self.beyond = tick, 0, None

    def into(self, ops: bool = False) -> Breakpoint | None:
        """Go to the next position; ops are passed over unless asked for."""
        return self._run(self._visible(ops))

    def back_into(self, ops: bool = False) -> Breakpoint | None:
        """Go to the previous position."""
        return self._run(self._visible(ops), backwards=True)

    def over(self) -> Breakpoint | None:
        """Go to the next line of the selected call, or to its end."""
        return self._run(self._within(backwards=False))

    def back_over(self) -> Breakpoint | None:
        """Go to the previous line of the selected call, or to its start."""
        return self._run(self._within(backwards=True), backwards=True)

    def out(self) -> Breakpoint | None:
        """Go to the end of the selected call; from there, of the next outer one."""
        call = self._unless_at("end")
        return self._run(lambda p: p.kind == "end" and p.call.id == call.id)

    def back_out(self) -> Breakpoint | None:
        """Go to the start of the selected call; from there, of the next outer one."""
        call = self._unless_at("start")
        return self._run(lambda p: p.kind == "start" and p.call.id == call.id, backwards=True)

    def to(self, tick: int) -> Breakpoint | None:
        """Go to a step further on."""
        return self._run(lambda p: p.tick == tick)

    def until(self, number: int | None = None) -> Breakpoint | None:
        """Go to a line of the selected call beyond this one (or from `number` on), or to its end.

        Raises:
            MissingError: the lines of the call were not recorded.
        """
        call, place = self.call, self.place
        if not self.timeline.has_lines(call) or place is None:
            raise MissingError(no_lines("until"))
        sources = self.trace.sources
        first = place.line + 1 if number is None else first_line(sources, place.file, number)

        def goal(p: Position) -> bool:
            ahead = p.kind == "end" or (p.line is not None and p.line.line >= first)
            return p.call.id == call.id and ahead

        return self._run(goal)

    def on(self) -> Breakpoint | None:
        """Go to the next breakpoint, or to the last position."""
        return self._run(lambda p: False)

    def back_on(self) -> Breakpoint | None:
        """Go to the previous breakpoint, or to the first position."""
        return self._run(lambda p: False, backwards=True)

    def _run(self, goal: Goal, backwards: bool = False) -> Breakpoint | None:
        """Move to where `goal` holds or a breakpoint stops; return the breakpoint that did."""
        positions = self.timeline.positions
        stop = self._next_stop(backwards)
        here = self.timeline.index(self.tick)
        end = 0 if backwards else len(positions) - 1
        limit = end if stop is None else self.timeline.index(stop)
        step = -1 if backwards else 1
        path = (
            positions[i].tick for i in range(here + step, limit + step, step) if goal(positions[i])
        )
        found = next(path, stop)
        self.beyond = goal if self.live and not backwards and found is None else None
        self.tick, self.selected = positions[end].tick if found is None else found, 0
        return self._stopped() if self.tick == stop else None

    def _next_stop(self, backwards: bool) -> int | None:
        """Return the nearest place where a breakpoint stops, in one direction."""
        found: list[int] = []
        for breakpoint in self.breakpoints.values():
            stops = list(breakpoint.stops())
            index = (
                bisect_left(stops, self.tick) - 1 if backwards else bisect_right(stops, self.tick)
            )
            found += stops[index : index + 1] if index >= 0 else []
        return (max if backwards else min)(found, default=None)

    def _stopped(self) -> Breakpoint:
        """Return the breakpoint that stops here; a temporary one goes away."""
        breakpoint = next(b for b in self.breakpoints.values() if self.tick in set(b.stops()))
        return self.used(breakpoint)

    def used(self, breakpoint: Breakpoint) -> Breakpoint:
        """Return a breakpoint that stopped; a temporary one goes away."""
        if breakpoint.temporary:
            del self.breakpoints[breakpoint.number]
        return breakpoint

    def _visible(self, ops: bool) -> Goal:
        shown = ops or self.ops
        return lambda p: shown or p.call.kind != "op"

    def _within(self, backwards: bool) -> Goal:
        """Return where a step in the selected call ends.

        A call without recorded lines shows the calls that it makes instead; standing at its start,
        one step goes over it as a whole (the outermost call excepted, beyond which is nothing).
        """
        entry, exit = ("end", "start") if backwards else ("start", "end")
        entering = self.selected == 0 and self.position.kind == entry
        call = self._unless_at(exit)
        shown = self._visible(ops=self.position.call.kind == "op")
        if self.selected == 0 and self.position.kind == exit and call is self.call:
            return shown  # nothing is around it: on to what follows
        whole = entering and call.parent is not None
        by_calls = not self.timeline.has_lines(call) and not whole
        return lambda p: (
            (p.call.id == call.id and p.kind != entry)
            or (by_calls and p.kind == entry and p.call.parent == call.id and shown(p))
        )

    def _unless_at(self, kind: str) -> Call:
        """Return the selected call; standing at its start (or end), the next outer one."""
        call = self.call
        there = self.selected == 0 and self.position.kind == kind
        return self.trace.calls[call.parent] if there and call.parent is not None else call

    # --- stages and texts ---

    def stage_starts(self) -> list[int]:
        """Return where the stages begin, in order; neighbouring calls of a stage count as one."""
        starts = sorted(
            (self.trace.calls[i].start, s.name) for s in self.trace.stages for i in s.calls
        )
        before = [None, *(name for _, name in starts)]
        return [tick for (tick, name), last in zip(starts, before, strict=False) if name != last]

    def find(self, wanted: str) -> None:
        """Go to the next position whose source line, call, class or result's shape has `wanted`.

        Upper and lower case are the same; ``*`` stands for anything within a word:
        ``256x*x*`` finds ``1x256x50x68`` too.

        Raises:
            MissingError: none from here on.
        """
        folded = wanted.casefold()
        here = self.timeline.index(self.tick)
        for position in self.timeline.positions[here + 1 :]:
            words = (text := self._text(position)).split()
            if folded in text or any(fnmatchcase(word, f"*{folded}*") for word in words):
                self.goto(position.tick)
                return
        raise MissingError(
            f"{wanted!r} is not found after step {self.tick}; try it from `first` on"
        )

    def _text(self, position: Position) -> str:
        """Return what `find` searches at a position: a call's names at its start, a line's text."""
        if position.kind == "line":
            place = self.timeline.place(position.call, position.tick)
            return source_line(self.timeline, place).casefold()
        if position.kind == "end":
            return ""
        call = position.call
        states = call.result.tensors() if call.result is not None else ()
        shapes = ("x".join(map(str, self.trace.tensors[s].summary.shape)) for s in states)
        return " ".join((call.label, call.type, *shapes)).casefold()

    # --- breakpoints ---

    def add_breakpoint(
        self, place: str, condition: str = "", temporary: bool = False
    ) -> Breakpoint:
        """Set a breakpoint.

        Args:
            place: see `breakpoints.read_location`.
            condition: an expression over what is recorded there; ``""`` for none.
            temporary: whether it goes away once it stopped.

        Raises:
            MissingError: the place is not in the trace, or the condition names what is not there.
            InputError: the place or the condition does not parse.
        """
        here = self.place
        location = read_location(place, here.file if here else "")
        return self.add_at(location, condition, temporary)

    def add_watch(self, condition: str) -> Breakpoint:
        """Stop wherever a condition becomes true within a call.

        Raises:
            MissingError: the condition names what is nowhere recorded.
            EvaluationError: it does not parse.
        """
        return self.add_at(Location("any"), condition)

    def add_at(
        self, location: Location, condition: str = "", temporary: bool = False, every: str = ""
    ) -> Breakpoint:
        """Set a breakpoint at a location.

        Args:
            location: where.
            condition: see `add_breakpoint`.
            temporary: see `add_breakpoint`.
            every: at which of the times that it holds it stops, an expression over ``hits``.

        Raises:
            MissingError, InputError: see `add_breakpoint`.
        """
        breakpoint = Breakpoint(self._numbered + 1, location, None, temporary)
        breakpoint.every = parse(every) if every else None
        self.set_condition(breakpoint, condition)
        self._numbered += 1
        self.breakpoints[breakpoint.number] = breakpoint
        return breakpoint

    def set_condition(self, breakpoint: Breakpoint, text: str) -> None:
        """Give a breakpoint another condition, ``""`` for none.

        Raises:
            MissingError: it names what is not there, or can be computed at none of the places.
            EvaluationError: it does not parse.
        """
        positions = self.places(breakpoint)
        condition = self.read_condition(text, positions) if text else None
        ticks = ticks_of(breakpoint.location, condition, positions, self.timeline)
        breakpoint.ticks = breakpoint.counted(ticks)
        breakpoint.condition = condition

    def places(self, breakpoint: Breakpoint) -> list[Position]:
        """Return the positions where a breakpoint is.

        Raises:
            MissingError: the trace has none; says which places are near.
        """
        return locate(breakpoint.location, self.timeline)

    def read_condition(self, text: str, positions: list[Position]) -> Expression:
        """Return a condition that is to hold at some positions.

        Raises:
            EvaluationError: it does not parse.
            MissingError: it names what is not there.
        """
        return read_condition(text, positions, self.timeline)

    def marked_lines(self, file: str) -> set[int]:
        """Return the lines of a file where an enabled breakpoint is."""
        return {
            position.line.line
            for b in self.breakpoints.values()
            for tick in b.stops()
            if (position := self.timeline.at(tick)).line is not None
            and position.call.source is not None
            and position.call.source.file == file
        }

    def breakpoint(self, number: str) -> Breakpoint:
        """Return the breakpoint of a number.

        Raises:
            MissingError: there is none.
        """
        if number.isdecimal() and int(number) in self.breakpoints:
            return self.breakpoints[int(number)]
        there = ", ".join(map(str, self.breakpoints)) or "none is set"
        raise MissingError(f"no breakpoint {number!r}; there are: {there}")
