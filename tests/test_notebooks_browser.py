"""Notebooks in a real JupyterLab: all cells run, a slider dragged, the page stepped.

One chapter as readers open it, and of two more those cells that are for a browser, over a saved
recording.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import nbformat
import pytest
import torch
from browsers import chromium
from jupyter_lab import Notebook, jupyter_lab
from nbformat.v4 import new_code_cell, new_notebook

import tracer
from tracer.rcnn.demo import default_scene, demo_model

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
CHAPTER = "07_rpn.zh"
SHORTENED = ("05_fpn", "08_roi_heads")
NAMES = (CHAPTER, *SHORTENED)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab over copies of the chapters, with passes kept small."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(FOLDER / f"{CHAPTER}.ipynb", folder)
    _pass().save(folder / "pass.safetensors")
    for name in SHORTENED:
        nbformat.write(_shortened(name), folder / f"{name}.ipynb")
    with jupyter_lab(folder, RCNN_TRACER_MIN_SIZE="128") as address:
        yield address


def _pass():
    """What the shortened chapters look at."""
    model, scene = demo_model(min_size=128), default_scene()
    keep = ["anatomy", "within:backbone.fpn", "roi_heads.box_roi_pool"]
    with torch.no_grad():
        return tracer.trace(model, [scene.tensor()], [scene.target()], grain="line", keep=keep)


def _shortened(name: str):
    """The chapter's cells that are for a browser, over the saved recording."""
    chapter = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    code = [cell.source for cell in chapter.cells if cell.cell_type == "code"]
    kept = [source for source in code if re.match(r"recording\.(explore|page|board)\(", source)]
    assert len(kept) == 3
    read = 'import tracer\n\nrecording = tracer.load("pass.safetensors")\nprint(recording)'
    cells = [new_code_cell(source) for source in (read, *kept)]
    return new_notebook(cells=cells, metadata=chapter.metadata)  # which names the kernel


@pytest.fixture(scope="module")
def opened(lab):
    """Every notebook after all of its cells have run, by name."""
    with chromium() as browser:
        found = {}
        for name in NAMES:
            found[name] = Notebook(browser, lab, name)
            found[name].run_all()
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_all_cells_run_without_an_error_or_a_warning(opened, name):
    view = opened[name].view
    assert view.locator(".jp-Notebook .jp-CodeCell").count() > 3
    wrong = view.locator("[data-mime-type='application/vnd.jupyter.stderr'], .jp-OutputArea-error")
    assert wrong.all_inner_texts() == []


@pytest.mark.parametrize("name", NAMES)
def test_a_slider_redraws_the_picture(opened, name):
    notebook = opened[name]
    handles = notebook.view.locator(".noUi-handle")
    explorer = notebook.view.locator(".jp-OutputArea-output", has=handles).first
    slider = explorer.locator(".noUi-handle").first
    slider.scroll_into_view_if_needed()
    before = notebook.picture_of(explorer)
    assert before
    handle, track = slider.bounding_box(), explorer.locator(".noUi-base").first.bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    left, middle = track["x"], track["x"] + track["width"] / 2
    goal = left + track["width"] * (0.8 if x < middle else 0.2)
    notebook.view.mouse.move(x, y)
    notebook.view.mouse.down()
    notebook.view.mouse.move(goal, y, steps=8)
    notebook.view.mouse.up()
    notebook.keep_a_look("slider")
    deadline = time.monotonic() + 60
    while notebook.picture_of(explorer) == before:
        assert time.monotonic() < deadline, "the picture stayed as it was"
        notebook.view.wait_for_timeout(100)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_in_a_cell_steps(opened, name):
    view = opened[name].view
    element = view.locator(".jp-OutputArea iframe").first
    element.scroll_into_view_if_needed()
    frame = element.element_handle().content_frame()
    frame.wait_for_selector("html[data-ready]", state="attached", timeout=60_000)
    before = frame.evaluate("tracerPage.cursor.tick")
    frame.locator("header").first.click(position={"x": 5, "y": 5})
    view.keyboard.press("ArrowRight")
    view.keyboard.press("ArrowRight")
    assert frame.evaluate("tracerPage.cursor.tick") > before
    opened[name].keep_a_look("page")
