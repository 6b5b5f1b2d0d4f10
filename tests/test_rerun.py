"""The end of a pass, run again from a recording: what the whole pass gives, to the last bit."""

from __future__ import annotations

from typing import Any

import kinds
import pytest
import torch
from torch import nn

import tracer
from tracer.errors import InputError, MissingError
from tracer.record.query import find_call

pytestmark = pytest.mark.slow

STARTS = (
    *("transform", "backbone", "backbone.body.conv1", "backbone.body.layer1"),
    *("backbone.body.layer2", "backbone.body.layer3.1.conv2", "backbone.body.layer4"),
    *("backbone.fpn", "backbone.fpn.layer_blocks.1", "rpn", "rpn.head", "rpn.anchor_generator"),
    *("roi_heads", "roi_heads.box_roi_pool", "roi_heads.box_head", "roi_heads.box_predictor"),
)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    found = kinds.detector()
    with torch.no_grad():
        found(kinds.pictures())
    return found


@pytest.fixture(scope="module")
def whole(model) -> tracer.Recording:
    with torch.no_grad():
        return tracer.trace(model, kinds.pictures(2), keep=True)


def results(trace: tracer.Recording) -> list[torch.Tensor]:
    return [torch.from_numpy(trace.data(state)) for state in trace.calls[0].result.tensors()]


@pytest.mark.parametrize("start", STARTS)
def test_from_every_boundary_the_result_is_that_of_the_whole_pass(model, whole, start):
    with torch.no_grad():
        again = tracer.rerun(whole, model, start=start, keep=["(root)", ""])
    assert all(map(torch.equal, results(whole), results(again)))
    assert not any(vars(m).get("forward") for m in model.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert again.settings.changes == (f"before {start}: from a recording",)
    ran = {c.path for c in again.calls if c.kind == "module"}
    assert start in ran
    if start.startswith("roi_heads"):
        assert "backbone.body.conv1" not in ran


def test_in_training_too(model):
    detector = kinds.detector(trainable_layers=0).train()
    boxes = torch.tensor([[5.0, 5.0, 40.0, 50.0]])
    targets = [{"boxes": boxes, "labels": torch.tensor([1])}]
    with torch.no_grad():
        torch.manual_seed(1)
        first = tracer.trace(detector, kinds.pictures(), targets, keep=True)
        torch.manual_seed(1)
        torch.empty(1).uniform_()  # the transform's choice of a size
        again = tracer.rerun(first, detector, start="rpn", keep=True)
    assert all(map(torch.equal, results(first), results(again)))


def test_a_change_after_the_start_has_the_effect_that_it_has_in_a_whole_pass(model, whole):
    change: dict[str, Any] = {"rpn.nms_thresh": 0.3, "roi_heads.box_head": "noise:3"}
    check_change(model, whole, "rpn", change)


def test_what_the_start_itself_gives_may_be_changed(model, whole):
    change: dict[str, Any] = {"roi_heads.box_head": "noise:3"}
    short = check_change(model, whole, "roi_heads.box_head", change)
    assert "backbone.body.conv1" not in {call.path for call in short.calls}


def check_change(model, whole, start, change):
    with torch.no_grad():
        full = tracer.trace(model, kinds.pictures(2), keep=True, change=change)
        short = tracer.rerun(whole, model, start=start, keep=True, change=change)
    assert all(map(torch.equal, results(full), results(short)))
    assert not all(map(torch.equal, results(full), results(whole)))
    return short


def test_hooks_of_ones_own_run_once(model, whole):
    ran = []
    handle = model.backbone.register_forward_hook(lambda *_: ran.append(1))
    with torch.no_grad():
        tracer.rerun(whole, model, start="rpn")
    assert not ran
    model.backbone(torch.rand(1, 3, 64, 64))
    handle.remove()
    assert ran == [1]


def test_a_module_that_runs_again_after_the_start_runs_with_its_hooks(whole):
    """ReLU of a block is called before the second convolution, and after it."""
    detector = kinds.detector()
    relu = detector.backbone.body.layer2[0].relu
    ran = []

    def halve(module, args, result):
        ran.append(1)
        return result / 2

    handle = relu.register_forward_hook(halve)
    with torch.no_grad():
        first = tracer.trace(detector, kinds.pictures(), keep=True)
        assert len(ran) == 2
        again = tracer.rerun(first, detector, start="backbone.body.layer2.0.conv2", keep=True)
    assert len(ran) == 3, "once more: what stands in is what the hook had made of it"
    assert all(map(torch.equal, results(first), results(again)))
    assert list(relu._forward_hooks.values()) == [halve]
    handle.remove()


class Shared(nn.Module):
    """A layer that runs within a container, and again after it."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.Linear(3, 3)
        self.first = nn.Sequential(layer, nn.ReLU())
        self.second = nn.Linear(3, 3)
        self.again = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.again(self.second(self.first(x)) + 1)


def test_a_call_has_its_number_in_the_whole_pass():
    torch.manual_seed(0)
    model = Shared().eval()
    change: dict[str, Any] = {"first.0#1": "constant:2"}
    with torch.no_grad():
        first = tracer.trace(model, torch.ones(1, 3), keep=True)
        full = tracer.trace(model, torch.ones(1, 3), keep=True, change=change)
        short = tracer.rerun(first, model, start="second", keep=True, change=change)
    assert all(map(torch.equal, results(full), results(short)))
    assert (results(short)[0] == 2).all()
    with torch.no_grad(), pytest.raises(InputError, match=r"first.0#0 never ran"):
        tracer.rerun(first, model, start="second", change={"first.0#0": "zero"})


def test_everything_is_put_back_when_it_raises(whole):
    detector = kinds.detector()
    detector.roi_heads.box_head = kinds.Broken()
    with pytest.raises(InputError, match="another model"):
        tracer.rerun(whole, detector, start="rpn")
    detector = kinds.detector()
    detector.roi_heads.box_head.forward = kinds.Broken().forward
    with pytest.raises(RuntimeError, match="do not fit"):
        tracer.rerun(whole, detector, start="rpn")
    assert [n for n, m in detector.named_modules() if "forward" in vars(m)] == [
        "roi_heads.box_head"
    ]


def test_what_was_not_kept_is_named(model):
    with torch.no_grad():
        bare = tracer.trace(model, kinds.pictures(), keep=["args:transform", "transform"])
    with pytest.raises(MissingError, match='keep="backbone"'):
        tracer.rerun(bare, model, start="rpn")
    with torch.no_grad():
        tracer.rerun(bare, model, start="backbone")


@pytest.mark.parametrize(
    ("start", "error"),
    [("rpn.haed", "rpn.head"), ("rpn.head.conv.0.2", "no module"), ("", "use trace")],
)
def test_a_start_that_is_none_is_refused(model, whole, start, error):
    with pytest.raises(InputError, match=error):
        tracer.rerun(whole, model, start=start)


def test_mode_and_kind_must_fit(model, whole):
    model.train()
    try:
        with pytest.raises(InputError, match="train mode"):
            tracer.rerun(whole, model, start="rpn")
    finally:
        model.eval()
    with pytest.raises(InputError, match="a pass"):
        tracer.rerun(kinds.recorded("construction"), model, start="rpn")


def test_the_recording_begins_where_it_was_told(model, whole):
    with torch.no_grad():
        again = tracer.rerun(whole, model, start="roi_heads", keep="anatomy")
    assert find_call(again, "rpn").result is not None
    assert not [c for c in again.calls if c.path.startswith("rpn.")]
    assert "from a recording" in again.table().title
