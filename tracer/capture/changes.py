"""What a line changed: the locals that differ from those before it ran."""

from __future__ import annotations

from types import FrameType
from typing import Any

import torch

from tracer.capture.open_call import Open
from tracer.capture.sources import Sources
from tracer.capture.value_trees import Describer, See, fingerprint
from tracer.record import Value

# By number: a class's own metaclass may say what equals it.
_UNCHANGING = frozenset(
    map(id, (bool, int, float, str, type(None), type, torch.dtype, torch.device))
)


class Changes:
    """Compares the locals of a frame with those of the event before."""

    def __init__(self, describer: Describer, sources: Sources) -> None:
        self.describer = describer
        self.sources = sources

    def since(
        self, opened: Open, frame: FrameType, see: See
    ) -> tuple[tuple[tuple[str, Value], ...], tuple[str, ...]]:
        """Return the locals that changed, with their new values, and those that are gone."""
        names = frame.f_locals
        changed = []
        first = opened.line is None
        known = [name for name in opened.locals if name in names]
        new = [name for name in names if name not in opened.locals]
        for name in known + self.sources.in_order(frame.f_code, new):
            value = names[name]
            if self._is_same(opened, name, value, see):
                continue
            if not first:
                changed.append((name, self.describer.describe(value, see)))
        deleted = tuple(name for name in opened.locals if name not in names)
        for name in deleted:
            del opened.locals[name], opened.prints[name]
        return tuple(changed), deleted

    def _is_same(self, opened: Open, name: str, value: Any, see: See) -> bool:
        """Whether a local is as it was; what it is now is remembered."""
        if value is opened.locals.get(name, opened) and id(type(value)) in _UNCHANGING:
            return True
        print_ = fingerprint(value, see)
        same = name in opened.prints and opened.prints[name] == print_
        opened.locals[name] = value
        opened.prints[name] = print_
        return bool(same)
