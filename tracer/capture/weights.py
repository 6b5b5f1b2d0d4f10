"""What the parameters and buffers of the models held when a run began."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable

import torch
from torch import nn

from tracer.capture.modules import own_tensors
from tracer.record import Value


class Weights:
    """The first value of each parameter and buffer that was looked at."""

    def __init__(self) -> None:
        self._first: dict[int, tuple[weakref.ref[torch.Tensor], Value]] = {}

    def look(self, models: Iterable[nn.Module], describe: Callable[[torch.Tensor], Value]) -> None:
        """Describe every parameter and buffer; what was described before keeps its first value.

        Looked at again when the run is over, one that was written to meanwhile has its last state
        in the table of states too, and one that was made or initialised in the run a value.
        """
        for model in models:
            for module in model.modules():
                for _, tensor in own_tensors(module):
                    value = describe(tensor)
                    known = self.value(tensor)
                    if known is None or known.tensor is None:
                        self._first[id(tensor)] = weakref.ref(tensor), value

    def value(self, tensor: torch.Tensor) -> Value | None:
        """Return the first value of a parameter or buffer, None of one that was not looked at."""
        found, value = self._first.get(id(tensor), (None, None))
        return value if found is not None and found() is tensor else None
