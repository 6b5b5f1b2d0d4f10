"""The parameters: shapes, ranges, which are frozen, and what a backward pass left in gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from tracer.errors import MissingError, near
from tracer.numbers import Cell, dims
from tracer.record import ParameterRecord, TensorSummary, Trace
from tracer.record.query import weights
from tracer.views.reports import word
from tracer.views.reports.names import changes, title
from tracer.views.reports.report import Column, Row, Table
from tracer.views.reports.rows import Names, several

GRADIENT = ("min", "max", "mean", "std", "zeros", "nan", "inf")
"""What is told of a gradient, each in a column ``grad_…``."""
HELD = ("min", "max", "nan", "inf")
"""What is told of a parameter's or a buffer's own values."""
KINDS = {"zeros": "fraction", "nan": "count", "inf": "count"}


def parameters(trace: Trace, *, path: Names | None = None, lang: str = "en") -> Table:
    """Return one line per parameter, in the model's order, and below a line per buffer.

    Their extremes and what of them is NaN or infinite are as the run began. Columns of gradients
    are there if the recording contains a backward pass; a frozen parameter has none.

    Args:
        trace: a pass or a construction.
        path: only parameters and buffers of this name, of this module, or that fit this pattern, or
            of these. Without it, only those buffers that hold NaN or infinite values.
        lang: the language.

    Raises:
        MissingError: no parameter and no buffer answers to `path`.
    """
    held = {name: trace.tensors[state].summary for name, state in weights(trace).items()}
    gradients = any(p.gradient is not None for p in trace.parameters)
    columns = (
        Column("name", word("name", lang), floor=36),
        Column("shape", word("shape", lang), rank=2),
        Column("dtype", word("dtype", lang), rank=9),
        Column("params", word("params", lang), "count", rank=1),
        Column("frozen", word("frozen", lang), "count", rank=3),
        *(Column(key, word(key, lang), KINDS.get(key, "number"), rank=4) for key in HELD if held),
        *(_column(key, lang) for key in GRADIENT if gradients),
    )
    rows = tuple(Row(cells) for cells in _lines(trace, path, held, gradients))
    counts = [[int(row.cells[i] or 0) for row in rows] for i in (3, 4)]
    totals: list[Cell] = [word("total", lang), None, None, *map(sum, counts)]
    totals += [None] * (len(columns) - len(totals))
    return Table(
        columns, rows, title(trace, lang), totals=tuple(totals), lang=lang, common=changes(trace)
    )


def gradients(trace: Trace, *, depth: int = 3, lang: str = "en") -> Table:
    """Return one line per part of the model: what of it learns, and how strongly.

    Args:
        trace: a recording with a backward pass in it; without one no part has a gradient.
        depth: how many levels of the parameters' names tell the parts apart.
        lang: the language.
    """
    parts: dict[str, list[ParameterRecord]] = {}
    for parameter in trace.parameters:
        module = parameter.name.split(".")[:-1]
        parts.setdefault(".".join(module[:depth]) or "(root)", []).append(parameter)
    columns = (
        Column("module", word("line", lang), floor=36),
        Column("params", word("params", lang), "count"),
        Column("frozen", word("frozen", lang), "count"),
        Column("learning", word("learning", lang), "count"),
        Column("grad_norm", word("grad_norm", lang), "number"),
    )
    rows = tuple(Row((name, *_learning(found))) for name, found in parts.items())
    totals: tuple[Cell, ...] = (word("total", lang), *_learning(trace.parameters))
    return Table(columns, rows, title(trace, lang), totals=totals, lang=lang, common=changes(trace))


def _learning(parameters: Iterable[ParameterRecord]) -> tuple[Cell, ...]:
    """Parameters, how many are frozen, how many got a gradient, and the norm of all of that."""
    sizes = [(p, math.prod(p.shape)) for p in parameters]
    squares = [_square_sum(p.gradient) for p, _ in sizes if p.gradient is not None]
    return (
        sum(size for _, size in sizes),
        sum(size for p, size in sizes if not p.trainable),
        sum(size for p, size in sizes if p.gradient is not None),
        math.sqrt(sum(squares)) if squares else None,
    )


def _square_sum(gradient: TensorSummary) -> float:
    """Put the sum of squares together again from mean and (unbiased) standard deviation."""
    count = gradient.numel - (gradient.nan or 0) - (gradient.inf or 0)
    mean, std = gradient.mean or 0.0, gradient.std or 0.0
    return max(count - 1, 0) * (0.0 if math.isnan(std) else std) ** 2 + count * mean**2


def _lines(
    trace: Trace, path: Names | None, held: Mapping[str, TensorSummary], gradients: bool
) -> Iterator[tuple[Cell, ...]]:
    records = [(p.name, p) for p in trace.parameters]
    buffers = [name for name in held if name not in dict(records)]
    if path is None:
        buffers = [name for name in buffers if held[name].nan or held[name].inf]
    every: list[tuple[str, ParameterRecord | None]] = [
        *records,
        *((name, None) for name in buffers),
    ]
    chosen = _chosen([name for name, _ in every], path)
    for name, record in every:
        if name not in chosen:
            continue
        known = held.get(name)
        values = tuple(getattr(known, key, None) for key in HELD) if held else ()
        if record is None:
            summary = held[name]
            first: tuple[Cell, ...] = (name, dims(summary.shape), summary.dtype, None, None)
        else:
            first = _cells(record)
        gradient = tuple(getattr(record and record.gradient, key, None) for key in GRADIENT)
        yield (*first, *values, *(gradient if gradients else ()))


def _chosen(names: list[str], path: Names | None) -> set[str]:
    if path is None:
        return set(names)
    patterns = several(path)
    for pattern in patterns:
        if not any(_answers(name, pattern) for name in names):
            raise MissingError(f"the trace has no parameter {pattern!r}{near(pattern, names)}")
    return {name for name in names if any(_answers(name, one) for one in patterns)}


def _answers(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.") or fnmatchcase(name, path)


def _column(key: str, lang: str) -> Column:
    heading = word("gradient", lang, what=word(key, lang))
    return Column(f"grad_{key}", heading, KINDS.get(key, "number"), rank=5)


def _cells(parameter: ParameterRecord) -> tuple[Cell, ...]:
    numel = math.prod(parameter.shape)
    frozen = 0 if parameter.trainable else numel
    return parameter.name, dims(parameter.shape), parameter.dtype, numel, frozen
