"""Python values as trees: containers keep their shape, tensors become states, the rest labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from typing import Any

import torch
from torch import nn

from tracer.record import Value

ITEMS = 1000  # children of one container that are kept
DEPTH = 12  # levels of nesting that are kept
TEXT = 300  # characters of a string that are kept
BITS = 1024  # of an integer that is kept

_SCALARS = (bool, int, float, str)
_NAMED = (torch.dtype, torch.device, torch.layout, torch.memory_format)
_NONE = Value("scalar", "NoneType")

See = Callable[[torch.Tensor], int]


class Describer:
    """Turns live values into `Value` trees.

    Args:
        paths: dotted path by `id` of each module of the traced model.
        settled: whether modules no longer change (a pass), so that a description can be reused.
    """

    def __init__(self, paths: Mapping[int, str], settled: bool) -> None:
        self.paths = paths
        self.settled = settled
        self._modules: dict[int, Value] = {}

    def describe(self, value: Any, see: See, depth: int = 0) -> Value:
        """Describe any value.

        Args:
            value: anything.
            see: tensor → its state's number.
            depth: how deep in a tree this value stands.
        """
        if value is None:
            return _NONE
        kind = type(value)
        if kind is torch.Tensor or isinstance(value, torch.Tensor):
            return self._tensor(value, see)
        if kind in _SCALARS:
            return _scalar(value)
        if depth >= DEPTH:
            return Value("opaque", kind.__name__, text="nested too deep")
        if isinstance(value, (list, tuple)):
            return self._sequence(value, see, depth)
        if isinstance(value, Mapping):
            return self._mapping(value, see, depth)
        if isinstance(value, nn.Module):
            return self.module(value)
        if isinstance(value, _SCALARS):  # subclasses: enums of str, numpy's float64
            return Value("scalar", kind.__name__, scalar=_base_scalar(value))
        if isinstance(value, _NAMED):
            return Value("scalar", kind.__name__, scalar=str(value))
        if isinstance(value, Set):
            return self._sequence(sorted(value, key=repr), see, depth, kind.__name__)
        return self._object(value, see, depth)

    def arguments(self, items: Any, see: See) -> Value:
        """Describe a call's arguments, an iterable of (name, value)."""
        return Value("arguments", "", tuple((name, self.describe(v, see, 1)) for name, v in items))

    def module(self, module: nn.Module) -> Value:
        """Describe a module: class, path, parameters, plain attributes, children by class."""
        if self.settled and id(module) in self._modules:
            return self._modules[id(module)]
        described = Value(
            "module",
            type(module).__name__,
            items=(*_plain_attributes(module), *self._children(module)),
            text=self.paths.get(id(module), "") if id(module) in self.paths else "?",
            params=count_parameters(module),
        )
        if self.settled and id(module) in self.paths:
            self._modules[id(module)] = described
        return described

    def _children(self, module: nn.Module) -> list[tuple[str, Value]]:
        return [
            (name, Value("module", type(child).__name__, params=count_parameters(child)))
            for name, child in _submodules(module)
            if child is not None
        ]

    def _tensor(self, tensor: torch.Tensor, see: See) -> Value:
        if tensor.is_nested:  # it has no shape
            return Value("opaque", "Tensor", text=f"nested tensor of {tensor.size(0)} parts")
        params = None
        if is_parameter(tensor):
            params = (tensor.numel(), tensor.numel() if tensor.requires_grad else 0)
        return Value("tensor", type(tensor).__name__, tensor=see(tensor), params=params)

    def _sequence(self, value: Any, see: See, depth: int, name: str = "") -> Value:
        fields = getattr(value, "_fields", None)
        items = tuple(
            (fields[i] if fields else str(i), self.describe(v, see, depth + 1))
            for i, v in enumerate(value[:ITEMS])
        )
        name = name or type(value).__name__
        return Value("sequence", name, items, elided=max(0, len(value) - ITEMS))

    def _mapping(self, value: Mapping[Any, Any], see: See, depth: int) -> Value:
        items = [
            (str(k)[:TEXT], self.describe(v, see, depth + 1))
            for k, v in list(value.items())[:ITEMS]
        ]
        elided = max(0, len(value) - ITEMS)
        return Value("mapping", type(value).__name__, tuple(items), elided=elided)

    def _object(self, value: Any, see: See, depth: int) -> Value:
        """Show the fields of data classes and of objects that hold tensors; label the rest."""
        name = type(value).__name__
        if isinstance(value, type):
            return Value("opaque", "type", text=value.__name__)
        if callable(value) and hasattr(value, "__qualname__"):
            return Value("opaque", name, text=str(value.__qualname__)[:TEXT])
        if dataclasses.is_dataclass(value):
            fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
        else:
            fields = getattr(value, "__dict__", None) or {}
        public = {k: v for k, v in fields.items() if isinstance(k, str) and not k.startswith("_")}
        if not _holds_tensors(public.values()):
            return Value("opaque", name, text=_short(value))
        items = tuple(
            (k, self.describe(v, see, depth + 1)) for k, v in list(public.items())[:ITEMS]
        )
        return Value("object", name, items)


def is_parameter(tensor: torch.Tensor) -> bool:
    """Whether it is an `nn.Parameter`; a plain tensor is not asked at length."""
    return type(tensor) is not torch.Tensor and isinstance(tensor, nn.Parameter)


def _scalar(value: Any) -> Value:
    if type(value) is int and value.bit_length() > BITS:
        return Value("opaque", "int", text=f"an integer of {value.bit_length()} bits")
    if type(value) is str and len(value) > TEXT:
        return Value("scalar", "str", scalar=value[:TEXT] + "…")
    return Value("scalar", type(value).__name__, scalar=value)


def _base_scalar(value: Any) -> Any:
    """The plain Python value of a subclass of bool, int, float or str."""
    for base in (bool, int, float):
        if isinstance(value, base):
            return base(value)
    return str.__str__(value)[:TEXT]


def _holds_tensors(values: Any) -> bool:
    for value in values:
        if isinstance(value, torch.Tensor):
            return True
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], torch.Tensor):
            return True
    return False


def _short(value: Any) -> str:
    """What an unknown object is, without running its own `__repr__`."""
    shape = getattr(type(value), "shape", None)
    if shape is not None:
        try:
            return f"shape {tuple(value.shape)}"
        except (TypeError, AttributeError):
            return ""
    return ""


def count_parameters(module: nn.Module) -> tuple[int, int]:
    """(parameters, how many of them are trainable) in a module and beneath it."""
    total = trainable = 0
    if "_modules" not in vars(module):
        return 0, 0
    for parameter in module.parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            continue
        total += parameter.numel()
        trainable += parameter.numel() if parameter.requires_grad else 0
    return total, trainable


def _submodules(module: nn.Module) -> list[tuple[str, nn.Module | None]]:
    """Its children by name; none before `nn.Module.__init__` has run."""
    return list((vars(module).get("_modules") or {}).items())


def _plain_attributes(module: nn.Module) -> list[tuple[str, Value]]:
    """Numbers, strings and tuples of them that a module's own class set."""
    found = []
    for name, value in vars(module).items():
        if name.startswith("_") or name == "training":
            continue
        if value is None or type(value) in _SCALARS:
            found.append((name, _NONE if value is None else _scalar(value)))
        elif _is_short_list(value):
            items = tuple((str(i), _scalar(v)) for i, v in enumerate(value))
            found.append((name, Value("sequence", type(value).__name__, items)))
    return found


def _is_short_list(value: Any) -> bool:
    """Whether it is a tuple or list of a few plain values, such as a kernel size."""
    if not isinstance(value, (tuple, list)) or len(value) > 8:
        return False
    return all(type(v) in (int, float, str) for v in value)


def fingerprint(value: Any, see: See, depth: int = 0) -> Any:
    """Something that differs when the description would: to find the locals that changed."""
    if isinstance(value, torch.Tensor):
        return (see(value), value.requires_grad) if not value.is_nested else id(value)
    if value is None or type(value) in _SCALARS:
        return (type(value), value if value == value else "nan")
    if depth < 4 and isinstance(value, (list, tuple)):
        return (len(value), *(fingerprint(v, see, depth + 1) for v in value[:64]))
    if depth < 4 and isinstance(value, Mapping):
        head = list(value.items())[:64]
        return (len(value), *((str(k), fingerprint(v, see, depth + 1)) for k, v in head))
    if isinstance(value, nn.Module):
        return (id(value), *(id(c) for _, c in _submodules(value)), *_scalars_of(value))
    if hasattr(value, "__dict__") and depth < 2 and _holds_tensors(vars(value).values()):
        return tuple((k, fingerprint(v, see, depth + 1)) for k, v in vars(value).items())
    return id(value)


def _scalars_of(module: nn.Module) -> list[Any]:
    return [
        v for k, v in vars(module).items() if v is None or (type(v) in _SCALARS and k[0] != "_")
    ]
