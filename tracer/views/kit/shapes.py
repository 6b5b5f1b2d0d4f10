"""What a report says of a recorded value: its shapes, its range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from tracer.foreign import clean
from tracer.numbers import dims
from tracer.record import Call, TensorSummary, Trace, Value

BRACKETS = {
    "sequence": ("[", "]"),
    "mapping": ("{", "}"),
    "object": ("(", ")"),
    "arguments": ("", ""),
}


LONGEST = 2000
"""Characters of a value's shapes in one pair of brackets."""


def shape_text(trace: Trace, value: Value | None, known: dict[int, str] | None = None) -> str:
    """Return the shapes of the tensors in a value, in the value's own form; ``""`` if it has none.

    An OrderedDict of the pyramid's levels is ``{0: 2×256×32×40, 1: 2×256×16×20, …}``; three or
    more equal neighbours of a list are written once, ``[100×(3×224×224)]``. Of a value with very
    many, the first are written, ``[3×8×8, 3×9×9, … 870 more]``.

    Args:
        trace: the recording.
        value: one of its values.
        known: what has been written of it before, by the identity of its values; is added to.
    """
    return "" if value is None else _text(trace, value, {} if known is None else known)


def _text(trace: Trace, value: Value, known: dict[int, str]) -> str:
    """Write a value; `known` are the parts that are written already, by identity."""
    found = known.get(id(value))
    if found is None:
        if value.tensor is not None:
            found = dims(trace.tensors[value.tensor].summary.shape)
        elif value.kind not in BRACKETS:
            found = ""
        else:
            parts = ((name, _text(trace, item, known)) for name, item in value.items)
            found = _bracketed(value, [(name, text) for name, text in parts if text])
        known[id(value)] = found
    return found


def result_text(trace: Trace, call: Call, known: dict[int, str] | None = None) -> str:
    """Return the shapes that a call left, or what a module left in their place: ``None``."""
    found = shape_text(trace, call.result, known)
    return found or (_in_words(call.result) if call.kind == "module" and call.result else "")


def _in_words(value: Value) -> str:
    if value.kind == "scalar":
        return clean(repr(value.scalar), 24)
    if value.kind in ("sequence", "mapping"):
        return f"{value.type} of {len(value.items) + value.elided}"
    return clean(f"{value.type} {value.text}".strip(), 24)


def _bracketed(value: Value, parts: list[tuple[str, str]]) -> str:
    if not parts:
        return ""
    if len(parts) == 1 and value.kind == "arguments":
        return parts[0][1]
    if len(parts) == 1 and value.type == "tuple" and not value.elided:
        return parts[0][1]  # a function's (result, None)
    if value.kind == "sequence":
        texts = list(_runs(text for _, text in parts))
    else:
        texts = [f"{name}: {text}" for name, text in parts]
    if value.elided:
        texts.append(f"{value.elided} more")
    left, right = ("(", ")") if value.type == "tuple" else BRACKETS[value.kind]
    name = value.type if value.kind == "object" else ""
    return f"{name}{left}{', '.join(_shortened(texts))}{right}"


def _shortened(texts: list[str]) -> Iterator[str]:
    """Yield what fits into `LONGEST` characters; of the rest, how many there are."""
    room = LONGEST
    for done, text in enumerate(texts):
        room -= len(text)
        if room < 0:
            yield f"… {len(texts) - done} more"
            return
        yield text


def _runs(texts: Iterable[str]) -> Iterator[str]:
    for text, same in groupby(texts):
        count = len(list(same))
        yield from [f"{count}×({text})"] if count > 2 else [text] * count


@dataclass(frozen=True, slots=True)
class Extent:
    """What the values of one or several alike tensors amount to.

    Attributes:
        min, max: over all of them, finite values only; None if there are none.
        mean, std: of a single tensor; None for several.
        zeros: fraction of exact zeros over all of them, 0–1; None if not known.
        nan, inf: how many values are NaN, and how many infinite.
        dtype, device: their common ones, ``""`` if they differ.
    """

    min: float | int | None = None
    max: float | int | None = None
    mean: float | None = None
    std: float | None = None
    zeros: float | None = None
    nan: int | None = None
    inf: int | None = None
    dtype: str = ""
    device: str = ""


def extent(summaries: Iterable[TensorSummary]) -> Extent:
    """Sum up tensors that are alike (one dtype, one number of axes); of others nothing is said.

    Boxes and labels in one value have no range in common.
    """
    found = list(summaries)
    if not found or len({(s.dtype, len(s.shape)) for s in found}) > 1:
        return Extent()
    single = found[0] if len(found) == 1 else None
    return Extent(
        min=min((s.min for s in found if s.min is not None), default=None),
        max=max((s.max for s in found if s.max is not None), default=None),
        mean=single.mean if single else None,
        std=single.std if single else None,
        zeros=_zeros(found),
        nan=_sum(s.nan for s in found),
        inf=_sum(s.inf for s in found),
        dtype=found[0].dtype,
        device=found[0].device if len({s.device for s in found}) == 1 else "",
    )


def _zeros(summaries: list[TensorSummary]) -> float | None:
    known = [(s.zeros, s.numel) for s in summaries if s.zeros is not None]
    total = sum(numel for _, numel in known)
    return sum(zeros * numel for zeros, numel in known) / total if total else None


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def summaries(trace: Trace, value: Value | None) -> Iterator[TensorSummary]:
    """Yield the summary of every tensor in a value."""
    if value is not None:
        for state in value.tensors():
            yield trace.tensors[state].summary
