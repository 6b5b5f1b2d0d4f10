"""Breakpoints, conditions and the evaluator, on hand-built traces."""

from __future__ import annotations

import contextlib
import re

import handmade
import numpy as np
import pytest
import stories
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.errors import InputError, MissingError, TracerError
from tracer.stepper import EvaluationError, Stepper
from tracer.stepper.evaluate import MAX_SOURCE, parse


@pytest.fixture
def tiny():
    return Stepper(handmade.tiny_pass())


@pytest.fixture
def pyramid():
    return Stepper(stories.pyramid_pass())


def paths(stepper, command):
    """Set a breakpoint; return (path, kind) of every place where it stops."""
    stepper.do(command)
    added = list(stepper.breakpoints.values())[-1]
    positions = [stepper.timeline.at(t) for t in added.ticks]
    return [(p.call.path, p.kind) for p in positions]


# --- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("body.conv", ["body.conv"]),
        ("body.*", ["body.conv", "body.bn", "body.relu"]),
        ("body.[br]*", ["body.bn", "body.relu"]),
        ("conv", ["body.conv"]),
        ("Conv2d", ["body.conv"]),
        ("Conv2d.forward", ["body.conv"]),
        ("TinyNet.forward", [""]),
        ("(root)", [""]),
        ("normalize", ["normalize"]),
        ("model.normalize", ["normalize"]),
        ("conv2d", ["conv2d"]),
        ("stage head", ["head"]),
        ("stage:body", ["body"]),
    ],
)
def test_a_call_is_named_by_path_end_of_path_class_or_stage(tiny, place, expected):
    assert paths(tiny, f"b {place}") == [(path, "start") for path in expected]


@pytest.mark.parametrize("file", ["tiny/model.py", "model.py", "tiny/model", "model"])
def test_a_line_is_named_by_its_file_or_the_end_of_it(tiny, file):
    line = handmade.at("return centred").line
    assert paths(tiny, f"b {file}:{line}") == [("normalize", "line")]


def test_a_bare_number_is_a_line_of_the_file_at_hand(tiny):
    assert paths(tiny, f"b {handmade.at('x = x[None]').line}") == [("", "line")]


def test_a_def_line_is_the_start_of_its_calls(pyramid):
    line = stories.LINES["def double(x, times):"]
    assert paths(pyramid, f"b {line}") == [("double", "start")] * 3
    assert paths(pyramid, f"b {line}#1") == [("double", "start")]


def test_a_line_within_a_statement_is_the_statement():
    wrapped = Stepper(stories.wrapped_pass())
    assert paths(wrapped, "b wrapped.py:9") == paths(wrapped, "b 7") == [("", "line")] * 2
    assert paths(wrapped, "b 4") == paths(wrapped, "b 2") == [("", "start")]


def test_nth_call_and_round_of_a_loop(pyramid):
    assert paths(pyramid, "b double#1") == [("double", "start")]
    pyramid.do(f"b {stories.LINES['results.insert(0, lateral)']}#2")
    pyramid.do("cl 1 ;; c")
    assert pyramid.evaluate("idx") == 0
    assert pyramid.evaluate("len(results)") == 2


def test_tbreak_stops_once(pyramid):
    pyramid.do("tbreak double")
    pyramid.do("c")
    assert pyramid.position.call.label == "double#0"
    assert not pyramid.breakpoints
    pyramid.do("c")
    assert pyramid.at_end


def test_a_breakpoint_stops_other_moves_too(tiny):
    tiny.do("b body.relu")
    tiny.do("goto 13")
    assert "Breakpoint 1: body.relu (hit 1)" in tiny.do("n").text
    tiny.do("goto 1")
    tiny.do("r")
    assert tiny.position.call.path == "body.relu"
    tiny.do("last")
    tiny.do("rr")
    assert tiny.position.call.path == "body.relu"


def test_the_list_counts_hits_up_to_here(pyramid):
    pyramid.do("b double")
    pyramid.do("tbreak double#2")
    assert pyramid.do("b").text.splitlines() == [
        "  1 double: hit 0 of 3 so far",
        "  2 double#2 (temporary): hit 0 of 1 so far",
    ]
    pyramid.do("c ;; c")
    assert pyramid.do("b").text.splitlines()[0] == "  1 double: hit 2 of 3 so far"


def test_ignore_passes_over_the_next_hits_in_both_directions(pyramid):
    pyramid.do("b double")
    pyramid.do("ignore 1 2")
    pyramid.do("c")
    assert pyramid.position.call.label == "double#2"
    pyramid.do("rc")
    assert pyramid.tick == 0
    pyramid.do("ignore 1 0")
    pyramid.do("c")
    assert pyramid.position.call.label == "double#0"


def test_disable_enable_and_clear(pyramid):
    pyramid.do("b double")
    pyramid.do("b inner.1")
    pyramid.do("disable 2")
    pyramid.do("c")
    assert pyramid.position.call.path == "double"
    pyramid.do("enable 2")
    pyramid.do("rc")
    assert pyramid.position.call.path == "inner.1"
    assert pyramid.do("cl inner.1").text == "Deleted breakpoint 2: inner.1"
    pyramid.do("cl")
    assert not pyramid.breakpoints
    with pytest.raises(MissingError, match="no breakpoint '1'; there are: none is set"):
        pyramid.do("disable 1")


def test_numbers_are_never_given_twice(pyramid):
    pyramid.do("b double")
    pyramid.do("cl")
    assert pyramid.do("b double").text.startswith("Breakpoint 2")


# --- conditions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("b body.*, input.shape[1] == 4", ["body.bn", "body.relu"]),
        ("b body.*, input.shape[1] == 4 and nth == 0", ["body.bn", "body.relu"]),
        ("b body.*, input.dtype == 'float32'", ["body.conv", "body.bn", "body.relu"]),
        ("b body.*, input.dtype == torch.float16", []),
        ("b *, input.max > 2", ["body.bn", "batch_norm", "body.relu", "relu_"]),
        ("b body.*, hits == 2", ["body.bn"]),
        ("b conv2d, weight.shape[2:] == (3, 3)", ["conv2d"]),
    ],
)
def test_conditions_on_arguments_stop_at_the_start(tiny, command, expected):
    assert paths(tiny, command) == [(path, "start") for path in expected]


def test_conditions_on_the_result_stop_at_the_end(tiny):
    assert paths(tiny, "b body.*, result.min >= 0") == [("body.relu", "end")]
    assert paths(tiny, "b body.*, overwritten(__return__)") == [("body.relu", "end")]


def test_conditions_in_a_loop(pyramid):
    line = stories.LINES["results.insert(0, lateral)"]
    pyramid.do(f"b {line}, idx == 1")
    pyramid.do("c")
    assert (pyramid.evaluate("idx"), pyramid.evaluate("lateral.shape[2]")) == (1, 4)
    pyramid.do("condition 1 iteration == 2")
    pyramid.do("c")
    assert pyramid.evaluate("idx") == 0
    pyramid.do("condition 1")
    assert len(pyramid.breakpoints[1].ticks) == 3


def test_nan_is_found_where_it_appears(pyramid):
    assert paths(pyramid, "b inner.*, has_nan(input)") == [("inner.0", "start")]
    pyramid.do("cl")
    pyramid.do("watch has_nan(lateral)")
    pyramid.do("c")
    assert pyramid.line.line == stories.LINES["results.insert(0, lateral)"]
    assert pyramid.evaluate("idx") == 0
    assert paths(pyramid, "watch has_nan()")[0] == ("", "start")


def test_a_watch_stops_where_its_condition_becomes_true_in_a_call(tiny, pyramid):
    assert paths(tiny, "watch overwritten(features)") == [("", "line")]
    pyramid.do("watch len(results) >= 2")
    ticks = pyramid.breakpoints[1].ticks
    assert len(ticks) == 1
    pyramid.do("c ;; rn")
    assert pyramid.evaluate("len(results)") == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("b", None),
        ("b ,x", "needs a place"),
        ("b normalise", "no call of 'normalise' in this recording; did you mean 'normalize'"),
        ("b body.cnov", "did you mean 'body.conv'"),
        ("b stage bdy", "no stage 'bdy' in this recording; it has body, head"),
        ("b modle.py:9", "no source file 'modle.py' was recorded; did you mean 'model.py'"),
        ("b model.py:15", "line 15 of tiny/model.py did not run"),
        ("b body#1", "body ran 1 times, counted from #0"),
        ("b body, inpt.max > 1", "names 'inpt', which is not there; did you mean 'input'"),
        ("b body, input.max >", "is not an expression"),
        ("b body, input.shpe == 1", "none of its places: a recorded tensor has no 'shpe'"),
        ("watch x == (", "is not an expression"),
        ("watch nope > 1", "'nope', which is not there"),
        ("condition 7 x", "no breakpoint '7'"),
    ],
)
def test_what_cannot_be_set_says_why(tiny, command, says):
    if says is None:
        assert tiny.do(command).text == "no breakpoints"
        return
    with pytest.raises(TracerError, match=re.escape(says)):
        tiny.do(command)
    assert not tiny.breakpoints


def test_a_module_that_never_runs_is_told_from_one_that_is_not_there(pyramid):
    with pytest.raises(MissingError, match="in the model but was never called"):
        pyramid.do("b inner")


def test_an_ambiguous_file_lists_its_meanings():
    files = [handmade.SourceFile(f"{d}/_utils.py", "x = 1\n") for d in ("a", "b")]
    draft = handmade.Draft(*files)
    with draft.call("function", "f", "m", source=handmade.Source("a/_utils.py", 1)):
        draft.line(1)
    stepper = Stepper(draft.trace("pass", "Net"))
    with pytest.raises(MissingError, match=r"any of a/_utils\.py, b/_utils\.py"):
        stepper.do("b _utils.py:1")
    stepper.do("b a/_utils.py:1")


# --- the evaluator --------------------------------------------------------------------------------

SCOPE = {"x": 3, "y": 2.5, "name": "nearest", "size": (4, 6), "none": None}


@pytest.mark.parametrize(
    "text",
    [
        *("x + 1", "x - y * 2", "x ** 2 // 4 % 3", "-x + +y", "x / 2", "not x", "x == 3 == 3"),
        *("1 < x <= 3", "x in (1, 3)", "'near' in name", "name == 'nearest' and x", "none is None"),
        *("x is not None", "size[0]", "size[1:]", "size[-1]", "len(size)", "abs(-x)", "round(y)"),
        *("round(2.567, 1)", "min(x, y)", "max(size)", "sum(size)", "any((0, x))", "all([x, 0])"),
        *("'a' if x > 2 else 'b'", "x or y", "none or x", "name + 'x'", "size + (1,)", "[1, 2][1]"),
    ],
)
def test_the_evaluator_agrees_with_python(text):
    expected = eval(text, {}, dict(SCOPE))
    assert parse(text).evaluate(SCOPE) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("9**9**9", "more than 4096 bits"),
        ("x * 10**2000", "more than 4096 bits"),
        ("'a' * 10**9", "cannot be combined"),
        ("(0,) * 10**9", "cannot be combined"),
        ("'%9999999d' % 1", "cannot be combined"),
        ("round(5, -10**9)", "between -20 and 20"),
        ("2.0 ** 99999", "OverflowError"),
        ("1 / 0", "ZeroDivisionError"),
        ("x.__class__", "no '__class__'"),
        ("name.upper()", "no 'upper'"),
        ("().__class__.__bases__", "no '__class__'"),
        ("__import__('os')", "__import__() is not known here"),
        ("open('x')", "open() is not known"),
        ("eval('1')", "eval() is not known"),
        ("getattr(x, 'real')", "is not known"),
        ("(lambda: 1)()", "a lambda cannot be used"),
        ("[i for i in size]", "a comprehension cannot be used"),
        ("f'{x}'", "an f-string cannot be used"),
        ("(z := 3)", "an assignment cannot be used"),
        ("{}", "a dict cannot be used"),
        ("x << 9999", "cannot be used"),
        ("x @ y", "cannot be used"),
        ("b'x'", "cannot be used"),
        ("1j", "cannot be used"),
        ("max(*size)", "a star cannot be used"),
        ("max(size, default=1)", "no keywords"),
        ("x = 1", "is not an expression"),
        ("import os", "is not an expression"),
        ("", "is missing"),
        ("\0", "is not an expression"),
        ("x" * (MAX_SOURCE + 1), "longer than"),
        ("-" * 900 + "x", "deeper than"),
        ("(" * 900 + "x" + ")" * 900, "longer than"),
        ("(" * 400 + "x" + ")" * 400, "nested"),
        ("size < 3", "TypeError"),
        ("size[9]", "IndexError"),
        ("x[0]", "cannot be subscripted"),
    ],
)
def test_what_the_evaluator_refuses(text, says):
    with pytest.raises((EvaluationError, MissingError), match=re.escape(says)):
        parse(text).evaluate(SCOPE)


@settings(max_examples=300)
@given(st.text(alphabet="x()[].,'\"+-*/%<>=!&|^~:0123456789 andorotifelsyNe_@\\\n", max_size=60))
def test_any_text_gives_a_value_or_a_sentence(text):
    with contextlib.suppress(EvaluationError, MissingError):  # anything else fails
        parse(text).evaluate(SCOPE)


def test_tensors_in_expressions():
    draft = handmade.Draft()
    array = np.array([[1.0, -2.0], [3.0, np.nan]], np.float32)
    kept = draft.tensor(array, outside=True, keep=True)
    whole = np.arange(6, dtype=np.int64).reshape(2, 3)
    bare, also = (draft.tensor(whole, outside=True, keep=keep) for keep in (False, True))
    args = {
        "x": handmade.tensor_value(kept),
        "y": handmade.tensor_value(also),
        "z": handmade.tensor_value(bare),
        "d": handmade.mapping({"0": handmade.tensor_value(kept)}, "OrderedDict"),
        "n": handmade.sequence(handmade.scalar(4), handmade.scalar(6), type="Size"),
        "o": handmade.opaque("Weird", "<weird>"),
    }
    with draft.call("function", "f", "m", args):
        pass
    stepper = Stepper(draft.trace("pass", "Net"))
    values = {
        "x.shape": (2, 2),
        "x.size()": (2, 2),
        "x.size(1)": 2,
        "x.dim()": 2,
        "x.ndim + x.numel": 6,
        "x.max": 3.0,
        "x.max()": 3.0,
        "max(x)": 3.0,
        "x.nan": 1,
        "has_nan(x)": True,
        "has_inf(x)": False,
        "isnan(d)": True,
        "has_nan(y)": False,
        "x.data[0, 1]": -2.0,
        "x[1, 0]": 3.0,
        "x.data[:, 0].sum()": 4.0,
        "any(x > 2)": True,
        "all(x > 2)": False,
        "abs(x.data[0]).max()": 2.0,
        "abs(x[0]).max()": 2.0,
        "abs(y).max()": 5,
        "round(x[0, 1])": -2,
        "any(y)": True,
        "(x[0] * 2 - 1).min()": -5.0,
        "y.max": 5,
        "len(y)": 2,
        "d['0'].shape[0]": 2,
        "'0' in d": True,
        "'1' in d": False,
        "len(d)": 1,
        "d.keys()": ("0",),
        "n == (4, 6)": True,
        "n[-1]": 6,
        "n[:1]": (4,),
        "x is d['0']": True,
        "x is y": False,
        "o is None": False,
    }
    for text, expected in values.items():
        assert stepper.evaluate(text) == expected, text
    for text, says in {
        "z.data": "were not kept",
        "abs(z)": "were not kept",
        "x + x[0]": "arrays of shapes",
        "not x": "use any or all",
        "x.tofile('x')": "no 'tofile'",
        "x.data.tofile('x')": "no 'tofile'",
        "x.data.ctypes": "no 'ctypes'",
        "d[1]": "it has 0",
        "d.x": "no 'x'",
        "n[5]": "no entry 5",
        "y.std > x.dtype": "TypeError",
    }.items():
        with pytest.raises(TracerError, match=re.escape(says)):
            stepper.evaluate(text)


def test_breakpoints_are_found_by_name_in_hostile_traces():
    stepper = Stepper(handmade.hostile_pass())
    stepper.do("b 骨干网络.*")
    assert stepper.do("c").text.startswith("Breakpoint 1")
    assert stepper.position.call.path == "骨干网络.特征金字塔"


def test_input_errors_are_input_errors(tiny):
    with pytest.raises(InputError):
        tiny.do("l 1, 2, 3")
