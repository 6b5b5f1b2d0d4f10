"""The stepper as lines of text: for a pipe, a script, a notebook cell, or a terminal on request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracer.errors import InputError, TracerError
from tracer.record import Trace
from tracer.stepper import Reply, Stepper
from tracer.stepper.text import clean

PROMPT = "(tracer) "


def opening(stepper: Stepper) -> str:
    """Return what a session begins with: what was recorded, and where the cursor stands."""
    return f"{subject(stepper.trace)}\n{stepper.describe()}"


def subject(trace: Trace) -> str:
    """Return a recording in a line."""
    what = clean(f"{trace.kind} of {trace.subject}", 240)
    counts = f"{len(trace.calls):,} calls, {len(trace.lines):,} lines"
    failed = f", ended by {clean(trace.error.type, 60)}" if trace.error else ""
    hint = "h for help" if trace.lines else "no lines recorded: steps go over calls; h for help"
    return f"{what}: {counts}{failed} ({hint})"


def answer(stepper: Stepper, line: str) -> Reply:
    """Carry out one line; what was wrong with it comes as text, marked as pdb does."""
    try:
        return stepper.do(line)
    except TracerError as error:
        return Reply(f"*** {error}")


def session(stepper: Stepper, lines: Iterable[str]) -> Iterator[str]:
    """Yield the answer to each line, until one of them leaves."""
    for line in lines:
        reply = answer(stepper, line)
        if reply.text:
            yield reply.text
        if reply.quit:
            return


def scripted(stepper: Stepper, script: str, name: str) -> Iterator[str]:
    """Yield the transcript of a script: each command with its answer.

    Comments (``#`` to the end of a line of their own) are part of it; empty lines are not.

    Args:
        stepper: where to begin.
        script: commands, one a line.
        name: what to call the script in an error.

    Raises:
        InputError: a command is wrong; says which line.
    """
    for number, line in enumerate(script.splitlines(), 1):
        command = line.strip()
        if not command:
            continue
        if command.startswith("#"):
            yield command
            continue
        yield PROMPT + clean(command)
        try:
            reply = stepper.do(command)
        except TracerError as error:
            found = clean(command, 60)
            raise InputError(f"{name}, line {number}: {found!r}: {error}") from error
        if reply.text:
            yield reply.text
        if reply.quit:
            return


def walk(stepper: Stepper, *commands: str) -> str:
    """Return commands with their answers, as a terminal would show them: for a notebook's cell.

    Raises:
        InputError: a command is wrong; says which.
    """
    return "\n".join(scripted(stepper, "\n".join(commands), "walk"))
