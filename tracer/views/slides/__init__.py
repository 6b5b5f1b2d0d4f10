"""A teaching deck from a recording: one model of slides, one writer per format.

>>> from tracer.views.slides import deck, write
>>> write(deck(trace, lang="zh", stages=["fpn"]), "fpn.html")

`deck` makes a `Deck` (`model`) of the slides of ``catalogue.toml`` or of an outline, `write` lays
it out as the file's ending says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tracer.errors import InputError, near
from tracer.views.slides.assembly import deck
from tracer.views.slides.deck import Deck, Slide
from tracer.views.slides.handout import unstepped
from tracer.views.slides.outline import catalogue

FORMATS = (".html", ".pptx", ".pdf")

__all__ = ["FORMATS", "Deck", "Slide", "catalogue", "deck", "unstepped", "write", "writer"]


def write(deck: Deck, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a deck and return its path; the file's ending says how.

    Args:
        deck: what to write.
        path: of the file.
        overwrite: also replace a file that is no such deck.

    Raises:
        InputError: the ending is unknown, or the file cannot be written.
        MissingError: a library that this format takes is not installed.
    """
    return writer(path)(deck, path, overwrite=overwrite)


def writer(path: str | Path) -> Callable[..., Path]:
    """Return what writes a deck to a file with this ending.

    Raises:
        InputError: no deck is written to such a file.
    """
    ending = Path(path).suffix.lower()
    if ending == ".html":
        from tracer.views.slides.html import write_html

        return write_html
    if ending == ".pptx":
        from tracer.views.slides.pptx import write_pptx

        return write_pptx
    if ending == ".pdf":
        from tracer.views.slides.pdf import write_pdf

        return write_pdf
    raise InputError(
        f"slides are written as {', '.join(FORMATS)}; found {str(path)!r}{near(ending, FORMATS)}"
    )
