"""Small decks by hand: every kind of part, in English and Chinese, and what must not break one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tracer.views.kit.fonts import families
from tracer.views.kit.palette import THEMES
from tracer.views.kit.scene import Marks
from tracer.views.slides.deck import (
    Cells,
    Code,
    CodeStep,
    Deck,
    Interactive,
    Pictures,
    Points,
    Slide,
    Slider,
)

HOSTILE = "</a:t><script>alert(1)</script> & \x00\x1b[31m\ud800\u202e"
SOURCE = """\
def forward(self, x: Dict[str, Tensor]) -> Dict[str, Tensor]:
    # unpack OrderedDict into two lists for easier handling
    names = list(x.keys())
    x = list(x.values())

    last_inner = self.get_result_from_inner_blocks(x[-1], -1)
    results = []
    for idx in range(len(x) - 2, -1, -1):
        inner_lateral = self.get_result_from_inner_blocks(x[idx], idx)
        last_inner = inner_lateral + inner_top_down"""


def figure(text: str, size: tuple[float, float] = (8.0, 5.35), theme: str = "light") -> Figure:
    """A figure with a text in it."""
    drawn = Figure(figsize=size, facecolor=THEMES[theme].paper)
    ax = drawn.add_subplot(facecolor=THEMES[theme].paper)
    ax.plot([0, 1], [0, 1])
    fonts = families()
    ax.set_title(text, fontfamily=fonts, fontsize=18, color=THEMES[theme].ink)
    return drawn


def say(lang: str, en: str, zh: str) -> str:
    return zh if lang == "zh" else en


def points(lang: str, count: int = 4, stepwise: bool = False) -> Points:
    en = "The map of P5 is enlarged to twice its size and added to what conv 1×1 makes of C4."
    zh = "P5 的特征图先放大到两倍，再与 C4 经过 1×1 卷积得到的结果“逐元素”相加。"
    return Points(tuple(f"{n + 1}. {say(lang, en, zh)}" for n in range(count)), stepwise)


def cells(lang: str, rows: int = 6) -> Cells:
    head = (say(lang, "Level", "层"), say(lang, "Shape", "形状"), say(lang, "Anchors", "锚框"))
    body = tuple((f"P{n}", f"[2, 256, {200 - n}, 272]", f"{n * 1000:,}") for n in range(rows))
    return Cells(head, body, frozenset({2}))


def code(steps: int = 2, repeat: int = 1) -> Code:
    every = (CodeStep((52, 53), ("names: list of 4",)), CodeStep((59,), ("[2, 256, 25, 34]",) * 2))
    return Code(
        "\n".join([SOURCE] * repeat),
        50,
        "torchvision/ops/feature_pyramid_network.py",
        every[:steps],
    )


def interactive(lang: str, theme: str = "light", name: str = "cat 0.9") -> Interactive:
    """Three boxes of two groups, to be chosen by score and by group."""
    boxes = np.asarray([[2.0, 2, 20, 20], [10, 8, 30, 22], [4, 4, 36, 26]])
    group = np.asarray([0, 1, 1])
    score = Slider(
        say(lang, "score from", "得分不低于"), (0.0, 0.5, 0.9), ("0.00", "0.50", "0.90"), 1, "min",
        np.asarray([0.9, 0.7, 0.3]),
    )  # fmt: skip
    kind = Slider(
        name, (-1.0, 0.0, 1.0), (say(lang, "all", "全部"), name, "P3"), 0, "is", group.astype(float)
    )
    alt = say(lang, "Two of three boxes.", "三个框里的两个。")
    still = Pictures((figure(alt, theme=theme),), alt, alt)
    return Interactive(
        np.full((30, 40, 3), 0.5, np.float32),
        Marks(boxes, group, ((name, "#0072B2"), ("P3", "#E69F00")), (name, "dog 0.7", "dog 0.3")),
        (score, kind),
        say(lang, "{shown} of 3 boxes", "{shown} 个，共 3 个框"), still,
    )  # fmt: skip


def slides(lang: str, theme: str = "light") -> tuple[Slide, ...]:
    """One slide for each kind of part, and for pairs of them."""
    title = say(lang, "From four maps to five levels", "从四张特征图到五个层级")
    notes = (say(lang, "Say why.", "说明原因。"), say(lang, "Then point.", "然后指给大家看。"))
    alt = say(lang, "A line that rises.", "一条上升的线。")
    caption = say(lang, "scene.png, P2 [1, 256, 80, 104]", "图片 scene.png，P2 [1, 256, 80, 104]")
    picture = figure(title, theme=theme)
    wide = tuple(figure(f"{title} {n}", (12.2, 5.35), theme) for n in (1, 2))
    made = {
        "opening": (Points((say(lang, "A lecture", "一堂课"), "torchvision 0.29.2")),),
        "points": (points(lang, stepwise=True),),
        "figure": (Pictures(wide, alt, caption),),
        "beside": (points(lang, 2), Pictures((picture,), alt, caption)),
        "table": (cells(lang),),
        "code": (code(),),
        "both-tables": (cells(lang, 3), cells(lang, 4)),
        "bare": (),
        "to-try": (interactive(lang, theme),),
    }
    return tuple(
        Slide(
            key,
            title,
            parts,
            notes,
            "fpn",
            lang,
            "title" if key == "opening" else "content",
            "#call=backbone.fpn%230" if key == "figure" else "",
        )
        for key, parts in made.items()
    )


def deck(lang: str = "en", theme: str = "light", *more: Slide) -> Deck:
    """A deck of all of them; ``"both"`` has each slide in one language and then the other."""
    pairs = zip(slides("en", theme), slides("zh", theme), strict=True)
    every = tuple(s for pair in pairs for s in pair) if lang == "both" else slides(lang, theme)
    title = say(lang, "Faster R-CNN, step by step", "逐步看懂 Faster R-CNN")
    return Deck(
        title, (*every, *more), lang, theme, Path("my pages/page.html"), ("torchvision, BSD",)
    )


def hostile() -> Deck:
    """A deck whose every text tries to be something else."""
    parts = (
        Points((HOSTILE, HOSTILE)),
        Pictures((figure("x"),), HOSTILE, HOSTILE),
        Cells((HOSTILE, "b"), ((HOSTILE, "1"),)),
        Code(f"x = 1\n# {HOSTILE}\n", 1, HOSTILE, (CodeStep((1,), (HOSTILE,)),)),
        replace(interactive("en", name=HOSTILE), count=f"{{shown}} {HOSTILE}"),
    )
    each = [Slide(HOSTILE, HOSTILE, (part,), (HOSTILE,), HOSTILE, step=HOSTILE) for part in parts]
    return Deck(HOSTILE, tuple(each), page=Path("a b#c.html"), credits=(HOSTILE,))
