"""Which calls are recorded at all."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable

from tracer.errors import InputError, option


class OnlyRule:
    """Patterns of paths with the wildcards of `fnmatch`; no pattern means everything.

    Raises:
        InputError: a pattern that is not a string.
    """

    def __init__(self, only: str | Iterable[str] | None) -> None:
        if isinstance(only, str):
            only = [part.strip() for part in only.split(",") if part.strip()]
        self.patterns = tuple(only or ())
        for pattern in self.patterns:
            if not isinstance(pattern, str):
                raise InputError(
                    f"{option(only=None)} takes patterns as strings; found {type(pattern).__name__}"
                )
        self._cache: dict[str, bool] = {}

    def matches(self, path: str) -> bool:
        """Whether a call of this path is chosen by itself."""
        if not self.patterns:
            return True
        if path not in self._cache:
            self._cache[path] = any(fnmatch.fnmatchcase(path, p) for p in self.patterns)
        return self._cache[path]
