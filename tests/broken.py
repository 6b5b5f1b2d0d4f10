"""Detectors that do not run, or run and do not learn: as people build them, each with its cause.

`SETUPS` has a function for each, which returns (model, images, targets or None); its name says what
somebody did, `expected` the finding that has to come first. ``raises`` is whether the pass itself
fails, ``crashes`` whether it may take the process along. What they are after was reported in
public; numbers are issues of pytorch/vision unless another place is named.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

Given = tuple[nn.Module, Any, Any]


@dataclass(frozen=True)
class Setup:
    """One of them."""

    expected: str
    make: Callable[[], Given]
    raises: bool
    crashes: bool = False

    @property
    def name(self) -> str:
        return self.make.__name__

    def __call__(self) -> Given:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.make()


SETUPS: list[Setup] = []


def setup(
    expected: str, raises: bool = False, crashes: bool = False
) -> Callable[[Callable[[], Given]], Any]:
    def add(make: Callable[[], Given]) -> Callable[[], Given]:
        SETUPS.append(Setup(expected, make, raises, crashes))
        return make

    return add


# --- small sound parts ----------------------------------------------------------------------------


class Plain(nn.Module):
    """A backbone of one's own that returns one map."""

    out_channels = 8

    def __init__(self, inputs: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 8, 3, stride=8, padding=1)

    def forward(self, x: Any) -> Any:
        return self.conv(x).relu()


class Normed(Plain):
    """The same with a norm."""

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.norm = norm(8)

    def forward(self, x: Any) -> Any:
        return self.norm(super().forward(x))


class Pyramid(nn.Module):
    """One that returns several maps, each of half the size of the one before."""

    out_channels = 8

    def __init__(self, names: str = "0 1 2 3", channels: tuple[int, ...] = (8, 8, 8, 8)) -> None:
        super().__init__()
        self.names = names.split()
        inputs = (3, *channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(inputs, channels, strict=False)
        )

    def forward(self, x: Any) -> Any:
        maps = []
        for conv in self.convs:
            x = conv(x)
            maps.append(x)
        return OrderedDict(zip(self.names, maps, strict=True))


class Reversed(Pyramid):
    """One that returns the coarsest first."""

    def forward(self, x: Any) -> Any:
        return OrderedDict(reversed(super().forward(x).items()))


RATIOS = (0.5, 1.0, 2.0)
SIZES = {"min_size": 64, "max_size": 128}


def anchors(*sizes: tuple[int, ...], ratios: Any = None) -> AnchorGenerator:
    return AnchorGenerator(sizes, ratios or (RATIOS,) * len(sizes))


def plain(backbone: nn.Module | None = None, classes: int = 3, **options: Any) -> FasterRCNN:
    """A detector on one map."""
    given = {
        "rpn_anchor_generator": anchors((16, 32, 64)),
        "box_roi_pool": MultiScaleRoIAlign(["0"], 7, 2),
        "box_head": TwoMLPHead(8 * 49, 32),
        "box_predictor": FastRCNNPredictor(32, classes),
    }
    return FasterRCNN(backbone or Plain(), **{**SIZES, **given, **options}).eval()


def pyramid(backbone: nn.Module | None = None, **options: Any) -> FasterRCNN:
    """A detector on four maps."""
    pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    sizes = anchors((8,), (16,), (32,), (64,))
    given = {"rpn_anchor_generator": sizes, "box_roi_pool": pool}
    return plain(backbone or Pyramid(), **{**given, **options})


def masked(classes: int = 3) -> MaskRCNN:
    """A small Mask R-CNN."""
    return MaskRCNN(
        Plain(),
        num_classes=classes,
        rpn_anchor_generator=anchors((16, 32, 64)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        mask_roi_pool=MultiScaleRoIAlign(["0"], 14, 2),
        box_detections_per_img=4,
        **SIZES,
    ).eval()


def pictures(count: int = 3, *size: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(size or (3, 64, 96), generator=generator) for _ in range(count)]


BOXES = [[8.0, 8.0, 40.0, 40.0], [20.0, 10.0, 84.0, 60.0]]


def targets(count: int = 3, boxes: Any = None, labels: Any = (1, 2)) -> list[dict[str, Any]]:
    """What belongs to `pictures`: boxes x1, y1, x2, y2 in their pixels."""
    found = torch.tensor(BOXES if boxes is None else boxes)
    return [{"boxes": found.clone(), "labels": torch.tensor(labels)} for _ in range(count)]


def seen(model: nn.Module) -> Given:
    """To be run in eval mode."""
    return model.eval(), pictures(), None


def trained(model: nn.Module, aims: Any = None, count: int = 3) -> Given:
    """To be run in training mode."""
    return model.train(), pictures(count), targets(count) if aims is None else aims


# --- anchors and the RPN --------------------------------------------------------------------------


def with_fewer_anchors() -> FasterRCNN:
    """A detector that runs, and takes half of one anchor's deltas for another's."""
    model = pyramid()
    fewer = anchors((8,), (16,), (32,), (64,), ratios=((0.5, 1.0),) * 4)
    model.rpn.anchor_generator = fewer
    return model


@setup("head-anchors")
def fewer_anchors_than_the_head_predicts():
    return seen(with_fewer_anchors())


@setup("anchors-levels", raises=True)
def default_anchors_on_one_map():  # 2947
    return seen(plain(rpn_anchor_generator=None))


@setup("anchors-levels", raises=True)
def sizes_in_a_flat_tuple():  # 3246; icevision 64
    return seen(plain(rpn_anchor_generator=AnchorGenerator((16, 32, 64), RATIOS)))


@setup("anchors-levels", raises=True)
def no_size_for_the_pool():  # johschmidt42 1
    return seen(pyramid(rpn_anchor_generator=anchors((8,), (16,), (32,), (64,), (128,))))


@setup("anchors-levels", raises=True)
def six_sizes_for_four_maps():  # 9401
    sizes = [(8,), (16,), (32,), (64,), (128,), (256,)]
    return seen(pyramid(rpn_anchor_generator=anchors(*sizes)))


@setup("anchors-levels", raises=True)
def all_sizes_in_one_level():  # 1308
    return seen(pyramid(rpn_anchor_generator=anchors((8, 16, 32, 64))))


@setup("anchors-ratios", raises=True)
def ratios_for_one_level_of_four():
    sizes = ((8,), (16,), (32,), (64,))
    return seen(pyramid(rpn_anchor_generator=AnchorGenerator(sizes, (RATIOS,))))


@setup("anchors-uneven", raises=True)
def two_sizes_at_the_first_level_only():
    return seen(pyramid(rpn_anchor_generator=anchors((8, 12), (16,), (32,), (64,))))


@setup("head-anchors", raises=True)
def anchors_replaced_after_building():  # detecto 50
    model = plain()
    model.rpn.anchor_generator = anchors((16, 32, 64), ratios=((0.25, 0.5, 1.0, 2.0, 4.0),))
    return seen(model)


@setup("head-anchors", raises=True)
def a_head_for_the_default_anchors():
    return seen(plain(rpn_head=RPNHead(8, 3)))


@setup("head-deltas", raises=True)
def four_deltas_for_all_anchors():
    model = plain()
    model.rpn.head.bbox_pred = nn.Conv2d(8, 4, 1)
    return seen(model)


@setup("positives-anchors")
def a_matching_threshold_in_percent():
    return trained(plain(rpn_fg_iou_thresh=70))


@setup("positives-anchors")
def no_positive_anchors_sampled():
    return trained(plain(rpn_positive_fraction=0.0))


@setup("threshold-rpn")
def an_objectness_in_percent():
    return seen(plain(rpn_score_thresh=50))


@setup("limit-proposals", raises=False)
def no_proposal_after_nms():
    return seen(plain(rpn_post_nms_top_n_test=0))


# --- the backbone ---------------------------------------------------------------------------------


@setup("out-channels", raises=True)
def out_channels_of_another_backbone():  # 3040
    backbone = Plain()
    backbone.out_channels = 16
    return seen(plain(backbone))


@setup("out-channels", raises=True)
def out_channels_of_a_resnet_on_a_pyramid():
    backbone = Pyramid()
    backbone.out_channels = 2048
    return seen(pyramid(backbone))


@setup("head-channels", raises=True)
def a_head_for_256_channels():
    return seen(plain(rpn_head=RPNHead(256, 9)))


@setup("maps-channels", raises=True)
def raw_maps_without_a_pyramid():
    return seen(pyramid(Pyramid(channels=(8, 16, 32, 64))))


@setup("backbone-channels", raises=True)
def a_first_layer_for_grey_pictures():  # WZMIAOMIAO/deep-learning-for-image-processing 379
    return plain(Plain(inputs=1)), pictures(3, 1, 64, 96), None


@setup("backbone-channels", raises=True)
def mean_and_std_for_four_channels_only():
    model = plain(image_mean=[0.5] * 4, image_std=[0.2] * 4)
    return model, pictures(3, 4, 64, 96), None


@setup("mean-std", raises=True)
def one_deviation_too_few():
    return seen(plain(image_std=[0.2, 0.2]))


@setup("std-zero")
def a_deviation_of_zero():
    return seen(plain(image_std=[0.229, 0.0, 0.225]))


@setup("sizes-crossed")
def the_larger_size_is_the_smaller():
    return seen(plain(min_size=128, max_size=64))


# --- the second stage -----------------------------------------------------------------------------


@setup("pool-names", raises=True)
def a_map_named_by_a_number():  # tutorials 1085; 1097, 2095
    return seen(plain(box_roi_pool=MultiScaleRoIAlign([0], 7, 2)))


@setup("pool-names", raises=True)
def default_names_on_own_names():  # 2021
    return seen(pyramid(Pyramid("c2 c3 c4 c5"), box_roi_pool=None))


@setup("pool-some")
def one_name_that_is_not_there():
    pool = MultiScaleRoIAlign(["0", "1", "2", "P5"], 7, 2)
    return seen(pyramid(box_roi_pool=pool))


@setup("pool-levels")
def the_first_and_the_last_map_only():
    return seen(pyramid(box_roi_pool=MultiScaleRoIAlign(["0", "3"], 7, 2)))


@setup("pool-order")
def coarse_maps_first():
    sizes = anchors((64,), (32,), (16,), (8,))
    return seen(pyramid(Reversed(), rpn_anchor_generator=sizes))


@setup("box-head-inputs", raises=True)
def a_pooler_of_another_size():
    return seen(plain(box_roi_pool=MultiScaleRoIAlign(["0"], 14, 2)))


@setup("box-head-inputs", raises=True)
def a_head_for_256_channels_behind_the_pooler():
    return seen(plain(box_head=TwoMLPHead(256 * 49, 32)))


@setup("predictor-inputs", raises=True)
def a_predictor_for_1024():
    return seen(plain(box_predictor=FastRCNNPredictor(1024, 3)))


@setup("predictor-outputs", raises=True)
def only_the_scores_replaced():
    model = plain()
    model.roi_heads.box_predictor.cls_score = nn.Linear(32, 5)
    return seen(model)


@setup("predictor-outputs", raises=True)
def one_box_for_all_classes():
    model = plain()
    model.roi_heads.box_predictor.bbox_pred = nn.Linear(32, 4)
    return trained(model)


@setup("classes-one")
def one_kind_of_object_is_one_class():  # detecto 50; 2235
    return seen(plain(classes=1))


@setup("classes-names")
def names_without_the_background():
    model = plain()
    model.classes = ["cat", "dog"]
    return seen(model)


@setup("mask-classes", raises=True)
def only_the_box_predictor_replaced():
    model = masked(91)
    model.roi_heads.box_predictor = FastRCNNPredictor(1024, 3)
    model.roi_heads.mask_predictor = MaskRCNNPredictor(256, 16, 2)
    masks = torch.ones(2, 64, 96, dtype=torch.uint8)
    return trained(model, [{**each, "masks": masks} for each in targets()])


@setup("threshold-score")
def a_score_of_one():
    return seen(plain(box_score_thresh=1.0))


@setup("threshold-score")
def a_score_in_percent():
    return seen(plain(box_score_thresh=50))


@setup("limit-detections")
def no_detections_per_image():
    return seen(plain(box_detections_per_img=0))


@setup("nms-never")
def an_overlap_in_percent():
    return seen(plain(box_nms_thresh=50))


@setup("positives-rois")
def no_positive_proposals_sampled():
    return trained(plain(box_positive_fraction=0.0))


# --- what is trained ------------------------------------------------------------------------------


@setup("frozen-all")
def every_parameter_frozen():
    return trained(plain().requires_grad_(False))


@setup("frozen-head")
def the_new_predictor_frozen():
    model = plain()
    model.roi_heads.box_predictor.requires_grad_(False)
    return trained(model)


@setup("norm-batch")
def a_batch_of_one():
    return trained(plain(Normed(nn.BatchNorm2d)), count=1)


@setup("norm-batch")
def a_batch_of_two():
    return trained(plain(Normed(nn.BatchNorm2d)), count=2)


@setup("norm-untouched")
def frozen_norms_on_random_weights():
    return trained(plain(Normed(FrozenBatchNorm2d)))


@setup("weights-nan")
def weights_that_have_diverged():
    model = plain()
    nn.init.constant_(model.backbone.conv.bias, float("nan"))
    return seen(model)


# --- pictures -------------------------------------------------------------------------------------


@setup("images-tensor", raises=True)
def one_picture_without_a_list():
    return plain(), pictures()[0], None


@setup("images-empty", raises=True)
def no_pictures():
    return plain(), [], None


@setup("image-list", raises=True)
def a_list_in_a_list():
    return plain(), [pictures()], None


@setup("image-type", raises=True)
def an_array_of_numpy():
    return plain(), [pictures()[0].numpy()], None


@setup("image-dims", raises=True)
def a_batch_in_a_list():
    return plain(), [pictures(1)[0][None]], None


@setup("image-dims", raises=True)
def a_grey_picture_without_channels():
    return plain(), [pictures(1)[0][0]], None


@setup("picture-dtype", raises=True)
def bytes_as_read_image_gives_them():  # 2788, 3228
    return plain(), [(each * 255).byte() for each in pictures()], None


@setup("picture-255")
def bytes_made_floats():
    return plain(), [each * 255 for each in pictures()], None


@setup("picture-normalised")
def normalised_as_for_a_classifier():
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    return plain(), [(each - mean) / 0.225 for each in pictures()], None


@setup("picture-dark")
def divided_by_255_twice():
    return plain(), [each / 255 for each in pictures()], None


@setup("picture-channels", raises=True)
def a_png_with_transparency():
    return plain(), pictures(3, 4, 64, 96), None


@setup("picture-channels", raises=True)
def two_channels_of_ones_own():  # loolzaaa/faster-rcnn-pytorch 8
    return plain(), pictures(3, 2, 64, 96), None


@setup("picture-last", raises=True)
def channels_last_as_opencv_has_them():
    return plain(), pictures(3, 64, 96, 3), None


@setup("picture-nan")
def a_picture_divided_by_nothing():
    images = pictures()
    images[1] /= torch.zeros(1)
    return plain(), images, None


@setup("picture-precision", raises=True)
def doubles_of_numpy():
    return plain(), [each.double() for each in pictures()], None


@setup("picture-precision", raises=True)
def a_model_of_half_precision():
    return plain().half(), pictures(), None


@setup("device", raises=True)
def pictures_on_another_device():
    return plain(), [each.to("meta") for each in pictures()], None


@setup("picture-empty", raises=True)
def cut_to_nothing():
    return plain(), pictures(1, 3, 0, 96), None


@setup("picture-shrunk")
def a_map_of_a_city():
    return plain(), pictures(1, 3, 640, 640), None


@setup("picture-shrunk")
def a_strip():
    return plain(), pictures(1, 3, 16, 400), None


@setup("picture-blown")
def thumbnails():
    return plain(min_size=160, max_size=320), pictures(2, 3, 10, 10), None


# --- targets --------------------------------------------------------------------------------------


@setup("targets-missing", raises=True)
def training_without_targets():
    return plain().train(), pictures(), None


@setup("targets-tensor", raises=True)
def two_pictures_as_two_arguments():
    return plain(), [pictures()[0]], pictures()[1]


@setup("targets-count", raises=True)
def one_dict_for_all():
    return trained(plain(), targets(1))


@setup("target-type", raises=True)
def boxes_without_a_dict():
    return trained(plain(), [torch.tensor(BOXES)] * 3)


@setup("target-keys", raises=True)
def the_keys_of_coco():
    return trained(plain(), [{"bbox": t["boxes"], "category_id": t["labels"]} for t in targets()])


@setup("boxes-shape", raises=True)
def an_empty_tensor_for_no_objects():  # 2192, 4124
    none = {"boxes": torch.tensor([]), "labels": torch.tensor([], dtype=torch.int64)}
    return trained(plain(), [*targets(2), none])


@setup("boxes-shape", raises=True)
def one_box_without_its_list():
    one = {"boxes": torch.tensor(BOXES[0]), "labels": torch.tensor([1])}
    return trained(plain(), [one] * 3)


@setup("boxes-type", raises=True)
def lists_in_the_place_of_tensors():
    return trained(plain(), [{"boxes": BOXES, "labels": [1, 2]}] * 3)


@setup("boxes-xywh", raises=True)
def boxes_as_coco_writes_them():  # 2740
    return trained(plain(), targets(boxes=[[40.0, 30, 30, 20], [60.0, 8, 30, 40]]))


@setup("boxes-yx")
def rows_before_columns():
    return trained(plain(), targets(boxes=[[2.0, 60, 40, 90], [10.0, 50, 60, 94]]))


@setup("boxes-swapped", raises=True)
def the_lower_corner_first():  # 5163, 1120
    return trained(plain(), targets(boxes=[[40.0, 40, 8, 8], BOXES[1]]))


@setup("boxes-flat", raises=True)
def a_box_of_zeros_for_no_object():  # 2144
    return trained(plain(), targets(boxes=[[0.0, 0, 0, 0], BOXES[1]]))


@setup("boxes-flat", raises=True)
def a_box_of_one_line():  # 2235
    return trained(plain(), targets(boxes=[[8.0, 8, 40, 8], BOXES[1]]))


@setup("boxes-outside")
def boxes_of_the_picture_before_it_was_resized():
    return trained(plain(), targets(boxes=[[80.0, 80, 400, 400], [200.0, 100, 840, 600]]))


@setup("boxes-fractions")
def boxes_as_yolo_writes_them():
    return trained(plain(), targets(boxes=[[0.1, 0.1, 0.4, 0.6], [0.2, 0.2, 0.9, 0.9]]))


@setup("boxes-nan", crashes=True)
def a_box_of_nan():
    return trained(plain(), targets(boxes=[[float("nan"), 8, 40, 40], BOXES[1]]))


@setup("labels-large", raises=True)
def classes_counted_without_the_background():  # pytorch 61329
    return trained(plain(), targets(labels=(1, 3)))


@setup("labels-background")
def labels_from_zero():
    return trained(plain(), targets(labels=(0, 1)))


@setup("labels-negative")
def an_unknown_label():
    return trained(plain(), targets(labels=(-1, 1)))


@setup("labels-dtype", raises=True)
def labels_of_floats():  # 1120
    return trained(plain(), targets(labels=(1.0, 2.0)))


@setup("labels-dtype", raises=True)
def labels_of_32_bits():
    return trained(plain(), [{**t, "labels": t["labels"].int()} for t in targets()])


@setup("labels-shape", raises=True)
def labels_as_one_hot():
    return trained(plain(), [{**t, "labels": torch.eye(2, 3).long()} for t in targets()])


@setup("labels-count")
def a_label_too_many():
    return trained(plain(), targets(labels=(1, 2, 2)))


@setup("masks-missing", raises=True)
def a_mask_rcnn_without_masks():
    return trained(masked())


@setup("masks-shape")
def one_mask_for_two_objects():
    masks = torch.ones(1, 64, 96, dtype=torch.uint8)
    return trained(masked(), [{**t, "masks": masks} for t in targets()])


@setup("targets-empty")
def no_object_in_any_picture():
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    return trained(plain(), [none] * 3)


@setup("anchors-objects")
def objects_smaller_than_any_anchor():
    return trained(plain(), targets(boxes=[[8.0, 8, 12, 12], [20.0, 10, 25, 15]]))


@setup("anchors-objects")
def poles():  # 9401
    return trained(plain(), targets(boxes=[[8.0, 2, 12, 62], [40.0, 2, 45, 60]]))


# --- a pass that ends wrongly ---------------------------------------------------------------------


@setup("nan")
def a_layer_that_divides_by_nothing():
    class Broken(Plain):
        def forward(self, x: Any) -> Any:
            x = super().forward(x)
            return x / (x * 0).sum()

    return seen(plain(Broken()))


@setup("proposals-none")
def every_proposal_too_small():
    model = plain()
    model.rpn.min_size = 1000.0
    return seen(model)


@setup("detections-chance")
def a_new_predictor_on_a_trained_model():  # 1952
    model = plain(classes=91)
    nn.init.constant_(model.rpn.head.cls_logits.bias, 3.0)
    return seen(model)


@setup("detections-below")
def a_classifier_that_is_not_sure():  # 2155
    model = plain(box_score_thresh=0.5)
    nn.init.constant_(model.rpn.head.cls_logits.bias, 3.0)
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.bias[0] = 3.0
    return seen(model)


@setup("run-failed", raises=True)
def a_head_with_a_mistake_of_its_own():
    class Mistaken(TwoMLPHead):
        def forward(self, x: Any) -> Any:
            return super().forward(x)[:, :, None].flatten(2).expand(-1, 8)

    return seen(plain(box_head=Mistaken(8 * 49, 32)))
