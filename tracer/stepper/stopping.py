"""Commands that set breakpoints and change them."""

from __future__ import annotations

from tracer.stepper import text
from tracer.stepper.breakpoints import Breakpoint
from tracer.stepper.language import Reply, Stepper, command, count, expression


@command("b", "break")
def break_(stepper: Stepper, argument: str) -> Reply:
    """Set a breakpoint, or list them."""
    return _set(stepper, argument, temporary=False) if argument else _listing(stepper)


@command("tbreak")
def tbreak(stepper: Stepper, argument: str) -> Reply:
    """Set a breakpoint that stops once."""
    return _set(stepper, argument, temporary=True) if argument else _listing(stepper)


def _set(stepper: Stepper, argument: str, temporary: bool) -> Reply:
    place, _, condition = argument.partition(",")
    added = stepper.add_breakpoint(place.strip(), condition.strip(), temporary)
    return Reply(_added(stepper, added))


@command("watch")
def watch(stepper: Stepper, argument: str) -> Reply:
    """Stop where a condition becomes true."""
    return Reply(_added(stepper, stepper.add_watch(expression(argument, "watch"))))


def _added(stepper: Stepper, added: Breakpoint) -> str:
    if stepper.live:
        return text.clean(f"Breakpoint {added.number}: {added}")
    steps = ", ".join(map(str, added.ticks[:4])) + (", …" if len(added.ticks) > 4 else "")
    places = f"{len(added.ticks)} places" if len(added.ticks) != 1 else "1 place"
    where = f"step {steps}" if added.ticks else "its condition never holds"
    return text.clean(f"Breakpoint {added.number}: {added}: {places}, {where}")


def _listing(stepper: Stepper) -> Reply:
    lines = []
    for b in stepper.breakpoints.values():
        marks = [
            "" if b.enabled else " (disabled)",
            " (temporary)" if b.temporary else "",
            f" (ignores {len(b.ignored)})" if b.ignored else "",
        ]
        hits = b.hits(stepper.tick)
        lines.append(f"{b.number:>3} {b}{''.join(marks)}: hit {hits} of {len(b.ticks)} so far")
    return Reply("\n".join(map(text.clean, lines)) or "no breakpoints")


@command("cl", "clear")
def clear(stepper: Stepper, argument: str) -> Reply:
    """Remove breakpoints."""
    chosen = _chosen(stepper, argument) if argument else list(stepper.breakpoints.values())
    for breakpoint in chosen:
        del stepper.breakpoints[breakpoint.number]
    return Reply("\n".join(text.clean(f"Deleted breakpoint {b.number}: {b}") for b in chosen))


def _chosen(stepper: Stepper, argument: str) -> list[Breakpoint]:
    """Return breakpoints by number, or by place as they were set."""
    by_place = [b for b in stepper.breakpoints.values() if str(b.location) == argument]
    return by_place or [stepper.breakpoint(number) for number in argument.split()]


@command("disable")
def disable(stepper: Stepper, argument: str) -> Reply:
    """Let breakpoints rest."""
    return _enable(stepper, argument, False)


@command("enable")
def enable(stepper: Stepper, argument: str) -> Reply:
    """Let breakpoints stop again."""
    return _enable(stepper, argument, True)


def _enable(stepper: Stepper, argument: str, enabled: bool) -> Reply:
    chosen = _chosen(stepper, argument) if argument else list(stepper.breakpoints.values())
    for breakpoint in chosen:
        breakpoint.enabled = enabled
    word = "Enabled" if enabled else "Disabled"
    return Reply("\n".join(text.clean(f"{word} breakpoint {b.number}: {b}") for b in chosen))


@command("ignore")
def ignore(stepper: Stepper, argument: str) -> Reply:
    """Pass over the next hits of a breakpoint."""
    number, _, times = argument.partition(" ")
    breakpoint = stepper.breakpoint(number)
    hits = 0 if times.strip() in ("", "0") else count(times.strip())
    breakpoint.ignore(stepper.tick, hits)
    return Reply(f"Breakpoint {number} passes over its next {len(breakpoint.ignored)} places")


@command("condition")
def condition(stepper: Stepper, argument: str) -> Reply:
    """Give a breakpoint another condition, or none."""
    number, _, wanted = argument.partition(" ")
    breakpoint = stepper.breakpoint(number)
    stepper.set_condition(breakpoint, wanted.strip())
    return Reply(_added(stepper, breakpoint))
