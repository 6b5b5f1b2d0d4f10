"""The commentary of every call of a trace, in each language, for the page."""

from __future__ import annotations

from collections import defaultdict
from itertools import takewhile
from typing import Any

from tracer.languages import languages
from tracer.rcnn.narration import Commentary, Question, commentary, stage_title
from tracer.record import Trace
from tracer.views.page.parts import indent


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
        commentary of each stage. ``entries``: what is said, each once; notes are on a block of
        lines, its first and last. ``calls``: for each call the number of its entry, -1 for none.
    """
    strings = _Strings()
    found = {lang: _in_language(trace, lang, strings) for lang in languages()}
    return {"strings": list(strings.number), "languages": found}


def _in_language(trace: Trace, lang: str, strings: _Strings) -> dict[str, Any]:
    entries: dict[Commentary, int] = {}
    texts: dict[Commentary, list[str]] = defaultdict(list)
    sources = {name: file.text.split("\n") for name, file in trace.sources.items()}
    calls = []
    for call in trace.calls:
        said = None if call.kind == "op" else commentary(call=call, lang=lang, trace=trace)
        calls.append(-1 if said is None else entries.setdefault(said, len(entries)))
        if said is not None and call.source:
            texts[said] = sources.get(call.source.file, [])
    stages = {}
    for stage in trace.stages:
        said = commentary(stage=stage.name, lang=lang, trace=trace)
        number = -1 if said is None else entries.setdefault(said, len(entries))
        stages[stage.name] = [stage_title(stage.name, lang, trace.kind), number]
    return {
        "calls": calls,
        "stages": stages,
        "entries": [_entry(said, strings, texts[said]) for said in entries],
    }


def _entry(said: Commentary, strings: _Strings, text: list[str]) -> list[Any]:
    notes = sorted(((note.line, note) for note in said.notes if note.line), key=lambda it: it[0])
    ends = [*(first - 1 for first, _ in notes[1:]), len(text)]
    return [
        strings(said.key),
        strings(said.title),
        strings.each(said.text),
        strings.each(said.here),
        strings.each(said.papers),
        [_question(question, strings) for question in said.questions],
        [
            [first, _last(text, first, end), strings(note.text), strings.each(note.here)]
            for (first, note), end in zip(notes, ends, strict=False)
        ],
    ]


def _question(asked: Question, strings: _Strings) -> list[Any]:
    texts = (strings.each(part) for part in (asked.text, asked.here, asked.papers))
    return [strings(asked.title), *texts]


def _last(text: list[str], first: int, end: int) -> int:
    """Return the last line of the block from `first` on: as deep, and without a gap."""
    block = text[first - 1 : end]
    inside = takewhile(lambda line: line.strip() and indent(line) >= indent(block[0]), block)
    return first + max(0, sum(1 for _ in inside) - 1)
