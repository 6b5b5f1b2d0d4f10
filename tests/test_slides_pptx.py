"""The PowerPoint writer, checked by python-pptx, by the file's own XML, and by LibreOffice."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import handmade_decks as decks
import pytest
from lxml import etree
from our_fonts import with_our_fonts

from tracer.errors import InputError, MissingError
from tracer.views.slides import measure
from tracer.views.slides.deck import (
    Cells,
    Code,
    CodeStep,
    Deck,
    Pictures,
    Points,
    Slide,
)
from tracer.views.slides.handout import unstepped
from tracer.views.slides.pages import pages
from tracer.views.slides.placing import SMALLEST
from tracer.views.slides.pptx import write_pptx

pytestmark = pytest.mark.slow

pptx = pytest.importorskip("pptx", reason="python-pptx is not installed: pip install python-pptx")

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
EMU = 12700
LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The decks of both languages, light and dark, as files."""
    folder = tmp_path_factory.mktemp("pptx")
    themes = {"en": "light", "zh": "dark", "both": "light"}
    return {
        lang: write_pptx(decks.deck(lang, theme), folder / f"{lang}.pptx")
        for lang, theme in themes.items()
    }


def opened(deck: Deck, tmp_path: Path):
    return pptx.Presentation(str(write_pptx(deck, tmp_path / "deck.pptx")))


def one(*parts, lang: str = "en", title: str = "A title", **more) -> Deck:
    return Deck("A deck", (Slide("one", title, parts, lang=lang, **more),), lang)


def texts(slide) -> str:
    shapes = [s for s in slide.shapes if s.has_text_frame]
    tables = [s.table for s in slide.shapes if s.has_table]
    cells = [cell.text for table in tables for row in table.rows for cell in row.cells]
    return "\n".join([*(s.text_frame.text for s in shapes), *cells])


def placeholder(slide, idx: int):
    return next(s for s in slide.placeholders if s.placeholder_format.idx == idx)


# --- what is on the slides ------------------------------------------------------------------------


def test_text_is_text_in_the_layouts_placeholders(written):
    slides = list(pptx.Presentation(str(written["en"])).slides)
    names = [slide.slide_layout.name for slide in slides]
    assert names[0] == "Opening"
    assert names[1:6] == ["Points", "Figure", "Figure", "Points and Figure", "Table"]
    assert slides[0].shapes.title.text == "From four maps to five levels"
    assert placeholder(slides[0], 10).text_frame.text == "A lecture\ntorchvision 0.29.2"
    lines = placeholder(slides[1], 10).text_frame.paragraphs
    assert [p.text for p in lines] == list(decks.points("en").lines)
    assert all(len(p.runs) == 1 for p in lines)


def test_steps_are_slides_in_their_order(written):
    titles = [s.shapes.title.text for s in pptx.Presentation(str(written["en"])).slides]
    assert [t[-5:] for t in titles if "(" in t] == ["(1/2)", "(2/2)"] * 2
    keys = [s._element.cSld.get("name") for s in pptx.Presentation(str(written["en"])).slides]
    assert Counter(keys) == {**dict.fromkeys(keys, 1), "figure": 2, "code": 2}


def test_without_steps_a_slide_is_a_page(tmp_path):
    whole = unstepped(decks.deck())
    made = pptx.Presentation(str(write_pptx(whole, tmp_path / "whole.pptx")))
    assert len(made.slides) == len(whole.slides)
    assert [s.shapes.title.text for s in made.slides] == [s.title for s in whole.slides]


def test_a_part_with_fewer_steps_waits_at_its_last(tmp_path):
    figures = tuple(decks.figure(str(n)) for n in range(2))
    made = opened(one(decks.points("en", 1), Pictures(figures, "A line.")), tmp_path)
    said = [placeholder(slide, 10).text_frame.text for slide in made.slides]
    assert said == [decks.points("en", 1).lines[0]] * 2
    shown = [placeholder(slide, 11).image.sha1 for slide in made.slides]
    assert len(set(shown)) == 2


def test_a_figure_is_a_picture_with_words_for_it(written):
    slide = pptx.Presentation(str(written["en"])).slides[2]
    picture = placeholder(slide, 10)
    assert picture._element.nvPicPr.cNvPr.get("descr") == "A line that rises."
    assert picture.width / picture.height == pytest.approx(12.2 / 5.35, rel=0.01)
    assert picture.crop_left == picture.crop_right == picture.crop_top == picture.crop_bottom == 0
    wide, _ = picture.image.size
    assert wide / (picture.width / EMU / 72) >= 150, "pixels an inch"
    assert placeholder(slide, 20).text_frame.text == "scene.png, P2 [1, 256, 80, 104]"


def test_a_table_is_a_table(written):
    slide = pptx.Presentation(str(written["zh"])).slides[5]
    table = next(s.table for s in slide.shapes if s.has_table)
    want = decks.cells("zh")
    found = [tuple(cell.text for cell in row.cells) for row in table.rows]
    assert found == [want.head, *want.rows]
    assert table.first_row
    aligned = [cell.text_frame.paragraphs[0].alignment for cell in table.rows[1].cells]
    assert [a is None for a in aligned] == [True, True, False]


def test_code_is_monospaced_text_with_the_files_numbers_and_marked_lines(written):
    slides = list(pptx.Presentation(str(written["en"])).slides)[6:8]
    want = ({52, 53}, {59})
    for slide, lit in zip(slides, want, strict=True):
        shape = placeholder(slide, 10)
        assert shape.text_frame.text == decks.SOURCE
        numbers = [
            p._p.pPr.find(f"{A}buAutoNum").get("startAt") for p in shape.text_frame.paragraphs
        ]
        assert numbers == [str(n) for n in range(50, 60)]
        marked = [p._p.find(f".//{A}highlight") is not None for p in shape.text_frame.paragraphs]
        assert {n for n, mark in enumerate(marked, 50) if mark} == lit
    layout = next(p for p in slides[0].slide_layout.placeholders if p.placeholder_format.idx == 10)
    assert layout._element.find(f".//{A}defRPr/{A}latin").get("typeface") == "Consolas"
    assert placeholder(slides[0], 30).text_frame.text == "names: list of 4"
    assert placeholder(slides[0], 20).text_frame.text.endswith("feature_pyramid_network.py")


def test_notes_are_notes_on_every_step(written):
    for lang, want in (("en", "Say why.\nThen point."), ("zh", "说明原因。\n然后指给大家看。")):
        slides = pptx.Presentation(str(written[lang])).slides
        assert [s.notes_slide.notes_text_frame.text for s in slides] == [want] * len(slides)


def test_the_step_is_a_link_into_the_page(written):
    made = pptx.Presentation(str(written["en"]))
    linked = {
        slide._element.cSld.get("name"): run.hyperlink.address
        for slide in made.slides
        for shape in slide.placeholders
        if shape.has_text_frame
        for p in shape.text_frame.paragraphs
        for run in p.runs
        if run.hyperlink.address
    }
    assert linked == {"figure": "my%20pages/page.html#call=backbone.fpn%230"}


def test_stepwise_points_appear_at_a_click_each(tmp_path):
    lines = decks.points("en", 3).lines
    slide = opened(one(Points(lines, stepwise=True)), tmp_path).slides[0]
    timing = slide._element[-1]
    assert etree.QName(timing).localname == "timing"
    shape = str(placeholder(slide, 10).shape_id)
    assert {e.get("spid") for tag in ("spTgt", "bldP") for e in timing.iter(f"{{*}}{tag}")} == {
        shape
    }
    assert [e.get("st") for e in timing.iter("{*}pRg")] == ["0", "1", "2"]
    assert len([e for e in timing.iter("{*}cTn") if e.get("nodeType") == "clickEffect"]) == 3
    numbers = [e.get("id") for e in timing.iter("{*}cTn")]
    assert len(set(numbers)) == len(numbers) == 2 + 4 * 3
    plain = opened(one(Points(lines)), tmp_path).slides[0]
    assert plain._element.find("{*}timing") is None


def test_both_languages_come_in_turn(written):
    titles = [s.shapes.title.text for s in pptx.Presentation(str(written["both"])).slides]
    assert titles[:2] == ["From four maps to five levels", "从四张特征图到五个层级"]
    assert len(titles) == sum(
        len(pptx.Presentation(str(written[lang])).slides) for lang in LANGUAGES
    )


def test_properties(written):
    made = pptx.Presentation(str(written["zh"]))
    it = made.core_properties
    assert (it.title, it.language) == ("逐步看懂 Faster R-CNN", "zh-CN")
    assert it.comments == "torchvision, BSD"
    assert made.slide_width * 9 == made.slide_height * 16


def test_chinese_names_its_language_and_font_and_only_chinese_does(written):
    found = Counter()
    for slide in pptx.Presentation(str(written["both"])).slides:
        for root in (slide._element, slide.notes_slide._element):
            for run in root.iter(f"{A}r"):
                chinese = measure.has_chinese(run.find(f"{A}t").text)
                properties = run.find(f"{A}rPr")
                found[chinese] += 1
                assert properties.get("lang") == ("zh-CN" if chinese else "en-US")
                font = properties.find(f"{A}ea")
                assert (font is not None) == chinese
                assert font is None or font.get("typeface") == "Microsoft YaHei"
    assert found[True] > 30 < found[False]


@pytest.mark.parametrize(("lang", "paper"), [("en", "FFFFFF"), ("zh", "14171F")])
def test_themes_are_the_projects_colours(written, lang, paper):
    made = pptx.Presentation(str(written[lang]))
    theme = made.slide_master.part.part_related_by(
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships/theme"
    )
    ground = made.slide_master._element.find("{*}clrMap").get("bg1")
    colours = etree.fromstring(theme.blob).find(f".//{A}clrScheme")
    assert colours.find(f"{A}{ground}/{A}srgbClr").get("val") == paper
    assert colours.find(f"{A}accent1/{A}srgbClr").get("val") == "648FFF"
    assert etree.fromstring(theme.blob).find(f".//{A}minorFont/{A}ea").get("typeface")


# --- a sound file ---------------------------------------------------------------------------------


def problems(path: Path) -> list[str]:
    """What another program would have to repair."""
    found = []
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        roots = {n: etree.fromstring(file.read(n)) for n in names if n.endswith((".xml", ".rels"))}
    types = roots["[Content_Types].xml"]
    known = {e.get("PartName", "").lstrip("/") for e in types}
    endings = {e.get("Extension") for e in types}
    for name in names - {"[Content_Types].xml"}:
        if name not in known and name.rpartition(".")[2] not in endings:
            found.append(f"{name} has no type")
    for name, root in roots.items():
        if name.endswith(".rels"):
            found += _relations(name, root, names)
        else:
            rels = f"{PurePosixPath(name).parent}/_rels/{PurePosixPath(name).name}.rels"
            there = {e.get("Id") for e in roots.get(rels, ())}
            used = {v for e in root.iter() for k, v in e.attrib.items() if k.startswith(R)}
            found += [f"{name}: no relationship {each}" for each in used - there]
        if name.startswith(("ppt/slides/slide", "ppt/slideL", "ppt/slideM", "ppt/notesS")):
            ids = Counter(e.get("id") for e in root.iter("{*}cNvPr"))
            found += [f"{name}: id {i} {n} times" for i, n in ids.items() if n > 1]
    return found + _slides(path) + _ids(roots)


def _relations(name: str, root, names: set[str]) -> list[str]:
    folder = PurePosixPath(name).parent.parent
    found = []
    for relation in root:
        if relation.get("TargetMode") == "External":
            continue
        target = relation.get("Target")
        path = target.lstrip("/") if target.startswith("/") else str(_resolved(folder / target))
        if path not in names:
            found.append(f"{name}: {target} is not there")
    return found


def _resolved(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return PurePosixPath(*parts)


def _slides(path: Path) -> list[str]:
    found = []
    for number, slide in enumerate(pptx.Presentation(str(path)).slides, 1):
        for shape in slide.shapes:
            kind = etree.QName(shape._element).localname
            if kind == "pic" and not shape._element.nvPicPr.cNvPr.get("descr"):
                found.append(f"slide {number}: a picture without words")
            if shape.is_placeholder and kind == "sp" and not shape.text_frame.text:
                found.append(f"slide {number}: {shape.name} is empty")
    return found


def _ids(roots) -> list[str]:
    tags = ("{*}sldMasterId", "{*}sldLayoutId")
    ids = Counter(e.get("id") for root in roots.values() for tag in tags for e in root.iter(tag))
    slides = Counter(e.get("id") for e in roots["ppt/presentation.xml"].iter("{*}sldId"))
    return [f"id {i} {n} times" for i, n in (ids + slides).items() if n > 1]


@pytest.mark.parametrize("lang", ["en", "zh", "both"])
def test_the_file_needs_no_repair(written, lang):
    assert problems(written[lang]) == []
    with zipfile.ZipFile(written[lang]) as file:
        assert not [n for n in file.namelist() if "thumbnail" in n or "printer" in n]


def test_the_check_sees_what_it_should(written, tmp_path):
    made = pptx.Presentation(str(written["en"]))
    slide = made.slides[2]
    picture = placeholder(slide, 10)
    picture._element.nvPicPr.cNvPr.set("descr", "")
    picture._element.nvPicPr.cNvPr.set("id", "2")
    picture._element.find(f".//{A}blip").set(f"{R}embed", "rId77")
    made.slides.add_slide(made.slide_layouts[1])
    made.save(str(tmp_path / "broken.pptx"))
    found = " ".join(problems(tmp_path / "broken.pptx"))
    assert all(word in found for word in ("without words", "id 2 2 times", "rId77", "is empty"))


def test_hostile_text_stays_text(tmp_path):
    path = write_pptx(decks.hostile(), tmp_path / "hostile.pptx")
    assert problems(path) == []
    made = pptx.Presentation(str(path))
    shown = r"</a:t><script>alert(1)</script> & \x00\x1b[31m\ud800\u202e"
    for slide in made.slides:
        assert slide.shapes.title.text == shown
        assert slide.notes_slide.notes_text_frame.text == shown
    assert texts(made.slides[2]).count(shown) == 3
    assert texts(made.slides[3]).count(shown) == 4
    address = placeholder(made.slides[0], 40).text_frame.paragraphs[0].runs[0].hyperlink.address
    assert address.startswith("a%20b%23c.html#%3C/a:t%3E")


# --- room -----------------------------------------------------------------------------------------


def measured(text: str, size: float, bold: bool, mono: bool) -> float:
    """Width in points, by another library than the one the writer measures with."""
    from PIL import ImageFont

    plain, chinese, spare = measure.fonts(measure.Style(mono=mono, bold=bold))
    wide = 0.0
    for letter in text:
        font = next((f for f in (plain, chinese, spare) if f and ord(letter) in f.advances), spare)
        wide += _pil(ImageFont, font).getlength(letter) / 100 * size
    return wide


_OPEN: dict = {}


def _pil(library, font):
    if font not in _OPEN:
        _OPEN[font] = library.truetype(font.path, 100, index=max(0, font.number))
    return _OPEN[font]


def height(paragraph: str, size: float, room: float, **style) -> float:
    """What a paragraph takes when words are set greedily, Chinese letter by letter."""
    import re

    lines, line = 1, ""
    for unit in re.findall(r"[\u2e80-\uffef]|[^\s\u2e80-\uffef]+|\s+", paragraph):
        if line and measured((line + unit).rstrip(), size, **style) > room:
            lines, line = lines + 1, ""
        line += unit if line else unit.lstrip()
    return lines * size * (1.45 if measure.has_chinese(paragraph) else 1.17)


def overflowing(path: Path) -> list[str]:
    """The text shapes whose text is taller than they are, or wider than the slide leaves."""
    found = []
    made = pptx.Presentation(str(path))
    for number, slide in enumerate(made.slides, 1):
        layout = {p.placeholder_format.idx: p for p in slide.slide_layout.placeholders}
        for shape in slide.placeholders:
            if not shape.has_text_frame or shape.placeholder_format.type == 13:
                continue
            base = layout[shape.placeholder_format.idx]
            level = shape._element.find(f".//{A}lstStyle/{A}lvl1pPr")
            size = int(level.find(f"{A}defRPr").get("sz")) / 100
            fonts = base._element.find(f".//{A}defRPr")
            style = {"bold": fonts.get("b") == "1", "mono": fonts.find(f"{A}latin") is not None}
            inset = int(base._element.find(f".//{A}bodyPr").get("lIns"))
            tall = 0.0
            for p in shape.text_frame.paragraphs:
                indent = int((p._p.pPr if p._p.pPr is not None else level).get("marL", 0))
                room = (shape.width - 2 * inset - indent) / EMU
                tall += height(p.text, size, room, **style)
            if tall > (shape.height - 2 * inset) / EMU + 0.5:
                found.append(f"slide {number}: {shape.text_frame.text[:40]!r} {tall:.0f}")
            if size < SMALLEST and not style["mono"]:
                found.append(f"slide {number}: {size} points")
            if shape.left < 0 or shape.left + shape.width > made.slide_width:
                found.append(f"slide {number}: {shape.name} is beside the slide")
    return found


LONG = {
    "en": "What happens to the map of the level above before it is added to this one's lateral",
    "zh": "上一层的特征图在与本层的横向连接相加之前，先要经过怎样的处理才能对得上尺寸",
}


def crowded(lang: str) -> Deck:
    """More of everything than a slide holds."""
    long = LONG[lang]
    picture = Pictures((decks.figure("x"),), "A line.", long * 3)
    parts = [
        (Points(tuple(f"{n}: {long} {long}" for n in range(9))),),
        (Points(tuple(f"{n}: {long} {long}" for n in range(9))), picture),
        (Points((long * 40,)),),
        (decks.cells(lang, 60),),
        (Cells((long, long), ((long, long * 9),) * 9), decks.cells(lang, 40)),
        (decks.code(repeat=9),),
        (Code("x = " + " + ".join([long] * 5), 1, long * 4, (CodeStep((1,), (long,) * 30),)),),
        (Points((long,)), decks.cells(lang, 2), picture, decks.code(1)),
    ]
    made = [Slide(f"s{n}", long * 4, each, lang=lang) for n, each in enumerate(parts)]
    opening = Slide("o", long * 2, (Points((long,) * 4), picture), lang=lang, layout="title")
    return Deck(long, (*made, opening), lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_runs_over_its_box(written, lang, tmp_path):
    assert overflowing(written[lang]) == []
    path = write_pptx(crowded(lang), tmp_path / "crowded.pptx")
    assert overflowing(path) == []
    assert problems(path) == []


def test_the_measure_sees_what_it_should(written, tmp_path):
    made = pptx.Presentation(str(written["en"]))
    placeholder(made.slides[1], 10).text_frame.paragraphs[0].runs[0].text = LONG["en"] * 20
    made.slides[0].shapes.title.left = made.slide_width
    made.save(str(tmp_path / "over.pptx"))
    assert len(overflowing(tmp_path / "over.pptx")) == 2


def test_a_list_too_long_goes_on_on_the_next_page():
    deck = crowded("en")
    found = [p for p in pages(deck) if p.slide.key == "s0"]
    said = [each.text for p in found for each in p.panes[0].text.paragraphs]
    assert len(found) > 1
    assert said == list(deck.slides[0].parts[0].lines)


@pytest.mark.parametrize(("lang", "words"), [("en", "… {} more rows"), ("zh", "…… 还有 {} 行")])
def test_a_table_too_long_says_how_many_rows_are_left_out(lang, words, tmp_path):
    slide = opened(one(decks.cells(lang, 60), lang=lang), tmp_path).slides[0]
    frame = next(s for s in slide.shapes if s.has_table)
    shown = len(frame.table.rows) - 1
    assert 10 < shown < 60
    assert frame.table.cell(shown, 0).text == f"P{shown - 1}"
    note = placeholder(slide, 20)
    assert note.text_frame.text == words.format(60 - shown)
    assert note.top >= frame.top + frame.height


def test_code_too_long_shows_the_lines_around_the_step(tmp_path):
    source = "\n".join(f"x{n} = {n}" for n in range(1, 201))
    steps = (CodeStep((3,)), CodeStep((120, 121)), CodeStep((200,)))
    made = opened(one(Code(source, 1, "long.py", steps)), tmp_path)
    lines = [placeholder(s, 10).text_frame.text.split("\n") for s in made.slides]
    assert [line[0] == "⋮" for line in lines] == [False, True, True]
    assert [line[-1] == "⋮" for line in lines] == [True, True, False]
    for shown, step in zip(lines, steps, strict=True):
        assert {f"x{n} = {n}" for n in step.lines} <= set(shown)


def test_a_title_too_long_is_cut_with_a_mark():
    title = pages(crowded("en"))[0].title
    assert title.size == SMALLEST
    assert "… (1/" in title.paragraphs[0].text


# --- what may go wrong ----------------------------------------------------------------------------


def test_a_target_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "deck.pptx").mkdir()
    with pytest.raises(InputError, match=r"deck\.pptx' is a folder: name the file to write"):
        write_pptx(one(), tmp_path / "deck.pptx")
    with pytest.raises(InputError, match="there is no folder"):
        write_pptx(one(), tmp_path / "nowhere" / "deck.pptx")
    assert [p.name for p in tmp_path.iterdir()] == ["deck.pptx"], "nothing half-written"


def test_a_deck_that_fails_leaves_the_old_file(tmp_path):
    path = write_pptx(one(), tmp_path / "deck.pptx")
    before = path.read_bytes()
    figure = decks.figure("x")
    figure.savefig = lambda *_, **__: 1 / 0
    with pytest.raises(ZeroDivisionError):
        write_pptx(one(Pictures((figure,), "x")), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["deck.pptx"]


def test_without_the_library_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pptx", None)
    with pytest.raises(MissingError, match=r"needs python-pptx: pip install 'rcnn-tracer\[slides"):
        write_pptx(one(), tmp_path / "deck.pptx")


def test_libreoffice_opens_it(written, tmp_path):
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed: on Debian, apt install libreoffice-impress")
    pypdf = pytest.importorskip("pypdf")
    profile = (tmp_path / "profile").as_uri()
    options = (f"-env:UserInstallation={profile}", "--headless", "--convert-to", "pdf")
    done = subprocess.run(
        [office, *options, "--outdir", str(tmp_path), str(written["both"])],
        env={**os.environ, **with_our_fonts(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = pypdf.PdfReader(tmp_path / "both.pdf").pages
    slides = list(pptx.Presentation(str(written["both"])).slides)
    assert len(shown) == len(slides)
    for page, slide in zip(shown, slides, strict=True):
        title = "".join(slide.shapes.title.text.split())
        assert title in "".join(page.extract_text().split())
