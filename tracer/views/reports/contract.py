"""The JSON contract: a recording's calls as plain data for other programs; see docs/json.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from tracer.record import Call, TensorSummary, Trace, Value
from tracer.views.reports.formats import json_text
from tracer.views.reports.rows import Names, choose, groups


def to_json(
    trace: Trace, *, grain: Names | None = None, stage: Names | None = None,
    path: Names | None = None, depth: int | None = None,
) -> str:  # fmt: skip
    """Return the calls as a JSON array; the options are those of `Recording.to_json`."""
    chosen = groups(trace, choose(trace, grain, stage, path), depth, fold=False)
    calls = (group.call for group in chosen)
    lines = ",\n".join(json_text(record) for record in records(trace, calls))
    return f"[\n{lines}\n]"


def records(trace: Trace, calls: Iterable[Call]) -> Iterator[dict[str, Any]]:
    """Yield each call as the dict that its line of JSON stands for."""
    changes = list(trace.settings.changes)
    # in every call, for a list may be narrowed to any of them
    changed = {"changes": changes} if changes else {}
    for call in calls:
        module = trace.modules.get(call.path) if call.kind == "module" else None
        yield {
            "id": call.id,
            "kind": call.kind,
            "path": call.path,
            "nth": call.nth,
            "type": call.type,
            "stage": call.stage,
            "parent": call.parent,
            "args": tree(trace, call.args),
            "result": None if call.result is None else tree(trace, call.result),
            "params": module.params if module is not None else None,
            "trainable": module.trainable if module is not None else None,
            "macs": call.macs,
            "uncounted": list(call.uncounted),
        } | changed


def tree(trace: Trace, value: Value) -> Any:
    """Return a value as JSON data: containers as they are, tensors as leaves."""
    if value.tensor is not None:
        state = trace.tensors[value.tensor]
        found = leaf(state.summary)
        return {**found, "fingerprint": state.fingerprint} if state.fingerprint else found
    if value.kind == "scalar":
        return _finite_or_named(value.scalar)
    if value.kind == "module":
        params, trainable = value.params or (None, None)
        return {
            "$module": value.text,
            "type": value.type,
            "params": params,
            "trainable": trainable,
        }
    if value.kind == "opaque":
        return {"$opaque": value.text, "type": value.type}
    return _container(trace, value)


def _container(trace: Trace, value: Value) -> Any:
    if value.kind == "sequence":
        items = [tree(trace, item) for _, item in value.items]
        return [*items, {"$elided": value.elided}] if value.elided else items
    fields = {name: tree(trace, item) for name, item in value.items}
    return {**fields, "$elided": value.elided} if value.elided else fields


def leaf(summary: TensorSummary) -> dict[str, Any]:
    """Return a tensor's ten facts; null where one is not known."""
    return {
        "shape": list(summary.shape),
        "dtype": summary.dtype,
        "device": summary.device,
        "min": _finite(summary.min),
        "max": _finite(summary.max),
        "mean": _finite(summary.mean),
        "std": _finite(summary.std),
        "zeros": _finite(summary.zeros),
        "nan": summary.nan,
        "inf": summary.inf,
    }


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else number


def _finite_or_named(scalar: Any) -> Any:
    """Return a plain argument; one that JSON has no number for by its name, ``"inf"``."""
    if isinstance(scalar, float) and not math.isfinite(scalar):
        return str(scalar)
    return scalar
