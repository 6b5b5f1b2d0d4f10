"""The help on the command language, in English and Chinese."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """The help on one command.

    Attributes:
        usage: how it is typed, its first word the name that it is listed under.
        en, zh: what it does.
    """

    usage: str
    en: str
    zh: str

    @property
    def name(self) -> str:
        """The command's name."""
        return self.usage.split()[0]

    def text(self, lang: str) -> str:
        """Return what it does, in one language."""
        return self.zh if lang == "zh" else self.en


GROUPS: tuple[tuple[str, str, tuple[Entry, ...]], ...] = (
    (
        "Forwards",
        "前进",
        (
            Entry(
                "s [N]",
                "into whatever comes next: a call's start, a line, a call's end; "
                "`s op` into ops too",
                "走到紧接着的下一步：一次调用的开始、一行，或调用的结束；`s op` 连算子也进入",
            ),
            Entry(
                "n [N]",
                "the next line of the same call, or its end; what it calls runs through",
                "同一调用的下一行，或它的结束；中间的调用一口气跑完",
            ),
            Entry("r", "to the end of the call", "跑到本次调用结束"),
            Entry(
                "until [LINE]",
                "to a line further down (out of a loop), or to LINE",
                "跑到更靠后的行（跳出循环），或跑到第 LINE 行",
            ),
            Entry("c", "to the next breakpoint, or the end", "跑到下一个断点，没有就到结尾"),
            Entry("]", "to where the next stage begins", "到下一个阶段的开头"),
        ),
    ),
    (
        "Backwards",
        "后退",
        (
            Entry("rs [N]", "back one step: undoes s", "退回一步：与 s 相反"),
            Entry(
                "rn [N]",
                "back to the line before in the same call, or its start",
                "退到同一调用的上一行，或它的开始",
            ),
            Entry("rr", "back to the start of the call", "退到本次调用的开始"),
            Entry(
                "rc",
                "back to the breakpoint before, or the first step",
                "退到前一个断点，没有就到开头",
            ),
            Entry(
                "[",
                "to where this stage begins, then the stage before",
                "到本阶段的开头，再按则到前一个阶段",
            ),
        ),
    ),
    (
        "Anywhere",
        "任意跳转",
        (
            Entry(
                "goto STEP",
                "to a step by number, or to a call: goto rpn.head.conv#3",
                "跳到某一步（编号），或某次调用：goto rpn.head.conv#3",
            ),
            Entry("first", "to the first step", "到第一步"),
            Entry("last", "to the last step", "到最后一步"),
            Entry(
                "find TEXT",
                "to the next line, call, class or shape (256x*x*) with TEXT",
                "找下一处含 TEXT 的源码行、调用、类名或形状（256x*x*）",
            ),
        ),
    ),
    (
        "Looking",
        "查看",
        (
            Entry(
                "p EXPR",
                "a value: of a tensor shape, dtype and range; p x.data its values where kept",
                "打印一个值：张量先给形状、类型、取值范围；保留了数据时 p x.data 给出数值",
            ),
            Entry("pp EXPR", "a value in full, a line per part", "完整打印，每个部分一行"),
            Entry("whatis EXPR", "its class", "它的类型"),
            Entry("a", "the arguments of the call", "本次调用的实参"),
            Entry("locals", "all arguments and locals", "全部实参和局部变量"),
            Entry("rv", "what the call returned, at its end", "调用结束处的返回值"),
            Entry(
                "display [EXPR]",
                "show a value at every stop where it changed",
                "每次停下时，若值有变化就显示",
            ),
            Entry("undisplay [EXPR]", "no longer", "取消显示"),
            Entry(
                "ops [on|off]",
                "the calls that the line makes; whether s visits ops",
                "当前行发起的调用；on/off 设定 s 是否进入算子",
            ),
            Entry("w", "the stack of calls, the innermost last", "调用栈，最内层在最后"),
            Entry("u [N]", "look at the caller; the cursor stays", "看上一层调用者；位置不动"),
            Entry("d [N]", "look at the callee again", "再看下一层"),
            Entry("l [FIRST[, LAST]]", "source around the line, then on", "列出源码，再按继续"),
            Entry("ll", "the whole function", "列出整个函数"),
        ),
    ),
    (
        "Data flow",
        "数据流",
        (
            Entry(
                "origin EXPR",
                "where a tensor comes from, several calls back",
                "张量从哪里来，向前追溯几次调用",
            ),
            Entry(
                "uses EXPR",
                "which calls take it, and which one overwrites it",
                "张量到哪里去：哪些调用用到它，哪次调用把它覆盖",
            ),
        ),
    ),
    (
        "Breakpoints",
        "断点",
        (
            Entry(
                "b [PLACE[#N][, COND]]",
                "stop at a module (backbone.fpn.*), function, FILE:LINE or stage NAME; "
                "#N: only that call, or that round of a loop",
                "设断点：模块（backbone.fpn.*）、函数、FILE:LINE 或 stage NAME；"
                "#N 只停在第 N 次调用或循环的第 N 轮",
            ),
            Entry("tbreak PLACE", "the same, but stop once", "同上，但只停一次"),
            Entry(
                "watch COND",
                "stop wherever COND becomes true: watch has_nan(), watch x.max > 10",
                "条件变为真时停下：watch has_nan()、watch x.max > 10",
            ),
            Entry("cl [N…]", "delete breakpoints", "删除断点"),
            Entry("disable [N…]", "let them rest", "暂时停用"),
            Entry("enable [N…]", "use them again", "重新启用"),
            Entry("ignore N COUNT", "pass over the next COUNT hits", "略过接下来的 COUNT 次命中"),
            Entry("condition N [COND]", "change the condition, or drop it", "更改或去掉条件"),
        ),
    ),
    (
        "Other",
        "其他",
        (
            Entry("h [COMMAND]", "help", "帮助"),
            Entry(
                "! CODE",
                "Python with the live tensors, where tracer.debug stopped a run",
                "在 tracer.debug 停住的运行里，用 Python 直接操作当前张量",
            ),
            Entry("q", "leave", "退出"),
        ),
    ),
)

CONDITIONS = {
    "en": (
        "Conditions see arguments and locals (`result` at a call's end; `nth`, `iteration`, "
        "`hits`): x.shape[1] == 256, x.dtype == torch.float16, x.max > 10, has_nan(x), "
        "overwritten(x). Several commands: s ;; p x. An empty line repeats."
    ),
    "zh": (
        "条件可用实参和局部变量（调用结束处有 `result`；另有 `nth`、`iteration`、`hits`）："
        "x.shape[1] == 256、x.dtype == torch.float16、x.max > 10、has_nan(x)、overwritten(x)。"
        "一行多条命令：s ;; p x。空行重复上一条。"
    ),
}


def help_overview(lang: str = "en") -> str:
    """Return all commands, a line each."""
    lines = []
    for en, zh, entries in GROUPS:
        lines.append(zh if lang == "zh" else en)
        lines += [f"  {_padded(entry.usage, 22)} {entry.text(lang)}" for entry in entries]
    return "\n".join([*lines, "", CONDITIONS["zh" if lang == "zh" else "en"]])


def help_on(name: str, commands: Mapping[str, object], lang: str = "en") -> str:
    """Return the help on one command, its other names included.

    Args:
        name: one of its names.
        commands: what each name stands for.
        lang: ``"en"`` or ``"zh"``.
    """
    names = [other for other, handler in commands.items() if handler is commands[name]]
    entry = next(e for _, _, entries in GROUPS for e in entries if e.name in names)
    others = f"  ({', '.join(names)})" if len(names) > 1 else ""
    return f"{entry.usage}{others}\n  {entry.text(lang)}"


def _padded(text: str, width: int) -> str:
    """Pad to a width in terminal cells; Chinese characters take two."""
    cells = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return text + " " * max(0, width - cells)
