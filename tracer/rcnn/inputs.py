"""A detector's pictures and targets: what it cannot take, and what it takes in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracer.errors import InputError
from tracer.numbers import dims
from tracer.rcnn import inspection
from tracer.rcnn.classes import classes_of
from tracer.rcnn.findings import Finding


def check_inputs(model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
    """Refuse what is no list of images or of targets, where torchvision's error would mislead.

    A model with another `forward`, its own or its transform's, may take whatever it likes.

    Raises:
        InputError: says what the model expects and what was found.
    """
    if not takes_images(model) or model._forward_pre_hooks:  # these might make what it takes of it
        return
    found = next(_misshapen(model, *_images_and_targets(inputs, keywords)), None)
    if found is not None:
        raise InputError(found.text)


def findings(
    model: nn.Module, inputs: tuple[Any, ...], keywords: Mapping[str, Any]
) -> Iterator[Finding]:
    """Find what is wrong with images and targets; nothing about other models'.

    What is no list of them at all comes first, and alone; then what would fail or run in silence,
    in the order in which torchvision comes to it.
    """
    images, targets = _images_and_targets(inputs, keywords)
    if not takes_images(model):
        return
    first = next(_misshapen(model, images, targets), None)
    if first is not None:
        yield first
    if first is None or first.kind == "targets-missing":
        yield from _values(model, list(images), list(targets or ()))


def _values(
    model: nn.Module, images: Sequence[Tensor], targets: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    whole = list(zip(images, targets, strict=False))
    yield from chain.from_iterable(
        _of_shapes(image, target, i) for i, (image, target) in enumerate(whole)
    )
    yield from chain.from_iterable(_of_image(model, each, i) for i, each in enumerate(images))
    sound = [(i, *pair) for i, pair in enumerate(whole) if not any(_of_shapes(*pair, i))]
    for i, image, target in sound:
        yield from _of_target(model, image, target, f"targets[{i}]")
    if sound and len(sound) == len(images) and not any(len(t["boxes"]) for t in targets):
        yield Finding("targets-empty", {"images": len(images)}, "warning")


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


# --- what is no list of images, or of targets -----------------------------------------------------


def _misshapen(model: nn.Module, images: Any, targets: Any) -> Iterator[Finding]:
    name = type(model).__name__
    yield from _of_list(name, images)
    if targets is not None:
        yield from _of_targets(name, images, targets)
    elif model.training:
        yield Finding("targets-missing", {"model": name})


def _of_list(name: str, images: Any) -> Iterator[Finding]:
    if images is None:
        yield Finding("images-missing", {"model": name})
    elif isinstance(images, Tensor):
        if images.dim() != 4:
            yield Finding("images-tensor", {"model": name, "shape": str(list(images.shape))})
    elif isinstance(images, Mapping) or not isinstance(images, (list, tuple)):
        yield Finding("images-type", {"model": name, "type": type(images).__name__})
    elif not images:
        yield Finding("images-empty", {"model": name})
    else:
        for i, image in enumerate(images):
            facts = {"model": name, "image": i}
            if isinstance(image, (list, tuple)):
                yield Finding("image-list", {**facts, "type": _named(image)})
            elif not isinstance(image, Tensor):
                yield Finding("image-type", {**facts, "type": _named(image)})
            elif image.dim() != 3:
                yield Finding("image-dims", {**facts, "shape": str(list(image.shape))})


def _of_targets(name: str, images: Any, targets: Any) -> Iterator[Finding]:
    if isinstance(targets, Tensor):
        yield Finding("targets-tensor", {"model": name, "shape": str(list(targets.shape))})
    elif not isinstance(targets, (list, tuple)) or len(targets) != len(images):
        found = f"{len(targets)}" if isinstance(targets, (list, tuple)) else _named(targets)
        yield Finding("targets-count", {"model": name, "images": len(images), "found": found})
    else:
        for i, target in enumerate(targets):
            facts = {"model": name, "target": i}
            if not isinstance(target, Mapping):
                yield Finding("target-type", {**facts, "type": _named(target)})
            elif missing := [key for key in ("boxes", "labels") if key not in target]:
                has = ", ".join(map(repr, target)) or "–"
                lacks = ", ".join(map(repr, missing))
                yield Finding("target-keys", {**facts, "missing": lacks, "has": has})


def _named(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[:1] in "AEIOaeiou" else f"a {name}"


# --- one picture ----------------------------------------------------------------------------------


def _of_image(model: nn.Module, image: Tensor, index: int) -> Iterator[Finding]:
    """What is wrong with a picture: of what `normalize` refuses, and `resize`, then its values."""
    transform: Any = model.transform
    where = {"where": f"images[{index}]"}
    refused = list(_unusable(model, image, where))
    yield from refused
    if refused or image.device.type == "meta":
        return
    low, high = (float(v) for v in image.aminmax())
    if not bool(torch.isfinite(image).all()):
        yield Finding("picture-nan", where)
    elif max(transform.image_mean) <= 1:  # else it is made for other values
        yield from inspection.of_picture(low, high, where["where"])
    height, width = image.shape[-2:]
    factor = inspection.scale(transform, height, width)
    yield from inspection.of_size(height, width, factor, where["where"])


def _unusable(model: nn.Module, image: Tensor, where: dict[str, Any]) -> Iterator[Finding]:
    weights = next(model.parameters(), None)
    mean: Any = model.transform.image_mean  # type: ignore[union-attr]
    channels, shape = image.shape[0], dims(image.shape)
    if weights is not None and weights.device.type != "meta" and image.device != weights.device:
        devices = {"there": str(image.device), "here": str(weights.device)}
        yield Finding("device", {**where, **devices})
    if not image.is_floating_point():
        yield Finding("picture-dtype", {**where, "dtype": str(image.dtype).removeprefix("torch.")})
    elif channels not in (1, len(mean)) and len(mean) > 1:
        kind = "picture-last" if image.shape[-1] in (1, len(mean)) else "picture-channels"
        yield Finding(kind, {**where, "shape": shape, "found": channels, "expected": len(mean)})
    elif not image.numel():
        yield Finding("picture-empty", {**where, "shape": shape})
    elif weights is not None and _is_unfit(image.dtype, weights.dtype):
        names = [str(each.dtype).removeprefix("torch.") for each in (image, weights)]
        yield Finding("picture-precision", {**where, "there": names[0], "here": names[1]})


def _is_unfit(image: torch.dtype, weights: torch.dtype) -> bool:
    """Whether a convolution refuses the two; half a picture's precision autocast may mend."""
    return image != weights and (torch.float64 in (image, weights) or weights != torch.float32)


# --- one target -----------------------------------------------------------------------------------


def _of_shapes(image: Tensor, target: Mapping[str, Any], index: int) -> Iterator[Finding]:
    """What keeps a target from being read at all."""
    boxes, labels = target["boxes"], target["labels"]
    where = {"where": f"targets[{index}]"}
    for name, value in (("boxes", boxes), ("labels", labels)):
        if not isinstance(value, Tensor):
            yield Finding("boxes-type", {**where, "name": name, "type": _named(value)})
            return
        if value.device != image.device:
            devices = {"there": str(value.device), "here": str(image.device)}
            yield Finding("device", {"where": f"targets[{index}]['{name}']", **devices})
            return
    shape = {"shape": str(list(boxes.shape))}
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        yield Finding("boxes-shape", {**where, **shape})
    elif labels.dim() != 1:
        yield Finding("labels-shape", {**where, "shape": str(list(labels.shape))})
    elif len(labels) != len(boxes):
        yield Finding("labels-count", {**where, "boxes": len(boxes), "labels": len(labels)})


def _of_target(
    model: nn.Module, image: Tensor, target: Mapping[str, Any], where: str
) -> Iterator[Finding]:
    boxes, labels = target["boxes"], target["labels"]
    yield from _of_dtype(model, labels, where)
    yield from _of_extras(model, image, target, where)
    if boxes.device.type == "meta":
        return
    xyxy = boxes.detach().cpu().double().numpy()
    places = [f"{where}['boxes'][{n}]" for n in range(len(boxes))]
    if not np.isfinite(xyxy).all():
        first = int(np.flatnonzero(~np.isfinite(xyxy).all(1))[0])
        yield Finding("boxes-nan", {"where": places[first]})
    else:
        height, width = image.shape[-2:]
        yield from inspection.of_boxes(xyxy, (height, width), places)
    numbers = labels.detach().cpu().numpy()
    named = [f"{where}['labels'][{n}]" for n in range(len(labels))]
    yield from inspection.of_labels(numbers, classes_of(model), named, _has_background(model))


def _of_dtype(model: nn.Module, labels: Tensor, where: str) -> Iterator[Finding]:
    """Labels that `RoIHeads.forward` refuses; boxes of any numbers become floats as they scale."""
    if hasattr(model, "roi_heads") and labels.dtype != torch.int64:
        dtype = str(labels.dtype).removeprefix("torch.")
        yield Finding("labels-dtype", {"where": f"{where}['labels']", "dtype": dtype})


def _of_extras(
    model: Any, image: Tensor, target: Mapping[str, Any], where: str
) -> Iterator[Finding]:
    """Masks and keypoints, of a model that is trained on them."""
    heads = getattr(model, "roi_heads", None)
    if heads is None or not model.training:
        return
    if heads.has_keypoint() and "keypoints" not in target:
        yield Finding("keypoints-missing", {"where": where, "model": type(model).__name__})
    if not heads.has_mask():
        return
    masks = target.get("masks")
    expected = [len(target["boxes"]), *image.shape[-2:]]
    if masks is None:
        yield Finding("masks-missing", {"where": where, "model": type(model).__name__})
    elif list(masks.shape) != expected:
        facts = {"shape": str(list(masks.shape)), "expected": str(expected)}
        yield Finding("masks-shape", {"where": f"{where}['masks']", **facts})


def _has_background(model: nn.Module) -> bool:
    """Whether label 0 is the background's: not where each class has a sigmoid of its own."""
    head = getattr(model, "head", None)
    return not hasattr(getattr(head, "classification_head", None), "cls_logits")
