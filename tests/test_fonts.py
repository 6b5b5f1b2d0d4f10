"""Chinese on any machine: the package's own font, and what is done about what it lacks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from matplotlib.font_manager import FontManager, fontManager, json_dump
from our_fonts import without_fonts

from tracer.views.kit import fonts

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(fonts.FOLDER.glob("*.ttf"))
RARE = "\U0002a6a5"  # of four dragons: in no font of ours


@cache
def tool():
    """The script that makes the font."""
    path = ROOT / "tools" / "subset_font.py"
    found = importlib.util.spec_from_file_location("subset_font", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@cache
def own_texts():
    """The project's own texts, by file."""
    return [*tool().own_texts(ROOT)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_font_has_every_character_of_the_projects_texts(path):
    font = set(TTFont(path, lazy=True).getBestCmap())
    made, missing = tool(), {}
    for file, text in own_texts():
        lacking = {c for c in made.chinese(text) if ord(c) not in font}
        if lacking - {RARE}:
            missing[str(file.relative_to(ROOT))] = "".join(sorted(lacking))
    assert missing == {}, "run tools/subset_font.py; its head says how"
    common = (ROOT / "tools" / "common_characters.txt").read_text("utf-8").split()
    assert {ord(c) for c in (*"".join(common), *made.PUNCTUATION)} <= font


def test_the_texts_that_are_looked_through_are_there():
    seen = {file.relative_to(ROOT).parts[0] for file, _ in own_texts()}
    assert {"tracer", "notebooks", "docs", "README.zh.md"} <= seen
    assert len(tool().characters()) > 2200


def test_its_licence_lies_beside_it_and_it_has_a_name_of_its_own():
    assert "SIL OPEN FONT LICENSE Version 1.1" in (fonts.FOLDER / "OFL.txt").read_text("utf-8")
    assert [TTFont(path)["name"].getBestFamilyName() for path in FILES] == [fonts.CHINESE] * 2
    assert {TTFont(path)["OS/2"].usWeightClass for path in FILES} == {400, 700}
    assert sum(path.stat().st_size for path in FILES) < 1.3e6


def test_a_list_of_fonts_that_was_made_anew_is_told_of_it(monkeypatch):
    monkeypatch.setattr(fontManager, "ttflist", list(FontManager().ttflist))
    monkeypatch.setattr(
        fontManager, "ttflist", [f for f in fontManager.ttflist if f.name != fonts.CHINESE]
    )
    assert Path(fonts.file_of(fonts.CHINESE)).parent == fonts.FOLDER


@pytest.fixture
def forgetful():
    """Nothing of what was found before or in the test stays known."""
    caches = (fonts.machine_family, fonts._warn)
    before = list(fontManager.ttflist)
    for each in caches:
        each.cache_clear()
    yield
    fontManager.ttflist[:] = before
    for each in caches:
        each.cache_clear()


def test_a_character_that_it_lacks_comes_from_a_font_that_matplotlib_has_not_listed(
    forgetful, tmp_path, monkeypatch
):
    """Installed after matplotlib had made its list: a stale cache."""
    installed = tmp_path / "NotoSansSC.ttf"
    made = TTFont(FILES[0])
    for table in made["cmap"].tables:
        if table.isUnicode():
            table.cmap = {0x9F98: next(iter(table.cmap.values())), **table.cmap}
    for record in [*made["name"].names]:
        if record.nameID in (1, 4, 6, 16):
            made["name"].setName("Noto Sans SC", record.nameID, 3, 1, 0x409)
    made.save(installed)
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(installed)])
    fontManager.ttflist[:] = [f for f in fontManager.ttflist if f.name not in fonts.MACHINE]
    assert fonts.families("猫") == [fonts.LATIN, fonts.CHINESE]
    assert fonts.families("龘") == [fonts.LATIN, fonts.CHINESE, "Noto Sans SC"]
    assert fonts.file_of("Noto Sans SC") == str(installed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.tell("猫龘")


def test_a_font_that_is_gone_since_is_not_taken(forgetful, monkeypatch, tmp_path):
    path = tmp_path / "gone.ttf"
    path.write_bytes(FILES[0].read_bytes())
    fontManager.addfont(path)
    fontManager.ttflist[-1] = replace(fontManager.ttflist[-1], name="Noto Sans SC")
    path.unlink()
    monkeypatch.setattr(fonts, "findSystemFonts", list)
    fontManager.ttflist[:] = [
        f for f in fontManager.ttflist if f.name not in fonts.MACHINE or f.fname == str(path)
    ]
    assert fonts.machine_family() is None


def test_what_no_font_has_is_named_once(forgetful, monkeypatch):
    monkeypatch.setattr(fonts, "machine_family", lambda: None)
    with pytest.warns(fonts.GlyphsMissing, match=f"can write {RARE}: install one"):
        fonts.tell(f"特征图 {RARE}{RARE}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.tell(f"候选框 {RARE}")


BARE = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning)
sys.path.insert(0, sys.argv[2])
import handmade_decks as decks
import matplotlib
from matplotlib.figure import Figure
from tracer.views.kit import fonts
from tracer.views.slides.pdf import set_pdf
from tracer.views.slides.pptx import write_pptx
from tracer.views.explorers.drawing import _font
folder = Path(sys.argv[1])
figure = Figure()
figure.add_subplot().set_title("特征金字塔：候选框与锚框", fontfamily=fonts.families())
figure.savefig(folder / "figure.png")
(folder / "deck.pdf").write_bytes(set_pdf(decks.deck("zh")))
write_pptx(decks.deck("zh"), folder / "deck.pptx")
print(Path(_font("候选框").path).name)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stale", [False, True])
def test_a_machine_without_any_font_draws_and_writes_chinese(stale, tmp_path):
    """Whether matplotlib has no list of fonts yet, or one that names fonts which are gone."""
    environment = {**os.environ, **without_fonts(tmp_path)}
    if stale:
        folder = tmp_path / "matplotlib"
        folder.mkdir()
        known = FontManager()
        known.ttflist = [f for f in known.ttflist if f.name not in (*fonts.MACHINE, fonts.CHINESE)]
        gone = replace(known.ttflist[0], fname="/usr/share/fonts/gone.ttc", name=fonts.MACHINE[0])
        known.ttflist.append(gone)
        json_dump(known, folder / f"fontlist-v{FontManager.__version__}.json")
    pytest.importorskip("pptx", reason="python-pptx is not installed")
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(tmp_path), str(ROOT / "tests")],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "TracerSansSC-Bold.ttf"
    import pypdf

    pages = pypdf.PdfReader(tmp_path / "deck.pdf").pages
    assert "特征图" in "".join(page.extract_text() for page in pages)
    embedded = {
        font.get_object()["/BaseFont"].split("+")[-1]
        for page in pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert any("TracerSansSC" in name.replace(" ", "") for name in embedded), embedded
