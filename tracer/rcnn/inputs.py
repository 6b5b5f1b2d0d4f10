"""A look at a detector's inputs before it runs, where torchvision's own error would mislead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tracer.errors import InputError

_EXPECTED = "a list of images, each a float tensor [3, H, W] with values 0–1"


def check_inputs(model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
    """Refuse inputs that a detector of torchvision cannot take; leave every other model alone.

    A model with another `forward`, its own or its transform's, may take whatever it likes.

    Raises:
        InputError: says what the model expects and what was found.
    """
    if not _is_checked(model):
        return
    images = inputs[0] if inputs else keywords.get("images")
    name = type(model).__name__
    if images is None:
        raise InputError(f"{name} expects {_EXPECTED}; no images were given")
    _check_images(name, images)
    targets = inputs[1] if len(inputs) > 1 else keywords.get("targets")
    _check_targets(name, images, targets)
    if model.training and targets is None:
        raise InputError(
            f"{name} is in training mode and expects targets: a list with one dict per image, "
            "with 'boxes' [N, 4] and 'labels' [N]; pass them second, or call model.eval() first"
        )


def _is_checked(model: nn.Module) -> bool:
    """Whether the inputs reach torchvision's own code as they are given."""
    transform = getattr(model, "transform", None)
    return (
        type(transform).__name__ == "GeneralizedRCNNTransform"
        and all(_is_torchvisions(module) for module in (model, transform))
        and not model._forward_pre_hooks  # which might make of them what it takes
    )


def _is_torchvisions(module: Any) -> bool:
    """Whether the `forward` that runs is one of torchvision's detection models."""
    forward = vars(module).get("forward", type(module).forward)
    home = getattr(forward, "__globals__", {}).get("__name__", "")
    return str(home).startswith("torchvision.models.detection.")


def _check_images(name: str, images: Any) -> None:
    if isinstance(images, torch.Tensor):
        if images.dim() != 4:
            raise InputError(
                f"{name} expects {_EXPECTED}; found one tensor of shape {list(images.shape)}"
                + (": pass [image]" if images.dim() == 3 else "")
            )
        return
    if isinstance(images, Mapping) or not isinstance(images, (list, tuple)):
        raise InputError(f"{name} expects {_EXPECTED}; found {type(images).__name__}")
    if not images:
        raise InputError(f"{name} expects {_EXPECTED}; found an empty list")
    for i, image in enumerate(images):
        if not isinstance(image, torch.Tensor):
            hint = ": pass the inner list" if isinstance(image, (list, tuple)) else ""
            raise InputError(f"{name} expects {_EXPECTED}; images[{i}] is {_named(image)}{hint}")
        if image.dim() != 3:
            raise InputError(
                f"{name} expects {_EXPECTED}; images[{i}] has shape {list(image.shape)}"
                + (": pass list(batch)" if image.dim() == 4 else "")
            )


def _check_targets(name: str, images: Any, targets: Any) -> None:
    if targets is None:
        return
    if isinstance(targets, torch.Tensor):
        raise InputError(
            f"{name} takes the images as one list and the targets second; the second argument is "
            f"a tensor of shape {list(targets.shape)}: pass [image1, image2]"
        )
    if not isinstance(targets, (list, tuple)) or len(targets) != len(images):
        found = f"{len(targets)}" if isinstance(targets, (list, tuple)) else _named(targets)
        raise InputError(
            f"{name} expects one target per image ({len(images)}): a list of dicts; found {found}"
        )
    for i, target in enumerate(targets):
        if not isinstance(target, Mapping):
            raise InputError(
                f"{name} expects each target to be a dict with 'boxes' and 'labels'; "
                f"targets[{i}] is {_named(target)}"
            )
        missing = [key for key in ("boxes", "labels") if key not in target]
        if missing:
            raise InputError(
                f"{name} expects 'boxes' and 'labels' in each target; targets[{i}] lacks "
                f"{' and '.join(map(repr, missing))} (it has {', '.join(map(repr, target))})"
            )


def _named(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1] in "AEIOaeiou" else f"a {name}"
