"""`debug`: stop a real run at breakpoints, look around, step back, and go on."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from tracer.errors import InputError, RunLeft
from tracer.record import Source
from tracer.stepper import Breakpoint, Location, Position, Reply, Stepper
from tracer.stepper.breakpoints import read_location
from tracer.stepper.evaluate import parse
from tracer.stepper.live import Known, LiveStepper, Present, Watcher
from tracer.stepper.text import clean
from tracer.views.screen import prompt as plain

if TYPE_CHECKING:
    from torch import nn

    from tracer.capture import Recorder
    from tracer.capture.keep import Keep
    from tracer.recording import Recording

Read = Callable[[], "str | None"]
"""Returns the next command, None when there is none."""


def debug(
    target: nn.Module | Callable[..., Any],
    /,
    *inputs: Any,
    break_at: str | Iterable[str] = (),
    post_mortem: bool = False,
    commands: str | Iterable[str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    lang: str = "en",
    keep: Keep = None,
    packages: Iterable[str] = (),
    **keywords: Any,
) -> Recording:
    """Run a model (or a builder) and stop at breakpoints, with the step debugger's prompt.

    The prompt knows the commands of `tracer.stepper`: all that was recorded so far can be stepped
    through in both directions; a movement beyond it lets the run go on. ``! CODE`` runs Python with
    the live tensors of the selected call, ``q`` leaves the run, its hooks removed.

    Args:
        target: a module, or a callable that builds one.
        *inputs: its positional arguments; see `tracer.trace`.
        break_at: breakpoints as the command ``b`` takes them (``"backbone.fpn"``,
            ``"rpn.py:77, x.shape[1] == 256"``), or ``"watch CONDITION"``. Without any the run
            stops at its very beginning.
        post_mortem: when the run raises, open the prompt on the failing line before the exception
            goes on.
        commands: what to type, instead of asking; when they are used up, the run goes on to its
            end without a stop.
        stdin: where to read commands, instead of the terminal or the notebook's cell.
        stdout: where to write, likewise.
        lang: language of the help, ``"en"`` or ``"zh"``.
        keep: see `tracer.Recorder`.
        packages: see `tracer.Recorder`.
        **keywords: its other keyword arguments.

    Returns:
        The recording, up to where the user left it.

    Raises:
        InputError, MissingError: a breakpoint that cannot be, or inputs that the model cannot take.
        Exception: whatever the run raises, unchanged.

    Example:
        >>> tracer.debug(model, images, break_at="feature_pyramid_network.py:194, idx == 1")
    """
    from torch import nn

    from tracer.capture import Recorder
    from tracer.capture.domains import domain_of

    session = _Session(_reader(commands, stdin, stdout), _writer(stdout), lang)
    session.echo = commands is not None
    options: dict[str, Any] = {"keep": keep, "packages": packages, "on_step": session.on_step}
    run: Callable[..., Any] = target
    if isinstance(target, nn.Module):
        domain_of(target).check_inputs(target, inputs, keywords)
        recorder = Recorder(target, grain="line", **options)
    elif callable(target):
        recorder = Recorder(builder=target, grain=("module", "function", "line"), **options)
        run = partial(_build, recorder, target)
    else:
        raise InputError(f"debug takes a model or a builder; found {type(target).__name__}")
    session.begin(recorder, [break_at] if isinstance(break_at, str) else list(break_at))
    return session.run(partial(run, *inputs, **keywords), post_mortem)


def _build(recorder: Recorder, builder: Callable[..., Any], *inputs: Any, **keywords: Any) -> Any:
    return recorder.build(builder, inputs, keywords)


def _reader(commands: str | Iterable[str] | None, stdin: TextIO | None, stdout: Any) -> Read:
    """Return what gives the next command."""
    if commands is not None:
        lines = commands.splitlines() if isinstance(commands, str) else list(commands)
        given: Iterator[str] = iter([line for line in lines if line.strip()])
        return lambda: next(given, None)
    if stdin is None:
        return _ask

    def read() -> str | None:
        print(plain.PROMPT, end="", file=stdout or sys.stdout, flush=True)
        return stdin.readline() or None

    return read


def _ask() -> str | None:
    try:
        return input(plain.PROMPT)
    except EOFError:
        return None


def _writer(stdout: TextIO | None) -> Callable[[str], None]:
    return lambda text: print(text, file=stdout or sys.stdout, flush=True)


class _Session:
    """One run under the debugger.

    Attributes:
        echo: whether commands are written out, since nobody types them.
        silent: whether the run goes on to its end without another stop.
    """

    def __init__(self, read: Read, write: Callable[[str], None], lang: str) -> None:
        self.read = read
        self.write = write
        self.lang = lang
        self.echo = False
        self.silent = False
        self.rest = ""
        self.breakpoints: dict[int, Breakpoint] = {}
        self.stepper: LiveStepper | None = None

    def begin(self, recorder: Recorder, break_at: list[str]) -> None:
        """Take breakpoints that lie in what is to come.

        Raises:
            InputError, MissingError: one of them cannot be.
        """
        self.recorder = recorder
        self.present = Present(recorder)
        self.watcher = Watcher(self.present)
        models = recorder.subject.models
        types = {p: type(m).__name__ for model in models for p, m in model.named_modules()}
        self.known = Known(recorder, types)
        for number, line in enumerate(break_at, 1):
            self.breakpoints[number] = _breakpoint(number, line, self.known)
        if not break_at:
            self.watcher.goal = lambda position: True

    def run(self, run: Callable[[], Any], post_mortem: bool) -> Recording:
        """Run it, and return the recording."""
        try:
            with self.recorder:
                run()
        except RunLeft:
            return self.recorder.trace
        except Exception as error:
            if post_mortem and self.recorder.trace.error is not None:
                self._look_back(error)
            raise
        return self.recorder.trace

    # --- while it runs ---

    def on_step(self, recorder: Recorder, tick: int, frame: FrameType | None) -> None:
        """Stop here if a breakpoint or the movement under way says so."""
        if self.silent:
            return
        position = self.present.position(tick, frame)
        stop = self.watcher.stop(position, list(self.breakpoints.values()))
        if stop:
            self._pause(position, stop if isinstance(stop, Breakpoint) else None)

    def _pause(self, position: Position, stop: Breakpoint | None) -> None:
        """Carry out commands until one of them lets the run go on."""
        stepper = self._renewed(position.tick)
        rest, self.rest = ("" if stop is not None else self.rest), ""
        if not rest:
            self.write(stepper.moved(stepper.used(stop) if stop is not None else None).text)
        while line := rest or self.read():
            reply = self._answer(stepper, line, echo=self.echo and not rest)
            rest = ""
            if reply.quit:
                self.silent = True
                raise RunLeft(f"the run was left at step {position.tick}")
            if reply.resume:
                self.rest = reply.rest
                self.watcher.go_on(stepper, position)
                return
        self.silent = True

    def _renewed(self, tick: int) -> LiveStepper:
        """Return the stepper, over everything recorded so far."""
        trace = self.recorder.snapshot()
        if self.stepper is None:
            breakpoints = self.breakpoints
            self.stepper = LiveStepper(self.known, breakpoints, trace, tick, self.lang)
            for note in trace.notes:
                self.write(f"note: {note}")
        else:
            self.stepper.renew(trace, tick)
        names: dict[FrameType, dict[str, Any]] = {}
        self.stepper.python = lambda code: run_python(code, self._frame(), names)
        return self.stepper

    def _answer(self, stepper: Stepper, line: str, echo: bool) -> Reply:
        """Carry out a command and write what it says."""
        if echo:
            self.write(plain.PROMPT + clean(line.strip()))
        reply = plain.answer(stepper, line)
        if reply.text:
            self.write(reply.text)
        return reply

    def _frame(self) -> FrameType:
        """Return the live frame of the selected call, or of the nearest one around it.

        Raises:
            InputError: the cursor stands in the past, or nothing of the traced code is running.
        """
        stepper = self.stepper
        assert stepper is not None
        if not stepper.at_end:
            raise InputError("Python sees the present only, and this is the past; last goes back")
        wanted = {call.id for call in stepper.stack[stepper.selected :]}
        for opened in reversed(self.recorder.tree.stack()):
            if opened.id in wanted and opened.frame is not None:
                return opened.frame
        raise InputError("no function of the traced code is running here; s goes into one")

    # --- when it raised ---

    def _look_back(self, error: BaseException) -> None:
        """Open the prompt on the line that raised, with the locals there."""
        stepper = Stepper(self.recorder.trace, lang=self.lang)
        places = _places(error, self.recorder)
        names: dict[FrameType, dict[str, Any]] = {}
        stepper.python = lambda code: run_python(code, _frame_at(stepper, places), names)
        self.write(f"*** {clean(f'{type(error).__name__}: {error}')}")
        self.write(stepper.describe())
        self.write(stepper.do("locals").text)
        while line := self.read():
            if self._answer(stepper, line, self.echo).quit:
                return


def _breakpoint(number: int, line: str, known: Known) -> Breakpoint:
    """Return a breakpoint as the command ``b``, or ``watch``, would set it."""
    watched = line.strip().removeprefix("watch ")
    if watched != line.strip():
        return Breakpoint(number, Location("any"), parse(watched))
    place, _, condition = line.partition(",")
    location = known.resolved(read_location(place))
    return Breakpoint(number, location, parse(condition) if condition.strip() else None)


# --- Python in a frame ----------------------------------------------------------------------------


def run_python(code: str, frame: FrameType, names: dict[FrameType, dict[str, Any]]) -> str:
    """Run a line of Python in a frame and return what it prints.

    Args:
        code: a statement or an expression, whose value is printed.
        frame: where its names are looked up.
        names: the locals of frames, kept from line to line: what is assigned stays for the next.
    """
    printed, hook = io.StringIO(), sys.displayhook
    try:
        sys.displayhook = sys.__displayhook__
        with contextlib.redirect_stdout(printed):
            scope = names.setdefault(frame, frame.f_locals)
            exec(compile(code, "<typed>", "single"), frame.f_globals, scope)
    except Exception as error:
        printed.write("*** " + "".join(traceback.format_exception_only(error)))
    finally:
        sys.displayhook = hook
    return printed.getvalue().rstrip("\n")


def _places(error: BaseException, recorder: Recorder) -> list[tuple[Source, FrameType]]:
    """Return the frames of traced code that an exception passed, the innermost first."""
    sources = recorder.sources
    found = [
        (sources.place(frame.f_code.co_filename, number), frame)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if sources.traces(frame.f_code)
    ]
    return found[::-1]


def _frame_at(stepper: Stepper, places: list[tuple[Source, FrameType]]) -> FrameType:
    """Return the frame that the selected call ended in.

    Raises:
        InputError: there is none for the place that the cursor stands at.
    """
    for place, frame in places:
        if place == stepper.place:
            return frame
    raise InputError("no frame is left of this place; Python sees those that the error passed")
