"""Recorded passes of small detectors, each made once per test run, and what went into them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial
from typing import Any
from zlib import crc32

import torch
from recordings import shared
from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

import tracer
from tracer.rcnn import models
from tracer.rcnn.domain import PRESETS
from tracer.record import Trace

KEEP = ("anatomy", "roi_heads.box_roi_pool")
LARGE = tuple(re.sub(r"<\d+MB", "<0.5MB", pattern) for pattern in PRESETS["anatomy"])
"""What the preset keeps of a large image: of the pyramid P4, P5 and P6, no laterals of P2 and P3,
and no original picture of more than half a megabyte."""
DEEP_HEADS = ("fasterrcnn_resnet50_fpn_v2", "maskrcnn", "keypointrcnn")
FEWER = {"rpn_post_nms_top_n_test": 200}
"""Each proposal takes 50 kB wherever it is kept, and a part of the time."""
FEWEST = {"box_detections_per_img": 10, "box_batch_size_per_image": 64}
"""For detectors whose heads convolve each proposal or detection, which takes most of the time."""
SIZES = ((80, 120), (100, 70))  # height, width of the two images


@dataclass(frozen=True)
class Recorded:
    """A pass and all that is needed to compute its parts again, each made when asked for."""

    name: str
    train: bool
    keep: Any
    targets: bool

    @property
    def model(self) -> nn.Module:
        return model(self.name, self.train)

    @cached_property
    def trace(self) -> Trace:
        key = f"{self.name}-{self.train}-{self.targets}-{crc32(repr(self.keep).encode())}"
        return shared(f"anatomy-{key}", lambda: self._run(partial(tracer.trace, keep=self.keep)))

    @cached_property
    def output(self) -> Any:
        return self._run(lambda net, *given: net(*given))

    def _run(self, run: Callable[..., Any]) -> Any:
        """Return what comes of the model and its pictures; the same each time."""
        torch.manual_seed(1)
        with torch.no_grad():
            return run(self.model, pictures(), self._given_targets())

    def _given_targets(self) -> list[dict[str, Tensor]] | None:
        if not self.targets:
            return None
        targets = boxes_of_targets()
        if self.name.startswith("mask"):
            for target, size in zip(targets, SIZES, strict=True):
                target["masks"] = torch.ones(len(target["boxes"]), *size, dtype=torch.uint8)
        return targets

    @cached_property
    def forward(self) -> tuple[Any, dict[str, Tensor]]:
        """The batch and the features, computed by the model's own modules, not recorded."""
        with torch.no_grad():
            images, _ = self.model.transform(pictures(), None)
            features = self.model.backbone(images.tensors)
        return images, features if isinstance(features, dict) else {"0": features}


def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(3, *size, generator=generator) for size in SIZES]


def boxes_of_targets() -> list[dict[str, Tensor]]:
    one = {"boxes": torch.tensor([[10.0, 10, 50, 60]]), "labels": torch.tensor([1])}
    two = {
        "boxes": torch.tensor([[0.0, 0, 40, 60], [20, 20, 70, 100]]),
        "labels": torch.tensor([1, 2]),
    }
    return [one, two]


@lru_cache(maxsize=1)  # 165 MB each
def model(name: str, train: bool) -> nn.Module:
    """Build a detector; one of its own for training, which moves BatchNorm's statistics."""
    if name == "one level":
        return _one_level().train(train)
    options: dict[str, int] = {}
    if not name.startswith("ssd"):
        options = {"min_size": 96, "max_size": 160}
    if "rcnn" in name:
        options |= FEWER
    if name.startswith(DEEP_HEADS):
        options |= FEWEST
    return models.build(name, None, seed=0, num_classes=5, **options).train(train)


def _one_level() -> nn.Module:
    torch.manual_seed(0)
    body = mobilenet_v2(weights=None).features
    body.out_channels = 1280
    return FasterRCNN(
        body,
        min_size=96,
        max_size=160,
        rpn_anchor_generator=AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
        box_head=TwoMLPHead(1280 * 7 * 7, 64),  # a sixteenth of the usual: 257 MB
        box_predictor=FastRCNNPredictor(64, 5),
        **FEWER,
    )


@cache
def recorded(
    name: str = "fasterrcnn_resnet50_fpn",
    train: bool = False,
    keep: Any = KEEP,
    targets: bool | None = None,
) -> Recorded:
    """A pass over the two pictures; with targets in training, else only if asked for."""
    return Recorded(name, train, keep, train if targets is None else targets)
