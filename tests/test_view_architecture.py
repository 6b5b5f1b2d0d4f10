"""The printed model: equal to torch's own, and annotated with what ran."""

from __future__ import annotations

import dataclasses

import pytest
from golden_files import check_golden
from handmade import tiny_pass

from tracer.record import Module, Settings, Trace
from tracer.record.query import find_call
from tracer.views.reports.architecture import architecture


def printed(model) -> str:
    """Print a live model from nothing but the record of its modules."""
    from tracer.capture import modules
    from tracer.capture.sources import Sources

    table = modules.describe([model], Sources((), ()))
    return str(architecture(Trace("pass", "", Settings(), {}, (), modules=table)))


def detectors() -> list[str]:
    import torchvision

    return torchvision.models.list_models(module=torchvision.models.detection)


@pytest.mark.parametrize("name", detectors())
def test_every_torchvision_detector_prints_as_torch_prints_it(name):
    import torch
    import torchvision

    with torch.device("meta"):
        model = torchvision.models.get_model(name, weights=None, weights_backbone=None)
    assert printed(model) == repr(model)


def test_the_frozen_resnet_has_its_176_lines():
    import torch
    from torchvision.models import resnet50
    from torchvision.ops import FrozenBatchNorm2d

    with torch.device("meta"):
        model = resnet50(norm_layer=FrozenBatchNorm2d)
    text = printed(model)
    assert text == repr(model)
    assert len(text.split("\n")) == 176
    assert text.count("FrozenBatchNorm2d(64, eps=1e-05)") == 7


def test_containers_print_as_torch_prints_them():
    import torch
    from torch import nn

    class Heads(nn.ModuleList):
        pass

    class Multiline(nn.Module):
        def extra_repr(self):
            return "one\ntwo"

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ReLU()

        def __repr__(self):
            return "Own(\n  says what it likes\n)"

    shared = nn.Linear(2, 2)
    model = nn.Sequential(
        Heads([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()]),
        nn.ModuleList([nn.Sequential(Own(), Own()), nn.Sequential(Own(), Own())]),
        nn.ModuleList(),
        nn.ModuleDict({"a b": nn.ReLU(), "c": shared}),
        nn.ParameterList([nn.Parameter(torch.ones(2))]),
        nn.Sequential(),
        Multiline(),
        shared,
    )
    model.register_module("nothing", None)
    assert printed(model) == repr(model)
    alone = nn.Sequential(nn.ReLU())
    alone.register_module("nothing", None)
    assert printed(alone) == repr(alone)


def test_a_recorded_pass_and_construction_print_their_model(recorded, built, rcnn):
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    assert str(architecture(recorded)) == repr(rcnn)
    import torch

    with torch.device("meta"):
        model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    assert str(architecture(built)) == repr(model)


def lines(found):
    return {record["line"]: record for record in found.records()}


def test_annotated_by_hand():
    check_golden("tiny_annotated.txt", str(architecture(tiny_pass(), annotated=True)))


def test_annotations_tell_calls_shapes_and_parameters(recorded):
    found = lines(architecture(recorded, annotated=True))
    assert found[
        "(conv1): Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)"
    ] == {
        "depth": 3,
        "line": "(conv1): Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), "
        "bias=False)",
        "calls": 1,
        "params": 9408,
        "output": "2×64×48×48",
    }
    relus = [r for r in architecture(recorded, annotated=True).records() if "(relu)" in r["line"]]
    assert relus[0]["calls"] == 1
    assert (relus[1]["calls"], relus[1]["output"]) == (3, "2×64×24×24; 2×256×24×24")
    logits = found["(cls_logits): Conv2d(256, 3, kernel_size=(1, 1), stride=(1, 1))"]
    assert logits["calls"] == 5
    assert logits["output"] == "2×3×24×24; 2×3×12×12; 2×3×6×6; 2×3×3×3; 2×3×2×2"
    # It is indexed, never called.
    assert found["(inner_blocks): ModuleList("]["calls"] is None


def test_the_lines_are_the_printed_ones_also_when_annotated(recorded, rcnn):
    found = architecture(recorded, annotated=True)
    text = "\n".join("  " * row.depth + row.cells[0] for row in found.rows)
    assert text == repr(rcnn)


def test_repeated_blocks_fold(recorded):
    whole = architecture(recorded, annotated=True)
    folded = architecture(recorded, annotated=True, fold=True)
    assert len(folded) < len(whole)
    found = lines(folded)
    assert found["(1-2): 2 x Bottleneck("]["calls"] == 2
    assert found["(1-5): 5 x Bottleneck("]["params"] == 5 * 1_117_184
    assert found["(0): Bottleneck("]["calls"] == 1
    total = sum(module.own_params for module in recorded.modules.values())
    assert found["FasterRCNN("]["params"] == total


def test_what_ran_differently_is_not_folded():
    """Two equal modules, one of them called: alike as text, not as annotated lines."""
    children = (("0", "0"), ("1", "1"))
    modules = {
        "": Module("", "Sequential", children=children),
        "0": Module("0", "ReLU"),
        "1": Module("1", "ReLU"),
    }
    trace = Trace("pass", "", Settings(), {}, (), modules=modules)
    assert architecture(trace, fold=True).rows[1].cells[0] == "(0-1): 2 x ReLU()"
    ran = tiny_pass()
    call = dataclasses.replace(find_call(ran, "body.relu"), id=0, path="0", parent=None)
    trace = Trace("pass", "", Settings(), {}, (call,), tensors=ran.tensors, modules=modules)
    found = architecture(trace, annotated=True, fold=True)
    assert [row.cells[0] for row in found.rows][1:3] == ["(0): ReLU()", "(1): ReLU()"]
