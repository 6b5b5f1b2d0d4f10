"""Which stage a call belongs to, by the patterns of a domain (`Domain.stage_patterns`)."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Protocol

from tracer.record import Stage

Patterns = Sequence[tuple[str, str]]
_FUNCTION = "function:"


class Named(Protocol):
    """What of a call decides its stage."""

    kind: str
    path: str
    parent: int | None


def assign_stages(
    calls: Sequence[Named], patterns: Patterns
) -> tuple[tuple[Stage, ...], list[str]]:
    """Find the stage of every call.

    Args:
        calls: in order of their start; a call's number is its index.
        patterns: the first that fits decides; calls beneath follow, unless one fits them, too.

    Returns:
        The stages in order of their first call, and each call's stage (``""`` for none).
    """
    names: list[str] = []
    outermost: dict[str, list[int]] = {}
    cache: dict[tuple[str, str], str] = {}
    for number, call in enumerate(calls):
        above = names[call.parent] if call.parent is not None else ""
        key = (call.kind, call.path)
        if key not in cache:
            cache[key] = _match(call.kind, call.path, patterns)
        name = cache[key] or above
        names.append(name)
        if name and name != above:
            outermost.setdefault(name, []).append(number)
    return tuple(Stage(name, tuple(ids)) for name, ids in outermost.items()), names


def possible_stages(paths: Iterable[str], patterns: Patterns) -> list[str]:
    """The stages that a run may have: those of its modules, in order, and those of functions."""
    found = [_match("module", path, patterns) for path in paths]
    found += [name for pattern, name in patterns if pattern.startswith(_FUNCTION)]
    return [name for name in dict.fromkeys(found) if name]


def _match(kind: str, path: str, patterns: Patterns) -> str:
    if kind == "op":
        return ""
    for pattern, name in patterns:
        if pattern.startswith(_FUNCTION) != (kind == "function"):
            continue
        if fnmatch.fnmatchcase(path, pattern.removeprefix(_FUNCTION)):
            return name
    return ""
