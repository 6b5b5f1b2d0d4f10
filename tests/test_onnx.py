"""ONNX export: the file does what the model does, or one sentence says why not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import nn

import tracer
from tracer.errors import InputError, MissingError
from tracer.rcnn import models, onnx
from tracer.rcnn import onnx_parting as parting
from tracer.views.reports.onnx_graph import detections_beside, graph

pytestmark = pytest.mark.slow

BOXES = torch.tensor([[0.0, 0, 10, 10], [5, 5, 20, 20], [1, 1, 9, 9]])
FOUND = {"boxes": BOXES, "labels": torch.tensor([1, 2, 1]), "scores": torch.tensor([0.9, 0.8, 0.7])}


@pytest.fixture(scope="module")
def model():
    """A small detector in training mode whose scores are far apart, so that ranking is stable."""
    model = models.build("fasterrcnn_resnet18_fpn", num_classes=4, min_size=64, max_size=96)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.weight *= 30
        model.rpn.head.cls_logits.weight *= 30
    model.backbone.fpn.eval()
    return model


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, *size, generator=generator) for size in [(48, 64), (64, 48)]]


@pytest.fixture(scope="module")
def exported(model, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    modes = [module.training for module in model.modules()]
    result = onnx.export(model, images, folder / "model.onnx")
    assert [module.training for module in model.modules()] == modes
    return result


def test_the_file_holds_the_model_at_opset_11(exported):
    import onnx as package

    content = package.load(exported.path)
    package.checker.check_model(content)
    assert exported.opset == 11
    assert {each.version for each in content.opset_import if not each.domain} == {11}
    assert [each.name for each in content.graph.input] == ["image_0", "image_1"]
    assert [each.name for each in content.graph.output] == [
        f"{key}_{i}" for i in (0, 1) for key in ("boxes", "labels", "scores")
    ]
    assert exported.bytes == exported.path.stat().st_size


def test_onnxruntime_detects_what_torch_detects(exported, model, images):
    modes = [module.training for module in model.modules()]
    model.eval()
    with torch.no_grad():
        expected = model(images)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    found = onnx.detect(exported.path, images)
    assert exported.detections == tuple(len(each["boxes"]) for each in expected)
    assert min(exported.detections) > 0
    for a, b in zip(expected, found, strict=True):
        assert a.keys() == b.keys()
        assert torch.allclose(a["scores"], b["scores"], atol=onnx.SCORE_TOLERANCE)
    assert exported.box_error <= onnx.BOX_TOLERANCE


@pytest.fixture(scope="module")
def nodes(exported, model):
    return onnx.read_graph(exported.path, model)


@pytest.fixture(scope="module")
def recording(model, images):
    modes = [module.training for module in model.modules()]
    model.eval()
    with torch.no_grad():
        trace = tracer.trace(model, images, grain="module")
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    return trace


def test_every_node_is_of_a_call_that_the_pass_made(nodes, recording):
    labels = {call.label for call in recording.calls}
    assert {node.label for node in nodes} <= labels
    layers = ("Conv2d", "ReLU", "MaxPool2d", "Linear")
    left = {call.label for call in recording.calls if call.type in layers}
    assert left <= {node.label for node in nodes}


def test_a_node_is_of_the_module_whose_weights_it_takes(exported, nodes):
    import onnx as package

    content = package.load(exported.path).graph
    weights = {each.name for each in content.initializer}
    taken = [
        (node.path, name.removesuffix(".weight"))
        for node, raw in zip(nodes, content.node, strict=True)
        for name in raw.input
        if name in weights and name.endswith(".weight") and raw.op_type in ("Conv", "Gemm")
    ]
    assert (
        len(taken) == 8 + 3 * 5 + 4
    )  # pyramid, RPN head, box head; the body's are folded with its norms
    assert all(path == owner for path, owner in taken)


def test_a_module_that_runs_once_per_level_has_its_nodes_counted(nodes):
    convs = [n.label for n in nodes if n.op == "Conv" and n.path == "rpn.head.conv.0.0"]
    assert convs == [f"rpn.head.conv.0.0#{nth}" for nth in range(5)]


class Twice(nn.Module):
    """Calls its modules again and again, and one of them has a name like a second call's."""

    def __init__(self):
        super().__init__()
        self.relu_1 = nn.ReLU()
        self.inner = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid()))
        self.blocks = nn.ModuleList([nn.Conv2d(3, 3, 1)])

    def forward(self, x):
        x = self.inner(self.relu_1(self.inner(x)))
        return self.blocks[0](self.relu_1(self.blocks[0](x))) * 2


def exported_simply(model, path):
    model.eval()
    onnx._write(model, torch.rand(1, 3, 4, 4), path, 11, ["out"])
    return [(node.op, node.label) for node in onnx.read_graph(path, model)]


def test_calls_of_a_module_are_told_apart(tmp_path):
    found = exported_simply(Twice(), tmp_path / "twice.onnx")
    assert found == [
        *[("Conv", "inner.0.0#0"), ("Sigmoid", "inner.0.1#0"), ("Relu", "relu_1#0")],
        *[("Conv", "inner.0.0#1"), ("Sigmoid", "inner.0.1#1")],
        *[("Conv", "blocks.0#0"), ("Relu", "relu_1#1"), ("Conv", "blocks.0#1")],
        *[("Constant", "(root)#0"), ("Mul", "(root)#0")],
    ]


def test_a_graph_of_another_model_is_refused(exported):
    with pytest.raises(onnx.OnnxError, match="is of no module of this model: export it again"):
        onnx.read_graph(exported.path, Twice())


def test_the_graph_as_a_table_adds_up(nodes, recording):
    whole = graph(nodes, recording)
    assert whole.column("module") == ["(root)", "transform", "backbone", "rpn", "roi_heads"]
    assert sum(whole.column("nodes")) == whole.totals[1] == len(nodes)
    head = graph(nodes, recording, path="rpn.head", lang="zh").records()
    assert {row["module"] for row in head} == {
        *("rpn.head.conv", "rpn.head.cls_logits", "rpn.head.bbox_pred")
    }
    assert head[0]["operators"] == "Conv 5, Relu 5"
    assert head[1]["calls"] == 5
    assert head[1]["output"].startswith("2×3×")
    with pytest.raises(MissingError, match=r"no node of 'rpn.haed'; did you mean 'rpn\.head'"):
        graph(nodes, recording, path="rpn.haed")


def test_detections_side_by_side():
    moved = {"boxes": BOXES.flip(0) + 0.25, "labels": FOUND["labels"], "scores": FOUND["scores"]}
    pairs = onnx.pairs(FOUND, moved | {"scores": FOUND["scores"].flip(0)})
    assert [pair.box_error for pair in pairs] == [0.25] * 3
    assert [pair.other_score for pair in pairs] == [pair.score for pair in pairs]
    none = onnx.pairs(FOUND, {key: value[[0, 2]] for key, value in FOUND.items()})
    assert [pair.other_score is None for pair in none] == [False, True, False]
    nothing = onnx.pairs(FOUND, {key: value[:0] for key, value in FOUND.items()})
    assert [pair.box_error for pair in nothing] == [None] * 3
    table = detections_beside(pairs, names=["none", "cat", "dog"])
    assert table.column("class") == ["cat", "dog", "cat"]
    assert table.column("box")[1] == "5.0, 5.0, 20.0, 20.0"
    assert table.column("onnx_score") == table.column("torch_score")


def test_only_the_finished_file_is_left(exported):
    assert [path.name for path in exported.path.parent.iterdir()] == ["model.onnx"]


def test_an_exporter_that_fails_leaves_no_file_and_one_sentence(model, images, tmp_path):
    with pytest.raises(onnx.OnnxError, match="cannot export this model at opset 3") as caught:
        onnx.export(model, images, tmp_path / "model.onnx", opset=3)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_detections_in_another_order_agree(tmp_path):
    turned = {key: value.flip(0) for key, value in FOUND.items()}
    result = onnx._compare([FOUND], [turned], tmp_path, 11, 1)
    assert result.detections == result.matched == (3,)
    assert (result.box_error, result.score_error) == (0.0, 0.0)


def test_no_detections_agree_with_none(tmp_path):
    none = {key: value[:0] for key, value in FOUND.items()}
    assert onnx._compare([none], [none], tmp_path, 11, 1).detections == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": BOXES + 0.5}, "torch finds 3, onnxruntime 3, and both alike 0"),
        ({"scores": FOUND["scores"] - 0.01}, "both alike 0"),
        ({"labels": torch.tensor([1, 3, 1])}, "both alike 2"),
        ({key: value[:2] for key, value in FOUND.items()}, "torch finds 3, onnxruntime 2,"),
        ({key: value[:0] for key, value in FOUND.items()}, "torch finds 3, onnxruntime 0,"),
        ({key: torch.cat([value] * 2) for key, value in FOUND.items()}, "onnxruntime 6, and"),
    ],
)
def test_detections_that_differ_are_one_sentence(tmp_path, change, message):
    with pytest.raises(onnx.OnnxError, match=message):
        onnx._compare([FOUND], [FOUND | change], tmp_path, 11, 1)


def test_a_tie_may_go_the_other_way(tmp_path):
    """One detection of forty that onnxruntime cut off, for another one as good."""
    many = {key: torch.cat([value] * 14)[:40] for key, value in FOUND.items()}
    many["boxes"] = torch.arange(160.0).reshape(40, 4)
    other = {key: value.clone() for key, value in many.items()}
    other["boxes"][39] += 7
    other["boxes"][0] += 0.0625
    result = onnx._compare([many], [other], tmp_path, 11, 1)
    assert (result.detections, result.matched) == ((40,), (39,))
    assert (result.box_error, result.score_error) == (0.0625, 0.0)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_says_what_to_install(model, images, tmp_path, monkeypatch, package):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else real(name)
    )
    with pytest.raises(onnx.OnnxError, match=rf"needs {package}: pip install 'rcnn-tracer\[onnx\]"):
        onnx.export(model, images, tmp_path / "model.onnx")


def test_images_are_a_list(model, images, tmp_path):
    for wrong in (torch.stack([images[0]] * 2), []):
        with pytest.raises(InputError, match="list of tensors"):
            onnx.export(model, wrong, tmp_path / "model.onnx")


def test_a_file_that_resizes_to_a_pixel_less_does_not_pass(tmp_path):
    """500 pixels at a scale of 320/400 are 400 to torch, and 399 to float32 arithmetic."""
    model = models.build("fasterrcnn_resnet18_fpn", num_classes=3, min_size=320, seed=1)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.weight *= 30
    images = [torch.rand(3, 500, 400, generator=torch.Generator().manual_seed(0))]
    with pytest.raises(onnx.OnnxError, match="another min_size helps"):
        onnx.export(model, images, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


# --- where graph and model part -------------------------------------------------------------------


def test_a_sound_export_parts_nowhere(exported, model, images):
    found = parting.first_difference(exported.path, model, images)
    # A box may stay or go by how a score is rounded, which machines do in their own ways.
    assert found is None or (0 < sum(found.alone) <= 4 and found.change <= parting.TOLERANCE)


def test_boxes_that_only_one_side_chose_are_told_and_looked_past(exported, model, images):
    model.rpn.nms_thresh, before = 0.69, model.rpn.nms_thresh
    weight = model.roi_heads.box_predictor.bbox_pred.weight
    try:
        found = parting.first_difference(exported.path, model, images)
        with torch.no_grad():
            weight[0] += 1
        later = parting.first_difference(exported.path, model, images)
    finally:
        model.rpn.nms_thresh = before
        weight.data[0] -= 1
    assert found.module == "roi_heads.box_roi_pool#0"
    assert found.change <= parting.TOLERANCE
    ours, theirs = (shape[0] for shape in found.shapes)
    assert ours - found.alone[0] == theirs - found.alone[1] > ours / 2
    assert found.alone[1] > 0
    assert later.module == "roi_heads.box_predictor.bbox_pred#0"


def test_rows_of_one_box_go_together_whatever_their_order():
    rows = np.random.default_rng(1).standard_normal((40, 3, 7, 7)).astype(np.float32)
    order = np.r_[0:10, 11, 10, 12:40]
    other = rows[order] + np.float32(1e-6)
    same = parting._Boxes.matched(rows, other, 1e-3)
    assert same.alone == (0, 0)
    assert np.abs(np.subtract(*same.of(rows, other))).max() < 1e-5
    fewer = parting._Boxes.matched(rows, other[1:], 1e-3)  # all stand elsewhere
    assert fewer.alone == (1, 0)
    assert np.abs(np.subtract(*fewer.of(rows, other[1:]))).max() < 1e-5
    point = parting._Point(onnx.GraphNode("/a", "Gemm", "a", 0), "a", "a#0")
    assert parting._compared(point, rows, other).change > 1
    assert parting._compared(point, rows, other, same).change < 1e-5
    assert parting._compared(point, rows[:9], other[:9], same).change < 1e-5  # no row for each box


@pytest.mark.parametrize("theirs", [np.ones((4, 3)), np.zeros((0, 2)), np.full((4, 2), np.nan)])
def test_where_no_row_agrees_none_is_left_out(theirs):
    ours = np.arange(8.0).reshape(4, 2)
    found = parting._Boxes.matched(ours, theirs, 1e-3)
    assert found.alone == (0, 0)
    assert found.of(ours, theirs) == (ours, theirs)


@pytest.mark.parametrize("path", ["backbone.body.layer2.0.conv1", "backbone.fpn.inner_blocks.1.0"])
@pytest.mark.parametrize("budget", [parting.BUDGET, 3_000_000])
def test_the_module_whose_weights_were_changed_since_is_the_first(
    exported, model, images, path, budget
):
    weight = model.get_submodule(path).weight
    before = weight.detach().clone()
    with torch.no_grad():
        weight[0] += 1
    try:
        found = parting.first_difference(exported.path, model, images, budget=budget)
    finally:
        weight.data.copy_(before)
    assert found is not None
    assert found.node.path == path
    assert found.module.rpartition("#")[0] in (path, path.replace("conv1", "bn1"))
    assert found.shapes[0] == found.shapes[1]
    assert found.change > 0.01


def test_a_budget_that_is_too_small_says_so(exported, model, images):
    with pytest.raises(InputError, match="raise the budget"):
        parting.first_difference(exported.path, model, images, budget=1000)


def test_what_is_nan_in_the_graph_alone_is_a_difference():
    point = parting._Point(onnx.GraphNode("/a", "Conv", "a", 0), "a", "a#0")
    ours, theirs = np.asarray([1.0, 2.0]), np.asarray([1.0, np.nan])
    assert parting._compared(point, ours, theirs).change == np.inf
    assert parting._compared(point, theirs, theirs).change == 0


@pytest.mark.parametrize("content", [None, b"", b"x\n", bytes(range(200))])
def test_a_file_that_is_none_is_named(model, images, tmp_path, content):
    file = tmp_path / "a.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(onnx.OnnxError, match=r"a\.onnx'( is no ONNX file|: No such file)"):
        parting.first_difference(file, model, images)
