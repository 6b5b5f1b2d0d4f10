"""Which font writes Chinese on this machine."""

from __future__ import annotations

import warnings
from functools import cache

from matplotlib import font_manager

# Families that hold simplified Chinese, the ones made for it first.
FAMILIES = (
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
LATIN = "DejaVu Sans"


class ChineseFontMissing(UserWarning):
    """Figures were asked for in Chinese, and no font of this machine can write it."""


@cache
def chinese_family() -> str | None:
    """Return the family that writes Chinese, or None if no known one is installed."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return next((family for family in FAMILIES if family in installed), None)


def families(lang: str) -> tuple[str, list[str]]:
    """Return the language that can be written and the font families that write it.

    Where Chinese cannot be written the language is English, and a warning says once what to
    install.
    """
    if lang != "zh":
        return "en", [LATIN]
    family = chinese_family()
    if family is None:
        _note()
        return "en", [LATIN]
    return "zh", [LATIN, family]


@cache
def _note() -> None:
    warnings.warn(
        "no font on this machine has Chinese glyphs, so figures are labelled in English; install "
        "one (Debian and Ubuntu: apt install fonts-noto-cjk; conda: conda install -c conda-forge "
        "font-ttf-noto-sans-cjk-sc), then delete matplotlib's font cache: "
        'python -c "import matplotlib; print(matplotlib.get_cachedir())"',
        ChineseFontMissing,
        stacklevel=4,
    )
