"""What shapes a backbone makes of a batch, found without computing a number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from tracer.rcnn.model_checks import Maps


def backbone_shapes(detector: Any, shape: tuple[int, ...]) -> Maps:
    """Return the shapes that a backbone makes of a batch; none where that is not to be known so.

    It runs on tensors without numbers (torch's device "meta"): its own weights stay where they are.

    Args:
        detector: one of torchvision's.
        shape: of the batch, [N, C, H, W].
    """
    backbone = detector.backbone
    own = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    try:
        bare = {name: torch.empty_like(each, device="meta") for name, each in own.items()}
        dtype = next((p.dtype for p in backbone.parameters()), torch.float32)
        batch = torch.empty(shape, dtype=dtype, device="meta")
        with torch.no_grad():
            found = functional_call(backbone, bare, (batch,))
    except Exception:  # whatever a backbone of the user's does with its numbers
        return {}
    tensors = {"0": found} if isinstance(found, Tensor) else dict(found)
    return {str(name): tuple(each.shape) for name, each in tensors.items()}
