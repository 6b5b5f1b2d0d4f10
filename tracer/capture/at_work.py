"""When the recorder itself runs: nothing of that is recorded."""

from __future__ import annotations

import sys
import threading
from typing import Any

import torch

from tracer.capture import process

_set_jit: Any = getattr(torch._C, "_set_tracing_state")  # noqa: B009 (the stubs lack it)


_PROXY = torch._C._TorchDispatchModeKey.PROXY


def taken_down() -> bool:
    """Whether torch takes down what runs, as a program (export, compile, fx): it is no run then."""
    return torch.compiler.is_compiling() or torch._C._get_dispatch_mode(_PROXY) is not None


def frames_compiled() -> int:
    """How many functions torch.compile has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["frames"]["ok"]) if dynamo is not None else 0


class AtWork:
    """A ``with`` block, to be entered again and again, also within itself.

    In it the recorder's own code and its callbacks run: one thread at a time, unseen by hooks,
    modes and frames, and undisturbed by signals.

    Attributes:
        trace_function: the recorder's own, while it is set.
    """

    def __init__(self) -> None:
        self.trace_function: Any = None
        self._lock = threading.RLock()
        self._worker: int | None = None  # the thread in which the recorder is at work
        self._before: list[tuple[Any, int | None, Any, Any]] = []  # of each block that is open

    @process.undisturbed
    def __enter__(self) -> None:
        """Begin."""
        self._lock.acquire()
        try:
            paused = self.pause_frames()
        except BaseException:  # no stack is left for another call
            self._lock.release()
            raise
        guard, jit = torch._C.DisableTorchFunction(), torch._C._get_tracing_state()
        self._before.append((paused, self._worker, guard, jit))
        self._worker = threading.get_ident()
        guard.__enter__()
        if jit is not None:  # torch.jit.trace would take down what the recorder asks
            _set_jit(None)

    @process.undisturbed
    def __exit__(self, *error: Any) -> None:
        """End; signals that came meanwhile are handled now."""
        paused, self._worker, guard, jit = self._before.pop()
        guard.__exit__(*error)
        if jit is not None:
            _set_jit(jit)
        self.resume_frames(paused)
        self._lock.release()
        if process.held_signals.waiting:
            process.held_signals.deliver()

    def busy(self) -> bool:
        """Whether this thread is in such a block."""
        return self._worker == threading.get_ident()

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
