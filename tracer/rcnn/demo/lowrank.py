"""The true architecture with its large weights as low-rank products.

A weight of shape [out, in, k, k] becomes two layers in a row, `down` with `rank`
filters of [in, k, k] and `up` with `out` filters of [rank, 1, 1], and nothing in
between. That is exactly one layer whose weight is the product of the two, so `expand`
gives a state dict of the true architecture. Two thin layers are also several times
cheaper to train than the wide one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from tracer.rcnn.demo.scenes import CLASSES

Layer: TypeAlias = nn.Conv2d | nn.Linear

_WORTH_IT = 2.0  # a product must be this many times smaller than its weight


def true_model(norm_layer: Callable[[int], nn.Module], **options: Any) -> FasterRCNN:
    """Builds `fasterrcnn_resnet50_fpn`'s module tree for the demo's classes, random weights.

    Args:
        norm_layer: `FrozenBatchNorm2d` to run it, `BatchNorm2d` to train it from scratch.
        options: further arguments of torchvision's `FasterRCNN`.
    """
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=norm_layer, trainable_layers=5
    )
    return FasterRCNN(backbone, num_classes=len(CLASSES), **options)


class LowRank(nn.Module):
    """A convolution or linear layer whose weight is the product of two thin ones.

    The product starts with the mean square that the layer's own weight had.
    """

    def __init__(self, layer: Layer, rank: int) -> None:
        super().__init__()
        self.down, self.up = _thin_layers(layer, rank)
        nn.init.normal_(self.down.weight, std=layer.weight.detach().square().mean().sqrt().item())
        nn.init.normal_(self.up.weight, std=1 / math.sqrt(rank))
        if layer.bias is not None and self.up.bias is not None:
            self.up.bias.data.copy_(layer.bias.data)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.up(self.down(x))
        return found


def _thin_layers(layer: Layer, rank: int) -> tuple[Layer, Layer]:
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        down = nn.Linear(layer.in_features, rank, bias=False)
        return down, nn.Linear(rank, layer.out_features, bias=bias)
    window: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
    }
    thin = nn.Conv2d(layer.in_channels, rank, bias=False, **window)
    return thin, nn.Conv2d(rank, layer.out_channels, 1, bias=bias)


def factorise(model: nn.Module, rank: int) -> nn.Module:
    """Replaces in place each layer of `model` for which a product is much smaller."""
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Conv2d | nn.Linear) and _worth_it(layer.weight, rank):
                setattr(parent, name, LowRank(layer, rank))
    return model


def _worth_it(weight: Tensor, rank: int) -> bool:
    rows, columns = weight.flatten(1).shape
    return rows * columns > _WORTH_IT * rank * (rows + columns)


def expand(factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Multiplies the products out.

    Args:
        factors: state dict of a model that went through `factorise`, any float dtype.

    Returns:
        State dict of the same model before it, float32; counters of batches left out.
    """
    whole = {}
    for key, value in factors.items():
        if key.endswith(".down.weight"):
            path = key.removesuffix(".down.weight")
            up = factors[f"{path}.up.weight"].float().flatten(1)
            product = up @ value.float().flatten(1)
            whole[f"{path}.weight"] = product.reshape(-1, *value.shape[1:])
        elif key.endswith(".up.bias"):
            whole[key.replace(".up.bias", ".bias")] = value.float()
        elif not key.endswith((".up.weight", ".num_batches_tracked")):
            whole[key] = value.float()
    return whole
