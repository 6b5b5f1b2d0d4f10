"""Recordings of the real model: nothing is changed by them, and they hold what happened."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import MultiScaleRoIAlign

import tracer
from tracer.errors import InputError
from tracer.record.checks import problems
from tracer.record.query import beneath, locals_at

pytestmark = pytest.mark.slow

GRAINS = ["module", "function", "op", "line"]


def by_path(trace, path, kind=None):
    return [c for c in trace.calls if c.path == path and kind in (None, c.kind)]


def shape(trace, value):
    return trace.tensors[value.tensor].summary.shape


def same(a, b):
    """Whether two outputs are bit-identical, through lists and dicts."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and a.dtype == b.dtype and a.requires_grad == b.requires_grad
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


def leftovers(model):
    hooks = [h for m in model.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]
    hooks += [p for p in model.parameters() if p._post_accumulate_grad_hooks]
    modes = torch.overrides._get_current_function_mode_stack()
    modes += torch.utils._python_dispatch._get_current_dispatch_mode_stack()
    return [*hooks, *modes, *([] if sys.gettrace() is None else [sys.gettrace()])]


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("grain", GRAINS)
def test_detections_are_bit_identical(rcnn, two_images, grain, context):
    with context():
        expected = rcnn(two_images)
        with tracer.Recorder(rcnn, grain=grain, keep=True) as recorder:
            found = rcnn(two_images)
    assert len(expected[0]["boxes"]) > 0
    assert same(expected, found)
    assert problems(recorder.trace) == []
    assert leftovers(rcnn) == []


@pytest.mark.parametrize("grain", GRAINS)
def test_training_is_the_same_run_with_the_same_seed(in_training, two_images, two_targets, grain):
    torch.manual_seed(5)
    expected = in_training(two_images, two_targets)
    after = torch.random.get_rng_state()
    torch.manual_seed(5)
    with tracer.Recorder(in_training, grain=grain) as recorder:
        found = in_training(two_images, two_targets)
    assert torch.equal(torch.random.get_rng_state(), after)
    assert same(expected, found)
    assert in_training.training
    trace = recorder.trace
    assert trace.environment["mode"] == "train"
    losses = [name for name, _ in trace.calls[0].result.items]
    assert sorted(losses) == sorted(expected)
    for name in losses:
        value = trace.tensors[trace.calls[0].result[name].tensor].summary.min
        assert value == expected[name].item()
    if grain != "module":
        assert "losses" in [s.name for s in trace.stages]
    assert problems(trace) == []


def test_gradients_of_a_training_step_and_frozen_layers(two_images, two_targets):
    torch.manual_seed(0)
    backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None, trainable_layers=2)
    model = FasterRCNN(backbone, num_classes=4, min_size=64, max_size=128)
    with tracer.Recorder(model, grain="module") as recorder:
        sum(model(two_images, two_targets).values()).backward()
    found = {p.name: p for p in recorder.trace.parameters}
    assert len(found) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        record = found[name]
        assert record.trainable == parameter.requires_grad
        if parameter.grad is None:
            assert record.gradient is None
        else:
            assert record.gradient.max == parameter.grad.max().item()
    assert not found["backbone.body.conv1.weight"].trainable
    assert found["backbone.body.layer4.0.conv1.weight"].gradient is not None
    assert leftovers(model) == []


def test_every_stage_block_level_and_pooling_layer_is_there(recorded):
    paths = [c.path for c in recorded.calls if c.kind == "module"]
    for i, blocks in enumerate((3, 4, 6, 3), start=1):
        assert f"backbone.body.layer{i}" in paths
        found = [p for p in paths if p.startswith(f"backbone.body.layer{i}.") and p.count(".") == 3]
        assert len(set(found)) == blocks
    assert "backbone.body.maxpool" in paths
    assert "backbone.fpn.extra_blocks" in paths
    assert "roi_heads.box_roi_pool" in paths
    assert [s.name for s in recorded.stages] == [
        "transform", "stem", "layer1", "layer2", "layer3", "layer4", "fpn", "rpn", "roi_heads",
        "postprocess",
    ]  # fmt: skip


def test_a_bottlenecks_relu_runs_three_times_and_the_rpn_head_on_five_levels(recorded):
    assert len(by_path(recorded, "backbone.body.layer1.0.relu", "module")) == 3
    assert len(by_path(recorded, "rpn.head.conv.0.0", "module")) == 5
    heads = [shape(recorded, c.result) for c in by_path(recorded, "rpn.head.cls_logits", "module")]
    assert [h[1] for h in heads] == [3] * 5


def test_nested_results_keep_every_entry(recorded, two_images):
    (fpn,) = by_path(recorded, "backbone.fpn", "module")
    assert (fpn.result.type, [k for k, _ in fpn.result.items]) == (
        "OrderedDict",
        ["0", "1", "2", "3", "pool"],
    )
    detections = recorded.calls[0].result
    assert (detections.type, len(detections.items)) == ("list", len(two_images))
    assert [k for k, _ in detections["1"].items] == ["boxes", "labels", "scores"]
    (rpn,) = by_path(recorded, "rpn", "module")
    assert rpn.args["images"].type == "ImageList"
    assert shape(recorded, rpn.args["images"]["tensors"])[0] == 2


def test_functions_that_no_hook_sees_are_calls(recorded):
    paths = {c.path for c in recorded.calls if c.kind == "function"}
    assert {
        "RegionProposalNetwork.filter_proposals",
        "BoxCoder.decode",
        "RoIHeads.postprocess_detections",
        "GeneralizedRCNNTransform.postprocess",
        "LevelMapper.__call__",
        "resize_boxes",
    } <= paths
    assert not any(p.endswith(".forward") and "Bottleneck" in p for p in paths)
    ops = {c.path for c in recorded.calls if c.kind == "op"}
    assert {"conv2d", "interpolate", "add_", "nms", "roi_align", "topk", "sigmoid"} <= ops


def test_multiply_adds_of_the_pass_are_torchs(rcnn, two_images, recorded):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        rcnn(two_images)
    assert recorded.calls[0].macs == counter.get_total_flops() // 2
    own = sum(
        c.macs - sum(d.macs for d in recorded.calls if d.parent == c.id) for c in recorded.calls
    )
    assert own == recorded.calls[0].macs


def test_parameters_add_up(rcnn, recorded):
    total = sum(p.numel() for p in rcnn.parameters())
    assert recorded.modules[""].params == total
    assert sum(m.own_params for m in recorded.modules.values()) == total


def test_kept_activations_equal_those_of_plain_hooks(rcnn, two_images):
    expected = {}

    def remember(name):
        def hook(module, args, result):
            expected.setdefault(name, result.clone())

        return hook

    handles = [
        module.register_forward_hook(remember(name))
        for name, module in rcnn.named_modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))
    ]
    with torch.no_grad():
        rcnn(two_images)
        for handle in handles:
            handle.remove()
        trace = tracer.trace(rcnn, two_images, grain="module", keep=True)
    compared = 0
    for call in trace.calls:
        if call.nth == 0 and call.path in expected:
            assert np.array_equal(trace.data(call.result.tensor), expected[call.path].numpy())
            compared += 1
    assert compared == len(expected) > 100


def test_a_file_keeps_the_recording_of_the_pass(recorded, tmp_path):
    recorded.save(tmp_path / "pass.safetensors")
    assert tracer.load(tmp_path / "pass.safetensors") == recorded


# -- the line grain ------------------------------------------------------------------------------


def text(trace, call, line):
    return trace.sources[call.source.file].text.splitlines()[line.line - 1].strip()


def lines_of(trace, call):
    return [line for line in trace.lines if line.call == call.id]


def test_lines_of_a_bottleneck_with_the_locals_they_changed(recorded):
    (block,) = by_path(recorded, "backbone.body.layer1.1", "module")
    lines = lines_of(recorded, block)
    texts = [text(recorded, block, line) for line in lines]
    assert texts[0] == "identity = x"
    assert texts.count("out = self.relu(out)") == 3
    assert "if self.downsample is not None:" in texts
    assert "identity = self.downsample(x)" not in texts, "block 1 takes no downsample branch"
    add = lines[texts.index("out += identity")]
    ((name, value),) = add.changed
    assert name == "out"
    after = recorded.tensors[value.tensor]
    bn3 = by_path(recorded, "backbone.body.layer1.1.bn3", "module")[0]
    assert after.previous == bn3.result.tensor
    assert recorded.calls[after.producer].path == "add_"
    first = by_path(recorded, "backbone.body.layer1.0", "module")[0]
    assert "identity = self.downsample(x)" in [
        text(recorded, first, line) for line in lines_of(recorded, first)
    ]


def test_loop_iterations_of_the_top_down_path(recorded):
    (fpn,) = by_path(recorded, "backbone.fpn", "module")
    lines = lines_of(recorded, fpn)
    seen = []
    for line in lines:
        if text(recorded, fpn, line).startswith("inner_lateral ="):
            seen.append(locals_at(recorded, fpn, line.tick)["idx"].scalar)
    assert seen == [2, 1, 0]
    merges = [
        dict(line.changed)["last_inner"]
        for line in lines
        if text(recorded, fpn, line).startswith("last_inner = inner_lateral")
    ]
    laterals = [shape(recorded, m) for m in merges]
    assert [s[1] for s in laterals] == [256] * 3
    assert laterals[0][2] * 4 == laterals[2][2]


def test_calls_lie_between_the_line_that_made_them_and_the_next(recorded):
    (root,) = by_path(recorded, "", "module")
    lines = lines_of(recorded, root)
    (backbone,) = by_path(recorded, "backbone", "module")
    before = [line for line in lines if line.tick < backbone.start][-1]
    assert text(recorded, root, before).startswith("features = self.backbone(")
    assert backbone.called_from.line == before.line
    assert dict(before.changed)["features"].tensor == backbone.result.tensor or (
        dict(before.changed)["features"].type == "OrderedDict"
    )


def test_sources_travel_with_version_and_licence(recorded):
    rpn = recorded.sources["torchvision/models/detection/rpn.py"]
    with open(torchvision.models.detection.rpn.__file__, encoding="utf-8") as file:
        assert rpn.text == file.read()
    assert rpn.package == f"torchvision {torchvision.__version__.partition('+')[0]}"
    assert rpn.licence == "BSD"


def test_another_trace_function_is_left_alone_and_said(rcnn, two_images):
    def debugger(frame, event, argument):
        return None

    sys.settrace(debugger)
    try:
        with torch.no_grad():
            trace = tracer.trace(rcnn, two_images, grain="line")
        assert sys.gettrace() is debugger
    finally:
        sys.settrace(None)
    if sys.version_info < (3, 12):
        assert any("another trace function" in note for note in trace.notes)
        assert {c.kind for c in trace.calls} == {"module", "op"}
    else:
        assert trace.notes == ()
        assert trace.lines


class Early(nn.Module):
    def forward(self, x):
        total = 0
        for i in range(3):
            if i == 1:
                continue
            total += i
        try:
            raise KeyError("gone")
        except KeyError:
            del total
        values = [v * 2 for v in (x, x)]
        return self.helper(values)

    def helper(self, values):
        for value in values:
            if value.sum() > 0:
                return value
        return None


def test_branches_loops_exceptions_deletions_and_early_returns():
    trace = tracer.trace(Early(), torch.ones(2), grain="line")
    root = trace.calls[0]
    lines = lines_of(trace, root)
    texts = [text(trace, root, line) for line in lines]
    assert texts.count("if i == 1:") == 3
    assert texts.count("continue") == 1
    totals = [dict(line.changed)["total"].scalar for line in lines if "total" in dict(line.changed)]
    assert totals == [0, 2], "0 + 0 changes nothing that is seen"
    (raised,) = [line for line in lines if line.raised and "raise" in text(trace, root, line)]
    assert raised.raised == "KeyError: 'gone'"
    (deleted,) = [line for line in lines if "total" in line.deleted]
    assert text(trace, root, deleted) == "del total"
    (helper,) = [c for c in trace.calls if c.path == "Early.helper"]
    assert helper.source.file == "test_capture_rcnn.py"
    assert [text(trace, helper, line) for line in lines_of(trace, helper)] == [
        "for value in values:",
        "if value.sum() > 0:",
        "return value",
    ]
    assert helper.args["self"].kind == "module"
    assert root.error == ""
    assert not [c for c in trace.calls if c.kind == "function" and "comp" in c.path]


# -- construction ----------------------------------------------------------------------------------


def test_a_construction_is_the_tree_of_builder_calls(built):
    assert problems(built) == []
    assert (built.kind, built.subject) == ("construction", "fasterrcnn_resnet50_fpn")
    paths = [c.path for c in built.calls]
    assert paths[0] == "fasterrcnn_resnet50_fpn"
    for path in ("ResNet.__init__", "ResNet._make_layer", "Bottleneck.__init__", "RPNHead.__init__",
                 "FeaturePyramidNetwork.__init__", "FasterRCNN.__init__"):  # fmt: skip
        assert path in paths
    assert paths.count("ResNet._make_layer") == 4
    assert paths.count("Bottleneck.__init__") == 16
    assert [s.name for s in built.stages] == ["body", "fpn", "rpn", "transform", "roi_heads"] or {
        s.name for s in built.stages
    } >= {"body", "fpn", "rpn", "roi_heads", "transform"}


def test_lines_lie_in_the_source_of_their_call(built, recorded):
    for trace in (built, recorded):
        for line in trace.lines:
            call = trace.calls[line.call]
            assert line.line >= call.source.line, call.label


def test_builder_calls_say_what_they_added_in_parameters(built):
    layers = by_path(built, "ResNet._make_layer")
    plain = torchvision.models.resnet50(weights=None)
    expected = [
        sum(p.numel() for p in getattr(plain, f"layer{i}").parameters()) for i in range(1, 5)
    ]
    assert [c.result.params[0] for c in layers] == expected
    assert layers[0].result.kind == "module"
    assert layers[0].result.type == "Sequential"


def test_an_init_has_the_finished_module_as_its_result(built):
    blocks = by_path(built, "Bottleneck.__init__")
    assert all(c.result.kind == "module" and c.result.type == "Bottleneck" for c in blocks)
    (head,) = by_path(built, "RPNHead.__init__")
    assert head.result.params[0] == built.modules["rpn.head"].params


def test_the_lines_of_make_layer_show_why_block_0_has_a_downsample(built):
    first = by_path(built, "ResNet._make_layer")[0]
    texts = [text(built, first, line) for line in lines_of(built, first)]
    assert "downsample = nn.Sequential(" in texts
    grown = [
        value.get("inplanes").scalar
        for line in lines_of(built, first)
        for name, value in line.changed
        if name == "self" and value.get("inplanes") is not None
    ]
    assert 256 in grown, "self.inplanes grows from 64 to 256"
    assert first.args["self"].get("inplanes").scalar == 64


def test_freezing_is_seen_line_by_line():
    trace = tracer.trace(
        resnet_fpn_backbone,
        backbone_name="resnet18",
        weights=None,
        trainable_layers=2,
        grain="line",
    )
    (builder,) = by_path(trace, "_resnet_fpn_extractor")
    frozen = [
        value
        for line in lines_of(trace, builder)
        for name, value in line.changed
        if name == "parameter" and "requires_grad_" in text(trace, builder, line)
    ]
    assert frozen
    assert all(value.params[1] == 0 for value in frozen)
    assert trace.modules["body.layer1"].trainable == 0
    assert trace.modules["body.layer4"].trainable == trace.modules["body.layer4"].params


def test_a_pass_knows_the_line_that_built_each_module(two_images):
    found = []

    def build():
        found.append(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, min_size=64))
        return found[0]

    tracer.trace(build)
    with torch.no_grad():
        trace = tracer.trace(found[0].eval(), two_images, grain="module")
    place = trace.modules["backbone.body.layer2.0.conv2"].built_at
    line = trace.sources[place.file].text.splitlines()[place.line - 1]
    assert place.file == "torchvision/models/resnet.py"
    assert "nn.Conv2d(" in line or "return" in line
    block = trace.modules["backbone.body.layer2.1"].built_at
    lines = trace.sources[block.file].text.splitlines()[block.line - 2 : block.line + 1]
    assert any("block(" in text for text in lines)
    assert trace.modules["rpn.head"].built_at.file == "torchvision/models/detection/faster_rcnn.py"


def test_constructions_of_classes_and_of_plain_callables():
    trace = tracer.trace(torchvision.ops.FeaturePyramidNetwork, [8, 16], 4)
    assert trace.calls[0].path == "FeaturePyramidNetwork"
    assert trace.modules[""].type == "FeaturePyramidNetwork"
    assert tracer.trace(lambda n: nn.Linear(n, 1), 3).modules[""].params == 4
    assert tracer.trace(nn.Linear, 2, 2).calls[0].result.params == (6, 6)


def test_building_under_a_recording_is_the_same_building():
    torch.manual_seed(3)
    expected = torchvision.models.resnet18(weights=None)
    after = torch.random.get_rng_state()
    torch.manual_seed(3)
    found = []
    tracer.trace(lambda: found.append(torchvision.models.resnet18(weights=None)), grain="line")
    assert torch.equal(torch.random.get_rng_state(), after)
    for a, b in zip(expected.parameters(), found[0].parameters(), strict=True):
        assert torch.equal(a, b)


# -- failures that people really have -----------------------------------------------------------


class Tiny(nn.Module):
    """A user's own backbone that returns one feature map."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=8, padding=1)

    def forward(self, x):
        return self.conv(x)


def custom(backbone, **options):
    torch.manual_seed(0)
    defaults = {
        "rpn_anchor_generator": AnchorGenerator(((32, 64),), ((0.5, 1.0, 2.0),)),
        "box_roi_pool": MultiScaleRoIAlign(["0"], 7, 2),
    }
    return FasterRCNN(
        backbone, num_classes=3, min_size=64, max_size=128, **{**defaults, **options}
    ).eval()


def fails(model, images, *targets):
    with torch.no_grad(), pytest.raises(Exception) as caught:  # noqa: PT011
        tracer.trace(model, images, *targets)
    assert not isinstance(caught.value, InputError), "the model's own exception comes through"
    trace = tracer.last_trace()
    assert trace.error.type == type(caught.value).__name__
    assert problems(trace) == []
    assert leftovers(model) == []
    return trace, trace.calls[trace.error.call]


def test_post_mortem_of_a_wrong_out_channels(two_images):
    backbone = Tiny()
    backbone.out_channels = 16
    trace, call = fails(custom(backbone), two_images)
    above = {trace.calls[i].path for i in (call.id, call.parent)}
    assert "rpn.head.conv.0.0" in above
    conv = by_path(trace, "rpn.head.conv.0.0")[0]
    assert shape(trace, conv.args["input"])[1] == 8
    assert "16" in trace.error.message
    assert by_path(trace, "backbone")[0].error == ""


def test_post_mortem_of_anchors_for_another_number_of_levels(two_images):
    model = custom(Tiny(), rpn_anchor_generator=AnchorGenerator(((32,), (64,)), ((1.0,), (1.0,))))
    trace, call = fails(model, two_images)
    assert "AnchorGenerator.grid_anchors" in {call.path, trace.calls[call.parent].path}
    assert trace.error.source.file == "torchvision/models/detection/anchor_utils.py"


def test_post_mortem_of_a_pooler_that_names_no_feature_map(two_images):
    model = custom(Tiny(), box_roi_pool=MultiScaleRoIAlign(["9"], 7, 2))
    trace, _ = fails(model, two_images)
    paths = [c.path for c in trace.calls if c.error]
    assert "roi_heads.box_roi_pool" in paths


def test_post_mortem_of_boxes_without_area(in_training, two_images, two_targets):
    flat = [{**two_targets[0], "boxes": torch.tensor([[5.0, 5.0, 5.0, 9.0]] * 2)}, two_targets[1]]
    trace, call = fails(in_training, two_images, flat)
    assert "positive height and width" in trace.error.message
    assert call.path in ("", "_assert")


def test_post_mortem_of_labels_of_another_type(in_training, two_images, two_targets):
    wrong = [{**t, "labels": t["labels"].float()} for t in two_targets]
    trace, _ = fails(in_training, two_images, wrong)
    assert "labels" in trace.error.message or "label" in trace.error.traceback


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.rand(3, 8, 8), r"found one tensor of shape \[3, 8, 8\]: pass \[image\]"),
        ([torch.rand(2, 3, 8, 8)], r"images\[0\] has shape \[2, 3, 8, 8\]: pass list\(batch\)"),
        ([[torch.rand(3, 8, 8)]], r"images\[0\] is a list: pass the inner list"),
        ([], "found an empty list"),
        ({"image": 1}, "found dict"),
        (None, "no images were given"),
        (["cat.jpg"], r"images\[0\] is a str"),
    ],
)
def test_a_wrongly_wrapped_input_gets_a_sentence(rcnn, images, said):
    with pytest.raises(InputError, match=said):
        tracer.trace(rcnn, images)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (torch.rand(3, 8, 8), r"pass \[image1, image2\]"),
        ([{"boxes": 1}], r"one target per image \(2\)"),
        ([{"boxes": 1}, {}], r"targets\[0\] lacks 'labels'"),
        ([1, 2], r"targets\[0\] is an int"),
        ({"boxes": 1}, "a list of dicts; found a dict"),
    ],
)
def test_wrong_targets_get_a_sentence(rcnn, two_images, targets, said):
    with pytest.raises(InputError, match=said):
        tracer.trace(rcnn, two_images, targets)


def test_training_without_targets_gets_a_sentence(in_training, two_images):
    with pytest.raises(InputError, match=r"in training mode .* model\.eval\(\)"):
        tracer.trace(in_training, two_images)


def test_a_batch_that_torchvision_takes_is_taken(rcnn):
    with torch.no_grad():
        trace = tracer.trace(rcnn, torch.rand(2, 3, 32, 32), grain="module")
    assert len(trace.calls[0].result.items) == 2


def test_a_detector_inside_another_module_has_its_stages(rcnn, two_images):
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = rcnn

        def forward(self, images):
            return self.model(images)

    with torch.no_grad():
        trace = tracer.trace(Wrapper().eval(), two_images, grain="module")
    assert [s.name for s in trace.stages][:3] == ["transform", "stem", "layer1"]
    assert by_path(trace, "model.rpn.head")[0].stage == "rpn"


def test_a_custom_backbone_without_a_pyramid(two_images):
    model = custom(Tiny())
    with torch.no_grad():
        trace = tracer.trace(model, two_images, grain="line")
    assert problems(trace) == []
    assert [s.name for s in trace.stages][:3] == ["transform", "body", "rpn"]
    assert "test_capture_rcnn.py" in trace.sources
    (backbone,) = by_path(trace, "backbone")
    assert len(lines_of(trace, backbone)) == 1
    assert beneath(trace, [backbone])


@pytest.mark.parametrize(
    "name",
    [
        "retinanet_resnet50_fpn",
        "fcos_resnet50_fpn",
        "ssdlite320_mobilenet_v3_large",
        "maskrcnn_resnet50_fpn",
        "keypointrcnn_resnet50_fpn",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
    ],
)
def test_other_detectors_are_recorded_too(name, two_images):
    torch.manual_seed(0)
    fewer = {"rpn_post_nms_top_n_test": 200, "box_detections_per_img": 10} if "rcnn" in name else {}
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, **fewer)
    if not name.startswith("ssd"):
        model.transform.min_size, model.transform.max_size = (64,), 64
    model.eval()
    with torch.no_grad():
        expected = model(two_images)
        with tracer.Recorder(model, grain="line") as recorder:
            found = model(two_images)
    assert same(expected, found)
    assert problems(recorder.trace) == []
    assert recorder.trace.stages
    assert leftovers(model) == []
