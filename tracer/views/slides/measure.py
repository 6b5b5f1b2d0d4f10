"""How wide text is, by the real fonts that it will be seen in, and where its lines break.

Widths are advances out of the fonts' own tables, without kerning: what a writer sets can only be
narrower. A Chinese character is one em wide in every font, so its width is known where none has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import accumulate, groupby

LATIN = ("Arial", "Liberation Sans", "Arimo", "DejaVu Sans")
"""Families of plain text that a program sets, the first that is installed; the first three have the
same widths."""

MONO = ("DejaVu Sans Mono",)
"""The family of code: Consolas, Menlo and Courier New are no wider."""

_CHINESE = r"\u2e80-\u303f\u3040-\u9fff\uf900-\ufaff\ufe30-\uffef\U00020000-\U0003ffff"
_OPENING, _CLOSING = "（“‘《【「", "，。；：、！？）”’》】」…"
_UNIT = re.compile(
    rf"[{_OPENING}]*(?:(?![{_OPENING}{_CLOSING}])[{_CHINESE}]|[^\s{_CHINESE}]+)[{_CLOSING}]*"
    rf"|[{_CLOSING}{_OPENING}]+|\s+"
)
_WIDE_IN_CHINESE = frozenset("“”‘’…—·")
_SEAM = re.compile(rf"[{_CHINESE}] ?(?=[A-Za-z0-9])|[A-Za-z0-9](?= ?[{_CHINESE}])")
_SEAM_EM = 0.25
_UNKNOWN = 0.65


@dataclass(frozen=True, eq=False)
class Font:
    """One font file.

    Attributes:
        path, number: the file, and which font of a collection.
        advances: width of each character that it has, in em, by code point.
    """

    path: str
    number: int
    advances: Mapping[int, float] = field(repr=False)


@dataclass(frozen=True)
class Style:
    """What text is set in.

    Attributes:
        lang: decides how wide quotation marks are that both scripts share.
        mono: whether it is code.
        bold: whether it is bold.
        embedded: whether its fonts are in the file: then they are those that come along, on every
            machine; else those that the program which shows it is likely to have.
    """

    lang: str = "en"
    mono: bool = False
    bold: bool = False
    embedded: bool = False


def has_chinese(text: str) -> bool:
    """Whether any character is Chinese, or of Chinese punctuation."""
    return re.search(f"[{_CHINESE}]", text) is not None


def lead(texts: Sequence[str]) -> float:
    """Return the distance of lines in em; the fonts that write Chinese are taller."""
    return 1.45 if any(map(has_chinese, texts)) else 1.2


def width(text: str, size: float, style: Style) -> float:
    """Return how wide a line is, in the unit of `size`."""
    return size * sum(map(_advances(style).__getitem__, text))


def roomy(text: str, size: float, style: Style) -> float:
    """Return how wide a line is with the space that LibreOffice puts where scripts meet."""
    return width(text, size, style) + _SEAM_EM * size * len(_SEAM.findall(text))


def pieces(text: str, style: Style) -> Iterator[tuple[Font | None, str]]:
    """Yield the stretches of a text that one font writes; None where no font has them."""
    for font, letters in groupby(text, lambda letter: _font_of(letter, style)):
        yield font, "".join(letters)


def breaks(text: str, size: float, room: float, style: Style) -> tuple[str, ...]:
    """Break a paragraph into lines of at most `room`; a word that is wider is cut.

    Closing punctuation stays with what it closes, and opening with what it opens. There is room for
    the space that LibreOffice puts where scripts meet.
    """
    lines, line, used = [], "", 0.0
    for unit in _units(text, size, room, style):
        seam = _SEAM.search(line[-2:] + unit[:2]) is not None
        wide = width(unit, size, style) + _SEAM_EM * size * seam
        if line and used + wide > room and not unit.isspace():
            lines.append(line.rstrip())
            line, used = "", 0.0
        if line or not lines or not unit.isspace():
            line, used = line + unit, used + wide
    return (*lines, line.rstrip())


def _units(text: str, size: float, room: float, style: Style) -> Iterator[str]:
    for unit in _UNIT.findall(text):
        while len(unit) > 1 and width(unit, size, style) > room:
            count = max(1, _how_many(unit, size, room, style))
            yield unit[:count]
            unit = unit[count:]
        yield unit


def shortened(text: str, size: float, room: float, style: Style) -> str:
    """Return the text, or as much of it as fits with an ellipsis."""
    if width(text, size, style) <= room:
        return text
    return text[: _how_many(text, size, room - width("…", size, style), style)].rstrip() + "…"


def _how_many(text: str, size: float, room: float, style: Style) -> int:
    """Return how many letters from the first on fit."""
    table = _advances(style)
    ends = accumulate(size * table[letter] for letter in text)
    return sum(end <= room for end in ends)


# --- fonts ----------------------------------------------------------------------------------------


class _Advances(dict[str, float]):
    """Widths of letters in em, looked up once each."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style

    def __missing__(self, letter: str) -> float:
        font = _font_of(letter, self.style)
        unknown = 1.0 if has_chinese(letter) else _UNKNOWN
        self[letter] = font.advances[ord(letter)] if font else unknown
        return self[letter]


@cache
def _advances(style: Style) -> _Advances:
    return _Advances(style)


@lru_cache(maxsize=8192)
def _font_of(letter: str, style: Style) -> Font | None:
    plain, chinese, spare = fonts(style)
    order = (plain, chinese, spare)
    if letter in _WIDE_IN_CHINESE and not style.mono:
        latin = spare if plain is chinese else plain
        order = (chinese, latin, spare) if style.lang == "zh" else (latin, spare, chinese)
    found = next((font for font in order if ord(letter) in font.advances), None)
    return found or _rare(letter, style.bold)


def _rare(letter: str, bold: bool) -> Font | None:
    """Return a font of the machine for a letter that ours do not have."""
    from tracer.views.kit.fonts import families

    font = _find(families(letter)[-1], bold)
    return font if font and ord(letter) in font.advances else None


@cache
def fonts(style: Style) -> tuple[Font, Font, Font]:
    """Return the fonts of Latin text, of Chinese, and of the signs that others lack."""
    from tracer.views.kit.fonts import CHINESE, families

    spare, chinese = (_find(family, style.bold) for family in families())
    assert spare is not None, "it comes with matplotlib"
    assert chinese is not None, "it comes with the package"
    names = MONO if style.mono else (CHINESE,) if style.embedded else LATIN
    plain = next(font for family in names if (font := _find(family, style.bold)))
    return plain, chinese, spare


@cache
def _find(family: str, bold: bool) -> Font | None:
    """Return the upright font of a family whose weight is nearest."""
    from matplotlib.font_manager import fontManager

    wanted = 700 if bold else 400
    listed = [f for f in fontManager.ttflist if os.path.isfile(f.fname)]  # they may be gone since
    found = [f for f in listed if f.name == family and f.style == "normal"]
    found = [f for f in found if f.stretch in ("normal", 400, 500, "400", "500")] or found
    if not found:
        return None
    return _read(min(found, key=lambda f: abs(_weight(f.weight) - wanted)).fname, family)


def _weight(weight: int | str) -> int:
    from matplotlib.font_manager import weight_dict

    return weight if isinstance(weight, int) else weight_dict.get(weight, 400)


@cache
def _read(path: str, family: str) -> Font:
    from fontTools.ttLib import TTFont

    number = _number(path, family)
    with TTFont(path, fontNumber=number, lazy=True) as font:
        unit, widths = font["head"].unitsPerEm, font["hmtx"].metrics
        advances = {code: widths[name][0] / unit for code, name in font.getBestCmap().items()}
    return Font(path, number, advances)


def _number(path: str, family: str) -> int:
    """Return which font of a collection has the family's name; -1 for a file of one font."""
    from fontTools.ttLib import TTCollection

    if not path.lower().endswith((".ttc", ".otc")):
        return -1
    with TTCollection(path, lazy=True) as collection:
        tables = [font["name"] for font in collection.fonts]
        names = [{table.getBestFamilyName(), table.getDebugName(1)} for table in tables]
    return next((number for number, each in enumerate(names) if family in each), 0)
