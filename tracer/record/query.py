"""Pure selections over a Trace: each function takes a record and returns new data.

Two shapes go through here. A *selection* is a tuple of calls in order of their start: `by_stage`,
`by_path`, `of_kinds` and `beneath` make or narrow one. A *forest* is a selection put back into a
tree of `Node`: where a call between two selected ones is left out, the inner one hangs on the
nearest selected ancestor, so any grain can be hidden. `to_depth` and `fold_repeats` reshape it.

They compose: ``fold_repeats(trace, to_depth(forest(trace, of_kinds(trace.calls, "module")), 2))``.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import wraps
from itertools import groupby
from operator import attrgetter
from typing import TypeVar
from weakref import finalize

from tracer.errors import MissingError, near
from tracer.record.checks import problems as problems
from tracer.record.model import Call, Line, Trace, Value

Told = TypeVar("Told")


def once(read: Callable[[Trace], Told]) -> Callable[[Trace], Told]:
    """Let what is read of a recording be read once, and known as long as the recording lives."""
    known: dict[int, Told] = {}

    @wraps(read)
    def remembered(trace: Trace) -> Told:
        if id(trace) not in known:
            known[id(trace)] = read(trace)
            finalize(trace, known.pop, id(trace), None)
        return known[id(trace)]

    return remembered


# --- selecting ------------------------------------------------------------------------------------


def roots(trace: Trace) -> tuple[Call, ...]:
    """Return the outermost calls."""
    return tuple(call for call in trace.calls if call.parent is None)


def children(trace: Trace) -> dict[int | None, tuple[Call, ...]]:
    """Return every call's direct children by its id; the outermost calls stand under None."""
    found: dict[int | None, list[Call]] = {None: []}
    for call in trace.calls:
        found.setdefault(call.parent, []).append(call)
    return {parent: tuple(calls) for parent, calls in found.items()}


def ancestors(trace: Trace, call: Call) -> Iterator[Call]:
    """Yield the calls around a call, the nearest first."""
    while call.parent is not None:
        call = trace.calls[call.parent]
        yield call


def depth(trace: Trace, call: Call) -> int:
    """Return how many calls lie around a call."""
    return sum(1 for _ in ancestors(trace, call))


def around(trace: Trace, chosen: Container[int]) -> list[int | None]:
    """Return, by call id, which of the chosen calls is the nearest around each; None if none is."""
    found: list[int | None] = []
    for call in trace.calls:
        parent = call.parent
        found.append(parent if parent is None or parent in chosen else found[parent])
    return found


def beneath(trace: Trace, calls: Iterable[Call]) -> tuple[Call, ...]:
    """Return the calls and everything that ran in them, each once."""
    inside: set[int] = {call.id for call in calls}
    for call in trace.calls:
        if call.parent in inside:
            inside.add(call.id)
    return tuple(call for call in trace.calls if call.id in inside)


def of_kinds(calls: Iterable[Call], *kinds: str) -> tuple[Call, ...]:
    """Return the calls of these kinds (``"module"``, ``"function"``, ``"op"``)."""
    return tuple(call for call in calls if call.kind in kinds)


def by_stage(trace: Trace, name: str) -> tuple[Call, ...]:
    """Return every call of a stage.

    Raises:
        MissingError: the trace has no such stage.
    """
    names = [stage.name for stage in trace.stages]
    if name not in names:
        known = f"it has {', '.join(names)}" if names else "it has none"
        raise MissingError(f"the trace has no stage {name!r}{near(name, names)} ({known})")
    return tuple(call for call in trace.calls if call.stage == name)


def by_path(trace: Trace, pattern: str) -> tuple[Call, ...]:
    """Return the calls whose path or label matches.

    Args:
        trace: where to look.
        pattern: a path (``backbone.fpn``; ``(root)`` for the root module), a label
            (``rpn.head.conv#3``), or either with the wildcards of `fnmatch` (``*.layer3.*``).

    Raises:
        MissingError: no call matches; names the nearest paths.
    """
    found = tuple(c for c in trace.calls if matches(c, pattern))
    if not found:
        known = {c.path or "(root)" for c in trace.calls}
        hint = near(pattern.partition("#")[0], known)
        raise MissingError(f"the trace has no call with path {pattern!r}{hint}")
    return found


def matches(call: Call, pattern: str) -> bool:
    """Tell whether a call answers to a path, a label or a pattern of either."""
    names = (call.path or "(root)", call.label)
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


# --- forests --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A selected call with the selected calls in it.

    Attributes:
        call: the call; of several folded into one, the first.
        children: the nodes of the selected calls in it, in order.
        repeats: the further calls that this node stands for, in order; see `fold_repeats`.
    """

    call: Call
    children: tuple[Node, ...] = ()
    repeats: tuple[Call, ...] = ()

    @property
    def count(self) -> int:
        """How many calls the node stands for."""
        return 1 + len(self.repeats)


def forest(trace: Trace, calls: Iterable[Call] | None = None) -> tuple[Node, ...]:
    """Put a selection (everything, if not given) back into a tree."""
    selected = trace.calls if calls is None else tuple(calls)
    outer = around(trace, {call.id for call in selected})
    below: dict[int | None, list[Node]] = {}
    # A call's children begin after it, so that going backwards they are complete before it.
    for call in sorted(selected, key=attrgetter("id"), reverse=True):
        node = Node(call, tuple(reversed(below.pop(call.id, []))))
        below.setdefault(outer[call.id], []).append(node)
    return tuple(reversed(below.get(None, [])))


def walk(nodes: Iterable[Node]) -> Iterator[tuple[int, Node]]:
    """Yield (depth, node) in order of the calls' start; the outermost have depth 0."""
    waiting = [(0, node) for node in reversed(tuple(nodes))]
    while waiting:
        level, node = waiting.pop()
        yield level, node
        waiting += [(level + 1, child) for child in reversed(node.children)]


def to_depth(nodes: Iterable[Node], limit: int) -> tuple[Node, ...]:
    """Cut everything deeper than `limit`; 0 leaves the outermost nodes alone."""
    return _rebuild(
        nodes, lambda level, node, inner: replace(node, children=inner if level < limit else ())
    )


def fold_repeats(trace: Trace, nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Let the first of several neighbours that are alike stand for all of them.

    Neighbours are alike when nothing but numbers in their dotted paths, call numbers and tensor
    values tells them apart: the same types, shapes, multiply-adds, and all of that beneath them
    (``layer3.1`` to ``layer3.5``; not ``layer3.0``, whose shapes differ).
    """
    keys: dict[Hashable, int] = {}
    key_of: dict[int, int] = {}  # by the call's id
    structures = Structures(trace)

    def fold(level: int, node: Node, inner: tuple[Node, ...]) -> Node:
        inner = _fold_neighbours(inner, key_of)
        parts = tuple((key_of[child.call.id], child.count) for child in inner)
        key = (_likeness(structures, node.call), parts, node.count)
        key_of[node.call.id] = keys.setdefault(key, len(keys))
        return Node(node.call, inner, node.repeats) if inner else node

    return _fold_neighbours(_rebuild(nodes, fold), key_of)


def _fold_neighbours(nodes: tuple[Node, ...], key_of: dict[int, int]) -> tuple[Node, ...]:
    runs = (list(run) for _, run in groupby(nodes, key=lambda node: key_of[node.call.id]))
    return tuple(run[0] if len(run) == 1 else _folded(*run) for run in runs)


def _folded(first: Node, *others: Node) -> Node:
    """Let a node stand for others, and for all that they stand for."""
    further = (call for node in others for call in (node.call, *node.repeats))
    return replace(first, repeats=(*first.repeats, *further))


_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")  # a whole part of a dotted path


def _likeness(structures: Structures, call: Call) -> Hashable:
    """Return what a call shares with those that are alike, what runs in it aside."""
    result = structures.of(call.result) if call.result else None
    name = (call.kind, _NUMBER.sub("*", call.path), call.type, bool(call.error))
    return (*name, call.macs, structures.of(call.args), result)


class Structures:
    """Numbers for values: the same one where types, names and tensor shapes are the same.

    What a tensor holds makes no difference. A part that several values share is looked at once.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._keys: dict[Hashable, int] = {}
        self._known: dict[int, int] = {}  # by the value's identity: the trace keeps it alive

    def of(self, value: Value) -> int:
        """Return the number of a value of the trace."""
        found = self._known.get(id(value))
        if found is None:
            key = self._key(value)
            found = self._known[id(value)] = self._keys.setdefault(key, len(self._keys))
        return found

    def _key(self, value: Value) -> Hashable:
        if value.tensor is not None:
            summary = self._trace.tensors[value.tensor].summary
            return (value.type, summary.shape, summary.dtype)
        items = tuple((name, self.of(item)) for name, item in value.items)
        return (value.kind, value.type, items, value.elided)


def _rebuild(
    nodes: Iterable[Node], change: Callable[[int, Node, tuple[Node, ...]], Node]
) -> tuple[Node, ...]:
    """Replace each node by ``change(depth, node, its children, already changed)``."""
    nodes = tuple(nodes)
    new: dict[int, Node] = {}
    for level, node in reversed(tuple(walk(nodes))):
        new[id(node)] = change(level, node, tuple(new[id(child)] for child in node.children))
    return tuple(new[id(node)] for node in nodes)


# --- lines ----------------------------------------------------------------------------------------


def lines_of(trace: Trace, call: Call) -> tuple[Line, ...]:
    """Return the lines that ran in a call itself, in order; not those of the calls in it."""
    tick = attrgetter("tick")
    first = bisect_left(trace.lines, call.start, key=tick)
    last = bisect_right(trace.lines, call.end, key=tick)
    return tuple(line for line in trace.lines[first:last] if line.call == call.id)


def lines_by_call(trace: Trace) -> dict[int, list[Line]]:
    """Return, by call id, the lines that ran in each call itself, in order."""
    found: dict[int, list[Line]] = {}
    for line in trace.lines:
        found.setdefault(line.call, []).append(line)
    return found


def locals_at(trace: Trace, call: Call, tick: int) -> dict[str, Value]:
    """Return a call's local names and values as they stood at a tick.

    A line's effect is known once its call's next line or the call's end comes: at the tick of a
    line, and of all that runs in it, the names are those from before the line.
    """
    names = dict(call.args.items)
    lines = lines_of(trace, call)
    known_at = [*(line.tick for line in lines[1:]), call.end]
    for line, known in zip(lines, known_at, strict=False):
        if known > tick:
            break
        names.update(line.changed)
        for name in line.deleted:
            names.pop(name, None)
    return names


# --- data flow ------------------------------------------------------------------------------------


def weights(trace: Trace) -> dict[str, int]:
    """Return the first state of each parameter and buffer by its dotted name; empty if unknown."""
    return {
        f"{path}.{name}".lstrip("."): value.tensor
        for path, module in trace.modules.items()
        for name, value in module.tensors
        if value.tensor is not None
    }


def producer(trace: Trace, state: int) -> Call | None:
    """Return the innermost recorded call that made a tensor state; None if none did."""
    call = trace.tensors[state].producer
    return None if call is None else trace.calls[call]


def producers(trace: Trace, call: Call) -> dict[str, Call | None]:
    """Return where each tensor argument came from, by its path in the arguments."""
    return {
        path: producer(trace, leaf.tensor)
        for path, leaf in call.args.leaves()
        if leaf.tensor is not None
    }


def uses(trace: Trace, state: int) -> tuple[Call, ...]:
    """Return the calls that take a tensor state as an argument, or within one."""
    return tuple(call for call in trace.calls if state in call.args.tensors())


def history(trace: Trace, state: int) -> tuple[int, ...]:
    """Return all states of the same tensor, oldest first: each in-place write begins a new one."""
    states = [state]
    while (before := trace.tensors[states[0]].previous) is not None:
        states.insert(0, before)
    after = {s.previous: s.id for s in trace.tensors if s.previous is not None}
    while states[-1] in after:
        states.append(after[states[-1]])
    return tuple(states)


# --- single calls and sums ------------------------------------------------------------------------


def find_call(trace: Trace, text: str) -> Call:
    """Return the call that a text names, see `Recording.find`; also a stage's first, ``"fpn"``.

    Raises:
        MissingError: there is no such call; says how often the path was called, or what is near.
    """
    path, _, nth = text.partition("#")
    same_path = [c for c in trace.calls if path == (c.path or "(root)")]
    found = next((c for c in same_path if nth in ("", str(c.nth))), None)
    if found is None and text.isdecimal() and int(text) < len(trace.calls):
        return trace.calls[int(text)]
    if found is None and same_path:
        last = max(call.nth for call in same_path)
        raise MissingError(f"{path!r} has calls #0 to #{last}, there is no {text!r}")
    if found is None:
        found = next((trace.calls[s.calls[0]] for s in trace.stages if s.name == text), None)
    if found is None:
        known = {c.path or "(root)" for c in trace.calls} | {s.name for s in trace.stages}
        hint = near(path, known)
        raise MissingError(f"the trace has no call {text!r}{hint}")
    return found


@dataclass(frozen=True, slots=True)
class Totals:
    """What a whole trace adds up to.

    Attributes:
        params, trainable, frozen: parameters of the model.
        macs: multiply-adds of all outermost calls.
        seconds: wall time of the run, recording included.
        calls: how many calls there are of each kind.
        lines, tensors, kept: how many lines, tensor states, and states with full values.
    """

    params: int
    trainable: int
    frozen: int
    macs: int
    seconds: float
    calls: dict[str, int]
    lines: int
    tensors: int
    kept: int


def totals(trace: Trace) -> Totals:
    """Add up a trace."""
    params = sum(module.own_params for module in trace.modules.values())
    trainable = sum(module.own_trainable for module in trace.modules.values())
    return Totals(
        params=params,
        trainable=trainable,
        frozen=params - trainable,
        macs=sum(call.macs for call in roots(trace)),
        seconds=trace.seconds,
        calls=dict(Counter(call.kind for call in trace.calls)),
        lines=len(trace.lines),
        tensors=len(trace.tensors),
        kept=sum(state.kept for state in trace.tensors),
    )
