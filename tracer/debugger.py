"""`debug`: stop a real run at breakpoints, look around, step back, and go on."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from tracer.dap.live import Attached
from tracer.errors import InputError, MissingError, RunLeft
from tracer.record import Source
from tracer.stepper import Breakpoint, Location, Position, Reply, Stepper
from tracer.stepper.breakpoints import locate, read_location
from tracer.stepper.evaluate import parse
from tracer.stepper.live import Known, LiveStepper, Present, Watcher
from tracer.stepper.positions import Timeline
from tracer.stepper.text import clean
from tracer.views.screen import prompt as plain

if TYPE_CHECKING:
    from torch import nn

    from tracer.capture import Recorder
    from tracer.capture.keep import Keep
    from tracer.recording import Recording

T = TypeVar("T")

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
    dap: int | None = None,
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
        lang: language of the help.
        keep: see `tracer.Recorder`.
        packages: see `tracer.Recorder`.
        dap: a port of this machine (0 for any that is free) where an editor attaches instead of
            the prompt: the run waits for it there, and goes on alone when it leaves.
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
    from tracer.capture.tracing import in_both, keywords_explained, recorder_of, taken_apart

    target, inputs, keywords = taken_apart(target, inputs, keywords)
    session: _Session
    if dap is None:
        session = _Prompt(_reader(commands, stdin, stdout), _writer(stdout), lang)
        session.echo = commands is not None
    else:
        _require_alone(commands=commands, stdin=stdin, stdout=stdout)
        session = _Editor(dap, lang)
    options: dict[str, Any] = {"keep": keep, "packages": packages, "on_step": session.on_step}
    run: Callable[..., Any] = target
    if isinstance(target, nn.Module):
        domain_of(target).check_inputs(target, inputs, keywords)
        given: dict[str, Any] = {
            "break_at": break_at,
            "post_mortem": post_mortem,
            "commands": commands,
        }
        given |= {"stdin": stdin, "stdout": stdout, "lang": lang, "keep": keep}
        both = in_both(debug, target, keywords, {**given, "packages": packages, "dap": dap})
        recorder = recorder_of(target, both, grain="line", **options)
    elif callable(target):
        recorder = Recorder(builder=target, grain=("module", "function", "line"), **options)
        run = partial(_build, recorder, target)
    else:
        raise InputError(f"debug takes a model or a builder; found {type(target).__name__}")
    session.begin(recorder, [break_at] if isinstance(break_at, str) else list(break_at))
    with keywords_explained(debug, target, keywords):
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


def _require_alone(**given: object) -> None:
    """Refuse what speaks to a prompt where an editor takes its place."""
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name}= is for the prompt, and dap= puts an editor in its place")


class _Session:
    """One run under the debugger.

    Attributes:
        silent: whether the run goes on to its end without another stop.
    """

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.silent = False
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
        self._tell_unreached()
        return self.recorder.trace

    def _tell_unreached(self) -> None:
        """Say which breakpoints the whole run never came to, and what is near."""
        idle = [b for n, b in self.breakpoints.items() if not self.watcher.passed[n]]
        timeline = cache(lambda: Timeline(self.recorder.trace))
        for breakpoint in idle:
            try:
                locate(breakpoint.location, timeline())
            except MissingError as error:
                self.write(f"note: breakpoint {breakpoint.number} ({breakpoint}): {error}")

    # --- while it runs ---

    def on_step(self, recorder: Recorder, tick: int, frame: FrameType | None) -> None:
        """Stop here if a breakpoint or the movement under way says so."""
        if self.silent:
            return
        position = self.present.position(tick, frame)
        stop = self.watcher.stop(position, list(self.breakpoints.values()))
        if stop:
            self._pause(position, stop if isinstance(stop, Breakpoint) else None)
        else:
            self._pass(position)

    def write(self, text: str) -> None:
        """Say something to the user."""
        raise NotImplementedError

    def _pause(self, position: Position, stop: Breakpoint | None) -> None:
        """Let the user look around, until the run has to go on."""
        raise NotImplementedError

    def _pass(self, position: Position) -> None:
        """The run goes on from here."""

    def _look_back(self, error: BaseException) -> None:
        """Let the user look at a run that has raised."""
        raise NotImplementedError

    def _renewed(self, tick: int) -> LiveStepper:
        """Return the stepper, over everything recorded so far."""
        trace = self.recorder.snapshot()
        if self.stepper is None:
            breakpoints = self.breakpoints
            self.stepper = LiveStepper(self.known, breakpoints, trace, tick, self.lang)
            for note in (*trace.notes, *(each.text for each in trace.findings)):
                self.write(f"note: {note}")
        else:
            self.stepper.renew(trace, tick)
        names: dict[FrameType, dict[str, Any]] = {}
        self.stepper.python = lambda code: run_python(code, self._frame(), names)
        return self.stepper

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

    def _at_failure(self, error: BaseException) -> Stepper:
        """Return a stepper at the line that raised, with the locals there."""
        stepper = Stepper(self.recorder.trace, lang=self.lang)
        places = _places(error, self.recorder)
        names: dict[FrameType, dict[str, Any]] = {}
        stepper.python = lambda code: run_python(code, _frame_at(stepper, places), names)
        return stepper


class _Prompt(_Session):
    """A run whose user types commands.

    Attributes:
        echo: whether commands are written out, since nobody types them.
    """

    def __init__(self, read: Read, write: Callable[[str], None], lang: str) -> None:
        super().__init__(lang)
        self.read = read
        self._write = write
        self.echo = False
        self.rest = ""

    def write(self, text: str) -> None:
        """Say something to the user."""
        self._write(text)

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

    def _answer(self, stepper: Stepper, line: str, echo: bool) -> Reply:
        """Carry out a command and write what it says."""
        if echo:
            self.write(plain.PROMPT + clean(line.strip()))
        reply = plain.answer(stepper, line)
        if reply.text:
            self.write(reply.text)
        return reply

    def _look_back(self, error: BaseException) -> None:
        """Open the prompt on the line that raised, with the locals there."""
        stepper = self._at_failure(error)
        self.write(f"*** {clean(f'{type(error).__name__}: {error}')}")
        failure = self.recorder.trace.error
        if failure is not None and failure.cause is not None:
            self.write(f"likely cause: {clean(failure.cause.text)}")
        self.write(stepper.describe())
        self.write(stepper.do("locals").text)
        while line := self.read():
            if self._answer(stepper, line, self.echo).quit:
                return


class _Editor(_Session):
    """A run that an editor has attached to."""

    def __init__(self, port: int, lang: str) -> None:
        super().__init__(lang)
        self._port = port

    def write(self, text: str) -> None:
        """Say something to the user."""
        self.client.write(text)

    def begin(self, recorder: Recorder, break_at: list[str]) -> None:
        """Take breakpoints, and wait for the editor."""
        from tracer.capture.process import held_signals

        super().begin(recorder, break_at)
        self.client = Attached(self.known, lambda: bool(held_signals.waiting), self.lang)
        self.client.wait(self._port, stops=not break_at)

    def run(self, run: Callable[[], Any], post_mortem: bool) -> Recording:
        """Run it, and return the recording."""
        try:
            return super().run(run, post_mortem)
        finally:
            self.client.ends()

    def on_step(self, recorder: Recorder, tick: int, frame: FrameType | None) -> None:
        """Stop here if the editor says so, which sets its breakpoints at the first step."""
        if self.stepper is None and not self.silent:
            stops = self._while_there(lambda: self.client.begins(self._renewed(tick)))
            self.watcher.goal = (lambda position: True) if stops else None
        super().on_step(recorder, tick, frame)

    def _pause(self, position: Position, stop: Breakpoint | None) -> None:
        """Answer the editor until the run has to go on."""
        self._log(position)
        stepper = self._renewed(position.tick)
        stopped_by = stepper.used(stop) if stop is not None else None
        self._while_there(lambda: self.client.pauses(stepper, stopped_by))
        self.watcher.go_on(stepper, position)

    def _pass(self, position: Position) -> None:
        """Answer what the editor asks while the run goes on."""
        self._log(position)
        goal = self.watcher.goal

        def go_on() -> None:
            assert self.stepper is not None
            self.watcher.go_on(self.stepper, position)
            self.watcher.goal = goal

        renew = partial(self._renewed, position.tick)
        if self._while_there(lambda: self.client.looks_up(renew, go_on)):
            self._pause(position, None)

    def _log(self, position: Position) -> None:
        """Tell what is logged here."""
        if self.watcher.here:
            self.client.logs(self.watcher.here, lambda: self.present.scope(position))

    def _while_there(self, talk: Callable[[], T]) -> T:
        """Talk to the editor; without one the run goes on to its end, or was left by it."""
        try:
            return talk()
        except RunLeft:
            self.silent = True
            raise
        finally:
            self.silent = self.silent or self.client.gone

    def _look_back(self, error: BaseException) -> None:
        """Show the editor the line that raised."""
        if not self.client.gone:
            self.client.looks_back(self._at_failure(error))


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
