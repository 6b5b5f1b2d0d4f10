"""The record by itself: frozen, comparable, and easy to read values from."""

from __future__ import annotations

import dataclasses
import math

import handmade
import numpy as np
import pytest
from handmade import arguments, mapping, module_value, opaque, scalar, sequence, tensor_value

from tracer.errors import MissingError
from tracer.record import Call, TensorSummary, Trace, Value

NESTED = arguments(
    {
        "images": sequence(tensor_value(4), tensor_value(2)),
        "targets": sequence(mapping({"boxes": tensor_value(7), "id": scalar(3)}), scalar(None)),
        "model": module_value("TinyNet", "", (5, 3), {"width": scalar(4)}),
        "empty": sequence(),
        "other": opaque("Thing", "a thing"),
    }
)


def test_leaves_have_paths():
    assert [path for path, _ in NESTED.leaves()] == [
        *("images.0", "images.1", "targets.0.boxes", "targets.0.id", "targets.1"),
        *("model", "other"),
    ]
    assert [path for path, _ in tensor_value(1).leaves("x")] == ["x"]


def test_tensors_are_found_depth_first():
    assert list(NESTED.tensors()) == [4, 2, 7]
    assert list(scalar(1).tensors()) == []


def test_children_by_name_and_index():
    assert NESTED["targets"][0]["boxes"].tensor == 7
    assert NESTED.get("nothing") is None
    assert NESTED.get("other").text == "a thing"
    with pytest.raises(KeyError):
        NESTED["nothing"]


def test_nan_equals_nan():
    """Two recordings of one run are equal, whatever they hold."""
    assert scalar(float("nan")) == scalar(-float("nan"))
    assert sequence(scalar(math.nan)) == sequence(scalar(float("nan")))
    assert math.isnan(scalar(float("nan")).scalar)
    assert scalar(math.nan) != scalar(1.0)


@pytest.mark.parametrize(
    ("shape", "numel"), [((), 1), ((0,), 0), ((2, 3, 4), 24), ((2**40, 2**40), 2**80)]
)
def test_numel(shape, numel):
    assert TensorSummary(shape, "float32", "cpu").numel == numel


def test_labels():
    trace = handmade.repeated_pass()
    assert [call.label for call in trace.calls if call.path in ("", "conv2d")][:3] == [
        *("(root)#0", "conv2d#0", "conv2d#1"),
    ]


def test_a_trace_is_frozen():
    trace = handmade.tiny_pass()
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.subject = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.calls[0].path = "other"
    with pytest.raises(TypeError):
        trace.modules["x"] = None


def test_a_trace_does_not_see_its_makers_changes():
    environment = {"python": "3.11"}
    trace = Trace("pass", "Net", handmade.Settings(), environment, ())
    environment["python"] = "2.7"
    assert trace.environment["python"] == "3.11"


def test_equality_goes_into_everything():
    trace = handmade.tiny_pass()
    assert trace == handmade.tiny_pass()
    assert trace != handmade.failed_pass()
    assert trace != dataclasses.replace(trace, seconds=9.0)
    assert trace != "a trace"
    changed = {**trace.blobs, "data/6": trace.blobs["data/6"] + 1}
    assert trace != dataclasses.replace(trace, blobs=changed)
    fewer = {k: v for k, v in trace.blobs.items() if k != "data/6"}
    assert trace != dataclasses.replace(trace, blobs=fewer)
    wider = {**trace.blobs, "data/6": trace.blobs["data/6"].astype(np.float64)}
    assert trace != dataclasses.replace(trace, blobs=wider)


def test_arrays_with_nan_are_equal():
    blobs = {"data/0": np.array([np.nan])}
    make = lambda: Trace("pass", "Net", handmade.Settings(), {}, (), blobs=dict(blobs))  # noqa: E731
    assert make() == make()


def test_arrays_by_state():
    trace = handmade.tiny_pass()
    assert trace.preview(3).shape == (3, 6, 8)
    assert trace.preview(0) is None
    assert trace.data(6).min() < 0
    with pytest.raises(MissingError, match="of tensor state 5 were not kept: record with"):
        trace.data(5)


def test_a_repr_is_a_short_line():
    trace = handmade.tiny_pass()
    assert repr(trace) == "<Recording: pass of TinyNet, 15 calls, 8 lines, 11 tensor states>"
    call = trace.find("body.bn")
    assert repr(call) == f"<Call {call.id}: module body.bn#0, BatchNorm2d, ticks 19 to 22>"
    assert repr(trace.calls[0].result) == "<Value dict of 2: features, scores>"
    state = trace.tensors[call.result.tensor]
    low, high = state.summary.min, state.summary.max
    expected = f"<TensorState {state.id}: 1×4×6×8 float32, {low:.4g} … {high:.4g}"
    assert repr(state).startswith(expected)
    assert repr(trace.lines[0].changed[0][1]).startswith("<Value ")
    for each in (*trace.calls, *trace.lines, *trace.tensors, *trace.modules.values()):
        assert "\n" not in repr(each)
        assert len(repr(each)) < 250
    assert len(repr(next(iter(trace.sources.values())))) < 100


def test_what_may_stay_out_has_a_default():
    call = Call(0, "op", "add", 0, "torch", None, 0, 1, arguments({}))
    assert (call.result, call.stage, call.macs, call.error) == (None, "", 0, "")
    assert Value("scalar", "NoneType").scalar is None


def test_equal_values_have_equal_hashes():
    assert len({scalar(float("nan")), scalar(-float("nan")), scalar(1), scalar(1)}) == 2
    assert scalar(1) != 1
