"""The commentary of every call of a trace, in each language, for the page."""

from __future__ import annotations

from typing import Any

from tracer.rcnn.narration import LANGUAGES, Commentary, Note, Question, commentary, stage_title
from tracer.record import Trace


class _Strings:
    """Texts that occur many times, each written once."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self.number.setdefault(text, len(self.number))

    def each(self, texts: tuple[str, ...]) -> list[int]:
        return [self(text) for text in texts]


def told(trace: Trace) -> dict[str, Any]:
    """Return the commentary as JSON data, by language.

    Returns:
        ``strings``: the texts; everything else refers to them by number. ``stages``: titles and
        commentary of each stage. ``entries``: what is said, each once. ``calls``: for each call
        the number of its entry, -1 for none.
    """
    strings = _Strings()
    found = {lang: _in_language(trace, lang, strings) for lang in LANGUAGES}
    return {"strings": list(strings.number), "languages": found}


def _in_language(trace: Trace, lang: str, strings: _Strings) -> dict[str, Any]:
    entries: dict[Commentary, int] = {}
    calls = []
    for call in trace.calls:
        said = None if call.kind == "op" else commentary(call=call, lang=lang, trace=trace)
        calls.append(-1 if said is None else entries.setdefault(said, len(entries)))
    stages = {}
    for stage in trace.stages:
        said = commentary(stage=stage.name, lang=lang, trace=trace)
        number = -1 if said is None else entries.setdefault(said, len(entries))
        stages[stage.name] = [stage_title(stage.name, lang, trace.kind), number]
    return {
        "calls": calls,
        "stages": stages,
        "entries": [_entry(said, strings) for said in entries],
    }


def _entry(said: Commentary, strings: _Strings) -> list[Any]:
    return [
        strings(said.key),
        strings(said.title),
        strings.each(said.text),
        strings.each(said.here),
        strings.each(said.papers),
        [_question(question, strings) for question in said.questions],
        [_note(note, strings) for note in said.notes if note.line is not None],
    ]


def _question(asked: Question, strings: _Strings) -> list[Any]:
    texts = (strings.each(part) for part in (asked.text, asked.here, asked.papers))
    return [strings(asked.title), *texts]


def _note(note: Note, strings: _Strings) -> list[Any]:
    return [note.line, strings(note.text), strings.each(note.here)]
