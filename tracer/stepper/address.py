"""Where a page opens: the text of a link's fragment, read and checked before the page is made.

The page itself reads the same text in ``address.js``, where what is wrong is passed over: a link
that has grown old still opens the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode

from tracer.errors import InputError, MissingError, near
from tracer.record import Call, Line, Trace
from tracer.record.query import find_call
from tracer.record.statements import first_line
from tracer.stepper.breakpoints import find_file, no_lines
from tracer.stepper.positions import Position, Timeline

PARTS = ("call", "at", "line", "text", "round", "lang", "view")
VIEWS = ("plain", "full", "large")
"""Stages, picture and commentary; all panes; the tensor or the picture made large."""


def read(address: str) -> dict[str, str]:
    """Return the parts of ``call=…&line=…`` by name, what is written ``%23`` decoded.

    Raises:
        InputError: a part has no value, is unknown, or stands twice; there is no such view.
    """
    found: dict[str, str] = {}
    for part in filter(None, address.removeprefix("#").split("&")):
        name, _, text = part.partition("=")
        if name not in PARTS:
            known = ", ".join(PARTS)
            raise InputError(f"an address has no part {name!r}{near(name, PARTS)} (parts: {known})")
        if not text or name in found:
            raise InputError(f"{address!r} names {name!r} {'twice' if text else 'without a value'}")
        found[name] = unquote(text)
    if found.get("view", "full") not in VIEWS:
        raise InputError(f"view= is one of {', '.join(VIEWS)}; found {found['view']!r}")
    return found


def of(timeline: Timeline, position: Position) -> str:
    """Return the address of a position, as the page writes it: ``call=rpn.head%231&line=77``."""
    call, line = position.call, position.line
    alike = sum(1 for other in timeline.trace.calls if other.label == call.label)
    parts = {"call": call.label if alike == 1 else str(call.id)}
    parts |= {"at": "end"} if position.kind == "end" else {}
    if line is not None:
        rounds = timeline.iteration(line)
        parts |= {"line": str(line.line)} | ({"round": str(rounds)} if rounds else {})
    return urlencode(parts, quote_via=quote)


def tick_at(trace: Trace, parts: Mapping[str, str]) -> int | None:
    """Return the tick that an address points to; None if it names no step.

    Args:
        trace: the recording.
        parts: what `read` returns.

    Raises:
        InputError: parts that do not go together, or a round that is no number.
        MissingError: the recording has no such call, line or round; says what is near.
    """
    if parts.get("at", "end") != "end":
        raise InputError(f"at= is 'end' or left out; found {parts['at']!r}")
    call = find_call(trace, parts["call"]) if "call" in parts else None
    if "line" in parts or "text" in parts:
        if {"line", "text"} <= set(parts) or "at" in parts:
            raise InputError("an address has one of line=, text= and at=, which name a step each")
        return _line(trace, call, parts).tick
    if call is None:
        if {"at", "round"} & set(parts):
            raise InputError("an address with at= or round= names a call= or a line too")
        return None
    return call.end if "at" in parts else call.start


def _line(trace: Trace, call: Call | None, parts: Mapping[str, str]) -> Line:
    lines = [line for line in trace.lines if call is None or line.call == call.id]
    if not lines:
        raise MissingError(no_lines(call.label if call else "this recording"))
    rounds = _numbered(trace, lines, parts, call) if "line" in parts else _with(trace, lines, parts)
    text = parts.get("round", "0")
    if not text.isdecimal():
        raise InputError(f"round= counts from 0; found {text!r}")
    if int(text) >= len(rounds):
        raise MissingError(f"that line ran {len(rounds)} times; found round={text}, from 0")
    return rounds[int(text)]


def _numbered(
    trace: Trace, lines: list[Line], parts: Mapping[str, str], call: Call | None
) -> list[Line]:
    """Return the runs of a line: by its number in a call, by FILE:LINE anywhere."""
    file, _, number = parts["line"].rpartition(":")
    if not number.isdecimal() or (call is None) != bool(file):
        raise InputError(
            f"line= is a number beside call=, or FILE:LINE without it; found {parts['line']!r}"
        )
    wanted = find_file(file, trace.sources) if file else None
    places = ((line, _file(trace, line)) for line in lines)
    ran = [line for line, its in places if wanted in (None, its)]
    inside = wanted or _file(trace, lines[0])
    asked = (int(number), first_line(trace.sources, inside, int(number)))
    own, rounds = ([line for line in ran if line.line == n] for n in asked)
    rounds = own or rounds
    if not rounds:
        numbers = sorted({line.line for line in ran}, key=lambda n: abs(n - int(number)))
        close = ", ".join(str(n) for n in sorted(numbers[:4])) or "no line of it"
        raise MissingError(
            f"line {number} did not run in {call.label if call else file}; near it ran: {close}"
        )
    return rounds


def _with(trace: Trace, lines: list[Line], parts: Mapping[str, str]) -> list[Line]:
    """Return the runs of the first line to run whose source contains a text."""
    wanted = parts["text"]
    texts = {file: source.text.split("\n") for file, source in trace.sources.items()}

    def text_of(line: Line) -> str:
        of_file = texts.get(_file(trace, line), [])
        return of_file[line.line - 1].strip() if line.line <= len(of_file) else ""

    first = next((line for line in lines if wanted in text_of(line)), None)
    if first is None:
        known = dict.fromkeys(text_of(line) for line in lines)
        raise MissingError(f"no line that ran there contains {wanted!r}{near(wanted, known)}")
    place = (_file(trace, first), first.line)
    return [line for line in lines if (_file(trace, line), line.line) == place]


def _file(trace: Trace, line: Line) -> str:
    source = trace.calls[line.call].source
    return source.file if source else ""
