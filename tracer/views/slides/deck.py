"""What a deck is, whichever file it is written to: slides of a title and a few parts, with notes.

The builders make a `Deck` from a recording; the writers (`html`, `pptx`, `pdf`) lay it out. Text
is plain text, in the language of the slide: a writer sets it as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from tracer.languages import languages
from tracer.views.kit.flows import Flow
from tracer.views.kit.scene import Marks

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Points:
    """A few short lines, one thought each.

    Attributes:
        lines: what they say.
        stepwise: whether they appear one by one where the format can do that.
    """

    lines: tuple[str, ...]
    stepwise: bool = False


@dataclass(frozen=True)
class Pictures:
    """One figure, or the steps of one, drawn for a slide.

    Attributes:
        figures: drawn at slide size, in the order in which they are shown; more than one means
            that each replaces the one before it (a format that cannot shows the last).
        alt: what is to be seen, for those who cannot see it.
        caption: source and shapes, one line beneath the figure.
    """

    figures: tuple[Figure, ...]
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Cells:
    """A table.

    Attributes:
        head: names of the columns.
        rows: as long as `head` each.
        numbers: columns that are set flush right, from 0.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class CodeStep:
    """One step through the code of a slide.

    Attributes:
        lines: numbers of the highlighted lines, as in the file.
        beside: the shapes or values after those lines, one short text a line of the column.
    """

    lines: tuple[int, ...]
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Code:
    """A piece of source with lines to dwell on.

    Attributes:
        text: the lines of the file from `first` on, moved left together, without a final newline.
        first: the number of its first line in the file.
        source: file and version, e.g. ``torchvision/ops/poolers.py, torchvision 0.29.2``.
        steps: highlighted one after the other where the format can do that.
    """

    text: str
    first: int
    source: str
    steps: tuple[CodeStep, ...] = ()


@dataclass(frozen=True, eq=False)
class Slider:
    """A setting of an `Interactive`, and which boxes pass it.

    Attributes:
        label: what is set.
        values: what it can be set to, as far as boxes are compared with it.
        texts: how each of them is written.
        start: which one it is set to at first.
        rule: ``"min"``: boxes whose own value is at least that; ``"max"``: at most; ``"is"``:
            the same, or all of them where the value is below 0.
        of: float64 [N], the boxes' own values.
    """

    label: str
    values: tuple[float, ...]
    texts: tuple[str, ...]
    start: int
    rule: str
    of: np.ndarray

    def passed(self, place: int) -> np.ndarray:
        """Return which boxes pass at one of the values, bool [N]."""
        value = self.values[place]
        if self.rule == "is":
            found: np.ndarray = (self.of == value) | (value < 0)
            return found
        return self.of >= value if self.rule == "min" else self.of <= value


@dataclass(frozen=True, eq=False)
class Interactive:
    """Boxes over the picture, and sliders that say which of them are shown.

    Attributes:
        picture: float32 [h, w, 3] in 0–1.
        marks: the boxes, in pixels of `picture`; the first is drawn on top.
        sliders: at least one.
        count: how many are shown, with ``{shown}`` for that number.
        still: what formats that cannot move show, with all sliders at their start.
    """

    picture: np.ndarray
    marks: Marks
    sliders: tuple[Slider, ...]
    count: str
    still: Pictures

    def shown(self, places: Sequence[int] | None = None) -> np.ndarray:
        """Return which boxes are shown, bool [N].

        Args:
            places: of the sliders, as indices of their values; None where they start.
        """
        at = [slider.start for slider in self.sliders] if places is None else places
        passed = (slider.passed(place) for slider, place in zip(self.sliders, at, strict=True))
        return reduce(lambda kept, more: kept & more, passed)


@dataclass(frozen=True, eq=False)
class Moving:
    """How one tensor becomes the next, a step after the other.

    Attributes:
        flow: the steps.
        lang: of what is said at each.
        still: what formats that cannot move show: a figure for each step.
    """

    flow: Flow
    lang: str
    still: Pictures


Part = Points | Pictures | Cells | Code | Interactive | Moving


@dataclass(frozen=True)
class Slide:
    """One idea.

    Attributes:
        key: its name in outlines and links, e.g. ``fpn-merges``.
        title: one line.
        parts: what it shows, in reading order; two parts stand side by side, one fills the slide.
        notes: what the speaker says, in paragraphs.
        stage: the stage of Faster R-CNN that it belongs to, for its colour; None for none.
        lang: the language.
        layout: ``"title"`` for a deck's or a part's opening, ``"content"`` else.
        step: fragment of the page's address at the step that the slide is about, or "".
    """

    key: str
    title: str
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    stage: str | None = None
    lang: str = "en"
    layout: str = "content"
    step: str = ""


BOTH = "both"
"""The language of a deck in every one: each slide comes in one and then in the next."""


@dataclass(frozen=True)
class Deck:
    """A talk.

    Attributes:
        title: of the whole.
        slides: in order.
        lang: the language, or `BOTH`.
        theme: ``"light"`` or ``"dark"``.
        page: the page (`tracer page`) that `Slide.step` points into, relative to the deck; or None.
        credits: licences and sources named on the last slide and in the file's properties.
        left_out: slides that were asked for and could not be made, with the reason, a line each.
    """

    title: str
    slides: tuple[Slide, ...]
    lang: str = "en"
    theme: str = "light"
    page: Path | None = None
    credits: tuple[str, ...] = field(default=())
    left_out: tuple[str, ...] = field(default=())

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of its slides."""
        return languages() if self.lang == BOTH else (self.lang,)


def stilled(deck: Deck) -> Deck:
    """Return the deck as formats that cannot move show it: stills for what is interactive."""

    def still(part: Part) -> Part:
        return part.still if isinstance(part, (Interactive, Moving)) else part

    slides = (replace(slide, parts=tuple(map(still, slide.parts))) for slide in deck.slides)
    return replace(deck, slides=tuple(slides))
