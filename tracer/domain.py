"""What a recording asks of a kind of model, beyond that it is a module.

`Domain` itself knows any module. A detector that is to have stages, class names and presets of its
own gets a subclass, which `tracer.capture.add_domain` makes known; nothing else is to be changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracer.record import Finding, Module, Trace


class Domain:
    """Any module: its stages are its parts, its classes are what it says.

    Attributes:
        presets: names that ``keep=`` takes for several patterns, see `tracer.capture.keep`.
    """

    presets: Mapping[str, tuple[str, ...]] = {}

    def knows(self, target: Any) -> bool:
        """Return whether a model, or a callable that builds one, is of this domain."""
        return True

    def stage_patterns(self, modules: Mapping[str, Module], kind: str) -> Sequence[tuple[str, str]]:
        """Return (pattern, stage): the first pattern that fits a call's path names its stage.

        Args:
            modules: of the model, by path; none yet while it is being built.
            kind: ``"pass"`` or ``"construction"``.

        Returns:
            Patterns with the wildcards of `fnmatch`, for modules; with ``function:`` before them,
            for functions by their qualified names. Calls that none fits follow the one around them.
        """
        root = modules.get("")
        if root is None or kind == "construction":
            return []
        return [(path, name) for name, path in root.children]

    def class_names(self, model: Any) -> Any:
        """Return what a model says its classes are called, by label; None if nothing."""
        return getattr(model, "classes", None)

    def class_count(self, model: Any) -> int | None:
        """Return how many classes a model tells apart, background included; None if unknown."""
        return None

    def check_inputs(
        self, model: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> None:
        """Refuse inputs that a model cannot take, where its own error would mislead.

        Raises:
            InputError: says what the model expects and what was found.
        """

    def remarks(
        self, model: Any, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> Sequence[Finding]:
        """Return what is wrong, or odd, about inputs that a model is about to get.

        Args:
            model: the model, about to run.
            inputs: its positional arguments; nothing may be changed in them.
            keywords: its other arguments.
        """
        return ()

    def diagnose(self, model: Any, trace: Trace) -> tuple[Sequence[Finding], Finding | None]:
        """Return all that is found once a run is over, and of one that raised the likely cause.

        Args:
            model: as the run left it; nothing of it may be run or changed.
            trace: the recording, with what `remarks` found.
        """
        return trace.findings, None
