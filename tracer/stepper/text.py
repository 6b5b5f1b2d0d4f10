"""What the stepper says: values, places and positions as plain text of one or a few lines."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from tokenize import TokenError
from typing import Any

import numpy as np

from tracer import foreign, numbers
from tracer.record import Call, Source, TensorSummary, Value
from tracer.stepper.positions import Position, Timeline
from tracer.stepper.readable import Namespace, Reader, TensorView, TreeView

WIDTH = 160
"""Characters of one value on one line."""

MOST_BITS = 10_000
"""Bits of a whole number that is written in decimal; Python refuses long ones."""


def clean(text: str, limit: int = WIDTH) -> str:
    """Return recorded text on one line, fit for a terminal and not too long."""
    return foreign.clean(text, limit)


def number(value: float | int | bool | None) -> str:
    """Return a statistic; ``"?"`` for None."""
    return "?" if value is None else numbers.number(value)


def shape(summary: TensorSummary) -> str:
    """Return ``[1, 256, 16, 16] float32``; the device only where it is not the CPU."""
    device = "" if summary.device == "cpu" else f" {summary.device}"
    return clean(f"{list(summary.shape)} {summary.dtype}{device}")


def tensor(view: TensorView) -> str:
    """Return shape, dtype and range first, then the rest of what is known of a tensor."""
    summary = view.state.summary
    parts = [shape(summary)]
    if summary.min is not None:
        parts.append(f"{number(summary.min)} … {number(summary.max)}")
    parts += [f"{n} {number(v)}" for n in ("mean", "std") if (v := getattr(summary, n)) is not None]
    parts += [f"{n.upper()} ×{v}" for n in ("nan", "inf") if (v := getattr(summary, n))]
    if summary.zeros:
        parts.append(f"zeros {summary.zeros:.0%}")
    if view.state.previous is not None:
        parts.append("written in place")
    if view.params is not None and not view.params[1]:
        parts.append("frozen")
    if view.state.name:
        parts.append(clean(view.state.name))
    return "  ".join(parts)


def value(found: Any, limit: int = WIDTH) -> str:
    """Return what an expression gave, on one line."""
    if isinstance(found, TensorView):
        return tensor(found)
    if isinstance(found, TreeView):
        return clean(_tree(found), limit)
    if isinstance(found, np.ndarray):
        edge = 3 if found.ndim <= 2 else 1
        return np.array2string(found, threshold=60, edgeitems=edge, precision=4)
    if isinstance(found, Namespace):
        return clean(found.name)
    if isinstance(found, tuple):
        inner = ", ".join(value(item, limit) for item in found[:20])
        end = ", …" if len(found) > 20 else "," if len(found) == 1 else ""
        return clean(f"({inner}{end})", limit)
    if isinstance(found, int) and found.bit_length() > MOST_BITS:
        return clean(f"{found:#x}", limit)
    return clean(f"{found!r}", limit)


def _tree(view: TreeView) -> str:
    node = view.value
    if node.kind == "module":
        return module(node)
    if node.kind == "opaque":
        return node.text or f"<{node.type}>"
    if not node.items:
        return f"empty {node.type}" if node.kind in ("sequence", "mapping") else f"<{node.type}>"
    inner = ", ".join(_key(node, n) + short(view.read(item)) for n, item in node.items[:8])
    more = ", …" if len(view) > 8 else ""
    return f"{node.type} of {len(view)}: {inner}{more}"


def _key(node: Value, name: str) -> str:
    return "" if node.kind == "sequence" else f"{clean(name, 40)}="


def short(found: Any) -> str:
    """Return a value in a few words: of a tensor its shape, of a list or dict its length."""
    if isinstance(found, TensorView):
        return shape(found.state.summary)
    if isinstance(found, TreeView) and _is_plain(found.value):
        return value(tuple(found), 60)
    if isinstance(found, TreeView) and found.value.kind not in ("module", "opaque"):
        kind = clean(found.value.type, 40)
        return f"{kind} of {len(found)}" if found.value.items else f"empty {kind}"
    return value(found, 60)


def _is_plain(node: Value) -> bool:
    """Whether a value is a short list or tuple of numbers or words."""
    scalars = all(item.kind == "scalar" for _, item in node.items)
    return node.kind == "sequence" and 0 < len(node.items) <= 4 and scalars and not node.elided


def module(node: Value) -> str:
    """Return a module's class, path and parameters, and what it has so far."""
    total, trainable = node.params or (0, 0)
    path = f" {node.text}" if node.text not in ("", "?") else ""
    frozen = f", {total - trainable:,} frozen" if total > trainable else ""
    params = f" ({total:,} parameters{frozen})" if total else ""
    return f"{node.type}{path}{params}"


def kind(found: Any) -> str:
    """Return what class of thing a value is."""
    if isinstance(found, TensorView):
        return "Tensor"
    if isinstance(found, TreeView):
        return clean(found.value.type)
    return type(found).__name__


def tree(found: Any, name: str) -> Iterator[str]:
    """Yield a value in full, a line per leaf, indented by depth."""
    if not isinstance(found, TreeView) or not found.value.items:
        yield f"{name}: {value(found)}"
        return
    yield f"{name}: {clean(_title(found))}"
    for key, item in found.value.items:
        yield from (f"  {line}" for line in tree(found.read(item), clean(key, 60)))
    if found.value.elided:
        yield f"  … {found.value.elided} more were left out of the recording"


def _title(view: TreeView) -> str:
    node = view.value
    return module(node) if node.kind == "module" else f"{node.type} of {len(view)}"


# --- places ---------------------------------------------------------------------------------------


def call_name(call: Call) -> str:
    """Return a call as a reader of the source would name it."""
    if call.kind == "module":
        return clean(f"{call.label} {call.type}.forward()")
    return clean(f"{call.label}()")


def where(call: Call, place: Source | None) -> str:
    """Return ``FILE(LINE) CALL``, as pdb heads a stack entry."""
    at = clean(f"{place.file}({place.line}) ") if place else ""
    return at + call_name(call)


def source_line(timeline: Timeline, place: Source | None) -> str:
    """Return the text of a place, without its indentation; ``""`` where it was not recorded."""
    lines = timeline.text(place.file) if place else []
    return clean(lines[place.line - 1].strip()) if place and 0 < place.line <= len(lines) else ""


def end_of_block(lines: list[str], start: int) -> int:
    """Return the last line of the function that begins at line `start` (1-based).

    Of a text that is no Python, where no end can be found, that is the last line of all.
    """
    block = [f"{line}\n" for line in lines[start - 1 :]]
    try:
        return start - 1 + len(inspect.getblock(block))
    except (SyntaxError, ValueError, TokenError):
        return len(lines)


EVENTS = {"start": "--Call-- ", "end": "--Return-- ", "line": ""}


def position(at: Position, timeline: Timeline) -> Iterator[str]:
    """Yield what a stop shows: the place, its source line, what is new, what ran to get there."""
    place = timeline.place(at.call, at.tick)
    event = "--Exception-- " if at.kind == "end" and at.call.error else EVENTS[at.kind]
    stage = f"  [{clean(at.call.stage)}]" if at.call.stage else ""
    last = timeline.ticks[-1]
    yield f"> {event}{where(at.call, place)}{stage}  step {at.tick}/{last}"
    if text := source_line(timeline, place):
        yield f"-> {text}"
    yield from news(at, timeline)


def news(at: Position, timeline: Timeline) -> Iterator[str]:
    """Yield the names that are new at a position, the result or error, and the ops just run."""
    read = timeline.reader(at.tick)
    for name, new in timeline.changed(at).items():
        yield f"   {clean(name, 60)} = {value(read(new))}"
    done = timeline.finished_line(at) if at.kind != "start" else None
    if done is not None:
        yield from (f"   {name} deleted" for name in map(clean, done.deleted))
        ops = [call for call in timeline.calls_of_line(done) if call.kind == "op"]
        yield from (f"   ran {op(call, read)}" for call in ops[:8])
    if at.kind == "end" and at.call.result is not None:
        yield f"   returns {value(read(at.call.result))}"
    if at.kind == "end" and at.call.error:
        yield f"   raises {clean(at.call.error)}"


def op(call: Call, read: Reader) -> str:
    """Return an op with what it made, in shapes."""
    made = f" → {short(read(call.result))}" if call.result is not None else ""
    return clean(call.label) + made
