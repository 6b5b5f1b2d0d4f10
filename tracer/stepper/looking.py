"""Commands that look at what was recorded where the cursor stands."""

from __future__ import annotations

from tracer.errors import InputError, MissingError, near
from tracer.record import Call
from tracer.stepper import text
from tracer.stepper.breakpoints import no_lines
from tracer.stepper.evaluate import parse
from tracer.stepper.help import help_on, help_overview
from tracer.stepper.language import COMMANDS, Reply, Stepper, command, count, expression

MOST_ENTRIES = 100
"""Of a longer stack, so many entries of its outer end and of its inner one are shown."""


@command("u", "up")
def up(stepper: Stepper, argument: str) -> Reply:
    """Look at the caller."""
    return _select(stepper, stepper.selected + count(argument), "the outermost call")


@command("d", "down")
def down(stepper: Stepper, argument: str) -> Reply:
    """Look at the callee again."""
    return _select(stepper, stepper.selected - count(argument), "the innermost call")


def _select(stepper: Stepper, wanted: int, edge: str) -> Reply:
    index = max(0, min(wanted, len(stepper.stack) - 1))
    if index == stepper.selected:
        raise MissingError(f"this is {edge} already")
    stepper.selected = index
    return Reply("\n".join(_entry(stepper, stepper.call, "> ")))


def _entry(stepper: Stepper, call: Call, mark: str) -> list[str]:
    place = stepper.timeline.place(call, stepper.tick)
    line = text.source_line(stepper.timeline, place)
    return [f"{mark}{text.where(call, place)}", *([f"-> {line}"] if line else [])]


@command("w", "where", "bt")
def where(stepper: Stepper, argument: str) -> Reply:
    """The stack of calls, the innermost last."""
    stack, selected = stepper.stack[::-1], stepper.call
    left_out = len(stack) - 2 * MOST_ENTRIES
    lines: list[str] = []
    for place, call in enumerate(stack):
        if not 0 <= place - MOST_ENTRIES < left_out or call is selected:
            lines += _entry(stepper, call, "> " if call is selected else "  ")
        elif place == MOST_ENTRIES:
            lines.append(f"  … {left_out:,} calls between these")
    return Reply("\n".join(lines))


@command("l", "list")
def list_source(stepper: Stepper, argument: str) -> Reply:
    """Eleven lines of source, or further ones."""
    place = stepper.place
    if place is None or not stepper.timeline.text(place.file):
        raise MissingError(f"no source was recorded for {text.call_name(stepper.call)}")
    start, stop = _range(stepper, argument, place.file, place.line)
    stepper._listed = (stepper.tick, place.file, stop)
    return Reply("\n".join(_numbered(stepper, place.file, start, stop)))


def _range(stepper: Stepper, argument: str, file: str, line: int) -> tuple[int, int]:
    """Return the first and last line to list."""
    if not argument:
        listed = stepper._listed
        goes_on = listed is not None and listed[:2] == (stepper.tick, file)
        start = listed[2] + 1 if goes_on and listed else max(1, line - 5)
        return start, start + 10
    if argument == ".":
        return max(1, line - 5), max(1, line - 5) + 10
    parts = [part.strip() for part in argument.split(",")]
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise InputError(
            f"l takes a line, FIRST, LAST or a dot; found {text.clean(argument, 60)!r}"
        )
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        return max(1, numbers[0] - 5), max(1, numbers[0] - 5) + 10
    start, stop = numbers
    return max(1, start), stop if stop >= start else start + stop


def _numbered(stepper: Stepper, file: str, start: int, stop: int) -> list[str]:
    lines = stepper.timeline.text(file)
    if start > len(lines):
        return ["[EOF]"]
    here, marks = stepper.place, stepper.marked_lines(file)
    found = []
    for number, line in enumerate(lines[start - 1 : stop], start):
        current = "->" if here is not None and here.line == number else "  "
        mark = "B" if number in marks else " "
        found.append(f"{number:>3} {mark}{current} {text.clean(line.expandtabs(4))}".rstrip())
    return found


@command("ll", "longlist")
def longlist(stepper: Stepper, argument: str) -> Reply:
    """The whole function."""
    place, call = stepper.place, stepper.call
    if place is None or call.source is None or not stepper.timeline.text(place.file):
        raise MissingError(f"no source was recorded for {text.call_name(call)}")
    start = call.source.line
    stop = text.end_of_block(stepper.timeline.text(place.file), start)
    return Reply("\n".join(_numbered(stepper, place.file, start, stop)))


@command("p")
def print_(stepper: Stepper, argument: str) -> Reply:
    """The value of an expression."""
    return Reply(text.value(stepper.evaluate(expression(argument, "p"))))


@command("pp")
def pretty_print(stepper: Stepper, argument: str) -> Reply:
    """A value in full."""
    wanted = expression(argument, "pp")
    return Reply("\n".join(text.tree(stepper.evaluate(wanted), wanted)))


@command("whatis")
def whatis(stepper: Stepper, argument: str) -> Reply:
    """The class of a value."""
    return Reply(text.kind(stepper.evaluate(expression(argument, "whatis"))))


@command("a", "args")
def args(stepper: Stepper, argument: str) -> Reply:
    """The arguments of the call."""
    names = [name for name, _ in stepper.call.args.items]
    return Reply("\n".join(_bindings(stepper, names)) or "(no arguments)")


@command("locals")
def locals_(stepper: Stepper, argument: str) -> Reply:
    """All arguments and locals of the call."""
    return Reply("\n".join(_bindings(stepper, list(stepper.locals))) or "(no locals)")


def _bindings(stepper: Stepper, names: list[str]) -> list[str]:
    scope = stepper.scope
    return [f"{text.clean(n, 60)} = {text.value(scope[n])}" for n in names if n in scope]


@command("rv", "retval")
def retval(stepper: Stepper, argument: str) -> Reply:
    """What the call returned."""
    if "__return__" not in stepper.scope:
        raise MissingError("the call has not returned yet; r goes to its end")
    return Reply("\n".join(text.tree(stepper.scope["__return__"], "returns")))


@command("ops")
def ops(stepper: Stepper, argument: str) -> Reply:
    """The calls that the line makes; or whether steps visit ops."""
    if argument in ("on", "off"):
        stepper.ops = argument == "on"
        return Reply(f"s {'visits' if stepper.ops else 'passes over'} ops")
    if argument:
        raise InputError(f"ops takes on, off or nothing; found {text.clean(argument, 60)!r}")
    line = stepper.line
    if line is None:
        raise MissingError(no_lines("ops"))
    made = stepper.timeline.calls_of_line(line)
    read = stepper.timeline.reader(stepper.timeline.ticks[-1])
    return Reply("\n".join(f"{c.start:>6} {text.op(c, read)}" for c in made) or "(no calls)")


@command("display")
def display(stepper: Stepper, argument: str) -> Reply:
    """Show an expression at every stop where it changed."""
    if not argument:
        shown = (f"display {e}: {stepper._shown(e)}" for e in stepper.displays)
        return Reply("\n".join(shown) or "nothing is displayed")
    parse(argument)
    stepper.displays[argument] = stepper._shown(argument)
    return Reply(f"display {argument}: {stepper.displays[argument]}")


@command("undisplay")
def undisplay(stepper: Stepper, argument: str) -> Reply:
    """Stop showing an expression, or all."""
    if argument and argument not in stepper.displays:
        hint = near(argument, stepper.displays)
        raise MissingError(f"{text.clean(argument, 60)!r} is not displayed{hint}")
    for shown in [argument] if argument else list(stepper.displays):
        del stepper.displays[shown]
    return Reply()


@command("h", "help", "?")
def help_(stepper: Stepper, argument: str) -> Reply:
    """Help on all commands, or on one."""
    if not argument:
        return Reply(help_overview(stepper.lang))
    if argument not in COMMANDS:
        raise MissingError(f"no command {text.clean(argument, 60)!r}{near(argument, COMMANDS)}")
    return Reply(help_on(argument, COMMANDS, stepper.lang))


@command("!")
def python(stepper: Stepper, argument: str) -> Reply:
    """Python, only in a live run."""
    if stepper.python is not None:
        return Reply(stepper.python(argument))
    raise InputError(
        "a recording runs no Python; p shows recorded values, and tracer.debug stops a live run "
        "where ! does"
    )


@command("q", "quit", "exit")
def quit_(stepper: Stepper, argument: str) -> Reply:
    """Leave."""
    return Reply(quit=True)
