"""Colours of code: one mapping, the same in every format, legible on every ground that it has."""

from __future__ import annotations

import io
import re

import handmade_decks
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.views.kit.palette import SOURCE, THEMES
from tracer.views.slides import pages, syntax
from tracer.views.slides.deck import Deck, Slide
from tracer.views.slides.listing import Listing
from tracer.views.slides.markup import style
from tracer.views.slides.measure import Style, breaks


def luminance(colour: str) -> float:
    """Of WCAG 2.2."""
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_every_colour_can_be_read(theme):
    grounds = (THEMES[theme].panel, THEMES[theme].paper, THEMES[theme].here)
    inks = {**SOURCE[theme], "text": THEMES[theme].ink}
    found = {(kind, g): contrast(ink, g) for kind, ink in inks.items() for g in grounds}
    assert min(found.values()) >= 4.5, sorted(found.items(), key=lambda each: each[1])[:3]


def test_the_measure_of_contrast():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_lines_are_those_of_the_source():
    found = syntax.lines(handmade_decks.SOURCE)
    text = "\n".join("".join(run.text for run in runs) for runs in found)
    assert text == handmade_decks.SOURCE
    kinds = {run.text: run.kind for runs in found for run in runs}
    assert kinds["def"] == kinds["for"] == "k"
    assert kinds["forward"] == "f"
    assert kinds["# unpack OrderedDict into two lists for easier handling"] == "c"


@given(st.text("ab =+'#(", max_size=60), st.integers(3, 12))
def test_broken_lines_keep_their_colours(text, letters):
    runs = syntax.lines(text)[0]
    pieces = breaks(text, 10.0, 6.1 * letters, Style("en", mono=True))
    shown = syntax.broken(runs, [f"    {piece}" for piece in pieces])
    assert ["".join(run.text for run in each) for each in shown] == [f"    {p}" for p in pieces]
    letter_by_letter = [(letter, run.kind) for run in runs for letter in run.text]
    seen = [(c, run.kind) for each in shown for run in each for c in run.text if c != " "]
    assert seen == [(c, kind) for c, kind in letter_by_letter if c != " "]


def test_listings_have_their_lines_runs():
    deck = Deck("d", (Slide("code", "Code", (handmade_decks.code(),)),))
    panes = [pane for page in pages.pages(deck) for pane in page.panes]
    assert len(panes) == 2
    for pane in panes:
        assert isinstance(pane, Listing)
        for line in pane.code:
            assert "".join(run.text for run in line.runs) == line.broken.text


# --- the same in every format ---------------------------------------------------------------------


@pytest.fixture(params=THEMES)
def deck(request):
    code = handmade_decks.code()
    return Deck("d", (Slide("code", "Code", (code,)),), theme=request.param)


def used(deck):
    kinds = {run.kind for runs in syntax.lines(handmade_decks.SOURCE) for run in runs}
    return {SOURCE[deck.theme][kind] for kind in kinds - {"", "o"}}


def test_in_html(deck):
    text = style(deck.theme)
    for kind, colour in SOURCE[deck.theme].items():
        assert f"--{kind}:{colour};" in text
        assert re.search(rf"\.{kind} {{ color: var\(--{kind}\);", text)


def test_in_powerpoint(deck, tmp_path):
    pptx = pytest.importorskip("pptx", reason="python-pptx is not installed")
    from tracer.views.slides.pptx import write_pptx

    made = pptx.Presentation(str(write_pptx(deck, tmp_path / "deck.pptx")))
    shape = next(s for s in made.slides[0].placeholders if s.placeholder_format.idx == 10)
    runs = [run for paragraph in shape.text_frame.paragraphs for run in paragraph.runs]
    found = {f"#{run.font.color.rgb}".lower() for run in runs if run.font.color.type is not None}
    assert found == used(deck)
    assert len(used(deck)) >= 4


def test_in_pdf(deck):
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    pytest.importorskip("fpdf", reason="fpdf2 is not installed")
    from tracer.views.slides.pdf import set_pdf

    content = pypdf.PdfReader(io.BytesIO(set_pdf(deck))).pages[0].get_contents().get_data()
    numbers = re.findall(rb"(\d*\.?\d+) (\d*\.?\d+) (\d*\.?\d+) rg", content)
    found = {f"#{''.join(f'{round(float(n) * 255):02x}' for n in rgb)}" for rgb in numbers}
    assert used(deck) <= found
