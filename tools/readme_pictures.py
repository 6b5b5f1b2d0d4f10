"""Take the pictures that README and guides show, in `docs/images`: page, slide, explorer, editor.

    make editors
    make demo
    python tools/readme_pictures.py [PICTURE ...]

PICTURE is one of them by its file's name (`page-zh`); without it, all are taken.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from tracer.views.kit.fonts import FOLDER

HERE = Path(__file__).parent.parent
DEMO = HERE / "demo"
CHAPTER = HERE / "notebooks" / "07_rpn.ipynb"
sys.path.insert(0, str(HERE / "tests"))

from browsers import Opened, chromium  # noqa: E402
from code_server import Hand, code_server, merge  # noqa: E402
from jupyter_lab import Notebook, jupyter_lab  # noqa: E402

MAP = "#view=full&lang=en&call=backbone.fpn.layer_blocks.1.0&at=end"
CLIP = "#view=full&lang=zh&text=boxes%20%3D%20box_ops.clip_boxes_to_image"


def page(browser, picture: Path) -> None:
    """A map of the pyramid as its convolution returns it."""
    with Opened(browser, DEMO / "pass.html", MAP) as opened:
        opened.view.get_by_role("tab", name="Tensor").click()
        opened.drawn()
        opened.view.screenshot(path=picture)


def page_zh(browser, picture: Path) -> None:
    """The proposals of one level, in Chinese and in the dark."""
    with Opened(browser, DEMO / "pass.html", CLIP, color_scheme="dark") as opened:
        opened.view.get_by_role("tab", name="图片").click()
        opened.view.get_by_role("button", name="P4", exact=True).click()
        opened.drawn()
        opened.view.screenshot(path=picture)


def slide(browser, picture: Path) -> None:
    """The merges of the pyramid, row by row."""
    with browser.new_page(viewport={"width": 1280, "height": 720}) as view:
        view.goto((DEMO / "slides.html").as_uri() + "#/fpn-merges")
        view.wait_for_function("globalThis.Reveal?.isReady()")
        view.evaluate("while (Reveal.nextFragment());")
        view.screenshot(path=picture, animations="disabled")


def explorer(browser, picture: Path, lang: str = "en") -> None:
    """The proposals under another threshold of NMS."""
    with TemporaryDirectory() as data:
        folder = Path(data)
        shutil.copy(DEMO / "pass.safetensors", folder)
        ask = f'import tracer\ntracer.load("pass.safetensors").explore("proposals", lang="{lang}", '
        ask += 'show="detections", rpn_nms_thresh=0.48)'
        cells = [new_code_cell(ask), *(new_code_cell("pass") for _ in range(3))]
        metadata = nbformat.read(CHAPTER, as_version=4).metadata  # which names the kernel
        nbformat.write(new_notebook(cells=cells, metadata=metadata), folder / "explorer.ipynb")
        with jupyter_lab(folder) as address:
            notebook = Notebook(browser, address, "explorer")
            notebook.run_all()
            shown = notebook.view.locator(".jp-OutputArea-output .widget-vbox").first
            shown.locator("img").first.wait_for()
            shown.screenshot(path=picture)


def explorer_zh(browser, picture: Path) -> None:
    """The same in Chinese."""
    explorer(browser, picture, "zh")


def vscode(browser, picture: Path) -> None:
    """VS Code where the pyramid adds two levels, with the page at the same step beside it."""
    size = {"width": 1600, "height": 900}
    with (
        TemporaryDirectory() as data,
        code_server(Path(data)) as address,
        browser.new_page(viewport=size) as view,
    ):
        hand = Hand(view, address, DEMO)
        hand.menu(lambda: hand.file("pass.safetensors"), "Step This Recording")
        hand.until_at("FasterRCNN.forward() · call")
        file, line = merge()
        hand.open(file, line)
        hand.breakpoint("idx == 1")
        hand.press("continue")
        hand.until_at("FeaturePyramidNetwork.forward()", line)
        hand.command("rcnn-tracer: Open the Page at This Step")
        hand.until(hand.shown_address, "the page")
        view.get_by_role("button", name="Watch Section").click()
        widen(view, by=130)
        hand.until(lambda: hand.item("x", "0").is_visible(), "the items of x")
        view.add_style_tag(content=".debug-breakpoints .file-path { display: none }")
        view.screenshot(path=picture, animations="disabled")


def widen(view, by: int) -> None:
    """Make the side bar wider by so many pixels."""
    edge = view.locator(".part.sidebar").bounding_box()
    right, middle = edge["x"] + edge["width"], edge["y"] + edge["height"] / 2
    view.mouse.move(right, middle)
    view.mouse.down()
    view.mouse.move(right + by, middle, steps=5)
    view.mouse.up()


def also_our_fonts(folder: Path) -> dict[str, str]:
    """Return the environment in which a browser also finds the package's Chinese."""
    configuration = folder / "fonts.conf"
    configuration.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<include>/etc/fonts/fonts.conf</include><dir>{FOLDER}</dir></fontconfig>",
        "utf-8",
    )
    return {"FONTCONFIG_FILE": str(configuration)}


PICTURES: dict[str, Callable] = {
    "page": page,
    "page-zh": page_zh,
    "slide": slide,
    "explorer": explorer,
    "explorer-zh": explorer_zh,
    "vscode": vscode,
}


def main() -> None:
    """Take those that are named."""
    with (
        TemporaryDirectory() as data,
        chromium(env={**os.environ, **also_our_fonts(Path(data))}) as browser,
    ):
        for name in sys.argv[1:] or PICTURES:
            picture = HERE / "docs" / "images" / f"{name}.png"
            PICTURES[name](browser, picture)
            with Image.open(picture) as image:
                image.quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
            print(f"{picture}: {picture.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
