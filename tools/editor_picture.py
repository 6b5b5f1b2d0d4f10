"""Take the picture of VS Code that README and guide show: `docs/images/vscode.png`.

    make editors
    tracer demo -o demo
    python tools/editor_picture.py demo/pass.safetensors

It stops where the pyramid adds two levels, with the page at the same step beside the source.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tracer.views.kit.fonts import FOLDER

HERE = Path(__file__).parent.parent
sys.path.insert(0, str(HERE / "tests"))

from browsers import chromium  # noqa: E402
from code_server import Hand, code_server, merge  # noqa: E402

SIZE = {"width": 1600, "height": 900}


def taken(page, address: str, folder: Path, recording: str, picture: Path) -> None:
    """Lead VS Code to the place, and take its picture.

    Args:
        page: of a browser.
        address: of VS Code.
        folder: that it opens.
        recording: the name of a pass in it.
        picture: the file that is written.
    """
    hand = Hand(page, address, folder)
    hand.menu(lambda: hand.file(recording), "Step This Recording")
    hand.until_at("FasterRCNN.forward() · call")
    file, line = merge()
    hand.open(file, line)
    hand.breakpoint("idx == 1")
    hand.press("continue")
    hand.until_at("FeaturePyramidNetwork.forward()", line)
    hand.command("rcnn-tracer: Open the Page at This Step")
    hand.until(hand.shown_address, "the page")
    page.get_by_role("button", name="Watch Section").click()
    widen(page, by=130)
    hand.until(lambda: hand.item("x", "0").is_visible(), "the items of x")
    page.add_style_tag(content=".debug-breakpoints .file-path { display: none }")
    page.screenshot(path=picture, animations="disabled")


def also_our_fonts(folder: Path) -> dict[str, str]:
    """Return the environment in which a browser also finds the package's Chinese."""
    configuration = folder / "fonts.conf"
    configuration.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<include>/etc/fonts/fonts.conf</include><dir>{FOLDER}</dir></fontconfig>",
        "utf-8",
    )
    return {"FONTCONFIG_FILE": str(configuration)}


def widen(page, by: int) -> None:
    """Make the side bar wider by so many pixels."""
    edge = page.locator(".part.sidebar").bounding_box()
    right, middle = edge["x"] + edge["width"], edge["y"] + edge["height"] / 2
    page.mouse.move(right, middle)
    page.mouse.down()
    page.mouse.move(right + by, middle, steps=5)
    page.mouse.up()


def main() -> None:
    """Take it of the recording that is named."""
    recording, picture = Path(sys.argv[1]).resolve(), HERE / "docs" / "images" / "vscode.png"
    with (
        TemporaryDirectory() as data,
        code_server(Path(data)) as address,
        chromium(env={**os.environ, **also_our_fonts(Path(data))}) as browser,
        browser.new_page(viewport=SIZE) as page,
    ):
        taken(page, address, recording.parent, recording.name, picture)
    with Image.open(picture) as image:
        image.quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
    print(f"{picture}: {picture.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
