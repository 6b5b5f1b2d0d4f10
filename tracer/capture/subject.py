"""What is recorded: models that run, or a builder and the model that it builds."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from tracer.capture import modules
from tracer.capture.domains import domain_of
from tracer.capture.sources import Sources
from tracer.capture.stages import Named, assign_stages, possible_stages
from tracer.capture.weights import Weights
from tracer.errors import InputError
from tracer.record import Module, Stage


class Subject:
    """The models of a pass, or the builder of a construction.

    Attributes:
        models: that run; none in a construction.
        builder: that is called; None in a pass.
        domain: what is known of them.
        paths: dotted path by `id` of every module.
        weights: what their parameters and buffers held when the run began.
        sources: what of their code is recorded.
    """

    def __init__(
        self,
        models: tuple[nn.Module, ...],
        builder: Callable[..., Any] | None,
        classes: Sequence[str] | None,
        sources: Sources,
    ) -> None:
        self.models = models
        self.builder = builder
        self.domain = domain_of(*models, *([builder] if builder else ()))
        count = self.domain.class_count(models[0]) if models else None
        self._classes = _checked(classes, count)
        self.sources = sources
        self.paths = modules.paths_of(models)
        self.weights = Weights()
        self._built: nn.Module | None = None
        self._modules: dict[str, Module] | None = None

    @property
    def kind(self) -> str:
        """The kind of the recording: ``"pass"`` or ``"construction"``."""
        return "pass" if self.builder is None else "construction"

    @property
    def name(self) -> str:
        """What the recording is of."""
        if self.builder is not None:
            return getattr(self.builder, "__name__", type(self.builder).__name__)
        return ", ".join(type(m).__name__ for m in self.models)

    def built(self, model: nn.Module) -> None:
        """The builder has returned a model."""
        self._built = model
        self.paths.update(modules.paths_of((model,)))

    def recorded(self) -> tuple[nn.Module, ...]:
        """The models that run, or the one that was built."""
        return self.models or ((self._built,) if self._built is not None else ())

    def modules(self) -> dict[str, Module]:
        """The modules by path; those of a pass are described once, as they do not change in it."""
        if self._modules is None or self.builder is not None:
            self._modules = modules.describe(self.recorded(), self.sources, self.weights.value)
        return self._modules

    def stages(self, calls: Sequence[Named]) -> tuple[tuple[Stage, ...], list[str]]:
        """The stages that calls of the run make up, and each call's own; see `assign_stages`."""
        return assign_stages(calls, self.domain.stage_patterns(self.modules(), self.kind))

    def possible_stages(self) -> list[str]:
        """The stages that the run may have, before it has begun."""
        table = modules.describe(self.recorded(), self.sources)
        return possible_stages(table, self.domain.stage_patterns(table, self.kind))

    def classes(self) -> tuple[str, ...]:
        """What the classes are called, by label: as the user says, else as a model does."""
        return self._classes or next(filter(None, map(_own_classes, self.recorded())), ())

    def environment(self) -> dict[str, str]:
        """Versions, devices, and the mode that a model is in."""
        devices = {str(p.device) for m in self.models for p in m.parameters()}
        found = {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": _torchvision_version(),
            "device": ", ".join(sorted(devices)) or "cpu",
            "threads": str(torch.get_num_threads()),
        }
        if self.builder is None:
            found["mode"] = "train" if any(m.training for m in self.models) else "eval"
        if autocast := _autocast(devices or {"cpu"}):
            found["autocast"] = autocast
        return found


def _autocast(devices: Iterable[str]) -> str:
    """Return to which dtype autocast lowers on the devices of a model; nothing where it is off."""
    kinds = sorted({device.partition(":")[0] for device in devices} - {"meta"})
    dtypes = (torch.get_autocast_dtype(kind) for kind in kinds if torch.is_autocast_enabled(kind))
    return ", ".join(dict.fromkeys(str(dtype).removeprefix("torch.") for dtype in dtypes))


def _torchvision_version() -> str:
    module = sys.modules.get("torchvision")
    return str(getattr(module, "__version__", "")) if module else ""


def _checked(names: Any, count: int | None) -> tuple[str, ...]:
    """Return class names by label, the background first; None and an empty list are unknown.

    Args:
        names: a list of strings.
        count: how many classes the model tells apart, if that is known.

    Raises:
        InputError: something else was given, or more or fewer than the model tells apart.
    """
    if names is None:
        return ()
    if not isinstance(names, list | tuple):
        raise InputError(f"classes= takes a list of names by label; found {names!r:.80}")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"a class's name is a string; found {name!r:.80}")
    given = len(names)
    if given and count not in (None, given):
        hint = "; label 0 is the background: put its name first" if given + 1 == count else ""
        raise InputError(f"classes= has {given} names, the model {count} classes{hint}")
    return tuple(names)


def _own_classes(model: nn.Module) -> tuple[str, ...]:
    """The names that a model has of its own; none if they are not its classes'.

    A detector that got another predictor after its names were set tells apart another number.
    """
    domain = domain_of(model)
    try:
        return _checked(domain.class_names(model), domain.class_count(model))
    except InputError:
        return ()
