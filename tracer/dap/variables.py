"""Recorded values as a tree of variables, each level read when it is opened, page by page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from tracer.dap.protocol import ProtocolError
from tracer.errors import TracerError
from tracer.foreign import clean
from tracer.numbers import dims, number
from tracer.record import TensorState
from tracer.stepper import text
from tracer.stepper.readable import SUMMARY, TensorView, TreeView

MOST = 1000
"""Children of a value that are sent at once."""

Described = dict[str, Any]


@dataclass(frozen=True)
class Variable:
    """A value with its name, and an expression that gives it again (``""`` for none)."""

    name: str
    value: Any
    expression: str = ""


@dataclass(frozen=True)
class Group:
    """Variables that are opened together, as a scope is.

    Attributes:
        members: each name, and what reads its value.
        named: whether they have names, else numbers.
        expressions: whether a name, as an expression, gives the value.
    """

    members: tuple[tuple[str, Callable[[], Any]], ...]
    named: bool = True
    expressions: bool = True


@dataclass(frozen=True)
class Kept:
    """The values of a tensor that were kept; they are read once they are opened."""

    view: TensorView

    @cached_property
    def array(self) -> np.ndarray:
        """The values."""
        found: np.ndarray = self.view.attribute("data")
        return found


class References:
    """The numbers by which a client asks for the parts of values, valid until the next step."""

    def __init__(self) -> None:
        """Know none."""
        self._first = 1
        self._held: list[tuple[Any, str]] = []

    def forget(self) -> None:
        """Let all numbers go; none is given again."""
        self._first += len(self._held)
        self._held = []

    def add(self, value: Any, expression: str = "") -> int:
        """Return a new number for a value."""
        self._held.append((value, expression))
        return self._first + len(self._held) - 1

    def get(self, reference: int) -> tuple[Any, str]:
        """Return the value of a number, and the expression that gives it.

        Raises:
            ProtocolError: there is none, or it went with a step.
        """
        index = reference - self._first
        if not 0 <= index < len(self._held):
            gone = (
                "is gone: the run has moved on" if 0 < reference < self._first else "is not there"
            )
            raise ProtocolError(f"variables reference {reference} {gone}")
        return self._held[index]

    # --- as the protocol has them ---

    def described(self, variable: Variable) -> Described:
        """Return a `Variable` of the protocol."""
        found = {
            "name": clean(variable.name, 200) or " ",
            **self.result(variable.value, variable.expression),
            "presentationHint": {"attributes": ["readOnly"]},
        }
        found["value"] = found.pop("result")
        return found | ({"evaluateName": variable.expression} if variable.expression else {})

    def result(self, value: Any, expression: str = "") -> Described:
        """Return what the protocol says of a value: in words, its type, and how to open it."""
        named, indexed = counts(value)
        kind = "ndarray" if isinstance(value, Kept) else text.kind(value)
        found: Described = {"result": shown(value), "type": kind}
        found["variablesReference"] = self.add(value, expression) if named or indexed else 0
        found |= {"namedVariables": named} if named else {}
        found |= {"indexedVariables": indexed} if indexed else {}
        if isinstance(value, TensorView) and value.state.kept:
            found["memoryReference"] = memory_reference(value.state)
        return found

    def opened(self, reference: int, filter: str, start: int, count: int) -> list[Described]:
        """Return the children of a value.

        Args:
            reference: its number.
            filter: ``"indexed"``, ``"named"`` or ``""`` for both.
            start: the first child.
            count: how many; 0 for all.

        Raises:
            ProtocolError: there is no such number.
        """
        value, expression = self.get(reference)
        limit = min(count, MOST) if count else MOST
        if filter in ("indexed", "named"):
            read = indexed_in if filter == "indexed" else named_in
            return [self.described(v) for v in islice(read(value, expression, start), limit)]
        named, indexed = counts(value)
        within = [*islice(named_in(value, expression, start), limit)]
        within += islice(indexed_in(value, expression, max(0, start - named)), limit - len(within))
        found = [self.described(variable) for variable in within]
        left_out = named + indexed - start - len(found)
        if not count and left_out > 0:
            found.append(_left_out(left_out))
        return found


def _left_out(count: int) -> Described:
    return {"name": "…", "value": f"{count:,} more", "variablesReference": 0}


# --- in words -------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """Return a value on one line; a tensor as ``1×256×50×64 float32 −7.99 … 8.09``."""
    if isinstance(value, TensorView):
        return tensor(value)
    if isinstance(value, Kept):
        summary = value.view.state.summary
        return f"{dims(summary.shape)} {clean(summary.dtype, 40)}"
    if isinstance(value, TracerError):
        return f"({clean(str(value), 200)})"
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{dims(value.shape)} {value.dtype} {_beginning(value)}"
    return text.value(value)


def _beginning(array: np.ndarray) -> str:
    values = array.ravel()[:4] if array.flags.c_contiguous else array[(0,) * (array.ndim - 1)][:4]
    inner = ", ".join(_signed(number(v.item())) for v in values)
    return f"[{inner}{', …' if array.size > len(values) else ''}]"


def tensor(view: TensorView) -> str:
    """Return shape, dtype and range of a tensor, and what is odd about it."""
    summary = view.state.summary
    parts = [dims(summary.shape), clean(summary.dtype, 40)]
    if summary.device != "cpu":
        parts.append(clean(summary.device, 40))
    if summary.min is not None:
        parts.append(f"{_signed(text.number(summary.min))} … {_signed(text.number(summary.max))}")
    parts += [f"{n.upper()} ×{v:,}" for n in ("nan", "inf") if (v := getattr(summary, n))]
    return " ".join(parts)


def _signed(number: str) -> str:
    return number.replace("-", "−", 1) if number.startswith("-") else number


# --- children -------------------------------------------------------------------------------------


def counts(value: Any) -> tuple[int, int]:
    """Return how many named and how many indexed children a value has."""
    if isinstance(value, TreeView):
        there = len(value.value.items) + bool(value.value.elided)
        return (0, there) if value.value.kind == "sequence" else (there, 0)
    if isinstance(value, Group):
        return (len(value.members), 0) if value.named else (0, len(value.members))
    if isinstance(value, TensorView):
        return sum(1 for _ in _facts(value, "")), 0
    if isinstance(value, Kept):
        return 0, (value.view.state.summary.shape or (1,))[0]
    if isinstance(value, np.ndarray):
        return 0, len(value) if value.ndim else 0
    return 0, len(value) if isinstance(value, tuple) else 0


def named_in(value: Any, expression: str, start: int = 0) -> Iterator[Variable]:
    """Yield the named children of a value from one on."""
    if isinstance(value, TensorView):
        yield from islice(_facts(value, expression), start, None)
    elif isinstance(value, Group) and value.named:
        for name, read in value.members[start:]:
            expression = name if value.expressions and name.isidentifier() else ""
            yield Variable(name, attempt(read), expression)
    elif isinstance(value, TreeView) and value.value.kind != "sequence":
        yield from _items(value, expression, start)


def indexed_in(value: Any, expression: str, start: int = 0) -> Iterator[Variable]:
    """Yield the indexed children of a value from one on."""
    if isinstance(value, TreeView) and value.value.kind == "sequence":
        yield from _items(value, expression, start)
    elif isinstance(value, Group) and not value.named:
        for name, read in value.members[start:]:
            yield Variable(name, attempt(read))
    elif isinstance(value, Kept):
        yield from _entries(np.atleast_1d(value.array), expression, start)
    elif isinstance(value, (tuple, np.ndarray)) and counts(value)[1]:
        yield from _entries(value, expression, start)


def attempt(read: Callable[[], Any]) -> Any:
    """Return what is read, or the error that says why it is not there."""
    try:
        return read()
    except TracerError as error:
        return error


def _items(value: TreeView, expression: str, start: int) -> Iterator[Variable]:
    node = value.value
    for name, item in node.items[start:]:
        yield Variable(name, value.read(item), _within(expression, node.kind, name))
    if node.elided and start <= len(node.items):
        yield Variable("…", NotThere(f"{node.elided:,} more were left out of the recording"))


class NotThere(TracerError):
    """What stands in the place of a value that was not recorded."""


def _within(expression: str, kind: str, name: str) -> str:
    """Return the expression for an entry or a field of what an expression gives."""
    if not expression:
        return ""
    if kind == "sequence":
        return f"{expression}[{name}]"
    if kind in ("object", "module") and name.isidentifier():
        return f"{expression}.{name}"
    return f"{expression}[{json.dumps(name)}]"


def _entries(value: Sequence[Any] | np.ndarray, expression: str, start: int) -> Iterator[Variable]:
    for index in range(start, len(value)):
        item = value[index]
        item = item.item() if isinstance(item, np.generic) else item
        yield Variable(str(index), item, f"{expression}[{index}]" if expression else "")


def _facts(view: TensorView, expression: str) -> Iterator[Variable]:
    """Yield what is known of a tensor."""
    summary, state = view.state.summary, view.state
    facts: dict[str, Any] = {"shape": summary.shape, "dtype": summary.dtype}
    facts |= {"device": summary.device}
    known = ((name, getattr(summary, name)) for name in SUMMARY)
    facts |= {name: value for name, value in known if value is not None}
    facts |= {"histogram": summary.histogram} if summary.histogram else {}
    facts |= {"data": Kept(view)} if state.kept else {}
    facts |= {"state": state.id}
    for name, value in facts.items():
        yield Variable(name, value, f"{expression}.{name}" if expression else "")
    for name, value in _history(view):
        yield Variable(name, value)


def _history(view: TensorView) -> Iterator[tuple[str, Any]]:
    """Yield where a tensor comes from, in words."""
    state, calls = view.state, view.trace.calls
    if state.name:
        yield "name", state.name
    if state.producer is not None:
        how = "written in place by" if state.previous is not None else "made by"
        yield how, calls[state.producer].label
    if state.overwritten_by is not None:
        yield "written over by", calls[state.overwritten_by].label


# --- memory ---------------------------------------------------------------------------------------


def memory_reference(state: TensorState) -> str:
    """Return the name of a kept tensor's bytes."""
    return f"state:{state.id}"


def state_of(reference: str) -> int:
    """Return the number of the tensor state whose bytes have this name.

    Raises:
        ProtocolError: it is no such name.
    """
    kind, _, number = reference.partition(":")
    if kind != "state" or not (number.isascii() and number.isdecimal()) or len(number) > 15:
        raise ProtocolError(f"there is no memory {clean(reference, 40)!r}: it is state:NUMBER")
    return int(number)
