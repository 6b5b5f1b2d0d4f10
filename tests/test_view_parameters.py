"""The parameters: what is frozen, and the gradients that a backward pass left."""

from __future__ import annotations

import pytest
from handmade import WEIGHTS, hostile_pass, tiny_pass

from tracer.errors import MissingError
from tracer.views.parameters import parameters


def test_one_line_per_parameter():
    found = parameters(tiny_pass())
    assert found.column("name") == list(WEIGHTS)
    assert found.column("params") == [108, 4, 4, 8, 2]
    assert found.column("frozen") == [0, 4, 4, 0, 0]
    assert found.totals == ("Total", None, None, 126, 8)
    assert "grad_min" not in [column.key for column in found.columns]


def test_gradients_where_there_are_any():
    trace = tiny_pass(gradients=True)
    found = {record["name"]: record for record in parameters(trace).records()}
    assert found["body.bn.weight"]["grad_max"] is None
    gradient = trace.parameters[0].gradient
    assert found["body.conv.weight"]["grad_max"] == gradient.max
    assert found["body.conv.weight"]["grad_std"] == gradient.std
    assert parameters(trace, lang="zh").columns[5].title == "梯度最小值"


def test_path_takes_a_name_a_module_and_a_pattern():
    trace = tiny_pass()
    assert parameters(trace, path="head").column("name") == ["head.weight", "head.bias"]
    assert parameters(trace, path="head.bias").column("name") == ["head.bias"]
    assert parameters(trace, path="*.bias").column("name") == ["body.bn.bias", "head.bias"]
    assert len(parameters(trace, path="head,body.conv")) == 3
    with pytest.raises(MissingError, match=r"did you mean 'head\.bias'"):
        parameters(trace, path="head.bia")


def test_hostile_names():
    assert len(parameters(hostile_pass())) == 11


def test_a_real_backward_pass(rcnn, two_images, two_targets):
    import copy

    import torch

    import tracer

    model = copy.deepcopy(rcnn).train()
    model.backbone.body.conv1.weight.requires_grad_(False)
    with torch.random.fork_rng(), tracer.Recorder(model, grain="module") as recorder:
        torch.manual_seed(0)
        sum(model(two_images, two_targets).values()).backward()
    found = {record["name"]: record for record in parameters(recorder.trace).records()}
    assert list(found) == [name for name, _ in model.named_parameters()]
    assert found["backbone.body.conv1.weight"]["frozen"] == 64 * 3 * 7 * 7
    assert found["backbone.body.conv1.weight"]["grad_max"] is None
    weight = model.rpn.head.cls_logits.weight
    assert found["rpn.head.cls_logits.weight"]["grad_max"] == pytest.approx(
        weight.grad.max().item()
    )
