"""The deck without its steps: each slide one page, to print or to read."""

from __future__ import annotations

from dataclasses import replace

from tracer.views.slides.deck import Code, CodeStep, Deck, Moving, Part, Pictures, Points

SENTENCES = (".", "。", "！", "？")
"""Ends of what is no shape or value."""


def unstepped(deck: Deck) -> Deck:
    """Return the deck with everything there at once: figures whole, all lines of code marked."""
    from tracer.views.slides.moving import at_once  # which draws

    def whole(part: Part) -> Part:
        if isinstance(part, Pictures):
            return replace(part, figures=part.figures[-1:])
        if isinstance(part, Points):
            return replace(part, stepwise=False)
        if isinstance(part, Moving):
            return at_once(part, deck.theme)
        return _at_once(part) if isinstance(part, Code) and part.steps else part

    slides = (replace(slide, parts=tuple(map(whole, slide.parts))) for slide in deck.slides)
    return replace(deck, slides=tuple(slides))


def _at_once(part: Code) -> Code:
    """Return the code with one step for all; what is beside begins with its line's number.

    Of each step the first shape or value stays. Remarks go: the notes have them, and the lines need
    the room.
    """
    lines = tuple(line for step in part.steps for line in step.lines)
    first = ((step.lines[0], step.beside[0]) for step in part.steps if step.beside)
    beside = (f"{line} {text}" for line, text in first if not text.endswith(SENTENCES))
    return replace(part, steps=(CodeStep(lines, tuple(beside)),))
