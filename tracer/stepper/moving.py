"""Commands that move the cursor."""

from __future__ import annotations

from collections.abc import Callable

from tracer.errors import InputError, MissingError
from tracer.record import query
from tracer.stepper import text
from tracer.stepper.breakpoints import Breakpoint
from tracer.stepper.language import Reply, Stepper, command, count, nothing


def _repeated(
    stepper: Stepper, move: Callable[[], Breakpoint | None], argument: str, name: str
) -> Reply:
    """Move several times, but not past a breakpoint, nor past the present of a live run."""
    stop, times = None, count(argument)
    for done in range(1, times + 1):
        before = stepper.tick
        stop = move()
        if stepper.beyond is not None:
            return Reply(resume=True, rest=f"{name} {times - done}" if times > done else "")
        if stop is not None or stepper.tick == before:
            break
    return stepper.moved(stop)


@command("s", "step")
def step(stepper: Stepper, argument: str) -> Reply:
    """Into whatever comes next."""
    ops, argument = _asks_ops(argument)
    return _repeated(stepper, lambda: stepper.into(ops), argument, "s op" if ops else "s")


@command("rs", "reverse-step")
def reverse_step(stepper: Stepper, argument: str) -> Reply:
    """Back to whatever came before."""
    ops, argument = _asks_ops(argument)
    return _repeated(stepper, lambda: stepper.back_into(ops), argument, "rs")


def _asks_ops(argument: str) -> tuple[bool, str]:
    word, _, rest = argument.partition(" ")
    return (True, rest.strip()) if word in ("op", "ops") else (False, argument)


@command("n", "next")
def next_line(stepper: Stepper, argument: str) -> Reply:
    """To the next line of the same call, or its end."""
    return _repeated(stepper, stepper.over, argument, "n")


@command("rn", "reverse-next")
def reverse_next(stepper: Stepper, argument: str) -> Reply:
    """Back to the line before in the same call, or its start."""
    return _repeated(stepper, stepper.back_over, argument, "rn")


@command("r", "return")
def return_(stepper: Stepper, argument: str) -> Reply:
    """To the end of the call."""
    nothing(argument, "r")
    return stepper.moved(stepper.out())


@command("rr", "reverse-finish")
def reverse_finish(stepper: Stepper, argument: str) -> Reply:
    """Back to the start of the call."""
    nothing(argument, "rr")
    return stepper.moved(stepper.back_out())


@command("c", "cont", "continue")
def continue_(stepper: Stepper, argument: str) -> Reply:
    """To the next breakpoint, or the end."""
    nothing(argument, "c")
    return stepper.moved(stepper.on())


@command("rc", "reverse-continue")
def reverse_continue(stepper: Stepper, argument: str) -> Reply:
    """Back to the breakpoint before, or the first step."""
    nothing(argument, "rc")
    return stepper.moved(stepper.back_on())


@command("unt", "until")
def until(stepper: Stepper, argument: str) -> Reply:
    """To a line further down, or the end of the call."""
    if argument and not argument.isdecimal():
        raise InputError(f"until takes a line number, found {text.clean(argument, 60)!r}")
    return stepper.moved(stepper.until(int(argument) if argument else None))


@command("goto", "g")
def goto(stepper: Stepper, argument: str) -> Reply:
    """To a step by its number, or to a call by its label, path or stage."""
    if not argument:
        raise InputError("goto needs a step (a number), a call (rpn.head.conv#3) or a stage (fpn)")
    tick = int(argument) if argument.isdecimal() else query.find_call(stepper.trace, argument).start
    stepper.goto(tick)
    return stepper.moved()


@command("first")
def first(stepper: Stepper, argument: str) -> Reply:
    """To the first step."""
    stepper.goto(stepper.timeline.ticks[0])
    return stepper.moved()


@command("last")
def last(stepper: Stepper, argument: str) -> Reply:
    """To the last step."""
    stepper.goto(stepper.timeline.ticks[-1])
    return stepper.moved()


@command("]")
def next_stage(stepper: Stepper, argument: str) -> Reply:
    """To where the next stage begins."""
    return _to_stage(stepper, [t for t in stepper.stage_starts() if t > stepper.tick][:1], "after")


@command("[")
def previous_stage(stepper: Stepper, argument: str) -> Reply:
    """To where this stage begins, or the one before it."""
    return _to_stage(
        stepper, [t for t in stepper.stage_starts() if t < stepper.tick][-1:], "before"
    )


def _to_stage(stepper: Stepper, found: list[int], where: str) -> Reply:
    if not found:
        raise MissingError(f"no stage begins {where} step {stepper.tick}")
    stepper.goto(found[0])
    return stepper.moved()


@command("find", "/")
def find(stepper: Stepper, argument: str) -> Reply:
    """To the next place with a text."""
    if not argument:
        raise InputError(
            "find needs a text: of a source line, a call, a class or a shape (256x*x*)"
        )
    stepper.find(argument)
    return stepper.moved()
