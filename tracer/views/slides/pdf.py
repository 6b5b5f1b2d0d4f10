"""The deck as a PDF file: set as `pages` places it, in the fonts that come along.

fpdf2 sets the text: of the libraries at hand it alone embeds, as subsets, the fonts in which
Chinese is written (collections with PostScript outlines too), so that it can be selected and
copied. Figures come from matplotlib as they are, in vectors; pypdf puts them in place.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.files import put
from tracer.foreign import clean
from tracer.languages import about
from tracer.views.kit.palette import THEMES, Theme, stage_colour
from tracer.views.slides import pages, placing
from tracer.views.slides.deck import Deck
from tracer.views.slides.design import STAGES, stage_title
from tracer.views.slides.grid import Tabled
from tracer.views.slides.libraries import library
from tracer.views.slides.listing import CodeLine, Listing
from tracer.views.slides.measure import Font, Style, fonts, pieces, width
from tracer.views.slides.pages import Listed, Page, Pane, Pictured
from tracer.views.slides.placing import INSET, PAD, Box, Paragraph, Text
from tracer.views.slides.syntax import broken

if TYPE_CHECKING:
    from matplotlib.figure import Figure


DPI = 150
"""Of the pictures within figures; all else in them is drawn by lines."""

_NO_DATE = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""Instead of the present, by which no two files would be the same; it is taken out at the end."""


def write_pdf(deck: Deck, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a deck as a PDF file and return its path; see `tracer.files.put`.

    Raises:
        InputError: the file cannot be written.
        MissingError: fpdf2 or pypdf is not installed.
    """
    return put(path, set_pdf(deck), "pdf", overwrite)


def set_pdf(deck: Deck) -> bytes:
    """Return a deck as PDF, each step on a page; the same bytes on every machine.

    Raises:
        MissingError: fpdf2 or pypdf is not installed.
    """
    library("fpdf", "fpdf2", "writing .pdf")
    library("pypdf", "pypdf", "writing .pdf")
    placed = pages.pages(deck, embedded=True)
    paper = _Paper(deck)
    for page in placed:
        _draw(paper, page)
    return _with_figures(paper.written(), placed)


# --- paper ----------------------------------------------------------------------------------------


class _Paper:
    """Pages that text and rectangles are put on, in points from the top left corner."""

    def __init__(self, deck: Deck) -> None:
        from fpdf import FPDF

        self.theme: Theme = THEMES[deck.theme]
        self.name = deck.theme
        self._pdf = FPDF(unit="pt", format=(placing.WIDTH, placing.HEIGHT))
        self._pdf.set_margin(0)
        self._pdf.set_auto_page_break(False)
        self._families: dict[tuple[str, int], str] = {}
        self._unwritten = ""
        self._describe(deck)

    def _describe(self, deck: Deck) -> None:
        self._pdf.set_title(clean(deck.title))
        self._pdf.set_lang(about("tag", deck.languages[0]))
        self._pdf.set_author("rcnn-tracer")
        self._pdf.set_creator("rcnn-tracer")
        self._pdf.set_subject(clean("; ".join(deck.credits)))
        self._pdf.set_creation_date(_NO_DATE)

    def turn(self, page: Page) -> None:
        """Begin a page; the first of a slide gets an entry in the reader's contents."""
        self._pdf.add_page()
        self.stage = stage_colour(page.slide.stage, self.name)
        self.fill(Box(0, 0, placing.WIDTH, placing.HEIGHT), self.theme.paper)
        if page.first:
            self._pdf.start_section(clean(page.slide.title))

    def fill(self, box: Box, colour: str) -> None:
        """Fill a rectangle."""
        self._pdf.set_fill_color(colour)
        self._pdf.rect(box.left, box.top, box.width, box.height, style="F")

    def link(self, box: Box, address: str) -> None:
        """Make a rectangle lead somewhere."""
        self._pdf.link(box.left, box.top, box.width, box.height, address)

    def line(
        self, left: float, top: float, lead: float, text: str, size: float, style: Style, ink: str
    ) -> None:
        """Write a line; `top` and `lead` are of the strip that it stands in the middle of."""
        self._pdf.set_text_color(ink)
        baseline = top + lead / 2 + 0.345 * size
        for font, piece in pieces(text, style):
            self._pdf.set_font(self._family(font or fonts(style)[2]), size=size)
            self._pdf.text(left, baseline, piece if font else "\ufffd" * len(piece))
            self._unwritten += "" if font else piece
            left += width(piece, size, style)

    def _family(self, font: Font) -> str:
        key = (font.path, font.number)
        if key not in self._families:
            self._families[key] = f"font{len(self._families)}"
            number = max(0, font.number)
            self._pdf.add_font(self._families[key], "", font.path, collection_font_number=number)
        return self._families[key]

    def text(self, text: Text, ink: str, indent: float = 0.0, anchor: str = "t") -> None:
        """Write paragraphs from the top of their box on; or centred in it, or at its foot."""
        top = _top(text, anchor)
        for paragraph in text.paragraphs:
            for line in paragraph.lines:
                self.line(text.box.left + indent, top, text.lead, line, text.size, text.style, ink)
                top += text.lead
            top += text.gap * text.size

    def written(self) -> bytes:
        """Return the file; what fpdf2 logs of the tables that it drops from fonts is not news.

        Letters that no font has are named once.
        """
        from tracer.views.kit.fonts import tell

        tell(self._unwritten)
        logger = logging.getLogger("fontTools")
        before = logger.level
        logger.setLevel(logging.ERROR)
        try:
            return bytes(self._pdf.output())
        finally:
            logger.setLevel(before)


def _top(text: Text, anchor: str) -> float:
    spare = max(0.0, text.box.height - text.height)
    return text.box.top + {"t": 0.0, "ctr": spare / 2, "b": spare}[anchor]


# --- pages ----------------------------------------------------------------------------------------


def _draw(paper: _Paper, page: Page) -> None:
    opening = page.slide.layout == "title"
    paper.turn(page)
    paper.fill(placing.OPENING_MARK if opening else placing.MARK, paper.stage)
    paper.text(page.title, paper.theme.ink, anchor="b" if opening else "ctr")
    for pane in page.panes:
        _DRAW[type(pane)](paper, pane)
    _draw_foot(paper, page)


def _draw_foot(paper: _Paper, page: Page) -> None:
    """Draw the stage's name, the link into the page, and the number."""
    style, number = Style(page.slide.lang, embedded=True), str(page.number)
    room, lead = placing.LINK, placing.SMALLEST * 1.2
    stage = page.slide.stage if page.slide.stage in STAGES else "overview"
    name = "" if page.slide.layout == "title" else stage_title(stage, page.slide.lang)
    paper.line(room.left, room.top, lead, name, placing.SMALLEST, style, paper.theme.muted)
    if page.link is not None:
        after = width(name, placing.SMALLEST, style) + placing.GAP if name else 0.0
        box = replace(page.link.box, left=room.left + after)
        _draw_link(paper, replace(page.link, box=box), page.address)
    left = placing.NUMBER.left + placing.NUMBER.width - width(number, placing.SMALLEST, style)
    paper.line(left, placing.NUMBER.top, lead, number, placing.SMALLEST, style, paper.theme.muted)


def _draw_link(paper: _Paper, link: Text, address: str) -> None:
    paper.text(link, paper.theme.accent)
    wide = width(link.paragraphs[0].text, link.size, link.style)
    area = Box(link.box.left, link.box.top, wide, link.lead)
    paper.fill(Box(area.left, area.bottom - link.lead * 0.12, wide, 0.8), paper.theme.accent)
    paper.link(area, address)


def _draw_points(paper: _Paper, pane: Listed) -> None:
    text = pane.text
    ink = paper.theme.ink if pane.bullets else paper.theme.muted
    anchor = "ctr" if pane.bullets else "t"
    paper.text(text, ink, text.size * placing.BULLET if pane.bullets else 0.0, anchor)
    top = _top(text, anchor)
    for paragraph in text.paragraphs if pane.bullets else ():
        paper.line(text.box.left, top, text.lead, "•", text.size, text.style, paper.stage)
        top += len(paragraph.lines) * text.lead + text.gap * text.size


def _draw_picture(paper: _Paper, pane: Pictured) -> None:
    if pane.caption:
        paper.text(pane.caption, paper.theme.muted)


def _draw_table(paper: _Paper, pane: Tabled) -> None:
    top = pane.box.top
    for number, (row, height) in enumerate(zip(pane.rows, pane.heights, strict=True)):
        strip = Box(pane.box.left, top, pane.box.width, height)
        if number == 0:
            paper.fill(strip, paper.theme.panel)
        _draw_row(paper, pane, row, strip, replace(pane.style, bold=number == 0))
        edge = paper.theme.muted if number == 0 else paper.theme.faint
        paper.fill(Box(strip.left, strip.bottom - 0.4, strip.width, 0.8), edge)
        top += height
    if pane.more:
        paper.text(pane.more, paper.theme.muted)


def _draw_row(
    paper: _Paper, pane: Tabled, row: Sequence[Paragraph], strip: Box, style: Style
) -> None:
    left = strip.left
    for column, (cell, wide) in enumerate(zip(row, pane.widths, strict=True)):
        lead = (strip.height - 2 * PAD[1]) / max(len(each.lines) for each in row)
        top = strip.top + (strip.height - lead * len(cell.lines)) / 2
        for line in cell.lines:
            spare = wide - 2 * PAD[0] - width(line, pane.size, style)
            start = left + PAD[0] + (spare if column in pane.numbers else 0.0)
            paper.line(start, top, lead, line, pane.size, style, paper.theme.ink)
            top += lead
        left += wide


def _draw_code(paper: _Paper, pane: Listing) -> None:
    paper.fill(pane.box.grown(INSET), paper.theme.panel)
    top = pane.box.top
    for line in pane.code:
        _draw_line(paper, pane, line, top)
        top += pane.lead * len(line.broken.lines)
    if pane.beside:
        paper.fill(pane.beside.box.grown(INSET), paper.theme.panel)
        paper.text(pane.beside, paper.theme.ink)
    if pane.source:
        paper.text(pane.source, paper.theme.muted)


def _draw_line(paper: _Paper, pane: Listing, line: CodeLine, top: float) -> None:
    strip = Box(pane.box.left, top, pane.box.width, pane.lead * len(line.broken.lines))
    if line.lit:
        paper.fill(strip, paper.theme.here)
        paper.fill(Box(strip.left - INSET, top, INSET / 2, strip.height), paper.stage)
    if line.number is not None:
        number, muted = str(line.number), paper.theme.muted
        paper.line(strip.left, top, pane.lead, number, pane.size, pane.style, muted)
    style = replace(pane.style, bold=line.lit)
    for runs in broken(line.runs, line.broken.lines):
        left = strip.left + pane.indent
        for run in runs:
            ink = run.colour(paper.name) or paper.theme.ink
            paper.line(left, top, pane.lead, run.text, pane.size, style, ink)
            left += width(run.text, pane.size, style)
        top += pane.lead


_DRAW: dict[type[Pane], Callable[..., None]] = {
    Listed: _draw_points, Pictured: _draw_picture, Tabled: _draw_table, Listing: _draw_code,
}  # fmt: skip


# --- figures --------------------------------------------------------------------------------------


def _with_figures(pdf: bytes, placed: Sequence[Page]) -> bytes:
    """Put the figures into their places on the pages."""
    from pypdf import PdfWriter

    shown = [(page.number, pane) for page in placed for pane in page.panes]
    pictures = [(number, pane) for number, pane in shown if isinstance(pane, Pictured)]
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    writer.pdf_header = "%PDF-1.7"
    known: Mapping[str, Any] = writer.metadata or {}
    writer.metadata = {name: known[name] for name in known if name != "/CreationDate"}
    forms = _forms(writer, {id(pane.figure): pane.figure for _, pane in pictures})
    for number, pane in pictures:
        form, wide = forms[id(pane.figure)]
        _put_figure(writer, writer.pages[number - 1], form, _shown(pane, wide))
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _forms(writer: Any, figures: dict[int, Figure]) -> dict[int, tuple[Any, float]]:
    """Return each figure as an object of the file that pages can show, and its width in points."""
    from pypdf import PdfReader

    if not figures:
        return {}
    drawn = PdfReader(_drawn(figures.values()))
    return {
        key: (writer._add_object(_form(writer, page)), float(page.mediabox.width))
        for key, page in zip(figures, drawn.pages, strict=True)
    }


def _drawn(figures: Iterable[Figure]) -> io.BytesIO:
    """Draw all figures into one file, so that they share their fonts."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    drawn = io.BytesIO()
    # Type 3 is the one kind that matplotlib also writes right for fonts of PostScript outlines.
    with mpl.rc_context({"pdf.fonttype": 3}), PdfPages(drawn) as file:
        for figure in figures:
            file.savefig(figure, dpi=DPI)
    drawn.seek(0)
    return drawn


def _form(writer: Any, page: Any) -> Any:
    """Return a page as an object, its text kept as text."""
    from pypdf.generic import DecodedStreamObject, NameObject

    plain = DecodedStreamObject()
    plain.set_data(page.get_contents().get_data())
    form = plain.flate_encode()
    form[NameObject("/Type")] = NameObject("/XObject")
    form[NameObject("/Subtype")] = NameObject("/Form")
    form[NameObject("/BBox")] = page.mediabox.clone(writer)
    form[NameObject("/Resources")] = page["/Resources"].clone(writer)
    return form


def _put_figure(writer: Any, page: Any, form: Any, drawing: str) -> None:
    """Add a figure to a page, by a name of its own."""
    from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject

    resources = page.setdefault(NameObject("/Resources"), DictionaryObject()).get_object()
    objects = resources.setdefault(NameObject("/XObject"), DictionaryObject()).get_object()
    name = f"/Figure{form.idnum}"
    objects[NameObject(name)] = form
    more = DecodedStreamObject()
    more.set_data(drawing.format(name).encode())
    before = page.raw_get("/Contents")
    page[NameObject("/Contents")] = ArrayObject([before, writer._add_object(more)])


def _shown(pane: Pictured, wide: float) -> str:
    """Return what draws ``{}`` at the figure's place, marked with what it shows in words."""
    scale, foot = pane.box.width / wide, placing.HEIGHT - pane.box.bottom
    alt = pane.alt.encode("utf-16-be", "replace").hex()
    place = f"{scale:.5f} 0 0 {scale:.5f} {pane.box.left:.2f} {foot:.2f}"
    return f"\n/Figure <</Alt <feff{alt}>>> BDC q {place} cm {{}} Do Q EMC\n"
