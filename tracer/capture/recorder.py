"""The recorder: installs everything for the length of a `with`, and removes it again."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any

from torch import nn

from tracer.capture import frames, gradients, hooks, modules, ops, process, scripting
from tracer.capture.assembly import Assembly
from tracer.capture.calls import CallTree, Progress
from tracer.capture.interventions import Change, interventions, require_happened
from tracer.capture.keep import Keep, KeepRule, Store
from tracer.capture.only import OnlyRule
from tracer.capture.patterns import fits, require_possible, unmatched
from tracer.capture.sources import Sources
from tracer.capture.subject import Subject
from tracer.capture.summaries import Reading, unseen
from tracer.capture.tensors import TensorStates
from tracer.errors import InputError, near, option
from tracer.record import Settings, Source
from tracer.recording import Recording

GRAINS = ("module", "function", "op", "line")
BUDGET = 2 << 30  # bytes of kept data that stay in memory

OnStep = Callable[["Recorder", int, FrameType | None], None]

_last: Recording | None = None


def last_trace() -> Recording | None:
    """Return this process's most recently finished recording, also of a run that raised."""
    return _last


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
        fingerprints: take 64 bits of every tensor, by which two recordings can be compared bit for
            bit; see `tracer.capture.fingerprints`.
        budget: bytes of kept data that stay in memory; what is over waits on disk.
        classes: what the detector's classes are called, by label, the background first; if not
            given, what a model's own attribute ``classes`` says.
        progress: called as ``progress(calls so far, path)`` when a module begins.
        change: what is changed on purpose while the block runs, and put back after it; see
            `tracer.capture.interventions`.
        builder: what will be called to build a model, of a construction; see `build`.
        on_step: called as ``on_step(recorder, tick, frame)`` at each call start, line and call
            end of the recording thread; it may block, and may raise to end the run (`RunLeft`
            ends it without an error).

    Example:
        >>> with Recorder(model) as recorder:
        ...     detections = model(images)
        >>> recorder.trace

    Raises:
        InputError: a grain, pattern or package that is not known, a pattern that fits nothing in
            the part of the model that it names, a model that cannot be hooked
            (scripted, compiled, replicated over devices), or other class names than it has classes;
            a change that the model has no place for, or that never took place.
    """

    def __init__(
        self,
        *models: nn.Module,
        grain: str | Iterable[str] = "op",
        keep: Keep = None,
        only: str | Iterable[str] | None = None,
        packages: Iterable[str] = (),
        previews: bool = True,
        fingerprints: bool = False,
        budget: int = BUDGET,
        classes: Sequence[str] | None = None,
        progress: Progress | None = None,
        on_step: OnStep | None = None,
        change: Mapping[str, Change] | None = None,
        builder: Callable[..., Any] | None = None,
    ) -> None:
        for model in models:
            modules.require_hookable(model)
        if isinstance(packages, str):
            packages = [packages]
        owners = {type(m) for model in models for m in model.modules()}
        self.sources = Sources(
            ("torchvision", *packages), (*owners, *([builder] if builder else ()))
        )
        self.subject = Subject(models, builder, classes, self.sources)
        self.store = Store(budget)
        self.states = TensorStates(modules.tensor_names(models), previews, self.store, fingerprints)
        keeping = KeepRule(keep, self.subject.domain.presets)
        chosen, grains = OnlyRule(only), _grains(grain)
        self._presets = keeping.presets
        self._wanted = {
            option(keep=None): keeping.own,
            option(only=None): [(p, p) for p in chosen.patterns],
        }
        if builder is None:
            for name, wanted in self._wanted.items():
                require_possible(name, wanted, set(self.subject.paths.values()))
        self.tree = CallTree(
            self.subject,
            grains=grains,
            sources=self.sources,
            states=self.states,
            keep=keeping,
            only=chosen,
            progress=progress,
            on_step=None if on_step is None else lambda *step: on_step(self, *step),
        )
        self._changes = [each for model in models for each in interventions(model, change or {})]
        self._gradients: dict[str, Reading] = {}
        self._assembly = Assembly(
            self.subject,
            Settings(
                grains,
                keeping.described,
                chosen.patterns,
                tuple(self.sources.packages),
                previews,
                tuple(each.told for each in self._changes),
                fingerprints,
            ),
            self.tree,
            self.states,
            self.store,
            self._gradients,
        )
        self._exit: ExitStack | None = None
        self._trace: Recording | None = None
        self._began = 0.0

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
            stack.callback(process.claim(self.subject.models))
            stack.enter_context(process.old_objects_at_rest())
            for each in self._changes:  # before the hooks, which then see what came of them
                each.install(stack, self.tree.at_work)
            stack.enter_context(scripting.unscripted())
            for model in self.subject.models:
                hooks.install(self.tree, model, stack)
                gradients.install(self._gradients, model, stack)
            stack.enter_context(ops.watch(self.tree))
            self.tree.start()
            with self.tree.at_work:
                self.tree.look_at_weights()
            stack.enter_context(frames.watch(self.tree))
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
        seconds = time.perf_counter() - self._began
        self._remove()
        with process.old_objects_at_rest(), self.tree.at_work:
            if error is not None:
                self.tree.fail(error)
            self._note_unmatched()
            self._trace = self._diagnosed(self._assembly.trace(seconds), error)
            self.states.close()
            self.tree.forget_failure()
        _last = self._trace
        if error is None:
            require_happened(self._changes)

    def _diagnosed(self, trace: Recording, error: BaseException | None) -> Recording:
        """Add what the domain finds; the likely cause of a failure is told by its exception too."""
        models = self.subject.recorded()
        if not models:
            return trace
        with suppress(Exception), unseen():
            found, cause = self.subject.domain.diagnose(models[0], trace)
            failure = trace.error and replace(trace.error, cause=cause)
            trace = replace(trace, findings=tuple(found), error=failure)
            if cause is not None and error is not None and hasattr(error, "add_note"):
                error.add_note(f"tracer: {cause.text}")
        return trace

    def _note_unmatched(self) -> None:
        """Say which patterns fitted nothing; of a run that ended early that is not known."""
        if self.tree.failure is not None:
            return
        paths = {opened.path for opened in self.tree.opens}
        for name, wanted in self._wanted.items():
            for sentence in unmatched(name, wanted, paths, self.subject.paths.values()):
                self.tree.note(sentence)
        for preset, patterns in self._presets.items():
            if not any(fits(path, paths) for path in patterns):
                self.tree.note(f"{option(keep=preset)} keeps nothing of this run: no call fits it")

    def build(
        self, builder: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:
        """Call the builder as the root of a construction (inside the with block)."""
        at_work = self.tree.at_work
        with at_work:
            opened = self.tree.begin(
                "function",
                getattr(builder, "__qualname__", type(builder).__name__),
                str(getattr(builder, "__module__", "")),
                hooks.name_arguments(builder, args, keywords),
                owner=builder,
                source=self._builder_place(builder),
            )
        try:
            result = builder(*args, **keywords)
        except BaseException as error:
            if opened is not None:
                with at_work:
                    self.tree.end(opened, None, error)
            raise
        if isinstance(result, nn.Module):
            self.subject.built(result)
        if opened is not None:
            with at_work:
                self.tree.end(opened, result)
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
        if self._trace is not None:
            return self._trace
        with self.tree.at_work:
            return self._assembly.trace(time.perf_counter() - self._began)


def _grains(grain: str | Iterable[str]) -> tuple[str, ...]:
    if isinstance(grain, str) or not isinstance(grain, Iterable):
        _require_known(grain)
        names = GRAINS[: GRAINS.index(grain) + 1]
    else:
        names = tuple(grain)
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
