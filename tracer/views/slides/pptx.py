"""The deck as a PowerPoint file to edit: text in placeholders, tables as tables, notes as notes.

Steps of a figure or of code become slides of their own, one after the other: that shows alike in
every program, prints, and a teacher can delete or move each. Points appear at a click each.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tracer.files import put
from tracer.foreign import clean
from tracer.languages import about
from tracer.views.kit.palette import THEMES, stage_colour
from tracer.views.slides import pages, placing, template
from tracer.views.slides import pptx_animation as builds
from tracer.views.slides.deck import Deck
from tracer.views.slides.grid import Tabled
from tracer.views.slides.libraries import library
from tracer.views.slides.listing import Listing
from tracer.views.slides.measure import has_chinese
from tracer.views.slides.pages import Listed, Page, Pane, Pictured
from tracer.views.slides.placing import INSET, PAD, Box, Text
from tracer.views.slides.syntax import Run
from tracer.views.slides.template import ASIDE, CAPTION, CHINESE, CONTENT, LINK, NUMBER, emu

DPI = 160
"""Pixels an inch of the figures, at the size that they have on the slide."""

LARGE = 300_000
"""Bytes of a picture from which on JPEG is considered."""

_PLAIN_TABLE = "{2D5ABB26-0587-4C30-8999-92F81FD0307C}"  # "No Style, No Grid"
_DECORATIVE = "{C183D7F6-B498-43B3-948B-1728B52AA6E4}"


def write_pptx(deck: Deck, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a deck as a PowerPoint file and return its path; see `tracer.files.put`.

    Raises:
        InputError: the file cannot be written.
        MissingError: python-pptx is not installed.
    """
    library("pptx", "python-pptx", "writing .pptx")
    placed = pages.pages(deck)
    made, layouts = template.presentation(deck, (_key(page) for page in placed))
    for page in placed:
        _add(made, layouts[_key(page)], page, deck)
    _describe(made, deck)
    written = io.BytesIO()
    made.save(written)
    return put(path, written.getvalue(), "pptx", overwrite)


def _key(page: Page) -> template.Key:
    return page.slide.layout, pages.kinds(page.slide)


def _add(made: Any, layout: Any, page: Page, deck: Deck) -> None:
    """Add one page; placeholders that it leaves empty go."""
    slide = made.slides.add_slide(layout)
    slide._element.cSld.set("name", clean(page.slide.key))
    _set(slide.shapes.title, page.title)
    for order, pane in enumerate(page.panes):
        _FILL[type(pane)](slide, order, pane, deck)
    if page.link is not None:
        _link(slide, page)
    _number(slide)
    _mark(slide, page, deck.theme)
    for shape in list(slide.placeholders):
        if shape.has_text_frame and not shape.text_frame.text:
            shape._element.getparent().remove(shape._element)
    if page.slide.notes:
        _notes(slide, page.slide.notes)


def _described(slide: Any, order: int, idx: int) -> Any:
    """Return the placeholder of a part's content, caption or second column."""
    return slide.placeholders[idx + order]


# --- text -----------------------------------------------------------------------------------------


def _set(shape: Any, text: Text | None, indent: float = 0.0, grown: float = 0.0) -> None:
    """Write paragraphs into a placeholder; its size and place are its own where they differ.

    Args:
        shape: the placeholder.
        text: what to write; None leaves it empty.
        indent: of the lines, in em, where there are bullets.
        grown: how much larger the placeholder is than the text's box.
    """
    if text is None:
        return
    _place(shape, text.box.grown(grown))
    _size(shape, text, indent)
    paragraphs = [shape.text_frame.paragraphs[0]]
    paragraphs += [shape.text_frame.add_paragraph() for _ in text.paragraphs[1:]]
    for paragraph, each in zip(paragraphs, text.paragraphs, strict=True):
        _run(paragraph, each.text)


def _place(shape: Any, box: Box) -> None:
    """Give a shape its own place, unless the layout's is the same."""
    wanted = tuple(map(emu, (box.left, box.top, box.width, box.height)))
    if wanted != (shape.left, shape.top, shape.width, shape.height):
        shape.left, shape.top, shape.width, shape.height = wanted


def _size(shape: Any, text: Text, indent: float) -> None:
    """Set the size for the whole shape, so that what is added to it later has it too."""
    from pptx.oxml import parse_xml

    body = shape.text_frame._txBody
    step = emu(indent * text.size)
    gap = round(text.gap * text.size * 100)
    level = (
        f'<a:lstStyle {template.SPACES}><a:lvl1pPr marL="{step}" indent="{-step}"><a:spcAft>'
        f'<a:spcPts val="{gap}"/></a:spcAft><a:defRPr sz="{round(text.size * 100)}"/></a:lvl1pPr>'
        "</a:lstStyle>"
    )
    old = body.find("{*}lstStyle")
    if old is not None:
        body.remove(old)
    body.insert(1, parse_xml(level))


def _run(paragraph: Any, text: str) -> Any:
    """Add a run; one with Chinese names its language and the font for it."""
    from pptx.oxml import parse_xml

    run = paragraph.add_run()
    run.text = text
    properties = run._r.get_or_add_rPr()
    chinese = has_chinese(text)
    properties.set("lang", "zh-CN" if chinese else "en-US")
    if chinese:
        properties.set("altLang", "en-US")
        properties.append(parse_xml(f'<a:ea {template.SPACES} typeface="{CHINESE}"/>'))
    return run


def _fill_points(slide: Any, order: int, pane: Listed, deck: Deck) -> None:
    from pptx.oxml import parse_xml

    shape = _described(slide, order, CONTENT)
    _set(shape, pane.text, placing.BULLET if pane.bullets else 0.0)
    if pane.stepwise and slide._element.find("{*}timing") is None:
        timing = builds.appearing(shape.shape_id, len(pane.text.paragraphs))
        slide._element.append(parse_xml(timing))


# --- pictures -------------------------------------------------------------------------------------


def _fill_picture(slide: Any, order: int, pane: Pictured, deck: Deck) -> None:
    picture = _described(slide, order, CONTENT).insert_picture(_picture(pane))
    picture.crop_left = picture.crop_right = picture.crop_top = picture.crop_bottom = 0
    _place(picture, pane.box)
    named = picture._element.nvPicPr.cNvPr
    named.set("descr", pane.alt)
    _set(_described(slide, order, CAPTION), pane.caption)


def _picture(pane: Pictured) -> io.BytesIO:
    """Draw a figure at the pixels that its place on the slide deserves.

    PNG; JPEG where that is much smaller, as of photographs and of maps.
    """
    from PIL import Image

    drawn = io.BytesIO()
    dpi = DPI * pane.box.width / 72 / float(pane.figure.get_size_inches()[0])
    pane.figure.savefig(drawn, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})
    picture = Image.open(drawn).convert("RGB")
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.save(png, "PNG")
    if png.tell() > LARGE:
        picture.save(jpeg, "JPEG", quality=93, subsampling=0, optimize=True)
    chosen = jpeg if 0 < jpeg.tell() < 0.7 * png.tell() else png
    chosen.seek(0)
    return chosen


# --- tables ---------------------------------------------------------------------------------------


def _fill_table(slide: Any, order: int, pane: Tabled, deck: Deck) -> None:
    from pptx.shapes.placeholder import TablePlaceholder

    holder: TablePlaceholder = _described(slide, order, CONTENT)
    frame = holder.insert_table(len(pane.rows), len(pane.widths))
    _place(frame, pane.box)
    table = frame.table
    table._tbl.tblPr.find("{*}tableStyleId").text = _PLAIN_TABLE
    table.horz_banding = False
    for column, width in zip(table.columns, pane.widths, strict=True):
        column.width = emu(width)
    for number, (row, height) in enumerate(zip(table.rows, pane.heights, strict=True)):
        row.height = emu(height)
        for column, cell in enumerate(row.cells):
            _fill_cell(cell, pane, number, column)
    _set(_described(slide, order, CAPTION), pane.more)


def _fill_cell(cell: Any, pane: Tabled, row: int, column: int) -> None:
    from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
    from pptx.oxml import parse_xml
    from pptx.util import Pt

    cell.margin_left = cell.margin_right = emu(PAD[0])
    cell.margin_top = cell.margin_bottom = emu(PAD[1])
    cell.vertical_anchor = MSO_ANCHOR.MIDDLE
    paragraph = cell.text_frame.paragraphs[0]
    if column in pane.numbers:
        paragraph.alignment = PP_ALIGN.RIGHT
    run = _run(paragraph, pane.rows[row][column].text)
    run.font.size, run.font.bold = Pt(pane.size), row == 0
    properties = cell._tc.get_or_add_tcPr()
    line = (
        f'<a:lnB {template.SPACES} w="{12700 if row == 0 else 6350}"><a:solidFill>'
        '<a:schemeClr val="tx2"><a:alpha val="60000"/></a:schemeClr></a:solidFill></a:lnB>'
    )
    properties.append(parse_xml(line))
    if row == 0:
        fill = '<a:solidFill {}><a:schemeClr val="bg2"/></a:solidFill>'
        properties.append(parse_xml(fill.format(template.SPACES)))


# --- code -----------------------------------------------------------------------------------------


def _fill_code(slide: Any, order: int, pane: Listing, deck: Deck) -> None:
    from pptx.oxml import parse_xml

    shape = _described(slide, order, CONTENT)
    lines = tuple(line.broken for line in pane.code)
    _place(shape, pane.box.grown(INSET))
    _size(shape, Text(pane.box, pane.size, lines, pane.style), 0.0)
    frame = shape.text_frame
    for number, line in enumerate(pane.code):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        properties = paragraph._p.get_or_add_pPr()
        properties.set("marL", str(emu(pane.indent)))
        properties.set("indent", str(-emu(pane.indent)))
        for element in _numbered(line.number):
            properties.append(parse_xml(element))
        for run in line.runs:
            _code_run(paragraph, run, line.lit, deck.theme)
    _set(_described(slide, order, ASIDE), pane.beside, grown=INSET)
    _set(_described(slide, order, CAPTION), pane.source)


def _numbered(number: int | None) -> list[str]:
    """Return what numbers a paragraph as its line in the file; the text stays free of it."""
    spaces = template.SPACES
    if number is None:
        return [f"<a:buNone {spaces}/>"]
    return [
        f'<a:buClr {spaces}><a:schemeClr val="tx2"/></a:buClr>',
        f'<a:buFont {spaces} typeface="{template.MONO}"/>',
        f'<a:buAutoNum {spaces} type="arabicPlain" startAt="{max(1, min(number, 32767))}"/>',
    ]


def _code_run(paragraph: Any, run: Run, lit: bool, theme: str) -> None:
    """Write a run of code in its colour; those of lit lines are marked."""
    from pptx.oxml import parse_xml

    properties = _run(paragraph, run.text)._r.get_or_add_rPr()
    spaces, colour = template.SPACES, run.colour(theme)
    marks = [f"<a:solidFill {spaces}>{_rgb(colour)}</a:solidFill>"] if colour else []
    if lit:
        properties.set("b", "1")
        marks.append(f"<a:highlight {spaces}>{_rgb(THEMES[theme].here)}</a:highlight>")
    for place, mark in enumerate(marks):
        properties.insert(place, parse_xml(mark))


def _rgb(colour: str) -> str:
    return f'<a:srgbClr val="{colour[1:].upper()}"/>'


# --- the rest of a slide --------------------------------------------------------------------------


def _link(slide: Any, page: Page) -> None:
    shape = slide.placeholders[LINK]
    _set(shape, page.link)
    shape.text_frame.paragraphs[0].runs[0].hyperlink.address = page.address


def _number(slide: Any) -> None:
    """Copy the slide number's field from the layout: python-pptx leaves it out."""
    from copy import deepcopy

    source = next(s for s in slide.slide_layout.placeholders if s.placeholder_format.idx == NUMBER)
    element = deepcopy(source._element)
    element.nvSpPr.cNvPr.set("id", str(slide.shapes._next_shape_id))
    properties = element.spPr
    for child in list(properties):
        properties.remove(child)
    body = element.txBody
    styles = body.find("{*}lstStyle")
    for child in list(styles):
        styles.remove(child)
    slide.shapes._spTree.append(element)


def _mark(slide: Any, page: Page, theme: str) -> None:
    """Add a bar in the stage's colour; it stands behind all else and says nothing."""
    from pptx.dml.color import RGBColor
    from pptx.enum.shapes import MSO_SHAPE
    from pptx.oxml import parse_xml

    box = placing.OPENING_MARK if page.slide.layout == "title" else placing.MARK
    place = [emu(side) for side in (box.left, box.top, box.width, box.height)]
    shape = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, *place)
    shape.name = "Stage"
    shape.fill.solid()
    shape.fill.fore_color.rgb = RGBColor.from_string(
        stage_colour(page.slide.stage, theme)[1:].upper()
    )
    shape.line.fill.background()
    shape.shadow.inherit = False
    shape._element.nvSpPr.cNvPr.append(
        parse_xml(
            f'<a:extLst {template.SPACES}><a:ext uri="{_DECORATIVE}"><adec:decorative val="1" '
            'xmlns:adec="http://schemas.microsoft.com/office/drawing/2017/decorative"/></a:ext>'
            "</a:extLst>"
        )
    )
    tree = slide.shapes._spTree
    tree.remove(shape._element)
    tree.insert(2, shape._element)


def _notes(slide: Any, notes: Sequence[str]) -> None:
    frame = slide.notes_slide.notes_text_frame
    for number, text in enumerate(notes):
        paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
        _run(paragraph, clean(text))


def _describe(made: Any, deck: Deck) -> None:
    """Set the properties of the file; each holds at most 255 letters."""
    import datetime

    it = made.core_properties
    it.title = clean(deck.title)[:255]
    it.author = it.last_modified_by = "rcnn-tracer"
    it.language = ", ".join(about("tag", lang) for lang in deck.languages)
    it.comments = clean("; ".join(deck.credits))[:255]
    it.subject, it.keywords = "Faster R-CNN", "Faster R-CNN, torchvision"
    it.created = it.modified = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    it.revision = 1


_FILL: dict[type[Pane], Callable[..., None]] = {
    Listed: _fill_points, Pictured: _fill_picture, Tabled: _fill_table, Listing: _fill_code,
}  # fmt: skip
