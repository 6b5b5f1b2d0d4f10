"""``tracer figures``: files, index, options, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from anatomy_passes import recorded
from PIL import Image

from tracer.cli import main
from tracer.commands.figures import STAGES
from tracer.languages import languages
from tracer.views import figures
from tracer.views.figures.folder import GAP, THUMBNAIL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pass") / "<a&b>.safetensors"
    return recorded(targets=True).trace.save(path)


def run(saved: Path, folder: Path, *options: str) -> int:
    return main(["figures", str(saved), "-o", str(folder), *options])


def test_a_folder_with_figures_and_an_index(saved, tmp_path, capsys):
    folder = tmp_path / "new" / "figures"
    assert run(saved, folder, "--dpi", "40") == 0
    out, err = capsys.readouterr()
    expected = {n for n, e in figures.FIGURES.items() if "training" not in e.needs}
    assert {p.stem for p in folder.glob("*.png")} == expected
    count, skipped = len(expected), len(figures.FIGURES) - len(expected)
    assert f"{count} figures, {skipped} do not fit this pass" in out
    assert err == ""
    for page in ("index.html", "index.md"):
        text = (folder / page).read_text("utf-8")
        assert all(f"{name}.png" in text for name in expected)
        assert text.count("training mode") == skipped
    assert "<a&b>" not in (folder / "index.html").read_text("utf-8")
    assert "&lt;a&amp;b&gt;" in (folder / "index.html").read_text("utf-8")
    with Image.open(folder / "merges.png") as picture:
        assert picture.width == round(9.2 * 40)


def test_a_figure_is_drawn_from_the_first_pass_that_it_fits(saved, tmp_path, capsys):
    training = recorded(train=True).trace.save(tmp_path / "training.safetensors")
    folder = tmp_path / "both"
    options = ("--stage", "losses", "--stage", "transform", "--dpi", "40")
    assert main(["figures", str(saved), str(training), "-o", str(folder), *options]) == 0
    wanted = {entry.name for entry in figures.FIGURES.values() if entry.stage in options}
    assert {path.stem for path in folder.glob("*.png")} == wanted
    assert "do not fit" not in capsys.readouterr().out


def test_a_contact_sheet_shows_every_look(saved, tmp_path):
    options = ("--stage", "fpn", "--dpi", "20", "--contact-sheet")
    assert run(saved, tmp_path, *options) == 0
    with Image.open(tmp_path / "contact-sheet.png") as sheet:
        columns = len(languages()) * 2 * 2
        assert sheet.width == columns * (THUMBNAIL + GAP)
        assert sheet.height > 3 * THUMBNAIL / 2
        light, dark = (sheet.getpixel((x * (THUMBNAIL + GAP) + 3, 3)) for x in (0, 1))
    assert sum(light) > 700
    assert sum(dark) < 150


def test_stage_format_language_and_size(saved, tmp_path):
    options = ("--stage", "fpn", "--stage", "transform", "--lang", "zh", "--size", "slide")
    assert run(saved, tmp_path, *options, "--format", "svg") == 0
    assert {p.name for p in tmp_path.glob("*.svg")} == {
        "transform.svg", "pyramid.svg", "merges.svg", "same_point.svg",
    }  # fmt: skip
    page = (tmp_path / "index.html").read_text("utf-8")
    assert 'lang="zh"' in page
    assert "特征金字塔" in page
    assert 'width="960pt"' in (tmp_path / "merges.svg").read_text("utf-8") or re.search(
        r'width="959\.9\d*pt"', (tmp_path / "merges.svg").read_text("utf-8")
    )


def test_pdf_and_another_image(saved, tmp_path):
    options = ("--stage", "roi_heads", "--format", "pdf", "--image", "1", "--names", "cat,dog")
    assert run(saved, tmp_path, *options) == 0
    assert (tmp_path / "detections.pdf").read_bytes().startswith(b"%PDF")
    assert 'href="detections.pdf"' in (tmp_path / "index.html").read_text("utf-8")


def test_the_stages_offered_are_those_of_the_registry():
    assert set(STAGES) == set(figures.STAGES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--stage", "fnp"), "invalid choice: 'fnp'"),
        (("--dpi", "5"), "dpi is between 20 and 1200"),
        (("--image", "7"), "image 7: the pass has 2 images"),
        (("--stage", "losses"), "no figure could be drawn: there are no losses"),
    ],
)
def test_refused_in_one_line(saved, tmp_path, capsys, options, message):
    assert run(saved, tmp_path / "out", *options) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_folder_that_is_a_file(saved, tmp_path, capsys):
    target = tmp_path / "file"
    target.write_text("")
    assert run(saved, target) == 2
    assert "cannot be a folder" in capsys.readouterr().err


def test_a_trace_that_is_not_there(tmp_path, capsys):
    assert run(tmp_path / "none.safetensors", tmp_path) == 2
    assert "none.safetensors" in capsys.readouterr().err
