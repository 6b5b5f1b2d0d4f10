"""Stepping through a run while it goes on: the present of a recorder, and when to stop it.

The run is paused inside the recorder's own callback. What was recorded so far is stepped through as
any other trace; a movement that runs into the present lets the run go on until its goal, or a
breakpoint, comes up.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import takewhile
from types import FrameType, SimpleNamespace
from typing import Any

from tracer.errors import MissingError, TracerError, near
from tracer.record import Module, SourceFile, TensorState, Trace, Value
from tracer.record.model import not_kept
from tracer.record.statements import inner_lines
from tracer.stepper.breakpoints import Breakpoint, Location, find_file, is_side, ticks_of
from tracer.stepper.cursor import Goal
from tracer.stepper.evaluate import Expression, parse, truth
from tracer.stepper.language import Stepper
from tracer.stepper.positions import Position, Timeline
from tracer.stepper.readable import Reader, writers
from tracer.stepper.scope import Scope


class LiveStepper(Stepper):
    """A stepper over what a paused run recorded so far; breakpoints may lie in what is to come.

    Attributes:
        reached: how often each breakpoint's place was reached so far, by its number.
        held: how often its condition held there.
    """

    def __init__(
        self,
        known: Known,
        breakpoints: dict[int, Breakpoint],
        trace: Trace,
        tick: int,
        lang: str = "en",
    ) -> None:
        """Stand at the present.

        Args:
            known: what a breakpoint can be set on before it was reached.
            breakpoints: those that are set already.
            trace: the recording so far.
            tick: the present.
            lang: language of the help.
        """
        super().__init__(trace, tick, lang, live=True)
        self.known = known
        self.reached: Counter[int] = Counter()
        self.held: Counter[int] = Counter()
        self.breakpoints = breakpoints
        self._numbered = max(breakpoints, default=0)
        self.renew(trace, tick)

    def renew(self, trace: Trace, tick: int) -> None:
        """Stand at a later present."""
        self.trace, self.tick, self.selected, self.beyond = trace, tick, 0, None
        self.timeline = Timeline(trace, tick)
        for breakpoint in self.breakpoints.values():
            condition = breakpoint.condition
            self.set_condition(breakpoint, condition.text if condition else "")

    def set_condition(self, breakpoint: Breakpoint, text: str) -> None:
        """Give a breakpoint another condition; it need not be one that can be computed yet.

        Raises:
            EvaluationError: it does not parse.
            MissingError: the breakpoint is on nothing that can be reached.
        """
        condition = parse(text) if text else None
        breakpoint.location = self.known.resolved(breakpoint.location)
        there = [
            position
            for position in self.timeline.positions
            if breakpoint.location.holds(position, self.timeline)
            and is_side(breakpoint.location, condition, position)
        ]
        self.reached[breakpoint.number] = len(there)
        breakpoint.condition = condition
        try:
            ticks = ticks_of(breakpoint.location, condition, there, self.timeline)
        except MissingError:
            ticks = []
        self.held[breakpoint.number] = len(ticks)
        breakpoint.ticks = breakpoint.counted(ticks)

    def read_condition(self, text: str, positions: Iterable[Position]) -> Expression:
        """Return a condition; what it names may be still to come.

        Raises:
            EvaluationError: it does not parse.
        """
        return parse(text)


class Known:
    """What exists before it ran: modules, functions of the traced packages, source files."""

    def __init__(self, recorder: Any, modules: Mapping[str, str]) -> None:
        """Know a recorder's sources, and modules by their class.

        Args:
            recorder: a `tracer.Recorder`.
            modules: the class of each module of the model, by its path.
        """
        self._recorder = recorder
        self._modules = modules

    def resolved(self, location: Location) -> Location:
        """Return a location with its file's full name.

        Raises:
            MissingError: there is no such file, module or function; says what is near.
        """
        if location.kind == "line":
            return self._line(location)
        if location.kind == "stage" and self._modules:
            self._require_stage(location.name)
        if location.kind == "call" and not self._is_known(location.name):
            names = {*self._modules, *self._modules.values()}
            names |= {path.rsplit(".", 1)[-1] for path in self._modules}
            hint = near(location.name, names)
            raise MissingError(f"there is no module, function or op {location.name!r}{hint}")
        return location

    def _require_stage(self, name: str) -> None:
        """Refuse a stage that no module of the model begins, nor a function."""
        known = self._recorder.subject.possible_stages()
        if name not in known:
            raise MissingError(f"no stage {name!r} in this model; it has {', '.join(known)}")

    def _line(self, location: Location) -> Location:
        files = self.paths()
        key = find_file(location.name, files)
        lines = _lines(files[key])
        if not 0 < location.line <= len(lines):
            raise MissingError(f"{key} has {len(lines)} lines, there is no line {location.line}")
        if not lines[location.line - 1].strip() or lines[location.line - 1].strip()[0] == "#":
            raise MissingError(f"line {location.line} of {key} is blank or a comment")
        inner = inner_lines("\n".join(lines))
        return replace(location, name=key, statement=inner.get(location.line, location.line))

    def paths(self) -> dict[str, str]:
        """Return the path of every loaded source file that is traced, by its recorded name."""
        sources = self._recorder.sources
        known = {file for file in map(_file_of, list(sys.modules.values())) if file}
        known |= sources.files
        traced = [f for f in known if f in sources.files or f.startswith(tuple(sources.folders))]
        return {sources.name(file): file for file in sorted(traced)}

    def sources(self) -> dict[str, SourceFile]:
        """Return the text of every such file."""
        texts = {key: "\n".join(_lines(path)) + "\n" for key, path in self.paths().items()}
        return {key: SourceFile(key, text) for key, text in texts.items()}

    def _is_known(self, name: str) -> bool:
        """Whether a call might come to be called this; a pattern always might."""
        if any(c in name for c in "*?[") or name in ("(root)", ""):
            return True
        for path, kind in self._modules.items():
            if any(_ends(known, name) for known in (path, kind, f"{kind}.forward")):
                return True
        return self._is_function(name)

    def _is_function(self, name: str) -> bool:
        """Whether the traced packages or torch have loaded a function of this name."""
        last = name.rsplit(".", 1)[-1]
        sources, torch = self._recorder.sources, sys.modules["torch"]
        for key, module in list(sys.modules.items()):
            traced = key.split(".")[0] in sources.packages or _file_of(module) in sources.files
            if traced and any(last in vars(cls) for cls in _classes(module)):
                return True
            if (traced or key.startswith("torch")) and callable(vars(module).get(last)):
                return True
        return hasattr(torch.Tensor, last)


def _file_of(module: Any) -> str:
    return getattr(module, "__file__", None) or ""


def _lines(file: str) -> list[str]:
    import linecache

    return [line.rstrip("\n") for line in linecache.getlines(file)]


def _ends(known: str, name: str) -> bool:
    return fnmatchcase(known, name) or fnmatchcase(known, f"*.{name}")


def _classes(module: Any) -> Iterable[type]:
    members = vars(module).values()
    return [m for m in members if isinstance(m, type) and m.__module__ == module.__name__]


# --- the present ----------------------------------------------------------------------------------


class Present:
    """The present of a running recorder, as far as goals and breakpoints ask about it.

    It answers like a `Timeline` whose last position is now, without making a trace first.
    """

    def __init__(self, recorder: Any) -> None:
        """Watch a recorder."""
        self.trace: Any = _Unfinished(recorder)
        self._recorder = recorder
        self._rounds: Counter[tuple[int, int]] = Counter()

    def position(self, tick: int, frame: FrameType | None) -> Position:
        """Return the position that the recorder has just come to."""
        stack = self._recorder.tree.stack()
        call = next((c for c in reversed(stack) if frame is None or c.frame is frame), stack[-1])
        if frame is not None:
            self._rounds[call.id, call.line.line] += 1
            return Position(tick, "line", call, call.line)
        return Position(tick, "end" if call.end == tick else "start", call)

    def stack(self) -> list[Any]:
        """Return the calls under way, the outermost first."""
        found: list[Any] = self._recorder.tree.stack()
        return found

    def iteration(self, line: Any) -> int:
        """Return how many times the line had run before in the same call."""
        return self._rounds[line.call, line.line] - 1

    def stage(self, call: Any) -> str:
        """Return the stage of a call that is under way."""
        chain = [c for c in self._recorder.tree.stack() if c.start <= call.start]
        named = [
            SimpleNamespace(kind=c.kind, path=c.path, parent=i - 1 if i else None)
            for i, c in enumerate(chain)
        ]
        return str(self._recorder.subject.stages(named)[1][-1])

    def writers(self, state: int) -> frozenset[int]:
        """Return the calls that wrote in place over a tensor so far."""
        return writers(self.trace, self.trace.successors(), state)

    def raised(self, position: Position) -> str:
        """Return what was raised just before a position; see `Timeline.raised`."""
        call = position.call
        done = next((it for it in self._lines_of(call) if it is not position.line), None)
        if position.kind == "start" or (done is None and position.kind == "line"):
            return ""
        error = call.error if done is None else done.raised
        since = call.start if done is None else done.tick
        calls = reversed(self._recorder.tree.opens)
        made = (c for c in takewhile(lambda c: c.start > since, calls) if c.parent == call.id)
        return "" if any(inner.error == error for inner in made) else str(error)

    # --- what a scope asks ---

    def scope(self, position: Position) -> Scope:
        """Return the names that an expression sees at the position just come to."""
        return Scope(self, position)  # type: ignore[arg-type]

    def reader(self, tick: int) -> Reader:
        """Return what reads values as they are now."""
        return Reader(self.trace, tick, self.trace.successors())

    def bound(self, call: Any, name: str, tick: int) -> Value | None:
        """Return what an argument or local holds: what a line of the call bound last."""
        found: Value | None = call.args.get(name)
        for line in self._lines_of(call):
            if name in line.deleted:
                return None
            if name in dict(line.changed):
                found = dict(line.changed)[name]
                break
        return found

    def locals(self, call: Any, tick: int) -> dict[str, Value]:
        """Return all arguments and locals of a call."""
        found = dict(call.args.items)
        for line in reversed(list(self._lines_of(call))):
            found.update(line.changed)
            for name in line.deleted:
                found.pop(name, None)
        return found

    def changed(self, position: Position) -> dict[str, Value]:
        """Return what is new: the arguments, or what the line before bound."""
        if position.kind == "start":
            return dict(position.call.args.items)
        lines = (line for line in self._lines_of(position.call) if line is not position.line)
        last = next(lines, None)
        return dict(last.changed) if last is not None else {}

    def _lines_of(self, call: Any) -> Iterable[Any]:
        """Yield the lines of a call so far, the latest first."""
        for line in reversed(self._recorder.tree.lines):
            if line.tick < call.start:
                return
            if line.call == call.id:
                yield line


class _Unfinished:
    """What `Reader` and `Scope` ask of a trace, of one that is still being made."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        self._after: dict[int, int] = {}
        self._seen = 0
        self.tensors = _Tensors(recorder.states)

    @property
    def calls(self) -> Any:
        """The calls so far; they have the names of `Call`."""
        return self._recorder.tree.opens

    @property
    def modules(self) -> Mapping[str, Module]:
        """The modules of the model."""
        found: Mapping[str, Module] = self._recorder.subject.modules()
        return found

    def data(self, state: int) -> Any:
        """The values of a tensor state, where they are kept."""
        found = self._recorder.store.get(f"data/{state}")
        if found is None:
            raise not_kept(self, state)
        return found

    def successors(self) -> Mapping[int, int]:
        """Which state took the place of which."""
        origins = self._recorder.states.origins
        for number in range(self._seen, len(origins)):
            previous = origins[number][1]
            if previous is not None:
                self._after[previous] = number
        self._seen = len(origins)
        return self._after


class _Tensors:
    """The tensor states of a recorder, made one by one when they are asked for."""

    def __init__(self, states: Any) -> None:
        self._states = states

    def __len__(self) -> int:
        return len(self._states.origins)

    def __getitem__(self, number: int) -> TensorState:
        found: TensorState = self._states.state(number)
        return found


class Watcher:
    """Decides, tick by tick, whether a run stops here.

    Attributes:
        goal: where the movement that is under way wants to stop; None for nowhere.
        passed: how often each breakpoint's place was reached, by its number.
        held: how often its condition held there.
        here: the breakpoints whose turn it was at the last position, also those that are disabled.
    """

    def __init__(self, present: Present) -> None:
        """Stop nowhere yet."""
        self.present = present
        self.goal: Goal | None = None
        self.passed: Counter[int] = Counter()
        self.held: Counter[int] = Counter()
        self.here: list[Breakpoint] = []
        self._before: dict[tuple[int, int], bool] = {}

    def go_on(self, stepper: LiveStepper, position: Position) -> None:
        """Take over where a paused stepper wants to go, and what its breakpoints have seen."""
        self.goal = stepper.beyond
        self.passed, self.held = Counter(stepper.reached), Counter(stepper.held)
        for breakpoint in stepper.breakpoints.values():
            if breakpoint.location.kind == "any":
                for call in self.present.stack():
                    key = (breakpoint.number, call.id)
                    self._before.setdefault(key, self._is_true(breakpoint, position, call))

    def stop(self, position: Position, breakpoints: Iterable[Breakpoint]) -> Breakpoint | bool:
        """Return the breakpoint at a position that was just reached, or whether the goal is."""
        self.here = [it for it in breakpoints if self._is_hit(it, position)]
        hits = [breakpoint for breakpoint in self.here if breakpoint.enabled]
        return hits[0] if hits else self.goal is not None and self.goal(position)

    def _is_hit(self, breakpoint: Breakpoint, position: Position) -> bool:
        """Whether a breakpoint's turn is here, its ignore count used up."""
        if not self._is_at(breakpoint, position):
            return False
        self.passed[breakpoint.number] += 1
        true = self._is_true(breakpoint, position, position.call)
        if breakpoint.location.kind == "any":
            key = (breakpoint.number, position.call.id)
            before, self._before[key] = self._before.get(key, False), true
            true = true and not before
        if true:
            self.held[breakpoint.number] += 1
            true = breakpoint.counts(self.held[breakpoint.number])
        if true and breakpoint.enabled and breakpoint.ahead > 0:
            breakpoint.ahead -= 1
            breakpoint.ignored |= {position.tick}
            return False
        return true

    def _is_at(self, breakpoint: Breakpoint, position: Position) -> bool:
        location = breakpoint.location
        if not is_side(location, breakpoint.condition, position):
            return False
        if location.kind == "stage":
            return self._opens_stage(location, position)
        return location.holds(position, self.present)  # type: ignore[arg-type]

    def _opens_stage(self, location: Location, position: Position) -> bool:
        call = position.call
        if position.line is not None or call.kind == "op":
            return False
        if location.nth not in (None, call.nth) or self.present.stage(call) != location.name:
            return False
        outer = self.present.trace.calls[call.parent] if call.parent is not None else None
        return outer is None or self.present.stage(outer) != location.name

    def _is_true(self, breakpoint: Breakpoint, position: Position, call: Any) -> bool:
        if breakpoint.condition is None:
            return True
        line = position.line
        counters = {
            "nth": position.call.nth,
            "iteration": self.present.iteration(line) if line is not None else 0,
            "hits": self.passed[breakpoint.number],
        }
        scope = Scope(self.present, position, call, counters)  # type: ignore[arg-type]
        try:
            return truth(breakpoint.condition.evaluate(scope))
        except TracerError:
            return False
