"""Guided tours: a few stops in a recording, each with a panel to look at and a few sentences.

A tour is a TOML file. Its texts are a table of languages, or one text for all of them; code in them
is in backquotes, everything else is plain words::

    title = { en = "The pass in ten stops", zh = "十站走完一次前向" }
    about = { en = "From the picture to its detections.", zh = "从图片到检测结果。" }
    kind = "pass"

    [[stop]]
    at = "call=backbone.fpn&text=inner_top_down"
    panel = "picture"
    drawing = "merges"
    title = { en = "Coarse meets fine", zh = "粗细相加" }
    text = { en = "…", zh = "…" }
    here = [{ en = "The levels here: {pyramid}.", zh = "这里的各层：{pyramid}。" }]
    question = { ask = { en = "…", zh = "…" }, answer = { en = "…", zh = "…" } }

``at`` is a step as in a link to it (`tracer.stepper.address`), or, of a failed run, one of
`PLACES`. ``here`` are sentences with numbers of the recording (`tracer.rcnn.facts`), told where it
has all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from tracer.errors import InputError, MissingError, TracerError, near
from tracer.foreign import clean
from tracer.languages import Texts, TOMLDecodeError, parse_toml, translated
from tracer.rcnn.facts import FACTS, PLACEHOLDER, ROOTS, Here, fill
from tracer.rcnn.fields import listed, member, shown
from tracer.rcnn.findings import changed
from tracer.rcnn.texts import paragraphs
from tracer.record import Call, Trace
from tracer.record.query import lines_of
from tracer.stepper import address

Words = Mapping[str, str]
"""A text by language."""
Reader = Callable[[Any, str], Any]
"""Reads a field: takes its value and where it stands, and gives what it means."""

say = Texts("tour")

KINDS = ("pass", "training", "construction", "failed")
"""Of recordings: a pass in eval mode, one in training mode, a model being built, a failed run."""
PANELS = ("picture", "tensor", "commentary", "source", "values", "calls")


@dataclass(frozen=True)
class Stop:
    """One stop of a tour.

    Attributes:
        at: the step, as in a link to it.
        panel: what to look at, one of `PANELS`.
        title, text: what is said there, by language.
        here: sentences with numbers of the recording, each by language.
        drawing: which drawing on the picture, by its key in the page; ``""`` the usual one.
        question: what to ask the reader, and the answer.
    """

    at: str
    panel: str
    title: Words
    text: Words
    here: tuple[Words, ...] = ()
    drawing: str = ""
    question: tuple[Words, Words] | None = None


@dataclass(frozen=True)
class Tour:
    """Stops in an order.

    Attributes:
        name: the file's, without its ending.
        title, about: by language.
        kind: which recordings it is for, one of `KINDS`.
        stops: at least one.
        needs: steps without which what it says would not be true, and it is not offered.
    """

    name: str
    title: Words
    about: Words
    kind: str
    stops: tuple[Stop, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """A stop as it is told of one recording in one language.

    Attributes:
        number: among the tour's stops, from 1.
        tick: the step.
        title: a few words.
        text: paragraphs, then the sentences with numbers.
        question: what is asked, and the paragraphs of the answer; None for nothing.
    """

    number: int
    tick: int
    title: str
    text: tuple[str, ...]
    question: tuple[str, tuple[str, ...]] | None


# --- tours and recordings -------------------------------------------------------------------------


def kind_of(trace: Trace) -> str:
    """Return which of `KINDS` a recording is of."""
    if trace.error is not None:
        return "failed"
    return "training" if trace.environment.get("mode") == "train" else trace.kind


def offered(trace: Trace) -> list[Tour]:
    """Return the shipped tours that fit a recording: it has what they need, and most stops."""
    fitting = (tour for tour in shipped().values() if tour.kind == kind_of(trace))
    return [tour for tour in fitting if _fits(tour, trace)]


def _fits(tour: Tour, trace: Trace) -> bool:
    needed = all(_lacking(at, trace) is None for at in tour.needs)
    return needed and 2 * len(missing(tour, trace)) < len(tour.stops)


def missing(tour: Tour, trace: Trace) -> dict[int, str]:
    """Return the stops that do not exist in a recording, by their number from 1, and why."""
    reasons = ((n, _lacking(stop.at, trace)) for n, stop in enumerate(tour.stops, 1))
    return {number: reason for number, reason in reasons if reason is not None}


def _lacking(at: str, trace: Trace) -> str | None:
    """Why a recording does not have a step; None if it does."""
    try:
        _tick(at, trace)
    except TracerError as error:
        return str(error)
    return None


def told(tour: Tour, trace: Trace, lang: str) -> list[Told]:
    """Return the stops that exist in a recording, with its numbers."""
    left = missing(tour, trace)
    stops = ((n, stop) for n, stop in enumerate(tour.stops, 1) if n not in left)
    return [_told(number, stop, trace, lang) for number, stop in stops]


def overview(tour: Tour, lang: str) -> str:
    """Return one line: name, title, kind of recording, stops, what it is about."""
    about = in_language(tour.about, lang)
    kind, title = say(f"kind.{tour.kind}", lang), in_language(tour.title, lang)
    stops = len(tour.stops)
    return say("overview", lang, name=tour.name, title=title, kind=kind, stops=stops, about=about)


def written(tour: Tour, lang: str, trace: Trace | None = None) -> str:
    """Return a tour as text: of a recording with its steps and numbers, and what it lacks.

    Args:
        tour: the tour.
        lang: the language.
        trace: the recording; None for the stops as they are written, by their addresses.
    """
    lacking = missing(tour, trace) if trace else {}
    stops = {stop.number: stop for stop in told(tour, trace, lang)} if trace else {}
    parts = [overview(tour, lang), *(changed(trace, lang) if trace else ())]
    for number, stop in enumerate(tour.stops, 1):
        here = stops.get(number)
        place = say("step", lang, tick=here.tick) if here else stop.at
        parts.append(f"{number}. {in_language(stop.title, lang)} [{place}]")
        if number in lacking:
            parts.append(say("missing", lang, why=lacking[number]))
        else:
            parts += said_at(here, lang) if here else paragraphs(in_language(stop.text, lang))
    if trace:
        parts.append(say("summary", lang, found=len(stops), all=len(tour.stops)))
    return "\n\n".join(parts)


def said_at(stop: Told, lang: str) -> list[str]:
    """Return what is said at a stop, with its question."""
    asked = stop.question
    return [*stop.text, *((say("question", lang, text=asked[0]), *asked[1]) if asked else ())]


def _told(number: int, stop: Stop, trace: Trace, lang: str) -> Told:
    tick = _tick(stop.at, trace)
    here = _here(trace, tick, lang)
    sentences = (fill(in_language(texts, lang), here) for texts in stop.here)
    text = (*paragraphs(in_language(stop.text, lang)), *filter(None, sentences))
    asked = stop.question and tuple(paragraphs(in_language(texts, lang)) for texts in stop.question)
    question = (" ".join(asked[0]), asked[1]) if asked else None
    return Told(number, tick, in_language(stop.title, lang), text, question)


def _tick(at: str, trace: Trace) -> int:
    if at in PLACES:
        return PLACES[at](trace)
    tick = address.tick_at(trace, address.read(at))
    assert tick is not None, "read() has seen that it names a step"
    return tick


def _failing(trace: Trace) -> Call:
    """The innermost call that the run's error ended."""
    if trace.error is None or trace.error.call is None:
        raise MissingError("the run did not fail within a recorded call")
    return trace.calls[trace.error.call]


def _error(trace: Trace) -> int:
    """The line that raised in the innermost call; that call's end where no lines were recorded."""
    call = _failing(trace)
    ran = lines_of(trace, call)
    return ran[-1].tick if ran else call.end


def _before(trace: Trace) -> int:
    """The end of the last call that ended well before that, and gave a tensor."""
    failing, at = _failing(trace), _error(trace)
    well = [
        call.end
        for call in trace.calls
        if call.end < max(at, failing.start + 1)
        and not call.error
        and call.kind != "function"
        and call.result is not None
        and any(True for _ in call.result.tensors())
    ]
    if not well:
        raise MissingError("no call ended well before the one that failed")
    return max(well)


def _around(trace: Trace) -> int:
    """The line that made the failing call; the start of the call around it without lines."""
    parent = _failing(trace).parent
    if parent is None:
        raise MissingError("there is no recorded call around the one that failed")
    outer = trace.calls[parent]
    ran = lines_of(trace, outer)
    return ran[-1].tick if ran else outer.start


PLACES: dict[str, Callable[[Trace], int]] = {
    "error": _error,
    "before-error": _before,
    "around-error": _around,
}
"""Steps of a failed run that have no address which would survive another run."""


def _here(trace: Trace, tick: int, lang: str) -> Here:
    """The call of a step, with its locals after that step."""
    call = next((c for c in trace.calls if tick in (c.start, c.end)), None) or _running(trace, tick)
    lines = (line for line in lines_of(trace, call) if line.tick <= tick)
    local = {name: value for line in lines for name, value in line.changed}
    return Here(trace, call, call.stage, lang, local)


def _running(trace: Trace, tick: int) -> Call:
    return next(trace.calls[line.call] for line in trace.lines if line.tick == tick)


def in_language(texts: Words, lang: str) -> str:
    """Return the text in a language, else in English, else in whichever there is."""
    return texts.get(lang) or texts.get("en") or next(iter(texts.values()))


# --- files ----------------------------------------------------------------------------------------


ORDER = (
    *("ten-stops", "bottleneck", "pyramid", "anchors-to-boxes", "one-object"),
    *("training", "building", "failure"),
)
"""Of the tours that come with the package, as they are offered."""


@functools.cache
def shipped() -> Mapping[str, Tour]:
    """Return the tours that come with the package, by name."""
    folder = resources.files(__package__)
    return {name: _tour(name, (folder / f"{name}.toml").read_text("utf-8")) for name in ORDER}


def find(name: str) -> Tour:
    """Return a shipped tour by its name, or read one from a file.

    Raises:
        InputError: there is none, or it is no tour: says where and what is wrong.
    """
    if name in shipped():
        return shipped()[name]
    path = Path(name)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"tour {clean(name)!r} is no text: a tour comes first, by its name or as a TOML file, "
            f"and a recording after it (shipped: {', '.join(shipped())})"
        ) from error
    except OSError as error:
        there = ", ".join(shipped())
        reason = error.strerror or error
        raise InputError(
            f"no tour {clean(name)!r}{near(name, shipped())} (shipped: {there}), and no file that "
            f"can be read: {reason}"
        ) from error
    return _tour(path.stem, text)


def _tour(name: str, text: str) -> Tour:
    where = f"tour {clean(name)!r}"
    try:
        table = translated("tours", parse_toml(text), name)
    except TOMLDecodeError as error:
        raise InputError(f"{where} is no TOML: {error}") from error
    fields = _read(table, where, _TOUR, ("title", "kind", "stop"))
    return Tour(
        name=name,
        title=fields["title"],
        about=fields.get("about", fields["title"]),
        kind=fields["kind"],
        stops=fields["stop"],
        needs=fields.get("needs", ()),
    )


def _stops(given: Any, where: str) -> tuple[Stop, ...]:
    tables = listed(given, where, what=" of stops")
    if not tables:
        raise InputError(f"{where} is empty: each stop begins with a line [[stop]]")
    needed = ("at", "panel", "title", "text")
    return tuple(
        Stop(**_read(table, f"{where} {number}", _STOP, needed))
        for number, table in enumerate(tables, 1)
    )


def _question(given: Any, where: str) -> tuple[Words, Words]:
    fields = _read(given, where, {"ask": _texts, "answer": _texts}, ("ask", "answer"))
    return fields["ask"], fields["answer"]


def _address(given: Any, where: str) -> str:
    text = _text(given, where)
    if text in PLACES:
        return text
    try:
        parts = address.read(text)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not {"call", "line", "text"} & set(parts):
        raise InputError(f"{where} names a step by call=, line= or text=; found {shown(text)}")
    return text


def _addresses(given: Any, where: str) -> tuple[str, ...]:
    return tuple(_address(item, where) for item in listed(given, where, what=" of addresses"))


def _sentences(given: Any, where: str) -> tuple[Words, ...]:
    found = tuple(_texts(item, where) for item in listed(given, where, what=" of sentences"))
    texts = (text for item in found for text in item.values())
    for name in (name for text in texts for name in PLACEHOLDER.findall(text)):
        if name not in FACTS and name.split(".")[0] not in ROOTS:
            raise InputError(f"{where}: no number is called {name!r}{near(name, FACTS)}")
    return found


def _texts(given: Any, where: str) -> Words:
    if isinstance(given, str) and given:
        return {"en": given}
    if not isinstance(given, Mapping) or not given:
        raise InputError(
            f"{where} is {shown(given)}, where a text, or one by language, is expected"
        )
    return {lang: _text(text, f"{where}, {lang}") for lang, text in given.items()}


def _text(given: Any, where: str) -> str:
    if isinstance(given, str) and given:
        return given
    raise InputError(f"{where} is {shown(given)}, where a text is expected")


def _one_of(known: tuple[str, ...]) -> Reader:
    def read(given: Any, where: str) -> str:
        if given in known:
            return str(given)
        raise InputError(f"{where} is {shown(given)}, where one of {', '.join(known)} is expected")

    return read


def _read(
    table: Any, where: str, readers: Mapping[str, Reader], needed: tuple[str, ...]
) -> dict[str, Any]:
    """Return the fields of a table, each read by its own reader."""
    for name in needed:
        member(table, name, where)
    for name in table:
        if name not in readers:
            raise InputError(f"{where} has no field {clean(name, 40)!r}{near(name, readers)}")
    return {name: readers[name](value, f"{where}, {name}") for name, value in table.items()}


_TOUR: dict[str, Reader] = {
    "title": _texts,
    "about": _texts,
    "kind": _one_of(KINDS),
    "needs": _addresses,
    "stop": _stops,
}
_STOP: dict[str, Reader] = {
    "at": _address,
    "panel": _one_of(PANELS),
    "drawing": _text,
    "title": _texts,
    "text": _texts,
    "here": _sentences,
    "question": _question,
}
