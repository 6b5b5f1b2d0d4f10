"""The JSON contract, held against its own document."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from handmade import (
    HOSTILE_NAMES,
    Draft,
    arguments,
    failed_pass,
    hostile_pass,
    mapping,
    module_value,
    opaque,
    repeated_pass,
    scalar,
    sequence,
    tensor_value,
    tiny_construction,
    tiny_pass,
)

from tracer.errors import MissingError
from tracer.record import Settings, TensorSummary, Trace, Value
from tracer.views.reports.contract import leaf, to_json, tree

DOCS = Path(__file__).parent.parent / "docs"
FIELDS = [
    *("id", "kind", "path", "nth", "type", "stage", "parent", "args", "result"),
    *("params", "trainable", "macs", "uncounted"),
]
LEAF = ["shape", "dtype", "device", "min", "max", "mean", "std", "zeros", "nan", "inf"]


def strictly(text: str):
    """Parse JSON, refusing the words that only Python's parser takes."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def schema():
    text = (DOCS / "json.md").read_text(encoding="utf-8")
    return json.loads(re.search("```json\n(.*?)```", text, re.DOTALL).group(1))


STORIES = [tiny_pass, failed_pass, repeated_pass, tiny_construction, hostile_pass]


def validate(calls) -> None:
    import jsonschema  # which reads a grammar first: a second

    jsonschema.validate(calls, schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("story", STORIES)
def test_every_story_fits_the_documents_schema(story):
    calls = strictly(to_json(story()))
    validate(calls)
    assert [call["id"] for call in calls] == [call.id for call in story().calls]


def test_the_schema_refuses_what_is_not_in_the_contract():
    from jsonschema import ValidationError

    calls = strictly(to_json(tiny_pass()))
    calls[0]["extra"] = 1
    with pytest.raises(ValidationError):
        validate(calls)
    calls = strictly(to_json(tiny_pass()))
    del calls[0]["result"]["features"]["nan"]
    with pytest.raises(ValidationError):
        validate(calls)


def test_a_whole_call():
    trace = tiny_pass()
    call = strictly(to_json(trace))[5]
    assert list(call) == FIELDS
    features = trace.tensors[trace.calls[5].result.tensor].summary
    given = trace.tensors[trace.calls[5].args["input"].tensor].summary
    assert call == {
        "id": 5,
        "kind": "module",
        "path": "body",
        "nth": 0,
        "type": "Sequential",
        "stage": "body",
        "parent": 0,
        "args": {"input": leaf(given)},
        "result": leaf(features),
        "params": 116,
        "trainable": 108,
        "macs": 5184,
        "uncounted": [],
    }
    assert list(call["result"]) == LEAF
    assert call["result"]["shape"] == [1, 4, 6, 8]
    assert call["result"]["min"] == 0.0


def test_functions_and_ops_have_no_parameters():
    kinds = {(c["kind"], c["params"] is None) for c in strictly(to_json(tiny_pass()))}
    assert kinds == {("module", False), ("function", True), ("op", True)}


def test_one_call_per_line():
    text = to_json(tiny_pass())
    lines = text.split("\n")
    assert (lines[0], lines[-1]) == ("[", "]")
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == list(range(15))


def test_values_keep_their_structure():
    draft = Draft()
    import numpy as np

    with draft.call("op", "x", "torch") as call:
        state = draft.tensor(np.zeros((2, 0), np.float32))
        call.result = scalar(None)
    trace = draft.trace("pass", "x", settings=Settings(("op",)))
    empty = trace.tensors[state].summary
    assert tree(trace, tensor_value(state)) == leaf(empty)
    assert leaf(empty)["min"] is None
    assert tree(trace, scalar(None)) is None
    assert tree(trace, scalar(True)) is True
    assert tree(trace, sequence(scalar(1), scalar(0.5), type="tuple")) == [1, 0.5]
    assert tree(trace, mapping({"a": sequence()})) == {"a": []}
    assert tree(trace, arguments({"x": scalar("y")})) == {"x": "y"}
    assert tree(trace, opaque("Slice", "1:2")) == {"$opaque": "1:2", "type": "Slice"}
    assert tree(trace, module_value("Linear", "head", (10, 8))) == {
        "$module": "head",
        "type": "Linear",
        "params": 10,
        "trainable": 8,
    }
    for number, name in ((math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")):
        assert tree(trace, scalar(number)) == name
    long = Value("sequence", "list", (("0", scalar(1)),), elided=7)
    assert tree(trace, long) == [1, {"$elided": 7}]
    assert tree(trace, Value("mapping", "dict", (("a", scalar(1)),), elided=2)) == {
        "a": 1,
        "$elided": 2,
    }


def test_no_number_is_not_finite():
    odd = TensorSummary((1,), "float32", "cpu", min=-math.inf, max=math.inf, mean=math.nan)
    assert [leaf(odd)[key] for key in ("min", "max", "mean")] == [None, None, None]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_come_back_exactly(name):
    calls = strictly(to_json(hostile_pass()))
    assert name in {call["path"] for call in calls}
    assert name in {key for call in calls for key in call["args"]}


def test_nothing_in_it_moves_a_terminals_cursor():
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", to_json(hostile_pass()))


def test_it_can_be_narrowed():
    def ids(**options):
        return [call["id"] for call in strictly(to_json(tiny_pass(), **options))]

    trace = tiny_pass()
    assert ids(grain="module") == [c.id for c in trace.calls if c.kind == "module"]
    assert ids(stage="head") == [13, 14]
    assert ids(path="body", depth=0) == [5]
    assert ids(depth=1) == [0, *(c.id for c in trace.calls if c.parent == 0)]
    with pytest.raises(MissingError, match="did you mean 'head'"):
        ids(stage="heat")


def test_nothing_recorded_is_an_empty_list_or_a_word():
    empty = Trace("pass", "", Settings(), {}, ())
    with pytest.raises(MissingError, match="the recording has none"):
        to_json(empty)


def test_a_real_pass_and_construction_fit_the_schema(recorded, built):
    for trace in (recorded, built):
        calls = strictly(to_json(trace))
        assert len(calls) == len(trace.calls)
        validate(calls)


def test_both_documents_name_every_field():
    for file in ("json.md", "json.zh.md"):
        text = (DOCS / file).read_text(encoding="utf-8")
        for name in (*FIELDS, *LEAF, "$module", "$opaque", "$elided"):
            assert f"`{name}`" in text or f'"{name}"' in text, (file, name)
