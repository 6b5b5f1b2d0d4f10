"""What explorers need beside a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from tracer.record import Trace


def needed(name: str, trace: Trace) -> dict[str, Any]:
    """The options without which an explorer cannot be; nothing is run for them."""
    options = {"compare": {"other": trace}, "what_if": {"run": partial(pretended, trace)}}
    return options.get(name, {})


def pretended(trace: Trace, change: Mapping[str, Any]) -> Trace:
    """The recording as if it were one with a change, which had no effect."""
    told = tuple(f"{place} = {value}" for place, value in change.items())
    return replace(trace, settings=replace(trace.settings, changes=told))
