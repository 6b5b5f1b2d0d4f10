"""Which stage of Faster R-CNN a call belongs to, by the names that torchvision gives its parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tracer.record import Module

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


def detector_at(modules: Collection[str]) -> str | None:
    """The dotted prefix of the part that is a torchvision detector; ``""`` for the root itself.

    Args:
        modules: the paths of a model's modules.
    """
    for path in modules:
        where = path.removesuffix("transform")
        if path == f"{where}transform" and f"{where}backbone" in modules:
            return where
    return None


def patterns(modules: Mapping[str, Module], kind: str) -> Sequence[tuple[str, str]] | None:
    """Return what names the stages of a detector (`Domain.stage_patterns`); None where none is.

    Args:
        modules: of the traced model, by path.
        kind: ``"pass"`` or ``"construction"``.
    """
    if kind == "construction":
        return _CONSTRUCTION
    where = detector_at(modules)
    if where is None:
        return None
    has_resnet = f"{where}backbone.body.layer1" in modules
    known = _PASS if has_resnet else (*_PASS, ("backbone", "body"))
    return [(p if p[0] == "*" or ":" in p else where + p, name) for p, name in known]
