"""Small models and data sets for surveys, in a module that workers can import."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from tracer.rcnn.demo.scenes import scene


class Backbone(nn.Module):
    """Two levels of eight channels."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 4, 1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x):
        fine = self.relu(self.norm(self.stem(x)))
        return {"0": fine, "1": self.down(fine)}


def tiny_detector(seed=0, **settings):
    torch.manual_seed(seed)
    usual = {"min_size": 64, "max_size": 96, "rpn_pre_nms_top_n_test": 200,
             "rpn_post_nms_top_n_test": 60, "box_score_thresh": 0.2, "num_classes": 5}  # fmt: skip
    return FasterRCNN(
        Backbone(),
        rpn_anchor_generator=AnchorGenerator(((16,), (32,)), ((0.5, 1.0, 2.0),) * 2),
        box_roi_pool=MultiScaleRoIAlign(["0", "1"], 3, 2),
        **{**usual, **settings},
    ).eval()


class Scenes:
    """Scenes of the demo by seed."""

    def __init__(self, count, size=64):
        self.count, self.size = count, size

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        one = scene(number, (self.size, self.size))
        return one.tensor(), one.target()


class Deadly(Scenes):
    """The first worker that comes to one picture is killed there."""

    def __init__(self, count, at, flag):
        super().__init__(count)
        self.at, self.flag = at, str(flag)

    def __getitem__(self, number):
        if number == self.at and not Path(self.flag).exists():
            Path(self.flag).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(number)


def one_share(count, share, path):
    """What one of several plain processes does."""
    import tracer

    torch.set_num_threads(1)
    tracer.survey(tiny_detector(), Scenes(count), share=share, path=path)
