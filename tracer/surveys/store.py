"""A survey in a file: safetensors, with the record as JSON beside the arrays.

The file's metadata holds ``format``, ``version`` and the SHA-256 of each part; the entry ``record``
is UTF-8 text. Nothing in it is evaluated: a file gives a sound Survey, or a `TraceFileError`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from tracer.errors import TraceFileError
from tracer.files import put
from tracer.surveys.data import (
    DETECTIONS,
    IOUS,
    KINDS,
    OBJECTS,
    PICTURES,
    PROBLEMS,
    STATIONS,
    Activations,
    Key,
    Problem,
    Subject,
    Survey,
)
from tracer.surveys.moments import Moments

FORMAT = "rcnn-tracer-survey"
VERSION = "1"
TABLES = {"pictures": PICTURES, "objects": OBJECTS, "detections": DETECTIONS}
_MOMENTS = {each.name: "int64" if each.name == "count" else "float64" for each in fields(Moments)}


def save_survey(survey: Survey, path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write a survey to a file, whole or not at all, and return its path.

    Args:
        survey: what was gathered, of all pictures or some.
        path: of the file, which ends with ``.safetensors`` by custom.
        overwrite: also replace a file that is no survey.

    Raises:
        InputError: a file of another kind would be lost, or it cannot be written.
    """
    record = {
        "subject": asdict(survey.subject),
        "names": survey.names,
        "keys": [[k.path, k.nth, k.role, k.channels] for k in survey.activations.keys],
        "problems": [[p.number, p.name, p.kind, p.text, p.left_out] for p in survey.problems],
        "environment": dict(survey.environment),
        "total": survey.total,
    }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    raw = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    arrays = {"record": raw, **_arrays(survey)}
    whole = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
    metadata = {"format": FORMAT, "version": VERSION, "sha256": _digest(whole)}
    return put(path, save_arrays(whole, metadata), "survey", overwrite)


def _arrays(survey: Survey) -> dict[str, np.ndarray]:
    found = {
        f"{table}/{name}": values
        for table in TABLES
        for name, values in getattr(survey, table).items()
    }
    activations = survey.activations
    found |= {f"moments/{name}": getattr(activations.moments, name) for name in _MOMENTS}
    found |= {f"norm/{path}": values for path, values in activations.norms.items()}
    return {**found, "counts": activations.counts, "peaks": survey.peaks}


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(f"{name}\0{arrays[name].dtype}\0{arrays[name].shape}\0".encode())
        total.update(arrays[name].reshape(-1).view(np.uint8).data)
    return total.hexdigest()


# --- loading --------------------------------------------------------------------------------------


def load_survey(path: str | os.PathLike[str]) -> Survey:
    """Read a survey from a file.

    Args:
        path: of the file, as `tracer.save_survey` or ``tracer survey`` wrote it.

    Raises:
        TraceFileError: it is missing, damaged, of another kind or of a newer version.
    """
    shown = repr(os.fspath(path))
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise TraceFileError(f"there is no survey {shown}") from None
    except OSError as error:
        raise TraceFileError(f"the survey {shown} cannot be read: {error.strerror}") from error
    metadata = _metadata(content, shown)
    if metadata.get("format") != FORMAT:
        what = "a recording" if metadata.get("format") == "rcnn-tracer" else "another file"
        raise TraceFileError(f"{shown} is {what}, and no survey as tracer survey writes it")
    if metadata.get("version") != VERSION:
        raise TraceFileError(
            f"the survey {shown} is of version {metadata.get('version')}, and this package reads "
            f"{VERSION}: update rcnn-tracer"
        )
    try:
        arrays = load_arrays(content)
        if _digest(arrays) != metadata.get("sha256"):
            raise ValueError("its checksum is another")
        return _checked(arrays)
    except (SafetensorError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise TraceFileError(f"the survey {shown} is damaged: {error}") from None


def _metadata(content: bytes, shown: str) -> dict[str, str]:
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length]) if 0 < length <= len(content) - 8 else None
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("__metadata__", {}), dict):
        raise TraceFileError(f"{shown} is no survey: it is damaged, or a file of another kind")
    found: dict[str, str] = header.get("__metadata__", {})
    return found


def _checked(arrays: Mapping[str, np.ndarray]) -> Survey:
    """Return the survey that the arrays hold, having seen that it is sound."""
    record = json.loads(arrays["record"].tobytes().decode("utf-8", "surrogatepass"))
    subject = _subject(record["subject"])
    names = tuple(_is(name, str) for name in record["names"])
    keys = tuple(
        Key(_is(p, str), _is(n, int), _is(r, str), _is(c, int)) for p, n, r, c in record["keys"]
    )
    tables = {
        table: {name: arrays[f"{table}/{name}"] for name in schema}
        for table, schema in TABLES.items()
    }
    for table, schema in TABLES.items():
        _check_table(table, tables[table], schema, subject, names)
    _check_rows(tables)
    moments = Moments(*(arrays[f"moments/{name}"] for name in _MOMENTS))
    channels = sum(key.channels for key in keys)
    for name, dtype in _MOMENTS.items():
        _require(arrays[f"moments/{name}"], dtype, (channels,), name)
    _require(arrays["counts"], "int64", (len(keys), 3), "counts")
    _require(arrays["peaks"], "float32", (len(names), len(keys)), "peaks")
    norms = {n.removeprefix("norm/"): a for n, a in arrays.items() if n.startswith("norm/")}
    for name, values in norms.items():
        _require(values, "float64", (2, values.shape[-1]), f"the norm of {name}")
    problems = tuple(_problem(each) for each in record["problems"])
    activations = Activations(keys, moments, arrays["counts"], norms)
    environment = {_is(k, str): _is(v, str) for k, v in record["environment"].items()}
    return Survey(
        subject,
        names,
        tables["pictures"],
        tables["objects"],
        tables["detections"],
        arrays["peaks"],
        activations,
        problems,
        environment,
        _is(record["total"], int),
    )


def _subject(found: Any) -> Subject:
    base = tuple(tuple(tuple(float(v) for v in box) for box in level) for level in found["base"])
    if any(len(box) != 4 for level in base for box in level):
        raise ValueError("an anchor has not four numbers")
    settings = {
        _is(k, str): v if v is None or isinstance(v, (int, float)) else _is(v, str)
        for k, v in found["settings"].items()
    }
    return Subject(
        _is(found["model"], str),
        _is(found["kind"], str),
        _is(found["fingerprint"], str),
        _words(found["classes"]),
        _words(found["levels"]),
        _words(found["pooled"]),
        _words(found["stages"]),
        settings=settings,
        static=_is(found["static"], bool),
        base=base,
        types={_is(k, str): _is(v, str) for k, v in found["types"].items()},
    )


def _words(found: Any) -> tuple[str, ...]:
    return tuple(_is(each, str) for each in found)


def _problem(found: Any) -> Problem:
    number, name, kind, text, left_out = found
    if kind not in PROBLEMS:
        raise ValueError(f"there is no problem of kind {kind!r:.40}")
    return Problem(_is(number, int), _is(name, str), kind, _is(text, str), _is(left_out, bool))


def _is(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r:.40} stands where {kind.__name__} is expected")
    return value


def _require(values: np.ndarray, dtype: str, shape: tuple[int, ...], what: str) -> None:
    if values.dtype != np.dtype(dtype) or values.shape != shape:
        raise ValueError(
            f"{what} is {values.dtype} {values.shape}, where {dtype} {shape} is expected"
        )


def _check_table(
    table: str, found: Mapping[str, np.ndarray], schema: Any, subject: Subject, names: Any
) -> None:
    rows = len(names) if table == "pictures" else len(found["picture"])
    for name, (dtype, shape) in schema.items():
        lengths = [len(getattr(subject, n)) if isinstance(n, str) else n for n in shape]
        _require(found[name], dtype, (rows, *lengths), f"{table}/{name}")


def _check_rows(tables: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """See that rows are of pictures that there are, and indices of what they name."""
    numbers = tables["pictures"]["number"]
    if (np.diff(numbers) <= 0).any():
        raise ValueError("its pictures are not in order")
    for table in ("objects", "detections"):
        if not np.isin(tables[table]["picture"], numbers).all():
            raise ValueError(f"{table} are of a picture that is not there")
    objects, detections = tables["objects"], tables["detections"]
    ranges = [(objects["lost"], len(STATIONS)), (detections["kind"], len(KINDS))]
    if any(len(each) and not -1 <= each.min() <= each.max() < top for each, top in ranges):
        raise ValueError("an index is beyond its list")
    if len(IOUS) != objects["rank"].shape[1]:
        raise ValueError("its thresholds are others")
