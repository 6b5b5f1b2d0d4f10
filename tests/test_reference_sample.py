"""torchvision's own sample for this model, line by line, each with a recording of what it does.

The sample is the one in the docstring of `fasterrcnn_resnet50_fpn`; the pictures are smaller here.
"""

from __future__ import annotations

import os

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

import tracer
from tracer.rcnn import models, onnx

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*deprecated since 0.13:UserWarning"),
]

LOSSES = ["loss_box_reg", "loss_classifier", "loss_objectness", "loss_rpn_box_reg"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """``model = torchvision.models.detection.fasterrcnn_resnet50_fpn(pretrained=True)``.

    The weights are found where torchvision would have downloaded them; they are random ones.
    """
    home = tmp_path_factory.mktemp("torch")
    before = os.environ.get("TORCH_HOME")
    os.environ["TORCH_HOME"] = str(home)
    try:
        path = models.cached(models.recipe(pretrained=True)[1]["weights"])
        path.parent.mkdir(parents=True)
        torch.save(models.build(norm_layer=FrozenBatchNorm2d, seed=0).state_dict(), path)
        yield torchvision.models.detection.fasterrcnn_resnet50_fpn(
            pretrained=True, min_size=64, max_size=128
        )
    finally:
        os.environ.pop("TORCH_HOME")
        os.environ.update({} if before is None else {"TORCH_HOME": before})


@pytest.fixture(scope="module")
def batch():
    """``images, boxes = torch.rand(4, 3, 600, 1200), torch.rand(4, 11, 4)``."""
    torch.manual_seed(0)
    return torch.rand(4, 3, 60, 120), torch.rand(4, 11, 4)


@pytest.fixture(scope="module")
def boxes(batch):
    """``boxes[:, :, 2:4] = boxes[:, :, 0:2] + boxes[:, :, 2:4]``."""
    boxes = batch[1].clone()
    boxes[:, :, 2:4] = boxes[:, :, 0:2] + boxes[:, :, 2:4]
    return boxes


@pytest.fixture(scope="module")
def labels():
    """``labels = torch.randint(1, 91, (4, 11))``."""
    torch.manual_seed(1)
    return torch.randint(1, 91, (4, 11))


@pytest.fixture(scope="module")
def images(batch):
    """``images = list(image for image in images)``."""
    return list(batch[0])


@pytest.fixture(scope="module")
def targets(images, boxes, labels):
    """``targets = []`` and the loop that fills it."""
    targets = []
    for i in range(len(images)):
        d = {"boxes": boxes[i], "labels": labels[i]}
        targets.append(d)
    return targets


@pytest.fixture(scope="module")
def training(model, images, targets):
    """``output = model(images, targets)``, recorded: the trace."""
    model.train()
    torch.manual_seed(2)
    return tracer.trace(model, images, targets)


@pytest.fixture(scope="module")
def x():
    """``x = [torch.rand(3, 300, 400), torch.rand(3, 500, 400)]``."""
    torch.manual_seed(3)
    return [torch.rand(3, 30, 40), torch.rand(3, 50, 40)]


@pytest.fixture(scope="module")
def evaluation(model, x):
    """``predictions = model(x)``, recorded: the trace."""
    model.eval()
    return tracer.trace(model, x)


def shape(trace, value):
    return trace.tensors[value.tensor].summary.shape


def test_import_torch_is_torch_as_it_was(evaluation):
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks
    assert torch._C._len_torch_function_stack() == 0


def test_import_torchvision_is_torchvision_as_it_was(evaluation, model):
    assert torchvision.ops.nms.__module__ == "torchvision.ops.boxes"
    assert type(model).forward.__module__ == "torchvision.models.detection.generalized_rcnn"
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_model_is_built_with_pretrained_true(model):
    assert type(model) is torchvision.models.detection.FasterRCNN
    assert isinstance(model.backbone.body.bn1, FrozenBatchNorm2d)
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert {name.split(".")[2] for name in frozen} == {"conv1", "layer1"}


def test_the_building_is_recorded_too():
    trace = tracer.trace(
        torchvision.models.detection.fasterrcnn_resnet50_fpn,
        pretrained=False,
        pretrained_backbone=False,
    )
    assert trace.kind == "construction"
    assert trace.subject == "fasterrcnn_resnet50_fpn"
    functions = [call.path for call in trace.calls if call.kind == "function"]
    assert functions.count("ResNet._make_layer") == 4
    assert functions.count("Bottleneck.__init__") == 16
    result = trace.calls[0].result
    assert result is not None
    expected = models.build()
    count = sum(p.numel() for p in expected.parameters())
    assert result.params == (count, count)


def test_images_and_boxes_are_random(batch):
    assert batch[0].shape == (4, 3, 60, 120)
    assert batch[1].shape == (4, 11, 4)


def test_the_second_corner_is_made_to_lie_beyond_the_first(batch, boxes):
    assert (boxes[:, :, 2:] > boxes[:, :, :2]).all()
    assert torch.equal(boxes[:, :, :2], batch[1][:, :, :2])


def test_labels_leave_the_background_out(labels):
    assert labels.shape == (4, 11)
    assert labels.min() >= 1


def test_images_become_a_list(images):
    assert [image.shape for image in images] == [(3, 60, 120)] * 4


def test_each_image_gets_a_target(targets, boxes, labels):
    assert len(targets) == 4
    assert all(target["boxes"].shape == (11, 4) for target in targets)
    assert torch.equal(targets[3]["labels"], labels[3])


def test_the_training_pass_gives_four_losses(model, images, targets, training):
    model.train()
    torch.manual_seed(2)
    output = model(images, targets)
    assert sorted(output) == LOSSES
    root = training.calls[0]
    assert (root.kind, root.path, training.environment["mode"]) == ("module", "", "train")
    recorded = {name: training.tensors[value.tensor].summary for name, value in root.result.items}
    assert sorted(recorded) == LOSSES
    for name, loss in output.items():
        assert recorded[name].shape == ()
        assert recorded[name].min == pytest.approx(loss.item(), rel=1e-6)


def test_the_training_pass_takes_images_and_targets(training):
    args = training.calls[0].args
    assert [shape(training, image) for _, image in args["images"].items] == [(3, 60, 120)] * 4
    for _, target in args["targets"].items:
        assert shape(training, target["boxes"]) == (11, 4)
        assert shape(training, target["labels"]) == (11,)


def test_model_eval(model):
    model.eval()
    assert not any(module.training for module in model.modules())


def test_x_is_two_images_of_different_size(x):
    assert [image.shape for image in x] == [(3, 30, 40), (3, 50, 40)]


def test_the_predictions_are_a_dict_per_image(model, x, evaluation):
    model.eval()
    with torch.no_grad():
        predictions = model(x)
    recorded = evaluation.calls[0].result.items
    assert len(recorded) == len(predictions) == 2
    for (_, found), expected in zip(recorded, predictions, strict=True):
        assert [name for name, _ in found.items] == ["boxes", "labels", "scores"] == [*expected]
        for name, value in found.items:
            assert shape(evaluation, value) == tuple(expected[name].shape)


def test_the_export_at_opset_11_detects_the_same(model, x, tmp_path):
    model.eval()
    with torch.no_grad():
        before = model.roi_heads.box_predictor.cls_score.weight.clone()
        model.roi_heads.box_predictor.cls_score.weight *= 20  # random scores lie too close to rank
        result = onnx.export(model, x, tmp_path / "faster_rcnn.onnx", opset=11)
        model.roi_heads.box_predictor.cls_score.weight.copy_(before)
    assert result.opset == 11
    assert len(result.detections) == 2
    assert min(result.detections) > 0


def test_resnet_fpn_backbone_gives_its_five_shapes():
    backbone = resnet_fpn_backbone("resnet50", pretrained=False, trainable_layers=3)
    trace = tracer.trace(backbone, torch.rand(1, 3, 64, 64))
    result = trace.calls[0].result
    assert result is not None
    assert [(name, shape(trace, value)) for name, value in result.items] == [
        ("0", (1, 256, 16, 16)),
        ("1", (1, 256, 8, 8)),
        ("2", (1, 256, 4, 4)),
        ("3", (1, 256, 2, 2)),
        ("pool", (1, 256, 1, 1)),
    ]


def test_resnet50_with_frozen_norms_is_176_lines_long():
    text = repr(torchvision.models.resnet50(norm_layer=FrozenBatchNorm2d))
    assert len(text.splitlines()) == 176
    assert isinstance(torchvision.models.resnet50().bn1, nn.BatchNorm2d)
