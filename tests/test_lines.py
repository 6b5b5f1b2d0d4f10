"""The record of lines and errors is the same from each watcher, on each Python."""

from __future__ import annotations

import dataclasses
import json
import sys

import line_cases
import pytest
import torch
from golden_files import check_golden
from torch import nn

import tracer
from tracer.capture import frames
from tracer.record.checks import problems
from tracer.record.statements import statements

WATCHERS = [False, True] if sys.version_info >= (3, 12) else [False]


@pytest.fixture(params=WATCHERS, ids=["monitoring" if w else "settrace" for w in WATCHERS])
def watcher(request, monkeypatch):
    """Each of the watchers that this Python has."""
    monkeypatch.setattr(frames, "MONITORING", request.param)


def full(value):
    """Write a value with all its fields."""
    if isinstance(value, tuple):
        inner = ", ".join(map(full, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if not dataclasses.is_dataclass(value):
        return repr(value)
    fields = (f"{f.name}={full(getattr(value, f.name))}" for f in dataclasses.fields(value))
    return f"{type(value).__name__}({', '.join(fields)})"


def told(trace):
    """Say of each function how it ended, and of its lines what they changed."""
    rows = {call.id: [f"{call.label} {call.error or full(call.result)}"] for call in trace.calls}
    for line in trace.lines:
        call = trace.calls[line.call]
        names = [name for name, _ in line.changed] + [f"-{name}" for name in line.deleted]
        if call.kind == "function":
            number = line.line - call.source.line
            rows[call.id].append(" ".join([str(number), *names, *filter(None, [line.raised])]))
    return [row for call, row in rows.items() if trace.calls[call].kind == "function"]


def test_every_case_makes_the_record_of_every_python(watcher):
    trace = tracer.trace(line_cases.Cases(), grain="line")
    assert problems(trace) == []
    rows = [json.dumps(row) for row in told(trace)]
    check_golden("lines.json", "[" + ",\n".join(rows) + "]")


ERRORS = {
    "with_raise": "ValueError: boom", "fin_raise": "ValueError: boom", "with_eats": "",
    "fin_catch": "ValueError: boom", "exc_bare": "ValueError: boom", "caught": "",
    "exc_bare_nested": "ValueError: boom", "exc_nomatch": "ValueError: boom",
    "exc_other": "KeyError: 'k'", "exc_nested_nomatch": "KeyError: 'x'", "retnone": "",
    "exc_as": "", "boom": "ValueError: boom",
}  # fmt: skip


@pytest.mark.parametrize("grain", ["function", "op", "line"])
def test_a_call_failed_where_an_exception_left_it_and_only_there(watcher, grain):
    trace = tracer.trace(line_cases.Cases(), grain=grain)
    ends = {c.path: (c.error, c.result is None) for c in trace.calls if c.path in ERRORS}
    assert ends == {path: (error, bool(error)) for path, error in ERRORS.items()}


class Catches(nn.Module):
    def forward(self, x):
        try:
            return x @ x
        except RuntimeError:
            return x + 1


@pytest.mark.parametrize("grain", ["function", "op", "line"])
def test_a_caught_error_of_torch_is_no_failure(watcher, grain):
    trace = tracer.trace(Catches(), torch.ones(2, 3), grain=grain)
    assert trace.calls[0].error == ""
    assert trace.calls[0].result.tensor is not None


def events(trace):
    """Everything that the watcher has a say in."""
    calls = [(c.label, c.kind, c.parent, c.start, c.end, c.called_from, c.error, c.args, c.result)
             for c in trace.calls]  # fmt: skip
    return calls, trace.lines


@pytest.mark.machine
@pytest.mark.skipif(len(WATCHERS) < 2, reason="this Python has sys.settrace alone")
def test_both_watchers_make_one_record_of_a_pass(rcnn, two_images, monkeypatch):
    rcnn(two_images)  # the first pass sets the scales that later ones find
    found = []
    for monitoring in WATCHERS:
        monkeypatch.setattr(frames, "MONITORING", monitoring)
        with torch.no_grad():
            found.append(events(tracer.trace(rcnn, two_images, grain="line")))
    assert found[0] == found[1]


def test_a_text_that_is_no_python_has_no_statements():
    assert statements("def f(:\n") == {}
