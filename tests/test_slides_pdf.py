"""The PDF writer; PDFium, which is Chrome's own, reads the text."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import handmade_decks as decks
import numpy as np
import pytest
from matplotlib.figure import Figure
from our_fonts import without_fonts

from tracer.errors import InputError, MissingError
from tracer.views.kit import fonts
from tracer.views.kit.palette import stage_colour
from tracer.views.slides import pages, placing
from tracer.views.slides.deck import Deck, Interactive, Pictures, Points, Slide
from tracer.views.slides.pdf import set_pdf, write_pdf

pytestmark = pytest.mark.slow

pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed: pip install pypdf")
pdfium = pytest.importorskip(
    "pypdfium2", reason="pypdfium2 is not installed: pip install pypdfium2"
)
pytest.importorskip("fpdf", reason="fpdf2 is not installed: pip install fpdf2")


@pytest.fixture(scope="module")
def written():
    """The decks of both languages, light and dark."""
    return {lang: set_pdf(decks.deck(lang, theme)) for lang, theme in THEMES.items()}


THEMES = {"en": "light", "zh": "dark", "both": "light"}


def text_of(data: bytes) -> list[str]:
    """What one would copy from each page, in lines."""
    document = pdfium.PdfDocument(data)
    return [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document]


def plain(text: str) -> str:
    return "".join(text.split())


def fonts_of(data: bytes) -> list[dict]:
    """All fonts of a file, those within figures too."""
    reader = pypdf.PdfReader(io.BytesIO(data))
    every = (reader.get_object(n) for n in range(1, len(reader.xref[0]) + 1))
    return [o for o in every if isinstance(o, dict) and o.get("/Type") == "/Font"]


def colours(data: bytes, page: int, scale: float = 0.5) -> Counter:
    """How often each colour is on a page."""
    image = pdfium.PdfDocument(data)[page].render(scale=scale).to_pil().convert("RGB")
    found, counts = np.unique(np.asarray(image).reshape(-1, 3), axis=0, return_counts=True)
    return Counter(dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True)))


# --- what is in the file --------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh", "both"])
def test_every_text_can_be_copied(written, lang):
    placed = pages.pages(decks.deck(lang, THEMES[lang]))
    shown = text_of(written[lang])
    assert len(shown) == len(placed)
    for text, page in zip(shown, placed, strict=True):
        assert plain(page.title.paragraphs[0].text) in plain(text)
        for part in page.slide.parts:
            for want in wanted(part):
                assert plain(want) in plain(text), f"{page.slide.key}: {want!r}"


def wanted(part) -> list[str]:
    if isinstance(part, Points):
        return list(part.lines)
    if isinstance(part, Pictures):
        return [part.caption]
    if isinstance(part, Interactive):
        return [part.still.caption]
    if hasattr(part, "head"):
        return [*part.head, *(cell for row in part.rows for cell in row)]
    return [*filter(None, part.text.split("\n")), part.source]


def test_text_in_figures_is_text(written):
    found = text_of(written["zh"])[2]
    assert "从四张特征图到五个层级 1" in found.replace("  ", " ")
    assert "0.4" in found


def test_figures_are_drawn_with_lines(written):
    page = pypdf.PdfReader(io.BytesIO(written["en"])).pages[2]
    forms = [f.get_object() for f in page["/Resources"]["/XObject"].values()]
    assert [form["/Subtype"] for form in forms] == ["/Form"]
    assert "/Image" not in str(forms[0]["/Resources"].get("/XObject", ""))
    assert colours(written["en"], 2, 3.0)[(31, 119, 180)] > 20, (
        "the line in matplotlib's first colour"
    )


def test_a_figure_says_what_it_shows(written):
    data = pypdf.PdfReader(io.BytesIO(written["zh"])).pages[2].get_contents().get_data()
    assert "一条上升的线。".encode("utf-16-be").hex().encode() in data


def test_a_figure_seen_on_several_pages_is_there_once():
    figure = decks.figure("x")
    parts = (decks.code(), Pictures((figure,), "A line."))
    reader = pypdf.PdfReader(io.BytesIO(set_pdf(Deck("d", (Slide("s", "t", parts),)))))
    names = [list(page["/Resources"]["/XObject"]) for page in reader.pages]
    assert names == [names[0]] * 2
    assert len(names[0]) == 1


def test_fonts_are_embedded_as_subsets_and_all_name_their_letters(written):
    for data in written.values():
        fonts = fonts_of(data)
        assert len(fonts) > 5
        for font in fonts:
            if font["/Subtype"] in ("/Type0", "/Type3"):
                assert "/ToUnicode" in font
            if font["/Subtype"].startswith("/CIDFont"):
                assert "+" in font["/BaseFont"]
                assert {"/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"])
        assert len(data) < 400_000, "whole Chinese fonts would be 20 MB"


def test_steps_are_pages_and_slides_are_entries_of_the_contents(written):
    reader = pypdf.PdfReader(io.BytesIO(written["en"]))
    assert len(reader.pages) == 11
    assert len(reader.outline) == 9
    assert reader.get_destination_page_number(reader.outline[3]) == 4


def test_the_step_is_a_link_into_the_page(written):
    reader = pypdf.PdfReader(io.BytesIO(written["en"]))
    linked = [(n, a.get_object()["/A"]["/URI"]) for n, page in enumerate(reader.pages)
              for a in page.get("/Annots", ())]  # fmt: skip
    assert linked == [(n, "my%20pages/page.html#call=backbone.fpn%230") for n in (2, 3)]


def test_properties(written):
    reader = pypdf.PdfReader(io.BytesIO(written["zh"]))
    assert reader.metadata.title == "逐步看懂 Faster R-CNN"
    assert reader.metadata.subject == "torchvision, BSD"
    assert reader.trailer["/Root"]["/Lang"] == "zh-CN"
    box = reader.pages[0].mediabox
    assert box.width * 9 == box.height * 16


@pytest.mark.parametrize(("lang", "paper"), [("en", (255, 255, 255)), ("zh", (20, 23, 31))])
def test_themes_are_the_projects_colours(written, lang, paper):
    for page in range(10):
        assert colours(written[lang], page).most_common(1)[0][0] == paper
    bar = bytes.fromhex(stage_colour("fpn", THEMES[lang])[1:])
    assert colours(written[lang], 0)[tuple(bar)] > 50, "the bar in the colour of the FPN"


def test_lines_that_a_step_dwells_on_are_marked(written):
    here = (255, 243, 207)
    first, second = (colours(written["en"], page)[here] for page in (6, 7))
    assert 0 < second < first < 2.5 * second, "two lines, then one"
    assert colours(written["en"], 5)[here] == 0


def test_hostile_text_stays_text():
    shown = text_of(set_pdf(decks.hostile()))
    said = r"</a:t><script>alert(1)</script> & \x00\x1b[31m\ud800\u202e"
    assert [plain(text).count(plain(said)) >= 2 for text in shown] == [True] * 4 + [False]
    assert plain(shown[4]).count(plain(said)) == 1, "a still has a caption of its own"


def test_text_ends_where_the_page_does():
    """PDFium says where each line stands: none leaves the page or its own place."""
    import test_slides_pptx

    for lang in ("en", "zh"):
        deck = test_slides_pptx.crowded(lang)
        document = pdfium.PdfDocument(set_pdf(deck))
        for number, page in enumerate(document):
            text = page.get_textpage()
            for index in range(text.count_rects()):
                left, bottom, right, top = text.get_rect(index)
                assert 30 <= left <= right <= placing.WIDTH - 20, (lang, number)
                assert 0 <= bottom <= top <= placing.HEIGHT, (lang, number)


def test_chinese_in_figures_is_text_at_each_step():
    words = ("主干网络", "横向连接", "上采样", "相加", "输出", "最高层")
    figures = []
    for count in (1, 3, 6):  # more at each step
        ax = Figure(figsize=(9, 4)).add_subplot()
        for i, word in enumerate(words[:count]):
            ax.text(i / 6, 0.5, word, fontfamily=fonts.families(), ha="center")
        figures.append(ax.figure)
    deck = Deck("图", (Slide("s", "一步一步", (Pictures(tuple(figures), "图"),), lang="zh"),), "zh")
    found = Counter("".join(text_of(set_pdf(deck))))
    assert {letter: found[letter] for letter in "主横上"} == {"主": 3, "横": 2, "上": 2}


def test_no_radical_stands_for_an_ideograph(written):
    """Fonts have one glyph for 金 and the radical ⾦; readers must be told of the former."""
    file = pypdf.PdfReader(io.BytesIO(written["both"]))
    letters = "".join(page.extract_text() for page in file.pages)
    assert "特征" in letters
    assert not [letter for letter in letters if 0x2E80 <= ord(letter) < 0x2FE0]


def test_in_the_contents_both_languages_have_their_titles(written):
    reader = pypdf.PdfReader(io.BytesIO(written["both"]))
    assert len(reader.pages) == 22
    titles = [slide.title for slide in decks.deck("both").slides]
    assert [entry.title for entry in reader.outline] == titles
    starts = [reader.get_destination_page_number(entry) for entry in reader.outline]
    assert starts[:6] == [0, 1, 2, 3, 4, 6]


def test_text_is_in_the_fonts_that_come_along(written):
    named = {font["/BaseFont"].partition("+")[2] for font in fonts_of(written["both"])
             if font["/Subtype"].startswith("/CIDFont")}  # fmt: skip
    assert named == {"TracerSansSC", "TracerSansSCBold", "DejaVuSansBook", "DejaVuSansMonoBook",
                     "DejaVuSansMonoBold"}  # fmt: skip


def test_a_slide_names_its_stage(written):
    assert [text.count("Feature pyramid") for text in text_of(written["en"])[:3]] == [0, 1, 1]


def test_what_does_not_fill_its_place_stands_in_the_middle():
    made = Deck("d", (Slide("t", "T", (decks.cells("en", 3),)), Slide("c", "C", (decks.code(),))))
    table, listing = (page.panes[0] for page in pages.pages(made)[:2])
    for top, bottom in (
        (table.box.top, table.box.bottom),
        (listing.box.top - placing.INSET, listing.source.box.top + listing.source.height),
    ):
        assert top - placing.BODY.top == pytest.approx(placing.BODY.bottom - bottom, abs=17)
        assert top - placing.BODY.top > 20


AGAIN = """
import sys, handmade_decks as decks
from tracer.views.slides.pdf import set_pdf
sys.stdout.buffer.write(set_pdf(decks.deck("both")))
"""


def test_a_deck_is_the_same_file_on_every_machine(written, tmp_path):
    """Made once more; and by another process that knows of no font but those that come along."""
    assert set_pdf(decks.deck("both")) == written["both"]
    assert b"/CreationDate" not in written["both"]
    environment = {**os.environ, **without_fonts(tmp_path), "PYTHONHASHSEED": "7"}
    again = subprocess.run(
        [sys.executable, "-c", AGAIN], cwd=Path(__file__).parent, env=environment,
        capture_output=True, check=True, timeout=300,
    )  # fmt: skip
    assert again.stdout == written["both"]


# --- what may go wrong ----------------------------------------------------------------------------


def test_a_letter_that_no_font_has_is_named_once(monkeypatch):
    rare = "\U0002a6a5"  # four dragons
    slides = tuple(Slide("s", f"四张图 {rare}", (decks.points("zh"),), lang="zh") for _ in range(2))
    monkeypatch.setattr(fonts, "machine_family", lambda: None)
    fonts._warn.cache_clear()
    with pytest.warns(fonts.GlyphsMissing, match=f"can write {rare}: install one") as said:
        shown = text_of(set_pdf(Deck("四张图", slides, "zh")))
    assert len(said) == 1
    assert "四张图 \ufffd" in shown[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        set_pdf(Deck("四张图", (Slide("s", "四张图"),), "zh"))


def test_a_target_that_cannot_be_written_is_one_clear_error(tmp_path):
    deck = Deck("d", (Slide("s", "t"),))
    with pytest.raises(InputError, match=r"there is no folder '.*nowhere'; create it first"):
        write_pdf(deck, tmp_path / "nowhere" / "deck.pdf")
    (tmp_path / "deck.pdf").mkdir()
    with pytest.raises(InputError, match="is a folder: name the file to write"):
        write_pdf(deck, tmp_path / "deck.pdf")
    assert [p.name for p in tmp_path.iterdir()] == ["deck.pdf"], "nothing half-written"


@pytest.mark.parametrize(("module", "package"), [("fpdf", "fpdf2"), ("pypdf", "pypdf")])
def test_without_a_library_it_says_what_to_install(module, package, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingError, match=rf"needs {package}: pip install 'rcnn-tracer\[slides"):
        write_pdf(Deck("d", ()), tmp_path / "deck.pdf")
