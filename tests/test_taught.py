"""What the texts teach of geometry, blocks and gradients, computed from torchvision."""

from __future__ import annotations

import re

import pytest
import torch
from torchvision.models import detection, resnet
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import (
    _validate_trainable_layers,
    resnet_fpn_backbone,
)
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import box_iou, nms, roi_align, sigmoid_focal_loss

import tracer
from tracer.rcnn import texts
from tracer.rcnn.narration import commentary

FIELDS = {"resnet18": (43, 99, 211, 435), "resnet50": (35, 91, 267, 427)}  # of C2 to C5, in pixels


def said(key: str, lang: str = "en", kind: str = "function") -> str:
    return " ".join(texts.entries()[kind, key].text(lang))


# --- where points stand ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_the_field_of_point_i_is_centred_on_pixel_i_times_the_stride(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = resnet_fpn_backbone(backbone_name=name, weights=None).body.eval()
        body.requires_grad_(False)
        picture = torch.rand(1, 3, 448, 448, requires_grad=True)
    for (key, found), field in zip(body(picture).items(), FIELDS[name], strict=True):
        stride, point = 2 ** (int(key) + 2), found.shape[2] // 2
        one = found[0, :, point, point].sum()
        (gradient,) = torch.autograd.grad(one, picture, retain_graph=True)
        for axis in (0, 1):
            reached = gradient[0].abs().sum((0, 1 + axis)).nonzero().flatten().tolist()
            assert (reached[0] + reached[-1]) / 2 == point * stride
            assert reached[-1] - reached[0] + 1 == field


def test_anchors_stand_where_their_points_look():
    generator = AnchorGenerator(((32,), (64,)), ((0.5, 1.0, 2.0),) * 2)
    batch = ImageList(torch.zeros(1, 3, 64, 96), [(64, 96)])
    anchors = generator(batch, [torch.zeros(1, 1, 16, 24), torch.zeros(1, 1, 8, 12)])[0]
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    for offset, (rows, columns), stride in ((0, (16, 24), 4), (16 * 24 * 3, (8, 12), 8)):
        own = centres[offset : offset + rows * columns * 3].reshape(rows, columns, 3, 2)
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        assert torch.equal(own, (torch.stack([x, y], -1) * stride)[:, :, None].expand(-1, -1, 3, 2))


def test_the_commentary_tells_all_sizes_that_base_anchors_are_made_of():
    sizes = ((32, 64, 128, 256, 512),) * 3
    made = tracer.trace(AnchorGenerator, sizes, ((0.5, 1.0, 2.0),) * 3, grain="line")
    call = next(c for c in made.calls if c.path == "AnchorGenerator.generate_anchors")
    told = commentary(trace=made, call=call)
    assert told.here == ("Sizes (32, 64, 128, 256, 512), ratios (0.5, 1, 2) → 15×4.",)


def test_roi_align_reads_point_i_at_pixel_i_times_the_stride():
    features, stride = torch.rand(1, 1, 9, 11), 16
    for row, column in ((3, 5), (6, 2)):
        x, y = column * stride, row * stride
        around = torch.tensor([[x - 8.0, y - 8.0, x + 8.0, y + 8.0]])  # one sample, in the middle
        read = roi_align(features, [around], 1, spatial_scale=1 / stride, sampling_ratio=1)
        assert torch.allclose(read[0, 0, 0, 0], features[0, 0, row, column])


def test_points_of_p6_are_64_apart_where_its_anchors_are_61():
    p5 = torch.arange(25.0).reshape(1, 1, 25, 1)
    p6 = torch.nn.functional.max_pool2d(p5, 1, 2)
    assert (p6.flatten() * 32).tolist() == [64.0 * i for i in range(13)]
    assert 800 // len(p6.flatten()) == 61
    assert "61 pixels" in said("LastLevelMaxPool.forward")


def test_upsampling_gives_point_i_the_coarser_point_below_its_half():
    coarse = torch.arange(5.0).reshape(1, 1, 1, 5)
    fine = torch.nn.functional.interpolate(coarse, size=(1, 10), mode="nearest")
    assert fine.flatten().tolist() == [i // 2 for i in range(10)]


def test_resizing_scales_places_and_boxes_by_one_factor():
    """A picture whose values are its places, pixel p's middle at p + ½, still is one afterwards."""
    transform = GeneralizedRCNNTransform(100, 1000, [0.0] * 3, [1.0] * 3)
    places = (torch.arange(80.0) + 0.5).expand(3, 50, 80) / 80
    target = {"boxes": torch.tensor([[8.0, 5.0, 40.0, 30.0]]), "labels": torch.tensor([1])}
    batch, targets = transform([places], [target])
    assert batch.image_sizes == [(100, 160)]
    inside = batch.tensors[0, 0, 20, 2:158] * 80 * 2  # the outermost pixels repeat the edge
    assert torch.allclose(inside, torch.arange(2.0, 158.0) + 0.5, atol=1e-3)
    assert targets[0]["boxes"].tolist() == [[16.0, 10.0, 80.0, 60.0]]
    assert not batch.tensors[0, :, 100:].any()


def test_the_commentary_names_the_field_of_c5():
    assert f"{FIELDS['resnet50'][3]} pixels" in said("layer4", kind="stage")
    assert f"{FIELDS['resnet50'][3]} 像素" in said("layer4", "zh", kind="stage")


# --- blocks ---------------------------------------------------------------------------------------


def test_a_bottleneck_squeezes_to_a_quarter_of_what_it_gives_out():
    inner = {}
    with torch.device("meta"):
        model = resnet.resnet50(weights=None)
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for number, block in getattr(model, stage).named_children():
            assert block.conv1.out_channels * 4 == block.conv3.out_channels
            inner[stage, number] = block.conv1.in_channels / block.conv1.out_channels
    assert inner["layer1", "0"] == 1
    assert {inner[f"layer{n}", "0"] for n in (2, 3, 4)} == {2}
    assert {share for (_, number), share in inner.items() if number != "0"} == {4}


def test_relatives_of_the_resnet_are_wider_inside_than_a_quarter():
    for name, times in (("resnet50", 4), ("resnext50_32x4d", 2), ("wide_resnet50_2", 2)):
        with torch.device("meta"):
            block = getattr(resnet, name)(weights=None).layer1[1]
        assert block.conv3.out_channels == times * block.conv3.in_channels


def test_only_layer1_of_the_shallow_resnets_has_no_projection():
    for name in ("resnet18", "resnet34", "resnet50", "resnet101"):
        with torch.device("meta"):
            model = getattr(resnet, name)(weights=None)
        plain = [n for n in (1, 2, 3, 4) if getattr(model, f"layer{n}")[0].downsample is None]
        assert plain == ([1] if name in ("resnet18", "resnet34") else [])


def test_a_projection_of_stride_2_looks_at_a_quarter_of_the_points():
    projection = resnet.resnet50(weights=None).layer2[0].downsample.eval()
    x = torch.rand(1, 256, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(projection(x).sum(), x)
    assert (gradient.abs().sum((0, 1)) > 0).float().mean() == 0.25


def test_a_basic_block_of_equal_width_has_16_9_times_the_weights_and_16_8_the_parameters():
    narrow, wide = resnet.Bottleneck(256, 64), resnet.BasicBlock(256, 256)
    for least, ratio in ((4, 16.9), (1, 16.8)):
        counts = [sum(p.numel() for p in b.parameters() if p.ndim >= least) for b in (narrow, wide)]
        assert round(counts[1] / counts[0], 1) == ratio
    for lang in ("en", "zh"):
        told = " ".join(texts.entries()["question", "bottleneck-saves"].text(lang))
        assert ("16.9" in told, "16.8" in told) == (True, True)
        assert "16.9" in said("Bottleneck.forward", lang)


def test_the_gradient_past_a_block_is_blocked_where_the_sum_was_negative():
    block = resnet.Bottleneck(8, 2).eval()
    torch.nn.init.zeros_(block.bn3.weight)  # F(x) = 0
    x = torch.randn(1, 8, 5, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(block(x).sum(), x)
    assert torch.equal(gradient, (x > 0).float())


# --- building -------------------------------------------------------------------------------------


def test_the_builders_text_lists_the_backbones_of_its_docstring():
    listed = set(re.findall(r"'(\w*resne\w+)'", resnet_fpn_backbone.__doc__.split("Args:")[1]))
    assert len(listed) == 9
    for lang in ("en", "zh"):
        told = set(re.findall(r"\w*resne\w*\d\w*", said("resnet_fpn_backbone", lang)))
        assert told - {"fasterrcnn_resnet50_fpn"} == listed


@pytest.mark.parametrize("layers", [0, 5])
def test_any_number_of_layers_warns_where_nothing_is_pretrained(layers):
    with pytest.warns(UserWarning, match="has no effect"):
        assert _validate_trainable_layers(False, layers, 5, 3) == 5
    for lang, words in (("en", "any number, even 5"), ("zh", "只要传了数值，哪怕是 5")):
        assert words in said("_validate_trainable_layers", lang)


def test_ssd_lies_on_a_vgg_or_a_mobilenet_and_answers_on_six_maps():
    none = {"weights": None, "weights_backbone": None}
    for build, name in (("ssd300_vgg16", "VGG"), ("ssdlite320_mobilenet_v3_large", "MobileNetV3")):
        with torch.device("meta"):
            model = getattr(detection, build)(**none)
        assert type(model) is detection.ssd.SSD
        assert model.transform.fixed_size is not None
        assert model.transform.size_divisible == 1
        assert len(model.head.classification_head.module_list) == 6
        assert name in said("SSD.forward")
        assert name in said("SSD.forward", "zh")


def test_only_the_rpn_of_a_mobilenet_has_a_threshold_by_default():
    none = {"weights": None, "weights_backbone": None}
    for build, least in (("resnet50_fpn", 0.0), ("mobilenet_v3_large_fpn", 0.05)):
        with torch.device("meta"):
            assert getattr(detection, f"fasterrcnn_{build}")(**none).rpn.score_thresh == least


def test_dilation_wants_three_entries_and_keeps_the_size():
    with pytest.raises(ValueError, match="3-element"):
        resnet.resnet50(weights=None, replace_stride_with_dilation=[True])
    options = {"weights": None, "replace_stride_with_dilation": [False, False, True]}
    layer = resnet.resnet50(**options).layer4
    assert layer(torch.rand(1, 1024, 6, 6)).shape[-2:] == (6, 6)


def test_fewer_returned_layers_are_named_from_0_and_want_fewer_anchors():
    three = resnet_fpn_backbone(backbone_name="resnet18", weights=None, returned_layers=[2, 3, 4])
    assert dict(three.body.return_layers) == {"layer2": "0", "layer3": "1", "layer4": "2"}
    found = three(torch.rand(1, 3, 64, 64))
    assert {name: tuple(x.shape[-2:]) for name, x in found.items()} == {
        "0": (8, 8),
        "1": (4, 4),
        "2": (2, 2),
        "pool": (1, 1),
    }


# --- filters --------------------------------------------------------------------------------------


def test_only_a_box_that_stays_removes_another():
    """Of three in a row the middle one goes; the last overlaps it, and stays all the same."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]])
    overlaps = box_iou(boxes, boxes)
    assert min(overlaps[0, 1], overlaps[1, 2]) > 0.7 > overlaps[0, 2]
    assert nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.7).tolist() == [0, 2]


# --- leaving Python -------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_exporter_without_values_gives_up_at_how_many_boxes_there_are():
    """Of torch's exporters the new one, which works on symbols; `dynamo=False` is the older one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"weights": None, "weights_backbone": None, "min_size": 64, "max_size": 96}
        model = detection.fasterrcnn_resnet50_fpn(**options).eval()
    with pytest.raises(Exception, match="data-dependent"):
        torch.export.export(model, ([torch.rand(3, 64, 80)],), strict=False)


# --- training -------------------------------------------------------------------------------------


def test_without_detach_only_the_box_loss_would_reach_the_proposals():
    """By way of the regression targets: RoIAlign has no gradient for boxes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
        heads = FasterRCNN(backbone, num_classes=3).train().roi_heads
        features = {str(i): torch.rand(1, 256, 32 >> i, 32 >> i) for i in range(4)}
        proposals = torch.tensor([[10.0, 10, 50, 50], [60, 60, 100, 110]], requires_grad=True)
        target = {"boxes": torch.tensor([[12.0, 8, 52, 48]]), "labels": torch.tensor([1])}
        _, losses = heads(features, [proposals], [(128, 128)], [target])
    reached = {
        name: torch.autograd.grad(loss, proposals, retain_graph=True, allow_unused=True)[0]
        for name, loss in losses.items()
    }
    assert reached["loss_box_reg"].abs().sum() > 0
    untouched = reached["loss_classifier"]
    assert untouched is None or not untouched.any()


def test_a_target_that_no_anchor_overlaps_makes_all_of_them_positives():
    ious = torch.tensor([[0.8, 0.1, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    rpn = Matcher(0.7, 0.3, allow_low_quality_matches=True)
    assert rpn(ious[:1]).tolist() == [0, -1, -1, -1]
    assert (rpn(ious) >= 0).all()
    assert "every anchor a positive" in said("Matcher.set_low_quality_matches_")


def test_a_rescued_anchor_learns_what_it_overlaps_most_whosever_best_it_is():
    """The second is the second target's best, and learns the first, whose best is another."""
    ious = torch.tensor([[0.65, 0.6], [0.1, 0.5]])
    assert Matcher(0.7, 0.3, allow_low_quality_matches=True)(ious).tolist() == [0, 0]


def test_of_two_equal_targets_nothing_learns_the_second():
    ious = torch.tensor([[0.8, 0.6, 0.1]] * 2)
    for matcher in (Matcher(0.7, 0.3, allow_low_quality_matches=True), Matcher(0.5, 0.5)):
        assert 1 not in matcher(ious).tolist()


def test_focal_loss_weighs_objects_with_alpha_and_background_with_the_rest():
    logits, targets = torch.tensor([1.5, 1.5]), torch.tensor([1.0, 0.0])
    p = torch.stack([logits[0].sigmoid(), 1 - logits[1].sigmoid()])  # of the right answer
    expected = torch.tensor([0.25, 0.75]) * (1 - p) ** 2 * -p.log()
    assert torch.allclose(sigmoid_focal_loss(logits, targets), expected)


def test_cross_entropy_is_the_negative_logarithm():
    logits = torch.tensor([[2.0, 0.5, -1.0]])
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0]))
    assert torch.isclose(loss, -logits.softmax(1)[0, 0].log())
    remark = next(
        line
        for line in texts.entries()["function", "fastrcnn_loss"].lines
        if line["at"].startswith("classification_loss")
    )
    assert "negative logarithm" in remark["en"]


def test_smooth_l1_is_what_the_text_says():
    beta, d = 1 / 9, torch.tensor([0.05, 0.5])
    found = torch.nn.functional.smooth_l1_loss(d, torch.zeros(2), beta=beta, reduction="none")
    assert torch.allclose(found, torch.stack([d[0] ** 2 / (2 * beta), d[1] - beta / 2]))
