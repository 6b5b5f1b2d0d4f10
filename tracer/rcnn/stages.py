"""Which stage of Faster R-CNN a call belongs to, by the names that torchvision gives its parts."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Protocol

from tracer.record import Module, Stage

# The first pattern that matches a call's path decides; calls beneath it follow, unless a pattern
# of their own matches. A "function:" pattern looks at the qualified name of a function.
_PASS = (
    ("function:*.postprocess", "postprocess"),
    ("function:RoIHeads.postprocess_detections", "postprocess"),
    ("function:RoIHeads.select_training_samples", "losses"),
    ("function:RegionProposalNetwork.assign_targets_to_anchors", "losses"),
    ("function:*.compute_loss", "losses"),
    ("function:fastrcnn_loss", "losses"),
    ("function:maskrcnn_loss", "losses"),
    ("function:keypointrcnn_loss", "losses"),
    ("transform", "transform"),
    ("*layer1", "layer1"),
    ("*layer2", "layer2"),
    ("*layer3", "layer3"),
    ("*layer4", "layer4"),
    ("*fpn", "fpn"),
    ("*backbone.body.conv1", "stem"),
    ("*backbone.body.bn1", "stem"),
    ("*backbone.body.relu", "stem"),
    ("*backbone.body.maxpool", "stem"),
    ("rpn", "rpn"),
    ("roi_heads", "roi_heads"),
    ("anchor_generator", "anchors"),
    ("head", "head"),
)
_CONSTRUCTION = (
    ("function:*load_state_dict*", "weights"),
    ("function:*_ovewrite_value_param", "weights"),
    ("function:*get_state_dict", "weights"),
    ("function:FeaturePyramidNetwork*", "fpn"),
    ("function:BackboneWithFPN*", "fpn"),
    ("function:LastLevel*", "fpn"),
    ("function:resnet[0-9]*", "body"),
    ("function:resnext*", "body"),
    ("function:wide_resnet*", "body"),
    ("function:mobilenet*", "body"),
    ("function:_resnet", "body"),
    ("function:ResNet*", "body"),
    ("function:IntermediateLayerGetter*", "body"),
    ("function:_validate_trainable_layers", "body"),
    ("function:_resnet_fpn_extractor", "fpn"),
    ("function:AnchorGenerator*", "rpn"),
    ("function:_default_anchorgen", "rpn"),
    ("function:RPNHead*", "rpn"),
    ("function:RegionProposalNetwork*", "rpn"),
    ("function:RoIHeads*", "roi_heads"),
    ("function:MultiScaleRoIAlign*", "roi_heads"),
    ("function:TwoMLPHead*", "roi_heads"),
    ("function:FastRCNNConvFCHead*", "roi_heads"),
    ("function:FastRCNNPredictor*", "roi_heads"),
    ("function:GeneralizedRCNNTransform*", "transform"),
)


class _Named(Protocol):
    """What of a call decides its stage."""

    kind: str
    path: str
    parent: int | None


def assign_stages(
    calls: Sequence[_Named], modules: Mapping[str, Module], kind: str
) -> tuple[tuple[Stage, ...], list[str]]:
    """Find the stage of every call.

    Args:
        calls: in order of their start; a call's number is its index.
        modules: of the traced model, by path.
        kind: ``"pass"`` or ``"construction"``.

    Returns:
        The stages in order of their first call, and each call's stage (``""`` for none).
    """
    patterns = _patterns(modules, kind)
    names: list[str] = []
    outermost: dict[str, list[int]] = {}
    cache: dict[tuple[str, str], str] = {}
    for number, call in enumerate(calls):
        above = names[call.parent] if call.parent is not None else ""
        key = (call.kind, call.path)
        if key not in cache:
            cache[key] = _match(call, patterns)
        name = cache[key] or above
        names.append(name)
        if name and name != above:
            outermost.setdefault(name, []).append(number)
    return tuple(Stage(name, tuple(ids)) for name, ids in outermost.items()), names


def detector_at(modules: Mapping[str, Module]) -> str | None:
    """The dotted prefix of the part that is a torchvision detector; ``""`` for the root itself."""
    for path in modules:
        where = path.removesuffix("transform")
        if path == f"{where}transform" and f"{where}backbone" in modules:
            return where
    return None


def _patterns(modules: Mapping[str, Module], kind: str) -> Sequence[tuple[str, str]]:
    if kind == "construction":
        return _CONSTRUCTION
    where = detector_at(modules)
    if where is not None:
        has_resnet = f"{where}backbone.body.layer1" in modules
        patterns = _PASS if has_resnet else (*_PASS, ("backbone", "body"))
        return [(p if p[0] == "*" or ":" in p else where + p, name) for p, name in patterns]
    root = modules.get("")
    return [(path, name) for name, path in root.children] if root is not None else []


def _match(call: _Named, patterns: Sequence[tuple[str, str]]) -> str:
    if call.kind == "op":
        return ""
    for pattern, name in patterns:
        path = pattern.removeprefix("function:")
        if ("function:" in pattern) != (call.kind == "function"):
            continue
        if fnmatch.fnmatchcase(call.path, path):
            return name
    return ""
