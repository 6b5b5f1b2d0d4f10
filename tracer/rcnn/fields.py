"""Fields of foreign JSON or TOML, checked as they are read: an error names field and value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from tracer.errors import InputError, near
from tracer.foreign import clean

_KINDS = {
    dict: "an object", list: "a list", str: "text", bool: "true or false",
    int: "a number", float: "a number", type(None): "null",
}  # fmt: skip


def shown(value: Any) -> str:
    """Return a value as the file has it, cut short; text is said to be text."""
    text = clean(json.dumps(value, ensure_ascii=False, default=str), 40)
    return f"{text} (text)" if isinstance(value, str) else text


def kind(value: Any) -> str:
    """Return what kind of value this is."""
    return _KINDS.get(type(value), "a date")


def member(table: Any, key: str, where: str) -> Any:
    """Return ``table[key]``.

    Raises:
        InputError: `table` is no object, or has no such key.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} is {kind(table)}, where an object with {key!r} is expected")
    if key not in table:
        has = ", ".join(repr(clean(name, 30)) for name in list(table)[:6]) or "nothing"
        raise InputError(f"{where} has no {key!r}{near(key, table) or f' (it has {has})'}")
    return table[key]


def listed(value: Any, where: str, length: int | None = None, what: str = "") -> list[Any]:
    """Return a list, of `length` items if that is given; `what` says of which.

    Raises:
        InputError: it is none, or of another length.
    """
    if not isinstance(value, list):
        raise InputError(f"{where} is {shown(value)}, where a list{what} is expected")
    if length is not None and len(value) != length:
        raise InputError(f"{where} has {len(value)} items, where {length}{what} are expected")
    return value


def number(value: Any, where: str) -> float:
    """Return a finite number.

    Raises:
        InputError: it is text, null, true or false, NaN, infinite, beyond a float, or no number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        hint = ": write it without quotes" if _is_quoted_number(value) else ""
        raise InputError(f"{where} is {shown(value)}, where a number is expected{hint}")
    if not abs(value) < 1e30:
        raise InputError(f"{where} is {shown(value)}, where a finite number is expected")
    return float(value)


def whole(value: Any, where: str) -> int:
    """Return a whole number; 3.0 is one.

    Raises:
        InputError: it is none.
    """
    found = number(value, where)
    if not found.is_integer():
        raise InputError(f"{where} is {shown(value)}, where a whole number is expected")
    return int(value)


def name(value: Any, where: str) -> int | str:
    """Return an id: a whole number or text.

    Raises:
        InputError: it is neither.
    """
    return value if isinstance(value, str) else whole(value, where)


def _is_quoted_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False
