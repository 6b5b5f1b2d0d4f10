"""The stepper's shared test cases: traces and scripts as plain JSON, for any implementation.

``cases/traces/NAME.json`` is a recording, field by field as `tracer.record` names them (fields that
hold their defaults are left out, arrays too). ``cases/NAME.json`` is::

    {"trace": NAME, "about": "...", "steps": [{"do": "n", "at": 3}, ...]}

Every step says what to do and then at which tick the cursor stands; ``"error": true`` where the
command must be refused (the cursor stays), ``"says"`` where the answer must contain a text.

``python tests/case_files.py`` writes the traces from the stories in `handmade` and `stories`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import handmade
import stories

from tracer.record import Trace
from tracer.record import model as record

CASES = Path(__file__).parent / "cases"
TRACES = {
    "tiny_pass": handmade.tiny_pass,
    "repeated_pass": handmade.repeated_pass,
    "pyramid_pass": stories.pyramid_pass,
    "wrapped_pass": stories.wrapped_pass,
    "two_roots": stories.two_roots,
}


def to_json(value: Any) -> Any:
    """Return a record as JSON data."""
    if dataclasses.is_dataclass(value):
        fields = [f for f in dataclasses.fields(value) if f.name != "blobs"]
        pairs = ((f, getattr(value, f.name)) for f in fields)
        return {f.name: to_json(v) for f, v in pairs if not _is_default(f, v)}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, tuple) else value


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return not value
    return field.default is not dataclasses.MISSING and value == field.default


def from_json(data: Any, hint: Any = Trace) -> Any:
    """Return the record that JSON data stands for."""
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint, vars(record))
        return hint(**{key: from_json(item, hints[key]) for key, item in data.items()})
    if origin is Union or type(hint).__name__ == "UnionType":
        inner = [a for a in args if a not in (type(None), bool, int, float, str)]
        return from_json(data, inner[0]) if inner and data is not None else data
    if origin is tuple:
        hints = args[:1] * len(data) if args[-1] is Ellipsis else args
        return tuple(from_json(item, h) for item, h in zip(data, hints, strict=True))
    if isinstance(data, dict):
        return {key: from_json(item, args[1]) for key, item in data.items()}
    return data


def read_trace(name: str) -> Trace:
    """Return a case's trace."""
    return from_json(json.loads((CASES / "traces" / f"{name}.json").read_text("utf-8")))


def read_cases() -> dict[str, dict[str, Any]]:
    """Return every case by its name."""
    return {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(CASES.glob("*.json"))}


def write_traces() -> None:
    """Write the stories as JSON."""
    for name, make in TRACES.items():
        text = json.dumps(to_json(make()), ensure_ascii=False, separators=(",", ":"))
        (CASES / "traces" / f"{name}.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write_traces()
