"""What all decks look like, whichever file they are in: sizes, colours, the stages' names."""

from __future__ import annotations

from tracer.languages import Texts

texts = Texts("slides")

WIDTH, HEIGHT = 13.333, 7.5
"""Of a slide, in inches: 16:9."""

MARGIN = 0.55
"""Inches at the left and right of everything."""

FIGURE = (12.2, 5.35)
"""Inches of a figure that fills a slide beneath its title."""

BESIDE = (8.0, 5.35)
"""Inches of a figure with a few points at its side."""

OPENING = (5.7, 5.35)
"""Inches of a figure on a page that opens a deck or a part."""

TITLE, TEXT, CAPTION, TABLE, CODE = 32, 22, 18, 17, 15
"""Sizes of text in points; nothing but tables and code is smaller than 18."""

STAGES = (
    "overview", "transform", "backbone", "fpn", "rpn", "roi_heads", "postprocess", "build",
    "losses", "activations", "questions",
)  # fmt: skip
"""The parts of a talk, in order."""


def stage_title(stage: str, lang: str) -> str:
    """Return what a part is called."""
    return texts(f"stage.{stage}", lang)
