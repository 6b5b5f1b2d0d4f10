"""What recorders change of the process, however many of them there are, and in whatever order.

The first one in changes it, the last one out changes it back: the collector's threshold, and the
handlers of signals. Which modules are being recorded in which thread is known here too.

**Signals.** A handler that raises, as Ctrl-C's does, may run between any two instructions. Within
the recorder's own code (`undisturbed`) it waits: installing, removing and looking are done whole,
and the interrupt comes right after, into the program that is recorded.
"""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TypeVar

from torch import nn

from tracer.errors import InputError

NEVER = 2**31 - 1  # rounds of the collector
OURS = 10  # young objects that a recording makes for one of the pass
SIGNALS = ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP")

Function = TypeVar("Function", bound=Callable[..., Any])

_lock = threading.RLock()


class Counted:
    """A change of the process that the first of its users makes, and the last one takes back."""

    def __init__(self) -> None:
        self.users = 0

    def begin(self) -> None:
        """One user more."""
        with _lock:
            if self.users == 0:
                self.change()
            self.users += 1

    def end(self) -> None:
        """One user less."""
        with _lock:
            self.users -= 1
            if self.users == 0:
                self.change_back()

    def change(self) -> None:
        """What the first one does."""

    def change_back(self) -> None:
        """What the last one does."""


class _OldObjectsAtRest(Counted):
    """Keep the garbage collector to young objects.

    A recording makes many small objects, at which the collector would time and again walk through
    all that torch has loaded: that takes longer than the recording. Garbage of the pass itself is
    young, and collected as ever: after so many objects more as the recording makes of them.
    """

    before = during = (0, 0, 0)

    def change(self) -> None:
        """Put full collections off."""
        self.before = young, middle, _ = gc.get_threshold()
        gc.set_threshold(min(young * OURS, NEVER), middle, NEVER)
        self.during = gc.get_threshold()  # the last is not taken over on every Python

    def change_back(self) -> None:
        """Allow them again, unless somebody else has set thresholds meanwhile."""
        if gc.get_threshold() == self.during:
            gc.set_threshold(*self.before)


class _HeldSignals(Counted):
    """Let the handlers of signals wait while the recorder's own code runs."""

    def __init__(self) -> None:
        super().__init__()
        self.handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self.waiting: list[int] = []
        self.own_code: set[CodeType] = set()

    def begin(self) -> None:
        """One user more, if it is in the main thread: handlers run there, and are set there."""
        if threading.current_thread() is threading.main_thread():
            super().begin()

    def end(self) -> None:
        """One user less, likewise."""
        if threading.current_thread() is threading.main_thread():
            super().end()

    def change(self) -> None:
        """Stand before the handlers, that of Ctrl-C first."""
        for number in filter(None, (getattr(signal, name, None) for name in SIGNALS)):
            handler = signal.getsignal(number)
            if callable(handler) and handler != self.arrived:
                self.handlers[number] = handler
                signal.signal(number, self.arrived)

    def change_back(self) -> None:
        """Put the handlers back that are still ours to put back, that of Ctrl-C last."""
        for number, handler in reversed(self.handlers.items()):
            if signal.getsignal(number) == self.arrived:
                signal.signal(number, handler)

    def arrived(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal now, or later where it came into the recorder's own code."""
        at = frame
        while at is not None:
            if at.f_code in self.own_code:
                self.waiting.append(number)
                return
            at = at.f_back
        self.handlers[number](number, frame)

    def deliver(self) -> None:
        """Handle what came meanwhile; may raise what the handler raises."""
        if threading.current_thread() is threading.main_thread():
            waiting, self.waiting = self.waiting, []
            for number in waiting:
                self.handlers[number](number, None)


_collector = _OldObjectsAtRest()
held_signals = _HeldSignals()
_recorded: dict[int, tuple[int, int]] = {}  # id of a module: its thread, and by how many recorders


def undisturbed(function: Function) -> Function:
    """Mark a function in which, and in whatever it calls, signals wait."""
    held_signals.own_code.add(function.__code__)
    return function


@contextmanager
def old_objects_at_rest() -> Iterator[None]:
    """Put the collector's full rounds off, see `_OldObjectsAtRest`."""
    _collector.begin()
    try:
        yield
    finally:
        _collector.end()


def claim(models: Iterable[nn.Module]) -> Callable[[], None]:
    """Note that this thread records these models; return what takes that back.

    Raises:
        InputError: another thread is recording one of them, or a part of one: hooks see every
            thread, so that two recorders would each record both passes.
    """
    mine = threading.get_ident()
    ids = [id(module) for model in models for module in model.modules()]
    with _lock:
        if any(_recorded.get(number, (mine, 0))[0] != mine for number in ids):
            raise InputError(
                "this model is being recorded in another thread: record one pass of it at a time, "
                "or give each thread a copy (copy.deepcopy)"
            )
        for number in ids:
            _recorded[number] = (mine, _recorded.get(number, (mine, 0))[1] + 1)

    def release() -> None:
        with _lock:
            for number in ids:
                thread, count = _recorded[number]
                if count == 1:
                    del _recorded[number]
                else:
                    _recorded[number] = (thread, count - 1)

    return release
