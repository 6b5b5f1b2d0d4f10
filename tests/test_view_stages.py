"""The stages: the board of a detector's pass, held against torchvision; other models; builders."""

from __future__ import annotations

import pytest
from handmade import failed_pass, hostile_pass, tiny_construction, tiny_pass

from tracer.errors import MissingError
from tracer.rcnn.board import read_board, stride_of
from tracer.views.reports.board import stages


@pytest.fixture(scope="module")
def board(recorded):
    return read_board(recorded)


@pytest.fixture(scope="module")
def trained(rcnn, two_images, two_targets):
    """A training pass, modules and functions, and the losses that it returned."""
    import copy

    import torch

    import tracer

    model = copy.deepcopy(rcnn).train()  # training moves the batch norms' statistics
    with torch.random.fork_rng():
        torch.manual_seed(3)
        with tracer.Recorder(model, grain="function") as recorder:
            losses = model(two_images, two_targets)
    return recorder.trace, {name: loss.item() for name, loss in losses.items()}


def step(board, name):
    return next(step for step in board.steps if step.name == name)


def test_images_through_resize_into_the_padded_batch(board):
    assert board.images == ((60, 80), (100, 80))
    assert board.resized == ((64, 85), (80, 64))
    assert board.batch == (2, 3, 96, 96)


def test_maps_have_their_names_shapes_and_strides(board):
    assert [(m.name, m.shape, m.stride) for m in board.stages] == [
        ("C1", (2, 64, 48, 48), 2),
        ("C2", (2, 256, 24, 24), 4),
        ("C3", (2, 512, 12, 12), 8),
        ("C4", (2, 1024, 6, 6), 16),
        ("C5", (2, 2048, 3, 3), 32),
    ]
    assert [(m.name, m.place, m.shape[2:], m.stride) for m in board.features] == [
        ("P2", "0", (24, 24), 4),
        ("P3", "1", (12, 12), 8),
        ("P4", "2", (6, 6), 16),
        ("P5", "3", (3, 3), 32),
        ("P6", "pool", (2, 2), 64),
    ]


def test_boxes_from_anchors_to_detections(board, rcnn, two_images):
    """Computed again by torchvision's own parts."""
    import torch

    with torch.no_grad():
        images, _ = rcnn.transform(two_images)
        features = rcnn.backbone(images.tensors)
        anchors = rcnn.rpn.anchor_generator(images, list(features.values()))
        proposals, _ = rcnn.rpn(images, features)
        detections = rcnn(two_images)
    cells = [f.shape[2] * f.shape[3] for f in features.values()]
    anchor_levels = tuple(zip(("P2", "P3", "P4", "P5", "P6"), (3 * n for n in cells), strict=True))
    assert step(board, "anchors").images == tuple(len(a) for a in anchors)
    assert step(board, "anchors").levels == anchor_levels
    top_k = tuple((name, min(1000, n)) for name, n in anchor_levels)
    assert step(board, "top_k").levels == top_k
    assert step(board, "top_k").images == (sum(n for _, n in top_k),) * 2
    assert step(board, "top_k").limit == 1000
    assert step(board, "proposals").images == tuple(len(p) for p in proposals)
    assert step(board, "proposals").limit == 1000
    assert step(board, "rpn_nms").limit == 0.7
    assert step(board, "detections").images == tuple(len(d["boxes"]) for d in detections)
    assert step(board, "detections").limit == 100


def test_rois_per_level_are_the_mappers(board, rcnn, two_images):
    import torch

    with torch.no_grad():
        images, _ = rcnn.transform(two_images)
        proposals, _ = rcnn.rpn(images, rcnn.backbone(images.tensors))
        levels = rcnn.roi_heads.box_roi_pool.map_levels(proposals)
    wanted = tuple((f"P{n + 2}", int((levels == n).sum())) for n in range(4))
    assert step(board, "rois").levels == wanted
    assert sum(n for _, n in wanted) == sum(step(board, "rois").images)


@pytest.mark.parametrize(
    "names",
    [
        ("anchors", "top_k", "clipped", "rpn_nms", "proposals"),
        ("candidates", "nms", "detections"),
    ],
)
def test_every_filter_only_takes_away(board, names):
    for image in range(2):
        counts = [step(board, name).images[image] for name in names]
        assert counts == sorted(counts, reverse=True)
        assert counts[-1] > 0


def test_low_scores_were_filtered_at_the_models_threshold(board):
    assert step(board, "candidates").limit == 0.01


def test_the_report_of_a_pass(recorded, board):
    found = stages(recorded)
    steps = found.column("step")
    assert steps[:4] == ["images", "resized", "scale", "padded batch"]
    assert [s for s in steps if s[:1] in "CP" and s[1:].isdigit()] == [
        *("C1", "C2", "C3", "C4", "C5", "P2", "P3", "P4", "P5", "P6"),
    ]
    assert steps[-3:] == ["candidates", "NMS", "detections"]
    lines = {record["step"]: record for record in found.records()}
    assert (lines["resized"]["image_0"], lines["resized"]["image_1"]) == ("64×85", "80×64")
    assert lines["scale"]["image_1"] == "×0.8"
    assert lines["padded batch"]["shape"] == "2×3×96×96"
    assert lines["P6"]["stride"] == 64
    assert lines["proposals"]["image_0"] == step(board, "proposals").images[0]
    assert lines["anchors"]["shape"] == "P2:1,728 P3:432 P4:108 P5:27 P6:12"
    assert lines["RPN NMS"]["what"] == "IoU > 0.7 goes, level by level"
    assert found.notes == ()


def test_the_report_in_chinese(recorded):
    found = stages(recorded, lang="zh")
    assert found.column("step")[-3:] == ["候选检测", "NMS", "检测结果"]
    assert len(found) == len(stages(recorded))
    assert found.columns[-1].title == "图片 1"


def test_training_adds_samples_and_losses(trained):
    trace, losses = trained
    board = read_board(trace)
    assert dict(board.losses) == pytest.approx(losses)
    assert set(losses) == {
        *("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"),
    }
    assert step(board, "anchor_samples").images == (256, 256)
    assert all(0 < n <= 128 for n in step(board, "positive_anchors").images)
    assert step(board, "samples").images == step(board, "rois").images
    assert all(n >= 1 for n in step(board, "positives").images)
    assert "detections" not in {s.name for s in board.steps}
    found = stages(trace)
    values = {r["step"]: r["value"] for r in found.records() if r["value"] is not None}
    assert values == pytest.approx(losses)
    assert found.title == "FasterRCNN, a pass in training mode"


def test_the_samples_are_those_that_the_losses_saw(trained):
    trace, _ = trained
    board = read_board(trace)
    loss = next(call for call in trace.calls if call.path == "fastrcnn_loss")
    shapes = [trace.tensors[i].summary.shape for i in loss.args["labels"].tensors()]
    assert step(board, "samples").images == tuple(shape[0] for shape in shapes)


def test_without_the_function_grain_it_says_what_is_missing(rcnn, two_images, board):
    import torch

    import tracer

    with torch.no_grad():
        trace = tracer.trace(rcnn, two_images, grain="module")
    bare = read_board(trace)
    assert bare.missing == ("top_k", "clipped", "rpn_nms", "roi_levels", "candidates", "nms")
    assert (bare.images, bare.batch, bare.features) == (board.images, board.batch, board.features)
    for name in ("anchors", "proposals", "detections"):
        assert step(bare, name).images == step(board, name).images
    assert step(bare, "anchors").levels == step(board, "anchors").levels
    assert "top-k, clipped, RPN NMS, RoIs per level, candidates, NMS" in stages(trace).notes[0]


def test_a_failed_pass_tells_how_far_it_came(rcnn, two_images):
    import torch

    import tracer

    head = rcnn.rpn.head.conv[0][0]
    rcnn.rpn.head.conv[0][0] = torch.nn.Conv2d(128, 256, 3, padding=1)
    try:
        with pytest.raises(RuntimeError), torch.no_grad():
            tracer.trace(rcnn, two_images)
    finally:
        rcnn.rpn.head.conv[0][0] = head
    found = stages(tracer.last_trace())
    assert found.column("step")[-1] == "P6"
    assert any("RuntimeError" in note for note in found.notes)


@pytest.mark.parametrize("count", [1, 5])
def test_many_images_share_a_column(rcnn, count):
    import torch

    import tracer

    generator = torch.Generator().manual_seed(5)
    images = [torch.rand(3, 64, 64, generator=generator) for _ in range(count)]
    with torch.no_grad():
        found = stages(tracer.trace(rcnn, images, grain="module"))
    keys = [column.key for column in found.columns]
    if count == 1:
        assert keys[-1] == "image_0"
        assert found.column("image_0")[0] == "64×64"
    else:
        assert keys[-1] == "images"
        assert found.column("images")[0] == ", ".join(["64×64"] * 5)


def test_the_levels_of_a_mobilenet_have_a_stride_in_common():
    import torch
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

    import tracer

    model = fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, min_size=64, max_size=96
    ).eval()
    with torch.no_grad():
        trace = tracer.trace(model, [torch.rand(3, 64, 96)], grain="module")
    board = read_board(trace)
    assert [(m.name, m.stride) for m in board.stages] == [("C5a", 32), ("C5b", 32)]
    assert [(m.name, m.stride) for m in board.features] == [
        ("P5a", 32),
        ("P5b", 32),
        ("P6", 64),
    ]


def test_maps_that_an_rpn_reads_are_levels_without_a_pyramid_too():
    import torch
    from torch import nn
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    import tracer
    from tracer.rcnn.anatomy import anatomy

    class Two(nn.Module):
        out_channels = 8

        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, 2, 1)

        def forward(self, x):
            return {"c2": (x := self.first(x)), "c3": self.second(x)}

    model = FasterRCNN(
        Two(),
        num_classes=3,
        min_size=64,
        rpn_anchor_generator=AnchorGenerator(((32,), (64,)), ((1.0,),) * 2),
        box_roi_pool=MultiScaleRoIAlign(["c2", "c3"], 7, 2),
    ).eval()
    with torch.no_grad():
        trace = tracer.trace(model, [torch.rand(3, 64, 96)], grain="op", keep="anatomy")
    board = read_board(trace)
    levels = [level.name for level in anatomy(trace).anchors.levels]
    assert [level.name for level in board.features] == levels == ["P2", "P3"]
    assert "map of the backbone, key c2" in str(trace.board())


def test_of_several_passes_one_is_chosen(rcnn, two_images):
    import torch

    import tracer

    with torch.no_grad(), tracer.Recorder(rcnn, grain="module") as recorder:
        rcnn(two_images)
        rcnn(two_images[:1])
    trace = recorder.trace
    assert read_board(trace).images == ((60, 80), (100, 80))
    assert read_board(trace, nth=1).images == ((60, 80),)
    assert stages(trace, nth=1).notes[0] == "Pass 1 of the 2 in this recording, counted from 0."
    with pytest.raises(MissingError, match="there is no pass 2: the recording has 0 to 1"):
        stages(trace, nth=2)


# --- other models, constructions ------------------------------------------------------------------


def test_another_model_by_its_stages():
    found = stages(tiny_pass())
    lines = {record["stage"]: record for record in found.records()}
    assert list(lines) == ["body", "head"]
    assert lines["body"]["output"] == "1×4×6×8"
    assert lines["body"]["macs"] == 5184
    assert "RuntimeError" in stages(failed_pass()).notes[-1]
    assert len(stages(hostile_pass())) == 11


def test_a_construction_by_its_stages(built):
    lines = {record["stage"]: record for record in stages(built).records()}
    assert lines["fpn"]["built"] == 3_344_384
    assert lines["rpn"]["built_type"] == "RegionProposalNetwork"
    assert lines["roi_heads"]["path"] == "roi_heads"
    assert len(stages(tiny_construction())) == 0


@pytest.mark.parametrize(
    ("size", "whole", "stride"),
    [
        ((200, 272), (800, 1088), 4),
        ((13, 17), (800, 1088), 64),
        ((25, 34), (800, 1088), 32),
        ((2, 2), (96, 96), 64),
        ((1, 1), (64, 64), 64),
        ((1, 1), (224, 224), None),
        ((55, 55), (224, 224), 4),
        ((298, 298), (300, 300), 1),
        ((38, 38), (300, 300), 8),
        ((40, 60), (120, 180), 3),
        ((7, 7), (96, 128), None),
        ((2, 2), (320, 320), None),
        ((1, 1), (128, 160), None),
        ((0, 4), (8, 8), None),
        ((10, 40), (80, 80), None),
    ],
)
def test_strides_are_read_off_sizes(size, whole, stride):
    assert stride_of(size, whole) == stride
