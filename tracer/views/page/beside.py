"""What the page shows beside the single calls, lines, tensors and values, as finished text.

All of it follows from the trace alone, so it is found here, once, and not in the reader's browser.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from tracer.numbers import dims, large, number
from tracer.rcnn.anatomy.axes import axes
from tracer.record import Call, TensorState, TensorSummary, Trace
from tracer.stepper.positions import Timeline
from tracer.stepper.readable import successors

ROOM = 60
"""Characters of a value in a few words, about."""
MOST_USES = 6
"""Calls named that take a tensor."""
MOST_TENSORS = 100
"""Tensors named that are in a value, or made by a call; of more there is the number."""

Columns = dict[str, list[Any]]


def beside(trace: Trace, encoded: Mapping[str, Any], images: int) -> dict[str, Columns]:
    """Return more columns for the tables of the trace, by class.

    Args:
        trace: the recording.
        encoded: the same as the codec writes it.
        images: how many images went in, 0 if nothing is drawn on them.
    """
    timeline = Timeline(trace)
    values = _rows(encoded, "Value", encoded["tables"]["Value"])
    known = _known(trace)
    return {
        "Call": {
            **_columns(_call(trace, call) for call in trace.calls),
            "bound": _bound(encoded, values, known),
        },
        "Line": {"round": [timeline.iteration(line) for line in trace.lines], "known": known},
        "TensorState": _columns(_states(trace, images)),
        "Value": {
            "brief": _briefs(trace, values),
            "tensors": _tensors(values),
            "count": _counts(values),
        },
    }


def _rows(encoded: Mapping[str, Any], name: str, rows: Iterable[list[Any]]) -> list[dict[str, Any]]:
    """Return encoded rows of a class field by field; what has its default may be missing."""
    names = encoded["columns"].get(name, ())
    return [dict(zip(names, row, strict=False)) for row in rows]


def _known(trace: Trace) -> list[int]:
    """Return for each line the tick from which on it is known what it changed."""
    after = {call.id: call.end for call in trace.calls}
    found = []
    for line in reversed(trace.lines):
        found.append(after[line.call])
        after[line.call] = line.tick
    return found[::-1]


def _bound(
    encoded: Mapping[str, Any], values: list[dict[str, Any]], known: list[int]
) -> list[list[Any]]:
    """Return of each call what its names held: [from which tick on, number of the value] each."""
    fields = dict(zip(encoded["columns"]["Trace"], encoded["root"], strict=False))
    calls = _rows(encoded, "Call", fields["calls"])
    found: list[dict[str, list[Any]]] = [defaultdict(list) for _ in calls]
    for call, names in zip(calls, found, strict=True):
        for name, value in values[call["args"]].get("items", ()):
            names[name].append([call["start"], value])
    for line, tick in zip(_rows(encoded, "Line", fields["lines"]), known, strict=True):
        gone = ((name, None) for name in line.get("deleted", ()))
        for name, value in (*line.get("changed", ()), *gone):
            found[line["call"]][name].append([tick, value])
    return [list(names.items()) for names in found]


def _columns(rows: Iterable[Mapping[str, Any]]) -> Columns:
    found: Columns = defaultdict(list)
    for row in rows:
        for name, item in row.items():
            found[name].append(item)
    return found


def shape(summary: TensorSummary) -> str:
    """Return 1×256×200×256; one axis alone is [1000], none at all a scalar."""
    return f"[{summary.shape[0]}]" if len(summary.shape) == 1 else dims(summary.shape)


# --- calls ----------------------------------------------------------------------------------------


def call_name(call: Call, nth: bool = False) -> str:
    """Return a module's path or class, else the name; with `nth` which call of it, if not 0."""
    name = call.type if call.kind == "module" and not call.path else call.path
    return f"{name}#{call.nth}" if nth and call.nth else name


def _call(trace: Trace, call: Call) -> dict[str, Any]:
    """Names of several lengths and for breakpoints, what it is in or of; what it made."""
    name = call_name(call)
    owner, _, own = name.rpartition(".")
    if call.kind == "module":
        owner = call.type if call.path else ""
    names = [call.path, f"{call.type}.{call.path}"]
    if call.kind == "module":
        names = [call.path or "(root)", call.type, f"{call.type}.forward"]
    states = list(call.result.tensors()) if call.result else []
    made = [trace.tensors[state].summary for state in states[:MOST_TENSORS]]
    more = f" +{len(states) - 1}" if len(states) > 1 else ""
    macs = f", {large(call.macs)} MACs" if call.macs else ""
    return {
        "name": name,
        "label": call.label,
        "names": names,
        "short": ".".join(name.split(".")[-2:]) if call.kind == "module" and call.path else own,
        "own": own,
        "owner": owner,
        "made": shape(made[0]) + more if made else "",
        "shapes": ["x".join(map(str, summary.shape)) for summary in made],
        "title": f"{call.kind} {call.label}{macs}",
    }


# --- tensors --------------------------------------------------------------------------------------


def _states(trace: Trace, images: int) -> Iterable[dict[str, Any]]:
    takers: dict[int, list[Call]] = defaultdict(list)
    for call in trace.calls:
        for taken in dict.fromkeys(call.args.tensors()):
            takers[taken].append(call)
    later, named = successors(trace), axes(trace)
    for state in trace.tensors:
        after, over = later.get(state.id), state.overwritten_by
        yield {
            **_numbers(state.summary),
            "axes": named.get(state.id, ()),
            "over": _map_of(state, images),
            "later": after if over is not None else None,
            "until": trace.calls[over].end if over is not None else None,
            "links": _links(trace, state, takers[state.id], after),
        }


def _map_of(state: TensorState, images: int) -> int | None:
    """Return the image that a state's picture can be laid over, None if it is no map of one."""
    shape, preview = state.summary.shape, state.preview
    if preview is None or len(shape) != 4 or shape[0] != images or shape[1] <= 4:
        return None
    return preview.image if min(shape[2:]) > preview.stride else None


def _numbers(summary: TensorSummary) -> dict[str, Any]:
    """Shape, low and high end, statistics by the page's names, and counts of what is bad."""
    device = "" if summary.device == "cpu" else summary.device
    known = {"mean": summary.mean, "std": summary.std}
    numbers = [[name, number(value)] for name, value in known.items() if value is not None]
    if summary.zeros is not None:
        numbers.append(["zeros", f"{number(round(summary.zeros * 100, 1))} %"])
    bad = (("NaN", summary.nan), ("Inf", summary.inf))
    return {
        "shape": shape(summary),
        "facts": " · ".join(filter(None, [summary.dtype, large(summary.numel), device])),
        "ends": [number(end) for end in (summary.min, summary.max) if end is not None],
        "numbers": numbers,
        "bad": [[name, number(count)] for name, count in bad if count],
    }


def _links(
    trace: Trace, state: TensorState, takers: Sequence[Call], after: int | None
) -> list[list[Any]]:
    """Where a tensor comes from and where it goes.

    Each row is a name of the page's, [text, tick] of each call and [shape, state, None] of each
    tensor state that it leads to, and how many more there are; or a name and another of the page's.
    """

    def end(call: int) -> list[Any]:
        return [call_name(trace.calls[call], nth=True), trace.calls[call].end]

    def other(number: int) -> list[Any]:
        return [shape(trace.tensors[number].summary), None, number]

    made = "made_by" if state.previous is None else "written_by"
    source = "from_outside" if state.producer is None else [end(state.producer)]
    used = [[call_name(call, nth=True), call.start] for call in takers[:MOST_USES]]
    rows = [["", "of_model", 0] if state.name else [made, source, 0]]
    if used:
        rows.append(["used_by", used, max(0, len(takers) - MOST_USES)])
    if state.overwritten_by is not None:
        rows.append(["overwritten_by", [end(state.overwritten_by)], 0])
    others = {"earlier": state.previous, "later": after, "view_of": state.base}
    return [*rows, *([key, [other(n)], 0] for key, n in others.items() if n is not None)]


# --- values ---------------------------------------------------------------------------------------

_BRACKETS = {
    "sequence": ("[", "]"),
    "mapping": ("{", "}"),
    "object": ("(", ")"),
    "arguments": ("(", ")"),
}
_UNNAMED = ("list", "tuple", "dict")


def _tensors(table: list[dict[str, Any]]) -> list[list[Any]]:
    """Return for each value the path and the state of the first tensors in it, depth first."""
    found: list[list[Any]] = []
    for row in table:
        parts = (
            [f"{name}.{path}" if path else name, state]
            for name, item in _inner(row)
            for path, state in found[item]
        )
        tensor = row.get("tensor")
        found.append([["", tensor]] if tensor is not None else list(islice(parts, MOST_TENSORS)))
    return found


def _counts(table: list[dict[str, Any]]) -> list[int]:
    """Return how many tensors are in each value."""
    found: list[int] = []
    for row in table:
        inner = sum(found[item] for _, item in _inner(row))
        found.append(inner if row.get("tensor") is None else 1)
    return found


def _inner(row: dict[str, Any]) -> Sequence[tuple[str, int]]:
    """Return what is in a value, by name; what a module consists of is no part of it."""
    items: Sequence[tuple[str, int]] = () if row["kind"] == "module" else row.get("items", ())
    return items


def _briefs(trace: Trace, table: list[dict[str, Any]]) -> list[str]:
    """Return each value in a few words: of a tensor its shape, of a list or dict what is in it."""

    @cache
    def brief(n: int, room: int) -> str:
        row = table[n]
        if row.get("tensor") is not None:
            return shape(trace.tensors[row["tensor"]].summary)
        if row["kind"] in _PLAIN:
            return _PLAIN[row["kind"]](row)
        opening, closing = ("(", ")") if row["type"] == "tuple" else _BRACKETS[row["kind"]]
        items = row.get("items", ())
        parts: list[str] = []
        left = room - len(row["type"])
        for name, item in items:
            key = "" if row["kind"] == "sequence" else f"{name}: "
            text = key + brief(item, max(12, left))
            if parts and len(text) > left:
                break
            parts.append(text)
            left -= len(text) + 2
        more = len(items) + row.get("elided", 0) - len(parts)
        inner = ", ".join([*parts, *([f"… {more}"] if more else [])])
        return f"{'' if row['type'] in _UNNAMED else row['type']}{opening}{inner}{closing}"

    return [brief(n, ROOM) for n in range(len(table))]


def _opaque(row: Mapping[str, Any]) -> str:
    found: str = row.get("text") or row["type"]
    return found


def _module(row: Mapping[str, Any]) -> str:
    """A module's class and path, its parameters, and how many of them are frozen."""
    total, trainable = row.get("params") or (0, 0)
    text = row.get("text", "")
    name = row["type"] if text == "?" else f"{row['type']} {text}".strip()
    frozen = f" (❄ {large(total - trainable)})" if total > trainable else ""
    return f"{name} · {large(total)}{frozen}" if total else name


def _scalar(row: Mapping[str, Any]) -> str:
    """A scalar as Python writes it, not too long; JSON holds special numbers as an object."""
    value = row.get("scalar")
    if isinstance(value, dict):
        return value.get("float") or str(int(value["int"], 16))
    if isinstance(value, str):
        text = f"'{value}'" if row["type"] == "str" else value
        return text if len(text) <= 80 else f"{text[:79]}…"
    return repr(float(f"{value:.6g}")) if isinstance(value, float) else str(value)


_PLAIN = {"scalar": _scalar, "module": _module, "opaque": _opaque}
