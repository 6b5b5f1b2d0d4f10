"""What is known of a kind of model is asked of its domain; another detector brings its own."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

import tracer
from tracer.capture import domains
from tracer.capture.stages import possible_stages
from tracer.domain import Domain
from tracer.errors import InputError, MissingError

X = torch.ones(1, 2)


class Query(nn.Module):
    """A small detector of another make: no part of it is called as torchvision's are."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(2, 3)
        self.decoder = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
        self.scores = nn.Linear(3, 4)

    def forward(self, x):
        return choose(self.scores(self.decoder(self.encoder(x))))


def choose(scores):
    return scores.argmax(-1)


class QueryDomain(Domain):
    presets = MappingProxyType({"queries": ("decoder", "args:scores")})

    def knows(self, target):
        return isinstance(target, Query) or target is Query

    def stage_patterns(self, modules, kind):
        if kind == "construction":
            return [("function:Query*", "making")]
        return [("encoder", "encode"), ("decoder.1", "act"), ("function:choose", "choose")]

    def class_names(self, model):
        return ["none", "a", "b", "c"]

    def class_count(self, model):
        return model.scores.out_features

    def check_inputs(self, model, inputs, keywords):
        if inputs[0].shape[-1] != 2:
            raise InputError("a Query takes two numbers")


@pytest.fixture
def query_domain(monkeypatch):
    monkeypatch.setattr(domains, "_domains", [*domains._domains])
    domains.add_domain(QueryDomain())


def stages(trace):
    return {s.name: [trace.calls[i].path for i in s.calls] for s in trace.stages}


def test_another_detector_adds_a_domain_and_nothing_else(query_domain):
    trace = tracer.trace(Query(), X, keep="queries")
    assert stages(trace) == {"encode": ["encoder"], "act": ["decoder.1"], "choose": ["choose"]}
    assert trace.classes == ("none", "a", "b", "c")
    assert trace.settings.keep == ("decoder", "args:scores")
    scores = next(c for c in trace.calls if c.path == "scores")
    assert trace.data(scores.args["input"].tensor) is not None
    with pytest.raises(InputError, match="two numbers"):
        tracer.trace(Query(), torch.ones(1, 5))
    with pytest.raises(InputError, match="2 names, the model 4"):
        tracer.trace(Query(), X, classes=["a", "b"])


def test_also_while_it_is_built_and_debugged(query_domain):
    trace = tracer.trace(Query)
    assert stages(trace) == {"making": ["Query"]}
    assert trace.classes == ("none", "a", "b", "c")
    with pytest.raises(MissingError, match="it has encode, act, choose"):
        tracer.debug(Query(), X, break_at="stage decode", commands=["c"])


def test_without_it_the_parts_are_the_stages():
    trace = tracer.trace(Query(), X)
    assert stages(trace) == {n: [n] for n in ("encoder", "decoder", "scores")}
    assert trace.classes == ()


def test_a_detector_within_a_model_is_known():
    model = nn.Sequential(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None))
    domain = domains.domain_of(model)
    assert "anatomy" in domain.presets
    assert domains.domain_of(nn.Linear(2, 2)).presets == {}
    table = tracer.Recorder(model).subject.modules()
    found = possible_stages(table, domain.stage_patterns(table, "pass"))
    assert found[:3] == ["transform", "stem", "layer1"]
    assert {"rpn", "roi_heads", "postprocess", "losses"} <= {*found}


# --- inputs are checked where torchvision's own code takes them -----------------------------------


class Own(nn.Module):
    """An own model with a part called `transform`, and another signature."""

    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def forward(self, scale, *, images=None):
        return scale * 2


def torchvisions_transform():
    return GeneralizedRCNNTransform(32, 64, [0.0] * 3, [1.0] * 3)


@pytest.mark.parametrize("transform", [nn.Identity, torchvisions_transform])
def test_an_own_model_with_a_part_called_transform_runs(transform):
    trace = tracer.trace(Own(transform()), X)
    assert trace.error is None
    assert trace.calls[0].result.kind == "tensor"


def small_detector(cls=None):
    model = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, min_size=32)
    if cls is not None:
        model.__class__ = cls
    return model.eval()


class Batched(FasterRCNN):
    """A subclass that takes a batch of another kind."""

    def forward(self, batch):
        return super().forward(list(batch["images"]))


class Same(FasterRCNN):
    """A subclass that takes what torchvision's takes."""


def test_a_subclass_with_another_signature_runs():
    trace = tracer.trace(small_detector(Batched), {"images": torch.rand(1, 3, 32, 32)})
    assert trace.error is None


def test_a_hook_or_a_method_of_the_instance_may_take_other_inputs():
    hooked, replaced = small_detector(), small_detector()
    hooked.register_forward_pre_hook(lambda module, args: ([args[0]["image"]],))
    forward = replaced.forward
    replaced.forward = lambda image: forward([image["image"]])
    for model in (hooked, replaced):
        assert tracer.trace(model, {"image": torch.rand(3, 32, 32)}, grain="module").error is None


@pytest.mark.parametrize("cls", [None, Same])
def test_torchvisions_own_are_checked(cls):
    with pytest.raises(InputError, match=r"expects a list of images.*found one tensor of shape"):
        tracer.trace(small_detector(cls), torch.rand(3, 32, 32))
