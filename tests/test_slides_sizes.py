"""How large the text of figures is on a slide, measured, and that none of it is cut off or hidden.

18 points at least, but for ticks and for what stands in cells as in a table: 12.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from anatomy_passes import recorded
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from tracer.views.figures.sheet import FINE
from tracer.views.slides import catalogue, deck, pages
from tracer.views.slides.deck import Deck, Pictures, Slide
from tracer.views.slides.pages import Pictured

pytestmark = pytest.mark.slow

READ, FINE_PRINT = 18, 12
"""Points that text has at least, and that ticks and cells have."""

PASSES = {"eval": {"targets": True}, "train": {"train": True}}


@pytest.fixture(scope="module", params=itertools.product(PASSES, ("en", "zh")), ids="-".join)
def texts(request, tmp_path_factory):
    """The texts of all figures that go with the recording, in one language."""
    kind, lang = request.param
    outline = tmp_path_factory.mktemp("outline") / "all.toml"
    drawn = (e for e in catalogue().values() if e.figure or e.interactive or e.flow)
    keys = [entry.key for entry in drawn if ("training" in entry.needs) == (kind == "train")]
    outline.write_text("".join(f'[[slide]]\nuse = "{key}"\n' for key in keys), "utf-8")
    made = deck(recorded(**PASSES[kind]).trace, lang=lang, outline=outline, strict=True)
    return [text for page, pane in last_steps(made) for text in written(page.slide.key, pane)]


def last_steps(made):
    """Page and picture of each slide at its last step, which has all that the others have."""
    found = {}
    for page in pages.pages(made):
        pictured = (pane for pane in page.panes if isinstance(pane, Pictured))
        found |= {page.slide.key: (page, next(pictured))}
    return found.values()


@dataclass(frozen=True)
class Written:
    """A text of a figure on a slide.

    Attributes:
        slide, text: where, and what it says.
        size: in points of the slide.
        fine: whether it is a tick, or stands in a cell.
        turned: whether it is written aslant: its rectangle says little then.
        box: its rectangle; `room` is that of the figure.
    """

    slide: str
    text: str
    size: float
    fine: bool
    turned: bool
    box: Bbox
    room: Bbox


def written(slide: str, pane: Pictured) -> Iterator[Written]:
    figure = pane.figure
    figure.draw_without_rendering()
    scale = pane.box.width / (float(figure.get_size_inches()[0]) * 72)
    ticks = {id(label): seen for ax in figure.axes for label, seen in _ticks(ax)}
    for text in figure.findobj(Text):
        hidden = text.axes is not None and not text.axes.get_visible()
        if hidden or not text.get_visible() or not text.get_text().strip():
            continue
        if ticks.get(id(text), True):
            fine = id(text) in ticks or text.get_label() == FINE
            turned = text.get_rotation() % 90 != 0
            size, box = text.get_fontsize() * scale, text.get_window_extent()
            yield Written(slide, text.get_text(), size, fine, turned, box, figure.bbox)


def _ticks(ax):
    """The labels of ticks, and whether they are within the limits: those beyond are not drawn."""
    for axis in (ax.xaxis, ax.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            seen = low <= tick.get_loc() <= high and axis.get_visible() and ax.axison
            yield from ((label, seen) for label in (tick.label1, tick.label2))


def test_text_is_large_enough(texts):
    assert len(texts) > 50
    small = [t for t in texts if t.size < (FINE_PRINT if t.fine else READ)]
    assert [(t.slide, t.text, round(t.size, 2)) for t in small] == []


def test_fine_print_is_numbers_and_shapes_and_names(texts):
    """What is small on purpose is short: no sentence is among it."""
    fine = {t.text for t in texts if t.size < READ and not t.text.startswith("$")}
    lines = {line for text in fine for line in text.splitlines()}
    assert {line for line in lines if len(line) > 20} == set()


def test_no_text_is_cut_off(texts):
    def over(box, room):
        return max(room.x0 - box.x0, box.x1 - room.x1, room.y0 - box.y0, box.y1 - room.y1)

    cut = [(t.slide, t.text, round(float(over(t.box, t.room)))) for t in texts]
    assert [each for each in cut if each[2] > 3] == []


def test_no_text_stands_on_another(texts):
    both = []
    for slide, of_slide in itertools.groupby(texts, lambda t: t.slide):
        boxes = [(t.text, t.box.padded(-2)) for t in of_slide if not t.turned]
        for (one, a), (other, b) in itertools.combinations(boxes, 2):
            if a.overlaps(b):
                both.append((slide, one, other))
    assert both == []


def test_the_measure_sees_what_it_should():
    """A text of 20 points in a figure that is placed at half its size, cut off, on another one."""
    figure = Figure((26.6, 11.5))
    ax = figure.add_subplot()
    for place in (0.98, 0.98):
        ax.text(
            place, 0.5, "over the edge of the figure", fontsize=20, transform=figure.transFigure
        )
    slide = Slide("small", "Small", (Pictures((figure,), "a figure"),))
    ((page, pane),) = last_steps(Deck("d", (slide,)))
    found = [text for text in written(page.slide.key, pane) if text.text.startswith("over")]
    assert len(found) == 2
    assert all(8 < text.size < 10 and not text.fine for text in found)
    assert all(text.box.x1 > text.room.x1 + 3 for text in found)
    assert found[0].box.overlaps(found[1].box)
    assert any(text.fine for text in written(page.slide.key, pane)), "ticks"
