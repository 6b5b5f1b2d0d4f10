"""Detectors by name, their weights, and what is said when there are none."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import detection, get_model_weights
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from tracer.errors import InputError, MissingError, WeightsError
from tracer.rcnn import checkpoint, models
from tracer.rcnn.demo.scenes import CLASSES

pytestmark = pytest.mark.slow

SMALL = "fasterrcnn_mobilenet_v3_large_320_fpn"
FAMILIES = {
    "fasterrcnn": detection.FasterRCNN,
    "maskrcnn": detection.MaskRCNN,
    "keypointrcnn": detection.KeypointRCNN,
    "retinanet": detection.RetinaNet,
    "fcos": detection.FCOS,
    "ssd300": detection.ssd.SSD,
    "ssdlite320": detection.ssd.SSD,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A checkpoint of SMALL with 5 classes: `saved.pth` and the same as `saved.safetensors`."""
    state = models.build(SMALL, seed=3, num_classes=5).state_dict()
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.save(state, folder / "saved.pth")
    save_file(state, folder / "saved.safetensors")
    return folder / "saved.pth"


@pytest.fixture
def offline(monkeypatch, tmp_path) -> Path:
    """No network and an empty cache; returns the folder that downloads go to."""

    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def frozen(model: nn.Module) -> set[str]:
    """Which parts of the backbone's body have a frozen parameter."""
    body = model.backbone.body
    return {n.split(".")[0] for n, p in body.named_parameters() if not p.requires_grad}


# Names


def test_every_torchvision_detector_is_known():
    builders = {
        name
        for name, value in vars(detection).items()
        if name.startswith(tuple(FAMILIES)) and callable(value)
    }
    assert builders == set(models.DETECTORS)
    assert len(models.DETECTORS) >= 12


def test_the_names_hold_every_resnet_of_the_fpn_backbone():
    assert {f"fasterrcnn_{net}_fpn" for net in models.RESNETS} <= set(models.names())
    assert len(models.RESNETS) == 9


@pytest.mark.parametrize("name", models.names())
def test_each_name_builds_its_family_on_its_backbone(name):
    with torch.device("meta"):
        model = models.build(name, num_classes=7)
    assert type(model) is FAMILIES[name.split("_")[0]]
    assert models.backbone_of(name) in name
    if "resnet" in name or "resnext" in name:
        with torch.device("meta"):
            own = resnet_fpn_backbone(backbone_name=models.backbone_of(name), weights=None).body
        convolutions = {k: v.shape for k, v in own.state_dict().items() if v.ndim == 4}
        body = model.backbone.body.state_dict()
        assert {k: v.shape for k, v in body.items() if v.ndim == 4} == convolutions


@pytest.mark.parametrize("name", models.DETECTORS)
def test_each_torchvision_detector_runs(name):
    size = {} if name.startswith("ssd") else {"min_size": 64, "max_size": 96}
    fewer = {"box_detections_per_img": 10} if "rcnn" in name else {}
    model = models.build(name, num_classes=3, **size, **fewer).eval()
    with torch.no_grad():
        (found,) = model([torch.rand(3, 48, 64)])
    assert {"boxes", "labels", "scores"} <= set(found)
    assert found["boxes"].shape == (len(found["scores"]), 4)


def test_an_unknown_name_suggests_near_ones():
    with pytest.raises(MissingError, match="did you mean 'fasterrcnn_resnet50_fpn'"):
        models.build("fasterrcnn_resnet50_fnp")


def test_a_name_like_no_other_lists_all():
    with pytest.raises(MissingError, match="ssd300_vgg16"):
        models.build("zzz")


# Random weights


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    def first(seed):
        return models.build("fasterrcnn_resnet18_fpn", seed=seed).backbone.body.conv1.weight

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_building_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    models.build(SMALL, seed=9)
    assert torch.equal(torch.rand(3), expected)


def test_without_a_seed_the_callers_random_numbers_are_drawn():
    torch.manual_seed(5)
    expected = detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    torch.manual_seed(5)
    model = models.build(SMALL, seed=None)
    assert all(map(torch.equal, model.parameters(), expected.parameters()))


def test_random_weights_never_download(offline):
    model = models.build()
    assert isinstance(model.backbone.body.bn1, nn.BatchNorm2d)
    assert not any(offline.iterdir())


# Options of the backbone


@pytest.mark.parametrize("trainable", range(6))
def test_trainable_layers_freeze_the_others(trainable):
    model = models.build("fasterrcnn_resnet18_fpn", trainable_layers=trainable)
    free = {
        name.split(".")[0] for name, p in model.backbone.body.named_parameters() if p.requires_grad
    }
    order = ["layer4", "layer3", "layer2", "layer1", "conv1"]
    assert free == {*order[:trainable], *(["bn1"] if trainable == 5 else [])}


def test_resnet50_takes_trainable_layers_too():
    model = models.build(trainable_layers=1, norm_layer=FrozenBatchNorm2d)
    body = model.backbone.body
    assert not body.layer3[0].conv1.weight.requires_grad
    assert body.layer4[0].conv1.weight.requires_grad
    assert isinstance(body.bn1, FrozenBatchNorm2d)


@pytest.mark.parametrize(
    ("layers", "extra", "sizes"),
    [
        ([1, 2, 3, 4], None, (32, 64, 128, 256, 512)),
        ([2, 3, 4], None, (64, 128, 256, 512)),
        ([3, 4], LastLevelP6P7(256, 256), (128, 256, 512, 1024)),
    ],
)
def test_anchors_and_pooling_fit_the_returned_layers(layers, extra, sizes):
    model = models.build(
        "fasterrcnn_resnet18_fpn",
        returned_layers=layers,
        extra_blocks=extra,
        num_classes=3,
        min_size=64,
    ).eval()
    assert model.rpn.anchor_generator.sizes == tuple((size,) for size in sizes)
    with torch.no_grad():
        assert len(model([torch.rand(3, 64, 64)])) == 1


def test_norm_layer_and_extra_blocks_may_be_named():
    with torch.device("meta"):
        model = models.build(norm_layer="FrozenBatchNorm2d", extra_blocks="LastLevelP6P7")
    assert isinstance(model.backbone.body.bn1, FrozenBatchNorm2d)
    assert isinstance(model.backbone.fpn.extra_blocks, LastLevelP6P7)


@pytest.mark.parametrize("name", models.DETECTORS)
def test_the_class_count_of_every_family_is_known(name):
    with torch.device("meta"):
        assert models.classes_of(models.build(name, num_classes=6)) == 6


def test_extra_blocks_of_an_unknown_class_need_anchors_from_the_caller():
    class Own(LastLevelP6P7):
        pass

    with pytest.raises(InputError, match="pass rpn_anchor_generator"):
        models.build("fasterrcnn_resnet18_fpn", extra_blocks=Own(256, 256))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (models.DEFAULT, {"min_sise": 3}, "no option 'min_sise'; did you mean 'min_size'"),
        (models.DEFAULT, {"min_size": (64, 0)}, "min_size is a number of pixels from 1"),
        (models.DEFAULT, {"max_size": -5}, "max_size is a number of pixels from 1"),
        (models.DEFAULT, {"trainable_layers": 7}, r"range \[0,5\], got 7"),
        (models.DEFAULT, {"num_classes": 0}, "at least 1"),
        (models.DEFAULT, {"returned_layers": [5]}, "returned layer"),
        ("ssd300_vgg16", {"min_size": 3}, "min_size"),
        (models.DEFAULT, {"norm_layer": "FrozenBatchNorm"}, "did you mean 'FrozenBatchNorm2d'"),
        (models.DEFAULT, {"extra_blocks": "P6"}, "there is LastLevelMaxPool, LastLevelP6P7"),
    ],
)
def test_an_option_that_does_not_fit_is_one_sentence(name, options, message):
    with pytest.raises(InputError, match=message) as caught:
        models.build(name, **options)
    assert "\n" not in str(caught.value)


# torchvision's weights


def test_weights_are_found_by_every_spelling():
    member = get_model_weights(models.DEFAULT).COCO_V1
    spellings = ["COCO_V1", "DEFAULT", "FasterRCNN_ResNet50_FPN_Weights.COCO_V1", member]
    for spelling in spellings:
        assert models.recipe(weights=spelling)[1]["weights"] is member
    assert models.recipe(pretrained=True)[1]["weights"] is member
    assert models.recipe(pretrained=False)[1]["weights"] is None


def test_backbone_weights_are_found_by_every_spelling():
    enum = get_model_weights("resnet34")
    for options in (
        {"weights_backbone": "DEFAULT"},
        {"weights_backbone": enum.IMAGENET1K_V1},
        {"pretrained_backbone": True},
    ):
        keywords = models.recipe("fasterrcnn_resnet34_fpn", **options)[1]
        assert keywords["weights_backbone"] is enum.IMAGENET1K_V1


def test_trainable_layers_go_to_torchvision_with_its_weights():
    keywords = models.recipe(weights="COCO_V1", trainable_layers=2)[1]
    assert keywords["trainable_backbone_layers"] == 2


def test_unknown_weights_suggest_near_ones():
    with pytest.raises(WeightsError, match="did you mean 'COCO_V1'"):
        models.build(weights="COCO_V2")
    with pytest.raises(WeightsError, match="COCO_V1"):
        models.build(weights="zzz")
    with pytest.raises(WeightsError, match="are not weights of"):
        models.build(SMALL, get_model_weights(models.DEFAULT).COCO_V1)


def test_a_backbone_without_published_detector_says_what_there_is():
    with pytest.raises(WeightsError, match="weights_backbone='IMAGENET1K_V1'"):
        models.build("fasterrcnn_resnet18_fpn", "COCO_V1")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (models.DEFAULT, {"weights": "COCO_V1"}),
        (models.DEFAULT, {"pretrained": True}),
        ("fasterrcnn_resnet18_fpn", {"pretrained_backbone": True}),
    ],
)
def test_offline_and_not_cached_says_so_and_what_to_do(offline, name, arguments):
    with pytest.raises(WeightsError) as caught:
        models.build(name, **arguments)
    text = str(caught.value)
    assert "not on this machine and could not be downloaded (no network)" in text
    assert str(offline) in text
    assert "random" in text
    assert "\n" not in text


@pytest.mark.parametrize("option", ["weights", "weights_backbone"])
def test_nothing_is_fetched_where_that_is_not_wanted(offline, monkeypatch, option):
    asked = []
    monkeypatch.setattr("torch.hub.urlopen", lambda *_, **__: asked.append(1))
    with pytest.raises(WeightsError) as caught:
        models.build(**{option: "DEFAULT"}, download=False)
    assert not asked
    text = str(caught.value)
    assert re.search(r"fetch them once with download=True \(\d+ MB\)", text)
    assert str(offline) in text
    assert models.build(SMALL, download=False).training


def test_cached_weights_load_offline(offline):
    member = get_model_weights(SMALL).COCO_V1
    torch.manual_seed(0)
    state = models.build(SMALL, seed=4).state_dict()
    torch.save(state, models.cached(member))
    model = models.build(SMALL, "COCO_V1", download=False)
    assert torch.equal(model.rpn.head.bbox_pred.weight, state["rpn.head.bbox_pred.weight"])
    assert isinstance(model.backbone.body["0"][1], FrozenBatchNorm2d)


def test_a_damaged_cached_file_says_to_delete_it(offline):
    path = models.cached(get_model_weights(SMALL).COCO_V1)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="delete it and try again") as caught:
        models.build(SMALL, "COCO_V1")
    assert str(path) in str(caught.value)


# The demo's own


def test_the_demo_weights_are_a_model_of_their_own_classes():
    model = models.build(weights="demo", min_size=96)
    assert models.classes_of(model) == len(CLASSES)
    assert model.transform.min_size == (96,)
    assert isinstance(model.backbone.body.bn1, FrozenBatchNorm2d)
    assert model.training
    assert frozen(model) == {"conv1", "layer1"}
    assert frozen(models.build(weights="demo", trainable_layers=1)) == {
        *("conv1", "layer1", "layer2", "layer3")
    }


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        (SMALL, {}, WeightsError, "the demo weights are of fasterrcnn_resnet50_fpn"),
        (models.DEFAULT, {"min_sise": 3}, InputError, "did you mean 'min_size'"),
        (models.DEFAULT, {"num_classes": 3}, InputError, "num_classes"),
    ],
)
def test_demo_weights_fit_one_model(name, options, error, message):
    with pytest.raises(error, match=message):
        models.build(name, "demo", **options)


# Checkpoint files


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_brings_its_weights_and_its_class_count(saved, suffix):
    model = models.build(SMALL, saved.with_suffix(suffix))
    state = torch.load(saved, weights_only=True)
    assert model.roi_heads.box_predictor.cls_score.out_features == 5
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("wrapper", checkpoint.WRAPPERS)
def test_a_training_scripts_wrapping_is_taken_off(saved, tmp_path, wrapper):
    state = torch.load(saved, weights_only=True)
    parallel = {f"module.{name}": value for name, value in state.items()}
    torch.save({wrapper: parallel, "epoch": 3}, tmp_path / "wrapped.pth")
    assert checkpoint.read(tmp_path / "wrapped.pth").keys() == state.keys()


@pytest.mark.parametrize("name", models.DETECTORS)
def test_the_class_count_is_read_for_every_family(name):
    with torch.device("meta"):
        state = models.build(name, num_classes=6).state_dict()
    assert checkpoint.class_count(state, lambda: models.build(name, num_classes=1)) == 6


def test_a_checkpoint_with_frozen_norms_gives_what_trained_weights_give(tmp_path):
    with torch.device("meta"):
        reference = models.build("fasterrcnn_resnet18_fpn", norm_layer=FrozenBatchNorm2d)
    state = {name: torch.zeros(value.shape) for name, value in reference.state_dict().items()}
    torch.save(state, tmp_path / "frozen.pth")
    model = models.build("fasterrcnn_resnet18_fpn", tmp_path / "frozen.pth")
    body = model.backbone.body
    assert isinstance(body.layer4[1].bn2, FrozenBatchNorm2d)
    assert frozen(model) == {"conv1", "layer1"}
    for option in ("trainable_layers", "trainable_backbone_layers"):
        other = models.build("fasterrcnn_resnet18_fpn", tmp_path / "frozen.pth", **{option: 4})
        assert frozen(other) == {"conv1"}
    with pytest.raises(InputError, match="0 to 5; found 6"):
        models.build("fasterrcnn_resnet18_fpn", tmp_path / "frozen.pth", trainable_layers=6)


def test_torchvisions_own_file_gets_the_eps_that_torchvision_gives_it(tmp_path):
    with torch.device("meta"):
        reference = models.build(norm_layer=FrozenBatchNorm2d)
    state = {name: torch.zeros(value.shape) for name, value in reference.state_dict().items()}
    own = tmp_path / Path(get_model_weights(models.DEFAULT).COCO_V1.url).name
    torch.save(state, own)
    assert models.build(weights=own).backbone.body.bn1.eps == 0.0
    own.rename(tmp_path / "mine.pth")
    assert models.build(weights=tmp_path / "mine.pth").backbone.body.bn1.eps == 1e-5


def test_a_missing_checkpoint_is_named():
    with pytest.raises(WeightsError, match=r"no checkpoint file 'nowhere/mine\.pth'"):
        models.build(SMALL, "nowhere/mine.pth")


@pytest.mark.parametrize("option", ["num_classes", "min_size", "box_score_thresh", "image_mean"])
def test_a_word_for_a_number_is_refused(option):
    """Before torchvision fails on it, or takes it and fails in the pass."""
    value = ["x"] if option == "image_mean" else "three"
    with pytest.raises(InputError, match=f"^{option} takes a number or several; found "):
        models.build("fasterrcnn_resnet18_fpn", None, **{option: value})
