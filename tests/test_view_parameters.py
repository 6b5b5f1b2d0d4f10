"""The parameters: what is frozen, and the gradients that a backward pass left."""

from __future__ import annotations

import pytest
from handmade import WEIGHTS, hostile_pass, tiny_pass

from tracer.errors import MissingError
from tracer.views.reports.parameters import gradients, parameters


def test_one_line_per_parameter():
    trace = tiny_pass()
    found = parameters(trace)
    assert found.column("name") == list(WEIGHTS)
    assert found.column("params") == [108, 4, 4, 8, 2]
    assert found.column("frozen") == [0, 4, 4, 0, 0]
    assert found.totals[:5] == ("Total", None, None, 126, 8)
    assert found.column("max") == [1, None, None, trace.tensors[-2].summary.max, None]
    assert "grad_min" not in [column.key for column in found.columns]


def test_gradients_where_there_are_any():
    trace = tiny_pass(gradients=True)
    found = {record["name"]: record for record in parameters(trace).records()}
    assert found["body.bn.weight"]["grad_max"] is None
    gradient = trace.parameters[0].gradient
    assert found["body.conv.weight"]["grad_max"] == gradient.max
    assert found["body.conv.weight"]["grad_std"] == gradient.std
    titles = {column.key: column.title for column in parameters(trace, lang="zh").columns}
    assert (titles["min"], titles["grad_min"]) == ("最小值", "梯度最小值")


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
    parts = {record["module"]: record for record in gradients(recorder.trace).records()}
    assert parts["backbone.body.conv1"]["learning"] == 0
    assert parts["backbone.body.conv1"]["grad_norm"] is None
    layer4 = [p.grad.flatten() for p in model.backbone.body.layer4.parameters()]
    norm = torch.cat(layer4).double().norm().item()
    assert parts["backbone.body.layer4"]["grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_parts_that_learn():
    found = gradients(tiny_pass(gradients=True), depth=2)
    assert found.column("module") == ["body.conv", "body.bn", "head"]
    assert found.column("params") == [108, 8, 10]
    assert found.column("frozen") == [0, 8, 0]
    assert found.totals[1:3] == (126, 8)
    learning = dict(zip(found.column("module"), found.column("learning"), strict=True))
    assert learning["body.bn"] == 0
    assert learning["body.conv"] == 108


def test_without_a_backward_pass_nothing_learns():
    found = gradients(tiny_pass(), lang="zh")
    assert set(found.column("learning")) == {0}
    assert set(found.column("grad_norm")) == {None}
    assert found.columns[3].title == "得到梯度"


def test_values_of_parameters_and_buffers():
    torch = pytest.importorskip("torch")
    import tracer

    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).eval()
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
        model[0].weight[0, 1:] = torch.tensor([torch.inf, -7.0])
        model[1].running_var[1] = torch.nan
    trace = tracer.trace(model, torch.rand(4, 3), grain="module")
    found = {record["name"]: record for record in parameters(trace).records()}
    assert list(found) == ["0.weight", "0.bias", "1.weight", "1.bias", "1.running_var"]
    assert (found["0.weight"]["min"], found["0.weight"]["nan"], found["0.weight"]["inf"]) == (
        -7,
        1,
        1,
    )
    assert (found["1.weight"]["max"], found["1.weight"]["nan"]) == (1, 0)
    assert (found["1.running_var"]["nan"], found["1.running_var"]["params"]) == (1, None)
    assert parameters(trace).totals[3] == 3 * 2 + 2 + 2 + 2
    asked = parameters(trace, path="1").column("name")
    assert asked == [
        "1.weight",
        "1.bias",
        *(f"1.running_{n}" for n in ("mean", "var")),
        "1.num_batches_tracked",
    ]
