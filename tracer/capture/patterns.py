"""Patterns of paths that fit nothing: said before the run where that is certain, else after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from tracer.capture.domains import is_preset
from tracer.errors import InputError, near


def require_possible(option: str, patterns: Iterable[tuple[str, str]], modules: set[str]) -> None:
    """Refuse a pattern that names a part of the model and fits nothing in it.

    What functions and ops a run will call is not known before; their names are no paths of modules.

    Args:
        option: what the patterns were given as.
        patterns: each as it was given, and its path alone.
        modules: the paths of the model's modules.

    Raises:
        InputError: it names the nearest paths.
    """
    parts = {path.partition(".")[0] for path in modules}
    for given, path in patterns:
        if "." in path and path.partition(".")[0] in parts and not fits(path, modules):
            raise InputError(f"{option} {given!r} fits no module of the model{near(path, modules)}")


def unmatched(
    option: str, patterns: Iterable[tuple[str, str]], paths: Collection[str], known: Iterable[str]
) -> Iterator[str]:
    """Yield a sentence for each pattern that no recorded call had the path for.

    Args:
        option: what the patterns were given as.
        patterns: each as it was given, and its path alone.
        paths: of the recorded calls.
        known: what else could have been meant.
    """
    for given, path in patterns:
        if fits(path, paths):
            continue
        if is_preset(given):
            yield f"{option} {given!r} is a preset of another kind of model: it keeps nothing here"
        else:
            hint = near(path, sorted({*paths, *known}))
            yield f"{option} {given!r} fits no call that was recorded{hint}"


def fits(pattern: str, paths: Collection[str]) -> bool:
    """Return whether a pattern of paths fits one of some paths."""
    return any(fnmatchcase(path, pattern) for path in paths)
