"""What to keep of the next recording: choose modules, see the patterns and what they will cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tracer.errors import MissingError, option
from tracer.numbers import dims
from tracer.record import TensorState, Trace
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Control, Several, Shown, Slider
from tracer.views.explorers.explorer import Explorer
from tracer.views.kit.html_text import escape

BYTES = {
    **{"bool": 1, "uint8": 1, "int8": 1, "int16": 2, "int32": 4, "int64": 8},
    **{"float16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16},
}
"""Of a value once it is kept; types that are not named are widened to float32."""


def size_of(state: TensorState) -> int:
    """Return the bytes that a tensor takes once it is kept."""
    return state.summary.numel * BYTES.get(state.summary.dtype, 4)


def states_of(trace: Trace, paths: Iterable[str]) -> set[int]:
    """Return the tensor states that the modules of these paths gave, each once."""
    wanted = set(paths)
    return {
        state
        for call in trace.calls
        if call.kind == "module" and call.path in wanted and call.result is not None
        for state in call.result.tensors()
    }


def cost(trace: Trace, paths: Iterable[str]) -> int:
    """Return the bytes that ``keep=`` with these paths would add to such a recording.

    A tensor that several modules hand on (a container its last child's) is kept once.
    """
    return sum(size_of(trace.tensors[state]) for state in states_of(trace, paths))


def kept(trace: Trace) -> int:
    """Return the bytes that the recording keeps already."""
    return sum(size_of(state) for state in trace.tensors if state.kept)


def called(trace: Trace) -> tuple[str, ...]:
    """Return the modules that ran and gave a tensor, in the order of the model."""
    ran = {
        call.path
        for call in trace.calls
        if call.kind == "module" and call.result is not None and any(call.result.tensors())
    }
    return tuple(path for path in trace.modules if path in ran and path)


def text_of(size: int) -> str:
    """Write a number of bytes."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} B"


def code(paths: Iterable[str]) -> str:
    """Return the line that records so: ``tracer.trace(model, images, keep=["backbone.fpn"])``."""
    listed = list(paths)
    return f"tracer.trace(model, images, {option(keep=listed)})" if listed else ""


def draw(trace: Trace, lang: str, depth: int, modules: tuple[str, ...]) -> Shown:
    """Show the patterns, and what each and all of them cost."""
    already = told.say("kept_already", lang, size=text_of(kept(trace)))
    if not modules:
        ask = told.say("choose", lang)
        return Shown(told.block(told.note(ask), told.note(already, muted=True)))
    heads = [told.say(key, lang) for key in ("pattern", "results", "bytes")]
    rows = [(path, _shapes(trace, path), text_of(cost(trace, [path]))) for path in modules]
    total = cost(trace, modules)
    rows.append((told.say("together", lang), "", text_of(total)))
    line = f'<pre style="white-space:pre-wrap;margin:.5em 0">{escape(code(modules))}</pre>'
    return Shown(told.block(line, told.table(heads, rows), told.note(already, muted=True)))


def _shapes(trace: Trace, path: str) -> str:
    shapes = [
        dims(trace.tensors[state].summary.shape) for state in sorted(states_of(trace, [path]))
    ]
    return ", ".join(shapes[:3]) + (f", … ({len(shapes)})" if len(shapes) > 3 else "")


def explorer(trace: Trace, lang: str, *, depth: int = 2, modules: tuple[str, ...] = ()) -> Explorer:
    """Return the choice of what to keep of the next pass; the options are `Recording.explore`'s."""
    paths = called(trace)
    if not paths:
        raise MissingError("no module of this recording gave a tensor: record a pass")
    deepest = max(path.count(".") for path in paths) + 1
    depth = max(depth, *(path.count(".") + 1 for path in modules)) if modules else depth

    names = {path: _named(trace, path) for path in paths}

    def listed(depth: int, chosen: tuple[str, ...]) -> Several:
        return _listed(names, depth, chosen, told.say("modules", lang))

    def adapt(values: Mapping[str, Any]) -> dict[str, Control]:
        return {"modules": listed(values["depth"], values["modules"])}

    def drawn(**values: Any) -> Shown:
        return draw(trace, lang, **values)

    tree = listed(min(depth, deepest), modules)
    controls = (Slider("depth", told.say("depth", lang), 1, deepest, min(depth, deepest)), tree)
    return Explorer("keep", lang, controls, drawn, adapt=adapt)


def _listed(names: Mapping[str, str], depth: int, chosen: tuple[str, ...], label: str) -> Several:
    """The tree as a list; what stays visible stays chosen."""
    seen = [path for path in names if path.count(".") < depth]
    options = tuple((names[path], path) for path in seen)
    left = tuple(path for path in chosen if path in seen)
    return Several("modules", label, options, left, rows=14)


def _named(trace: Trace, path: str) -> str:
    """``    fpn   FeaturePyramidNetwork   27.9 MB``, indented as the tree is."""
    indent, kind = "\u2003" * path.count("."), trace.modules[path].type
    return f"{indent}{path.rpartition('.')[2]} · {kind} · {text_of(cost(trace, [path]))}"
