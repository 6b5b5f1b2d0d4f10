"""A browser of this machine, for printing: Chromium or one of its kin, run without a window."""

from __future__ import annotations

import html
import io
import logging
import os
import posixpath
import re
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tracer.errors import TracerError
from tracer.foreign import clean
from tracer.views.slides.measure import fonts

NAMES = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "msedge",
)  # fmt: skip
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
FLAGS = (
    "--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--no-pdf-header-footer",
)  # fmt: skip
SECONDS = 180
"""Of waiting for a browser that does not end."""


class PrintError(TracerError):
    """A browser was there, and printed nothing."""


def find() -> str | None:
    """Return the path of a browser that can print, or None."""
    named = (shutil.which(name) for name in NAMES)
    placed = (place for place in PLACES if os.access(place, os.X_OK))
    return next((path for path in (*named, *placed) if path), None)


def printed(browser: str, document: str, contents: Sequence[tuple[str, int]] = ()) -> bytes:
    """Print a self-contained HTML document and return the PDF; links in it stay relative.

    Args:
        browser: its path.
        document: HTML.
        contents: titles, and the pages from 0 that they lead to.

    Raises:
        PrintError: the browser failed.
    """
    # By its real path, which is the one in the links that the browser writes.
    with tempfile.TemporaryDirectory(prefix="tracer-") as name:
        folder = Path(name).resolve()
        (folder / "deck.html").write_bytes(document.encode("utf-8", "replace"))
        pdf = _run(browser, folder)
        return _corrected(pdf, folder.as_uri(), contents)


def _run(browser: str, folder: Path) -> bytes:
    target = folder / "deck.pdf"
    # As root, as in a container, Chromium starts only without its sandbox; the document is ours.
    root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    places = (f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={target}")
    command = [browser, *FLAGS, *root, *places, (folder / "deck.html").as_uri()]
    own = {**os.environ, "FONTCONFIG_FILE": str(_with_our_fonts(folder))}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=own)
        return target.read_bytes()
    except subprocess.TimeoutExpired as error:
        raise PrintError(f"{browser} did not end within {SECONDS} s") from error
    except FileNotFoundError as error:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise PrintError(f"{browser} printed nothing: {last[0]}") from error
    except OSError as error:
        raise PrintError(f"{browser} could not be run: {error.strerror}") from error


def _with_our_fonts(folder: Path) -> Path:
    """Write a configuration by which the browser takes the package's fonts for installed ones.

    A font that comes with the document is loaded while texts are laid out already, and Chromium
    does not lay out all texts of a figure again. Systems without fontconfig have Chinese of their
    own.
    """
    from tracer.views.kit.fonts import FOLDER

    configuration = folder / "fonts.conf"
    usual = os.environ.get("FONTCONFIG_FILE", "/etc/fonts/fonts.conf")
    configuration.write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f'<include ignore_missing="yes">{html.escape(usual)}</include>'
        f"<dir>{html.escape(str(FOLDER))}</dir>"
        f"<cachedir>{html.escape(str(folder / 'fonts'))}</cachedir></fontconfig>",
        "utf-8",
    )
    return configuration


def _corrected(pdf: bytes, folder: str, contents: Sequence[tuple[str, int]]) -> bytes:
    """Make what the browser wrote fit to be handed on: its links, and the letters behind glyphs."""
    from pypdf import PdfWriter

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # Chromium's files count objects oddly
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    writer.pdf_header = "%PDF-1.7"
    for page in writer.pages:
        for annotation in page.get("/Annots", ()):
            _make_relative(annotation.get_object().get("/A", {}), folder)
    for each in writer._objects:
        if isinstance(each, dict) and "/ToUnicode" in each:
            stream = each["/ToUnicode"].get_object()
            stream.set_data(_MAPPED.sub(_remapped, stream.get_data()))
    for title, number in contents:
        writer.add_outline_item(title=clean(title), page_number=number)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def _make_relative(action: Any, folder: str) -> None:
    """Make a link to a file relative again: the browser put where the document was printed."""
    from pypdf.generic import NameObject, TextStringObject

    address = action.get("/URI", "")
    if address.startswith("file:"):
        action[NameObject("/URI")] = TextStringObject(relative(address, folder))


def relative(address: str, folder: str) -> str:
    """Return the address of a file as seen from a folder; both are ``file:`` addresses."""
    parts = urlsplit(address)
    path = posixpath.relpath(parts.path, urlsplit(folder).path)
    return path + (f"#{parts.fragment}" if parts.fragment else "")


# --- letters --------------------------------------------------------------------------------------

# <glyph> <letter>, or <first glyph> <last glyph> <letter of the first>, a line each.
_MAPPED = re.compile(rb"^((?:<[0-9A-Fa-f]+> ){1,2})<(2[EeFf][0-9A-Fa-f]{2})>$", re.MULTILINE)


def _remapped(found: re.Match[bytes]) -> bytes:
    """Return a line of a font's map from glyphs to letters with ideographs for radicals."""
    glyphs, first = [int(g, 16) for g in re.findall(rb"<(\w+)>", found[1])], int(found[2], 16)
    codes = range(first, first + glyphs[-1] - glyphs[0] + 1)
    letters = [f"<{unified().get(code, code):04X}>" for code in codes]
    value = letters[0] if len(letters) == 1 else f"[{' '.join(letters)}]"
    return found[1] + value.encode()


@cache
def unified() -> dict[int, int]:
    """Return the ideograph of each radical that looks the same, by code point.

    Fonts use one glyph for both, and Chromium names the first of the letters that a glyph stands
    for: 金 would be copied as the radical ⾦, and no search would find it. Most pairs are Unicode's
    own (NFKC), the others are read off the glyphs of a Chinese font.
    """
    normal = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2E80, 0x2FE0)}
    pairs = {code: ord(text) for code, text in normal.items() if ord(text) != code}
    font = fonts(False, False)[1]
    if font is not None:
        from fontTools.ttLib import TTFont

        with TTFont(font.path, fontNumber=font.number, lazy=True) as file:
            glyphs = file.getBestCmap()
        letters = {name: code for code, name in glyphs.items() if 0x4E00 <= code < 0xA000}
        radicals = [code for code in range(0x2E80, 0x2F00) if glyphs.get(code) in letters]
        pairs |= {code: letters[glyphs[code]] for code in radicals}
    return pairs
