"""Two recordings side by side: the steps in which one goes through both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.record import Call, Line, Trace
from tracer.record.alignment import opcodes
from tracer.record.comparison import Comparison, line_text
from tracer.record.query import lines_by_call


class Step(NamedTuple):
    """A step in both recordings, or in the one that has it.

    Attributes:
        first, second: the tick in each recording; None where it has no such step.
        pair: index in `Comparison.pairs` of the calls in which it is.
    """

    first: int | None
    second: int | None
    pair: int


class _Event(NamedTuple):
    """A line of a call, or a call that ran in it, and by what it is matched."""

    key: tuple[str, object]
    tick: int
    pair: int | None


def together(compared: Comparison) -> list[Step]:
    """Return every start of a call, line and end of a call of both recordings, each once.

    What is matched is one step: two calls by `Comparison.pairs`, their lines by their texts. The
    steps are in order of execution in the first recording; what only the second has stands where
    it ran there, and a call that has moved where the first runs it.
    """
    return list(_walked(_Inner(compared)))


class _Inner:
    """What runs directly in each call of two recordings, as events."""

    def __init__(self, compared: Comparison) -> None:
        self.pairs = compared.pairs
        self.traces = compared.first, compared.second
        self._lines = [lines_by_call(trace) for trace in self.traces]
        place: list[dict[int, int]] = [{}, {}]
        for index, pair in enumerate(self.pairs):
            for known, call in zip(place, (pair.first, pair.second), strict=True):
                if call is not None:
                    known[call.id] = index
        self._children: list[dict[int | None, list[int]]] = [defaultdict(list), defaultdict(list)]
        for index, pair in enumerate(self.pairs):
            calls = pair.first, pair.second
            around = [
                None if call is None or call.parent is None else known[call.parent]
                for call, known in zip(calls, place, strict=True)
            ]
            if pair.first is not None:
                self._children[0][around[0]].append(index)
            if pair.second is not None and (pair.first is None or around[0] == around[1]):
                self._children[1][around[1]].append(index)

    def events(self, pair: int | None) -> list[list[_Event]]:
        """Return the events in a pair of calls, or outside of all, of each recording in order."""
        calls = (None, None) if pair is None else (self.pairs[pair].first, self.pairs[pair].second)
        return [self._of(side, pair, call) for side, call in enumerate(calls)]

    def _of(self, side: int, pair: int | None, call: Call | None) -> list[_Event]:
        if pair is not None and call is None:
            return []
        found = []
        for index in self._children[side][pair]:
            inner = self.pairs[index].first if side == 0 else self.pairs[index].second
            assert inner is not None
            found.append(_Event(("call", index), inner.start, index))
        if call is not None:
            trace = self.traces[side]
            lines = self._lines[side].get(call.id, ())
            found += [_line_event(trace, call, line) for line in lines]
        return sorted(found, key=lambda event: event.tick)


def _line_event(trace: Trace, call: Call, line: Line) -> _Event:
    return _Event(("line", line_text(trace, call, line.line)), line.tick, None)


def _walked(inner: _Inner) -> Iterator[Step]:
    waiting: list[tuple[int | None, Iterator[tuple[_Event | None, _Event | None]]]]
    waiting = [(None, iter(_matched(*inner.events(None))))]
    while waiting:
        around, events = waiting[-1]
        row = next(events, None)
        if row is None:
            waiting.pop()
            if around is not None:
                yield _step(inner, around, "end")
            continue
        event = row[0] or row[1]
        assert event is not None
        if event.pair is None:
            assert around is not None
            first, second = (None if one is None else one.tick for one in row)
            yield Step(first, second, around)
        elif row[0] is not None or inner.pairs[event.pair].first is None:  # else it has moved
            yield _step(inner, event.pair, "start")
            waiting.append((event.pair, iter(_matched(*inner.events(event.pair)))))


def _step(inner: _Inner, index: int, name: str) -> Step:
    pair = inner.pairs[index]
    ticks = [None if call is None else getattr(call, name) for call in (pair.first, pair.second)]
    return Step(ticks[0], ticks[1], index)


def _matched(
    mine: Sequence[_Event], other: Sequence[_Event]
) -> list[tuple[_Event | None, _Event | None]]:
    """Match two calls' events by their keys in order; a line in the place of one goes with it."""
    keys = [event.key for event in mine], [event.key for event in other]
    if keys[0] == keys[1]:
        return list(zip(mine, other, strict=True))
    rows: list[tuple[_Event | None, _Event | None]] = []
    for tag, a, b, c, d in opcodes(*keys):
        lines = all(event.pair is None for event in (*mine[a:b], *other[c:d]))
        if tag == "equal" or (b - a == d - c and lines):
            rows += zip(mine[a:b], other[c:d], strict=True)
        else:
            rows += ((event, None) for event in mine[a:b])
            rows += ((None, event) for event in other[c:d])
    return rows
