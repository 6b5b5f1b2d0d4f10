"""The recorder: installs everything for the length of a `with`, and builds the Trace."""

from __future__ import annotations

import inspect
import platform
import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import nn

from tracer.capture import frames, gradients, hooks, modules, ops, process
from tracer.capture.keep import Keep, KeepRule, Store, below
from tracer.capture.only import OnlyRule
from tracer.capture.sources import Sources
from tracer.capture.summaries import Reading
from tracer.capture.tensors import TensorStates
from tracer.capture.value_trees import Describer, fingerprint
from tracer.errors import InputError, RunLeft, near
from tracer.rcnn import classes as class_names
from tracer.rcnn.stages import assign_stages
from tracer.record import Call, Failure, Line, Module, Settings, Source, Value
from tracer.recording import Recording

GRAINS = ("module", "function", "op", "line")
BUDGET = 2 << 30  # bytes of kept data that stay in memory

Progress = Callable[[int, str], None]
OnStep = Callable[["Recorder", int, FrameType | None], None]

_last: Recording | None = None


def last_trace() -> Recording | None:
    """Return this process's most recently finished recording, also of a run that raised."""
    return _last


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

    def frozen(self, end: int, seconds: float, macs: int, uncounted: set[str], stage: str) -> Call:
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


_NOTHING = Value("arguments", "")


class _AtWork:
    """While the recorder itself runs: one thread at a time, and nothing of it is recorded."""

    __slots__ = ("guard", "recorder", "trace", "worker")

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @process.undisturbed
    def __enter__(self) -> None:
        self.recorder.lock.acquire()
        self.trace = self.recorder.pause_frames()
        self.worker = self.recorder.worker
        self.recorder.worker = threading.get_ident()
        self.guard = torch._C.DisableTorchFunction()
        self.guard.__enter__()

    @process.undisturbed
    def __exit__(self, *error: Any) -> None:
        self.guard.__exit__(*error)
        self.recorder.worker = self.worker
        self.recorder.resume_frames(self.trace)
        self.recorder.lock.release()
        if process.held_signals.waiting:
            process.held_signals.deliver()


class Recorder:
    """Record whatever the given models do inside a ``with`` block.

    Args:
        models: one or more modules; their hooks are installed on entry and removed on exit.
        grain: how fine. A name means it and what is coarser: ``"module"``, ``"function"``,
            ``"op"`` (the default: modules, functions and ops), ``"line"`` (everything). An
            iterable of names means exactly these.
        keep: which tensors are kept whole: a pattern or several (see `KeepRule`), True, or a
            function ``(path, kind, role) -> bool``.
        only: patterns of paths; a call is recorded if it matches or lies in one that does.
        packages: further packages whose functions and lines are recorded, beside torchvision
            and those that the model's classes come from.
        previews: take small pictures and histograms.
        budget: bytes of kept data that stay in memory; what is over waits on disk.
        classes: what the detector's classes are called, by label, the background first; if not
            given, what a model's own attribute ``classes`` says.
        progress: called as ``progress(calls so far, path)`` when a module begins.
        builder: what will be called to build a model, of a construction; see `build`.
        on_step: called as ``on_step(recorder, tick, frame)`` at each call start, line and call
            end of the recording thread; it may block, and may raise to end the run (`RunLeft`
            ends it without an error).

    Example:
        >>> with Recorder(model) as recorder:
        ...     detections = model(images)
        >>> recorder.trace

    Raises:
        InputError: a grain, pattern or package that is not known, a model that cannot be hooked
            (scripted, compiled, replicated over devices), or other class names than it has classes.
    """

    def __init__(
        self,
        *models: nn.Module,
        grain: str | Iterable[str] = "op",
        keep: Keep = None,
        only: str | Iterable[str] | None = None,
        packages: Iterable[str] = (),
        previews: bool = True,
        budget: int = BUDGET,
        classes: Sequence[str] | None = None,
        progress: Progress | None = None,
        on_step: OnStep | None = None,
        builder: Callable[..., Any] | None = None,
    ) -> None:
        for model in models:
            modules.require_hookable(model)
        self.models = models
        self.classes = class_names.checked(classes, *models[:1])
        self.builder = builder
        self.grains = _grains(grain)
        self.keep = KeepRule(keep)
        self.only = OnlyRule(only)
        self.progress = progress
        self.on_step = on_step
        if isinstance(packages, str):
            packages = [packages]
        owners = {type(m) for model in models for m in model.modules()}
        self.sources = Sources(
            ("torchvision", *packages), (*owners, *([builder] if builder else ()))
        )
        self.paths = modules.paths_of(models)
        self.describer = Describer(self.paths, settled=builder is None)
        self.store = Store(budget)
        self.states = TensorStates(modules.tensor_names(models), previews, self.store)
        self.previews = previews
        self.notes: list[str] = []
        self.gradients: dict[str, Reading] = {}
        self.result: nn.Module | None = None
        self.lock = threading.RLock()
        self.worker: int | None = None  # the thread in which the recorder is at work
        self.trace_function: Any = None  # the recorder's own, while it is set
        self.opens: list[Open] = []
        self.lines: list[Line] = []
        self._tick = 0
        self._nth: Counter[tuple[str, str]] = Counter()
        self._stacks: dict[int, list[Open]] = {}
        self._threads: dict[int, int] = {}
        self._own_macs: Counter[int | None] = Counter()
        self._own_uncounted: defaultdict[int | None, set[str]] = defaultdict(set)
        self._failed: Open | None = None
        self._failure: tuple[BaseException, Source | None] | None = None
        self._exit: ExitStack | None = None
        self._trace: Recording | None = None
        self._described: dict[str, Module] | None = None
        self._began = 0.0
        self._seconds = 0.0

    # -- the with block ------------------------------------------------------------------------

    @process.undisturbed
    def __enter__(self) -> Recorder:
        """Install hooks, modes and the trace function."""
        if self._exit is not None or self._trace is not None:
            raise InputError("a Recorder records once; make a new one for the next run")
        process.held_signals.begin()
        try:
            self._install()
            process.held_signals.deliver()
        except BaseException:
            self._remove()
            process.held_signals.end()
            raise
        self._began = time.perf_counter()
        return self

    def _install(self) -> None:
        """Change what has to be changed; what takes each change back is noted with it."""
        with ExitStack() as stack:
            self._exit = stack
            stack.callback(process.claim(self.models))
            stack.enter_context(process.old_objects_at_rest())
            for model in self.models:
                hooks.install(self, model, stack)
                gradients.install(self, model, stack)
            stack.enter_context(ops.watch(self))
            self.thread = threading.get_ident()
            self._threads[self.thread] = 0
            stack.enter_context(frames.watch(self))
            self._exit = stack.pop_all()

    def _remove(self) -> None:
        """Take everything back."""
        if self._exit is not None:
            self._exit.close()

    @process.undisturbed
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove everything again, and finish the trace; an exception goes on as it is."""
        try:
            self._finish(error)
        finally:
            process.held_signals.end()
            process.held_signals.deliver()

    def _finish(self, error: BaseException | None) -> None:
        global _last
        self._seconds = time.perf_counter() - self._began
        self._remove()
        with process.old_objects_at_rest(), self.at_work():
            if error is not None:
                self._fail(error)
            self._trace = self._frozen()
            self.states.close()
            self._failure = None  # its traceback holds the frames of the run, and they hold us
        _last = self._trace

    def build(
        self, builder: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Call the builder as the root of a construction (inside the with block)."""
        with self.at_work():
            name = getattr(builder, "__qualname__", type(builder).__name__)
            opened = self.begin(
                "function",
                name,
                str(getattr(builder, "__module__", "")),
                hooks.name_arguments(builder, args, keywords),
                owner=builder,
                source=self._builder_place(builder),
            )
        try:
            result = builder(*args, **keywords)
        except BaseException as error:
            if opened is not None:
                with self.at_work():
                    self.end(opened, None, error)
            raise
        if isinstance(result, nn.Module):
            self.result = result
            self.paths.update(modules.paths_of((result,)))
        if opened is not None:
            with self.at_work():
                self.end(opened, result)
        return result

    def _builder_place(self, builder: Callable[..., Any]) -> Source | None:
        """Where the root's own frame is: a decorated builder begins in its wrapper."""
        target = builder.__init__ if inspect.isclass(builder) else builder
        code = getattr(target, "__code__", None)
        if code is None or not self.sources.traces(code):
            return None
        return self.sources.place(code.co_filename, code.co_firstlineno)

    @property
    def trace(self) -> Recording:
        """The finished trace.

        Raises:
            InputError: the ``with`` block is still running (use `snapshot`).
        """
        if self._trace is None:
            raise InputError("the recording is not over: read .trace after the with block")
        return self._trace

    def snapshot(self) -> Recording:
        """The trace so far, while the run is paused or goes on; open calls end now."""
        with self.at_work():
            return self._frozen()

    def described_modules(self) -> dict[str, Module]:
        """The modules by path; those of a pass are described once, as they do not change in it."""
        if self._described is None or self.builder is not None:
            self._described = modules.describe(self.recorded_models(), self.paths, self.sources)
        return self._described

    def recorded_models(self) -> tuple[nn.Module, ...]:
        """The models that run, or the one that was built."""
        return self.models or ((self.result,) if self.result is not None else ())

    def at_work(self) -> _AtWork:
        """A ``with`` block in which the recorder's own code, and callbacks, go unrecorded."""
        return _AtWork(self)

    def busy(self) -> bool:
        """Whether this thread is inside the recorder's own code, or a callback of it."""
        return self.worker == threading.get_ident()

    def pause_frames(self) -> Any:
        """Take this thread's trace function away, if it is the recorder's; return it.

        The interpreter calls it for every call of Python code, the recorder's own and torch's
        included: where nothing of that is recorded, it only costs.
        """
        function = sys.gettrace()
        if function is None or function is not self.trace_function:
            return None
        sys.settrace(None)
        return function

    def resume_frames(self, function: Any) -> None:
        """Put back what `pause_frames` took."""
        if function is not None:
            sys.settrace(function)

    # -- what hooks, modes and frames report ------------------------------------------------------

    def stack(self) -> list[Open]:
        """The calls under way in this thread, outermost first."""
        return self._stacks.setdefault(threading.get_ident(), [])

    def current(self) -> int | None:
        """The innermost call under way in this thread."""
        stack = self._stacks.get(threading.get_ident())
        return stack[-1].id if stack else None

    def begin(
        self,
        kind: str,
        path: str,
        type_name: str,
        args: Iterable[tuple[str, Any]],
        owner: Any = None,
        source: Source | None = None,
        called_from: Source | None = None,
    ) -> Open | None:
        """Open a call; None if `only` leaves it out."""
        stack = self.stack()
        parent = stack[-1] if stack else None
        if parent is not None and parent.kind == "op":
            return None  # ops are leaves
        inside = parent is not None and not parent.outside
        chosen = inside or self.only.matches(path)
        if not chosen and not (parent is None and kind == "module"):
            return None
        opened = Open(len(self.opens), kind, path, type_name)
        opened.keeps = max(parent.keeps if parent else 0.0, self.keep.opens(path))
        opened.nth = self._nth[kind, path]
        self._nth[kind, path] += 1
        opened.parent = parent.id if parent is not None else None
        opened.owner, opened.source, opened.called_from = owner, source, called_from
        opened.thread = self._thread_number()
        opened.outside = not chosen
        opened.before = sys.exc_info()[1]
        opened.start = self.tick()
        keep = self.keep.wants(path, kind, "args", opened.keeps)
        opened.args = self.describer.arguments(args, self._seer(None, keep))
        self.opens.append(opened)
        stack.append(opened)
        if kind == "module" and self.progress is not None:
            self.progress(len(self.opens), path)
        self._step(opened.start, None)
        return opened

    def _thread_number(self) -> int:
        thread = threading.get_ident()
        return self._threads.setdefault(thread, len(self._threads))

    def end(self, opened: Open, result: Any, error: BaseException | None = None) -> None:
        """Close a call, and whatever was left open beneath it."""
        stack = self.stack()
        self._unwind(stack, opened, error)
        self._close(opened, result, error)
        if stack:
            stack.pop()

    def _unwind(self, stack: list[Open], until: Open | None, error: BaseException | None) -> None:
        """Close the calls of a stack from the innermost out, up to but without `until`."""
        while stack and stack[-1] is not until:
            self._close(stack[-1], None, error)
            stack.pop()

    def add_macs(self, count: int, uncounted: Iterable[str]) -> None:
        """Count multiply-adds for the innermost call under way, and name kernels without any."""
        if count:
            self._own_macs[self.current()] += count
        if uncounted:
            self._own_uncounted[self.current()].update(uncounted)

    def tick(self) -> int:
        """Advance the clock."""
        now = self._tick
        self._tick += 1
        return now

    def note(self, sentence: str) -> None:
        """Say once what the recording could not see."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    # -- lines ---------------------------------------------------------------------------------

    def line(self, opened: Open, frame: FrameType, number: int) -> None:
        """A line of `opened` is about to run; the one before it has run."""
        self._finish_line(opened, frame)
        tick = self.tick()
        opened.line = Line(tick, opened.id, number)
        opened.line_at = len(self.lines)
        self.lines.append(opened.line)
        self._step(tick, frame)

    def raised(self, opened: Open, error: BaseException) -> None:
        """The current line of `opened` raised."""
        if opened.line is not None and not opened.line.raised:
            opened.line = replace(opened.line, raised=_name_error(error))

    def leave(self, opened: Open, frame: FrameType) -> None:
        """The frame of `opened` is about to go: its last line has run."""
        self._finish_line(opened, frame)
        opened.frame = None
        opened.locals = {}
        opened.prints = {}

    def _finish_line(self, opened: Open, frame: FrameType) -> None:
        changed, deleted = self._changes(opened, frame)
        if opened.line is None:
            return
        opened.line = replace(opened.line, changed=changed, deleted=deleted)
        self._settle_line(opened)

    def _settle_line(self, opened: Open) -> None:
        if opened.line is not None:
            self.lines[opened.line_at] = opened.line
            opened.line = None

    def _changes(
        self, opened: Open, frame: FrameType
    ) -> tuple[tuple[tuple[str, Value], ...], tuple[str, ...]]:
        """The locals that differ from those of the previous event in the same frame."""
        names = frame.f_locals
        changed = []
        keep = self.keep.wants(opened.path, opened.kind, "locals", opened.keeps)
        see = self._seer(opened.id if opened.line is not None else None, keep)
        first = opened.line is None
        known = [name for name in opened.locals if name in names]
        new = [name for name in names if name not in opened.locals]
        for name in known + self.sources.in_order(frame.f_code, new):
            value = names[name]
            if value is opened.locals.get(name, opened) and type(value) in _UNCHANGING:
                continue
            print_ = fingerprint(value, see)
            if opened.prints.get(name, opened) == print_ and name in opened.prints:
                opened.locals[name] = value
                continue
            opened.locals[name] = value
            opened.prints[name] = print_
            if not first:
                changed.append((name, self.describer.describe(value, see)))
        deleted = tuple(name for name in opened.locals if name not in names)
        for name in deleted:
            del opened.locals[name], opened.prints[name]
        return tuple(changed), deleted

    # -- building the trace ------------------------------------------------------------------------

    def _seer(
        self, producer: int | None, keep: float, blank: bool = False
    ) -> Callable[[torch.Tensor], int]:
        see = self.states.see
        return lambda tensor: see(tensor, producer, below(tensor, keep), blank)

    def _close(self, opened: Open, result: Any, error: BaseException | None) -> None:
        if opened.end >= 0:  # on_step raised at the end of it
            return
        if error is None:
            keep = self.keep.wants(opened.path, opened.kind, "result", opened.keeps)
            blank = opened.kind == "op" and opened.path in _ALLOCATIONS
            see = self._seer(opened.id, keep, blank)
            opened.result = self.describer.describe(result, see)
        else:
            opened.error = _name_error(error)
            if self._failure is None or self._failure[0] is not error:
                self._failed = opened
                self._failure = (error, None)  # where: known once it has passed every frame
        self._settle_line(opened)
        opened.end = self.tick()
        opened.seconds = time.perf_counter() - opened.since
        opened.frame = opened.owner = opened.before = None
        self._step(opened.end, None)

    def _failing_line(self, error: BaseException) -> Source | None:
        place = None
        for frame, number in traceback.walk_tb(error.__traceback__):
            if self.sources.traces(frame.f_code):
                place = self.sources.place(frame.f_code.co_filename, number)
        return place

    def _step(self, tick: int, frame: FrameType | None) -> None:
        if self.on_step is not None and threading.get_ident() == self.thread:
            self.on_step(self, tick, frame)

    def _fail(self, error: BaseException) -> None:
        """An exception leaves the with block: close what it left open."""
        for stack in self._stacks.values():
            self._unwind(stack, None, error)
        if isinstance(error, RunLeft):
            self.note(str(error))
            self._failure = None
            return
        if self._failure is None or self._failure[0] is not error:
            self._failed = None
        self._failure = (error, self._failing_line(error))

    def _frozen(self) -> Recording:
        states = self.states.frozen()
        table = self.described_modules()
        stages, stage_of = assign_stages(self.opens, table, self._kind)
        error = None
        if self._failure is not None and self._exit_by_error():
            error = self._described_failure()
        return Recording(
            kind=self._kind,
            subject=self._subject(),
            settings=Settings(
                self.grains,
                self.keep.described,
                self.only.patterns,
                tuple(self.sources.packages),
                self.previews,
            ),
            environment=self._environment(),
            calls=self._calls(stage_of),
            lines=tuple(self.lines),
            tensors=states,
            modules=table,
            parameters=gradients.describe(self),
            stages=stages,
            sources=self.sources.collected(),
            notes=(*self.notes, *self._late_notes()),
            error=error,
            seconds=self._seconds or time.perf_counter() - self._began,
            classes=self._classes(),
            blobs=self.store.blobs(self.states.pictures_taken()),
        )

    def _classes(self) -> tuple[str, ...]:
        own = map(class_names.names_of, self.recorded_models())
        return self.classes or next(filter(None, own), ())

    @property
    def _kind(self) -> str:
        return "pass" if self.builder is None else "construction"

    def _exit_by_error(self) -> bool:
        """Whether the exception that ended a call also ended the run (it was not caught)."""
        roots = [o for o in self.opens if o.parent is None]
        return bool(self._failed is None or (roots and roots[-1].error))

    def _described_failure(self) -> Failure:
        assert self._failure is not None
        error, source = self._failure
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        call = self._failed.id if self._failed is not None else None
        return Failure(type(error).__name__, str(error), call, source, text)

    def _calls(self, stages: Sequence[str]) -> tuple[Call, ...]:
        macs, uncounted = Counter(self._own_macs), dict(self._own_uncounted)
        for opened in reversed(self.opens):
            macs[opened.parent] += macs[opened.id]
            if opened.id in uncounted:
                around = uncounted.get(opened.parent, set())
                uncounted[opened.parent] = around | uncounted[opened.id]
        now = self._tick
        calls: list[Call] = []
        for opened in reversed(self.opens):
            end, seconds = opened.end, opened.seconds
            if end < 0:  # still under way: a snapshot
                end, seconds = now, time.perf_counter() - opened.since
                now += 1
            unknown = uncounted.get(opened.id, set())
            calls.append(opened.frozen(end, seconds, macs[opened.id], unknown, stages[opened.id]))
        return tuple(reversed(calls))

    def _subject(self) -> str:
        if self.builder is not None:
            return getattr(self.builder, "__name__", type(self.builder).__name__)
        return ", ".join(type(m).__name__ for m in self.models)

    def _environment(self) -> dict[str, str]:
        devices = {str(p.device) for m in self.models for p in m.parameters()}
        found = {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": _torchvision_version(),
            "device": ", ".join(sorted(devices)) or "cpu",
            "threads": str(torch.get_num_threads()),
        }
        if self.builder is None:
            found["mode"] = "train" if any(m.training for m in self.models) else "eval"
        return found

    def _late_notes(self) -> list[str]:
        notes = []
        if len(self._threads) > 1 and {"function", "op", "line"} & set(self.grains):
            notes.append(
                f"{len(self._threads) - 1} other thread(s) ran modules: there only modules "
                "were recorded, not functions, lines and ops"
            )
        if self.store.spilled:
            megabytes = self.store.spilled / 1e6
            notes.append(f"{megabytes:.0f} MB of kept data went over the memory budget to disk")
        return notes


# Ops whose result is memory as it was found: nothing is said of its values.
_ALLOCATIONS = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)

_UNCHANGING = frozenset({bool, int, float, str, type(None), type, torch.dtype, torch.device})


def _grains(grain: str | Iterable[str]) -> tuple[str, ...]:
    names = tuple(grain) if not isinstance(grain, str) else None
    if names is None:
        _require_known(grain)
        names = GRAINS[: GRAINS.index(grain) + 1]
    for name in names:
        _require_known(name)
    if "line" in names and "function" not in names:
        raise InputError("the grain 'line' needs 'function': lines belong to functions")
    return tuple(g for g in GRAINS if g in names)


def _require_known(grain: Any) -> None:
    if grain not in GRAINS:
        raise InputError(
            f"unknown grain {grain!r}{near(str(grain), GRAINS)} (known: {', '.join(GRAINS)})"
        )


def _name_error(error: BaseException) -> str:
    """What a call or a line says of an exception; of one by which the reader leaves, nothing."""
    if isinstance(error, RunLeft):
        return ""
    text = str(error).strip().split("\n")[0][:500]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _torchvision_version() -> str:
    module = sys.modules.get("torchvision")
    return str(getattr(module, "__version__", "")) if module else ""
