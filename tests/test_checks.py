"""The checker finds each kind of broken promise, and nothing in a sound trace."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import handmade
import large_recordings
import numpy as np
import pytest

from tracer.record import Failure, Line, Module, Source, Stage, Value, checks, codec
from tracer.record.checks import MAX_DEPTH, MAX_ELIDED, damage, problems

STORIES = (
    handmade.tiny_pass,
    handmade.failed_pass,
    handmade.repeated_pass,
    handmade.tiny_construction,
    handmade.hostile_pass,
)


@pytest.mark.parametrize("story", STORIES)
def test_a_sound_trace_has_no_problems(story):
    assert problems(story()) == []


def call(i, **changes):
    def change(trace):
        calls = list(trace.calls)
        calls[i] = replace(calls[i], **changes)
        return replace(trace, calls=tuple(calls))

    return change


def state(i, **changes):
    def change(trace):
        tensors = list(trace.tensors)
        tensors[i] = replace(tensors[i], **changes)
        return replace(trace, tensors=tuple(tensors))

    return change


def summary(i, **changes):
    return lambda t: state(i, summary=replace(t.tensors[i].summary, **changes))(t)


def preview(i, **changes):
    return lambda t: state(i, preview=replace(t.tensors[i].preview, **changes))(t)


def line(i, **changes):
    def change(trace):
        lines = list(trace.lines)
        lines[i] = replace(lines[i], **changes)
        return replace(trace, lines=tuple(lines))

    return change


def module(path, **changes):
    return lambda t: replace(t, modules={**t.modules, path: replace(t.modules[path], **changes)})


def fields(**changes):
    return lambda trace: replace(trace, **changes)


def blob(name, array):
    return lambda trace: replace(trace, blobs={**trace.blobs, name: array})


def given(value):
    """Let the first call take `value` as its argument ``images``."""
    return call(0, args=handmade.arguments({"images": value}))


def nested(depth):
    value = handmade.scalar(1)
    for _ in range(depth):
        value = handmade.sequence(value)
    return value


def doubled(times):
    """A value whose parts are shared, so that written out it has 2**times leaves."""
    value = handmade.scalar(1)
    for _ in range(times):
        value = handmade.sequence(value, value)
    return value


TEXT = np.zeros((1, 4, 6, 8), np.float32)

DAMAGED = {
    "call id": (call(3, id=4), "call 3 says that its id is 4"),
    "tensor id": (state(3, id=2), "tensor state 3 says"),
    "call kind": (call(3, kind="frame"), "of kind 'frame'"),
    "parent later": (call(3, parent=7), "parent 7"),
    "parent itself": (call(3, parent=3), "parent 3"),
    "negative parent": (call(3, parent=-1), "parent -1"),
    "negative nth": (call(3, nth=-1), "impossible number"),
    "seconds": (call(3, seconds=math.nan), "impossible number"),
    "tick twice": (call(2, start=3), "tick 3 stands where tick"),
    "tick left out": (call(0, end=99), "tick 99"),
    "lines swapped": (lambda t: replace(t, lines=t.lines[::-1]), "stands after"),
    "wrong parent": (call(7, parent=5), "begins in call 6"),
    "line of another call": (line(1, call=0), "does not run in call 0"),
    "line of no call": (line(1, call=99), "which does not exist"),
    "line of an op": (lambda t: line(1, call=14)(t), "does not run in call 14"),
    "line beyond file": (line(1, line=9999), "number 9999"),
    "lines without source": (call(1, source=None), "no source"),
    "unknown source": (call(1, source=Source("x.py", 1)), "'x.py'"),
    "source line 0": (call(1, source=Source(handmade.TINY, 0)), "line 0"),
    "source key": (fields(sources={"y": handmade.tiny_source()}), "'y' says"),
    "stage twice": (lambda t: replace(t, stages=t.stages[:1] * 2), "taken"),
    "stage of nothing": (fields(stages=(Stage("body", ()),)), "no calls"),
    "stage out of range": (fields(stages=(Stage("body", (99,)),)), "does not exist"),
    "stage unknown": (fields(stages=()), "which does not exist"),
    "stages out of order": (lambda t: replace(t, stages=t.stages[::-1]), "began later"),
    "failure": (fields(error=Failure("E", "m", 99)), "the error lies in call 99"),
    "producer": (state(3, producer=99), "producer"),
    "overwritten": (state(3, overwritten_by=-1), "overwritten_by"),
    "previous itself": (state(3, previous=3), "not earlier"),
    "base out of range": (state(3, base=99), "view of state 99"),
    "base cycle": (lambda t: state(2, base=3)(state(3, base=2)(t)), "view of itself"),
    "negative size": (summary(3, shape=(-1,)), "negative size"),
    "NaN mean": (summary(3, mean=math.nan), "mean is nan"),
    "histogram": (summary(3, histogram=(-1,)), "negative count"),
    "preview planes": (preview(3, channels=(-1,)), "do not match"),
    "preview stride": (preview(3, stride=0), "impossible stride"),
    "preview range": (preview(3, ranges=((0, math.inf),) * 3), "not finite"),
    "value kind": (given(Value("html", "x")), "kind is 'html'"),
    "tensor ref": (given(handmade.tensor_value(99)), "tensor state 99"),
    "tensorless": (given(Value("tensor", "Tensor")), "without a state"),
    "elided": (given(Value("opaque", "x", elided=-1)), "impossible count"),
    "much elided": (given(Value("opaque", "x", elided=MAX_ELIDED + 1)), "impossible count"),
    "deep value": (given(nested(MAX_DEPTH + 1)), "too deep"),
    "doubling value": (given(doubled(60)), "too large"),
    "args kind": (call(0, args=handmade.scalar(1)), "arguments of call 0"),
    "line value": (line(1, changed=(("x", handmade.tensor_value(-1)),)), "tensor state -1"),
    "module key": (fields(modules={"a": Module("b", "B")}), "'a' says"),
    "module counts": (module("body", trainable=999), "impossible parameter counts"),
    "module child": (module("head", children=(("x", "x"),)), "child 'x'"),
    "module cycle": (module("head", children=(("x", ""),)), "contain each other"),
    "blob missing": (fields(blobs={}), "is missing"),
    "blob extra": (blob("other", TEXT), "'other' is not part"),
    "blob shape": (blob("data/6", TEXT[..., :1]), "does not fit"),
    "blob dtype": (blob("data/6", TEXT.astype(np.float64)), "does not fit"),
    "preview dtype": (blob("preview/3", np.zeros((3, 6, 8), np.int8)), "does not fit"),
    "preview shape": (blob("preview/3", np.zeros((3, 6), np.uint8)), "does not fit"),
}

CONTRADICTORY = {
    "nth": (call(2, nth=1), "should have nth 0"),
    "macs": (call(5, macs=1), "the calls in it 5184"),
    "stage not inherited": (call(6, stage=""), "belongs to none"),
    "stage not outermost": (
        fields(stages=(Stage("body", (6,)), Stage("head", (13,)))),
        "outermost",
    ),
    "used before made": (state(1, producer=14), "which was made later"),
    "used after overwritten": (state(2, overwritten_by=3), "already overwritten"),
    "result made later": (state(2, producer=4), "made later"),
    "writer": (state(6, overwritten_by=12), "had not ended when state"),
    "no writer": (state(6, overwritten_by=None), "had not ended when state"),
    "min above max": (summary(3, min=9.0, max=1.0), "above max"),
    "zeros": (summary(3, zeros=1.5), "share of zeros"),
    "NaN count": (summary(3, nan=10**6), "more values than it has"),
    "std": (summary(3, std=-1.0), "negative std"),
    "params": (module("head", own_params=11), "add up to 127"),
    "raised and returned": (call(3, error="E: m"), "raised and returned"),
    "failed call": (fields(error=Failure("E", "m", 3)), "did not raise"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_found(name):
    change, expected = DAMAGED[name]
    found = damage(change(handmade.tiny_pass()))
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize("name", CONTRADICTORY)
def test_contradictions_are_found(name):
    change, expected = CONTRADICTORY[name]
    trace = change(handmade.tiny_pass())
    assert damage(trace) == []
    found = problems(trace)
    assert any(expected in problem for problem in found), found


def test_a_state_is_overwritten_once():
    trace = handmade.tiny_pass()
    again = replace(trace.tensors[7], id=11, kept=False, preview=None)
    trace = replace(trace, tensors=(*trace.tensors, again))
    assert any("overwritten twice" in problem for problem in problems(trace))


def test_doubling_modules_are_found_soon():
    names = [f"m{i}" for i in range(60)]
    modules = {
        name: Module(name, "M", children=(("a", below), ("b", below)))
        for name, below in pairwise(names)
    }
    modules[names[-1]] = Module(names[-1], "M")
    found = damage(replace(handmade.repeated_pass(), modules=modules))
    assert any("too large" in problem for problem in found)


def test_a_line_in_a_call_that_has_ended():
    trace = handmade.tiny_pass()
    calls = list(trace.calls)
    calls[2] = replace(calls[2], start=4, end=6)
    lines = [replace(item, tick=5) if item.tick == 6 else item for item in trace.lines]
    found = damage(replace(trace, calls=tuple(calls), lines=tuple(lines)))
    assert any("does not run in call 1" in problem for problem in found)


def test_markup_in_a_message_is_quoted():
    trace = call(3, kind="\x1b[31m\n" + "x" * 500)(handmade.tiny_pass())
    (problem,) = damage(trace)
    assert "\x1b" not in problem
    assert "\n" not in problem
    assert len(problem) < 120


def test_a_line_is_part_of_the_clock():
    trace = handmade.tiny_pass()
    trace = replace(trace, lines=(*trace.lines, Line(38, 0, 1)))
    assert any("does not run" in problem for problem in damage(trace))


def test_the_limits_themselves_are_sound():
    trace = given(Value("opaque", "x", elided=MAX_ELIDED))(handmade.tiny_pass())
    assert damage(trace) == []


def test_what_values_amount_to_is_counted_over_all_calls(monkeypatch):
    trace = large_recordings.shared_value(4, calls=10)
    whole = sum(len(list(value.leaves())) for _, value in checks.values(trace))
    monkeypatch.setattr(checks, "MAX_NODES", 3 * whole)
    assert damage(trace) == []
    monkeypatch.setattr(checks, "MAX_NODES", whole)
    assert "makes the trace too large" in damage(trace)[0]


def test_modules_that_are_shared_count_as_often_as_they_are_written(monkeypatch):
    trace = large_recordings.shared_modules(8)
    assert damage(trace) == []
    monkeypatch.setattr(checks, "MAX_NODES", 2**8)
    assert "too large" in damage(trace)[0]


@pytest.mark.parametrize("text", ["8.0", "-0.0", "8", "1e+300", "1.5e+16", "nan", "-inf"])
def test_floats_in_words_are_read(text):
    assert repr(codec._special({"float": text})) == repr(float(text))


@pytest.mark.parametrize(
    "text", ["1e3", "0x8", "8.0 ", " 8", "1_0", "8." * 2, "9" * 18, "infinity", 8]
)
def test_other_words_are_no_floats(text):
    assert codec._special({"float": text}) == {"float": text}
