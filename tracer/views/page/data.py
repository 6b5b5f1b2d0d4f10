"""What a page holds of a trace, and what it leaves out to stay within its size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import tracer.record as record
from tracer.languages import about, languages
from tracer.record import Call, Source, TensorState, Trace, Value
from tracer.record.codec import encode
from tracer.views.kit.flows import FLOWS
from tracer.views.kit.flows.model import say as flow_words
from tracer.views.page.beside import beside
from tracer.views.page.commentary import told
from tracer.views.page.drawings import scenes
from tracer.views.page.labels import commands, files, labels
from tracer.views.page.shell import texts

MOST_VALUES = 16_384
"""Kept tensors of more values than this are not in the page."""
MOST_STEPS = 30_000
"""Calls and lines, together, that a page holds; a pass of a detector has some thousands."""


@dataclass(frozen=True)
class Contents:
    """What goes into a page.

    Attributes:
        trace: the recording, or what is left of it.
        arrays: by name, as in `Trace.blobs` and for the drawings.
        scenes: what can be drawn on the picture, see `scenes.scenes`.
        told: the commentary, see `commentary.told`.
        left_out: what was left out, keys of the page's own texts.
        at: the tick that the page opens at, None for the first.
        view: how it opens, one of `address.VIEWS`; None as it fits.
        tours: what can be followed, see `guides.guides`.
        guesses: what can be guessed at, see `guides.questions`.
        touring: whether the first tour has begun.
        known: what has been made of a trace, for all contents that are made from each other.
    """

    trace: Trace
    arrays: Mapping[str, np.ndarray]
    scenes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    told: Mapping[str, Any] | None = field(default=None, repr=False)
    left_out: tuple[str, ...] = ()
    at: int | None = None
    view: str | None = None
    tours: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    guesses: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    touring: bool = False
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def data(self, lang: str | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the JSON part: what is of the recording, made once of each, and all else."""
        key = id(self.trace), self.told is None, self.scenes.get("batch", 0)
        if key not in self.known:
            self.known[key] = self.trace, self._recorded()
        return self.known[key][1], {
            "lang": lang,
            "languages": {code: [about("name", code), about("html", code)] for code in languages()},
            "texts": {
                **{key: texts.each(key) for key in texts.all("en") if "." not in key},
                **{f"kind_flow_{name}": flow_words.each(f"name.{name}") for name in FLOWS},
            },
            "labels": labels(self.trace, self.left_out),
            "scenes": self.scenes,
            "left_out": list(self.left_out),
            "at": self.at,
            "view": self.view,
            "commands": commands(),
            "tours": self.tours,
            "touring": self.touring and bool(self.tours),
            "guesses": self.guesses,
            "flow": {key: flow_words.each(key) for key in ("play", "stop", "on", "back", "at")},
        }

    def _recorded(self) -> dict[str, Any]:
        encoded = encode(self.trace, (Source, Value), frozenset({"blobs"}))
        _tell_floats(encoded)
        return {
            "trace": encoded,
            "defaults": {
                name: _defaults(name, fields) for name, fields in encoded["columns"].items()
            },
            "beside": beside(self.trace, encoded, self.scenes.get("batch", 0)),
            "files": files(self.trace),
            "told": self.told,
        }


def contents(trace: Trace) -> Contents:
    """Return all that a page can show of a trace, not more than `MOST_STEPS` of it."""
    drawn, arrays = scenes(trace)
    short, left_out = _in_steps(trace)
    arrays = {**dict(_arrays(short)), **arrays}
    return Contents(short, arrays, drawn, told(short), left_out)


def plain(trace: Trace) -> Contents:
    """Return the same without drawings and commentary."""
    short, left_out = _in_steps(trace)
    return Contents(short, dict(_arrays(short)), left_out=left_out)


def steps(trace: Trace) -> tuple[int, int]:
    """Return how many calls and how many lines there are."""
    return len(trace.calls), len(trace.lines)


def _in_steps(trace: Trace) -> tuple[Trace, tuple[str, ...]]:
    """Leave out ops, then lines, then all but the first calls, until the steps are few enough."""
    left_out: list[str] = []
    for name, less in _FEWER:
        if sum(steps(trace)) > MOST_STEPS:
            fewer = less(trace)
            if fewer.calls and steps(fewer) != steps(trace):
                left_out.append(name)
                trace = fewer
    return trace, tuple(left_out)


def _defaults(name: str, fields: Iterable[str]) -> list[Any]:
    """Return what stands for the fields that the encoded rows of a class leave out."""
    known = {field.name: field for field in dataclasses.fields(getattr(record, name))}
    return [_default(known[field]) for field in fields]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _arrays(trace: Trace) -> Iterator[tuple[str, np.ndarray]]:
    for state in trace.tensors:
        preview = trace.preview(state.id) if state.preview else None
        if preview is not None and preview.size:
            yield f"preview/{state.id}", preview
        if state.kept and 0 < state.summary.numel <= MOST_VALUES:
            data = trace.blobs.get(f"data/{state.id}")
            if data is not None and not np.iscomplexobj(data):
                yield f"data/{state.id}", data.astype(np.float32)


def _tell_floats(encoded: Mapping[str, Any]) -> None:
    """Write floats that are whole as ``{"float": "8.0"}`` where an expression can tell them.

    JSON in a browser has one kind of numbers; Python, and an expression, has two.
    """
    columns = encoded["columns"]
    trace = dict(zip(columns["Trace"], encoded["root"], strict=False))
    states = [dict(zip(columns["TensorState"], row, strict=False)) for row in trace["tensors"]]
    rows = {
        "Value": encoded["tables"].get("Value", ()),
        "TensorSummary": [state["summary"] for state in states],
    }
    for name, fields in (("Value", ("scalar",)), ("TensorSummary", ("min", "max"))):
        for row in rows[name]:
            for at in map(columns[name].index, fields):
                if at < len(row) and isinstance(row[at], float) and row[at].is_integer():
                    row[at] = {"float": repr(row[at])}


# --- leaving things out ---------------------------------------------------------------------------


def _without(prefix: str, keep: Callable[[int], bool]) -> Callable[[Contents], Contents]:
    """Return what leaves arrays ``PREFIX/<state>`` out, but for the states to keep."""

    def leave(it: Contents) -> Contents:
        kept = {
            name: array
            for name, array in it.arrays.items()
            if not name.startswith(prefix) or keep(int(name.rpartition("/")[2]))
        }
        return replace(it, arrays=kept)

    return leave


def op_previews(it: Contents) -> Contents:
    """Leave the pictures out of tensors that no module or function takes or returns."""
    seen: set[int] = set()
    for call in it.trace.calls:
        if call.kind != "op":
            seen.update(call.args.tensors())
            seen.update(call.result.tensors() if call.result else ())
    return _without("preview/", seen.__contains__)(it)


def channel_previews(it: Contents) -> Contents:
    """Leave all planes of the pictures out but the first, the channel mean."""
    first = {n: a[:1] if n.startswith("preview/") else a for n, a in it.arrays.items()}
    return replace(it, arrays=first)


def other_images(it: Contents) -> Contents:
    """Leave out what is drawn on all images but the first."""
    first = it.scenes.get("images", ())[:1]
    used = set(_named(first))
    kept = {n: a for n, a in it.arrays.items() if not n.startswith("scene/") or n in used}
    return replace(it, arrays=kept, scenes={**it.scenes, "images": first} if first else {})


def _named(data: Any) -> Iterator[str]:
    """Give the names of the arrays that stand in JSON data."""
    if isinstance(data, Mapping):
        if isinstance(data.get("array"), str):
            yield data["array"]
        data = data.values()
    if isinstance(data, Iterable) and not isinstance(data, str):
        for item in data:
            yield from _named(item)


def drawings(it: Contents) -> Contents:
    """Leave out what is drawn on the picture."""
    kept = {n: a for n, a in it.arrays.items() if not n.startswith("scene/")}
    return replace(it, arrays=kept, scenes={})


def ops(it: Contents) -> Contents:
    """Leave single tensor operations out."""
    return replace(it, trace=_without_ops(it.trace), told=None)


def lines(it: Contents) -> Contents:
    """Leave the source lines out."""
    return replace(it, trace=_without_lines(it.trace))


def _without_ops(trace: Trace) -> Trace:
    return only_calls(trace, lambda call: call.kind != "op")


def _without_lines(trace: Trace) -> Trace:
    return replace(trace, lines=())


def _first_calls(trace: Trace) -> Trace:
    return only_calls(trace, lambda call: call.id < MOST_STEPS)


_FEWER: tuple[tuple[str, Callable[[Trace], Trace]], ...] = (
    ("ops", _without_ops),
    ("lines", _without_lines),
    ("calls", _first_calls),
)


REDUCTIONS: tuple[tuple[str, Callable[[Contents], Contents]], ...] = (
    ("op_previews", op_previews),
    ("channel_previews", channel_previews),
    ("images", other_images),
    ("data", _without("data/", lambda state: False)),
    ("previews", _without("preview/", lambda state: False)),
    ("scenes", drawings),
    ("ops", ops),
    ("lines", lines),
)
"""What is left out of a page that would be too large: the least important first."""


def only_calls(trace: Trace, wanted: Callable[[Call], bool]) -> Trace:
    """Return a trace without the calls that are not wanted, nor anything in them.

    The numbers of the others change; ticks stay.
    """
    number: dict[int, int] = {}
    for call in trace.calls:
        if wanted(call) and (call.parent is None or call.parent in number):
            number[call.id] = len(number)
    nearest = _nearest_kept(trace, number)

    def renumbered(call: Call) -> Call:
        parent = None if call.parent is None else number[call.parent]
        return replace(call, id=number[call.id], parent=parent)

    def produced(state: TensorState) -> TensorState:
        by, over = (nearest.get(c) for c in (state.producer, state.overwritten_by))
        return replace(state, producer=by, overwritten_by=over)

    kept = tuple(renumbered(call) for call in trace.calls if call.id in number)
    rows = (line for line in trace.lines if line.call in number)
    error = trace.error
    return dataclasses.replace(
        trace,
        calls=kept,
        lines=tuple(replace(line, call=number[line.call]) for line in rows),
        tensors=tuple(produced(state) for state in trace.tensors),
        stages=tuple(
            replace(s, calls=tuple(number[c] for c in s.calls if c in number))
            for s in trace.stages
            if any(c in number for c in s.calls)
        ),
        error=error and replace(error, call=nearest.get(error.call)),
    )


def _nearest_kept(trace: Trace, number: Mapping[int, int]) -> dict[int | None, int]:
    """Return the new number of each call, of one that is gone that of the call around it."""
    found: dict[int | None, int] = {}
    for call in trace.calls:
        if call.id in number:
            found[call.id] = number[call.id]
        elif call.parent in found:
            found[call.id] = found[call.parent]
    return found
