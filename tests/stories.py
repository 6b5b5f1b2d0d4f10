"""Hand-written traces for the stepper: a loop, a recursion, an exception that is caught, NaN."""

from __future__ import annotations

import numpy as np
from handmade import Draft, mapping, scalar, sequence, tensor_value

from tracer.record import Module, Source, SourceFile
from tracer.recording import Recording

PYRAMID = "tiny/pyramid.py"
PYRAMID_TEXT = """\
from torch import nn


def double(x, times):
    if times == 0:
        return x
    return double(x * 2, times - 1)


class Pyramid(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.ModuleList([nn.Identity() for _ in range(3)])

    def forward(self, x):
        results = []
        for idx in range(2, -1, -1):
            lateral = self.inner[idx](x[idx])
            results.insert(0, lateral)
        del idx
        try:
            size = int("P6")
        except ValueError:
            size = 0
        out = double(results[0], 2)
        return {"out": out, "size": size}
"""
LINES = {text.strip(): n for n, text in enumerate(PYRAMID_TEXT.split("\n"), 1)}


def at(text: str) -> Source:
    """Return the place of the line `text`."""
    return Source(PYRAMID, LINES[text])


def pyramid_pass() -> Recording:
    """A loop of three rounds over modules, then a recursion two calls deep."""
    draft = Draft(SourceFile(PYRAMID, PYRAMID_TEXT, "tiny 1.0", "BSD"))
    arrays = [np.full((1, 4, 8 >> i, 8 >> i), float(i + 1), np.float32) for i in range(3)]
    arrays[0][0, 0, 0, 0] = np.nan
    states = [draft.tensor(array, outside=True) for array in arrays]
    given = {"x": sequence(*map(tensor_value, states))}
    with draft.call("module", "", "Pyramid", given, source=at("def forward(self, x):")) as root:
        draft.line(LINES["results = []"], {"results": sequence()})
        results = _tell_loop(draft, states)
        draft.line(LINES["del idx"], deleted=("idx",))
        draft.line(LINES["try:"])
        draft.line(LINES['size = int("P6")'], raised="ValueError: invalid literal")
        draft.line(LINES["except ValueError:"])
        draft.line(LINES["size = 0"], {"size": scalar(0)})
        line = draft.line(LINES["out = double(results[0], 2)"])
        out = _tell_double(draft, arrays[0], results[0], 2, at("out = double(results[0], 2)"))
        draft.change(line, out=tensor_value(out))
        draft.line(LINES['return {"out": out, "size": size}'])
        root.result = mapping({"out": tensor_value(out), "size": scalar(0)})
    children = tuple((str(i), f"inner.{i}") for i in range(3))
    modules = [
        Module("", "Pyramid", children=(("inner", "inner"),)),
        Module("inner", "ModuleList", children=children),
        *(Module(path, "Identity") for _, path in children),
    ]
    return draft.trace("pass", "Pyramid", modules={m.path: m for m in modules})


def _tell_loop(draft: Draft, states: list[int]) -> list[int]:
    results: list[int] = []
    loop = draft.line(LINES["for idx in range(2, -1, -1):"])
    for idx in (2, 1, 0):
        draft.change(loop, idx=scalar(idx))
        call = "lateral = self.inner[idx](x[idx])"
        line = draft.line(LINES[call])
        value = tensor_value(states[idx])
        with draft.call(
            *("module", f"inner.{idx}", "Identity", {"input": value}),
            called_from=at(call),
            stage=f"P{idx + 2}",
        ) as inner:
            inner.result = value
        draft.change(line, lateral=value)
        results = [states[idx], *results]
        value = sequence(*map(tensor_value, results))
        draft.line(LINES["results.insert(0, lateral)"], {"results": value})
        loop = draft.line(LINES["for idx in range(2, -1, -1):"])
    return results


def _tell_double(draft: Draft, array: np.ndarray, x: int, times: int, caller: Source) -> int:
    given = {"x": tensor_value(x), "times": scalar(times)}
    with draft.call(
        *("function", "double", "tiny.pyramid", given),
        source=at("def double(x, times):"),
        called_from=caller,
    ) as call:
        draft.line(LINES["if times == 0:"])
        if times == 0:
            draft.line(LINES["return x"])
            out = x
        else:
            here = at("return double(x * 2, times - 1)")
            draft.line(here.line)
            op = {"self": tensor_value(x), "other": scalar(2)}
            with draft.call("op", "mul", "torch", op, called_from=here) as made:
                array = array * np.float32(2)
                state = draft.tensor(array)
                made.result = tensor_value(state)
            out = _tell_double(draft, array, state, times - 1, here)
        call.result = tensor_value(out)
    return out


WRAPPED = "tiny/wrapped.py"
WRAPPED_TEXT = """\
class Wrapped(nn.Module):
    @staticmethod
    def forward(
        x,
    ):
        for _ in range(2):
            x = sum(
                [x, 1],
            )
        return x
"""


def wrapped_pass() -> Recording:
    """Statements over several lines, each recorded by its first one."""
    draft = Draft(SourceFile(WRAPPED, WRAPPED_TEXT, "tiny 1.0", "BSD"))
    given = {"x": scalar(1)}
    with draft.call("module", "", "Wrapped", given, source=Source(WRAPPED, 2)) as root:
        for x in (2, 3):
            draft.line(6)
            draft.line(7, {"x": scalar(x)})
        draft.line(6)
        draft.line(10)
        root.result = scalar(3)
    return draft.trace("pass", "Wrapped", modules={"": Module("", "Wrapped")})


def two_roots() -> Recording:
    """Two outermost calls, one after the other, without lines; the second has a child."""
    draft = Draft()
    with draft.call("module", "", "Net") as call:
        call.result = scalar(1)
    with draft.call("module", "", "Net") as call:
        with draft.call("module", "part", "Part") as part:
            part.result = scalar(2)
        call.result = scalar(2)
    return draft.trace(
        "pass", "Net", modules={"": Module("", "Net"), "part": Module("part", "Part")}
    )


def empty() -> Recording:
    """A recording of nothing."""
    return Draft().trace("pass", "Net")
