"""Which line runs next, and what an in-place write leaves."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tracer.foreign import clean
from tracer.languages import languages, listed
from tracer.numbers import dims, number
from tracer.record import Call, Line, TensorState, Trace, Value
from tracer.record.query import lines_by_call, lines_of
from tracer.views.kit.guesses.model import Guess, Words, alike, choices, words
from tracer.views.kit.reasons import shape_of

# --- lines ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fork:
    """A place where a line has more than one that can follow it.

    Attributes:
        kind: ``"if"``, ``"loop"`` (its header), ``"round"`` (the last statement of a loop's body).
        line: that is asked about.
        ways: the lines that can follow, by what leads there; a line that is None is the call's end.
        test: what decides, as source; ``""`` for nothing.
    """

    kind: str
    line: int
    ways: dict[str, int | None]
    test: str = ""


def next_lines(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions about forks that were passed, no two of one function."""
    forks = {file: _forks(source.text) for file, source in trace.sources.items()}
    by_call = lines_by_call(trace)
    asked: set[str] = set()
    for number_of in draw.sample(sorted(by_call), len(by_call)):
        call, lines = trace.calls[number_of], by_call[number_of]
        if call.source is None or _function(call) in asked or _function(call).startswith("_"):
            continue
        passed = _passed(lines, forks.get(call.source.file, {}))
        for fork, here, after in draw.sample(passed, len(passed))[:1]:
            asked.add(_function(call))
            yield _next(trace, call, fork, here, after, draw)


def _function(call: Call) -> str:
    return call.type if call.kind == "module" else call.path


def _passed(lines: list[Line], forks: dict[int, _Fork]) -> list[tuple[_Fork, Line, Line]]:
    """Return the forks at which a call went on, with the line and the one after it."""
    pairs = ((forks.get(here.line), here, after) for here, after in pairwise(lines))
    return [
        (fork, here, after)
        for fork, here, after in pairs
        if fork and after.line in fork.ways.values() and not here.raised
    ]


def _next(
    trace: Trace, call: Call, fork: _Fork, here: Line, after: Line, draw: random.Random
) -> Guess:
    assert call.source is not None
    source = trace.sources[call.source.file].text.split("\n")

    def shown(line: int | None) -> Words:
        if line is None or line > len(source):
            return words("line.end")
        return alike(clean(f"{line}: {source[line - 1].strip()}", 90))

    ways = {way: line for way, line in fork.ways.items() if line != after.line}
    taken = next(way for way, line in fork.ways.items() if line == after.line)
    wrong = [(shown(line), words(f"mistake.line.{way}")) for way, line in ways.items()]
    beneath = next((n for n in range(here.line + 1, len(source)) if source[n - 1].strip()), None)
    if beneath != after.line:
        wrong.append((shown(beneath), words("mistake.line.beneath")))
    wrong.append((shown(None), words("mistake.line.returns")))
    numbers = {
        "function": _function(call),
        "number": here.line,
        "code": clean(source[here.line - 1].strip(), 90),
        "test": clean(fork.test, 80),
        "next": after.line,
        "values": _values(trace, call, here, fork.test),
    }
    known = words("ask.known", **numbers) if numbers["values"]["en"] else alike("")  # type: ignore[index]
    return Guess(
        "line",
        words("ask.line", **numbers, known=known),
        choices(draw, shown(after.line), wrong),
        (words(f"why.line_{fork.kind}_{taken}", **numbers),),
        after.tick,
        "source",
    )


def _values(trace: Trace, call: Call, here: Line, test: str) -> Words:
    """What the names of a condition held, in a few words."""
    held: dict[str, Value] = dict(call.args.items)
    for line in lines_of(trace, call):
        if line.tick < here.tick:
            held.update(line.changed)
    found = []
    for name in dict.fromkeys(_names(test)):
        value = _looked_up(held, name)
        if value is not None:
            found.append(f"{name} = {_brief(trace, value)}")
    return {lang: listed(found[:4], lang) for lang in languages()}


def _names(test: str) -> Iterator[str]:
    """The names and dotted names in an expression."""
    if not test:
        return
    for node in ast.walk(ast.parse(test, mode="eval")):
        if isinstance(node, (ast.Name, ast.Attribute)):
            yield ast.unparse(node)


def _looked_up(held: dict[str, Value], name: str) -> Value | None:
    first, *rest = name.split(".")
    value = held.get(first)
    for part in rest:
        value = None if value is None else value.get(part)
    return None if value is None or value.kind == "module" else value


def _brief(trace: Trace, value: Value) -> str:
    if value.kind == "scalar":
        return clean(repr(value.scalar), 30)
    if value.tensor is not None:
        return dims(shape_of(trace, value))
    if value.kind == "opaque":
        return clean(value.text or value.type, 40)
    return f"{value.type} ({len(value.items) + value.elided})"


def _forks(source: str) -> dict[int, _Fork]:
    """Return the forks of a file by their lines; none of a file that is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[int, _Fork] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _follow(node.body, None, found)
    return found


def _follow(body: list[ast.stmt], after: int | None, found: dict[int, _Fork]) -> None:
    """Take down the forks of a block; `after` is the line that follows it, None for the end."""
    for place, node in enumerate(body):
        following = body[place + 1].lineno if place + 1 < len(body) else after
        if isinstance(node, ast.If):
            _branch(node, following, found)
        elif isinstance(node, (ast.For, ast.While)):
            _loop(node, following, found)
        elif isinstance(node, ast.With):
            _follow(node.body, None, found)


def _branch(node: ast.If, following: int | None, found: dict[int, _Fork]) -> None:
    other = node.orelse[0].lineno if node.orelse else following
    test = ast.unparse(node.test)
    if node.test.end_lineno == node.lineno and other != node.lineno and "jit." not in test:
        ways = {"true": node.body[0].lineno, "false": other}
        found[node.lineno] = _Fork("if", node.lineno, ways, test)
    _follow(node.body, following, found)
    _follow(node.orelse, following, found)


def _loop(node: ast.For | ast.While, following: int | None, found: dict[int, _Fork]) -> None:
    last = node.body[-1]
    if isinstance(last, (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign)):
        ways = {"header": node.lineno, "out": following, "body": node.body[0].lineno}
        if len({last.lineno, *ways.values()}) == 4:
            found[last.lineno] = _Fork("round", last.lineno, ways)
    _follow(node.body, node.lineno, found)


# --- in-place writes ------------------------------------------------------------------------------


def writes(trace: Trace, draw: random.Random) -> Iterator[Guess]:
    """Yield questions about writes, no two by the same op."""
    after = {state.previous: state for state in trace.tensors if state.previous is not None}
    asked: set[str] = set()
    states = [state for state in trace.tensors if _askable(state, after.get(state.id))]
    for before in draw.sample(states, len(states)):
        left = after[before.id]
        assert left.producer is not None
        call = trace.calls[left.producer]
        op = call.path.rpartition(".")[2].strip("_")
        if op not in _SLIPS or op in asked or left.producer != before.overwritten_by:
            continue
        asked.add(op)
        yield _write(trace, call, op, (before, left), draw)


def _askable(before: TensorState, left: TensorState | None) -> bool:
    return (
        before.overwritten_by is not None
        and left is not None
        and before.summary.dtype.startswith(("float", "bfloat"))
        and before.summary.numel > 1
        and not before.name
        and None not in (before.summary.min, left.summary.min)
    )


def _write(
    trace: Trace, call: Call, op: str, states: tuple[TensorState, TensorState], draw: random.Random
) -> Guess:
    before, left = states
    low, high = _ends(before)
    given = [trace.tensors[s] for s in call.args.tensors() if trace.tensors[s].id != before.id]
    other = _ends(given[0]) if given and given[0].summary.min is not None else (low, high)
    numbers = {
        "op": _written(trace, call),
        "shape": dims(before.summary.shape),
        "before": _range(low, high),
        "other": _range(*other),
        "after": _range(*_ends(left)),
    }
    kind = _SLIPS[op]
    slips: dict[str, tuple[float, float]] = {"copy": (low, high)}
    if kind == "relu":
        slips |= {"mirror": (low, 0.0), "absolute": (0.0, max(-low, high)), "scaled": (0.0, 1.0)}
    else:
        slips |= {"ends": (low + other[0], high + other[1]), "other": other}
    wrong = (
        (alike(_range(*ends)), words(f"mistake.in_place.{key}")) for key, ends in slips.items()
    )
    right = alike(str(numbers["after"]))
    why = (words(f"why.{kind}", **numbers), words("why.in_place", **numbers))
    return Guess(
        "in_place", words(f"ask.{kind}", **numbers), choices(draw, right, wrong), why, call.end
    )


_SLIPS = {"relu": "relu", "iadd": "sum", "add": "sum"}
"""The ops that are asked about, by what they do."""


def _ends(state: TensorState) -> tuple[float, float]:
    assert state.summary.min is not None
    assert state.summary.max is not None
    return float(state.summary.min), float(state.summary.max)


def _range(low: float, high: float) -> str:
    return f"{number(float(low))} … {number(float(high))}"


def _written(trace: Trace, call: Call) -> str:
    """The line that wrote, as its source has it; else what ran."""
    place = call.called_from
    source = trace.sources.get(place.file) if place else None
    lines = source.text.split("\n") if source else []
    if place is None or not place.line <= len(lines):
        return clean(call.path, 60)
    return clean(lines[place.line - 1].strip(), 80)
