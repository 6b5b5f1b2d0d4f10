"""The quiz: questions on the recording's own numbers, answers to choose from, and why."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tracer.record import Trace
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Control, Shown
from tracer.views.explorers.explorer import Explorer
from tracer.views.kit.guesses import Guess, drawn, guesses, say
from tracer.views.kit.guesses.model import letter
from tracer.views.kit.guesses.shapes import askable, shape_question
from tracer.views.kit.html_text import escape
from tracer.views.kit.palette import THEMES

MOST = 40
"""Questions about shapes."""


def questions(trace: Trace, seed: int = 0) -> dict[str, Guess]:
    """Return what can be asked, by name: of every usual call its shape, then the other kinds."""
    draw = random.Random(seed)
    found = {name: shape_question(trace, name, draw) for name in askable(trace)[:MOST]}
    others = [guess for guess in guesses(trace, seed=seed) if guess.kind != "shape"]
    return found | {f"{guess.kind} {n}": guess for n, guess in enumerate(others, 1)}


def explorer(trace: Trace, lang: str, *, asked: str = "", seed: int = 0) -> Explorer:
    """Return the quiz; the options are `Recording.explore`'s."""
    known = questions(trace, seed)
    if asked and asked not in known:
        known = {asked: shape_question(trace, asked, random.Random(seed)), **known}
    if not known:
        drawn(trace, seed=seed)
    start = asked or next(iter(known))
    named = tuple((_name(name, guess, lang), name) for name, guess in known.items())
    controls = (
        Choice("asked", told.say("question", lang), named, start),
        _answers(known[start], lang),
    )

    def adapt(values: Mapping[str, Any]) -> dict[str, Control]:
        return {"guess": _answers(known[values["asked"]], lang)}

    def still(values: Mapping[str, Any]) -> str:
        return told.block("".join(_folded(it, lang) for it in known.values()))

    def draw(asked: str, guess: str | None) -> Shown:
        it = known[asked]
        text = told.note(it.ask[lang]) if guess is None else judged(it, guess, lang)
        return Shown(told.block(text))

    return Explorer("quiz", lang, controls, draw, still, adapt)


def _name(name: str, guess: Guess, lang: str) -> str:
    """What a question is called: a call by its name, the others by their kind and number."""
    if guess.kind == "shape":
        return name
    return f"{say(f'kind.{guess.kind}', lang)} {name.rpartition(' ')[2]}"


def _answers(guess: Guess, lang: str) -> Choice:
    options = tuple(
        (f"{letter(i)}) {choice.text[lang]}", letter(i)) for i, choice in enumerate(guess.choices)
    )
    label = told.say("your_guess", lang)
    return Choice("guess", label, (("?", None), *options), None, buttons=True)


def judged(guess: Guess, answer: str, lang: str) -> str:
    """Return what is to be said of an answer, as HTML."""
    right = guess.chosen(answer, lang) == guess.right
    head, *why = guess.verdict(answer, lang)
    it = THEMES["light"]
    mark, colour = ("✓", it.positive) if right else ("✗", it.error)
    style = f"border-left:4px solid {colour};padding:.3em .9em;margin:.3em 0;max-width:60em"
    rows = "".join(f"<li>{escape(text)}</li>" for text in why)
    title = f'<b><span style="color:{colour}">{mark}</span> {escape(head)}</b>'
    listed = f'<ul style="margin:.4em 0 0">{rows}</ul>' if rows else ""
    return f'<div class="tracer-answer" style="{style}">{title}{listed}</div>'


def _folded(guess: Guess, lang: str) -> str:
    """A question whose answer unfolds, for where nothing can be clicked but that."""
    options = "　".join(f"{letter(i)}) {it.text[lang]}" for i, it in enumerate(guess.choices))
    answer = judged(guess, letter(guess.right), lang)
    summary = f"{escape(guess.ask[lang])}<br>{escape(options)}"
    return f"<details><summary>{summary}</summary>{answer}</details>"
