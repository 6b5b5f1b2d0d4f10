"""What hooks, modes and frames may ask of a recording that is under way, and tell it."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn

from tracer.capture.at_work import AtWork
from tracer.capture.open_call import Open
from tracer.capture.sources import Sources
from tracer.record import Finding, Source


class Watched(Protocol):
    """What a watcher reports to: the tree of calls that is being built."""

    @property
    def grains(self) -> tuple[str, ...]:
        """How fine the recording is."""

    @property
    def building(self) -> bool:
        """Whether a construction is recorded."""

    @property
    def sources(self) -> Sources:
        """Which code is recorded, and the names of its places."""

    @property
    def at_work(self) -> AtWork:
        """The ``with`` block that each report stands in."""

    def path(self, module: nn.Module) -> str:
        """The dotted path of a module of the model."""

    def stack(self) -> list[Open]:
        """The calls under way in this thread, outermost first."""

    def begin(
        self,
        kind: str,
        path: str,
        type_name: str,
        args: Iterable[tuple[str, Any]],
        *,
        owner: Any = None,
        source: Source | None = None,
        called_from: Source | None = None,
    ) -> Open | None:
        """Open a call; None if it is not recorded."""

    def end(self, opened: Open, result: Any, error: BaseException | None = None) -> None:
        """Close a call, and whatever was left open beneath it."""

    def line(self, opened: Open, frame: FrameType, number: int) -> None:
        """A line of a call is about to run; the one before it has run."""

    def raised(self, opened: Open, error: BaseException) -> None:
        """The current line of a call raised."""

    def leave(self, opened: Open, frame: FrameType) -> None:
        """The frame of a call is about to go: its last line has run."""

    def wrote(self, tensors: Iterable[torch.Tensor]) -> None:
        """The innermost call under way wrote into tensors."""

    def counted(self, macs: int, uncounted: Iterable[str]) -> None:
        """It multiplied and added so often, and ran kernels that nothing counts."""

    def note(self, sentence: str) -> None:
        """Say once what the recording could not see."""

    def find(self, finding: Finding) -> None:
        """Say once of each kind what is odd about the inputs."""
