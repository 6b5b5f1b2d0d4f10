"""Requests that look at what was recorded where the cursor stands."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tracer.dap.moving import arrived
from tracer.dap.protocol import Fields, ProtocolError
from tracer.dap.session import THREAD, Session, request
from tracer.dap.variables import Group, attempt, counts, state_of
from tracer.errors import MissingError
from tracer.foreign import clean
from tracer.record import Call, Source
from tracer.stepper import COMMANDS, Position, Timeline, address
from tracer.stepper import text as words
from tracer.stepper.breakpoints import find_file
from tracer.stepper.evaluate import FUNCTIONS
from tracer.stepper.readable import NAMES, TensorView, TreeView, module_value
from tracer.stepper.scope import Scope

Body = dict[str, Any]

MOST_BYTES = 2**20
"""Bytes of a tensor that are sent at once."""


@request("threads", needs="stepper")
def threads(session: Session, fields: Fields) -> Body:
    """The one clock of the recording."""
    trace = session.cursor.trace
    name = session.say(f"thread.{trace.kind}", subject=clean(trace.subject, 80))
    return {"threads": [{"id": THREAD, "name": name}]}


@request("stackTrace")
def stack_trace(session: Session, fields: Fields) -> Body:
    """The calls that are running, the innermost first."""
    if fields.whole("threadId") != THREAD:
        raise ProtocolError(f"there is one thread, {THREAD}")
    ids = session.frame_ids()
    start, levels = fields.whole("startFrame", 0), fields.whole("levels", 0)
    chosen = ids[start : start + levels if levels else None]
    stack = session.cursor.stack
    frames = [_frame(session, number, stack[number - ids.start]) for number in chosen]
    return {"stackFrames": frames, "totalFrames": len(ids)}


def _frame(session: Session, number: int, call: Call) -> Body:
    cursor, entry = session.cursor, session.frame(number)
    place = cursor.timeline.place(call, cursor.tick)
    found: Body = {"id": number, "name": _frame_name(session, call, entry), "canRestart": True}
    found |= {"line": 0, "column": 0} if place is None else _place(session, place)
    if place is not None and (package := _package(session, place.file)):
        found["moduleId"] = package
    return found


def _frame_name(session: Session, call: Call, entry: int) -> str:
    """Return a frame's name; of the innermost one, whether it begins, returns or raises."""
    name, position = words.call_name(call), session.cursor.position
    if entry or position.kind == "line":
        return name
    kind = "exception" if position.kind == "end" and call.error else position.kind
    return f"{name} · {session.say(f'at.{kind}')}"


def _place(session: Session, place: Source) -> Body:
    return {
        "source": session.files.described(place.file),
        "line": session.line_to(place.line),
        "column": session.columns_from,
    }


def _package(session: Session, file: str) -> str:
    source = session.cursor.trace.sources.get(file)
    return clean(source.package, 200) if source else ""


# --- values ---------------------------------------------------------------------------------------


@request("scopes")
def scopes(session: Session, fields: Fields) -> Body:
    """What a frame's names hold: all of them, what is new, the result, the module."""
    entry = session.frame(fields.whole("frameId"))
    cursor = session.cursor
    call = cursor.stack[entry]
    scope = Scope(cursor.timeline, cursor.position, call)
    groups: list[tuple[str, str, Any]] = [
        ("result", "returnValue", _result(scope)),
        ("locals", "locals", _group(scope, cursor.timeline.locals(call, cursor.tick))),
        ("changed", "", _group(scope, _changed(session, call, entry))),
        ("arguments", "arguments", _passed(cursor.timeline, call)),
    ]
    module = module_value(cursor.trace, call.path) if call.kind == "module" else None
    if module is not None:
        groups.append(("module", "", cursor.timeline.reader(cursor.tick)(module)))
    return {"scopes": [_scope(session, *each) for each in groups if counts(each[2])[0]]}


def _result(scope: Scope) -> Group:
    """Return what the call returned, where it ends: a local may be called ``result`` too."""
    ended = "__return__" in scope
    return Group((("result", partial(_read, scope, "__return__")),) if ended else ())


def _changed(session: Session, call: Call, entry: int) -> list[str]:
    """Return the names that the last line of a call changed; at its start, the arguments."""
    timeline, tick = session.cursor.timeline, session.cursor.tick
    if entry == 0:
        return list(timeline.changed(session.cursor.position))
    line = timeline.line(call, tick)
    return list(timeline.changed(Position(line.tick, "line", call, line))) if line else []


def _passed(timeline: Timeline, call: Call) -> Group:
    """Return the arguments as they were at the start of a call; what they are now is in the locals.

    No expression gives them once the call has gone on.
    """
    scope = Scope(timeline, timeline.at(call.start), call)
    return replace(_group(scope, [name for name, _ in call.args.items]), expressions=False)


def _group(scope: Scope, names: Any) -> Group:
    return Group(tuple((name, partial(_read, scope, name)) for name in names))


def _read(scope: Scope, name: str) -> Any:
    if name not in scope:
        raise MissingError("deleted")
    return scope[name]


def _scope(session: Session, key: str, hint: str, group: Any) -> Body:
    return {
        "name": session.say(f"scope.{key}"),
        **({"presentationHint": hint} if hint else {}),
        "variablesReference": session.references.add(group, "self" if key == "module" else ""),
        "namedVariables": counts(group)[0],
        "expensive": False,
    }


@request("variables")
def variables(session: Session, fields: Fields) -> Body:
    """The parts of a value."""
    reference = fields.whole("variablesReference")
    page = (fields.text("filter", ""), fields.whole("start", 0), fields.whole("count", 0))
    return {"variables": session.references.opened(reference, *page)}


@request("evaluate")
def evaluate(session: Session, fields: Fields) -> Body:
    """The value of an expression; in the console, a command of the stepper too."""
    text, context = fields.text("expression"), fields.text("context", "")
    with session.at_frame(fields) as cursor:
        if context == "repl" and _is_command(text):
            return _command(session, text)
        return session.references.result(cursor.evaluate(text), text)


def _is_command(text: str) -> bool:
    """Whether a line of the console is a command rather than an expression."""
    word = text.strip().partition(" ")[0]
    return word in COMMANDS or text.strip()[:1] in ("!", "?") or ";;" in text or not word


def _command(session: Session, text: str) -> Body:
    cursor = session.cursor
    before, known = cursor.tick, set(cursor.breakpoints)
    reply = cursor.do(text)
    if reply.quit:
        session.afterwards(session.terminate)
    elif reply.resume or reply.moved or cursor.tick != before:
        session.rest = reply.rest
        session.afterwards(lambda: arrived(session, before, reply.stop, "goto"))
    _tell_breakpoints(session, known)
    return {"result": reply.text, "variablesReference": 0}


def _tell_breakpoints(session: Session, known: set[int]) -> None:
    """Hand the client the breakpoints on lines that a command has set, and say which are gone."""
    there = session.cursor.breakpoints
    for number in sorted(there.keys() - known):
        place = there[number].location
        if place.kind == "line":
            file = find_file(place.name, session.files)
            session.breakpoints.groups.setdefault(f"line {file}", []).append(number)
            at = {"source": session.files.described(file), "line": session.line_to(place.line)}
            _tell_breakpoint(session, "new", {"id": number, "verified": True, **at})
    for number in sorted(known - there.keys()):
        _tell_breakpoint(session, "removed", {"id": number, "verified": False})


def _tell_breakpoint(session: Session, reason: str, body: Body) -> None:
    session.afterwards(partial(session.event, "breakpoint", reason=reason, breakpoint=body))


@request("completions")
def completions(session: Session, fields: Fields) -> Body:
    """What a name that was begun may become."""
    text = fields.text("text").split("\n")[-1]
    column = max(0, fields.whole("column") - session.columns_from)
    with session.at_frame(fields):
        return {"targets": list(_completions(session, text[:column]))}


def _completions(session: Session, text: str) -> Iterator[Body]:
    found = re.search(r"((?:\w+(?:\[[^\[\]]*\])?\.)*)(\w*)$", text)
    assert found is not None
    owner, begun = found[1].removesuffix("."), found[2]
    kinds = _names_in(session, owner) if owner else _names(session, text.strip() == begun)
    for name, kind in kinds:
        if name.startswith(begun) and name != begun:
            start = len(text) - len(begun)
            yield {"label": name, "type": kind, "start": start, "length": len(begun)}


def _names(session: Session, begins: bool) -> Iterator[tuple[str, str]]:
    yield from ((name, "variable") for name in session.cursor.scope)
    yield from ((name, "function") for name in FUNCTIONS)
    if begins:
        yield from ((name, "keyword") for name in COMMANDS if name.isalpha())


def _names_in(session: Session, owner: str) -> Iterator[tuple[str, str]]:
    """Yield the names that can follow a dot."""
    value = attempt(lambda: session.cursor.evaluate(owner))
    if isinstance(value, TensorView):
        yield from ((name, "property") for name in NAMES)
    elif isinstance(value, TreeView):
        names = (name for name, _ in value.value.items if name.isidentifier())
        yield from ((clean(name, 200), "field") for name in names)


@request("readMemory")
def read_memory(session: Session, fields: Fields) -> Body:
    """The bytes of a tensor whose values were kept."""
    array = session.cursor.trace.data(state_of(fields.text("memoryReference")))
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    offset, count = fields.any("offset") or 0, min(fields.whole("count"), MOST_BYTES)
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise ProtocolError("arguments.offset is a whole number")
    first = min(max(0, offset), len(data))
    found = data[first : max(first, offset + count)].tobytes()
    missing = count - len(found)
    return {
        "address": hex(first),
        "data": base64.b64encode(found).decode("ascii"),
        **({"unreadableBytes": missing} if missing else {}),
    }


# --- sources --------------------------------------------------------------------------------------


@request("source", needs="stepper")
def source(session: Session, fields: Fields) -> Body:
    """The recorded text of a file."""
    asked = fields.fields("source")
    reference = fields.whole("sourceReference", 0) or asked.whole("sourceReference", 0)
    file = session.files.file(asked.text("path", ""), reference)
    return {"content": session.files.text(file), "mimeType": "text/x-python"}


@request("loadedSources", needs="stepper")
def loaded_sources(session: Session, fields: Fields) -> Body:
    """The files whose text was recorded."""
    return {"sources": [session.files.described(file) for file in session.cursor.trace.sources]}


@request("modules", needs="stepper")
def modules(session: Session, fields: Fields) -> Body:
    """The packages whose files were recorded."""
    packages: dict[str, Any] = {}
    for file, recorded in session.cursor.trace.sources.items():
        if recorded.package:
            packages.setdefault(clean(recorded.package, 200), file)
    start, count = fields.whole("startModule", 0), fields.whole("moduleCount", 0)
    chosen = list(packages.items())[start : start + count if count else None]
    return {"modules": [_module(*it) for it in chosen], "totalModules": len(packages)}


def _module(package: str, file: str) -> Body:
    name, _, version = package.partition(" ")
    return {"id": package, "name": name, "version": version}


# --- exceptions -----------------------------------------------------------------------------------


@request("exceptionInfo")
def exception_info(session: Session, fields: Fields) -> Body:
    """What was raised, or that a NaN or Inf has appeared."""
    kind = session.raised()
    if not kind:
        raise ProtocolError("the run does not stand at an exception")
    if kind != "raised":
        new = "; ".join(_new(session, kind))
        return {"exceptionId": kind.upper(), "description": new, "breakMode": "always"}
    error = session.error()
    name, _, message = error.partition(": ")
    failure = session.cursor.trace.error
    told = clean(message, 2000)
    if failure is not None and failure.cause is not None:
        told += f" ({session.say('cause', text=clean(failure.cause.text, 1000))})"
    details = {"message": clean(message, 2000), "typeName": clean(name, 200)}
    if failure is not None and failure.traceback and failure.type == name:
        details["stackTrace"] = failure.traceback
    return {
        "exceptionId": clean(name, 200) or "Exception",
        "description": told,
        "breakMode": "always",
        "details": details,
    }


def _new(session: Session, kind: str) -> Iterator[str]:
    """Yield what is new here and holds a NaN, or an Inf."""
    cursor = session.cursor
    for name, value in cursor.timeline.changed(cursor.position).items():
        read = cursor.timeline.reader(cursor.tick)(value)
        if _holds(read, kind):
            yield f"{clean(name, 60)} = {words.value(read)}"
    if "result" in cursor.scope and _holds(cursor.scope["result"], kind):
        yield f"result = {words.value(cursor.scope['result'])}"


def _holds(value: Any, kind: str) -> bool:
    return bool(FUNCTIONS[f"has_{kind}"](value))


# --- of our own -----------------------------------------------------------------------------------


@request("tracer/position")
def where(session: Session, fields: Fields) -> Body:
    """Where the cursor stands: its step, and the address at which the page opens there."""
    cursor = session.cursor
    return {
        "step": cursor.tick,
        "last": cursor.timeline.ticks[-1],
        "call": clean(cursor.stack[0].label),
        "address": address.of(cursor.timeline, cursor.position),
        "recording": session.recording,
    }
