"""Selections over hand-built traces."""

from __future__ import annotations

import handmade
import pytest

from tracer.errors import MissingError
from tracer.record import query
from tracer.record.query import Node


@pytest.fixture(scope="module")
def tiny():
    return handmade.tiny_pass()


@pytest.fixture(scope="module")
def repeated():
    return handmade.repeated_pass()


def labels(calls):
    return [call.label for call in calls]


def outline(nodes):
    """Write a forest as indented text."""
    return [
        "  " * level + node.call.label + (f" ×{node.count}" if node.count > 1 else "")
        for level, node in query.walk(nodes)
    ]


def call_named(trace, text):
    return query.find_call(trace, text)


# --- selecting ------------------------------------------------------------------------------------


def test_roots_and_children(tiny):
    assert labels(query.roots(tiny)) == ["(root)#0"]
    below = query.children(tiny)
    assert labels(below[None]) == ["(root)#0"]
    assert labels(below[call_named(tiny, "body").id]) == ["body.conv#0", "body.bn#0", "body.relu#0"]
    assert sum(len(calls) for calls in below.values()) == len(tiny.calls)


def test_ancestors_are_nearest_first(tiny):
    conv2d = call_named(tiny, "conv2d")
    assert labels(query.ancestors(tiny, conv2d)) == ["body.conv#0", "body#0", "(root)#0"]
    assert query.depth(tiny, conv2d) == 3
    assert query.depth(tiny, tiny.calls[0]) == 0


def test_beneath_is_the_calls_and_all_in_them(tiny):
    inside = query.beneath(tiny, query.by_path(tiny, "body.bn"))
    assert labels(inside) == ["body.bn#0", "batch_norm#0"]
    both = query.beneath(tiny, query.by_path(tiny, "body*"))
    assert labels(both) == labels(query.by_stage(tiny, "body"))


def test_of_kinds(tiny):
    assert {c.kind for c in query.of_kinds(tiny.calls, "op", "function")} == {"op", "function"}
    assert len(query.of_kinds(tiny.calls, "module", "function", "op")) == len(tiny.calls)
    assert query.of_kinds(tiny.calls) == ()


def test_by_stage(tiny):
    assert labels(query.by_stage(tiny, "head")) == ["head#0", "linear#0"]


def test_unknown_stage_names_near_ones(tiny):
    with pytest.raises(MissingError, match=r"no stage 'haed'; did you mean 'head'\?.*body, head"):
        query.by_stage(tiny, "haed")
    with pytest.raises(MissingError, match="it has none"):
        query.by_stage(handmade.tiny_construction(), "body")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("body.relu", ["body.relu#0"]),
        ("(root)", ["(root)#0"]),
        ("body.*", ["body.conv#0", "body.bn#0", "body.relu#0"]),
        ("*norm*", ["normalize#0", "batch_norm#0"]),
        ("head#0", ["head#0"]),
    ],
)
def test_by_path(tiny, pattern, expected):
    assert labels(query.by_path(tiny, pattern)) == expected


def test_by_path_matches_case_and_brackets_exactly():
    trace = handmade.hostile_pass()
    for name in handmade.HOSTILE_NAMES:
        assert [call.path for call in query.by_path(trace, name)] == [name]


def test_unknown_path_names_near_ones(tiny):
    with pytest.raises(MissingError, match=r"'body.rellu'; did you mean 'body.relu'"):
        query.by_path(tiny, "body.rellu")
    with pytest.raises(MissingError, match=r"'zzz'$"):
        query.by_path(tiny, "zzz")


# --- forests --------------------------------------------------------------------------------------


def test_forest_is_the_whole_tree(tiny):
    nodes = query.forest(tiny)
    assert [node.call for _, node in query.walk(nodes)] == list(tiny.calls)
    for level, node in query.walk(nodes):
        assert level == query.depth(tiny, node.call)
        assert all(child.call.parent == node.call.id for child in node.children)


def test_hidden_calls_hand_their_children_up(tiny):
    assert outline(query.forest(tiny, query.of_kinds(tiny.calls, "function", "op"))) == [
        *("normalize#0", "  sub#0", "  mul#0", "__getitem__#0", "conv2d#0", "batch_norm#0"),
        *("relu_#0", "mean#0", "linear#0"),
    ]
    without_body = [call for call in tiny.calls if call.path != "body"]
    root = query.forest(tiny, without_body)[0]
    assert labels(n.call for n in root.children) == [
        *("normalize#0", "__getitem__#0", "body.conv#0", "body.bn#0", "body.relu#0"),
        *("mean#0", "head#0"),
    ]


def test_forest_of_nothing(tiny):
    assert query.forest(tiny, ()) == ()
    assert list(query.walk(())) == []


def test_to_depth(tiny):
    nodes = query.forest(tiny, query.of_kinds(tiny.calls, "module"))
    assert outline(query.to_depth(nodes, 0)) == ["(root)#0"]
    assert outline(query.to_depth(nodes, 1)) == ["(root)#0", "  body#0", "  head#0"]
    assert query.to_depth(nodes, 9) == nodes


def test_fold_repeats(repeated):
    folded = query.fold_repeats(repeated, query.forest(repeated))
    assert outline(folded) == [
        "(root)#0",
        "  layer#0",
        "    layer.0#0",
        "      layer.0.conv#0",
        "        conv2d#0",
        "      layer.0.relu#0",
        "    layer.1#0 ×4",
        "      layer.1.conv#0",
        "        conv2d#1",
        "      layer.1.relu#0",
    ]
    block = folded[0].children[0].children[1]
    assert labels(block.repeats) == ["layer.2#0", "layer.3#0", "layer.4#0"]


def test_different_insides_do_not_fold(repeated):
    inside = call_named(repeated, "layer.3.relu")
    without = [call for call in repeated.calls if call is not inside]
    folded = query.fold_repeats(repeated, query.forest(repeated, without))
    blocks = folded[0].children[0].children
    assert [(n.call.path, n.count) for n in blocks] == [
        *(("layer.0", 1), ("layer.1", 2), ("layer.3", 1), ("layer.4", 1)),
    ]


def test_only_numbers_may_differ(tiny):
    """``conv1`` and ``conv2`` of one shape stay two; so do ``body.conv`` and ``body.bn``."""
    nodes = query.forest(tiny)
    assert query.fold_repeats(tiny, nodes) == nodes


def test_folding_twice_changes_nothing(repeated):
    once = query.fold_repeats(repeated, query.forest(repeated))
    assert query.fold_repeats(repeated, once) == once


def test_deep_trees_need_no_recursion():
    draft = handmade.Draft()
    open_calls = []
    for _ in range(3000):
        call = draft.call("function", "f", "m")
        call.__enter__()
        open_calls.append(call)
    for call in reversed(open_calls):
        call.__exit__(None, None, None)
    trace = draft.trace("pass", "f")
    nodes = query.to_depth(query.forest(trace), 2500)
    assert max(level for level, _ in query.walk(nodes)) == 2500
    assert len(list(query.walk(query.fold_repeats(trace, nodes)))) == 2501


def test_a_node_counts_its_call(tiny):
    assert Node(tiny.calls[0]).count == 1
    assert Node(tiny.calls[0], repeats=tiny.calls[1:3]).count == 3


# --- lines ----------------------------------------------------------------------------------------


def test_lines_of_leaves_out_inner_calls(tiny):
    root, normalize = tiny.calls[:2]
    assert [line.line for line in query.lines_of(tiny, root)] == [29, 30, 31, 32, 33, 34]
    assert [line.line for line in query.lines_of(tiny, normalize)] == [10, 11]
    assert query.lines_of(tiny, call_named(tiny, "body")) == ()


def test_locals_are_those_before_the_line(tiny):
    root = tiny.calls[0]
    first, second, *_, last = query.lines_of(tiny, root)
    at = lambda tick: query.locals_at(tiny, root, tick)  # noqa: E731
    assert list(at(root.start)) == ["images"]
    assert list(at(first.tick)) == ["images"]
    assert list(at(second.tick - 1)) == ["images"], "the call that the line made is still running"
    assert list(at(second.tick)) == ["images", "x"]
    assert list(at(last.tick)) == ["images", "x", "features", "pooled", "scores"]


def test_locals_at_the_end_hold_the_last_line(tiny):
    normalize = tiny.calls[1]
    trace = handmade.tiny_construction()
    init = call_named(trace, "TinyNet.__init__")
    assert list(query.locals_at(tiny, normalize, normalize.end)) == ["image", "mean", "centred"]
    before, after = (query.locals_at(trace, init, tick)["self"] for tick in (init.start, init.end))
    assert (before.params, after.params) == ((0, 0), (126, 126))


def test_deleted_names_are_gone():
    trace = handmade.hostile_pass()
    call, name = trace.calls[1], handmade.HOSTILE_NAMES[0]
    assert name in query.locals_at(trace, call, call.start)
    assert name not in query.locals_at(trace, call, call.end)


# --- data flow ------------------------------------------------------------------------------------


def test_producer_and_uses(tiny):
    relu = call_named(tiny, "body.relu")
    normed = relu.args["input"].tensor
    assert query.producer(tiny, normed).path == "batch_norm"
    assert labels(query.uses(tiny, normed)) == ["body.relu#0", "relu_#0"]
    assert labels(query.uses(tiny, relu.result.tensor)) == ["mean#0"]


def test_outside_tensors_have_no_producer(tiny):
    root = tiny.calls[0]
    assert query.producers(tiny, root) == {"images.0": None}
    conv2d = call_named(tiny, "conv2d")
    found = query.producers(tiny, conv2d)
    assert found["input"].path == "__getitem__"
    assert found["weight"] is None


def test_history_tells_of_in_place_writes(tiny):
    relu = call_named(tiny, "body.relu")
    before, after = relu.args["input"].tensor, relu.result.tensor
    assert query.history(tiny, before) == query.history(tiny, after) == (before, after)
    assert tiny.tensors[before].summary.min < 0 == tiny.tensors[after].summary.min


# --- single calls and sums ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "label"),
    [
        *(("body", "body#0"), ("relu_#0", "relu_#0"), ("(root)", "(root)#0"), ("5", "body#0")),
    ],
)
def test_find_call(tiny, text, label):
    assert query.find_call(tiny, text).label == label


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv2d#9", r"'conv2d' has calls #0 to #4, there is no 'conv2d#9'"),
        ("conv3d", r"no call 'conv3d'; did you mean 'conv2d'\?"),
        ("99", r"no call '99'$"),
    ],
)
def test_find_call_says_what_is_there(repeated, text, message):
    with pytest.raises(MissingError, match=message):
        query.find_call(repeated, text)


def test_totals(tiny):
    sums = query.totals(tiny)
    assert (sums.params, sums.trainable, sums.frozen) == (126, 118, 8)
    assert sums.macs == 5184 + 8
    assert sums.calls == {"module": 6, "function": 1, "op": 8}
    assert (sums.lines, sums.tensors, sums.kept) == (8, 11, 3)
