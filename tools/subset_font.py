"""Make the package's Chinese font: what its own texts need of Noto Sans SC, and what is common.

    python tools/subset_font.py NotoSansSC_400Regular.ttf NotoSansSC_700Bold.ttf

takes the regular and the bold weight as TrueType files (the npm package
``@expo-google-fonts/noto-sans-sc`` holds them) and writes both into ``tracer/views/kit/fonts/``. To
be run again when ``tests/test_fonts.py`` names a character that the font lacks.

The two thousand commonest characters in ``common_characters.txt`` are those of the word counts in
jieba's dictionary, the commonest first.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

ROOT = Path(__file__).resolve().parents[1]
FONTS = ROOT / "tracer" / "views" / "kit" / "fonts"
FAMILY = "Tracer Sans SC"
"""A name of its own: no program takes it for the whole font."""

TEXTS = ("tracer", "notebooks", "docs", "README*.md")
ENDINGS = (".py", ".toml", ".json", ".js", ".html", ".css", ".tcss", ".ipynb", ".md", ".txt")
ASCII = "".join(map(chr, range(0x20, 0x7F)))
PUNCTUATION = "".join(map(chr, (*range(0x3000, 0x3020), *range(0xFF01, 0xFF5F)))) + "“”‘’…—·￥"
"""Of Chinese: brackets, marks, and the full-width forms of ASCII."""


def own_texts(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield the files that hold what the project says, and their texts."""
    places = (path for pattern in TEXTS for path in root.glob(pattern))
    files = (f for place in places for f in ([place] if place.is_file() else place.rglob("*")))
    for file in sorted(f for f in files if f.suffix in ENDINGS):
        text = file.read_text(encoding="utf-8")
        escaped = file.suffix in (".json", ".ipynb")
        yield file, json.dumps(json.loads(text), ensure_ascii=False) if escaped else text


def chinese(text: str) -> set[str]:
    """Return the Chinese characters and marks of a text."""
    return set(re.findall("[\u2e80-\u9fff\uf900-\ufaff\ufe30-\uffef\U00020000-\U0003ffff]", text))


def characters() -> set[str]:
    """Return what the font is to hold."""
    common = Path(__file__).with_name("common_characters.txt").read_text(encoding="utf-8")
    own = (chinese(text) for _, text in own_texts())
    return set(ASCII + PUNCTUATION).union(*own, *common.split())


def make(source: Path, style: str) -> Path:
    """Write one weight and return its path."""
    options = subset.Options(
        hinting=False, layout_features=[], notdef_outline=True, name_IDs=[0, 13, 14],
        drop_tables=["BASE", "GPOS", "GSUB", "STAT", "vhea", "vmtx", "gasp"], glyph_names=False,
    )  # fmt: skip
    font = TTFont(source, recalcTimestamp=False)
    chosen = subset.Subsetter(options)
    chosen.populate(text="".join(characters()))
    chosen.subset(font)
    _name(font, style)
    target = FONTS / f"{FAMILY.replace(' ', '')}-{style}.ttf"
    font.save(target)
    return target


def _name(font: TTFont, style: str) -> None:
    whole, short = f"{FAMILY} {style}", f"{FAMILY.replace(' ', '')}-{style}"
    for number, name in {1: FAMILY, 2: style, 3: short, 4: whole, 6: short}.items():
        font["name"].setName(name, number, 3, 1, 0x409)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("two files are needed, the regular and the bold weight; see the head of this file")
    for path, style in zip(sys.argv[1:], ("Regular", "Bold"), strict=True):
        written = make(Path(path), style)
        print(f"{written.relative_to(ROOT)}: {written.stat().st_size:,} bytes")
