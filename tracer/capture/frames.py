"""The function and line grains: Python frames of the traced packages.

Two ways to be told of them, one set of callbacks: `sys.monitoring` (Python 3.12 and newer) and
`sys.settrace`. A frame of a hooked module's `forward` belongs to the module's call; any other
function becomes a call of its own.
"""

from __future__ import annotations

import dis
import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from torch import nn

from tracer.capture.at_work import taken_down
from tracer.capture.modules import built_at
from tracer.capture.open_call import Open
from tracer.capture.watched import Watched

_MODULE_INIT = nn.Module.__init__.__code__
MONITORING = sys.version_info >= (3, 12)
"""Which of the two watchers is used; both make the same record."""


@contextmanager
def watch(tree: Watched) -> Iterator[None]:
    """Report frames to the recorder, as its grains ask for; leave the interpreter as it was."""
    if "function" not in tree.grains:
        yield
        return
    frames = _Frames(tree)
    if MONITORING:
        with _monitored(frames):
            yield
        return
    if sys.gettrace() is not None:
        tree.note(
            "another trace function (a debugger or coverage) is active: functions and lines "
            "were not recorded, only modules and ops"
        )
        yield
        return
    tree.at_work.trace_function = _SetTrace(frames).on_call
    sys.settrace(tree.at_work.trace_function)
    try:
        yield
    finally:
        sys.settrace(None)
        tree.at_work.trace_function = None


class _Frames:
    """What to do when a traced frame starts, reaches a line, raises, or ends."""

    def __init__(self, tree: Watched) -> None:
        self.tree = tree
        self.lines = "line" in tree.grains
        self.opens: dict[FrameType, Open] = {}
        self.building = tree.building

    def wants(self, code: CodeType) -> bool:
        """Whether frames of this code are recorded."""
        sources = self.tree.sources
        if self.building and code is _MODULE_INIT:
            return True
        return sources.traces(code) and sources.is_own_call(code)

    def start(self, frame: FrameType) -> bool:
        """A traced frame starts; return whether its further events matter."""
        tree = self.tree
        if tree.at_work.busy() or taken_down():
            return False
        if frame.f_code is _MODULE_INIT:
            self._remember_birth(frame)
            return False
        with tree.at_work:
            opened = self._own_frame(frame) or self._new_call(frame)
            if opened is None:
                return False
            opened.frame, opened.locals, opened.prints = frame, {}, {}
            self.opens[frame] = opened
            return True

    def line(self, frame: FrameType, number: int) -> None:
        """A line is about to run; it counts where another statement begins."""
        opened = self.opens.get(frame)
        if opened is None or not self.lines:
            return
        before = opened.line.line if opened.line is not None else 0
        code = frame.f_code
        reached = self.tree.sources.statement(code, number).reached(code, before)
        if reached is not None:
            with self.tree.at_work:
                self.tree.line(opened, frame, reached)

    def raised(self, frame: FrameType, error: BaseException) -> None:
        """The running line raised, or an exception passes through it."""
        opened = self.opens.get(frame)
        if opened is not None:
            self.tree.raised(opened, error)

    def end(self, frame: FrameType, result: Any, error: BaseException | None) -> None:
        """The frame returns or is unwound."""
        opened = self.opens.pop(frame, None)
        if opened is None:
            return
        tree = self.tree
        with tree.at_work:
            if self.lines:
                tree.leave(opened, frame)
            if opened.owner is frame.f_code:
                tree.end(opened, _built(frame) if result is None else result, error)

    def _own_frame(self, frame: FrameType) -> Open | None:
        """The module call (or builder call) whose body this frame is."""
        stack = self.tree.stack()
        if not stack or stack[-1].frame is not None:
            return None
        top = stack[-1]
        code = frame.f_code
        if isinstance(top.owner, nn.Module):
            forward = inspect.unwrap(type(top.owner).forward)
            first = code.co_varnames[0] if code.co_argcount else ""
            if getattr(forward, "__code__", None) is code and (
                frame.f_locals.get(first) is top.owner
            ):
                return top
        elif top.owner is not None and getattr(top.owner, "__code__", None) is code:
            return top
        return None

    def _new_call(self, frame: FrameType) -> Open | None:
        tree = self.tree
        if not tree.stack():
            return None
        code = frame.f_code
        return tree.begin(
            "function",
            tree.sources.qualified_name(frame),
            str(frame.f_globals.get("__name__", "")),
            _arguments(frame),
            owner=code,
            source=tree.sources.place(code.co_filename, code.co_firstlineno),
            called_from=tree.sources.calling(frame.f_back),
        )

    def _remember_birth(self, frame: FrameType) -> None:
        """`nn.Module.__init__` runs: note the traced line that is creating the module."""
        module = frame.f_locals.get("self")
        outer = frame.f_back
        while outer is not None and outer.f_locals.get("self") is module:
            outer = outer.f_back  # the module's own __init__ chain
        while outer is not None and not self.tree.sources.traces(outer.f_code):
            outer = outer.f_back
        if outer is not None and isinstance(module, nn.Module):
            built_at[module] = (outer.f_code.co_filename, outer.f_lineno)


def _built(frame: FrameType) -> Any:
    """The finished module, where its ``__init__`` ends: it returns None, but this is its result."""
    code = frame.f_code
    if code.co_name != "__init__" or not code.co_argcount:
        return None
    made = frame.f_locals.get(code.co_varnames[0])
    return made if isinstance(made, nn.Module) else None


def _arguments(frame: FrameType) -> list[tuple[str, Any]]:
    """The arguments a function was called with, by parameter name."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[:count])
    values = frame.f_locals
    found = [(name, values[name]) for name in names if name in values]
    rest = list(code.co_varnames[count:])
    if code.co_flags & inspect.CO_VARARGS:
        name = rest.pop(0)
        found += [(f"{name}{i}", v) for i, v in enumerate(values.get(name, ()))]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        found += list(values.get(rest[0], {}).items())
    return found


class _SetTrace:
    """`sys.settrace` for Python 3.10 and 3.11.

    It tells of a frame that is unwound as of one that returns None. Which it was, the frame's
    last instruction says; and which exception, the latest that was raised in it or, by a bare
    ``raise`` or at the end of a ``finally``, a ``with`` or an ``except``, raised again.
    """

    def __init__(self, frames: _Frames) -> None:
        self.frames = frames
        self.wanted: dict[CodeType, bool] = {}
        self.errors: dict[FrameType, BaseException | None] = {}
        self.instructions: dict[CodeType, bytes] = {}

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """A frame starts anywhere."""
        code = frame.f_code
        wanted = self.wanted.get(code)
        if wanted is None:
            wanted = self.wanted[code] = self.frames.wants(code)
        if not wanted or not self.frames.start(frame):
            return None
        frame.f_trace_lines = self.frames.lines
        return self.on_event

    def on_event(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Something happens in a traced frame."""
        if event == "line":
            self.frames.line(frame, frame.f_lineno)
        elif event == "exception":
            self.errors[frame] = argument[1]
            frame.f_trace_opcodes = True
            self.frames.raised(frame, argument[1])
        elif event == "opcode":
            if self._raises_again(frame):
                self.errors[frame] = sys.exc_info()[1]
        elif event == "return":
            error = self.errors.pop(frame, None) or sys.exc_info()[1]
            returned = argument is not None or self._instruction(frame)[0] in _RETURNS
            self.frames.end(frame, argument, None if returned else error)
        return self.on_event

    def _raises_again(self, frame: FrameType) -> bool:
        """Whether the exception that is being handled is about to be raised again."""
        instruction, argument = self._instruction(frame)
        if instruction == dis.opmap["RERAISE"]:  # from 3.11, 1: of one not handled here
            return sys.version_info < (3, 11) or argument != 1
        return instruction == dis.opmap["RAISE_VARARGS"] and argument == 0

    def _instruction(self, frame: FrameType) -> bytes:
        """The instruction that runs in a frame: its code and its argument."""
        whole = self.instructions.get(frame.f_code)
        if whole is None:
            whole = self.instructions[frame.f_code] = frame.f_code.co_code
        return whole[frame.f_lasti : frame.f_lasti + 2]


_RETURNS = {dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap}


@contextmanager
def _monitored(frames: _Frames) -> Iterator[None]:
    """`sys.monitoring`: events only for the code that is recorded, beside any debugger."""
    monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    tool = next((i for i in (3, 4, 2, 0, 1, 5) if monitoring.get_tool(i) is None), None)
    if tool is None:
        frames.tree.note(
            "all tool ids of sys.monitoring are taken: functions and lines were not recorded, "
            "only modules and ops"
        )
        yield
        return
    monitoring.use_tool_id(tool, "tracer")
    watcher = _Monitoring(frames, tool, monitoring)
    try:
        watcher.install()
        yield
    finally:
        watcher.remove()
        monitoring.free_tool_id(tool)


class _Monitoring:
    """The callbacks of `sys.monitoring`; they see every thread, and heed their own."""

    def __init__(self, frames: _Frames, tool: int, monitoring: Any) -> None:
        self.frames = frames
        self.tool = tool
        self.monitoring = monitoring
        self.events = monitoring.events
        self.thread = threading.get_ident()
        self.local: set[CodeType] = set()

    def install(self) -> None:
        """Register the callbacks and ask for every function start."""
        e = self.events
        for event, callback in (
            (e.PY_START, self.on_start),
            (e.PY_RETURN, self.on_return),
            (e.PY_UNWIND, self.on_unwind),
            (e.RAISE, self.on_raise),
            (e.LINE, self.on_line),
        ):
            self.monitoring.register_callback(self.tool, event, callback)
        self.monitoring.set_events(self.tool, e.PY_START | e.PY_UNWIND | e.RAISE)
        self.monitoring.restart_events()

    def remove(self) -> None:
        """Take everything back."""
        self.monitoring.set_events(self.tool, 0)
        for code in self.local:
            self.monitoring.set_local_events(self.tool, code, 0)
        e = self.events
        for event in (e.PY_START, e.PY_RETURN, e.PY_UNWIND, e.RAISE, e.LINE):
            self.monitoring.register_callback(self.tool, event, None)

    def on_start(self, code: CodeType, offset: int) -> Any:
        """A function starts."""
        if not self.frames.wants(code):
            return self.monitoring.DISABLE
        if threading.get_ident() != self.thread:
            return None
        if self.frames.start(sys._getframe(1)) and code not in self.local:
            self.local.add(code)
            lines = self.events.LINE if self.frames.lines else 0
            self.monitoring.set_local_events(self.tool, code, self.events.PY_RETURN | lines)
        return None

    def on_line(self, code: CodeType, number: int) -> None:
        """A line is about to run."""
        if threading.get_ident() == self.thread:
            self.frames.line(sys._getframe(1), number)

    def on_return(self, code: CodeType, offset: int, result: Any) -> None:
        """A function returns."""
        if threading.get_ident() == self.thread:
            self.frames.end(sys._getframe(1), result, None)

    def on_raise(self, code: CodeType, offset: int, error: BaseException) -> None:
        """An exception is raised in, or passes into, a function."""
        if threading.get_ident() == self.thread:
            self.frames.raised(sys._getframe(1), error)

    def on_unwind(self, code: CodeType, offset: int, error: BaseException) -> None:
        """An exception leaves a function."""
        if threading.get_ident() == self.thread:
            self.frames.end(sys._getframe(1), None, error)
