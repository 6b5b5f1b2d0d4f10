"""Why weights do not fit a model: names and shapes that differ, grouped into their causes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tracer.numbers import dims
from tracer.rcnn.findings import Finding

Weights = Mapping[str, Any]  # tensors or whatever has a shape, by dotted name

_CLASSES = re.compile(
    r"(box_predictor\.(cls_score|bbox_pred)|mask_predictor\.mask_fcn_logits"
    r"|classification_head\.(cls_logits|module_list\.\d+(\.1)?))\.(weight|bias)$"
)
_ANCHORS = re.compile(r"rpn\.head\.(cls_logits|bbox_pred)\.(weight|bias)$")
# Blocks per layer of torchvision's ResNets, and whether they are bottlenecks.
_RESNETS = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}
# The parts that tell torchvision's detectors apart; the first that a model has names it.
_FAMILIES = {
    "roi_heads.mask_predictor.": "Mask R-CNN",
    "roi_heads.keypoint_predictor.": "Keypoint R-CNN",
    "roi_heads.": "Faster R-CNN",
    "head.regression_head.bbox_ctrness.": "FCOS",
    "head.classification_head.module_list.": "SSD",
    "head.classification_head.": "RetinaNet",
}


def under(weights: Weights, names: Collection[str]) -> Weights:
    """Return what a checkpoint has for a model with these names, whatever stands before them.

    Wrappers put the model's names beneath their own (``module.``, ``model.``, ``ema.module.``):
    the prefix is taken off beneath which most of the names are found, and what lies elsewhere
    is left out.
    """
    known = set(names)
    found = Counter(name[:at] for name in weights for at in _starts(name) if name[at:] in known)
    prefix = max(found, key=lambda p: (found[p], -len(p)), default="")
    return {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}


def _starts(name: str) -> Iterator[int]:
    """Where a dotted name or a part of it begins."""
    yield 0
    yield from (at + 1 for at, char in enumerate(name) if char == ".")


def reshaped(weights: Weights, own: Weights) -> list[str]:
    """Return the names that both have, with different shapes."""
    return [n for n, w in weights.items() if n in own and w.shape != own[n].shape]


def causes(
    weights: Weights, own: Weights, missing: Sequence[str], unexpected: Sequence[str]
) -> tuple[Finding, ...]:
    """Group what does not fit into causes.

    Args:
        weights: the checkpoint's.
        own: the model's.
        missing: what the checkpoint lacks.
        unexpected: what the model has no place for.

    Returns:
        The causes, the most telling first; nothing if everything fits.
    """
    if missing and _is_classifier(weights) and not _is_classifier(own):
        return (Finding("weights-backbone-only", {"backbone": _resnet(weights, "") or "?"}),)
    odd = dict.fromkeys((*reshaped(weights, own), *missing, *unexpected))
    found = []
    for cause in (_family, _backbone, _classes, _anchors, _rest):
        claimed, finding = cause(weights, own, list(odd))
        if finding is not None:
            found.append(finding)
        odd = {name: None for name in odd if name not in set(claimed)}
    return tuple(found)


_Claim = tuple[Sequence[str], Finding | None]


def _family(weights: Weights, own: Weights, odd: Sequence[str]) -> _Claim:
    there, here = (_family_of(each) for each in (weights, own))
    heads = [name for name in odd if not name.startswith("backbone.")]
    if not heads or "" in (there, here) or there == here:
        return (), None
    return heads, Finding("weights-detector", {"there": there, "here": here})


def _family_of(weights: Weights) -> str:
    return next((f for p, f in _FAMILIES.items() if any(n.startswith(p) for n in weights)), "")


def _backbone(weights: Weights, own: Weights, odd: Sequence[str]) -> _Claim:
    names = [name for name in odd if name.startswith("backbone.")]
    if not names:
        return (), None
    there, here = (_resnet(each, "backbone.body.") for each in (weights, own))
    facts = {"count": len(names), "first": _difference(names[0], weights, own)}
    if there != here and there and here:
        return names, Finding("weights-resnet", facts | {"there": there, "here": here})
    return names, Finding("weights-backbone", facts)


def _resnet(weights: Weights, prefix: str) -> str:
    """Return which of torchvision's plain ResNets lies beneath a prefix, if one does."""
    blocks: list[set[str]] = [set(), set(), set(), set()]
    for name in weights:
        parts = name.removeprefix(prefix).split(".")
        if name.startswith(prefix) and re.fullmatch("layer[1-4]", parts[0]):
            blocks[int(parts[0][-1]) - 1].add(parts[1])
    bottleneck = f"{prefix}layer1.0.conv3.weight" in weights
    a, b, c, d = map(len, blocks)
    found = _RESNETS.get(((a, b, c, d), bottleneck), "")
    first = weights.get(f"{prefix}layer1.0.conv2.weight")
    plain = first is not None and tuple(first.shape[:2]) == (64, 64)
    return found if plain else ""


def _is_classifier(weights: Weights) -> bool:
    """Whether these are the weights of a network for whole images, as backbones are trained."""
    return not any(name.startswith("backbone.") for name in weights) and any(
        name in weights for name in ("fc.weight", "conv1.weight", "classifier.0.weight")
    )


def _classes(weights: Weights, own: Weights, odd: Sequence[str]) -> _Claim:
    names = [n for n in odd if _CLASSES.search(n) and n in weights and n in own]
    if not names:
        return (), None
    first = names[0]
    facts = {
        "layer": first.rpartition(".")[0],
        "there": weights[first].shape[0],
        "here": own[first].shape[0],
    }
    return names, Finding("weights-classes", facts)


def _anchors(weights: Weights, own: Weights, odd: Sequence[str]) -> _Claim:
    names = [n for n in odd if _ANCHORS.search(n) and n in weights and n in own]
    if not names:
        return (), None
    rows = [n for n in names if "cls_logits" in n] or names
    facts = {"there": weights[rows[0]].shape[0], "here": own[rows[0]].shape[0]}
    return names, Finding("weights-anchors", facts)


def _rest(weights: Weights, own: Weights, odd: Sequence[str]) -> _Claim:
    if not odd:
        return (), None
    facts = {"count": len(odd), "first": _difference(odd[0], weights, own)}
    return odd, Finding("weights-others", facts)


def _difference(name: str, weights: Weights, own: Weights) -> str:
    """Return a name and its shapes, in signs: ``fc.weight 5×10 ≠ 7×10``; – where it is missing."""
    return f"{name} {_size(weights.get(name))} ≠ {_size(own.get(name))}"


def _size(tensor: Any) -> str:
    return "–" if tensor is None else dims(tensor.shape, "()")
