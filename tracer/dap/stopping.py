"""Requests that set breakpoints: on lines, functions and stages, data, and exceptions."""

from __future__ import annotations

from typing import Any

from tracer.dap.breakpoints import described, refused
from tracer.dap.protocol import Fields, ProtocolError
from tracer.dap.session import Session, request
from tracer.dap.variables import indexed_in, named_in
from tracer.errors import MissingError, TracerError
from tracer.foreign import clean
from tracer.stepper import Breakpoint, Location
from tracer.stepper.breakpoints import read_location
from tracer.stepper.readable import TensorView

Body = dict[str, Any]

FILTERS = ("raised", "nan", "inf")
"""What an exception breakpoint can be on."""


@request("setBreakpoints", needs="stepper")
def set_breakpoints(session: Session, fields: Fields) -> Body:
    """Set all breakpoints of a source file."""
    source, asked = fields.fields("source"), fields.each("breakpoints", most=1000)
    try:
        session.ran.require()
        file = session.files.file(source.text("path", ""), source.whole("sourceReference", 0))
    except MissingError as error:
        return {"breakpoints": [refused(error) for _ in asked]}
    session.breakpoints.clear(f"line {file}", session.cursor)
    return {"breakpoints": [_on_line(session, file, each) for each in asked]}


def _on_line(session: Session, file: str, asked: Fields) -> Body:
    wanted = session.line_from(asked.whole("line"))
    there = {"source": session.files.described(file)}
    try:
        line = session.ran.nearest(file, wanted)
        location = Location("line", file, line)
        added = session.breakpoints.add(f"line {file}", session.cursor, location, asked)
    except TracerError as error:
        return refused(error, line=session.line_to(wanted), **there)
    key = "moved.live" if session.cursor.live else "moved.ran"
    moved = {} if line == wanted else {"message": session.say(key, line=line)}
    return described(session.cursor, added, line=session.line_to(line), **there, **moved)


@request("breakpointLocations", needs="stepper")
def breakpoint_locations(session: Session, fields: Fields) -> Body:
    """The lines of a part of a source file where the run can stop."""
    source = fields.fields("source")
    file = session.files.file(source.text("path", ""), source.whole("sourceReference", 0))
    first = session.line_from(fields.whole("line"))
    last = session.line_from(fields.whole("endLine")) if "endLine" in fields else first
    lines = [line for line in session.ran.of(file) if first <= line <= last]
    return {"breakpoints": [{"line": session.line_to(line)} for line in lines]}


@request("setFunctionBreakpoints", needs="stepper")
def set_function_breakpoints(session: Session, fields: Fields) -> Body:
    """Set all breakpoints on modules, functions, ops and stages."""
    asked = fields.each("breakpoints", most=1000)
    session.breakpoints.clear("function", session.cursor)
    return {"breakpoints": [_on_function(session, each) for each in asked]}


def _on_function(session: Session, asked: Fields) -> Body:
    try:
        location = read_location(asked.text("name"))
        added = session.breakpoints.add("function", session.cursor, location, asked)
    except TracerError as error:
        return refused(error)
    return described(session.cursor, added, **_first_place(session, added))


def _first_place(session: Session, added: Breakpoint) -> Body:
    """Return where a breakpoint stops first."""
    timeline = session.cursor.timeline
    position = timeline.at(added.ticks[0]) if added.ticks else None
    source = position.call.source if position is not None else None
    if source is None or source.file not in session.cursor.trace.sources:
        return {}
    return {
        "source": session.files.described(source.file),
        "line": session.line_to(source.line),
    }


# --- data -----------------------------------------------------------------------------------------


@request("dataBreakpointInfo")
def data_breakpoint_info(session: Session, fields: Fields) -> Body:
    """Whether one can stop where a value is written, or where a condition becomes true."""
    name = fields.text("name")
    with session.at_frame(fields) as cursor:
        value, local, shown = _meant(session, fields, name)
        call = cursor.call
    if isinstance(value, TensorView):
        return _on_tensor(session, value, shown)
    if local and name in cursor.timeline.names(call):
        shown = session.say("data.bound", name=clean(name, 80), call=clean(call.label, 80))
        return _possible(f"bound {call.id} {name}", shown)
    if local:
        return _impossible(session.say("data.constant", name=clean(name, 80)))
    return _possible(f"when {name}", session.say("data.when", condition=clean(name, 200)))


def _meant(session: Session, fields: Fields, name: str) -> tuple[Any, bool, str]:
    """Return a variable's or an expression's value, whether it is the first, and its whole name."""
    if fields.whole("variablesReference", 0):
        group, expression = session.references.get(fields.whole("variablesReference"))
        for read in (named_in, indexed_in):
            for variable in read(group, expression):
                if variable.name == name:
                    return variable.value, True, variable.expression or name
        raise MissingError(f"there is no variable {clean(name, 80)!r} there")
    try:
        return session.cursor.evaluate(name), name in session.cursor.scope, name
    except MissingError:  # it may be there elsewhere: a condition becomes true later, or before
        session.cursor.read_condition(name, session.cursor.timeline.positions)
        return None, False, name


def _on_tensor(session: Session, view: TensorView, name: str) -> Body:
    shown = clean(name, 80)
    first = view.state.id
    while (previous := view.trace.tensors[first].previous) is not None:
        first = previous
    if not session.cursor.live and not session.cursor.timeline.writers(first):
        return _impossible(session.say("data.unwritten", name=shown))
    return _possible(f"write {first}", session.say("data.write", name=shown))


def _possible(key: str, shown: str) -> Body:
    return {"dataId": key, "description": shown, "accessTypes": ["write"], "canPersist": False}


def _impossible(why: str) -> Body:
    return {"dataId": None, "description": why}


@request("setDataBreakpoints", needs="stepper")
def set_data_breakpoints(session: Session, fields: Fields) -> Body:
    """Set all breakpoints on data."""
    asked = fields.each("breakpoints", most=1000)
    session.breakpoints.clear("data", session.cursor)
    return {"breakpoints": [_on_data(session, each) for each in asked]}


def _on_data(session: Session, asked: Fields) -> Body:
    try:
        kind, _, rest = asked.text("dataId").partition(" ")
        if kind == "when" and rest:
            condition = asked.text("condition", "")
            both = f"({rest}) and ({condition})" if condition else rest
            counts = {"condition": both, "hitCondition": asked.text("hitCondition", "")}
            found = Fields(counts, "breakpoint")
            return _add_data(session, Location("any"), found)
        return _add_data(session, _written(kind, rest), asked)
    except TracerError as error:
        return refused(error)


def _add_data(session: Session, location: Location, asked: Fields) -> Body:
    added = session.breakpoints.add("data", session.cursor, location, asked)
    return described(session.cursor, added)


def _written(kind: str, rest: str) -> Location:
    """Return the place that a data breakpoint's name stands for.

    Raises:
        ProtocolError: it is none of ours.
    """
    number, _, name = rest.partition(" ")
    if number.isascii() and number.isdecimal() and len(number) < 16:
        if kind == "write" and not name:
            return Location("write", nth=int(number))
        if kind == "bound" and name:
            return Location("bound", name, nth=int(number))
    raise ProtocolError(f"there is no data {clean(f'{kind} {rest}', 60)!r}")


# --- exceptions -----------------------------------------------------------------------------------


@request("setExceptionBreakpoints", needs="stepper")
def set_exception_breakpoints(session: Session, fields: Fields) -> Body:
    """Stop where something is raised, or where a NaN or an Inf appears."""
    asked = [(name, Fields({}, "filter")) for name in fields.texts("filters")]
    asked += [(each.text("filterId"), each) for each in fields.each("filterOptions")]
    session.breakpoints.clear("exception", session.cursor)
    return {"breakpoints": [_on_exception(session, *each) for each in asked]}


def _on_exception(session: Session, name: str, asked: Fields) -> Body:
    try:
        if name not in FILTERS:
            raise ProtocolError(
                f"there is no filter {clean(name, 40)!r}; there are: raised, nan, inf"
            )
        condition = asked.text("condition", "")
        if name == "raised":
            location = Location("raise")
        else:
            location, appears = Location("any"), f"has_{name}()"
            condition = f"{appears} and ({condition})" if condition else appears
        found = Fields({"condition": condition}, "filter")
        added = session.breakpoints.add("exception", session.cursor, location, found)
        session.breakpoints.raised[added.number] = name
    except TracerError as error:
        return refused(error)
    return {"id": added.number, "verified": True}
