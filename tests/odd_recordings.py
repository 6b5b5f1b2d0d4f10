"""Sound recordings with odd contents: what strangers' files may hold and every view must take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tracer.record import Call, Trace, Value
from tracer.recording import Recording

ESCAPES = (
    "\x1b]52;c;cHduZWQ=\x07"  # the clipboard
    "\x1b]0;title\x07\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\"
    "\x1b[2J\x9b31m\x90q\x9c\x00\x08\x7f\u202e\u2066\u2028\ufeff\r\n"
    "<img src=x onerror=alert(1)>`<b>`[a](https://example.org)\\"
)
"""What a terminal obeys, what turns the reading direction, a line break, and markup."""

_KEPT = {"kind", "blobs"}  # what names one of a few known things, and what is no text


def poisoned(trace: Trace, poison: str = ESCAPES) -> Recording:
    """Return the recording with `poison` in every one of its strings; it stays sound.

    The root module's path and the names of an absent thing stay empty.
    """
    return Recording(**_fields(trace, lambda text: f"{text}{poison}" if text else text))


def _fields(item: Any, change: Callable[[str], str]) -> dict[str, Any]:
    kept = _KEPT if isinstance(item, (Trace, Value, Call)) else {"grains"}
    return {
        field.name: getattr(item, field.name)
        if field.name in kept
        else _changed(getattr(item, field.name), change)
        for field in dataclasses.fields(item)
    }


def _changed(item: Any, change: Callable[[str], str]) -> Any:
    if isinstance(item, str):
        return change(item)
    if isinstance(item, tuple):
        return tuple(_changed(each, change) for each in item)
    if isinstance(item, Mapping):
        return {_changed(k, change): _changed(v, change) for k, v in item.items()}
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return type(item)(**_fields(item, change))
    return item
