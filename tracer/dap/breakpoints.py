"""A client's breakpoints as breakpoints of the stepper: which is which, and what they log."""

from __future__ import annotations

import ast
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tracer.dap.protocol import Fields, ProtocolError
from tracer.errors import MissingError, TracerError
from tracer.foreign import clean
from tracer.record.statements import first_line
from tracer.stepper import Breakpoint, Location, Stepper
from tracer.stepper import text as words
from tracer.stepper.breakpoints import no_lines
from tracer.stepper.evaluate import parse
from tracer.stepper.scope import Scope

_HITS = re.compile(r"(>=|<=|==|=|>|<|%)?\s*(\d{1,9})", re.ASCII)
_HOLE = re.compile(r"\{([^{}]+)\}")

MOST_LOGGED = 200
"""Messages of one movement that are shown."""


@dataclass
class Breakpoints:
    """What a client has set.

    Attributes:
        groups: the numbers of each group of breakpoints that are set together: of a source file
            ``"line FILE"``, else ``"function"``, ``"data"`` and ``"exception"``.
        messages: what is logged in place of stopping, by number.
        raised: what kind of exception a number stands for.
    """

    groups: dict[str, list[int]] = field(default_factory=dict)
    messages: dict[int, str] = field(default_factory=dict)
    raised: dict[int, str] = field(default_factory=dict)

    def clear(self, group: str, stepper: Stepper) -> None:
        """Remove a group, which is about to be set anew."""
        for number in self.groups.pop(group, []):
            stepper.breakpoints.pop(number, None)
            self.messages.pop(number, None)
            self.raised.pop(number, None)

    def add(self, group: str, stepper: Stepper, location: Location, asked: Fields) -> Breakpoint:
        """Set a breakpoint as a client asks for it, or one that logs.

        Args:
            group: which it belongs to.
            stepper: where it is set.
            location: its place.
            asked: the client's ``condition``, ``hitCondition`` and ``logMessage``.

        Raises:
            TracerError: it cannot be; says why.
        """
        message = asked.text("logMessage", "")
        every = counted(asked.text("hitCondition", ""))
        added = stepper.add_at(location, asked.text("condition", ""), every=every)
        self.groups.setdefault(group, []).append(added.number)
        if message:
            added.enabled = False
            self.messages[added.number] = message
        return added

    def kind(self, number: int) -> str:
        """Return the protocol's word for what stops at a breakpoint."""
        group = next((g for g, numbers in self.groups.items() if number in numbers), "")
        if group in ("function", "data"):
            return f"{group} breakpoint"
        return "exception" if group == "exception" else "breakpoint"

    def logged(self, stepper: Stepper, before: int) -> list[str]:
        """Return what is logged on the way from a tick to where the stepper stands."""
        here, found = stepper.tick, []
        for number, message in self.messages.items():
            ticks = stepper.breakpoints[number].ticks if number in stepper.breakpoints else []
            low, high = (before + 1, here + 1) if before < here else (here, before)
            between = ticks[bisect_left(ticks, low) : bisect_left(ticks, high)]
            found += [(tick, message) for tick in between]
        found.sort(reverse=before > here)
        at = stepper.timeline.at
        scopes = ((message, Scope(stepper.timeline, at(t))) for t, message in found[:MOST_LOGGED])
        lines = [filled(message, scope) for message, scope in scopes]
        left_out = len(found) - len(lines)
        return lines + ([f"… {left_out:,} more messages"] if left_out else [])


def counted(text: str) -> str:
    """Return the expression over ``hits`` that a hit condition stands for, ``""`` for none.

    Raises:
        ProtocolError: it is not understood.
    """
    text = text.strip()
    if not text:
        return ""
    found = _HITS.fullmatch(text)
    if found is None:
        raise ProtocolError(
            f"a hit condition is a number, or >, >=, <, <=, == or % before one (>= 3, % 2); found "
            f"{clean(text, 40)!r}"
        )
    sign, number = found[1] or "==", int(found[2])
    if sign == "%":
        if not number:
            raise ProtocolError("a hit condition cannot be % 0")
        return f"hits % {number} == 0"
    return f"hits {'==' if sign == '=' else sign} {number}"


def filled(message: str, scope: Scope) -> str:
    """Return a message with the values of its ``{expressions}``."""

    def value(hole: re.Match[str]) -> str:
        try:
            return words.value(parse(hole[1]).evaluate(scope))
        except TracerError as error:
            return f"({error})"

    return _HOLE.sub(value, message)


# --- lines ----------------------------------------------------------------------------------------


class RanLines:
    """The lines of each source file where a run can be stopped."""

    def __init__(self, stepper: Stepper) -> None:
        """Collect what ran: executed lines, and the ``def`` lines of calls."""
        self._trace = trace = stepper.trace
        found: dict[str, set[int]] = {}
        for call in trace.calls:
            if call.source is not None and call.source.file in trace.sources:
                found.setdefault(call.source.file, set()).add(call.source.line)
        for line in trace.lines:
            source = trace.calls[line.call].source
            if source is not None:
                found.setdefault(source.file, set()).add(line.line)
        self._lines = {file: sorted(lines) for file, lines in found.items()}

    def require(self) -> None:
        """See that lines were recorded at all.

        Raises:
            MissingError: none was; says how to record them.
        """
        if not self._trace.lines:
            raise MissingError(no_lines("a breakpoint on a line"))

    def of(self, file: str) -> list[int]:
        """Return the lines of a file, in order."""
        return self._lines.get(file, [])

    def nearest(self, file: str, line: int) -> int:
        """Return a line where the run can stop: this one, its statement, or the next that ran.

        Raises:
            MissingError: there is none in the same function; says why.
        """
        lines = self.of(file)
        if not lines:
            raise MissingError(f"{clean(file)} did not run in this recording")
        for wanted in (line, first_line(self._trace.sources, file, line)):
            if wanted in lines:
                return wanted
        return self._next(file, line, lines)

    def _next(self, file: str, line: int, lines: list[int]) -> int:
        index = bisect_left(lines, line)
        text = self._trace.sources[file].text if file in self._trace.sources else ""
        around = innermost(text, line)
        if around is None:
            if index < len(lines):
                return lines[index]
            raise MissingError(f"nothing from line {line} of {clean(file)} on ran")
        name, span = around
        if index < len(lines) and lines[index] in span:
            return lines[index]
        if any(ran in span for ran in lines):
            raise MissingError(f"no line of {name} from {line} on ran in this recording")
        raise MissingError(f"{name} did not run in this recording")


def innermost(text: str, line: int) -> tuple[str, range] | None:
    """Return the name and the lines of the innermost function around a line, if any."""
    around = [(name, span) for name, span in functions(text) if line in span]
    return min(around, key=lambda found: len(found[1]), default=None)


@lru_cache(maxsize=64)
def functions(text: str) -> tuple[tuple[str, range], ...]:
    """Return the name and the lines of every function in a source text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(
        (node.name, range(node.lineno, (node.end_lineno or node.lineno) + 1))
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )


def described(stepper: Stepper, breakpoint: Breakpoint, **more: Any) -> dict[str, Any]:
    """Return a breakpoint as the protocol has it, with what is odd about it."""
    if not breakpoint.ticks and breakpoint.condition is not None and not stepper.live:
        more.setdefault("message", "its condition never holds in this recording")
    return {"id": breakpoint.number, "verified": True, **more}


def refused(error: TracerError, **more: Any) -> dict[str, Any]:
    """Return a breakpoint that cannot be, with the reason."""
    return {"verified": False, "message": str(error), **more}


def hit(stepper: Stepper, numbers: Iterable[int]) -> list[int]:
    """Return which breakpoints stop where the stepper stands."""
    there = (stepper.breakpoints[n] for n in numbers if n in stepper.breakpoints)
    return [b.number for b in there if b.enabled and stepper.tick in b.ticks]
