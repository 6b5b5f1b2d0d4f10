"""Slides that teach by asking and leading: a question and its answer, the stops of a tour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from tracer.errors import MissingError, TracerError
from tracer.stepper import Timeline, address
from tracer.tours import Stop, Told, Tour, in_language, told
from tracer.views.kit.guesses import Guess, drawn, say
from tracer.views.kit.guesses.model import letter
from tracer.views.slides.deck import Part, Points, Slide
from tracer.views.slides.design import BESIDE, STAGES
from tracer.views.slides.excerpts import code
from tracer.views.slides.moving import moving
from tracer.views.slides.subject import Subject

FLOWS = {
    "merges": "merge",
    "anchors": "anchors",
    "proposals": "decode",
    "levels": "levels",
    "align": "align",
    "detections": "nms",
}
"""By a stop's drawing the flow that shows it on a slide."""


# --- a question -----------------------------------------------------------------------------------


def asked(subject: Subject, key: str, kind: str, title: str, stage: str | None) -> Iterator[Slide]:
    """Yield a question, and after it its answer.

    Args:
        subject: the recording.
        key: of the slides.
        kind: of `tracer.views.kit.guesses.KINDS`.
        title: of both; empty for the question's kind.
        stage: that they belong to.

    Raises:
        MissingError: the recording has nothing to ask of that kind.
    """
    guess = drawn(subject.trace, kinds=(kind,), each=1)[0]
    lang = subject.lang
    head = title or f"{say('title', lang)}: {say(f'kind.{kind}', lang)}"
    ask = _plain(guess.ask[lang])
    texts = [_plain(choice.text[lang]) for choice in guess.choices]
    step = _step(subject, guess.tick)
    choices = tuple(f"{letter(i)}) {text}" for i, text in enumerate(texts))
    notes = tuple(_mistakes(guess, lang))
    yield Slide(key, head, (Points((ask, *choices)),), notes, stage, lang)
    marked = f"✓ {choices[guess.right]}"
    why = tuple(_plain(text[lang]) for text in guess.why)
    answer = Points((ask, marked, *why))
    yield Slide(f"{key}-answer", head, (answer,), notes, stage, lang, step=step)


def _mistakes(guess: Guess, lang: str) -> Iterator[str]:
    """What each wrong answer overlooks."""
    for i, choice in enumerate(guess.choices):
        if choice.mistake:
            yield f"{letter(i)}) {_plain(choice.mistake[lang])}"


def _plain(text: str) -> str:
    return text.replace("`", "")


def _step(subject: Subject, tick: int) -> str:
    timeline = Timeline(subject.trace)
    return f"#{address.of(timeline, timeline.at(tick))}&lang={subject.lang}"


# --- a tour ---------------------------------------------------------------------------------------


def stops(subject: Subject, tour: Tour, theme: str) -> Iterator[Slide]:
    """Yield a slide for each stop of a tour that the recording has, and two for a question."""
    lang = subject.lang
    for stop in told(tour, subject.trace, lang):
        planned = tour.stops[stop.number - 1]
        key = f"{tour.name}-{stop.number}"
        shown = tuple(_shown(subject, planned, stop, theme))
        points = Points(tuple(map(_plain, stop.text)))
        step = _step(subject, stop.tick)
        yield Slide(key, stop.title, (*shown, points), (), _stage(subject, stop), lang, step=step)
        if stop.question:
            ask, answer = stop.question[0], tuple(map(_plain, stop.question[1]))
            first, whole = Points((_plain(ask),)), Points((_plain(ask), *answer))
            stage = _stage(subject, stop)
            yield Slide(f"{key}-question", stop.title, (first,), answer, stage, lang)
            yield Slide(f"{key}-answer", stop.title, (whole,), (), stage, lang, step=step)


def opening(subject: Subject, tour: Tour) -> Slide:
    """Return the first slide of a tour's deck."""
    about = in_language(tour.about, subject.lang)
    return Slide("title", subject.title, (Points((about,)),), (), None, subject.lang, "title")


def _shown(subject: Subject, stop: Stop, here: Told, theme: str) -> Iterator[Part]:
    """What the stop looks at: a flow, or the source that runs there; nothing that is missing."""
    with suppress(TracerError):
        if stop.panel == "picture" and stop.drawing in FLOWS:
            yield moving(subject, FLOWS[stop.drawing], theme=theme, size=BESIDE)
        elif stop.panel == "source":
            yield _source(subject, here)


def _source(subject: Subject, here: Told) -> Part:
    position = Timeline(subject.trace).at(here.tick)
    call = position.call
    name = f"{call.type}.forward" if call.kind == "module" else call.path
    line = "" if position.line is None or call.source is None else subject.trace.sources[
        call.source.file
    ].text.split("\n")[position.line.line - 1].strip()  # fmt: skip
    if not line:
        raise MissingError("no line is looked at there")
    return code(subject, name, (line,), call.label).code


def _stage(subject: Subject, stop: Told) -> str | None:
    stage = Timeline(subject.trace).at(stop.tick).call.stage
    if stage == "stem" or stage.startswith("layer"):
        return "backbone"
    return stage if stage in STAGES else None
