"""The table: its cells as data, its sums, its folding, what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from handmade import (
    Draft,
    failed_pass,
    opaque,
    repeated_pass,
    tensor_value,
    tiny_construction,
    tiny_pass,
)

from tracer.errors import InputError, MissingError
from tracer.record import Module, Settings, Value, query
from tracer.views.kit.shapes import shape_text
from tracer.views.reports import word
from tracer.views.reports.columns import FIELDS
from tracer.views.reports.table import table


def rows(found):
    """Return each row as a dict, by what it is called."""
    return {record["call"]: record for record in found.records()}


def test_one_line_per_module_call():
    trace = tiny_pass()
    found = rows(table(trace))
    assert list(found) == ["(root)", "body", "body.conv", "body.bn", "body.relu", "head"]
    summary = trace.tensors[query.find_call(trace, "body.conv").result.tensor].summary
    assert found["body.conv"] == {
        "call": "body.conv",
        "type": "Conv2d",
        "settings": "3×3, padding 1",
        "input": "1×3×6×8",
        "output": "1×4×6×8",
        "params": 108,
        "frozen": 0,
        "macs": 5184,
        "stride": None,  # this model begins with a list of images, not with a batch
        "min": summary.min,
        "max": summary.max,
        "zeros": 0.0,
        "time": 3 / 1024,
        "all_time": 3 / 1024,
    }


def test_values_are_those_before_an_overwrite():
    found = rows(table(tiny_pass()))
    assert found["body.bn"]["min"] < 0
    assert found["body.relu"]["min"] == 0
    assert found["body.relu"]["zeros"] > 0.3


def test_frozen_parameters_are_counted():
    found = rows(table(tiny_pass()))
    assert (found["body.bn"]["params"], found["body.bn"]["frozen"]) == (8, 8)
    assert (found["head"]["params"], found["head"]["frozen"]) == (10, 0)


# --- sums -----------------------------------------------------------------------------------------

SUMMED = ("params", "trainable", "frozen", "macs", "time", "calls")
"""Columns whose totals are the sums of their cells."""


def totals(found):
    keys = [column.key for column in found.columns]
    return dict(zip(keys, found.totals, strict=True))


def check_sums(trace, **options):
    """The totals are the sums of the columns, and of a whole trace what the trace adds up to."""
    found = table(trace, columns=("call", *SUMMED), **options)
    summed = totals(found)
    for key in SUMMED:
        column = [cell or 0 for cell in found.column(key)]
        assert summed[key] == pytest.approx(sum(column)), key
        assert summed["frozen"] == summed["params"] - summed["trainable"]
    return summed


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("depth", [None, 0, 1, 2])
@pytest.mark.parametrize(
    ("story", "grain"),
    [
        (tiny_pass, "module"),
        (tiny_pass, "module,function"),
        (tiny_pass, "all"),
        (repeated_pass, "module"),
        (repeated_pass, "all"),
    ],
)
def test_columns_add_up_to_the_whole_at_any_depth_grain_and_folding(story, grain, depth, fold):
    trace = story()
    summed = check_sums(trace, grain=grain, depth=depth, fold=fold)
    whole = query.totals(trace)
    assert summed["params"] == whole.params
    assert summed["macs"] == whole.macs
    seconds = sum(call.seconds for call in query.roots(trace))
    assert totals(table(trace, columns="call,all_time", depth=depth))["all_time"] == seconds
    if depth is None:
        assert summed["time"] == pytest.approx(seconds)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("story", [tiny_pass, repeated_pass])
def test_both_times_of_a_call_are_the_same_at_every_depth(story, depth):
    options = {"columns": "call,time,all_time", "fold": False}
    whole, cut = rows(table(story(), **options)), rows(table(story(), depth=depth, **options))
    assert len(cut) <= len(whole)
    assert cut.items() <= whole.items()


def test_a_part_adds_up_to_its_share():
    assert check_sums(tiny_pass(), path="body")["params"] == 116
    assert check_sums(tiny_pass(), stage="head")["macs"] == 8
    assert check_sums(tiny_pass(), path="body.conv,head")["params"] == 118


def test_a_cut_row_has_what_lies_beneath_it():
    found = rows(table(tiny_pass(), depth=1, columns="call,params,macs,all_params"))
    assert found["body"] == {"call": "body", "params": 116, "macs": 5184, "all_params": 116}
    assert found["(root)"]["params"] is None
    assert found["(root)"]["all_params"] == 126


def test_nested_sums_are_columns_of_their_own():
    found = rows(table(tiny_pass(), columns="call,all_params,all_macs,all_time,macs"))
    assert found["(root)"]["all_macs"] == 5192
    assert found["(root)"]["macs"] is None
    assert found["body"]["all_params"] == 116


def shared_pass():
    """One Linear under two names, called twice; a further parameter that no call shows."""
    draft = Draft()
    x = draft.tensor(np.ones((1, 2), np.float32), outside=True)
    with draft.call("module", "", "Net", {"x": tensor_value(x)}) as root:
        for _ in range(2):
            with draft.call("module", "a", "Linear", {"x": tensor_value(x)}, macs=4) as call:
                call.result = tensor_value(x)
        root.result = tensor_value(x)
    modules = {
        "": Module("", "Net", children=(("a", "a"), ("b", "a"), ("c", "c")), params=9, trainable=6),
        "a": Module("a", "Linear", params=6, trainable=6, own_params=6, own_trainable=6),
        "c": Module("c", "Odd", params=3, own_params=3),
    }
    return draft.trace("pass", "Net", settings=Settings(("module",)), modules=modules)


def test_a_shared_module_counts_once_and_an_uncalled_one_with_its_parent():
    found = rows(table(shared_pass(), fold=False))
    assert list(found) == ["(root)", "a#0", "a#1"]
    assert [found[name]["params"] for name in found] == [3, 6, None]
    assert [found[name]["frozen"] for name in found] == [3, 0, None]
    assert check_sums(shared_pass())["params"] == 9


# --- folding --------------------------------------------------------------------------------------


def test_alike_neighbours_share_a_row():
    found = table(repeated_pass(), columns="call,calls,macs")
    assert found.column("call") == [
        "(root)",
        "layer",
        "layer.0",
        "layer.0.conv",
        "layer.0.relu",
        "layer.1-4",
        "layer.1-4.conv",
        "layer.1-4.relu",
    ]
    assert found.column("calls") == [1, 1, 1, 1, 1, 4, 4, 4]
    assert found.column("macs") == [None, None, None, 16, None, None, 64, None]
    assert any("layer1.1-2" in note for note in found.notes)


def test_folding_can_be_left_out():
    found = table(repeated_pass(), fold=False)
    assert len(found) == 2 + 5 * 3
    assert not any("layer1.1-2" in note for note in found.notes)


def test_a_folded_row_ranges_over_all_of_its_calls():
    whole = table(repeated_pass(), fold=False, columns="call,min,max,zeros")
    part = [row for row in whole.records() if row["call"].startswith(("layer.1", "layer.2"))]
    part += [row for row in whole.records() if row["call"].startswith(("layer.3", "layer.4"))]
    part = [row for row in part if row["call"].endswith("conv")]
    folded = rows(table(repeated_pass(), columns="call,min,max,zeros"))["layer.1-4.conv"]
    assert folded["min"] == min(row["min"] for row in part)
    assert folded["max"] == max(row["max"] for row in part)


# --- choosing -------------------------------------------------------------------------------------


def test_grains():
    trace = tiny_pass()
    assert len(table(trace, grain="all", fold=False)) == len(trace.calls)
    assert set(table(trace, grain="op", columns="kind").column("kind")) == {"op"}
    both = table(trace, grain=("module", "op"), columns="kind").column("kind")
    assert set(both) == {"module", "op"}


def test_without_module_calls_everything_is_shown():
    trace = tiny_construction()
    assert table(trace).column("call") == ["build", "TinyNet.__init__", "make_body"]
    only_functions = table(tiny_pass(), path="normalize")
    assert only_functions.column("call") == ["normalize", "sub", "mul"]


def test_path_takes_labels_and_patterns_and_what_runs_in_them():
    trace = tiny_pass()
    assert table(trace, path="body").column("call") == [
        "body",
        "body.conv",
        "body.bn",
        "body.relu",
    ]
    assert table(trace, path="*.relu#0").column("call") == ["body.relu"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"columns": "mac"}, MissingError, r"no column 'mac'; did you mean 'macs'"),
        ({"path": "body.con"}, MissingError, r"'body.con'; did you mean 'body.conv'"),
        ({"stage": "boody"}, MissingError, r"no stage 'boody'; did you mean 'body'"),
        ({"grain": "modul"}, InputError, r"no grain 'modul' to show; did you mean 'module'"),
        ({"grain": "line"}, InputError, r"calls, not lines; tracer step"),
        ({"lang": "fr"}, InputError, r"no language 'fr'"),
        ({"stage": "body", "path": "head"}, MissingError, r"stage body and path head have none"),
    ],
)
def test_what_is_not_there_is_refused(options, kind, message):
    with pytest.raises(kind, match=message):
        table(tiny_pass(), **options)


def test_a_grain_that_was_not_recorded_is_named():
    with pytest.raises(MissingError, match=r"the function grain was not recorded .*module, op"):
        table(repeated_pass(), grain="function")


# --- the rest -------------------------------------------------------------------------------------


def test_a_failure_is_marked_and_told():
    found = table(failed_pass())
    assert [row.mark for row in found.rows] == ["error", "", "", "overwritten", "", "error"]
    assert found.notes[-1].startswith("It ended by RuntimeError: mat1 and mat2 shapes")
    assert "in linear#0" in found.notes[-1]


def test_nan_and_inf_are_told_where_there_are_any():
    draft = Draft()
    x = draft.tensor(np.array([[np.nan, np.inf], [0.0, -np.inf]], np.float32), outside=True)
    with draft.call("module", "", "Net", {"x": tensor_value(x)}) as root:
        root.result = tensor_value(x)
    found = rows(table(draft.trace("pass", "Net", settings=Settings(("module",)))))
    assert (found["(root)"]["nan"], found["(root)"]["inf"], found["(root)"]["max"]) == (1, 2, 0.0)
    assert not {"nan", "inf"} & set(rows(table(tiny_pass()))["body"])
    assert rows(table(tiny_pass(), columns="call,nan"))["body"]["nan"] == 0


def test_of_a_construction_what_each_builder_added():
    found = rows(table(tiny_construction()))
    assert [record["built"] for record in found.values()] == [126, 126, 116]
    # build itself adds nothing, __init__ the head, make_body the body.
    assert [record["added"] for record in found.values()] == [None, 10, 116]
    assert totals(table(tiny_construction()))["added"] == 126


def test_every_field_can_be_shown_of_every_story():
    for trace in (tiny_pass(), failed_pass(), repeated_pass(), tiny_construction()):
        found = table(trace, columns=tuple(FIELDS), grain="all", fold=False)
        assert len(found) == len(trace.calls)
        for cell in (cell for row in found.rows for cell in row.cells):
            assert cell is None or isinstance(cell, (bool, int, float, str))
            assert not isinstance(cell, float) or math.isfinite(cell)


def test_chinese_headings():
    found = table(tiny_pass(), lang="zh")
    assert found.columns[0].title == "调用"
    assert found.title == "TinyNet：一次前向（评估模式），15 次调用中的 6 次"
    assert found.totals[0] == "合计"


def test_every_column_has_a_heading():
    assert set(FIELDS) <= set(word.all("en"))
    assert word("total", "zh") == "合计"


def test_a_dataframe_has_a_row_per_call_and_plain_numbers():
    frame = tiny_pass().dataframe()
    assert list(frame.path) == ["", "body", "body.conv", "body.bn", "body.relu", "head"]
    assert frame.params.sum() == 126
    assert frame.macs.sum() == 5192
    assert len(tiny_pass().dataframe(grain="all")) == 15
    assert len(repeated_pass().dataframe(fold=True)) == 8


def test_without_pandas_a_dataframe_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        tiny_pass().dataframe()


def test_the_shapes_of_a_value():
    trace = tiny_pass()
    result = trace.calls[0].result
    assert shape_text(trace, result) == "{features: 1×4×6×8, scores: 1×2}"
    assert shape_text(trace, trace.calls[0].args) == "[3×6×8]"
    assert shape_text(trace, None) == ""


# --- a real pass ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"grain": "all"}, {"depth": 2}, {"fold": False}])
def test_a_real_pass_adds_up(recorded, rcnn, options):
    summed = check_sums(recorded, **options)
    assert summed["params"] == sum(p.numel() for p in rcnn.parameters())
    assert summed["macs"] == sum(call.macs for call in query.roots(recorded))
    if "depth" not in options:
        assert summed["time"] == pytest.approx(recorded.calls[0].seconds)


def test_a_real_pass_row_by_row(recorded):
    found = rows(table(recorded))
    conv1 = found["backbone.body.conv1"]
    # 60×80 and 100×80 become 64×85 and 80×64, padded together to a multiple of 32.
    assert conv1["input"] == "2×3×96×96"
    assert conv1["settings"] == "7×7, stride 2, padding 3"
    assert conv1["params"] == 64 * 3 * 7 * 7
    assert conv1["macs"] == 2 * 64 * 3 * 7 * 7 * 48 * 48
    assert conv1["stride"] == 2
    assert found["backbone.body.maxpool"]["settings"] == "3×3, stride 2, padding 1"
    strides = [found[f"backbone.body.layer{n}"]["stride"] for n in range(1, 5)]
    assert strides == [4, 8, 16, 32]
    assert found["backbone.fpn"]["stride"] == "4, 8, 16, 32, 64"
    assert found["roi_heads.box_roi_pool"]["stride"] is None
    assert found["backbone.body.layer1.1-2"]["output"] == found["backbone.body.layer1.0"]["output"]
    assert "rpn.head.conv#4" in found
    assert [found[f"rpn.head.cls_logits#{n}"]["stride"] for n in range(5)] == [4, 8, 16, 32, 64]


def test_a_module_that_returned_no_tensor_says_what_it_returned():
    """Else it would look like one that has not come to an end."""
    given = {
        "None": Value("scalar", "NoneType"),
        "'text'": Value("scalar", "str", scalar="text"),
        "ndarray shape (3,)": opaque("ndarray", "shape (3,)"),
        "list of 1": Value("sequence", "list", (("0", Value("scalar", "int", scalar=1)),)),
    }
    draft = Draft()
    with draft.call("module", "", "Net"):
        for i, value in enumerate(given.values()):
            with draft.call("module", f"part{i}", "Part") as call:
                call.result = value
    trace = draft.trace("pass", "Net", settings=Settings(("module",)))
    assert table(trace, columns=("call", "output"), fold=False).column("output")[1:] == [*given]
