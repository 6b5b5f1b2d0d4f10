"""Two recordings' calls, matched: each with its counterpart, level by level of the tree of calls.

Within two matched calls, calls are matched by their kind and path in order of execution; where the
orders differ, by the longest runs that agree (`difflib`), and what stands in one place in both by
what it is. A module that runs elsewhere in the other recording is found by its path: it has moved.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tracer.record.model import Call, Trace
from tracer.record.query import children

LONGEST = 3_000
"""Calls side by side that are matched by longest runs, which takes the square of their number."""


@dataclass(frozen=True, slots=True)
class Match:
    """A call of either recording and its counterpart.

    Attributes:
        first, second: the call in each; None where it has no counterpart.
        moved: whether it runs within another call than its counterpart does.
    """

    first: Call | None
    second: Call | None
    moved: bool = False


Row = tuple[Call | None, Call | None]
Tree = dict[int | None, tuple[Call, ...]]


def align(first: Trace, second: Trace) -> tuple[Match, ...]:
    """Match the calls of two recordings.

    Returns:
        Every call of both, once, in order of execution: a call before those that run in it, what
        only the second has where it ran.
    """
    trees = children(first), children(second)
    rows = list(_aligned(trees, trees[0][None], trees[1][None], roots=True))
    moved = _moved(trees, rows)
    away = {id(call) for match in moved for call in (match.first, match.second)}
    by_first = {match.first.id: match for match in moved if match.first is not None}
    found = []
    for mine, other in rows:
        if mine is not None and mine.id in by_first:
            found.append(by_first[mine.id])
        elif other is None or mine is not None or id(other) not in away:
            found.append(Match(mine, other))
    return tuple(found)


def _aligned(
    trees: tuple[Tree, Tree], mine: Sequence[Call], other: Sequence[Call], roots: bool = False
) -> Iterator[Row]:
    """Yield the matched calls of two lists and all that runs in them, the outer ones first."""
    waiting = [iter(_rows(mine, other, roots))]
    while waiting:
        row = next(waiting[-1], None)
        if row is None:
            waiting.pop()
            continue
        yield row
        inner = [
            () if call is None else tree.get(call.id, ())
            for call, tree in zip(row, trees, strict=True)
        ]
        waiting.append(iter(_rows(inner[0], inner[1])))


def _rows(mine: Sequence[Call], other: Sequence[Call], roots: bool = False) -> list[Row]:
    """Match calls that run side by side."""
    keys = [_key(call) for call in mine], [_key(call) for call in other]
    if keys[0] == keys[1] or (roots and len(mine) == len(other)):
        return list(zip(mine, other, strict=True))
    rows: list[Row] = []
    for tag, a, b, c, d in opcodes(*keys):
        part = mine[a:b], other[c:d]
        rows += zip(*part, strict=True) if tag == "equal" else _replaced(*part)
    return rows


def _key(call: Call) -> tuple[str, str]:
    return call.kind, call.path


def opcodes(
    mine: Sequence[Hashable], other: Sequence[Hashable]
) -> Sequence[tuple[str, int, int, int, int]]:
    """Return how one list becomes another, as `difflib` says it; of long lists by their numbers."""
    if max(len(mine), len(other)) > LONGEST:
        # Too many for longest runs: the third call of a path is the third.
        mine, other = _numbered(mine), _numbered(other)
        common = set(mine) & set(other)
        order = [key for key in mine if key in common]
        if order == [key for key in other if key in common]:
            return list(_merged(mine, other, common))
    return SequenceMatcher(None, mine, other, autojunk=False).get_opcodes()


def _numbered(keys: Sequence[Hashable]) -> list[Hashable]:
    seen: Counter[Hashable] = Counter()
    found: list[Hashable] = []
    for key in keys:
        found.append((key, seen[key]))
        seen[key] += 1
    return found


def _merged(
    mine: Sequence[Hashable], other: Sequence[Hashable], common: set[Hashable]
) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield opcodes of two lists whose common entries stand in one order."""
    i = j = 0
    while i < len(mine) or j < len(other):
        a, b = i, j
        while i < len(mine) and mine[i] not in common:
            i += 1
        while j < len(other) and other[j] not in common:
            j += 1
        if (a, b) != (i, j):
            yield "replace", a, i, b, j
        if i < len(mine) and j < len(other):
            yield "equal", i, i + 1, j, j + 1
            i, j = i + 1, j + 1


def _replaced(mine: Sequence[Call], other: Sequence[Call]) -> Iterator[Row]:
    """Match what stands in one place: by its own name and kind, or by being the only one there."""
    if len(mine) == len(other) == 1 and mine[0].kind == other[0].kind != "op":
        yield mine[0], other[0]
        return
    names = [[(c.kind, c.path.rpartition(".")[2]) for c in calls] for calls in (mine, other)]
    opcodes = SequenceMatcher(None, names[0], names[1], autojunk=False).get_opcodes()
    done = 0, 0
    for tag, a, b, c, d in opcodes:
        if tag == "equal" and all(call.kind != "module" for call in mine[a:b]):
            yield from _one_sided(mine[done[0] : a], other[done[1] : c])
            yield from zip(mine[a:b], other[c:d], strict=True)
            done = b, d
    yield from _one_sided(mine[done[0] :], other[done[1] :])


def _one_sided(mine: Sequence[Call], other: Sequence[Call]) -> Iterator[Row]:
    yield from ((call, None) for call in mine)
    yield from ((None, call) for call in other)


def _moved(trees: tuple[Tree, Tree], rows: Sequence[Row]) -> list[Match]:
    """Find modules without a counterpart that run elsewhere in the other recording."""
    left: dict[str, list[Call]] = defaultdict(list)
    for mine, other in rows:
        if mine is None and other is not None and other.kind == "module":
            left[other.path].append(other)
    found: list[Match] = []
    taken, gone = set[int](), set[int]()  # ids of the calls of each that are matched now
    for mine, other in rows:
        if other is not None or mine is None or mine.kind != "module" or mine.id in taken:
            continue
        there = next((call for call in left[mine.path] if call.id not in gone), None)
        if there is None:
            continue
        for a, b in [(mine, there), *_within(trees, mine, there)]:
            if a.id not in taken and b.id not in gone:
                found.append(Match(a, b, moved=True))
                taken.add(a.id)
                gone.add(b.id)
    return found


def _within(trees: tuple[Tree, Tree], mine: Call, other: Call) -> Iterator[tuple[Call, Call]]:
    inner = [tree.get(call.id, ()) for call, tree in zip((mine, other), trees, strict=True)]
    for pair in _aligned(trees, inner[0], inner[1]):
        if pair[0] is not None and pair[1] is not None:
            yield pair[0], pair[1]
