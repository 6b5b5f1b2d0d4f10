"""Recorded values as an expression sees them: read-only, and nothing but what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracer.errors import MissingError, near
from tracer.record import TensorState, Trace, Value

SUMMARY = ("min", "max", "mean", "std", "zeros", "nan", "inf")
"""The statistics of a tensor that an expression can name."""

NAMES = (
    *("shape", "dtype", "device", "ndim", "numel", "histogram", "state", "requires_grad"),
    *(*SUMMARY, "data"),
)
"""All that an expression can name of a tensor."""

DTYPES = (
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool", "uint8"),
    *("int8", "int16", "int32", "int64"),
)


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads values as they were at one moment of a trace.

    Attributes:
        trace: the recording.
        tick: the moment; a tensor that was written in place before it shows its later values.
        successors: for each tensor state that was written over, the state that took its place.
    """

    trace: Trace
    tick: int
    successors: Mapping[int, int]

    def __call__(self, value: Value) -> Any:
        """Return a scalar as itself, a tensor as a `TensorView`, anything else as a `TreeView`."""
        if value.kind == "scalar":
            return value.scalar
        if value.tensor is not None:
            return TensorView(self.current(value.tensor), self.trace, value.params)
        return TreeView(value, self)

    def current(self, state: int) -> TensorState:
        """Return what the tensor that held `state` holds at this moment."""
        tensors, calls = self.trace.tensors, self.trace.calls
        while (later := self.successors.get(state)) is not None:
            writer = tensors[state].overwritten_by
            if writer is None or calls[writer].end > self.tick:
                break
            state = later
        return tensors[state]


def successors(trace: Trace) -> dict[int, int]:
    """Return, for each tensor state that was written over, the state that took its place."""
    return {t.previous: t.id for t in trace.tensors if t.previous is not None}


def writers(trace: Trace, after: Mapping[int, int], state: int) -> frozenset[int]:
    """Return the calls that wrote in place over a tensor.

    Args:
        trace: the recording.
        after: its `successors`.
        state: a state of the tensor; what was written before it does not count.
    """
    tensors, found = trace.tensors, set()
    while state < len(tensors):
        later = after.get(state)
        found |= {tensors[state].overwritten_by}
        if later is None:
            break
        found |= {tensors[later].producer}
        state = later
    return frozenset(id for id in found if id is not None)


@dataclass(frozen=True, eq=False)
class TensorView:
    """A tensor as it was recorded: its summary, and its values where they were kept.

    Attributes:
        state: what the tensor held.
        trace: where its values are.
        params: of a parameter, how many values it has and how many of them learn.
    """

    state: TensorState
    trace: Trace
    params: tuple[int, int] | None = None

    def attribute(self, name: str) -> Any:
        """Return a recorded property of the tensor.

        Raises:
            MissingError: it has no such property, or it was not recorded.
        """
        summary = self.state.summary
        if name in SUMMARY:
            return self._statistic(name)
        if name == "data":
            return self.trace.data(self.state.id)
        known: dict[str, Callable[[], Any]] = {
            "shape": lambda: summary.shape,
            "dtype": lambda: summary.dtype,
            "device": lambda: summary.device,
            "ndim": lambda: len(summary.shape),
            "numel": lambda: summary.numel,
            "histogram": lambda: summary.histogram,
            "state": lambda: self.state.id,
            "requires_grad": self._learns,
        }
        if name not in known:
            raise MissingError(f"a recorded tensor has no {name!r}{near(name, NAMES)}")
        return known[name]()

    def _learns(self) -> bool:
        if self.params is None:
            raise MissingError("whether this tensor requires a gradient was not recorded")
        return self.params[1] > 0

    def _statistic(self, name: str) -> Any:
        found = getattr(self.state.summary, name)
        if found is None:
            raise MissingError(f"the {name!r} of this tensor was not recorded")
        return found


@dataclass(frozen=True, eq=False)
class TreeView:
    """A recorded list, dict, object or module, or the label of anything else."""

    value: Value
    read: Reader

    def __len__(self) -> int:
        return len(self.value.items) + self.value.elided

    def __bool__(self) -> bool:
        """Whether it is a module or an object, or a list or dict that is not empty."""
        return self.value.kind not in ("mapping", "sequence") or len(self) > 0

    def __iter__(self) -> Iterator[Any]:
        """Iterate over keys of a mapping and over values of anything else.

        Raises:
            MissingError: at the end, where entries were left out of the recording.
        """
        for name, value in self.value.items:
            yield name if self.value.kind == "mapping" else self.read(value)
        if self.value.elided:
            raise MissingError(self._left_out(len(self.value.items)))

    def attribute(self, name: str) -> Any:
        """Return the field `name`.

        Raises:
            MissingError: there is no such field.
        """
        found = self.value.get(name) or self._of_module(name)
        if found is None:
            known = [n for n, _ in self.value.items]
            raise MissingError(f"this {self.value.type} has no {name!r}{near(name, known)}")
        return self.read(found)

    def _of_module(self, name: str) -> Value | None:
        """What a module of the model has under a name, where it is recorded by its path alone."""
        path = self.value.text if self.value.kind == "module" else ""
        module = module_value(self.read.trace, path) if path else None
        return None if module is None else module.get(name)

    def item(self, key: Any) -> Any:
        """Return the entry of a mapping, sequence or module under `key`.

        Raises:
            MissingError: there is no such entry, or it was left out of the recording.
        """
        if self.value.kind == "sequence" and isinstance(key, slice):
            return self._slice(key)
        found = self._at(key)
        if found is None:
            raise MissingError(self._no_item(key))
        return self.read(found)

    def _slice(self, key: slice) -> tuple[Any, ...]:
        """Return some entries of a sequence, read one by one: its length is only what it says."""
        chosen = range(*key.indices(len(self)))
        return tuple([self.item(index) for index in chosen])

    def _at(self, key: Any) -> Value | None:
        value = self.value
        if value.kind == "sequence" and not isinstance(key, int):
            return None
        if value.kind != "sequence":
            return value.get(key) if isinstance(key, (str, int)) else None
        index = key + len(self) if key < 0 else key
        return value.items[index][1] if 0 <= index < len(value.items) else None

    def _no_item(self, key: Any) -> str:
        value = self.value
        if value.kind == "sequence" and isinstance(key, int) and -len(self) <= key < len(self):
            return self._left_out(key % len(self))
        known = [name for name, _ in value.items]
        held = f"it has {', '.join(known[:8])}" if known else "it is empty"
        return f"this {value.type} has no entry {key!r}: {held}"

    def _left_out(self, key: int) -> str:
        return f"entry {key} was left out of the recording ({len(self.value.items)} are there)"

    def tensors(self) -> Iterator[TensorView]:
        """Yield every tensor in it."""
        trace = self.read.trace
        yield from (TensorView(self.read.current(s), trace) for s in self.value.tensors())


def module_value(trace: Trace, path: str) -> Value | None:
    """Return a module of the traced model as a value: its settings, weights and children.

    The recording of a pass has it once, in `Trace.modules`, not as an argument of each call.
    """
    module = trace.modules.get(path)
    if module is None:
        return None
    settings = ((key, Value("scalar", "str", scalar=text)) for key, text in module.settings)
    children = ((name, module_value(trace, child)) for name, child in module.children)
    inner = ((name, value) for name, value in children if value is not None)
    items = (*settings, *module.tensors, *inner)
    params = (module.params, module.trainable)
    return Value("module", module.type, items, text=path, params=params)


@dataclass(frozen=True)
class Namespace:
    """A few named constants: ``torch.float32`` is the text ``"float32"``, as recorded."""

    name: str
    items: Mapping[str, Any]

    def attribute(self, name: str) -> Any:
        """Return the constant `name`.

        Raises:
            MissingError: there is none.
        """
        if name not in self.items:
            raise MissingError(f"{self.name}.{name} is not known here{near(name, self.items)}")
        return self.items[name]


TORCH = Namespace("torch", {name: name for name in DTYPES})


def tensors_of(value: Any) -> Iterator[TensorView]:
    """Yield every tensor in a value that an expression gave."""
    if isinstance(value, TensorView):
        yield value
    elif isinstance(value, TreeView):
        yield from value.tensors()
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from tensors_of(item)
