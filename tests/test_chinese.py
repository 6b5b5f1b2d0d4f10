"""The Chinese texts are set as Chinese is: with its own signs, and spaces beside Latin words."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracer.languages import Texts
from tracer.rcnn import texts
from tracer.rcnn.narration import explain

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tracer"
HAN = "\u3400-\u9fff"
SIGNS = "，。；：？！、（）"
ROOMS = sorted(path.stem for path in (PACKAGE / "languages" / "zh").glob("*.toml"))

FAULTS = {
    "a half-width sign": (
        rf"[{HAN}”）][,;:?!]|[,;:?!] ?[{HAN}“（]|[{HAN}]\(|\)[{HAN}]|\([^()]*[{HAN}][^()]*\)"
    ),
    "no space beside Latin": rf"[{HAN}][A-Za-z0-9]|[A-Za-z0-9%][{HAN}]",
    "a space between characters": rf"[{HAN}] [{HAN}]|\S [{SIGNS}”]|[{SIGNS}“] \S",
    "two signs in a row": r"[，。；：？！、]{2}",
}
FAULTS["not the glossary's word"] = (  # docs/architecture.md, "In Chinese"
    "补边|补齐|骨干|步长|捷径|就地|框头|小格|基准锚框|长宽比|目标框|真值|回归量|录制|提纲|讲稿|时间线"
    r"|(?<!回归)目标(?!检测)"
)


def sentences(text: str) -> str:
    """What is to be read: code is an x, and what a name in braces stands for is not known."""
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    text = re.sub(r"`[^`\n]+`|\[[^]\n]*, [^]\n]*\](?!\()", "x", text)
    text = re.sub(r"\{[^{}]*\}", "\ufffc", text)
    text = re.sub(rf"\]\([^)]*\)|<[^>]*>|!?\[|\]|(?<=[{SIGNS}])\*\* |\*\*", "", text)
    text = re.sub(r"  \S (?=\S)", "  x ", text)  # keys in a row: "c 继续  : 命令"
    return re.sub(r"(?m)^[-#>|]+ | *\| *", "\n", text)


def joined(markdown: str) -> str:
    """Markdown with the lines of a paragraph in one, as a page shows them: a space between."""
    return re.sub(r"(?<=\S)\n(?!```)(?=[^\s\-|#>\d])", " ", markdown)


def faults(text: str) -> list[str]:
    """Every fault, with the words around it."""
    return [
        f"{fault}: …{line[max(0, found.start() - 10) : found.end() + 10]}…"
        for line in sentences(text).split("\n")
        for fault, pattern in FAULTS.items()
        for found in re.finditer(pattern, line)
    ]


def pages() -> list[Path]:
    guides = (p for p in ROOT.glob("docs/**/*.zh.*") if "chapters" not in p.parts)
    found = [ROOT / "README.zh.md", *guides, *ROOT.glob("notebooks/*.zh.*")]
    return [p for p in found if p.suffix in (".md", ".txt", ".ipynb")]


def read(page: Path) -> str:
    """What a page says: a notebook's text cells, a script's comments."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "markdown"]
        return "\n\n".join("".join(cell["source"]) for cell in cells)
    if page.suffix == ".txt":
        return "\n".join(line for line in text.split("\n") if line.startswith("#"))
    return text


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.name)
def test_a_page_is_set_as_chinese_is(page):
    text = read(page)
    assert len(re.findall(f"[{HAN}]", text)) > 100
    assert faults(joined(text)) == []


def named(text: str) -> tuple[set[str], set[str], int]:
    """The names in code, the links (pictures apart) and how many headings a page has."""
    text = re.sub(r"(?ms)^```.*?^```$|!\[.*?\]\(.*?\)", "", text.replace(".zh.", "."))
    code = set(re.findall(r"`([A-Za-z_][\w.]*)`", text))
    return code, set(re.findall(r"\]\(([^)#]+)", text)), len(re.findall(r"(?m)^#+ ", text))


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.name)
def test_both_languages_name_and_link_the_same(page):
    english = page.with_name(page.name.replace(".zh.", "."))
    (code, links, headings), chinese = named(read(english)), named(read(page))
    assert (code, headings) == (chinese[0], chinese[2])
    assert links <= chinese[1], "a page may also link to what is in English only"


def test_the_commentary_is_set_as_chinese_is():
    told = [part for _, pair in texts._pairs() for part in texts.paragraphs(pair["zh"])]
    assert len(told) > 500
    assert [fault for text in told for fault in faults(text)] == []


def test_the_commentary_is_written_out_as_chinese_is():
    stages = [explain(None, stage=name, lang="zh") for name in texts.keys("stage")]
    functions = [explain(None, function=name, lang="zh") for name in texts.keys("function")]
    assert min(len(stages), len(functions) // 10) > 10
    assert [fault for text in stages + functions for fault in faults(text)] == []


def in_chinese(tree: Any) -> Iterator[str]:
    """The Chinese texts anywhere in a file that was parsed."""
    if isinstance(tree, (dict, list)):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from in_chinese(part)
    elif isinstance(tree, str) and re.search(f"[{HAN}]", tree):
        yield tree


@pytest.mark.parametrize("room", ROOMS)
def test_the_texts_of_a_room_are_set_as_chinese_is(room):
    told = list(Texts(room).all("zh").values())
    assert told
    assert [fault for text in told for fault in faults(text)] == []


def test_the_slides_are_set_as_chinese_is():
    text = (PACKAGE / "views/slides/catalogue.toml").read_text("utf-8")
    told = list(in_chinese(tomllib.loads(text)))
    assert len(told) > 100
    assert [fault for text in told for fault in faults(text)] == []


def strings(path: Path) -> Iterator[str]:
    """A module's Chinese strings; no docstrings."""
    source = path.read_text("utf-8")
    if not re.search(rf"[{HAN}]|\\[uUN]", source):
        return
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    known = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in docs)
    texts = (node.value for node in known if isinstance(node.value, str))
    yield from (t for t in texts if re.search(f"[{HAN}]", t) and "\u9fff" not in t)


def test_no_module_has_texts_of_its_own():
    """They stand in `tracer/languages`, where other languages have theirs."""
    assert [(m.name, text) for m in PACKAGE.rglob("*.py") for text in strings(m)] == []
    scripts = [
        p for ending in ("js", "html", "css") for p in (PACKAGE / "views").rglob(f"*.{ending}")
    ]
    assert [p.name for p in scripts if re.search(f"[{HAN}]", p.read_text("utf-8"))] == []


WRONG = ["特征图,五张", "特征图:五张", "特征图(五张)", "五张(P2)图", "(图)", "看 `x`, 再看图"]
WRONG += ["`p2`是图", "五张P2", "100%的框", "特征图 ，五张", "特征 图", "特征\n图"]
WRONG += ["五张，、图", "完了：。", "骨干网络"]
RIGHT = ["五张特征图，P2 到 P6：见 `a, b:c`。", "形状是 [框数, 4]，中心是 (cx, cy)。", "梯度{what}"]
RIGHT += ["- 五张\n- 六张", "# 图\n\n五张", "| 图 | 数 |\n| --- | --- |\n| 五 | 六 |"]
RIGHT += [
    "**先猜。** 五张图",
    "[第 7 章：RPN](a.md) 放框",
    "```\n图,五\n```",
    "c 继续  : 命令  ? 按键",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_fault_is_found(text):
    assert faults(joined(text)) != []


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_no_fault(text):
    assert faults(joined(text)) == []
