"""A look at a detector's inputs before it runs, where torchvision's own error would mislead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tracer.errors import InputError
from tracer.rcnn import inspection
from tracer.rcnn.classes import classes_of
from tracer.rcnn.findings import Finding

_EXPECTED = "a list of images, each a float tensor [3, H, W] with values 0–1"


def check_inputs(model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
    """Refuse inputs that a detector of torchvision cannot take; leave every other model alone.

    A model with another `forward`, its own or its transform's, may take whatever it likes.

    Raises:
        InputError: says what the model expects and what was found.
    """
    if (
        not takes_images(model) or model._forward_pre_hooks
    ):  # these might make of them what it takes
        return
    images, targets = _images_and_targets(inputs, keywords)
    name = type(model).__name__
    if images is None:
        raise InputError(f"{name} expects {_EXPECTED}; no images were given")
    _check_images(name, images)
    _check_targets(name, images, targets)
    if model.training and targets is None:
        raise InputError(
            f"{name} is in training mode and expects targets: a list with one dict per image, "
            "with 'boxes' [N, 4] and 'labels' [N]; pass them second, or call model.eval() first"
        )


def findings(
    model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Iterator[Finding]:
    """Find what is odd about the values of images and targets; nothing about other models'."""
    images, targets = _images_and_targets(inputs, keywords)
    if not takes_images(model) or images is None:
        return
    transform: Any = model.transform
    if max(transform.image_mean) <= 1:  # else it is made for other values
        for i, image in enumerate(images):
            if image.is_floating_point() and image.numel():
                low, high = (float(v) for v in image.aminmax())
                yield from inspection.of_picture(low, high, f"images[{i}]")
    for i, (image, target) in enumerate(zip(images, targets or (), strict=False)):
        yield from _of_target(model, image, target, f"targets[{i}]")


def _of_target(
    model: nn.Module, image: torch.Tensor, target: Mapping[str, torch.Tensor], where: str
) -> Iterator[Finding]:
    boxes, labels = (target[key].detach().cpu().numpy() for key in ("boxes", "labels"))
    height, width = image.shape[-2:]
    places = [f"box {n} of {where}" for n in range(max(len(boxes), len(labels)))]
    if boxes.ndim == 2 and boxes.shape[1] == 4:  # torchvision says so itself where it is not
        yield from inspection.of_boxes(boxes.astype(np.float64), (height, width), places)
    classes = classes_of(model)
    yield from inspection.of_labels(labels.reshape(-1), classes, places, _has_background(model))


def _has_background(model: nn.Module) -> bool:
    """Whether label 0 is the background's: not where each class has a sigmoid of its own."""
    head = getattr(model, "head", None)
    return not hasattr(getattr(head, "classification_head", None), "cls_logits")


def _images_and_targets(inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> tuple[Any, Any]:
    images = inputs[0] if inputs else keywords.get("images")
    return images, inputs[1] if len(inputs) > 1 else keywords.get("targets")


def takes_images(model: nn.Module) -> bool:
    """Whether a model's inputs reach torchvision's own detection code as they are given."""
    transform = getattr(model, "transform", None)
    return type(transform).__name__ == "GeneralizedRCNNTransform" and all(
        _is_torchvisions(module) for module in (model, transform)
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
