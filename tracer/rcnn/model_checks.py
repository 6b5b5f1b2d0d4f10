"""A detector's parts, held against each other: what does not fit, what lets nothing through.

Nothing runs and nothing is changed. Parts are read by torchvision's names for them; of a part of
another make that has none of these, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log2
from typing import Any

from tracer.numbers import dims
from tracer.rcnn.classes import classes_of
from tracer.rcnn.findings import Finding

Maps = Mapping[str, Sequence[int]]
"""The shapes [N, C, H, W] of the maps that a backbone returns, by their names."""


def of_model(model: Any, maps: Maps | None = None, channels: int = 0) -> Iterator[Finding]:
    """Find what of a detector does not fit, in the order in which a pass comes to it.

    Args:
        model: a detector of torchvision's, as it stands.
        maps: what its backbone returns, if that is known.
        channels: of the pictures; 0 if none are known.
    """
    yield from _transform(model, channels)
    if maps:
        yield from _channels(model, maps)
        yield from _levels(model, maps)
    yield from _anchors(model)
    yield from _rpn_limits(model)
    if hasattr(model, "roi_heads"):
        yield from _pooling(model.roi_heads, maps)
        said = getattr(model.backbone, "out_channels", None)
        fitting = maps and all(shape[1] == said for shape in maps.values())
        yield from _box_head(model.roi_heads, maps if fitting else None)
        yield from _predictors(model)
    yield from _limits(model)
    yield from _norms(model)
    if model.training:
        yield from _frozen(model)


def of_batch(model: Any, images: int) -> Iterator[Finding]:
    """Find batch norms that are trained on so few pictures that their statistics are noise.

    Args:
        model: a detector.
        images: how many of them one pass gets.
    """
    kinds = ("BatchNorm2d", "SyncBatchNorm")
    norms = [
        name for name, each in model.named_modules()
        if type(each).__name__ in kinds and each.training
    ]  # fmt: skip
    if model.training and norms and images <= 2:
        facts = {"count": len(norms), "first": norms[0], "images": images}
        yield Finding("norm-batch", facts, "warning")


def at(model: Any, path: str) -> Any:
    """Return the attribute of attributes that a dotted path names; None where one is missing."""
    for name in path.split("."):
        model = getattr(model, name, None)
    return model


# --- the transform and the backbone ---------------------------------------------------------------


def _transform(model: Any, channels: int) -> Iterator[Finding]:
    transform = model.transform
    mean, std = list(transform.image_mean), list(transform.image_std)
    if len(mean) != len(std) and 1 not in (len(mean), len(std)):
        yield Finding("mean-std", {"means": len(mean), "stds": len(std)})
    if 0 in std:
        yield Finding("std-zero", {"std": _listed(std)})
    if max(transform.min_size) > transform.max_size and transform.fixed_size is None:
        sizes = {"min_size": max(transform.min_size), "max_size": transform.max_size}
        yield Finding("sizes-crossed", sizes, "warning")
    first = _first(model.backbone, ("in_channels",))
    found = max(len(mean), len(std), channels)
    if first is not None and first[1].in_channels <= 16 and first[1].in_channels != found:
        facts = {"layer": f"backbone.{first[0]}", "expected": first[1].in_channels}
        yield Finding("backbone-channels", {**facts, "found": found})


def _channels(model: Any, maps: Maps) -> Iterator[Finding]:
    """How many channels the maps have, and how many are expected of them; SSD takes any."""
    if at(model, "head.classification_head.module_list") is not None:
        return
    counts = {name: shape[1] for name, shape in maps.items()}
    count = next(iter(counts.values()))
    listed = ", ".join(f"{name}: {n}" for name, n in counts.items())
    if len(set(counts.values())) > 1:
        yield Finding("maps-channels", {"maps": listed})
        return
    said = getattr(model.backbone, "out_channels", None)
    if said not in (None, count):
        yield Finding("out-channels", {"said": said, "found": count})
    for name in ("rpn.head", "head.classification_head"):
        layer = _first(at(model, name), ("in_channels",))
        if layer is not None and layer[1].in_channels != count and said in (None, count):
            facts = {"layer": f"{name}.{layer[0]}", "expected": layer[1].in_channels}
            yield Finding("head-channels", {**facts, "found": count})


def _first(module: Any, sizes: Iterable[str]) -> tuple[str, Any] | None:
    """Return the first layer of a part that has one of these attributes, and its name in it."""
    layers = module.named_modules() if hasattr(module, "named_modules") else ()
    return next((pair for pair in layers if any(hasattr(pair[1], s) for s in sizes)), None)


# --- anchors --------------------------------------------------------------------------------------


def generator_of(model: Any) -> Any:
    """Return what makes a detector's anchors, if it is torchvision's ``AnchorGenerator``."""
    found = at(model, "rpn.anchor_generator") or getattr(model, "anchor_generator", None)
    return found if hasattr(found, "sizes") and hasattr(found, "aspect_ratios") else None


def _levels(model: Any, maps: Maps) -> Iterator[Finding]:
    generator = generator_of(model)
    if generator is None:
        return
    levels = min(len(generator.sizes), len(generator.aspect_ratios))
    if levels != len(maps) and len(generator.sizes) == len(generator.aspect_ratios):
        facts = {"maps": len(maps), "names": ", ".join(maps), "levels": levels}
        yield Finding("anchors-levels", {**facts, "sizes": str(generator.sizes)})


def _anchors(model: Any) -> Iterator[Finding]:
    """Sizes against aspect ratios, and both against what the head predicts for each cell."""
    generator = generator_of(model)
    if generator is None:
        return
    sizes, ratios = len(generator.sizes), len(generator.aspect_ratios)
    if sizes != ratios:
        yield Finding("anchors-ratios", {"sizes": sizes, "ratios": ratios})
    per_cell = generator.num_anchors_per_location()
    if len(set(per_cell)) > 1:
        yield Finding("anchors-uneven", {"counts": _listed(per_cell)})
        return
    scores, deltas = _predicted(model)
    if scores not in (None, per_cell[0]):
        yield Finding("head-anchors", {"found": scores, "expected": per_cell[0]})
    elif deltas not in (None, 4 * per_cell[0]):
        yield Finding("head-deltas", {"found": deltas, "expected": 4 * per_cell[0]})


def _predicted(model: Any) -> tuple[int | None, int | None]:
    """How many scores and deltas the head predicts for each cell; one score an anchor."""
    if hasattr(model, "rpn"):
        found = [at(model, f"rpn.head.{name}.out_channels") for name in ("cls_logits", "bbox_pred")]
        return found[0], found[1]
    head = at(model, "head.classification_head")
    deltas = at(model, "head.regression_head.bbox_reg.out_channels")
    return getattr(head, "num_anchors", None), deltas


def _rpn_limits(model: Any) -> Iterator[Finding]:
    rpn = getattr(model, "rpn", None)
    if rpn is None:
        return
    if (rpn.score_thresh or 0) >= 1:
        yield Finding("threshold-rpn", {"threshold": rpn.score_thresh})
    for option, limits in (("pre", rpn._pre_nms_top_n), ("post", rpn._post_nms_top_n)):
        for mode, limit in limits.items():
            if limit < 1:
                name = f"rpn_{option}_nms_top_n_{mode.removesuffix('ing')}"
                yield Finding("limit-proposals", {"option": name, "limit": limit})
    yield from _sampled("positives-anchors", "rpn", rpn)


def _sampled(kind: str, part: str, module: Any) -> Iterator[Finding]:
    """Whether a sampler and a matcher can choose a positive."""
    sampler, matcher = module.fg_bg_sampler, module.proposal_matcher
    positives = int(sampler.batch_size_per_image * sampler.positive_fraction)
    if positives < 1:
        yield Finding(kind, {
            "option": f"{part}_batch_size_per_image × {part}_positive_fraction",
            "value": f"{sampler.batch_size_per_image} × {sampler.positive_fraction:g}",
        })  # fmt: skip
    elif matcher.high_threshold > 1:
        value = f"{matcher.high_threshold:g}"
        yield Finding(kind, {"option": f"{part}_fg_iou_thresh", "value": value})


# --- the second stage -----------------------------------------------------------------------------

_EXTRA = ("pool", "p6", "p7")  # maps on top of a pyramid, which nothing is pooled from


def _pooling(heads: Any, maps: Maps | None) -> Iterator[Finding]:
    names = getattr(heads.box_roi_pool, "featmap_names", None)
    if not maps or names is None:
        return
    asked, there = ", ".join(map(repr, names)), ", ".join(map(repr, maps))
    known = [name for name in maps if name in names]
    facts = {"asked": asked, "there": there}
    if not known:
        yield Finding("pool-names", facts)
    lost = [name for name in maps if name not in (*names, *_EXTRA)]
    if known and lost and len(known) < len(names):
        yield Finding("pool-some", {**facts, "lost": ", ".join(map(repr, lost))}, "warning")
    yield from _pooled_levels({name: maps[name] for name in known})


def _pooled_levels(maps: Maps) -> Iterator[Finding]:
    """Levels that boxes are assigned to between the first map and the last, and maps for them."""
    heights = [shape[2] for shape in maps.values()]
    if len(heights) < 2 or not all(heights):
        return
    facts = {"maps": len(heights), "sizes": ", ".join(dims(s[2:]) for s in maps.values())}
    levels = round(log2(heights[0] / heights[-1])) + 1
    if levels < 1:
        yield Finding("pool-order", facts, "warning")
    elif levels > len(heights):
        yield Finding("pool-levels", {**facts, "levels": levels}, "warning")


def _box_head(heads: Any, maps: Maps | None) -> Iterator[Finding]:
    """What the pooler gives against what the head takes, and that of the predictor likewise."""
    first = _first(heads.box_head, ("in_features", "in_channels"))
    size = getattr(heads.box_roi_pool, "output_size", None)
    if maps and first is not None and size is not None:
        channels = next(iter(maps.values()))[1]
        flat = channels * size[0] * size[1]
        inputs = getattr(first[1], "in_features", None)
        fitting = {flat, channels} if inputs is not None else {channels}
        found = inputs if inputs is not None else first[1].in_channels
        if found not in fitting:
            pooled = f"{channels}×{size[0]}×{size[1]}"
            facts = {"layer": f"roi_heads.box_head.{first[0]}", "inputs": found, "pooled": pooled}
            yield Finding("box-head-inputs", {**facts, "count": flat if inputs else channels})
    linear = [each for each in heads.box_head.modules() if hasattr(each, "out_features")]
    for name in ("cls_score", "bbox_pred"):
        inputs = at(heads, f"box_predictor.{name}.in_features")
        if linear and inputs not in (None, linear[-1].out_features):
            facts = {"layer": f"roi_heads.box_predictor.{name}", "inputs": inputs}
            yield Finding("predictor-inputs", {**facts, "outputs": linear[-1].out_features})
            return


def _predictors(model: Any) -> Iterator[Finding]:
    heads, classes = model.roi_heads, classes_of(model)
    deltas = at(heads, "box_predictor.bbox_pred.out_features")
    if classes is None:
        return
    if classes < 2:
        yield Finding("classes-one", {"classes": classes})
    if deltas not in (None, 4 * classes):
        yield Finding("predictor-outputs", {"deltas": deltas, "classes": classes})
    masks = at(heads, "mask_predictor.mask_fcn_logits.out_channels")
    if masks not in (None, classes):
        yield Finding("mask-classes", {"masks": masks, "classes": classes})
    names = getattr(model, "classes", None)
    if isinstance(names, (list, tuple)) and len(names) != classes:
        yield Finding("classes-names", {"names": len(names), "classes": classes}, "warning")


def _limits(model: Any) -> Iterator[Finding]:
    """What is left of detections: by both stages' heads, or by those of one stage."""
    heads = getattr(model, "roi_heads", None)
    part, prefix = (heads, "box_") if heads is not None else (model, "")
    names = ("score_thresh", "nms_thresh", "detections_per_img")
    score, overlap, limit = (getattr(part, name, None) for name in names)
    if score is not None and score >= 1:
        yield Finding("threshold-score", {"option": f"{prefix}score_thresh", "threshold": score})
    if limit is not None and limit < 1:
        yield Finding("limit-detections", {"option": f"{prefix}detections_per_img", "limit": limit})
    if overlap is not None and overlap >= 1:
        facts = {"option": f"{prefix}nms_thresh", "threshold": overlap}
        yield Finding("nms-never", facts, "warning")
    if heads is not None:
        yield from _sampled("positives-rois", "box", heads)


# --- what is trained ------------------------------------------------------------------------------


def _norms(model: Any) -> Iterator[Finding]:
    """Frozen norms that hold what they were built with: they norm nothing, and never will."""
    norms = {
        name: each
        for name, each in model.named_modules()
        if type(each).__name__ == "FrozenBatchNorm2d" and each.weight.device.type != "meta"
    }
    untouched = [name for name, each in norms.items() if _is_untouched(each)]
    if untouched and len(untouched) == len(norms):
        facts = {"count": len(untouched), "first": untouched[0]}
        yield Finding("norm-untouched", facts, "warning")


def _is_untouched(norm: Any) -> bool:
    ones, zeros = (norm.weight, norm.running_var), (norm.bias, norm.running_mean)
    return all(bool((t == 1).all()) for t in ones) and all(bool((t == 0).all()) for t in zeros)


_LAST: tuple[str, ...] = (
    *("roi_heads.box_predictor", "rpn.head", "roi_heads.mask_predictor"),
    *("roi_heads.keypoint_predictor", "head.classification_head", "head.regression_head"),
)


def _frozen(model: Any) -> Iterator[Finding]:
    """What cannot learn, of a model in training mode."""
    parameters = list(model.parameters())
    if parameters and not any(p.requires_grad for p in parameters):
        yield Finding("frozen-all", {"count": len(parameters)})
        return
    for name in _LAST:
        own = list(at(model, name).parameters()) if at(model, name) is not None else []
        if own and not any(p.requires_grad for p in own):
            yield Finding("frozen-head", {"part": name, "count": len(own)}, "warning")
            return


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(f"{value:g}" for value in values)
