"""Whether a Trace keeps its promises: what `load` demands of a file and tests of a recording.

`damage` finds what would make a reader stumble (a reference out of range, a cycle, a line outside
its file); `contradictions` finds what a reader could show but what cannot have happened.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice, pairwise
from typing import Any

import numpy as np

from tracer.record.model import Call, Line, Module, Source, TensorState, TensorSummary, Trace, Value

CALL_KINDS = ("module", "function", "op")
VALUE_KINDS = (
    "tensor",
    "scalar",
    "sequence",
    "mapping",
    "object",
    "module",
    "arguments",
    "opaque",
)
SEVERITIES = ("error", "warning")
MAX_DEPTH = 100
"""How deep a value may be nested."""
MAX_MODULE_DEPTH = 300
"""How deep modules may be nested: deeper ones Python cannot call, by four frames for each."""
MAX_NODES = 3_000_000
"""How many nodes all values of a trace, or its module tree, may have when written out."""
MAX_ELIDED = 1_000_000_000
"""How many entries a value may say were left out."""

MAX_VALUES = 2**63 - 1
"""How many values a tensor can have: torch counts them in 64 bits."""

ARRAY_DTYPES: Mapping[str, np.dtype] = {
    name: np.dtype(name)
    for name in (
        *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
} | {"complex32": np.dtype("complex64")}
"""The array dtype that holds the full values of a tensor dtype; float32 holds all others."""

_FINGERPRINT = re.compile(r"([0-9a-f]{16})?")

Spec = tuple[np.dtype, tuple[int, ...]]
Check = Callable[[Trace], Iterator[str]]


def problems(trace: Trace) -> list[str]:
    """Return what breaks the record's promises, a sentence each; empty for a sound trace."""
    return damage(trace) or contradictions(trace)


def damage(trace: Trace) -> list[str]:
    """Return what would make a reader stumble; reads no blob, only its dtype and shape."""
    return _first_found(trace, _DAMAGE)


def contradictions(trace: Trace) -> list[str]:
    """Return what an undamaged trace says in two ways; a reader gets through, and is told."""
    return _first_found(trace, _CONTRADICTIONS)


def specs(blobs: Mapping[str, np.ndarray]) -> Mapping[str, Spec]:
    """Return the dtype and shape of every blob, without reading those that lie on disk."""
    on_disk = getattr(blobs, "specs", None)
    return on_disk or {name: (array.dtype, array.shape) for name, array in blobs.items()}


def _first_found(trace: Trace, checks: tuple[Check, ...], limit: int = 20) -> list[str]:
    """Return what the first check that finds something finds: later ones build on earlier ones."""
    return next((found for c in checks if (found := list(islice(c(trace), limit)))), [])


# --- calls, lines and the clock -------------------------------------------------------------------


def _numbering(trace: Trace) -> Iterator[str]:
    tables: dict[str, tuple[Any, ...]] = {"call": trace.calls, "tensor state": trace.tensors}
    for name, items in tables.items():
        for index, item in enumerate(items):
            if item.id != index:
                yield f"{name} {index} says that its id is {item.id}"
    for call in trace.calls:
        if call.kind not in CALL_KINDS:
            yield f"call {call.id} is of kind {_quoted(call.kind)}"
        if call.parent is not None and not 0 <= call.parent < call.id:
            yield f"call {call.id} has parent {call.parent}, which did not begin before it"
        if call.nth < 0 or call.macs < 0 or call.thread < 0 or not _finite(call.seconds):
            yield f"call {call.id} has an impossible number (nth, macs, seconds or thread)"
    for line in trace.lines:
        if not 0 <= line.call < len(trace.calls):
            yield f"the line at tick {line.tick} belongs to call {line.call}, which does not exist"


def _clock(trace: Trace) -> Iterator[str]:
    starts = (call.start for call in trace.calls)
    ends = (call.end for call in trace.calls)
    ticks = sorted(chain(starts, ends, (line.tick for line in trace.lines)))
    for due, tick in enumerate(ticks):
        if tick != due:
            yield f"tick {tick} stands where tick {due} is due (each is used once, from 0 on)"
            return
    for earlier, later in pairwise(trace.calls):
        if later.start < earlier.start:
            yield f"call {later.id} began before call {earlier.id}"
    for first, second in pairwise(trace.lines):
        if second.tick < first.tick:
            yield f"the line at tick {second.tick} stands after the one at tick {first.tick}"


def _nesting(trace: Trace) -> Iterator[str]:
    """Replay the clock: each thread is a stack, and lines belong to its innermost open call."""
    events: list[Any] = [None] * (2 * len(trace.calls) + len(trace.lines))
    for call in trace.calls:
        events[call.start], events[call.end] = (call, True), (call, False)
    for line in trace.lines:
        events[line.tick] = line
    stacks: dict[int, list[int]] = {}
    for event in events:
        if isinstance(event, Line):
            stack = stacks.get(trace.calls[event.call].thread, [])
            if not stack or stack[-1] != event.call:
                yield f"the line at tick {event.tick} does not run in call {event.call} itself"
            continue
        call, begins = event
        stack = stacks.setdefault(call.thread, [])
        if begins:
            yield from _begin(trace, call, stack)
            stack.append(call.id)
        elif not stack or stack.pop() != call.id:
            yield f"call {call.id} ends while a call that began in it goes on"
            return


def _begin(trace: Trace, call: Call, stack: list[int]) -> Iterator[str]:
    """Check the parent of a call that begins while the calls in `stack` run in its thread."""
    if stack and call.parent != stack[-1]:
        yield f"call {call.id} has parent {call.parent} but begins in call {stack[-1]}"
    if call.parent is not None and not call.start < call.end < trace.calls[call.parent].end:
        yield f"call {call.id} does not lie within its parent {call.parent}"


def _sources(trace: Trace) -> Iterator[str]:
    ends = {name: file.text.count("\n") + 1 for name, file in trace.sources.items()}
    for name, file in trace.sources.items():
        if file.file != name:
            yield f"source {_quoted(name)} says that it is {_quoted(file.file)}"
    for where, source in _places(trace):
        if source is not None and not 1 <= source.line <= ends.get(source.file, 0):
            yield f"{where} lies at line {source.line} of {_quoted(source.file)}: not there"
    for line in trace.lines:
        source = trace.calls[line.call].source
        if source is None:
            yield f"call {line.call} has lines but no source"
        elif not 1 <= line.line <= ends.get(source.file, 0):
            yield f"the line at tick {line.tick} is number {line.line}, which its file has not"


def _places(trace: Trace) -> Iterator[tuple[str, Source | None]]:
    for call in trace.calls:
        yield f"call {call.id}", call.source
        yield f"the caller of call {call.id}", call.called_from
    for module in trace.modules.values():
        yield f"the making of module {_quoted(module.path)}", module.built_at
    yield "the error", trace.error.source if trace.error else None


def _stages(trace: Trace) -> Iterator[str]:
    known: set[str] = set()
    last = -1
    for stage in trace.stages:
        name = _quoted(stage.name)
        if not stage.name or stage.name in known:
            yield f"stage {name} has no name or one that is taken"
        known.add(stage.name)
        if not stage.calls or list(stage.calls) != sorted(set(stage.calls)):
            yield f"stage {name} has no calls, or not in their order"
        elif stage.calls[0] < 0 or stage.calls[-1] >= len(trace.calls):
            yield f"stage {name} holds a call that does not exist"
        elif stage.calls[0] < last:
            yield f"stage {name} stands after one that began later"
        else:
            last = stage.calls[0]
    for call in trace.calls:
        if call.stage and call.stage not in known:
            yield f"call {call.id} belongs to stage {_quoted(call.stage)}, which does not exist"
    failed = trace.error.call if trace.error else None
    if failed is not None and not 0 <= failed < len(trace.calls):
        yield f"the error lies in call {failed}, which does not exist"


def _findings(trace: Trace) -> Iterator[str]:
    cause = (trace.error.cause,) if trace.error and trace.error.cause else ()
    for finding in (*trace.findings, *cause):
        if finding.severity not in SEVERITIES:
            yield f"a finding of severity {_quoted(finding.severity)}, which does not exist"


# --- tensor states and values ---------------------------------------------------------------------


def _tensors(trace: Trace) -> Iterator[str]:
    for state in trace.tensors:
        for name in ("producer", "overwritten_by"):
            call = getattr(state, name)
            if call is not None and not 0 <= call < len(trace.calls):
                yield f"tensor state {state.id} names call {call} as {name}, which does not exist"
        if state.previous is not None and not 0 <= state.previous < state.id:
            yield f"tensor state {state.id} follows state {state.previous}, which is not earlier"
        if state.base is not None and not 0 <= state.base < len(trace.tensors):
            yield f"tensor state {state.id} is a view of state {state.base}, which does not exist"
        yield from (f"tensor state {state.id}: {p}" for p in _summary(state.summary))
        if not _FINGERPRINT.fullmatch(state.fingerprint):
            yield f"tensor state {state.id} has the fingerprint {_quoted(state.fingerprint)}"
        if state.preview:
            yield from (f"tensor state {state.id}: {p}" for p in _preview(state))
    for parameter in trace.parameters:
        if not _FINGERPRINT.fullmatch(parameter.fingerprint):
            yield f"parameter {_quoted(parameter.name)} has another fingerprint than 16 digits"
        for problem in _shape(parameter.shape):
            yield f"parameter {_quoted(parameter.name)}: {problem}"
        for problem in _summary(parameter.gradient) if parameter.gradient else ():
            yield f"the gradient of {_quoted(parameter.name)}: {problem}"


def _summary(summary: TensorSummary) -> Iterator[str]:
    yield from _shape(summary.shape)
    for name in ("min", "max", "mean", "std", "zeros", "nan", "inf"):
        value = getattr(summary, name)
        if value is not None and not _finite(value):
            yield f"{name} is {value}"
    if any(count < 0 for count in summary.histogram):
        yield "the histogram has a negative count"


def _shape(shape: tuple[int, ...]) -> Iterator[str]:
    if any(size < 0 for size in shape):
        yield "its shape has a negative size"
        return
    values = 1
    for size in shape:
        values *= max(size, 1)
        if values > MAX_VALUES:
            yield "its shape has more values than a tensor can have"
            return


def _preview(state: TensorState) -> Iterator[str]:
    preview = state.preview
    if preview is None:
        return
    if not preview.channels or len(preview.channels) != len(preview.ranges):
        yield "the preview's channels and ranges do not match"
    if preview.stride < 1 or preview.image < -1 or any(c < -1 for c in preview.channels):
        yield "the preview has an impossible stride, image or channel"
    if not all(_finite(bound) for bounds in preview.ranges for bound in bounds):
        yield "the preview has a range that is not finite"


def _views(trace: Trace) -> Iterator[str]:
    """Follow `base` from every state: it must come to an end."""
    settled: set[int] = set()
    for state in trace.tensors:
        chain_: list[int] = []
        at: int | None = state.id
        while at is not None and at not in settled:
            settled.add(at)
            chain_.append(at)
            at = trace.tensors[at].base
        if at is not None and at in chain_:
            yield f"tensor state {at} is a view of itself, through others"


def _values(trace: Trace) -> Iterator[str]:
    sizes: dict[int, tuple[int, int]] = {}
    total = 0
    for where, value in values(trace):
        try:
            nodes, depth = _measure(value, sizes, trace)
        except ValueError as error:
            yield f"a value of {where}: {error}"
            return
        total += nodes
        if depth > MAX_DEPTH or total > MAX_NODES:
            yield f"a value of {where} is nested too deep or makes the trace too large"
            return
    for call in trace.calls:
        if call.args.kind != "arguments":
            yield f"the arguments of call {call.id} are of kind {_quoted(call.args.kind)}"


def values(trace: Trace) -> Iterator[tuple[str, Value]]:
    """Yield every value that stands in the record by itself, and whose it is."""
    for call in trace.calls:
        yield f"call {call.id}", call.args
        if call.result is not None:
            yield f"call {call.id}", call.result
    for line in trace.lines:
        for _, value in line.changed:
            yield f"the line at tick {line.tick}", value
    for path, module in trace.modules.items():
        for _, value in module.tensors:
            yield f"module {_quoted(path)}", value


def _measure(root: Value, sizes: dict[int, tuple[int, int]], trace: Trace) -> tuple[int, int]:
    """Return (nodes, depth) of a value; `sizes` remembers them by the object's id.

    Values may share parts: written out, a small file could be larger than any memory.

    Raises:
        ValueError: a part of it cannot be.
    """
    open_ = [root]
    while open_:
        value = open_[-1]
        if id(value) in sizes:
            open_.pop()
            continue
        inner = [item for _, item in value.items if id(item) not in sizes]
        if inner:
            open_ += inner
            continue
        _check_value(value, trace)
        parts = [sizes[id(item)] for _, item in value.items]
        nodes = 1 + sum(nodes for nodes, _ in parts)
        sizes[id(value)] = nodes, 1 + max((depth for _, depth in parts), default=0)
        open_.pop()
    return sizes[id(root)]


def _check_value(value: Value, trace: Trace) -> None:
    if value.kind not in VALUE_KINDS:
        raise ValueError(f"its kind is {_quoted(value.kind)}")
    if (value.kind == "tensor") != (value.tensor is not None):
        raise ValueError("a tensor without a state, or a state without a tensor")
    if value.tensor is not None and not 0 <= value.tensor < len(trace.tensors):
        raise ValueError(f"it refers to tensor state {value.tensor}, which does not exist")
    if not 0 <= value.elided <= MAX_ELIDED or (
        value.params and not value.params[0] >= value.params[1] >= 0
    ):
        raise ValueError("it has an impossible count")


# --- modules and blobs ----------------------------------------------------------------------------


def _modules(trace: Trace) -> Iterator[str]:
    for path, module in trace.modules.items():
        if module.path != path:
            yield f"module {_quoted(path)} says that it is {_quoted(module.path)}"
        if not module.params >= module.trainable >= 0 <= module.own_trainable <= module.own_params:
            yield f"module {_quoted(path)} has impossible parameter counts"
        for _, child in module.children:
            if child not in trace.modules:
                yield f"module {_quoted(path)} has a child {_quoted(child)} that does not exist"


def _module_tree(trace: Trace) -> Iterator[str]:
    """Write the tree out, level by level: it must come to an end, and soon."""
    level: Counter[str] = Counter(list(trace.modules))
    total = 0
    for _ in range(MAX_MODULE_DEPTH):
        below: Counter[str] = Counter()
        for path, times in level.items():
            for _, child in trace.modules[path].children:
                below[child] += times
        total += below.total()
        if not below or total > MAX_NODES:
            break
        level = below
    if below or total > MAX_NODES:
        yield "the modules contain each other, or their tree is too large or too deep"


def _blobs(trace: Trace) -> Iterator[str]:
    found = specs(trace.blobs)
    due = {f"preview/{s.id}": s for s in trace.tensors if s.preview}
    due |= {f"data/{s.id}": s for s in trace.tensors if s.kept}
    for name in sorted(set(found) ^ set(due)):
        yield f"{_quoted(name)} is {'missing' if name in due else 'not part of the trace'}"
    for name in sorted(set(found) & set(due)):
        dtype, shape = found[name]
        if not _fits(name, dtype, tuple(shape), due[name]):
            yield f"{_quoted(name)} does not fit its tensor state: {dtype} {list(shape)}"


def _fits(name: str, dtype: np.dtype, shape: tuple[int, ...], state: TensorState) -> bool:
    if name.startswith("preview/"):
        planes = len(state.preview.channels) if state.preview else 0
        return dtype == np.uint8 and len(shape) == 3 and shape[0] == planes
    wanted = ARRAY_DTYPES.get(state.summary.dtype, np.dtype(np.float32))
    return dtype == wanted and shape == state.summary.shape


# --- what cannot have happened --------------------------------------------------------------------


def _counting(trace: Trace) -> Iterator[str]:
    seen: Counter[tuple[str, str]] = Counter()
    macs = Counter({call.id: 0 for call in trace.calls})
    for call in trace.calls:
        due = seen[call.kind, call.path]
        if call.nth != due:
            yield f"call {call.id} ({_quoted(call.label)}) should have nth {due}"
        seen[call.kind, call.path] += 1
        if call.parent is not None:
            macs[call.parent] += call.macs
    for call in trace.calls:
        if call.macs < macs[call.id]:
            yield f"call {call.id} has {call.macs} multiply-adds, the calls in it {macs[call.id]}"


def _staging(trace: Trace) -> Iterator[str]:
    """A stage's calls are its outermost ones; what runs in a staged call is in a stage too."""
    around: list[frozenset[str]] = []
    outermost: dict[str, list[int]] = {}
    for call in trace.calls:
        above: frozenset[str] = around[call.parent] if call.parent is not None else frozenset()
        if above and not call.stage:
            yield f"call {call.id} runs in a stage but belongs to none"
        if call.stage and call.stage not in above:
            outermost.setdefault(call.stage, []).append(call.id)
            above |= {call.stage}
        around.append(above)
    for stage in trace.stages:
        if list(stage.calls) != outermost.get(stage.name, []):
            yield f"stage {_quoted(stage.name)} lists other calls than its outermost ones"


def _flow(trace: Trace) -> Iterator[str]:
    """Nothing is used before it was made, nor after it was overwritten."""
    for call in trace.calls:
        for state in map(trace.tensors.__getitem__, call.args.tensors()):
            if state.producer is not None and trace.calls[state.producer].start >= call.start:
                yield f"call {call.id} takes tensor state {state.id}, which was made later"
            writer = state.overwritten_by
            if writer is not None and trace.calls[writer].end <= call.start:
                yield f"call {call.id} takes tensor state {state.id}, which was already overwritten"
        for state in map(trace.tensors.__getitem__, call.result.tensors() if call.result else ()):
            if state.producer is not None and trace.calls[state.producer].start >= call.end:
                yield f"call {call.id} returns tensor state {state.id}, which was made later"


def _overwriting(trace: Trace) -> Iterator[str]:
    followed: set[int] = set()
    for state in trace.tensors:
        if state.previous is None:
            continue
        before = trace.tensors[state.previous]
        if not _ended_by_then(trace, before.overwritten_by, state.producer):
            yield f"tensor state {before.id} had not ended when state {state.id} followed it"
        if before.id in followed:
            yield f"tensor state {before.id} is overwritten twice"
        followed.add(before.id)


def _ended_by_then(trace: Trace, writer: int | None, producer: int | None) -> bool:
    """Whether the write that ended a state came no later than the one that made the next."""
    if producer is None:  # the last write was outside the recorded calls
        return True
    return writer is not None and trace.calls[writer].start <= trace.calls[producer].start


def _statistics(trace: Trace) -> Iterator[str]:
    for state in trace.tensors:
        s = state.summary
        if s.min is not None and s.max is not None and s.min > s.max:
            yield f"tensor state {state.id} has min {s.min} above max {s.max}"
        if s.zeros is not None and not 0 <= s.zeros <= 1:
            yield f"tensor state {state.id} has {s.zeros} as its share of zeros"
        if (s.nan or 0) + (s.inf or 0) > s.numel or sum(s.histogram) > s.numel:
            yield f"tensor state {state.id} counts more values than it has"
        if s.std is not None and s.std < 0:
            yield f"tensor state {state.id} has a negative std"


def _totals(trace: Trace) -> Iterator[str]:
    for name in ("params", "trainable"):
        own = sum(getattr(module, f"own_{name}") for module in trace.modules.values())
        root: Module | None = trace.modules.get("")
        if root is not None and own != getattr(root, name):
            yield f"the modules' own {name} add up to {own}, the root has {getattr(root, name)}"
    for call in trace.calls:
        if call.error and call.result is not None:
            yield f"call {call.id} raised and returned"
        if call.parent is not None and trace.calls[call.parent].thread != call.thread:
            yield f"call {call.id} runs in another thread than its parent"
    if trace.error and trace.error.call is not None and not trace.calls[trace.error.call].error:
        yield f"the run's error lies in call {trace.error.call}, which did not raise"


# --- helpers --------------------------------------------------------------------------------------


def _finite(number: float) -> bool:
    return isinstance(number, int) or math.isfinite(number)


def _quoted(text: str, limit: int = 60) -> str:
    """Return untrusted text as a short, printable literal."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


_DAMAGE: tuple[Check, ...] = (
    *(_numbering, _clock, _nesting, _sources, _stages, _findings),
    *(_tensors, _views, _values, _modules, _module_tree, _blobs),
)
_CONTRADICTIONS: tuple[Check, ...] = (
    *(_counting, _staging, _flow, _overwriting, _statistics, _totals),
)
