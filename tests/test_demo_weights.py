"""The demo's checkpoint: small, checked, and of the true architecture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.ops import FrozenBatchNorm2d, box_iou

from tracer.errors import InputError, WeightsError
from tracer.rcnn.demo.evaluation import pooling_level
from tracer.rcnn.demo.lowrank import LowRank, expand, factorise, true_model
from tracer.rcnn.demo.scenes import CLASSES, DEMO_SIZE, default_scene
from tracer.rcnn.demo.weights import (
    _about_name,
    demo_model,
    dequantise,
    load_weights,
    packaged_weights,
    quantise,
    read_about,
    save_weights,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return demo_model()


@pytest.fixture(scope="module")
def found(model):
    """What the detector finds in the default scene."""
    with torch.inference_mode():
        return model([default_scene().tensor()])[0]


@pytest.fixture
def copy(tmp_path) -> Path:
    """A copy of the packaged checkpoint that a test may damage."""
    path = tmp_path / "weights.safetensors"
    shutil.copy(str(packaged_weights()), path)
    shutil.copy(str(packaged_weights().with_name(_about_name(path.name))), tmp_path)
    return path


def test_the_packaged_checkpoint_is_small():
    assert Path(str(packaged_weights())).stat().st_size <= 8_000_000


def test_the_state_dict_fits_torchvisions_own_constructor(model):
    plain = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=len(CLASSES)
    ).state_dict()
    state = load_weights()
    expected = {k: v.shape for k, v in plain.items() if not k.endswith("num_batches_tracked")}
    assert {k: v.shape for k, v in state.items()} == expected
    assert all(v.dtype == torch.float32 and v.isfinite().all() for v in state.values())
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])


def test_the_model_is_the_true_one_with_frozen_batchnorm(model):
    kinds = [type(m).__name__ for m in model.modules()]
    assert kinds.count("Bottleneck") == 16
    assert kinds.count("FrozenBatchNorm2d") == 53
    assert not any(isinstance(m, nn.BatchNorm2d | LowRank) for m in model.modules())
    assert not model.training
    assert model.transform.min_size == (min(DEMO_SIZE),)
    assert model.transform.max_size == max(DEMO_SIZE)


def test_nothing_is_left_without_memory_and_the_anchors_are_torchvisions(model):
    tensors = [*model.parameters(), *model.buffers()]
    assert all(t.device.type == "cpu" for t in tensors)
    assert all(p.requires_grad for p in model.parameters())
    plain = true_model(FrozenBatchNorm2d).rpn.anchor_generator
    ours = model.rpn.anchor_generator
    for one, other in zip(ours.cell_anchors, plain.cell_anchors, strict=True):
        assert torch.equal(one, other)


def test_options_reach_torchvision():
    strict = demo_model(score_thresh=0.7, box_detections_per_img=3, min_size=64)
    assert strict.roi_heads.score_thresh == 0.7
    assert strict.roi_heads.detections_per_img == 3
    assert strict.transform.min_size == (64,)


def test_every_object_of_the_default_scene_is_found_and_nothing_else(found):
    picture = default_scene()
    sure = found["scores"] >= 0.5
    overlaps = box_iou(torch.from_numpy(picture.boxes), found["boxes"][sure])
    right = torch.from_numpy(picture.labels)[:, None] == found["labels"][sure]
    matches = (overlaps >= 0.5) & right
    assert matches.sum(1).tolist() == [1] * len(picture.boxes)
    assert matches.sum(0).tolist() == [1] * int(sure.sum()), "a detection without an object"
    assert found["scores"][sure].min() >= 0.8


def test_detections_of_large_objects_are_pooled_from_higher_levels(found):
    boxes = found["boxes"][found["scores"] >= 0.5].numpy()
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])) ** 0.5
    levels = pooling_level(boxes)[sides.argsort()].tolist()
    assert levels == sorted(levels)
    assert set(levels) == {2, 3, 4, 5}


def test_anchors_of_p2_to_p5_match_objects_of_the_default_scene(model):
    picture = default_scene()
    images, targets = model.transform([picture.tensor()], [picture.target()])
    with torch.inference_mode():
        features = list(model.backbone(images.tensors).values())
    anchors = model.rpn.anchor_generator(images, features)
    labels, _ = model.rpn.assign_targets_to_anchors(anchors, targets)
    counts = [3 * f.shape[-2] * f.shape[-1] for f in features]
    positives = [int((part == 1).sum()) for part in labels[0].split(counts)]
    assert all(count > 0 for count in positives[:4])


def test_a_damaged_checkpoint_is_refused(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged: their sha256 is"):
        demo_model(weights=copy)


def test_a_truncated_checkpoint_is_refused(copy):
    copy.write_bytes(copy.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(copy)


@pytest.mark.parametrize("lost", ["weights.safetensors", "weights.json"])
def test_a_missing_file_says_how_to_get_it(copy, lost):
    copy.with_name(lost).unlink()
    with pytest.raises(WeightsError, match=r"cannot read the demo weights .*tracer train-demo"):
        load_weights(copy)


def test_a_digest_that_is_no_json_is_refused(copy):
    copy.with_name("weights.json").write_text("{")
    with pytest.raises(WeightsError, match="cannot read"):
        load_weights(copy)


def test_weights_of_another_model_do_not_load(tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights({"backbone.other": torch.zeros(3)}, path, {})
    with pytest.raises(WeightsError, match="do not fit"):
        demo_model(weights=path)


def test_saving_keeps_the_digest_and_what_it_was_told(tmp_path):
    path = tmp_path / "small.safetensors"
    digest = save_weights({"a": torch.ones(2)}, path, {"step": 7})
    assert read_about(path) == {"sha256": digest, "step": 7}
    assert json.loads((tmp_path / "small.json").read_text())["sha256"] == digest
    assert torch.equal(load_weights(path)["a"], torch.ones(2))


def test_a_factorised_network_equals_its_expanded_one():
    torch.manual_seed(0)

    def build() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(48, 64, 3, stride=2, padding=1),
            FrozenBatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 8, 1, bias=False),
            nn.Flatten(),
            nn.Linear(8 * 16, 96),
        )

    thin, whole = factorise(build(), rank=4), build()
    assert [type(layer) is LowRank for layer in thin] == [True, False, False, False, False, True]
    whole.load_state_dict(expand(thin.state_dict()), strict=True)
    x = torch.randn(2, 48, 8, 8)
    torch.testing.assert_close(thin(x), whole(x), rtol=1e-4, atol=1e-5)
    assert torch.linalg.matrix_rank(whole[0].weight.flatten(1)) == 4


def test_a_low_rank_layer_starts_as_large_as_the_layer_it_replaces():
    torch.manual_seed(0)
    layer = nn.Conv2d(256, 256, 3)
    thin = LowRank(layer, rank=32)
    weight = expand({f"a.{k}": v for k, v in thin.state_dict().items()})["a.weight"]
    assert weight.std().item() == pytest.approx(layer.weight.std().item(), rel=0.15)


def test_quantising_is_exact_to_half_a_scale_and_leaves_vectors_alone():
    torch.manual_seed(0)
    factors = {"a": torch.randn(6, 5, 3, 3), "b": torch.randn(9), "zero": torch.zeros(2, 2)}
    stored = quantise(factors)
    back = dequantise(stored)
    assert stored["a"].dtype == torch.int8
    assert back.keys() == factors.keys()
    error = (back["a"] - factors["a"]).abs().flatten(1)
    assert (error <= stored["a.scale"][:, None] * 0.5001).all()
    assert torch.equal(back["b"], factors["b"])
    assert torch.equal(back["zero"], factors["zero"])


def test_the_environment_may_ask_for_a_smaller_pass(monkeypatch):
    monkeypatch.setenv("RCNN_TRACER_MIN_SIZE", "128")
    small = demo_model().transform
    assert (small.min_size, small.max_size) == ((128,), 160)
    assert demo_model(min_size=64).transform.min_size == (64,)


@pytest.mark.parametrize("wanted", ["small", "0", "-3", ""])
def test_an_environment_that_asks_for_no_size_is_told_so(monkeypatch, wanted):
    monkeypatch.setenv("RCNN_TRACER_MIN_SIZE", wanted)
    with pytest.raises(InputError, match="RCNN_TRACER_MIN_SIZE is a number of pixels"):
        demo_model()
