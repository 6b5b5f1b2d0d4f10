"""A teaching deck from a recording: one model of slides, one writer per format.

>>> from tracer.views.slides import deck
>>> deck(trace, lang="zh", stages=["fpn"])

`deck` makes a `Deck` (`model`) of the slides of ``catalogue.toml`` or of an outline.
"""

from __future__ import annotations

from tracer.views.slides.build import deck
from tracer.views.slides.model import Deck, Slide

__all__ = ["Deck", "Slide", "deck"]
