"""The words of the screen, in English and Chinese."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {
    "source": ("Source", "源码"),
    "locals": ("Locals", "局部变量"),
    "tensor": ("Value", "值"),
    "stack": ("Stack", "调用栈"),
    "tree": ("Calls", "调用树"),
    "text": ("Commentary", "讲解"),
    "step": ("step", "步"),
    "of": (" of ", "/"),
    "no_source": ("no source was recorded for this call", "没有记录这次调用的源码"),
    "no_picture": ("no picture of this tensor", "这个张量没有预览图"),
    "no_value": ("select a local to see it here", "选一个局部变量，在这里看它"),
    "channel": ("channel", "通道"),
    "mean": ("mean", "通道均值"),
    "image": (", image ", "，图片 "),
    "colon": (": ", "："),
    "small": (
        "The terminal has {width}×{height} characters; this screen needs {least_width}×"
        "{least_height}. Enlarge it, or leave with q and use: tracer step --plain",
        "终端只有 {width}×{height} 个字符，这个界面至少需要 {least_width}×{least_height}。"
        "请放大窗口，或按 q 退出后使用：tracer step --plain",
    ),
    "hint": (
        "s n r  S N R back  c go on  b break  ] [ stage  / find  : command  ? keys",
        "s 进入  n 下一行  r 跑出  S N R 后退  c 继续  b 断点  ] [ 阶段  : 命令  ? 按键",
    ),
    "close": ("any key closes this", "按任意键关闭"),
    "keys": ("Keys", "按键"),
    "commands": ("Commands", "命令"),
    "mouse": ("Mouse", "鼠标"),
}

KEYS: tuple[tuple[str, str, str], ...] = (
    ("n  →", "next line of this function", "本函数的下一行"),
    ("N  ←", "the line before", "上一行"),
    ("s", "into the next call or line", "进入下一次调用或下一行"),
    ("S", "back one step", "退回一步"),
    ("r  o", "out: to the end of the call", "跑出：到调用结束"),
    ("R  O", "back to the start of the call", "退到调用开始"),
    ("c", "on to the next breakpoint", "继续到下一个断点"),
    ("C", "back to the breakpoint before", "退到前一个断点"),
    ("t", "until a line further down", "跑到更靠后的行"),
    ("] [", "next and previous stage", "下一个、上一个阶段"),
    ("Home End", "first and last step", "第一步、最后一步"),
    ("u d", "look at the caller, the callee", "看上层、下层调用"),
    ("↑ ↓  b", "choose a line, set a breakpoint", "选一行，设断点"),
    (", .", "other channels of the picture", "换预览图的通道"),
    ("/", "find a text or a shape", "查找文字或形状"),
    (":", "type a command", "输入命令"),
    ("Tab", "the next part of the screen", "切换到下一块"),
    ("v", "what the lower part shows (small screen)", "小屏幕时切换下方内容"),
    ("?", "this help", "本帮助"),
    ("q", "leave", "退出"),
)

MOUSE: tuple[tuple[str, str], ...] = (
    ("margin: breakpoint", "行号处：断点"),
    ("timeline: drag to scrub", "时间轴：拖动浏览"),
    ("tree, stack: go there", "调用树、调用栈：跳到那里"),
    ("local: its picture", "局部变量：看它的预览图"),
)


def word(key: str, lang: str) -> str:
    """Return a word of the screen in one language."""
    return WORDS[key][lang == "zh"]
