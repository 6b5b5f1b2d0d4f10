"""Breakpoints: where to stop, and under which condition on what was recorded."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import translate
from functools import lru_cache

from tracer.errors import InputError, MissingError, TracerError, near, option
from tracer.record import Call, Trace
from tracer.record.statements import first_line
from tracer.stepper.evaluate import Expression, parse, truth
from tracer.stepper.positions import Position, Timeline
from tracer.stepper.scope import COUNTER_NAMES, RESULT_NAMES, Scope


@dataclass(frozen=True)
class Location:
    """Where a breakpoint is.

    Attributes:
        kind: ``"call"`` (a module, function or op by name), ``"line"``, ``"stage"`` or ``"any"``;
            ``"write"`` (a tensor was written in place), ``"bound"`` (a local was bound anew) or
            ``"raise"`` (an exception was raised).
        name: a pattern of call names, a source file, a stage's name, or a local's.
        line: 1-based line number for kind ``"line"``.
        nth: only this call of its name, or this round of a loop, from 0; None for all. For
            ``"write"`` the tensor's first state, for ``"bound"`` the id of the call.
        statement: the first line of the statement that the line is in, by which its runs are known.
    """

    kind: str
    name: str = ""
    line: int = 0
    nth: int | None = None
    statement: int = 0

    def __str__(self) -> str:
        text = f"{self.name}:{self.line}" if self.kind == "line" else self.name
        if self.kind in ("write", "bound", "raise"):
            return {
                "write": f"writes over tensor state {self.nth}",
                "bound": f"{self.name} in call {self.nth}",
                "raise": "exceptions",
            }[self.kind]
        text = f"stage {text}" if self.kind == "stage" else text
        return text + ("" if self.nth is None else f"#{self.nth}")

    def holds(self, position: Position, timeline: Timeline) -> bool:
        """Whether a position is here; of a call both its start and its end are."""
        call, line = position.call, position.line
        if self.kind == "any":
            return call.kind != "op"
        if self.kind == "line":
            return self._holds_line(position, timeline)
        if self.kind == "write":
            return position.kind == "end" and call.id in timeline.writers(self.nth or 0)
        if self.kind == "bound":
            new = call.id == self.nth and position.kind != "start"
            return new and self.name in timeline.changed(position)
        if self.kind == "raise":
            return timeline.raised(position) != ""
        if line is not None or self.nth not in (None, call.nth):
            return False
        if self.kind == "stage":
            return call.stage == self.name and _opens_stage(call, timeline.trace)
        return any(map(_matcher(self.name), names_of(call)))

    def _holds_line(self, position: Position, timeline: Timeline) -> bool:
        """Whether a position is about to run the line; the ``def`` line is its call's start."""
        call, line = position.call, position.line
        if call.source is None or call.source.file != self.name:
            return False
        wanted = (self.line, self.statement)
        if line is None:
            at_def = position.kind == "start" and call.source.line in wanted
            return at_def and self.nth in (None, call.nth)
        return line.line in wanted and self.nth in (None, timeline.iteration(line))


def _file(call: Call) -> str:
    return call.source.file if call.source else ""


def _opens_stage(call: Call, trace: Trace) -> bool:
    return call.parent is None or trace.calls[call.parent].stage != call.stage


def names_of(call: Call) -> tuple[str, ...]:
    """Return what a call may be called: its path, its class, its class's ``forward``."""
    if call.kind == "module":
        return (call.path or "(root)", call.type, f"{call.type}.forward")
    return (call.path, f"{call.type}.{call.path}")


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Callable[[str], object]:
    """Return what matches a whole name, or its end from a dot on."""
    return re.compile(rf"(?:.*\.)?{translate(pattern)}", re.DOTALL).match


# --- reading a location ---------------------------------------------------------------------------


def read_location(text: str, file: str = "") -> Location:
    """Return the location that `text` names.

    Args:
        text: ``rpn.head.*``, ``filter_proposals``, ``rpn.py:77``, ``77``, ``stage fpn``, each with
            an optional ``#N``.
        file: where a bare line number is looked up.

    Raises:
        InputError: it is empty, or a line number without a file.
    """
    name, nth = _number(text.strip())
    if not name:
        raise InputError(
            "a breakpoint needs a place: a module, a function, FILE:LINE or stage NAME"
        )
    if match := re.fullmatch(r"stage[ :]\s*(.+)", name):
        return Location("stage", match[1], nth=nth)
    if name.isdecimal() and not file:
        raise InputError(f"line {name} of which file? Write it as FILE:{name}")
    if name.isdecimal():
        return Location("line", file, int(name), nth)
    if match := re.fullmatch(r"(.+):(\d+)", name, re.DOTALL):
        return Location("line", match[1], int(match[2]), nth)
    return Location("call", name, nth=nth)


def _number(text: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(.*)#(\d+)", text, re.DOTALL)
    return (match[1].strip(), int(match[2])) if match else (text, None)


def find_file(name: str, files: Iterable[str]) -> str:
    """Return the source file that `name` is, or is the end of.

    Raises:
        MissingError: there is none, or several.
    """
    known = sorted(files)
    if name in known:
        return name
    ends = {f"/{name}", f"/{name}.py"}
    found = [f for f in known if any(f"/{f}".endswith(end) for end in ends)]
    if len(found) > 1:
        raise MissingError(f"{name!r} could be any of {', '.join(found)}: give more of the path")
    if not found:
        names = [f.rsplit("/", 1)[-1] for f in known]
        raise MissingError(f"no source file {name!r} was recorded{near(name, [*names, *known])}")
    return found[0]


# --- resolving it in a trace ----------------------------------------------------------------------


@dataclass
class Breakpoint:
    """A breakpoint of a stepper.

    Attributes:
        number: as listed, from 1.
        location: where.
        condition: on what was recorded there, or None.
        temporary: whether it goes away once it stopped.
        enabled: whether it stops at all.
        ticks: every position of the trace where it holds, in order.
        ignored: those of them that an ignore count passes over.
        ahead: how many more an ignore count passes over in a run that is still under way.
        every: at which of the times that it holds it stops, over ``hits``; None for all.
    """

    number: int
    location: Location
    condition: Expression | None = None
    temporary: bool = False
    enabled: bool = True
    ticks: list[int] = field(default_factory=list)
    ignored: frozenset[int] = frozenset()
    ahead: int = 0
    every: Expression | None = None

    def __str__(self) -> str:
        if self.location.kind == "any" and self.condition:
            return f"watch {self.condition.text}"
        return f"{self.location}" + (f", {self.condition.text}" if self.condition else "")

    def stops(self) -> Iterator[int]:
        """Yield where it stops."""
        return (t for t in self.ticks if self.enabled and t not in self.ignored)

    def counts(self, hits: int) -> bool:
        """Whether it stops where it holds for this many times."""
        return self.every is None or truth(self.every.evaluate({"hits": hits}))

    def counted(self, ticks: Iterable[int]) -> list[int]:
        """Return those of the places where it holds at which it stops."""
        return [tick for hits, tick in enumerate(ticks, 1) if self.counts(hits)]

    def hits(self, tick: int) -> int:
        """Return how often it held up to and including `tick`."""
        return bisect_right(self.ticks, tick)

    def ignore(self, tick: int, count: int) -> None:
        """Pass over its next `count` places after `tick`, in either direction."""
        first = self.hits(tick)
        self.ignored = frozenset(self.ticks[first : first + count])
        self.ahead = count - len(self.ignored)


def locate(location: Location, timeline: Timeline) -> list[Position]:
    """Return the positions of a location, both ends of its calls, in order.

    Raises:
        MissingError: the trace has no such place; says which ones are near.
    """
    if location.kind == "line":
        if not timeline.trace.lines:
            raise MissingError(no_lines("a breakpoint on a line"))
        location = _resolved(location, timeline.trace)
    found = [p for p in timeline.positions if location.holds(p, timeline)]
    if not found and location.kind != "raise":
        raise MissingError(_nothing_there(location, timeline))
    return found


def _resolved(location: Location, trace: Trace) -> Location:
    file = find_file(location.name, trace.sources)
    sources = (trace.calls[line.call].source for line in trace.lines if line.line == location.line)
    own = any(source and source.file == file for source in sources)  # a lambda's, within another's
    statement = location.line if own else first_line(trace.sources, file, location.line)
    return replace(location, name=file, statement=statement)


def no_lines(what: str) -> str:
    """Return the sentence for a trace without the line grain."""
    return (
        f"{what} needs the executed lines, and this recording has none: record them with "
        f"{option(grain='line')}"
    )


def _nothing_there(location: Location, timeline: Timeline) -> str:
    trace = timeline.trace
    if location.nth is not None and location.kind not in ("write", "bound"):
        whole = replace(location, nth=None)
        count = sum(1 for p in timeline.positions if whole.holds(p, timeline) and p.kind != "end")
        if count:
            return f"{location} was never reached: {whole} ran {count} times, counted from #0"
    if location.kind == "line":
        return _line_never_ran(location, timeline)
    if location.kind in ("write", "bound"):
        return f"{location}: nothing does in this recording"
    if location.kind == "stage":
        known = [stage.name for stage in trace.stages]
        return f"no stage {location.name!r} in this recording; it has {', '.join(known) or 'none'}"
    if location.name in trace.modules:
        return f"module {location.name!r} is in the model but was never called in this recording"
    names = {name for call in trace.calls for name in names_of(call)}
    names |= {name.rsplit(".", 1)[-1] for name in names}
    return f"no call of {location.name!r} in this recording{near(location.name, names)}"


def _line_never_ran(location: Location, timeline: Timeline) -> str:
    ran = {
        line.line
        for line in timeline.trace.lines
        if _file(timeline.trace.calls[line.call]) == location.name
    }
    close = sorted(sorted(ran, key=lambda n: abs(n - location.line))[:3])
    lines = f"; lines near it that ran: {', '.join(map(str, close))}" if close else ""
    return f"line {location.line} of {location.name} did not run in this recording{lines}"


def asks_result(condition: Expression | None, call: Call) -> bool:
    """Whether a condition is about what `call` returned, and so has to wait for its end."""
    if condition is None:
        return False
    args = dict(call.args.items)
    return any(name in condition.names and name not in args for name in RESULT_NAMES)


def is_side(location: Location, condition: Expression | None, position: Position) -> bool:
    """Whether a call stops at this one of its two ends; True for what is not a call."""
    if location.kind not in ("call", "stage"):
        return True
    return position.kind == ("end" if asks_result(condition, position.call) else "start")


def read_condition(text: str, positions: Iterable[Position], timeline: Timeline) -> Expression:
    """Return the condition `text`, its names known to at least one of the calls at `positions`.

    Raises:
        EvaluationError: it does not parse.
        MissingError: it names what is not there.
    """
    expression = parse(text)
    calls = {p.call.id: p.call for p in positions}.values()
    known = {name for call in calls for name in timeline.names(call)}
    known |= {*RESULT_NAMES, *COUNTER_NAMES, "torch"}
    for name in sorted(expression.names - known):
        raise MissingError(f"the condition names {name!r}, which is not there{near(name, known)}")
    return expression


# --- where it stops -------------------------------------------------------------------------------


def ticks_of(
    location: Location,
    condition: Expression | None,
    positions: Iterable[Position],
    timeline: Timeline,
) -> list[int]:
    """Return where a breakpoint stops.

    A call stops at its start, or at its end where the condition is about its result; the places of
    a watch are those where its condition becomes true within a call.

    Args:
        location: where it is.
        condition: on what was recorded, or None.
        positions: what `locate` gives for the location.
        timeline: of the trace.

    Raises:
        MissingError: the condition can be computed at none of the places; says why.
    """
    positions = [p for p in positions if is_side(location, condition, p)]
    if condition is None:
        return [p.tick for p in positions]
    found = _truths(condition, positions, timeline)
    return list(_edges(found) if location.kind == "any" else (p.tick for p, true in found if true))


def _truths(
    condition: Expression, positions: Iterable[Position], timeline: Timeline
) -> list[tuple[Position, bool]]:
    """Return whether the condition holds, for each position."""
    found, errors = [], []
    for hits, position in enumerate(positions, 1):
        iteration = timeline.iteration(position.line) if position.line else 0
        counters = {"nth": position.call.nth, "iteration": iteration, "hits": hits}
        try:
            true = truth(condition.evaluate(Scope(timeline, position, counters=counters)))
        except TracerError as error:
            true = False
            errors.append(error)
        found.append((position, true))
    if errors and len(errors) == len(found):
        raise MissingError(f"{condition.text!r} can be computed at none of its places: {errors[0]}")
    return found


def _edges(found: Iterable[tuple[Position, bool]]) -> Iterator[int]:
    """Yield where the truth of a condition begins, call by call."""
    before: dict[int, bool] = {}
    for position, true in found:
        if true and not before.get(position.call.id):
            yield position.tick
        before[position.call.id] = true
