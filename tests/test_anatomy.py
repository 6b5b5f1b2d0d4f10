"""Each part of the anatomy against torchvision's own functions, called directly."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from anatomy_passes import KEEP, LARGE, SIZES, Recorded, boxes_of_targets, pictures, recorded
from torchvision.models.detection import _utils as det_utils
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import batched_nms, box_iou, roi_align
from torchvision.ops import boxes as box_ops
from torchvision.ops.poolers import initLevelMapper

from tracer.capture.keep import KeepRule, below
from tracer.errors import InputError, MissingError
from tracer.rcnn.anatomy import ORIGINAL, RESIZED, Anatomy, Boxes, anatomy, lay_grid
from tracer.rcnn.anatomy.geometry import decode, encode, iou
from tracer.rcnn.anatomy.training import match
from tracer.rcnn.domain import PRESETS
from tracer.record import Trace
from tracer.views.figures import FIGURES
from tracer.views.page.drawings import scenes

pytestmark = pytest.mark.slow

TWO_STAGE = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "maskrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "one level",
)
IMAGES = (0, 1)
ALL_MAPS = ("*<4MB",)  # not what is pooled of each proposal
each_detector = pytest.mark.parametrize("name", TWO_STAGE, scope="module")  # one after the other


def parts(name: str = TWO_STAGE[0], **options) -> tuple[Recorded, Anatomy]:
    found = recorded(name, **options)
    return found, anatomy(found.trace)


def same(ours: np.ndarray, theirs: torch.Tensor) -> None:
    np.testing.assert_array_equal(ours, theirs.numpy())


# --- transform ------------------------------------------------------------------------------------


@each_detector
def test_pictures_have_the_transforms_sizes_and_pixels(name):
    case, found = parts(name)
    images, _ = case.model.transform(pictures())
    for i, picture in enumerate(found.pictures):
        assert picture.original_size == SIZES[i]
        assert picture.resized_size == tuple(images.image_sizes[i])
        assert picture.padded_size == tuple(images.tensors.shape[-2:])
        same(picture.batch, images.tensors[i])


def test_undoing_the_normalisation_gives_the_resized_picture():
    _, found = parts()
    for image, picture in zip(pictures(), found.pictures, strict=True):
        height, width = picture.resized_size
        plain = torch.nn.functional.interpolate(
            image[None],
            scale_factor=96 / min(image.shape[-2:]),
            mode="bilinear",
            recompute_scale_factor=True,
        )[0]
        assert plain.shape == (3, height, width)
        np.testing.assert_allclose(picture.rgb(), plain.permute(1, 2, 0), atol=1e-5)


def test_boxes_travel_between_the_two_images_as_torchvision_scales_them():
    _, found = parts(train=True)
    for picture, target in zip(found.pictures, boxes_of_targets(), strict=True):
        assert picture.targets.pixels == ORIGINAL
        assert picture.resized_targets.pixels == RESIZED
        same(picture.targets.xyxy, target["boxes"])
        there = resize_boxes(target["boxes"], picture.original_size, picture.resized_size)
        same(picture.resized_targets.xyxy, there)
        same(picture.to_resized(picture.targets).xyxy, there)
        back = resize_boxes(there, picture.resized_size, picture.original_size)
        same(picture.to_original(picture.resized_targets).xyxy, back)
        same(picture.target_labels, target["labels"])


def test_boxes_of_different_pixels_are_not_compared():
    picture = parts(train=True)[1].pictures[0]
    with pytest.raises(InputError, match=r"original pixels of image 0 .* resized pixels"):
        picture.targets.iou(picture.resized_targets)
    with pytest.raises(ValueError, match="resized pixels"):
        picture.to_resized(picture.resized_targets)


# --- backbone and pyramid -------------------------------------------------------------------------


def test_backbone_maps_are_c1_to_c5():
    case, found = parts(keep=ALL_MAPS)
    images, _ = case.forward
    with torch.no_grad():
        body = case.model.backbone.body
        x = body.relu(body.bn1(body.conv1(images.tensors)))
        expected = [x]
        x = body.maxpool(x)
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = body[name](x)
            expected.append(x)
    assert [m.name for m in found.backbone.maps] == ["C1", "C2", "C3", "C4", "C5"]
    assert [m.stride for m in found.backbone.maps] == [(s, s) for s in (2, 4, 8, 16, 32)]
    for ours, theirs in zip(found.backbone.maps, expected, strict=True):
        same(ours.data(), theirs)


@pytest.mark.parametrize("path", ["layer1.0", "layer2.1", "layer4.0"])
def test_a_blocks_maps_add_up(path):
    _, found = parts(keep=ALL_MAPS)
    block = found.backbone.block(path)
    assert block.projected == path.endswith(".0")
    assert [name for name, _ in block.convolutions] == ["1×1", "3×3", "1×1"]
    total = block.convolutions[-1][1].data() + block.shortcut.data()
    np.testing.assert_array_equal(block.added.data(), total)
    np.testing.assert_array_equal(block.output.data(), np.maximum(total, 0))
    assert (total < 0).any()


@torch.no_grad()
def test_merges_are_lateral_plus_upsampled_then_3x3():
    case, found = parts(keep=ALL_MAPS)
    images, features = case.forward
    body = case.model.backbone.body(images.tensors)
    fpn = case.model.backbone.fpn
    top = None
    assert [merge.name for merge in found.pyramid.merges] == ["P5", "P4", "P3", "P2"]
    for merge, index in zip(found.pyramid.merges, (3, 2, 1, 0), strict=True):
        lateral = fpn.inner_blocks[index](body[str(index)])
        same(merge.source.data(), body[str(index)])
        same(merge.lateral.data(), lateral)
        if top is not None:
            up = torch.nn.functional.interpolate(top, size=lateral.shape[-2:], mode="nearest")
            same(merge.upsampled.data(), up)
            lateral = lateral + up
        top = lateral
        same(merge.merged.data(), top)
        same(merge.output.data(), fpn.layer_blocks[index](top))
    for level, theirs in zip(found.pyramid.levels, features.values(), strict=True):
        same(level.map.data(), theirs)


def test_planes_of_a_merge_add_up_also_where_only_previews_are():
    _, whole = parts(keep=ALL_MAPS)
    _, found = parts(keep=LARGE)
    assert [merge.lateral.kept for merge in found.pyramid.merges] == [True, True, False, False]
    for exact, ours in zip(whole.pyramid.merges[1:], found.pyramid.merges[1:], strict=True):
        wanted = exact.planes()
        np.testing.assert_allclose(wanted[0].values + wanted[1].values, wanted[2].values, atol=1e-5)
        for a, b in zip(wanted, ours.planes(), strict=True):
            seen = a.values[:: b.step, :: b.step]
            assert np.abs(seen - b.values).max() <= max(np.ptp(seen) / 255, 1e-5) * 1.01


def test_p6_takes_every_second_cell_of_p5():
    case, found = parts()
    _, features = case.forward
    same(found.pyramid.levels[4].map.data(), features["pool"])


def test_previews_are_of_image_0_and_say_so():
    _, found = parts(keep=LARGE)
    finest = found.pyramid.levels[0].map
    assert not finest.kept
    assert finest.mean(0).values.shape == (40, 40)
    with pytest.raises(MissingError, match=r"image 1 .*keep=.*backbone\.fpn\.layer_blocks\.0"):
        finest.mean(1)
    with pytest.raises(MissingError, match=r'keep=\["anatomy", "backbone\.fpn\.layer_blocks\.0"\]'):
        finest.data()


# --- RPN ------------------------------------------------------------------------------------------


@each_detector
@torch.no_grad()
def test_anchors(name):
    case, found = parts(name)
    images, features = case.forward
    generator = case.model.rpn.anchor_generator
    for theirs in generator(images, list(features.values())):
        same(found.anchors.xyxy, theirs)
    for ours, theirs in zip(found.anchors.base, generator.cell_anchors, strict=True):
        same(ours, theirs)
    assert sum(found.anchors.counts) == len(found.anchors)


def test_anchors_of_a_cell_lie_around_it():
    found = parts()[1].anchors
    for level, (row, column) in enumerate([(3, 7), (0, 0), (9, 9), (4, 1), (2, 2)]):
        index = found.at_cell(level, row, column)
        down, right = found.steps[level]
        centre = np.array([column * right, row * down] * 2)
        np.testing.assert_array_equal(found.xyxy[index], found.base[level] + centre)
        assert [found.cell_of(i) for i in index] == [(level, row, column, k) for k in range(3)]
        assert found.cell_at(level, column * right + 1, row * down - 1) == (row, column)


@each_detector
@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_proposals_and_what_removed_them(name, image):
    case, found = parts(name)
    images, features = case.forward
    rpn = case.model.rpn
    logits, deltas = rpn.head(list(features.values()))
    for level, each in enumerate(logits):
        same(found.rpn.objectness(level, image), each[image])
        same(
            found.rpn.delta_map(level, image).reshape(deltas[level][image].shape),
            deltas[level][image],
        )
    ours = found.rpn.proposals(image)
    per_level = [int(o[0].numel()) for o in logits]
    flat, flat_deltas = _flatten(logits, deltas)
    same(ours.logits, flat[image])
    anchors = rpn.anchor_generator(images, list(features.values()))
    boxes = rpn.box_coder.decode(flat_deltas.flatten(0, 1), anchors).view(len(anchors), -1, 4)[
        image
    ]
    np.testing.assert_allclose(ours.decoded.xyxy, boxes, rtol=1e-5, atol=1e-4)
    expected = _filter(rpn, boxes, flat[image], images.image_sizes[image], per_level)
    for step, (label, kept) in zip(ours.funnel.steps, expected, strict=True):
        assert step.name == label
        same(step.kept, kept)
    final, scores = rpn.filter_proposals(
        rpn.box_coder.decode(flat_deltas.flatten(0, 1), anchors).view(len(anchors), -1, 4),
        flat.reshape(-1, 1),
        images.image_sizes,
        per_level,
    )
    same(ours.boxes.xyxy, final[image])
    same(ours.scores, scores[image])
    same(ours.clipped.xyxy[ours.funnel.steps[-1].kept], final[image])


def _flatten(logits, deltas):
    """Per image, in the anchors' order: logits [N, A] and deltas [N, A, 4]."""
    flat = [o.permute(0, 2, 3, 1).reshape(len(o), -1) for o in logits]
    moved = [
        d.view(len(d), -1, 4, *d.shape[-2:]).permute(0, 3, 4, 1, 2).reshape(len(d), -1, 4)
        for d in deltas
    ]
    return torch.cat(flat, 1), torch.cat(moved, 1)


def _filter(rpn, boxes, logits, size, per_level):
    """What `filter_proposals` does to one image, keeping the anchors' indices."""
    levels = torch.repeat_interleave(torch.arange(len(per_level)), torch.tensor(per_level))
    top, start = [], 0
    for count in per_level:
        best = logits[start : start + count].topk(min(count, rpn.pre_nms_top_n())).indices
        top.append(best + start)
        start += count
    chosen = torch.cat(top)
    clipped = box_ops.clip_boxes_to_image(boxes, size)
    large = chosen[box_ops.remove_small_boxes(clipped[chosen], rpn.min_size)]
    scores = torch.sigmoid(logits)
    scored = large[scores[large] >= rpn.score_thresh]
    kept = scored[batched_nms(clipped[scored], scores[scored], levels[scored], rpn.nms_thresh)]
    every = torch.arange(len(logits))
    names = ("all", "top_k", "clip", "small", "score", "nms", "top_n")
    steps = (every, chosen, chosen, large, scored, kept, kept[: rpn.post_nms_top_n()])
    return list(zip(names, steps, strict=True))


@pytest.mark.parametrize("name", [TWO_STAGE[0], "one level"])
def test_each_candidate_is_removed_once_or_comes_through(name):
    proposals = parts(name)[1].rpn.proposals(0)
    funnel = proposals.funnel
    fate = funnel.removed_by
    assert (fate == -1).sum() == len(proposals.boxes)
    for i, step in enumerate(funnel.steps):
        assert (fate == i).sum() == len(funnel.removed(step.name))
    assert (funnel.counts(len(np.unique(funnel.group))).sum(1)[-1]) == len(proposals.boxes)


def test_what_suppressed_what_overlaps_beyond_the_threshold():
    found = parts()[1]
    for proposals in map(found.rpn.proposals, IMAGES):
        funnel, boxes = proposals.funnel, torch.from_numpy(proposals.clipped.xyxy)
        removed = funnel.removed("nms")
        by = funnel.suppressed_by[removed]
        assert len(removed) > 50
        assert (by >= 0).all()
        np.testing.assert_array_equal(funnel.group[by], funnel.group[removed])
        overlap = box_iou(boxes[removed], boxes[by]).diagonal()
        same(funnel.overlap[removed], overlap)
        assert (overlap > found.rpn.nms_threshold).all()
        assert set(by) <= set(funnel.step("nms").kept)


def test_a_score_threshold_removes_the_weakest():
    case = recorded()
    rpn = case.model.rpn
    import tracer

    usual = rpn.score_thresh
    rpn.score_thresh = 0.5
    try:
        with torch.no_grad():
            trace = tracer.trace(case.model, pictures(), keep=KEEP)
    finally:
        rpn.score_thresh = usual
    for image in IMAGES:
        proposals = anatomy(trace).rpn.proposals(image)
        removed = proposals.funnel.removed("score")
        assert len(removed) > 0
        assert (torch.sigmoid(torch.from_numpy(proposals.logits[removed])) < 0.5).all()
        kept = proposals.funnel.step("score").kept
        assert (torch.sigmoid(torch.from_numpy(proposals.logits[kept])) >= 0.5).all()


def test_settings_are_the_models():
    case, found = parts()
    rpn, ours = case.model.rpn, found.rpn
    assert (ours.pre_nms_top_n, ours.post_nms_top_n) == (1000, 200)
    assert (ours.nms_threshold, ours.score_threshold, ours.smallest) == (0.7, 0.0, 1e-3)
    assert ours.weights == rpn.box_coder.weights
    assert ours.limit == rpn.box_coder.bbox_xform_clip


# --- RoI heads and detections ---------------------------------------------------------------------


@each_detector
@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_levels_and_pooled_boxes(name, image):
    case, found = parts(name)
    images, features = case.forward
    pooling = found.roi_heads.box
    boxes = [torch.from_numpy(b.xyxy) for b in pooling.boxes]
    pool = case.model.roi_heads.box_roi_pool
    pooled = pool(features, boxes, images.image_sizes)
    rows = found.roi_heads.rows[image]
    for index in range(0, len(boxes[image]), 40):
        same(pooling.pooled(index, image), pooled[rows][index])
    if len(pooling.levels) > 1:
        mapper = initLevelMapper(int(pooling.k_min), int(pooling.k_max))
        same(pooling.assigned[image], mapper([boxes[image]]))
        np.testing.assert_array_equal(pooling.formula(image), pooling.assigned[image])
    else:
        assert not pooling.assigned[image].any()


@each_detector
def test_the_preset_keeps_what_roi_align_takes_and_the_picture(name):
    case, found = parts(name, keep="anatomy")
    pooling = found.roi_heads.box
    assert all(level.map.kept for level in pooling.levels)
    for level, theirs in zip(pooling.levels, case.forward[1].values(), strict=False):
        same(level.map.data(), theirs)
    for picture, image in zip(found.pictures, pictures(), strict=True):
        same(picture.original, image)


def kept_bytes(
    originals: list[tuple[int, int]], padded: tuple[int, int], boxes: int, classes: int
) -> int:
    """What the preset keeps of a ResNet-50-FPN's pass, from shapes alone; index arrays left out."""
    n, (height, width) = len(originals), padded
    cells = [(-(-height // s), -(-width // s)) for s in (4, 8, 16, 32, 64)]
    rows: list[tuple[str, str, tuple[int, ...]]] = [
        *(("transform", "args", (3, *size)) for size in originals),
        ("transform", "result", (n, 3, height, width)),
        *((f"backbone.fpn.inner_blocks.{i}", "result", (n, 256, *cells[i])) for i in range(4)),
        *(("rpn.head", "args", (n, 256, *level)) for level in cells),
        *(("rpn.head.bbox_pred", "result", (n, 12, *level)) for level in cells),
        *(("rpn.head.cls_logits", "result", (n, 3, *level)) for level in cells),
        ("roi_heads.box_head.fc6", "result", (boxes, 1024)),
        ("roi_heads.box_head", "result", (boxes, 1024)),
        ("roi_heads.box_predictor", "result", (boxes, classes)),
        ("roi_heads.box_predictor", "result", (boxes, classes * 4)),
        ("softmax", "result", (boxes, classes)),
        ("clip_boxes_to_image", "args", (boxes, classes, 4)),
        *(("clip_boxes_to_image", "args", (n, min(1000, 3 * h * w), 4)) for h, w in cells),
    ]
    rule = KeepRule("anatomy", PRESETS)
    wanted = (
        (rule.wants(path, "module", role, 0.0), torch.empty(shape, device="meta"))
        for path, role, shape in rows
    )
    return sum(tensor.nbytes for limit, tensor in wanted if below(tensor, limit))


def test_the_shapes_account_for_what_the_preset_kept():
    case, found = parts(keep="anatomy")
    blobs = case.trace.blobs
    kept = sum(array.nbytes for name, array in blobs.items() if name.startswith("data/"))
    boxes = sum(len(each) for each in found.roi_heads.box.boxes)
    expected = kept_bytes(list(SIZES), found.pictures[0].padded_size, boxes, classes=5)
    assert expected <= kept <= expected * 1.03


@pytest.mark.parametrize(
    "padded", [(800, 1088), (800, 1216), (800, 1248), (800, 1280), (800, 1344), (1088, 800)]
)
def test_the_preset_costs_61_megabytes_at_most(padded):
    """With the largest original that is kept; small pictures and the record itself are 3.7 MB."""
    short, long = sorted(padded)
    side = next(s for s in range(600, 0, -1) if 12 * s * int(s * long / short) < 4e6)
    original = (side, int(side * long / short))
    kept, too_large = (kept_bytes([size], padded, 1000, 91) for size in (original, (3000, 3000)))
    assert kept - too_large > 3.9e6
    assert kept + 3.7e6 <= 61e6


@pytest.mark.parametrize("name", [TWO_STAGE[0], "fasterrcnn_resnet50_fpn_v2"])
@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_what_the_box_head_makes_of_a_box(name, image):
    case, found = parts(name)
    images, features = case.forward
    boxes = [torch.from_numpy(b.xyxy) for b in found.roi_heads.box.boxes]
    x = case.model.roi_heads.box_roi_pool(features, boxes, images.image_sizes)
    head = case.model.roi_heads.box_head
    layers = {"fc6": torch.relu(head.fc6(x.flatten(1)))} if hasattr(head, "fc6") else {}
    layers["fc7" if layers else "5"] = head(x)
    rows = found.roi_heads.rows[image]
    for index in (0, 7, len(boxes[image]) - 1):
        hidden = found.roi_heads.hidden(index, image)
        assert [path for path, _ in hidden] == [f"roi_heads.box_head.{n}" for n in layers]
        for (_, ours), theirs in zip(hidden, layers.values(), strict=True):
            same(ours, theirs[rows][index])


@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_roi_align_on_the_kept_map_is_roi_align(image):
    """Without the recorded output, the grid laid over the kept map gives the same values."""
    _, found = parts(keep="anatomy")
    pooling = found.roi_heads.box
    for index in range(0, len(pooling.boxes[image]), 25):
        level = pooling.level_of(index, image)
        features = torch.from_numpy(level.map.data()[image : image + 1])
        box = torch.from_numpy(pooling.boxes[image].xyxy[index])[None]
        theirs = roi_align(features, [box], 7, 1 / level.map.stride[0], 2)[0]
        np.testing.assert_allclose(pooling.pooled(index, image), theirs, atol=1e-5)


@pytest.mark.parametrize("ratio", [1, 2, 3, 0])
@pytest.mark.parametrize(
    "box",
    [
        (8.0, 8, 40, 44),
        (-30, -20, 25, 31),  # leaves the map at the top left
        (60, 50, 140, 120),  # and at the bottom right
        (20, 20, 20.5, 20.5),  # smaller than a cell
        (0, 0, 96, 80),
        (300, 300, 340, 330),  # wholly beyond it
    ],
)
def test_the_grid_is_roi_aligns_also_at_the_border(box, ratio):
    maps = torch.rand(1, 5, 20, 24, generator=torch.Generator().manual_seed(2))
    roi = torch.tensor([box], dtype=torch.float32)
    theirs = roi_align(maps, [roi], (7, 5), 0.25, ratio)[0]
    grid = lay_grid(roi[0].numpy(), 0.25, (7, 5), ratio, (20, 24))
    np.testing.assert_allclose(grid.pool(maps[0].numpy()), theirs, atol=1e-5)
    totals = grid.weights.sum(-1)
    assert (np.isclose(totals, 1, atol=1e-6) | (totals == 0)).all()


@each_detector
@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_scores_and_detections(name, image):
    case, found = parts(name)
    images, features = case.forward
    heads = case.model.roi_heads
    proposals, _ = case.model.rpn(images, features)
    logits, deltas = heads.box_predictor(
        heads.box_head(heads.box_roi_pool(features, proposals, images.image_sizes))
    )
    rows = found.roi_heads.rows[image]
    same(found.roi_heads.logits(image), logits[rows])
    same(found.roi_heads.deltas(image).reshape(-1, deltas.shape[1]), deltas[rows])
    scores = logits.softmax(-1)[rows]
    same(found.roi_heads.scores(image), scores)
    boxes = heads.box_coder.decode(deltas, proposals)[rows]
    ours = found.detections[image]
    expected = _postprocess(heads, boxes, scores, images.image_sizes[image])
    for step, (label, kept) in zip(ours.funnel.steps, expected, strict=True):
        assert step.name == label
        same(step.kept, kept)
    theirs = case.output[image]
    assert (ours.boxes.pixels, ours.resized.pixels) == (ORIGINAL, RESIZED)
    same(ours.boxes.xyxy, theirs["boxes"])
    same(ours.labels, theirs["labels"])
    same(ours.scores, theirs["scores"])
    last = ours.funnel.steps[-1].kept
    np.testing.assert_array_equal(ours.candidate_boxes[last], ours.resized.xyxy)
    np.testing.assert_array_equal(ours.funnel.group[last], ours.labels)
    same(scores.numpy()[ours.proposal, ours.labels], theirs["scores"])


def _postprocess(heads, boxes, scores, size):
    """What `postprocess_detections` does to one image, keeping the candidates' indices."""
    clipped = box_ops.clip_boxes_to_image(boxes, size)[:, 1:].reshape(-1, 4)
    labels = torch.arange(1, scores.shape[1]).expand(len(scores), -1).reshape(-1)
    flat = scores[:, 1:].reshape(-1)
    scored = torch.where(flat > heads.score_thresh)[0]
    large = scored[box_ops.remove_small_boxes(clipped[scored], 1e-2)]
    kept = large[batched_nms(clipped[large], flat[large], labels[large], heads.nms_thresh)]
    names = ("all", "score", "small", "nms", "top_n")
    steps = (torch.arange(len(flat)), scored, large, kept, kept[: heads.detections_per_img])
    return list(zip(names, steps, strict=True))


def test_further_heads_pool_the_detections():
    for name, attribute in (("mask", "mask"), ("keypoint", "keypoint")):
        found = parts(f"{name}rcnn_resnet50_fpn")[1]
        pooling = getattr(found.roi_heads, attribute)
        assert pooling.output_size == (14, 14)
        for image in IMAGES:
            resized = found.detections[image].resized
            np.testing.assert_array_equal(pooling.boxes[image].xyxy, resized.xyxy)


def test_layers_of_the_head():
    layers = dict(parts()[1].roi_heads.layers)
    count = len(layers) and layers["roi_heads.box_roi_pool"][0]
    assert layers == {
        "roi_heads.box_roi_pool": (count, 256, 7, 7),
        "roi_heads.box_head.fc6": (count, 1024),
        "roi_heads.box_head.fc7": (count, 1024),
        "roi_heads.box_predictor.cls_score": (count, 5),
        "roi_heads.box_predictor.bbox_pred": (count, 20),
    }


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_anchor_matches(image):
    case, found = parts(train=True)
    samples = found.losses.anchors(image)
    target = torch.from_numpy(found.pictures[image].resized_targets.xyxy)
    quality = box_iou(target, torch.from_numpy(found.anchors.xyxy))
    same(samples.matching.iou(), quality)
    matcher = case.model.rpn.proposal_matcher
    same(samples.matching.matches, matcher(quality))
    strict = det_utils.Matcher(0.7, 0.3, allow_low_quality_matches=False)(quality)
    same(samples.matching.low_quality, (strict < 0) & (matcher(quality) >= 0))
    assert (samples.matching.high, samples.matching.low) == (0.7, 0.3)
    labels, _ = case.model.rpn.assign_targets_to_anchors(
        [torch.from_numpy(found.anchors.xyxy)], [{"boxes": target}]
    )
    same(samples.labels, labels[0].long())


@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_proposal_matches(image):
    case, found = parts(train=True)
    samples = found.losses.proposals(image)
    heads = case.model.roi_heads
    boxes = torch.from_numpy(samples.matching.boxes.xyxy)
    target = torch.from_numpy(found.pictures[image].resized_targets.xyxy)
    same(samples.matching.boxes.xyxy[-len(target) :], target)
    assert found.losses.targets_added
    same(samples.matching.iou(), box_iou(target, boxes))
    given = boxes_of_targets()[image]["labels"]
    _, labels = heads.assign_targets_to_proposals([boxes], [target], [given])
    same(samples.labels, labels[0])
    assert (samples.matching.high, samples.matching.low) == (0.5, 0.5)


def test_samples_are_what_the_losses_saw():
    _, found = parts(train=True)
    training = found.losses
    anchors = [training.anchors(i) for i in IMAGES]
    for samples in anchors:
        assert len(samples.positive) + len(samples.negative) == 256
        assert samples.matching.positive[samples.positive].all()
        assert samples.matching.negative[samples.negative].all()
    targets = [
        encode(
            s.matching.targets.xyxy[s.matching.matches[s.positive]],
            s.matching.boxes.xyxy[s.positive],
        )
        for s in anchors
    ]
    np.testing.assert_allclose(
        training.anchor_targets(), np.concatenate(targets), rtol=1e-5, atol=1e-6
    )
    for i in IMAGES:
        samples = training.proposals(i)
        chosen = np.sort(np.concatenate([samples.positive, samples.negative]))
        boxes = samples.matching.boxes.xyxy[chosen]
        np.testing.assert_array_equal(found.roi_heads.box.boxes[i].xyxy, boxes)
        matched = np.maximum(samples.matching.matches[chosen], 0)
        wanted = encode(samples.matching.targets.xyxy[matched], boxes, (10, 10, 5, 5))
        np.testing.assert_allclose(training.proposal_targets(i), wanted, rtol=1e-4, atol=1e-4)


def test_losses_come_back_together_from_their_terms():
    case, found = parts(train=True)
    assert {loss.name for loss in found.losses.losses} == set(case.output)
    for loss in found.losses.losses:
        assert loss.value == pytest.approx(case.output[loss.name].item(), rel=1e-6)
        assert loss.computed == pytest.approx(loss.value, rel=1e-5)
    by_name = {loss.name: loss for loss in found.losses.losses}
    assert by_name["loss_objectness"].divisor == 512
    assert by_name["loss_classifier"].divisor == 1024
    assert by_name["loss_rpn_box_reg"].terms.shape[1] == 4


@torch.no_grad()
def test_the_classifiers_loss_is_fastrcnn_loss():
    _, found = parts(train=True)
    heads = found.roi_heads
    logits = torch.cat([torch.from_numpy(heads.logits(i)) for i in IMAGES])
    deltas = torch.cat([torch.from_numpy(heads.deltas(i)) for i in IMAGES]).flatten(1)
    labels, targets = [], []
    for i in IMAGES:
        samples = found.losses.proposals(i)
        chosen = np.sort(np.concatenate([samples.positive, samples.negative]))
        labels.append(torch.from_numpy(samples.labels[chosen]))
        targets.append(torch.from_numpy(found.losses.proposal_targets(i)))
    classes, boxes = fastrcnn_loss(logits, deltas, labels, targets)
    by_name = {loss.name: loss.value for loss in found.losses.losses}
    assert by_name["loss_classifier"] == pytest.approx(classes.item(), rel=1e-6)
    assert by_name["loss_box_reg"] == pytest.approx(boxes.item(), rel=1e-6)


def test_mask_losses_are_named_with_their_value():
    case, found = parts("maskrcnn_resnet50_fpn", train=True)
    losses = {loss.name: loss for loss in found.losses.losses}
    assert losses["loss_mask"].value == pytest.approx(case.output["loss_mask"].item())
    assert losses["loss_mask"].computed is None
    assert losses["loss_objectness"].computed == pytest.approx(losses["loss_objectness"].value)


# --- arithmetic -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_box_arithmetic_is_torchvisions(seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(40, 2, generator=generator) * 90
    boxes = torch.cat([corner, corner + torch.rand(40, 2, generator=generator) * 60 + 1], 1)
    deltas = torch.randn(40, 4, generator=generator) * 2
    same(iou(boxes[:9].numpy(), boxes.numpy()), box_iou(boxes[:9], boxes))
    for weights in ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)):
        coder = det_utils.BoxCoder(weights)
        theirs = coder.decode(deltas * 8, [boxes])[:, 0]
        np.testing.assert_allclose(
            decode((deltas * 8).numpy(), boxes.numpy(), weights), theirs, rtol=1e-5, atol=1e-3
        )
        moved = boxes.roll(1, 0)
        theirs = coder.encode([moved], [boxes])[0]
        ours = encode(moved.numpy(), boxes.numpy(), weights)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("low_quality", [True, False])
def test_matching_is_the_matchers(low_quality):
    generator = torch.Generator().manual_seed(5)
    corner = torch.rand(60, 2, generator=generator) * 40
    boxes = torch.cat([corner, corner + torch.rand(60, 2, generator=generator) * 30 + 1], 1)
    boxes[7] = boxes[3]  # a tie
    targets = boxes[[3, 20, 50]] + 2
    theirs = det_utils.Matcher(0.6, 0.4, low_quality)(box_iou(targets, boxes))
    ours = match(
        Boxes(boxes.numpy(), RESIZED, (80, 80)),
        Boxes(targets.numpy(), RESIZED, (80, 80)),
        0.6,
        0.4,
        low_quality,
    )
    same(ours.matches, theirs)


# --- one-stage detectors --------------------------------------------------------------------------

ONE_STAGE = (
    "retinanet_resnet50_fpn",
    "fcos_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)


@pytest.mark.parametrize("name", ONE_STAGE)
@torch.no_grad()
def test_what_a_one_stage_detector_has_is_read(name):
    case, found = parts(name, keep="anatomy")
    images, features = case.forward
    assert found.one_stage
    assert [p.resized_size for p in found.pictures] == [tuple(s) for s in images.image_sizes]
    assert [level.key for level in found.pyramid.levels] == list(features)
    for level, theirs in zip(found.pyramid.levels, features.values(), strict=True):
        same(level.map.data(), theirs)
    assert len(found.pyramid.merges) == (3 if "fpn" in name else 0)
    for ours, theirs in zip(found.detections, case.output, strict=True):
        same(ours.boxes.xyxy, theirs["boxes"])
        same(ours.labels, theirs["labels"])
        same(ours.scores, theirs["scores"])
        assert ours.funnel is None


@pytest.mark.parametrize("name", ONE_STAGE[:2])
@torch.no_grad()
def test_anchors_of_a_one_stage_detector(name):
    case, found = parts(name, keep="anatomy")
    images, features = case.forward
    for theirs in case.model.anchor_generator(images, list(features.values())):
        same(found.anchors.xyxy, theirs)


@pytest.mark.parametrize("name", ONE_STAGE)
def test_what_a_one_stage_detector_lacks_is_refused(name):
    _, found = parts(name, keep="anatomy")
    for part in ("rpn", "roi_heads", "losses"):
        with pytest.raises(MissingError, match="is a one-stage detector: it"):
            getattr(found, part)
    if name.startswith("ssd"):
        with pytest.raises(MissingError, match=r"SSD has no anchors .* lays out default boxes"):
            _ = found.anchors


# --- kept data that does not fit ------------------------------------------------------------------


def kept_otherwise(trace: Trace, path: str, change: Callable[[np.ndarray], np.ndarray]) -> Trace:
    """Change what the calls of a function returned; shapes and dtypes of the record with it."""
    calls = [c for c in trace.calls if c.path == path and c.result is not None]
    states = {s for c in calls for s in c.result.tensors() if trace.tensors[s].kept}
    assert states
    blobs, tensors = dict(trace.blobs), list(trace.tensors)
    for state in states:
        array = change(np.array(trace.data(state)))
        blobs[f"data/{state}"] = array
        summary = replace(tensors[state].summary, shape=array.shape, dtype=str(array.dtype))
        tensors[state] = replace(tensors[state], summary=summary)
    return replace(trace, tensors=tuple(tensors), blobs=blobs)


def read_all(trace: Trace) -> list[str]:
    """Read and draw what a pass has; return why what could not be."""
    parts = anatomy(trace)
    reads: list[Callable[[], object]] = [
        lambda: parts.rpn.proposals(0),
        lambda: parts.detections,
        lambda: scenes(trace),
        lambda: trace.explore("proposals").shown(),
        lambda: trace.explore("anchors").shown(),
        lambda: FIGURES["detections"].draw(parts)._repr_png_(),
    ]
    reasons = []
    for read in reads:
        try:
            read()
        except MissingError as error:
            reasons.append(str(error))
    return reasons


MISFITS = {
    "indices out of range": ("batched_nms", lambda a: a + 10**6, "IndexError"),
    "boxes in a row": ("resize_boxes", lambda a: a.reshape(-1), r"holds float32 \[\d+\]"),
    "boxes that are none": ("resize_boxes", lambda a: a * np.float32(np.nan), ""),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_kept_data_that_does_not_fit_is_named(misfit):
    path, change, said = MISFITS[misfit]
    trace = kept_otherwise(recorded().trace, path, change)
    assert re.search(said, "\n".join(read_all(trace)))
