"""Notebooks in a real JupyterLab: all cells run, a slider dragged, the page stepped.

One chapter as readers open it, and of two more those cells that are for a browser, over a saved
recording.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
import torch
from browsers import chromium
from nbformat.v4 import new_code_cell, new_notebook

import tracer
from tracer.rcnn.demo import default_scene, demo_model

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
CHAPTER = "07_rpn.zh"
SHORTENED = ("05_fpn", "08_roi_heads")
NAMES = (CHAPTER, *SHORTENED)
TOKEN = "reader"
WIDE = {"width": 1500, "height": 1000}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab over copies of the chapters, with passes kept small."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is missing: pip install jupyterlab")
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(FOLDER / f"{CHAPTER}.ipynb", folder)
    _pass().save(folder / "pass.safetensors")
    for name in SHORTENED:
        nbformat.write(_shortened(name), folder / f"{name}.ipynb")
    own = {
        "RCNN_TRACER_MIN_SIZE": "128",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(_settings(folder / "settings")),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1"]
    log = folder / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **own}, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield _address(server, log)
        finally:
            server.terminate()
            server.wait(timeout=30)


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


def _settings(folder: Path) -> Path:
    """What the lab's user has chosen: no news, and every cell in the document, seen or not."""
    chosen = {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in chosen.items():
        file = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")
    return folder


def _address(server, log) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text("utf-8"))
        if found:
            with urllib.request.urlopen(f"{found[0]}/api?token={TOKEN}") as answer:
                assert answer.status == 200
            return found[0]
        assert server.poll() is None, log.read_text("utf-8")
        time.sleep(0.2)
    raise AssertionError("JupyterLab did not start: " + log.read_text("utf-8"))


_BEGUN = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(
    (prompt) => /\\[[*\\d]/.test(prompt.textContent)
)"""
_ALL_RAN = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
    return prompts.length > 3 && prompts.every((p) => /\\[\\d+\\]/.test(p.textContent));
}"""


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, browser, address: str, name: str) -> None:
        from playwright.sync_api import TimeoutError as TimeIsUp

        self.timeout = TimeIsUp
        self.name = name
        self.url = f"{address}/lab/tree/{name}.ipynb?token={TOKEN}&reset"
        self.view = browser.new_context(viewport=WIDE).new_page()

    def open(self) -> None:
        """Open it and wait for its kernel."""
        self.view.goto(self.url)
        self.view.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        self.view.wait_for_function(
            "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'",
            timeout=120_000,
        )

    def run_all(self) -> None:
        """Run every cell and wait until the last one is done.

        JupyterLab loses what it is told while it still connects to a kernel, and no cell begins:
        then once more.
        """
        for last in (False, False, True):
            self.open()
            self.view.locator(".lm-MenuBar-item", has_text="Run").first.click()
            self.view.locator(".lm-Menu-item", has_text="Run All Cells").first.click()
            try:
                self.view.wait_for_function(_BEGUN, timeout=60_000 if last else 10_000)
            except self.timeout:
                if last:
                    raise
            else:
                break
        self.view.wait_for_function(_ALL_RAN, timeout=400_000)

    def keep_a_look(self, what: str) -> None:
        """Take a screenshot, where a folder for them is named: for people to look at."""
        if "RCNN_TRACER_SCREENSHOTS" in os.environ:
            folder = Path(os.environ["RCNN_TRACER_SCREENSHOTS"])
            self.view.screenshot(path=folder / f"{self.name}-{what}.png")

    def picture_of(self, explorer) -> str:
        return explorer.locator("img").first.get_attribute("src") or ""


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
