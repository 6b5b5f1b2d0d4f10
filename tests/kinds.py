"""A small recording of every kind that there is: views are tested on each of them.

`KINDS` names them, `recorded(name)` returns one, made once a test run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from recordings import shared
from torch import nn
from torchvision.models.detection.faster_rcnn import FasterRCNN

import tracer
from tracer.rcnn import models
from tracer.recording import Recording

SMALL = {"min_size": 64, "max_size": 96, "num_classes": 4}
LIMITS = {"box_score_thresh": 0.02, "box_detections_per_img": 30}
"""Other settings than torchvision's own, so that a view that takes those for the run's is found."""


class Broken(nn.Module):
    """Stands where a pass is to fail."""

    def forward(self, *inputs: Any) -> Any:
        raise RuntimeError("shapes do not fit")


def detector(**options: Any) -> FasterRCNN:
    """A detector of torchvision's with a small body, eval mode, the same random weights always."""
    settings = {**SMALL, **LIMITS, **options}
    return models.build("fasterrcnn_resnet18_fpn", None, seed=0, **settings).eval()


def pictures(n: int = 1) -> list[torch.Tensor]:
    """Pictures of different sizes, float32 [3, H, W]."""
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(3, 60 + 5 * i, 80, generator=generator) for i in range(n)]


def _pass(n: int = 1, *, model: dict[str, Any] | None = None, **options: Any) -> Recording:
    return _run(detector(**(model or {})), pictures(n), **{"keep": "anatomy", **options})


def _run(model: nn.Module, *inputs: Any, **options: Any) -> Recording:
    with torch.no_grad():
        return tracer.trace(model, *inputs, **options)


def _failed(where: str, keep: Any = "anatomy") -> Recording:
    model = detector()
    around, _, name = where.rpartition(".")
    setattr(model.get_submodule(around), name, Broken())
    try:
        _run(model, pictures(), grain="line", keep=keep)
    except RuntimeError:
        found = tracer.last_trace()
        assert found is not None
        return found
    raise AssertionError(f"a broken {where} did not fail")


def _one_stage(name: str, keep: Any = "anatomy", **options: Any) -> Recording:
    model = models.build(name, None, seed=0, **{"num_classes": 4, **options})
    return _run(model.eval(), pictures(), keep=keep)


def _training() -> Recording:
    boxes = torch.tensor([[5.0, 5.0, 40.0, 50.0], [30.0, 10.0, 70.0, 40.0]])
    target = {"boxes": boxes, "labels": torch.tensor([1, 2])}
    return _run(detector().train(), pictures(), [target], grain="line", keep="anatomy")


def _construction() -> Recording:
    builder, keywords = models.recipe("fasterrcnn_resnet18_fpn", None, **SMALL)
    return models.make(partial(tracer.trace, builder, grain="line"), keywords, seed=0)


def _any_module() -> Recording:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.Flatten())
    return _run(net, torch.rand(1, 3, 16, 16), grain="line", keep=True)


KINDS: dict[str, Callable[[], Recording]] = {
    "failed early": partial(_failed, "backbone.body.layer2"),
    "failed early, nothing kept": partial(_failed, "backbone.body.layer2", keep=None),
    "failed late": partial(_failed, "roi_heads.box_predictor"),
    "one-stage": partial(_one_stage, "ssdlite320_mobilenet_v3_large"),
    "one-stage, nothing kept": partial(_one_stage, "ssdlite320_mobilenet_v3_large", keep=None),
    "one-stage with a pyramid": partial(_one_stage, "retinanet_resnet50_fpn", **SMALL),
    "any module": _any_module,
    "no previews": partial(_pass, grain="line", previews=False),
    "no lines": _pass,
    "modules only": partial(_pass, grain="module"),
    "nothing kept": partial(_pass, keep=None, grain="line"),
    "nothing at all": partial(_pass, keep=None, grain="module", previews=False),
    "construction": _construction,
    "training": _training,
    "empty detections": partial(_pass, model={"box_score_thresh": 1.0}, grain="line"),
    "two pictures": partial(_pass, 2, grain="line"),
    "eight pictures": partial(_pass, 8),
}
"""What makes each kind."""


@cache
def recorded(name: str) -> Recording:
    """Return the recording of a kind."""
    return shared(f"kind-{name.replace(' ', '-')}", KINDS[name])
