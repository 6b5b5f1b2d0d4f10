"""Python values as trees: containers keep their shape, tensors become states, the rest labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from itertools import islice
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

import torch
from torch import nn

from tracer.capture import process
from tracer.record import Value

ITEMS = 1000  # children of one container that are kept
DEPTH = 12  # levels of nesting that are kept
TEXT = 300  # characters of a string that are kept
BITS = 1024  # of an integer that is kept
NODES = 20_000  # nodes of one value that are kept, about

_SCALARS = (bool, int, float, str)
_NAMED = (torch.dtype, torch.device, torch.layout, torch.memory_format)
BROADCAST = 1 << 28  # values that a broadcast tensor may have and still be read

_PLAIN = (bytes, complex, range, slice)
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
        self.odd: dict[str, str] = {}  # class that could not be looked at → what that raised
        self._modules: dict[int, Value] = {}
        self._room = NODES  # how many more nodes the value that is looked at may have
        # what has been described of that value, by `id` and depth: itself, its tree, its nodes
        self._parts: dict[tuple[int, int], tuple[Any, Value, int]] = {}
        # leaves that turn up again and again, described once: plain tensors by state, others,
        # and scalars (of floats, 0.0 equals -0.0)
        self._tensors: dict[int, Value] = {}
        self._leaves: dict[tuple[Any, ...], Value] = {}

    @process.undisturbed
    def describe(self, value: Any, see: See, depth: int = 0) -> Value:
        """Describe any value.

        Looking may run code of the user's: what that raises stays here, so that the pass never
        sees it (signals wait meanwhile). The value is a label then, named in `odd`.

        Args:
            value: anything.
            see: tensor → its state's number.
            depth: how deep in a tree this value stands.
        """
        try:
            self._room -= 1
            if value is None:
                return _NONE
            kind = type(value)
            if kind is torch.Tensor and not (_is_wrapped(value) or value.is_nested):
                state = see(value)
                return self._tensors.get(state) or self._plain(state)
            if kind in _SCALARS:
                return self._scalar(kind, value)
            if issubclass(kind, torch.Tensor):
                return self._tensor(value, see)
            if depth >= DEPTH:
                return Value("opaque", name_of(kind), text="nested too deep")
            if depth == 0:
                self._room = NODES
            if self._room <= 0:
                return Value("opaque", name_of(kind), text="left out: the value has too many parts")
            return self._part(value, see, depth)
        except BaseException as error:
            name = name_of(type(value))
            self.odd.setdefault(name, name_of(type(error)))
            return Value("opaque", name, text=f"looking at it raises {name_of(type(error))}")
        finally:
            if depth == 0:
                self._parts.clear()

    def _plain(self, state: int) -> Value:
        found = self._tensors[state] = Value("tensor", "Tensor", tensor=state)
        return found

    def _scalar(self, kind: type, value: Any) -> Value:
        if kind is float:  # 0.0 equals -0.0
            return _scalar(value)
        found = self._leaves.get((kind, value))
        if found is None:
            found = _scalar(value)
            if found.scalar is value:  # whole
                self._leaves[kind, value] = found
        return found

    def _part(self, value: Any, see: See, depth: int) -> Value:
        """Describe what has parts; what stands in several places once, as far as there is room."""
        _, known, nodes = self._parts.get((id(value), depth), (None, None, 0))
        if known is not None and nodes <= self._room:
            self._room -= nodes
            return known
        room = self._room
        found = self._of_kind(value, see, depth)
        self._parts[id(value), depth] = value, found, room - self._room
        return found

    def _of_kind(self, value: Any, see: See, depth: int) -> Value:
        kind = type(value)
        if issubclass(kind, (list, tuple)):
            return self._sequence(value, see, depth)
        if issubclass(kind, nn.Module):
            return self.module(value)
        if issubclass(kind, Mapping):
            return self._mapping(value, see, depth)
        if issubclass(kind, _SCALARS):  # enums of str, numpy's float64
            return _scalar(_base_scalar(value), name_of(kind))
        if issubclass(kind, _NAMED):
            return Value("scalar", kind.__name__, scalar=str(value))
        if issubclass(kind, Set):
            return self._set(value, see, depth)
        return self._object(value, see, depth)

    def arguments(self, items: Any, see: See) -> Value:
        """Describe a call's arguments, an iterable of (name, value)."""
        self._room = NODES
        try:
            described = tuple((name, self.describe(v, see, 1)) for name, v in items)
        finally:
            self._parts.clear()
        return Value("arguments", "", described)

    def module(self, module: nn.Module) -> Value:
        """Describe a module: class, path, parameters, plain attributes, children by class."""
        if self.settled and id(module) in self._modules:
            return self._modules[id(module)]
        described = Value(
            "module",
            name_of(type(module)),
            items=(*_plain_attributes(module), *self._children(module)),
            text=self.paths.get(id(module), "") if id(module) in self.paths else "?",
            params=count_parameters(module),
        )
        if self.settled and id(module) in self.paths:
            self._modules[id(module)] = described
        return described

    def _children(self, module: nn.Module) -> list[tuple[str, Value]]:
        return [
            (name, Value("module", name_of(type(child)), params=count_parameters(child)))
            for name, child in _submodules(module)
            if child is not None
        ]

    def _tensor(self, tensor: torch.Tensor, see: See) -> Value:
        """Describe a tensor of a class of its own, or one that is wrapped or nested."""
        with torch._C.DisableTorchFunction():
            name = name_of(type(tensor))
            if reason := out_of_reach(tensor):
                return Value("opaque", name, text=reason)
            params = None
            if is_parameter(tensor):
                params = (int(tensor.numel()), int(tensor.numel()) if tensor.requires_grad else 0)
            key = (name, see(tensor), params)
            found = self._leaves.get(key)
            if found is None:
                found = self._leaves[key] = Value("tensor", name, tensor=key[1], params=params)
            return found

    def _sequence(self, value: Any, see: See, depth: int) -> Value:
        kind = type(value)
        base = list if issubclass(kind, list) else tuple
        items, length = base.__getitem__(value, slice(ITEMS)), base.__len__(value)
        fields = getattr(kind, "_fields", ())
        names = fields if isinstance(fields, tuple) and len(fields) == length else range(length)
        return Value(
            "sequence",
            name_of(kind),
            tuple(
                (str(n), self.describe(v, see, depth + 1))
                for n, v in zip(names, items, strict=False)
            ),
            elided=max(0, length - ITEMS),
        )

    def _set(self, value: Set[Any], see: See, depth: int) -> Value:
        items = sorted(islice(value, ITEMS), key=_order)
        described = ((str(i), self.describe(v, see, depth + 1)) for i, v in enumerate(items))
        elided = max(0, len(value) - ITEMS)
        return Value("sequence", name_of(type(value)), tuple(described), elided=elided)

    def _mapping(self, value: Mapping[Any, Any], see: See, depth: int) -> Value:
        head = islice(value.items(), ITEMS)
        items = [(_key(k), self.describe(v, see, depth + 1)) for k, v in head]
        elided = max(0, len(value) - ITEMS)
        return Value("mapping", name_of(type(value)), tuple(items), elided=elided)

    def _object(self, value: Any, see: See, depth: int) -> Value:
        """Show the fields of data classes and of objects that hold tensors; label the rest.

        Nothing of its own is called: looking at a proxy's attribute may be an event of a program.
        """
        kind = type(value)
        if issubclass(kind, type):
            return Value("opaque", "type", text=name_of(value))
        if issubclass(kind, _FUNCTIONS):
            return Value("opaque", name_of(kind), text=str(value.__qualname__)[:TEXT])
        fields = _fields_of(value)
        public = {k: v for k, v in fields.items() if isinstance(k, str) and not k.startswith("_")}
        if not _holds_tensors(public.values()):
            return Value("opaque", name_of(kind), text=_short(value))
        items = tuple(
            (k, self.describe(v, see, depth + 1)) for k, v in list(public.items())[:ITEMS]
        )
        return Value("object", name_of(kind), items)


_FUNCTIONS = (
    *(FunctionType, BuiltinFunctionType, MethodType, MethodDescriptorType, WrapperDescriptorType),
)


@process.undisturbed
def words_of(error: BaseException) -> str:
    """Return what an exception says; ``""`` of one that cannot say it."""
    try:
        return str(error)
    except BaseException:  # of the user's own code; see `Describer.describe`
        return ""


_LAZY = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)


def name_of(kind: type) -> str:
    """Return the name of a class, whatever its metaclass says."""
    found: str = type.__dict__["__name__"].__get__(kind)
    return found


# whether a tensor stands for one within `torch.func`'s transforms (`vmap`, `grad`)
_is_wrapped: Callable[[torch.Tensor], bool] = torch._C._functorch.is_functorch_wrapped_tensor


def out_of_reach(tensor: torch.Tensor) -> str:
    """Say what a tensor is that has no values of its own in memory; ``""`` for all others."""
    kind = type(tensor)
    if issubclass(kind, _LAZY):
        return "not initialised yet"
    if tensor.is_nested:  # it has no shape
        return f"nested tensor of {int(tensor.size(0))} parts"
    if _is_wrapped(tensor):
        why = " within a transform of torch.func"
    elif kind.__torch_dispatch__ is not torch._C._disabled_torch_dispatch_impl:
        why = ", wrapped: its values are its class's affair"
    elif has_memory(tensor):
        return ""
    else:
        why = " without memory"
    shape = "×".join(map(str, tensor.shape)) or "scalar"
    return f"{shape} {str(tensor.dtype).removeprefix('torch.')}{why}"


def has_memory(tensor: torch.Tensor) -> bool:
    """Whether all values that its shape and strides speak of lie in its storage.

    They do not after ``untyped_storage().resize_(0)``, by which sharded training frees memory, nor
    in wrappers; a kernel that reads them all the same ends the process. Nor is it so for a few
    values that are broadcast to more than a memory would hold.
    """
    if tensor.layout is not torch.strided or tensor.device.type == "meta" or not tensor.numel():
        return True
    try:
        storage = tensor.untyped_storage()
        if storage.nbytes() < (needed := extent(tensor)[1]) or not storage.data_ptr():
            return False
        return tensor.numel() <= BROADCAST or tensor.numel() <= 64 * needed
    except RuntimeError:
        return False


def extent(tensor: torch.Tensor) -> tuple[int, int]:
    """First and one past the last byte of its storage that the tensor can touch."""
    if tensor.layout is not torch.strided or not (count := tensor.numel()):
        return (0, 0)
    start, width = int(tensor.storage_offset()), tensor.element_size()
    if not tensor.is_contiguous():
        count = 1 + sum(
            (n - 1) * int(s) for n, s in zip(tensor.shape, tensor.stride(), strict=True)
        )
    return (start * width, (start + count) * width)


def is_parameter(tensor: torch.Tensor) -> bool:
    """Whether it is an `nn.Parameter`; a plain tensor is not asked at length."""
    return type(tensor) is not torch.Tensor and isinstance(tensor, nn.Parameter)


def _scalar(value: Any, name: str = "") -> Value:
    kind = type(value)
    if kind is int and value.bit_length() > BITS:
        return Value("opaque", name or "int", text=f"an integer of {value.bit_length()} bits")
    if kind is str and len(value) > TEXT:
        value = value[:TEXT] + "…"
    return Value("scalar", name or kind.__name__, scalar=value)


def _base_scalar(value: Any) -> Any:
    """The plain Python value of a subclass of int, float or str; none of its methods is run."""
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else str.__str__(value)


def _order(value: Any) -> tuple[str, str]:
    """By what the members of a set are sorted, so that equal sets look equal."""
    plain = type(value) in _SCALARS and not (type(value) is int and value.bit_length() > BITS)
    return name_of(type(value)), repr(value) if plain else ""


def _key(key: Any) -> str:
    """What a key of a mapping is called."""
    try:
        return str(key)[:TEXT]
    except Exception:
        return f"<{name_of(type(key))}>"


def _fields_of(value: Any) -> dict[Any, Any]:
    """The attributes that an object itself holds, read past its class's own ways of access."""
    kind = type(value)
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    if dataclasses.is_dataclass(kind) and not own:  # slots
        names = (field.name for field in dataclasses.fields(kind))
        return {name: object.__getattribute__(value, name) for name in names}
    return dict(own) if isinstance(own, dict) else {}


def _holds_tensors(values: Any) -> bool:
    for value in values:
        if issubclass(type(value), torch.Tensor):
            return True
        if type(value) in (list, tuple) and value and issubclass(type(value[0]), torch.Tensor):
            return True
    return False


def _short(value: Any) -> str:
    """What an unknown object is, without running its own `__repr__`; the shape of an array."""
    if type(value).__module__ != "numpy":
        return ""
    return f"shape {tuple(value.shape)}" if hasattr(value, "shape") else ""


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


@process.undisturbed
def fingerprint(value: Any, see: See, depth: int = 0) -> Any:
    """Something that differs when the description would: to find the locals that changed."""
    try:
        return _fingerprint(value, see, depth)
    except BaseException:  # of the user's own code; see `Describer.describe`
        return id(value)


def _fingerprint(value: Any, see: See, depth: int) -> Any:
    kind = type(value)
    if kind is torch.Tensor and not (_is_wrapped(value) or value.is_nested):
        return (see(value), value.requires_grad)
    if issubclass(kind, torch.Tensor):
        with torch._C.DisableTorchFunction():
            return id(value) if out_of_reach(value) else (see(value), value.requires_grad)
    if value is None or kind in _SCALARS:
        return (kind, value if value == value else "nan")
    if depth < 4 and kind in (list, tuple):
        return (len(value), *(fingerprint(v, see, depth + 1) for v in value[:64]))
    if depth < 4 and issubclass(kind, (list, tuple)):
        base = list if issubclass(kind, list) else tuple
        head = base.__getitem__(value, slice(64))
        return (base.__len__(value), *(fingerprint(v, see, depth + 1) for v in head))
    if issubclass(kind, nn.Module):
        return (id(value), *(id(c) for _, c in _submodules(value)), *_scalars_of(value))
    if depth < 4 and issubclass(kind, Mapping):
        items = islice(value.items(), 64)
        return (len(value), *((_key(k), fingerprint(v, see, depth + 1)) for k, v in items))
    if depth < 2 and kind not in _PLAIN and not issubclass(kind, (type, *_FUNCTIONS)):
        fields = _fields_of(value)
        if _holds_tensors(fields.values()):
            return tuple((k, fingerprint(v, see, depth + 1)) for k, v in fields.items())
    return id(value)


def _scalars_of(module: nn.Module) -> list[Any]:
    return [
        v for k, v in vars(module).items() if v is None or (type(v) in _SCALARS and k[0] != "_")
    ]
