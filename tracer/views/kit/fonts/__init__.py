"""The fonts that pictures and decks are written in, the same on every machine.

Latin text, digits and signs are in the font that matplotlib brings along, Chinese in one that lies
here: Noto Sans SC under a name of its own, reduced by ``tools/subset_font.py`` to the project's
texts and the commonest characters. What both lack, as a class name of the user's may, is written
in a font of the machine.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from functools import cache
from pathlib import Path

from matplotlib.font_manager import FontProperties, findSystemFonts, fontManager, get_font

LATIN = "DejaVu Sans"
CHINESE = "Tracer Sans SC"
FOLDER = Path(__file__).parent

# Families that hold simplified Chinese, the ones made for it first.
MACHINE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Sarasa UI SC",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "STHeiti",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans CJK JP",
    "Noto Sans CJK TC",
    "Noto Sans CJK HK",
    "Noto Sans CJK KR",
    "Arial Unicode MS",
    "Droid Sans Fallback",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "SimSun",
    "AR PL UMing CN",
)


class GlyphsMissing(UserWarning):
    """A text has characters that no font here can write."""


def families(text: str = "") -> list[str]:
    """Return the families that write a text, in the order in which each is asked for a letter."""
    register()
    own = [LATIN, CHINESE]
    machine = machine_family() if _lacking(text, own) else None
    return [*own, machine] if machine else own


def register() -> None:
    """Tell matplotlib of the fonts that lie here; its list forgets them where it is made anew."""
    if all(font.name != CHINESE for font in reversed(fontManager.ttflist)):  # it was added last
        for path in FOLDER.glob("*.ttf"):
            fontManager.addfont(path)


@cache
def machine_family() -> str | None:
    """Return the family that writes Chinese on this machine, or None if there is none.

    Where matplotlib knows of none, the machine is asked itself: fonts may have been installed since
    matplotlib made its list.
    """
    known = _installed()
    if known is None:
        listed = {font.fname for font in fontManager.ttflist}
        for path in sorted({*findSystemFonts()} - listed):
            with contextlib.suppress(Exception):  # as matplotlib does with what it cannot read
                fontManager.addfont(path)
        known = _installed()
    return known


def _installed() -> str | None:
    """Return the first of the machine's families in matplotlib's list whose files are there."""
    listed = [font for font in fontManager.ttflist if font.name in MACHINE]
    gone = {font.name for font in listed if not os.path.isfile(font.fname)}
    there = {font.name for font in listed} - gone
    return next((name for name in MACHINE if name in there), None)


def file_of(family: str, bold: bool = False) -> str:
    """Return the path of the upright font of a family that is nearest in weight."""
    register()
    return fontManager.findfont(FontProperties(family=family, weight="bold" if bold else "normal"))


def tell(text: str) -> None:
    """Warn, once for the same characters, of those in a text that no font here can write."""
    missing = _lacking(text, families(text))
    if missing:
        _warn(missing)


@cache
def _warn(missing: str) -> None:
    warnings.warn(
        f"no font on this machine can write {missing}: install one that can (for Chinese, on "
        "Debian and Ubuntu: apt install fonts-noto-cjk)",
        GlyphsMissing,
        stacklevel=3,
    )


def writes(family: str, text: str) -> bool:
    """Whether a family has all of a text."""
    return not _lacking(text, [family])


def _lacking(text: str, names: list[str]) -> str:
    """Return the characters to be seen that none of the families has, each once, in order."""
    odd = [] if text.isascii() else [c for c in sorted(set(text)) if not c.isascii()]
    known = [_letters(file_of(name)) for name in names] if odd else []
    return "".join(c for c in odd if c.isprintable() and not any(ord(c) in each for each in known))


@cache
def _letters(path: str) -> frozenset[int]:
    return frozenset(get_font(path).get_charmap())
