"""Requests that move the cursor, forwards and backwards: each is a movement of the stepper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracer.dap.breakpoints import hit
from tracer.dap.protocol import Fields, ProtocolError
from tracer.dap.session import Session, request
from tracer.record import Line
from tracer.stepper import Breakpoint, Position
from tracer.stepper import text as words

Body = dict[str, Any]

MOST_TARGETS = 100
"""Places that can be chosen from."""


def move(session: Session, go: Callable[[], Breakpoint | None], reason: str = "step") -> None:
    """Move, and tell the client where once the request has been answered."""
    before = session.cursor.tick
    stop = go()
    session.afterwards(lambda: arrived(session, before, stop, reason))


def arrived(session: Session, before: int, stop: Breakpoint | None, reason: str) -> None:
    """Tell the client what was logged on the way, and where the cursor stands.

    Args:
        session: the client's.
        before: where the cursor stood.
        stop: the breakpoint that stopped it, if one did.
        reason: what did otherwise.
    """
    cursor = session.cursor
    session.arrive(stop)
    if reason != "goto":
        for line in session.breakpoints.logged(cursor, before):
            session.tell(line)
    if cursor.beyond is not None:
        session.resumed = True
        return
    if stop is None:
        if reason == "continue":
            session.stopped("pause", description=session.say(_edge(session)))
        else:
            session.stopped(reason)
        return
    kind = session.breakpoints.kind(stop.number)
    ids = hit(cursor, {*cursor.breakpoints, stop.number}) or [stop.number]
    text = session.say(f"raised.{session.raised()}") if kind == "exception" else ""
    session.stopped(kind, ids, text=text)


def _edge(session: Session) -> str:
    return "edge.last" if session.cursor.at_end else "edge.first"


def _frames(session: Session, fields: Fields) -> None:
    """Let a movement count from the innermost frame: clients step threads."""
    fields.whole("threadId", 1)
    session.cursor.selected = 0


@request("next")
def next_(session: Session, fields: Fields) -> None:
    """To the next line of the same call, or its end."""
    _frames(session, fields)
    move(session, session.cursor.over)


@request("stepIn")
def step_in(session: Session, fields: Fields) -> None:
    """Into whatever comes next, or into the call that was chosen."""
    _frames(session, fields)
    cursor = session.cursor
    if "targetId" in fields:
        start = _target(session, fields.whole("targetId"))
        move(session, lambda: cursor.to(start))
    else:
        ops = fields.text("granularity", "line") == "instruction"
        move(session, lambda: cursor.into(ops))


def _target(session: Session, number: int) -> int:
    """Return the start of a call that the current line is yet to make."""
    for call in _callable(session, 0):
        if call.id == number:
            return int(call.start)
    raise ProtocolError(f"there is no call {number} to step into here")


def _callable(session: Session, entry: int) -> list[Any]:
    """Return the calls that the line of a frame makes from here on."""
    cursor = session.cursor
    line = cursor.timeline.line(cursor.stack[entry], cursor.tick)
    made = cursor.timeline.calls_of_line(line) if isinstance(line, Line) else ()
    return [call for call in made if call.start > cursor.tick]


@request("stepInTargets")
def step_in_targets(session: Session, fields: Fields) -> Body:
    """The calls that the line is about to make."""
    entry = session.frame(fields.whole("frameId"))
    read = session.cursor.timeline.reader(session.cursor.timeline.ticks[-1])
    targets = _callable(session, entry)[:MOST_TARGETS] if entry == 0 else []
    return {"targets": [{"id": c.id, "label": words.op(c, read)} for c in targets]}


@request("stepOut")
def step_out(session: Session, fields: Fields) -> None:
    """To the end of the call."""
    _frames(session, fields)
    move(session, session.cursor.out)


@request("stepBack")
def step_back(session: Session, fields: Fields) -> None:
    """Back to the line before in the same call, or its start."""
    _frames(session, fields)
    cursor = session.cursor
    ops = fields.text("granularity", "line") == "instruction"
    move(session, (lambda: cursor.back_into(True)) if ops else cursor.back_over)


@request("continue")
def continue_(session: Session, fields: Fields) -> Body:
    """To the next breakpoint, or the end."""
    _frames(session, fields)
    move(session, session.cursor.on, "continue")
    return {"allThreadsContinued": True}


@request("reverseContinue")
def reverse_continue(session: Session, fields: Fields) -> None:
    """Back to the breakpoint before, or the first step."""
    _frames(session, fields)
    move(session, session.cursor.back_on, "continue")


@request("pause", needs="stepper")
def pause(session: Session, fields: Fields) -> None:
    """Stand still: a recording always does."""
    session.pauses = session.running
    if not session.running:
        session.afterwards(lambda: session.stopped("pause"))


def jump(session: Session, tick: int, reason: str) -> None:
    """Stand at a tick, past any breakpoint."""
    before = session.cursor.tick
    session.cursor.goto(tick)
    session.afterwards(lambda: arrived(session, before, None, reason))


@request("restartFrame")
def restart_frame(session: Session, fields: Fields) -> None:
    """Back to the start of a frame's call."""
    call = session.cursor.stack[session.frame(fields.whole("frameId"))]
    jump(session, call.start, "restart")


@request("gotoTargets")
def goto_targets(session: Session, fields: Fields) -> Body:
    """The times that a line ran, those nearest to the cursor, in order."""
    source = fields.fields("source")
    file = session.files.file(source.text("path", ""), source.whole("sourceReference", 0))
    line = session.ran.nearest(file, session.line_from(fields.whole("line")))
    cursor, here = session.cursor, session.cursor.tick
    found = [p for p in cursor.timeline.positions if _runs(p, file, line)]
    near = sorted(sorted(found, key=lambda p: abs(p.tick - here))[:MOST_TARGETS], key=_tick)
    targets = [
        {"id": p.tick, "label": _label(session, p), "line": session.line_to(line)} for p in near
    ]
    return {"targets": targets}


def _runs(position: Position, file: str, line: int) -> bool:
    source = position.call.source
    if source is None or source.file != file or position.kind == "end":
        return False
    return (position.line or source).line == line


def _tick(position: Position) -> int:
    return position.tick


def _label(session: Session, position: Position) -> str:
    """Return a position as one chooses it from a list."""
    timeline = session.cursor.timeline
    rounds = timeline.iteration(position.line) if position.line else 0
    key = "goto.round" if rounds else "goto.step"
    return session.say(key, call=words.call_name(position.call), tick=position.tick, round=rounds)


@request("goto")
def goto(session: Session, fields: Fields) -> None:
    """Stand at a step that was chosen."""
    _frames(session, fields)
    jump(session, fields.whole("targetId"), "goto")
