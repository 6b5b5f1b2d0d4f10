"""Paper and text: the places that every page has, and paragraphs broken to fit, in points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from tracer.foreign import clean
from tracer.views.slides.measure import Style, breaks, lead, shortened

WIDTH, HEIGHT = 960.0, 540.0
"""Of a page, 16:9, in points."""

SMALLEST = 18
"""Points below which only code and tables go."""

TITLES = (32, 30, 28, 26, 24, 22, 20, 18)
OPENINGS = (48, 44, 40, 36, 32, 28, 24, 20, 18)
TEXTS = (28, 26, 24, 22, 20, 18)
SLACK = 0.985
"""Share of a box's width that lines may fill: other programs space letters a little differently."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the page, in points from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def moved(self, down: float) -> Box:
        """Return the rectangle farther down."""
        return replace(self, top=self.top + down)

    def grown(self, by: float) -> Box:
        """Return the rectangle with its edges farther out; negative for farther in."""
        return Box(self.left - by, self.top - by, self.width + 2 * by, self.height + 2 * by)


MARGIN, GAP = 40.0, 28.0
TITLE = Box(MARGIN, 16, WIDTH - 2 * MARGIN, 64)
BODY = Box(MARGIN, 88, WIDTH - 2 * MARGIN, 414)
LINK = Box(MARGIN, 507, 600, 28)
NUMBER = Box(WIDTH - MARGIN - 120, 507, 120, 28)
MARK = Box(0, 24, 12, 48)
"""Of a bar in the stage's colour, beside the title."""

OPENING = Box(80, 110, WIDTH - 160, 160)
SUBTITLE = Box(80, 290, WIDTH - 160, 190)
OPENING_MARK = Box(80, 276, 120, 5)
HALF = 400.0
"""Width of an opening's texts where a picture stands beside them."""

BULLET = 0.95
"""Em from a bullet to its text."""

PAD = (7.0, 3.5)
"""Points in a table's cell beside and above its text."""

INSET = 8.0
"""Points between the edge of a panel and its text."""

SPACING = 0.45
"""Em between two points."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph in one piece, and as it is broken where it stands."""

    text: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """Paragraphs at a size.

    Attributes:
        box: where they go, from its top on.
        size: in points.
        paragraphs: with their lines.
        style: what they are set in.
        gap: between paragraphs, in em.
    """

    box: Box
    size: float
    paragraphs: tuple[Paragraph, ...]
    style: Style
    gap: float = 0.0

    @property
    def lead(self) -> float:
        """Distance of two lines, in points."""
        return self.size * lead([each.text for each in self.paragraphs])

    @property
    def height(self) -> float:
        """What the lines take, in points."""
        between = self.gap * self.size * max(0, len(self.paragraphs) - 1)
        return self.lead * sum(len(each.lines) for each in self.paragraphs) + between


def set_text(
    paragraphs: Sequence[str],
    box: Box,
    sizes: Sequence[float],
    style: Style,
    *,
    gap: float = 0.0,
    indent: float = 0.0,
) -> Text:
    """Break paragraphs at the largest size at which they fit, or else at the last.

    Args:
        paragraphs: cleaned.
        box: what they are to fit into.
        sizes: to try, in points.
        style: what they are set in.
        gap: between paragraphs, in em.
        indent: of their lines, in em.
    """
    for size in sizes:
        room = box.width * SLACK - indent * size
        broken = tuple(Paragraph(text, breaks(text, size, room, style)) for text in paragraphs)
        text = Text(box, size, broken, style, gap)
        if text.height <= box.height:
            break
    return text


def how_many_fit(text: Text) -> int:
    gap = text.gap * text.size
    ends = accumulate(len(each.lines) * text.lead + gap for each in text.paragraphs)
    return max(1, sum(end - gap <= text.box.height for end in ends))


def set_caption(caption: str, box: Box, style: Style) -> Text | None:
    """Set a caption at the foot of a place, in at most two lines."""
    if not caption.strip():
        return None
    words = shortened(clean(caption), SMALLEST, box.width * SLACK * 1.85, style)
    text = set_text((words,), box, (SMALLEST,), style)
    return replace(text, box=Box(box.left, box.bottom - text.height, box.width, text.height))


def above(box: Box, caption: Text | None) -> Box:
    """Return what a caption leaves of a place."""
    taken = caption.height + 4 if caption else 0
    return Box(box.left, box.top, box.width, box.height - taken)
