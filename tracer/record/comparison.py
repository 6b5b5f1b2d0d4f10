"""Two recordings compared: which calls differ, in what, and where the two begin to part.

`compare` matches the calls (`alignment.py`), compares what each took and gave, and finds the
*divergence*: the first call, in order of execution, that was given the same and gave something
else. What comes after it merely follows. With recorded lines, `Comparison.branch` is the first
place where control went another way, and the names that made it so.

Two tensors are compared by what both recordings have of them, the surest first: fingerprints that
agree, full values, fingerprints that do not, statistics; every difference says by which.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import numpy as np

from tracer.errors import InputError
from tracer.record.alignment import Match, align
from tracer.record.model import Call, Line, Module, TensorState, Trace, Value
from tracer.record.query import lines_by_call, locals_at

STATUSES = ("same", "settings", "origin", "follows", "inputs", "first", "second")
"""What a pair of calls can be, see `Pair.status`."""
STATISTICS = ("min", "max", "mean", "std")
LEAST = 2.0**-52
"""The change of values whose bits differ where nothing else that is known of them does."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two matched calls do not have in common.

    Attributes:
        name: of the argument or part of the result, ``"boxes.0"``; ``""`` for a result itself.
        kind: ``"values"``, ``"shape"``, ``"dtype"``, ``"scalar"`` (a number or text), ``"type"``,
            ``"missing"`` (one side has no such thing) or ``"error"`` (how the call ended).
        by: what the values were compared by: ``"data"``, ``"fingerprint"``, ``"statistics"`` or
            ``""``.
        change: of values, how far apart: by data the largest difference of two values, else that
            of minimum, maximum, mean and standard deviation; both in standard deviations of the
            first recording's tensor. Infinite where that cannot be said; `LEAST` where only the
            bits tell that they differ.
        first, second: what each has; None where it has nothing.
        parameter: whether it is a parameter or buffer of the model, not something that a call made.
    """

    name: str
    kind: str
    by: str = ""
    change: float = math.inf
    first: Value | None = None
    second: Value | None = None
    parameter: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """An attribute in which two matched modules differ.

    Attributes:
        name: ``"training"``, ``"type"``, ``"own_params"`` and ``"own_trainable"`` (how many
            parameters it owns), or what the module calls it.
        first, second: as text.
        values: whether it is a parameter, told by the fingerprints of its values.
    """

    name: str
    first: str
    second: str
    values: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A call and its counterpart.

    Attributes:
        first, second: the call in each recording; None where it has no counterpart.
        moved: whether the two run within different calls.
        parent: index of the pair around it in `Comparison.pairs`; None for the outermost.
        inputs: how the arguments differ.
        results: how the results differ.
        settings: how the modules' attributes differ.
    """

    first: Call | None
    second: Call | None
    moved: bool = False
    parent: int | None = None
    inputs: tuple[Difference, ...] = ()
    results: tuple[Difference, ...] = ()
    settings: tuple[Setting, ...] = ()

    @property
    def call(self) -> Call:
        """The call, of the first recording where that has it."""
        found = self.first or self.second
        assert found is not None
        return found

    @property
    def status(self) -> str:
        """What can be said of the pair in a word.

        ``"first"`` or ``"second"``: only that recording has the call. ``"same"``; ``"settings"``:
        nothing but attributes, parameters or plain arguments differ. ``"origin"``: given the same
        tensors it gave something else. ``"follows"``: it was given something else, and gave it.
        ``"inputs"``: it was given something else, and gave the same.
        """
        if self.first is None or self.second is None:
            return "second" if self.first is None else "first"
        given = self.given_same
        if self.results:
            return "origin" if given else "follows"
        if not given:
            return "inputs"
        return "settings" if self.settings or self.inputs else "same"

    @property
    def given_same(self) -> bool:
        """Whether every tensor that it took is the same in both, the model's own aside."""
        return not any(d.kind not in ("scalar", "type") and not d.parameter for d in self.inputs)

    @property
    def change(self) -> float:
        """The largest change of a result's values; 0 if none differ, infinite if not comparable."""
        return max((difference.change for difference in self.results), default=0.0)


@dataclass(frozen=True, slots=True)
class Branch:
    """Where control went another way in the same code.

    Attributes:
        pair: index of the pair in whose lines.
        at: the line after which they part, 1-based, in each recording; None at the call's start.
        text: of that line in the first recording.
        first, second: the line that each went to; None where the call ended.
        names: the local names that differed there.
    """

    pair: int
    at: tuple[int, int] | None
    text: str
    first: int | None
    second: int | None
    names: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """What two recordings have in common and what not.

    Attributes:
        first, second: the recordings.
        tolerance: up to which change values count as the same.
        pairs: every call of both, once, in order of execution.
        divergence: index of the first pair that was given the same and gave something else, the
            innermost such call; None if there is none. Where the two were not given the same to
            begin with, the first that was given the same nevertheless.
        branch: where control parted first, if lines of both were recorded.
        environment: what the recordings' environments do not share: name, first, second.
        parameters: names of parameters that are in one model only, or of another shape, dtype or
            freezing, or by their fingerprints of other values.
        evidence: how many tensor states were compared by data, by fingerprint, by statistics, and
            by shape alone.
    """

    first: Trace = field(repr=False)
    second: Trace = field(repr=False)
    tolerance: float
    pairs: tuple[Pair, ...] = field(repr=False)
    divergence: int | None
    branch: Branch | None
    environment: tuple[Setting, ...]
    parameters: tuple[str, ...]
    evidence: dict[str, int]

    @property
    def same(self) -> bool:
        """Whether no call differs, in whatever."""
        return not self.parameters and all(pair.status == "same" for pair in self.pairs)

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs there are of each status; see `Pair.status`."""
        found = dict.fromkeys(STATUSES, 0)
        for pair in self.pairs:
            found[pair.status] += 1
        return found

    @property
    def verdict(self) -> str:
        """``"same"``, ``"settings"``, ``"inputs"``, ``"origin"`` or ``"structure"``.

        ``"inputs"``: the two were not given the same to begin with. ``"structure"``: results agree
        wherever a call is in both, but calls are in one only.
        """
        if self.divergence is not None:
            outermost = self.pairs[self.divergence]
            while outermost.parent is not None:
                outermost = self.pairs[outermost.parent]
            return "inputs" if outermost.status == "follows" else "origin"
        counts = self.counts
        if counts["follows"] or counts["inputs"]:
            return "inputs"
        if counts["first"] or counts["second"]:
            return "structure"
        return "settings" if counts["settings"] or self.parameters else "same"


def compare(first: Trace, second: Trace, *, tolerance: float = 0.0) -> Comparison:
    """Compare two recordings call by call; see `tracer.compare`."""
    if first.kind != second.kind:
        raise InputError(
            f"a {first.kind} cannot be compared with a {second.kind}: compare two of a kind"
        )
    if not (tolerance >= 0 and math.isfinite(tolerance)):
        raise InputError(f"tolerance must be a number from 0 on, not {tolerance!r}")
    values = _Values(first, second, tolerance)
    pairs = tuple(_pairs(values, align(first, second)))
    return Comparison(
        first, second, tolerance, pairs, _divergence(pairs), _branch(values, pairs),
        tuple(_environment(first, second)), tuple(values.parameters()),
        dict(values.evidence),
    )  # fmt: skip


def _pairs(values: _Values, matches: Sequence[Match]) -> Iterator[Pair]:
    index: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for place, match in enumerate(matches):
        calls = match.first, match.second
        around = [
            known.get(call.parent)
            for call, known in zip(calls, index, strict=True)
            if call is not None and call.parent is not None
        ]
        for call, known in zip(calls, index, strict=True):
            if call is not None:
                known[call.id] = place
        parent = around[0] if around else None
        if match.first is None or match.second is None:
            yield Pair(*calls, parent=parent)
            continue
        a, b = match.first, match.second
        yield Pair(
            a, b, match.moved, parent,
            tuple(values.differences(a.args, b.args)),
            tuple(values.results(a, b)),
            tuple(_settings(values, a, b)),
        )  # fmt: skip


# --- values ---------------------------------------------------------------------------------------


class _Values:
    """Compares values of two recordings, each two tensor states once."""

    def __init__(self, first: Trace, second: Trace, tolerance: float) -> None:
        self.traces = first, second
        self.evidence = {"data": 0, "fingerprint": 0, "statistics": 0, "shape": 0}
        self._prints = tuple(
            # How far parameters are apart is not known: within a tolerance they may be.
            {p.name: p.fingerprint for p in trace.parameters if not tolerance}
            for trace in self.traces
        )
        self._owned = tuple(map(_by_owner, self._prints))
        self._tolerance = tolerance
        self._known: dict[tuple[int, int], tuple[str, str, float]] = {}

    def owned(self, first: str, second: str) -> tuple[dict[str, str], ...]:
        """Return the fingerprints of a module's own parameters in each, by their names in it."""
        return tuple(o.get(path, {}) for o, path in zip(self._owned, (first, second), strict=True))

    def parameters(self) -> Iterator[str]:
        """Yield the names of parameters that are not the same in both models."""
        kinds = [
            {p.name: (p.shape, p.dtype, p.trainable) for p in trace.parameters}
            for trace in self.traces
        ]
        prints = self._prints
        for name in dict.fromkeys((*kinds[0], *kinds[1])):
            both = [known.get(name, "") for known in prints]
            if kinds[0].get(name) != kinds[1].get(name) or (all(both) and both[0] != both[1]):
                yield name

    def results(self, first: Call, second: Call) -> Iterator[Difference]:
        """Yield how two calls ended differently."""
        if first.error != second.error:
            ends = [Value("scalar", "str", scalar=call.error) for call in (first, second)]
            yield Difference("", "error", first=ends[0], second=ends[1])
        elif first.result is not None and second.result is not None:
            yield from self.differences(first.result, second.result)

    def differences(self, first: Value, second: Value) -> Iterator[Difference]:
        """Yield in what two values differ, leaf by leaf."""
        mine, other = dict(_leaves(first)), dict(_leaves(second))
        if first.kind == "arguments":
            other = _renamed(mine, other)
        for name in [*mine, *(name for name in other if name not in mine)]:
            a, b = mine.get(name), other.get(name)
            if a is None or b is None:
                yield Difference(name, "missing", first=a, second=b)
            elif (found := self._leaf(a, b)) is not None:
                kind, by, change = found
                own = a.tensor is not None and bool(self.traces[0].tensors[a.tensor].name)
                yield Difference(name, kind, by, change, a, b, own)

    def _leaf(self, a: Value, b: Value) -> tuple[str, str, float] | None:
        if a.tensor is not None and b.tensor is not None:
            found = self._tensors(a.tensor, b.tensor)
            return found if found[0] else None
        if a.kind == b.kind == "scalar":
            return None if _same_scalar(a.scalar, b.scalar, self._tolerance) else _SCALAR
        if a.kind == b.kind == "module":
            # Its class and its settings are told with the module's own calls.
            return None if a.params == b.params else _SCALAR
        if (a.kind, a.type, a.elided) != (b.kind, b.type, b.elided):
            return "type", "", math.inf
        return None

    def _tensors(self, a: int, b: int) -> tuple[str, str, float]:
        if (a, b) not in self._known:
            found = self._compared(self.traces[0].tensors[a], self.traces[1].tensors[b])
            self._known[a, b] = found
            self.evidence[found[1] or "shape"] += 1
        return self._known[a, b]

    def _compared(self, a: TensorState, b: TensorState) -> tuple[str, str, float]:
        """Return how two tensors differ (``""`` if not), by what that is known, and how far."""
        if a.summary.shape != b.summary.shape:
            return "shape", "", math.inf
        by, change = self._change(a, b)
        if change <= self._tolerance and (self._tolerance or a.summary.dtype == b.summary.dtype):
            return "", by, change
        return ("values" if a.summary.dtype == b.summary.dtype else "dtype"), by, change

    def _change(self, a: TensorState, b: TensorState) -> tuple[str, float]:
        prints = self._fingerprints(a, b)
        if prints and prints[0] == prints[1]:
            return "fingerprint", 0.0
        by_statistics = _statistics_change(a, b)
        if a.kept and b.kept and (by_statistics is None or math.isfinite(by_statistics)):
            arrays = [
                trace.blobs.get(f"data/{state.id}")
                for trace, state in zip(self.traces, (a, b), strict=True)
            ]
            if arrays[0] is not None and arrays[1] is not None:
                by_data = distance(arrays[0], arrays[1], a.summary.std)
                return ("data", by_data) if by_data or not prints else ("fingerprint", LEAST)
        if prints and not (a.name and self._tolerance):
            unknown = by_statistics is None or a.name
            return "fingerprint", math.inf if unknown else max(by_statistics or 0.0, LEAST)
        if by_statistics is None:
            return "", 0.0
        return "statistics", by_statistics

    def _fingerprints(self, a: TensorState, b: TensorState) -> tuple[str, ...] | None:
        """Return both fingerprints, if both were taken; a model's parameters have their own."""
        if a.summary.dtype != b.summary.dtype:
            return None
        prints = tuple(
            state.fingerprint or known.get(state.name, "")
            for state, known in zip((a, b), self._prints, strict=True)
        )
        return prints if all(prints) else None


def _by_owner(prints: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Group the fingerprints of parameters by the path of the module that owns them."""
    found: dict[str, dict[str, str]] = {}
    for name, print_ in prints.items():
        if print_:
            path, _, own = name.rpartition(".")
            found.setdefault(path, {})[own] = print_
    return found


_SCALAR = ("scalar", "", math.inf)


def _leaves(value: Value) -> Iterator[tuple[str, Value]]:
    """Yield a value's leaves, and what a module that a call built is set to."""
    yield from value.leaves()
    if value.kind == "module":
        yield from ((name, item) for name, item in value.items if item.kind == "scalar")


def _renamed(mine: dict[str, Value], other: dict[str, Value]) -> dict[str, Value]:
    """Give arguments that one callee names otherwise the other's names, in order."""
    alone = [name for name in mine if name not in other]
    theirs = [name for name in other if name not in mine]
    names = dict(zip(theirs, alone, strict=True)) if len(alone) == len(theirs) else {}
    return {names.get(name, name): value for name, value in other.items()}


def _same_scalar(a: Any, b: Any, tolerance: float) -> bool:
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b))
    if numbers and tolerance and math.isfinite(a) and math.isfinite(b):
        return bool(abs(a - b) <= tolerance * max(abs(a), 1e-12))
    return bool((type(a) is type(b) and a == b) or (a != a and b != b))


def _statistics_change(a: TensorState, b: TensorState) -> float | None:
    """Return the largest difference of the statistics; None where neither side has any."""
    one, two = a.summary, b.summary
    if (one.nan, one.inf) != (two.nan, two.inf):
        return math.inf
    pairs = [(getattr(one, name), getattr(two, name)) for name in STATISTICS]
    if any((x is None) != (y is None) for x, y in pairs):
        # Only one recording looked at it, or it has no finite values in one: counts say which.
        return math.inf if one.nan is not None and two.nan is not None else None
    found = [abs(x - y) / _unit(one.std) for x, y in pairs if x is not None]
    if not found and one.nan is None:
        return None
    if one.zeros is not None and two.zeros is not None:
        found.append(abs(one.zeros - two.zeros))
    largest = max(found, default=0.0)
    if largest == 0 and one.histogram != two.histogram:
        return 1 / 2048  # the sums agree, the spread does not: one sampled value at least
    return largest


def _unit(std: float | None) -> float:
    return std if std and math.isfinite(std) else 1.0


def distance(a: np.ndarray, b: np.ndarray, std: float | None) -> float:
    """Return the largest difference of two values, in standard deviations.

    Args:
        a: values.
        b: as many, of the same shape.
        std: of the first; without one, or of 0, the difference itself is meant.

    Returns:
        Infinity where one is NaN or infinite and the other is not the same.
    """
    if a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
        return 0.0
    kind = complex if "c" in (a.dtype.kind, b.dtype.kind) else float
    x, y = a.astype(kind), b.astype(kind)
    finite = np.isfinite(x) & np.isfinite(y)
    odd = ~finite & ~((x == y) | (np.isnan(x) & np.isnan(y)))
    if odd.any():
        return math.inf
    return float(np.abs(x[finite] - y[finite]).max(initial=0.0)) / _unit(std)


# --- modules, parameters, environments ------------------------------------------------------------


def _settings(values: _Values, a: Call, b: Call) -> Iterator[Setting]:
    if a.type != b.type:
        yield Setting("type", a.type, b.type)
    if a.kind != "module":
        return
    modules = [trace.modules.get(c.path) for trace, c in zip(values.traces, (a, b), strict=True)]
    if modules[0] is not None and modules[1] is not None:
        yield from _module_settings(modules[0], modules[1])
        yield from _weights(values, modules[0], modules[1])


def _module_settings(a: Module, b: Module) -> Iterator[Setting]:
    mine, other = dict(a.settings), dict(b.settings)
    for name in [*mine, *(name for name in other if name not in mine)]:
        if mine.get(name) != other.get(name):
            yield Setting(name, mine.get(name, "–"), other.get(name, "–"))
    if a.extra != b.extra and mine == other:
        yield Setting("repr", a.extra, b.extra)
    for name in ("training", "own_params", "own_trainable"):
        if getattr(a, name) != getattr(b, name):
            yield Setting(name, str(getattr(a, name)), str(getattr(b, name)))


def _weights(values: _Values, a: Module, b: Module) -> Iterator[Setting]:
    """Yield the parameters that two modules own, by their fingerprints of other values."""
    mine, other = values.owned(a.path, b.path)
    for name in mine:
        if name in other and mine[name] != other[name]:
            yield Setting(name, mine[name], other[name], values=True)


def _environment(first: Trace, second: Trace) -> Iterator[Setting]:
    mine, other = first.environment, second.environment
    for name in dict.fromkeys((*mine, *other)):
        if name != "title" and mine.get(name) != other.get(name):
            yield Setting(name, mine.get(name, "–"), other.get(name, "–"))


# --- where they part ------------------------------------------------------------------------------


def _divergence(pairs: Sequence[Pair]) -> int | None:
    """Find the innermost call that first gave something else although it was given the same."""
    within: dict[int | None, list[int]] = {}
    parted = {index for index, pair in enumerate(pairs) if pair.status in ("origin", "follows")}
    for index in reversed(range(len(pairs))):
        within.setdefault(pairs[index].parent, []).append(index)
        if index in parted and (around := pairs[index].parent) is not None:
            parted.add(around)
    found = _innermost(pairs, within, parted, None)
    if found is not None:
        return found
    again = next((index for index, pair in enumerate(pairs) if _parts_by_itself(pair)), None)
    return None if again is None else _innermost(pairs, within, parted, again)


def _innermost(
    pairs: Sequence[Pair], within: Mapping[int | None, list[int]], parted: set[int],
    found: int | None,
) -> int | None:  # fmt: skip
    """Follow the first call that parts within the one before, as long as it was given the same."""
    while True:
        first = next((i for i in reversed(within.get(found, ())) if i in parted), None)
        # Given something else by the code around it: the cause is in that code.
        if first is None or pairs[first].status == "follows":
            return found
        found = first


def _parts_by_itself(pair: Pair) -> bool:
    """Whether a call was given the same and gave something else, not just for another number.

    What takes no tensor computes with sizes, and they follow from what the code around was given.
    """
    if pair.status != "origin" or pair.first is None:
        return False
    return not pair.inputs or any(True for _ in pair.first.args.tensors())


def _branch(values: _Values, pairs: Sequence[Pair]) -> Branch | None:
    lines = [lines_by_call(trace) for trace in values.traces]
    if not all(lines):
        return None
    found: tuple[int, int, int] | None = None  # tick in the first, pair, place in its lines
    for index, pair in enumerate(pairs):
        if pair.first is None or pair.second is None:
            continue
        mine, other = lines[0].get(pair.first.id, []), lines[1].get(pair.second.id, [])
        place = _parting(values, pair, mine, other)
        if place is not None:
            tick = mine[place].tick if place < len(mine) else pair.first.end
            found = min(found or (tick, index, place), (tick, index, place))
    if found is None:
        return None
    _, index, place = found
    return _told(values, pairs[index], index, place, lines)


def _parting(
    values: _Values, pair: Pair, mine: Sequence[Line], other: Sequence[Line]
) -> int | None:
    """Return from which place on two calls' lines are others; None if never, or not the same code.

    Lines are compared by their text, so that the same function elsewhere in its file is the same.
    """
    if not mine or not other:
        return None
    texts = [
        [line_text(trace, call, line.line) for line in lines]
        for trace, call, lines in zip(values.traces, _both(pair), (mine, other), strict=True)
    ]
    if texts[0][0] != texts[1][0]:
        return None
    for place, (a, b) in enumerate(zip_longest(*texts)):
        if a != b:
            return place
    return None


def _both(pair: Pair) -> tuple[Call, Call]:
    assert pair.first is not None
    assert pair.second is not None
    return pair.first, pair.second


def line_text(trace: Trace, call: Call, line: int) -> str:
    """Return a line of a call's source file without its indentation; its number if unknown."""
    source = trace.sources.get(call.source.file) if call.source else None
    lines = _split(source.text) if source else ()
    return lines[line - 1].strip() if line <= len(lines) else str(line)


@lru_cache(maxsize=16)
def _split(text: str) -> list[str]:
    return text.splitlines()


def _told(
    values: _Values, pair: Pair, index: int, place: int, lines: Sequence[dict[int, list[Line]]]
) -> Branch:
    calls = _both(pair)
    ran = lines[0][calls[0].id], lines[1][calls[1].id]
    next_ = [of[place].line if place < len(of) else None for of in ran]
    at = (ran[0][place - 1].line, ran[1][place - 1].line) if place else None
    names = []
    for trace, call, of in zip(values.traces, calls, ran, strict=True):
        tick = of[place].tick if place < len(of) else call.end
        names.append(Value("arguments", "locals", tuple(locals_at(trace, call, tick).items())))
    differing = tuple(values.differences(names[0], names[1]))
    text = line_text(values.traces[0], calls[0], at[0]) if at else ""
    return Branch(index, at, text, next_[0], next_[1], differing)
