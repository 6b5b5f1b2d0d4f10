"""Guided tours and questions for the page, with this recording's numbers, in each language."""

from __future__ import annotations

from typing import Any

from tracer.languages import languages
from tracer.record import Trace
from tracer.tours import Tour, find, in_language, missing, offered, told
from tracer.views.kit.guesses import Words, guesses, say


def guides(trace: Trace, first: str = "") -> list[dict[str, Any]]:
    """Return the tours that a recording can be followed on, as JSON data.

    Args:
        trace: the recording.
        first: the name or file of a tour to offer before the package's own.

    Returns:
        Of each ``name``, ``title``, ``about``; its ``stops``: ``tick``, ``panel`` and ``drawing``
        to look at, and in every language ``title``, ``text`` (paragraphs) and ``question`` (asked,
        and the answer's paragraphs); and the titles of those ``missing`` here.
    """
    own = [find(first)] if first else []
    others = (tour for tour in offered(trace) if tour.name not in {it.name for it in own})
    return [_guide(tour, trace) for tour in (*own, *others)]


def _guide(tour: Tour, trace: Trace) -> dict[str, Any]:
    stops = zip(*(told(tour, trace, lang) for lang in languages()), strict=True)
    return {
        "name": tour.name,
        "title": [in_language(tour.title, lang) for lang in languages()],
        "about": [in_language(tour.about, lang) for lang in languages()],
        "stops": [
            {
                "tick": each[0].tick,
                "panel": tour.stops[each[0].number - 1].panel,
                "drawing": tour.stops[each[0].number - 1].drawing,
                "title": [stop.title for stop in each],
                "text": [stop.text for stop in each],
                "question": each[0].question and [stop.question for stop in each],
            }
            for each in stops
        ],
        "missing": [
            [in_language(tour.stops[number - 1].title, lang) for number in missing(tour, trace)]
            for lang in languages()
        ],
    }


def questions(trace: Trace) -> list[dict[str, Any]]:
    """Return what can be guessed at, as JSON data: texts are lists in the order of the languages.

    Returns:
        Of each ``kind``, ``ask`` and ``why`` (texts); ``choices``, each its text and what one
        overlooks who chooses it, None for the ``right`` one; ``tick``, ``panel`` and ``drawing``:
        where it can be seen.
    """
    return [
        {
            "kind": say.each(f"kind.{guess.kind}"),
            "ask": _each(guess.ask),
            "choices": [
                [_each(choice.text), _each(choice.mistake) if choice.mistake else None]
                for choice in guess.choices
            ],
            "right": guess.right,
            "why": [_each(text) for text in guess.why],
            "tick": guess.tick,
            "panel": guess.panel,
            "drawing": guess.drawing,
        }
        for guess in guesses(trace)
    ]


def _each(text: Words) -> list[str]:
    return [text[lang] for lang in languages()]
