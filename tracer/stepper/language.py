"""The command language: one line of text in, plain text out; pdb's words and their reverses.

The commands themselves are in `moving`, `looking`, `flow` and `stopping`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tracer.errors import InputError, TracerError, near
from tracer.foreign import clean_lines
from tracer.record import Trace
from tracer.stepper import text
from tracer.stepper.breakpoints import Breakpoint
from tracer.stepper.cursor import Cursor
from tracer.stepper.evaluate import EvaluationError, parse


@dataclass(frozen=True)
class Reply:
    """What a command answers.

    Attributes:
        text: to be shown; ``""`` for nothing.
        moved: whether the cursor stands elsewhere now.
        quit: whether the user wants to leave.
        resume: whether a run that is still under way has to go on.
        notes: the text without the description of the position: for who sees that anyway.
        rest: commands that remain to be carried out once the run has gone on.
        stop: the breakpoint that ended the movement, if one did.
    """

    text: str = ""
    moved: bool = False
    quit: bool = False
    resume: bool = False
    notes: tuple[str, ...] = ()
    rest: str = ""
    stop: Breakpoint | None = None

    def __post_init__(self) -> None:
        """Let nothing of a recording pass that a terminal would obey."""
        object.__setattr__(self, "text", clean_lines(self.text))
        object.__setattr__(self, "notes", tuple(map(clean_lines, self.notes)))


Handler = Callable[["Stepper", str], Reply]


class Lessons(Protocol):
    """Tours and questions about a recording: who shows the stepper brings them."""

    def tour(self, stepper: Stepper, argument: str) -> Reply:
        """Follow a guided tour."""

    def guess(self, stepper: Stepper, argument: str) -> Reply:
        """Ask a question, or judge an answer."""


MAX_LINE = 4000
"""Characters of a command line; Python reads no number that is much longer."""

COMMANDS: dict[str, Handler] = {}
"""Every command by each of its names."""


def command(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler under its names."""

    def register(handler: Handler) -> Handler:
        COMMANDS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Stepper(Cursor):
    """A cursor that understands commands.

    Args:
        trace: the recording.
        tick: where to stand; if not given, at the first position, or where the run failed.
        lang: language of the help.
        live: whether the run is still under way, and moving beyond its end lets it go on.

    Example:
        >>> stepper = Stepper(tracer.load("pass.safetensors"))
        >>> stepper.do("b FeaturePyramidNetwork.forward")
        >>> print(stepper.do("c").text)

    Attributes:
        displays: expressions that are shown at every stop, with what they last gave.
        python: of a run that is still under way, runs a line of Python in the selected call.
        lessons: tours and questions; None where nobody brought them, or nobody asked yet.
        teacher: brings the lessons on a trace, once they are asked for; None for nobody.
    """

    def __init__(
        self, trace: Trace, tick: int | None = None, lang: str = "en", live: bool = False
    ) -> None:
        """Stand at a trace's first position, or where it failed; see `Cursor`."""
        super().__init__(trace, tick, live)
        self.lang = lang
        self.displays: dict[str, str] = {}
        self.python: Callable[[str], str] | None = None
        self.lessons: Lessons | None = None
        self.teacher: Callable[[Trace], Lessons] | None = None
        self._last = ""
        self._listed: tuple[int, str, int] | None = None  # tick, file, last line

    def do(self, line: str) -> Reply:
        """Carry out one line; several commands are parted by ``;;``, an empty one repeats the last.

        Raises:
            InputError: an unknown command or a wrong argument.
            MissingError: what it asks for is not in the recording.
        """
        if len(line) > MAX_LINE:
            raise InputError(f"a command has at most {MAX_LINE} characters, this one {len(line)}")
        line = line.strip() or self._last
        self._last = line
        replies: list[Reply] = []
        parts = line.split(";;")
        while parts and not (replies and (replies[-1].quit or replies[-1].resume)):
            replies.append(self._do_one(parts.pop(0).strip()))
        return Reply(
            "\n".join(r.text for r in replies if r.text),
            any(r.moved for r in replies),
            replies[-1].quit,
            replies[-1].resume,
            tuple(note for r in replies for note in (r.notes if r.moved else (r.text,)) if note),
            ";;".join([*filter(None, [replies[-1].rest]), *parts]),
            replies[-1].stop,
        )

    def _do_one(self, line: str) -> Reply:
        if not line or line.startswith("#"):
            return Reply()
        name, argument = _split(line)
        handler = COMMANDS.get(name)
        if handler is not None:
            return handler(self, argument)
        return self._expression(line, name)

    def _expression(self, line: str, name: str) -> Reply:
        """Anything else is an expression to print, as in pdb."""
        try:
            is_word = isinstance(parse(line).tree, ast.Name)
        except EvaluationError:
            is_word = True
        if is_word and line not in self.scope:
            hint = near(name, [*COMMANDS, *self.scope])
            raise InputError(f"no command or name {text.clean(line, 60)!r}{hint} (h for help)")
        return Reply(text.value(self.evaluate(line)))

    def describe(self) -> str:
        """Return what a stop shows: place, source line and what is new."""
        return clean_lines("\n".join(text.position(self.position, self.timeline)))

    def _displayed(self) -> list[str]:
        """Return the displays whose value is another than at the stop before."""
        lines = []
        for expression, before in self.displays.items():
            now = self._shown(expression)
            if now != before:
                lines.append(f"display {expression}: {now}")
            self.displays[expression] = now
        return lines

    def _shown(self, expression: str) -> str:
        try:
            return text.value(self.evaluate(expression))
        except TracerError:
            return "(not there)"

    def moved(self, stop: Breakpoint | None = None) -> Reply:
        """Return the answer of a command that moved."""
        if self.beyond is not None:
            return Reply(resume=True)
        reason = [self._reason(stop)] if stop is not None else []
        after = self._displayed()
        if stop is None and self.at_end and not self.live:
            after.append(self._over())
        told = "\n".join([*reason, self.describe(), *after])
        return Reply(told, moved=True, notes=(*reason, *after), stop=stop)

    def _reason(self, stop: Breakpoint) -> str:
        return text.clean(f"Breakpoint {stop.number}: {stop} (hit {stop.hits(self.tick)})")

    def _over(self) -> str:
        if self.trace.error is not None:
            cause = self.trace.error.cause
            likely = f". Likely cause: {cause.text}" if cause is not None else ""
            return text.clean(f"The run ended here: {self.trace.error.type}{likely}")
        return "This is the last step of the recording."


def _split(line: str) -> tuple[str, str]:
    """Part a command's name from its argument; ``!`` and ``?`` need no space."""
    if line[0] in "!?":
        return line[0], line[1:].strip()
    name, _, argument = line.partition(" ")
    return name, argument.strip()


def count(argument: str, default: int = 1) -> int:
    """Return how many times, from a command's argument.

    Raises:
        InputError: it is not a number from 1.
    """
    if not argument:
        return default
    if not argument.isdecimal() or int(argument) < 1:
        raise InputError(f"expected how many times (a number from 1), found {argument!r}")
    return int(argument)


def nothing(argument: str, name: str) -> None:
    """Refuse an argument.

    Raises:
        InputError: there is one.
    """
    if argument:
        raise InputError(f"{name} takes no argument, found {text.clean(argument, 60)!r}")


def expression(argument: str, name: str) -> str:
    """Return a command's argument that must be an expression.

    Raises:
        InputError: there is none.
    """
    if not argument:
        raise InputError(f"{name} needs an expression, for instance {name} x.shape")
    return argument
