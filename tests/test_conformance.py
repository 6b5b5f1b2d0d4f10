"""Terminal and page: the same command in the same recording is answered alike, or refused by both.

A thousand expressions and a thousand walks, seeded, go through the Python stepper here and through
the page's own script in one node process.
"""

from __future__ import annotations

import random

import case_files
import handmade
import pytest

from tracer.errors import TracerError
from tracer.stepper import Stepper
from tracer.views.page.data import contents
from tracer.views.page.pack import Press

pytestmark = pytest.mark.slow

SEED = 20
TRACES = {"handmade": handmade.tiny_pass, "stories": case_files.TRACES["pyramid_pass"]}

# --- what is asked --------------------------------------------------------------------------------

LEAVES = (
    *(
        "0",
        "1",
        "2",
        "3",
        "-1",
        "7",
        "10**20",
        "2**63",
        "0.5",
        "2.5",
        "-2.5",
        "1e16",
        "1e-7",
        "8.0",
    ),
    *(
        "-0.0",
        "1e308",
        "True",
        "False",
        "None",
        "'a'",
        "'a\\n\"'",
        '"it\'s"',
        "'\\x00\\u200b\U0001f600'",
    ),
    *("()", "(1, 2.0)", "[3, 1, 2]", "('b', 'a')", "1234", "0x1f", "1_000", "torch.float32"),
)
UNARY = ("-{}", "+{}", "not {}", "({})", "abs({})", "len({})", "has_nan({})", "sum({})", "any({})")
BINARY = ("+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in")
SHAPED = (
    *(
        "{0}[{1}]",
        "{0}[{1}:{2}]",
        "{0}[::{1}]",
        "{0}[{1}::{2}]",
        "{0} < {1} < {2}",
        "({0}, {1}, {2})",
    ),
    *("{0} if {1} else {2}", "round({0}, {1})", "min({0}, {1})", "max({0}, {1})", "{0} is {1}"),
    *(
        "round({0})",
        "min({0})",
        "max({0})",
        "mean({0})",
        "all({0})",
        "has_inf({0})",
        "{0} not in {1}",
    ),
)
FIELDS = ("min", "max", "mean", "std", "zeros", "nan", "inf", "shape", "ndim", "numel", "dtype")


def expression(draw: random.Random, names: list[str], depth: int = 3) -> str:
    """Return an expression, some of them without sense."""
    kind = draw.random() if depth else 0
    if kind < 0.2:
        return draw.choice(LEAVES)
    if kind < 0.4 and names:
        method = draw.choice(("", "", "", "()", "(1)"))
        return f"{draw.choice(names)}.{draw.choice(FIELDS)}{method}"
    inner = [expression(draw, names, depth - 1) for _ in range(3)]
    if kind < 0.5:
        return draw.choice(UNARY).format(inner[0])
    if kind < 0.8:
        return f"({inner[0]}) {draw.choice(BINARY)} ({inner[1]})"
    return draw.choice(SHAPED).format(*(f"({part})" for part in inner))


def tensors_at(stepper: Stepper) -> list[str]:
    """Return the names that hold something at the cursor."""
    values = stepper.timeline.trace.calls[stepper.call.id].args.items
    return [name for name, _ in values]


MOVES = (
    *("s", "n", "r", "rs", "rn", "rc", "rr", "c", "u", "d", "]", "[", "first", "last", "s op"),
    *(
        "s 3",
        "n 2",
        "s 0",
        "s x",
        "rs 4",
        "s 99999999999",
        "goto {tick}",
        "goto 99999",
        "find {word}",
    ),
    *("until", "b {label}", "p {name}.max", "b nowhere", "cl", "p 8/2", "u 2", "d 9"),
)


def walk(draw: random.Random, trace) -> list[str]:
    labels = [call.path for call in trace.calls if call.path]
    return [
        draw.choice(MOVES).format(
            tick=draw.randrange(2 * len(trace.calls) + len(trace.lines)),
            word=draw.choice(("relu", "conv", "x", "return", "nothing at all", "[1, ")),
            label=draw.choice(labels),
            name=draw.choice(("x", "rv", "self")),
        )
        for _ in range(6)
    ]


def answered(trace, starts, lines):
    """Return what the terminal's stepper answers, as page_answers.mjs does."""
    fresh, found = set(starts), []
    for i, line in enumerate(lines):
        if i in fresh:
            stepper = Stepper(trace)
        try:
            said = stepper.do(line).text
        except TracerError:
            said = None
        found.append([said, stepper.tick])
    return found


def asked(trace, lines, starts):
    return {
        "recording": Press().pack(contents(trace).data("en"), {}),
        "starts": starts,
        "lines": lines,
    }


def test_expressions_are_answered_alike(in_node):
    draw = random.Random(SEED)
    different = []
    for make in TRACES.values():
        trace = make()
        names = tensors_at(Stepper(trace))
        lines = [f"p {expression(draw, names)}" for _ in range(500)]
        ours = answered(trace, [0], lines)
        (theirs,) = in_node("page_answers.mjs", given=[asked(trace, lines, [0])])
        different += [x for x in zip(lines, ours, theirs, strict=True) if x[1] != x[2]]
    assert not different, (len(different), different[:15])


def test_walks_lead_to_the_same_steps(in_node):
    draw = random.Random(SEED)
    different = []
    for make in TRACES.values():
        trace = make()
        lines, starts = [], []
        for _ in range(500):
            starts.append(len(lines))
            lines += walk(draw, trace)
        (theirs,) = in_node("page_answers.mjs", given=[asked(trace, lines, starts)])
        ours = answered(trace, starts, lines)
        for line, (said, tick), (says, at) in zip(lines, ours, theirs, strict=True):
            if (said is None, tick) != (says is None, at):
                different.append((line, said, tick, says, at))
    assert not different, (len(different), different[:12])
