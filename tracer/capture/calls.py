"""The tree of calls while it grows: what watchers report becomes calls, lines and ticks."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch import nn

from tracer.capture.at_work import AtWork
from tracer.capture.changes import Changes
from tracer.capture.keep import KeepRule, below
from tracer.capture.only import OnlyRule
from tracer.capture.open_call import Open
from tracer.capture.sources import Sources
from tracer.capture.subject import Subject
from tracer.capture.tensors import TensorStates
from tracer.capture.value_trees import Describer, See, name_of, words_of
from tracer.errors import RunLeft
from tracer.record import Finding, Line, Source

Progress = Callable[[int, str], None]
Step = Callable[[int, FrameType | None], None]


class CallTree:
    """Opens and closes calls, ticks the clock, and looks at what goes in and out.

    Attributes:
        opens: every call so far, in order of its start.
        lines: every line so far; one that is running stands in its call.
        threads: the number of each thread that was seen.
        own_macs, own_uncounted: of each call, without what ran beneath it (`Call.macs`).
        failure: the exception that left the block, and where it arose, if that is known.
        failed: the innermost call that it ended.
        odd: classes whose values could not be looked at, and what that raised.
        notes: what the recording could not see.
        findings: what is odd about the inputs.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        grains: tuple[str, ...],
        sources: Sources,
        states: TensorStates,
        keep: KeepRule,
        only: OnlyRule,
        progress: Progress | None,
        on_step: Step | None,
    ) -> None:
        self.grains = grains
        self.building = subject.builder is not None
        self.sources = sources
        self.at_work = AtWork()
        self.opens: list[Open] = []
        self.lines: list[Line] = []
        self.ticks = 0
        self.threads: dict[int, int] = {}
        self.own_macs: Counter[int | None] = Counter()
        self.own_uncounted: defaultdict[int | None, set[str]] = defaultdict(set)
        self.failed: Open | None = None
        self.failure: tuple[BaseException, Source | None] | None = None
        self._raised: tuple[BaseException, Open] | None = None  # the last one, caught or not
        self.notes: list[str] = []
        self.findings: list[Finding] = []
        self._subject = subject
        self._paths = subject.paths
        self._states = states
        self._keep = keep
        self._only = only
        self._progress = progress
        self._on_step = on_step
        self._thread = threading.get_ident()
        self._describer = Describer(subject.paths, settled=not self.building)
        self.odd = self._describer.odd
        self._changes = Changes(self._describer, sources)
        self._nth: dict[tuple[str, str], int] = {}
        self._stacks: dict[int, list[Open]] = {}

    def start(self) -> None:
        """The recording begins, in this thread."""
        self._thread = threading.get_ident()
        self.threads[self._thread] = 0

    def look_at_weights(self) -> None:
        """See the models' parameters and buffers: as the run begins, and again when it is over."""
        describe = partial(self._describer.describe, see=self._states.see)
        self._subject.weights.look(self._subject.recorded(), describe)

    # -- what hooks, modes and frames report (`tracer.capture.watched`) ---------------------------

    def path(self, module: nn.Module) -> str:
        """The dotted path of a module of the model."""
        return self._paths[id(module)]

    def stack(self) -> list[Open]:
        """The calls under way in this thread, outermost first."""
        thread = threading.get_ident()
        return self._stacks.get(thread) or self._stacks.setdefault(thread, [])

    def begin(
        self,
        kind: str,
        path: str,
        type_name: str,
        args: Iterable[tuple[str, Any]],
        *,
        owner: Any = None,
        source: Source | None = None,
        called_from: Source | None = None,
    ) -> Open | None:
        """Open a call; None if `only` leaves it out, or if it is part of an op."""
        stack = self.stack()
        parent = stack[-1] if stack else None
        if parent is not None and parent.kind == "op":
            return None  # ops are leaves
        inside = parent is not None and not parent.outside
        chosen = inside or self._only.matches(path)
        if not chosen and not (parent is None and kind == "module"):
            return None
        opened = Open(len(self.opens), kind, path, type_name)
        if parent is not None:
            opened.parent, opened.keeps, opened.thread = parent.id, parent.keeps, parent.thread
        else:
            opened.thread = self.threads.setdefault(threading.get_ident(), len(self.threads))
        if not self._keep.nothing:
            opened.keeps = max(opened.keeps, self._keep.opens(path))
        nth = opened.nth = self._nth.get((kind, path), 0)
        opened.owner, opened.source, opened.called_from = owner, source, called_from
        opened.outside = not chosen
        opened.before = sys.exc_info()[1]
        opened.args = self._describer.arguments(args, self._seer(opened, "args"))
        opened.start = self.ticks  # from here on nothing can fail: it begins whole or not at all
        self.ticks += 1
        self._nth[kind, path] = nth + 1
        self.opens.append(opened)
        stack.append(opened)
        if kind == "module" and self._progress is not None:
            self._progress(len(self.opens), path)
        if self._on_step is not None:
            self._step(opened.start, None)
        return opened

    def end(self, opened: Open, result: Any, error: BaseException | None = None) -> None:
        """Close a call, and whatever was left open beneath it."""
        stack = self.stack()
        if not stack or stack[-1] is not opened:
            self._unwind(stack, opened, error)
        self._close(opened, result, error)
        if stack:
            stack.pop()

    def line(self, opened: Open, frame: FrameType, number: int) -> None:
        """A line of `opened` is about to run; the one before it has run."""
        self._finish_line(opened, frame)
        tick = self.ticks
        opened.line = Line(tick, opened.id, number)
        opened.line_at = len(self.lines)
        self.lines.append(opened.line)
        self.ticks += 1
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

    def wrote(self, tensors: Iterable[torch.Tensor]) -> None:
        """The innermost call under way wrote into tensors."""
        writer = self._current()
        for tensor in tensors:
            self._states.wrote(tensor, writer)

    def counted(self, macs: int, uncounted: Iterable[str]) -> None:
        """It multiplied and added so often, and ran kernels that nothing counts."""
        current = self._current()
        if macs:
            self.own_macs[current] += macs
        if uncounted:
            self.own_uncounted[current].update(uncounted)

    def note(self, sentence: str) -> None:
        """Say once what the recording could not see."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def find(self, finding: Finding) -> None:
        """Say once of each kind what is odd about the inputs."""
        if all(each.kind != finding.kind for each in self.findings):
            self.findings.append(finding)

    # -- the end ----------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """An exception leaves the with block: close what it left open."""
        for stack in self._stacks.values():
            self._unwind(stack, None, error)
        if isinstance(error, RunLeft):
            self.note(str(error))
            self.failure = None
            return
        if self._raised is not None and self._raised[0] is error:
            self.failed = self._raised[1]
        self.failure = (error, self._failing_line(error))

    def forget_failure(self) -> None:
        """Let go of the exception: its traceback holds the frames of the run, and they hold us."""
        self.failure = self._raised = None

    def _failing_line(self, error: BaseException) -> Source | None:
        place = None
        for frame, number in traceback.walk_tb(error.__traceback__):
            if self.sources.traces(frame.f_code):
                place = self.sources.place(frame.f_code.co_filename, number)
        return place

    # -- within -----------------------------------------------------------------------------------

    def _current(self) -> int | None:
        """The innermost call under way in this thread."""
        stack = self._stacks.get(threading.get_ident())
        return stack[-1].id if stack else None

    def _step(self, tick: int, frame: FrameType | None) -> None:
        if self._on_step is not None and threading.get_ident() == self._thread:
            self._on_step(tick, frame)

    def _seer(self, opened: Open, role: str) -> See:
        """What numbers the tensors that a call takes, binds or returns."""
        see = self._states.see
        made = role == "result" or (role == "locals" and opened.line is not None)
        producer = opened.id if made else None
        blank = role == "result" and opened.kind == "op" and opened.path in _ALLOCATIONS
        if self._keep.nothing and not blank:
            return see if producer is None else partial(see, producer=producer)
        limit = self._keep.wants(opened.path, opened.kind, role, opened.keeps)
        drawn = self._keep.draws(opened.path, role)
        return lambda tensor: see(tensor, producer, below(tensor, limit), blank, drawn)

    def _finish_line(self, opened: Open, frame: FrameType) -> None:
        changed, deleted = self._changes.since(opened, frame, self._seer(opened, "locals"))
        if opened.line is not None:
            now = opened.line
            opened.line = Line(now.tick, now.call, now.line, changed, deleted, now.raised)
            self._settle_line(opened)

    def _settle_line(self, opened: Open) -> None:
        if opened.line is not None:
            self.lines[opened.line_at] = opened.line
            opened.line = None

    def _unwind(self, stack: list[Open], until: Open | None, error: BaseException | None) -> None:
        """Close the calls of a stack from the innermost out, up to but without `until`."""
        while stack and stack[-1] is not until:
            self._close(stack[-1], None, error)
            stack.pop()

    def _close(self, opened: Open, result: Any, error: BaseException | None) -> None:
        if opened.end >= 0:  # on_step raised at the end of it
            return
        if error is None:
            opened.result = self._describer.describe(result, self._seer(opened, "result"))
        else:
            opened.error = _name_error(error)
            if self._raised is None or self._raised[0] is not error:
                self._raised = (error, opened)
        if opened.line is not None:
            self._settle_line(opened)
        opened.end = self.ticks
        self.ticks += 1
        opened.seconds = time.perf_counter() - opened.since
        opened.frame = opened.owner = opened.before = None
        if self._on_step is not None:
            self._step(opened.end, None)


# Ops whose result is memory as it was found: nothing is said of its values.
_ALLOCATIONS = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)


def _name_error(error: BaseException) -> str:
    """What a call or a line says of an exception; of one by which the reader leaves, nothing."""
    if isinstance(error, RunLeft):
        return ""
    name, text = name_of(type(error)), words_of(error).strip().split("\n")[0][:500]
    return f"{name}: {text}" if text else name
