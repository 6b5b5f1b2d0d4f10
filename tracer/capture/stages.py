"""Which stage a call belongs to, by the patterns of a domain (`Domain.stage_patterns`)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from tracer.record import Stage

Patterns = Sequence[tuple[str, str]]
Fit = Callable[[str], Any]
Fits = list[tuple[Fit, str]]
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
    fits = _by_kind(patterns)
    names: list[str] = []
    outermost: dict[str, list[int]] = {}
    cache: dict[tuple[str, str], str] = {}
    for number, call in enumerate(calls):
        above = names[call.parent] if call.parent is not None else ""
        key = (call.kind, call.path)
        if key not in cache:
            cache[key] = _match(call.path, fits.get(call.kind, ()))
        name = cache[key] or above
        names.append(name)
        if name and name != above:
            outermost.setdefault(name, []).append(number)
    return tuple(Stage(name, tuple(ids)) for name, ids in outermost.items()), names


def possible_stages(paths: Iterable[str], patterns: Patterns) -> list[str]:
    """The stages that a run may have: those of its modules, in order, and those of functions."""
    fits = _by_kind(patterns)["module"]
    found = [_match(path, fits) for path in paths]
    found += [name for pattern, name in patterns if pattern.startswith(_FUNCTION)]
    return [name for name in dict.fromkeys(found) if name]


def _by_kind(patterns: Patterns) -> dict[str, Fits]:
    """The patterns for modules and those for functions, ready to be tried; ops have none."""
    found: dict[str, Fits] = {"module": [], "function": []}
    for pattern, name in patterns:
        kind = "function" if pattern.startswith(_FUNCTION) else "module"
        whole = re.compile(fnmatch.translate(pattern.removeprefix(_FUNCTION)))
        found[kind].append((whole.match, name))
    return found


def _match(path: str, fits: Iterable[tuple[Fit, str]]) -> str:
    return next((name for fit, name in fits if fit(path)), "")
