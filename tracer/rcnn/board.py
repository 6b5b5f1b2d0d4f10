"""What a teacher writes on the board: the sizes and counts of one pass, read out of a Trace.

Everything is taken from the arguments and results of torchvision's own modules and functions, by
the names that it gives them. What only functions know (top-k, NMS, which level a box is pooled
from) is missing where the function grain was not recorded; `Board.missing` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log2

from tracer.errors import MissingError
from tracer.rcnn.anatomy.features import numbered
from tracer.rcnn.anatomy.reading import Pass, batch_of, find_pass, fitting, passes
from tracer.record import Call, Trace, Value

Shape = tuple[int, ...]
Size = tuple[int, int]

NOT_MAPS = ("transform", "roi_heads", "postprocess", "losses")
"""Stages whose four-dimensional tensors are not maps of the padded image."""

FUNCTION_STEPS = ("top_k", "clipped", "rpn_nms", "samples", "roi_levels", "candidates", "nms")
"""Steps that are functions in torchvision, not modules."""


@dataclass(frozen=True, slots=True)
class Map:
    """One feature map.

    Attributes:
        name: ``"C1"``…``"C5"``, ``"P2"``…``"P7"``, or ``"features 0"`` by its key.
        place: the module that made it, or its key in the backbone's result.
        shape: [N, C, H, W].
        stride: pixels of the padded batch per cell; None if the sizes do not tell.
        kind: ``"stage"`` of a backbone's body, ``"level"`` of a pyramid, or ``"map"`` of a backbone
            without one.
    """

    name: str
    place: str
    shape: Shape
    stride: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Step:
    """How many boxes there are after one step.

    Attributes:
        name: ``"anchors"``; ``"top_k"`` by objectness; ``"clipped"`` to the image, small and
            low-scoring ones removed; ``"rpn_nms"``; ``"proposals"``; ``"rois"``, the boxes that
            are pooled; ``"candidates"``, one box per proposal and class, low scores removed;
            ``"nms"``; ``"detections"``. In training ``"anchor_samples"``,
            ``"positive_anchors"``, ``"samples"`` and ``"positives"`` of the proposals.
        images: how many, per image.
        levels: (level's name, how many); for anchors and top-k of one image, for RoIs of all.
        limit: the threshold or the number that the step keeps to, None if not known.
    """

    name: str
    images: tuple[int, ...]
    levels: tuple[tuple[str, int], ...] = ()
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """The sizes and counts of one pass of a torchvision detector.

    Sizes are (height, width) in pixels.

    Attributes:
        images: of each image as it came.
        resized: of each image after `transform`.
        batch: [N, C, H, W], all images padded to one size.
        stages: C1…C5, as far as the backbone has them.
        features: what the backbone returned, P2…P6 of a pyramid.
        steps: from the anchors to the detections.
        heads: what the RoI heads work on: (module, shapes of its result).
        losses: (name, value), in training.
        missing: the names of steps that only the function grain could tell.
    """

    images: tuple[Size, ...]
    resized: tuple[Size, ...]
    batch: Shape
    stages: tuple[Map, ...] = ()
    features: tuple[Map, ...] = ()
    steps: tuple[Step, ...] = ()
    heads: tuple[tuple[str, tuple[Shape, ...]], ...] = ()
    losses: tuple[tuple[str, float], ...] = ()
    missing: tuple[str, ...] = ()


def read_board(trace: Trace, nth: int = 0) -> Board | None:
    """Return the board of a recorded pass, or None if it is not of a torchvision detector.

    Args:
        trace: the recording.
        nth: which of the passes in it, from 0.

    Raises:
        MissingError: it has passes, but not so many, or it does not fit together.
    """
    found = passes(trace)
    if not found:
        return None
    if not 0 <= nth < len(found):
        raise MissingError(f"there is no pass {nth}: the recording has 0 to {len(found) - 1}")
    run = find_pass(trace, nth)
    with fitting("the pass"):
        return _read(run)


def _read(run: Pass) -> Board:
    features = _features(run)
    steps = tuple(_steps(run, [level.name for level in features]))
    return Board(
        images=tuple(_original(run)),
        resized=tuple(_resized(run)),
        batch=_batch(run),
        stages=tuple(_stages(run)),
        features=features,
        steps=steps,
        heads=tuple(_heads(run)),
        losses=tuple(_losses(run)),
        missing=_missing(run, {step.name for step in steps}),
    )


def _batch(run: Pass) -> Shape:
    """[N, C, H, W] of the padded batch."""
    return run.shapes(batch_of(run.transform))[0]


def _stride(run: Pass, shape: Shape) -> int | None:
    """The stride of a feature map in pixels of the padded batch."""
    return _map_stride(shape, _batch(run))


def _method(run: Pass, name: str, within: Call | None) -> Call | None:
    """The first call, within a call, of a function or method of this name."""
    return next(iter(run.methods(name, within)), None)


# --- images and maps ------------------------------------------------------------------------------


def _original(run: Pass) -> Iterator[Size]:
    for shape in run.shapes(run.transform.args.get("images")):
        if len(shape) == 3:
            yield shape[1], shape[2]


def _resized(run: Pass) -> Iterator[Size]:
    """Read `image_sizes` of the transform's ImageList."""
    assert run.transform.result is not None
    sizes = run.transform.result[0].get("image_sizes")
    for _, size in sizes.items if sizes is not None else ():
        whole = [_whole(leaf) for _, leaf in size.leaves()]
        if len(whole) == 2:
            yield whole[0] or 0, whole[1] or 0


def _stages(run: Pass) -> Iterator[Map]:
    """C1 is what the stem's ReLU returns, C2…C5 are what layer1…layer4 do."""
    if run.module("backbone.body.layer1") is not None:
        for i, part in enumerate(("relu", "layer1", "layer2", "layer3", "layer4")):
            call = run.module(f"backbone.body.{part}")
            for shape in run.shapes(call.result if call is not None else None):
                yield Map(f"C{i + 1}", part, shape, _stride(run, shape), "stage")
        return
    yield from _maps(run, run.module("backbone.body"), "C", "stage")


def _features(run: Pass) -> tuple[Map, ...]:
    """What the backbone returns: P2…P6 of a pyramid, and of whatever an RPN looks at."""
    kind = "level" if run.module("backbone.fpn") is not None else "map"
    letter = "P" if kind == "level" or run.module("rpn") is not None else ""
    return tuple(_maps(run, run.module("backbone"), letter, kind))


def _maps(run: Pass, call: Call | None, letter: str, kind: str) -> Iterator[Map]:
    """Yield the maps that a call returned, called by a letter and their level, or by their keys."""
    found = _named(run, call)
    keys = [key for key, _ in found]
    strides = [_stride(run, shape) for _, shape in found]
    names = _names(strides if letter else [], keys, letter)
    for name, (key, shape), stride in zip(names, found, strides, strict=True):
        yield Map(name, key, shape, stride, kind)


def _named(run: Pass, call: Call | None) -> list[tuple[str, Shape]]:
    """Return (key, shape) of the maps in a call's result; a single one is ``"0"``."""
    if call is None or call.result is None:
        return []
    leaves = ((path, leaf) for path, leaf in call.result.leaves() if leaf.tensor is not None)
    return [(path or "0", run.shape(leaf)) for path, leaf in leaves]


def _names(strides: list[int | None], keys: list[str], letter: str) -> list[str]:
    """``[4, 8, 16, 32, 64]`` → P2…P6; equal ones are told apart by a letter, ``P5a``, ``P5b``.

    Maps of a cell or two have no stride that their size would tell: they are counted on.
    """
    if not strides or strides[0] is None:
        return [f"features {key}" for key in keys]
    found = [int(log2(strides[0]))]
    for stride in strides[1:]:
        found.append(int(log2(stride)) if stride else found[-1] + 1)
    return numbered(letter, found)


# --- from anchors to detections -------------------------------------------------------------------


def _steps(run: Pass, levels: list[str]) -> Iterator[Step]:
    """Yield the steps that are known, in the order in which they run."""
    generator = run.module("rpn.anchor_generator") or run.module("anchor_generator")
    if generator is not None:
        per_level = zip(levels, _anchors_per_level(run, generator), strict=False)
        yield Step("anchors", run.lengths(generator.result), tuple(per_level))
    rpn, heads = run.module("rpn"), run.module("roi_heads")
    if rpn is not None:
        yield from _proposing(run, rpn, levels)
    if heads is not None:
        yield from _sampling(run, heads)
        yield from _pooling(run, levels)
    yield from _detecting(run)


def _anchors_per_level(run: Pass, generator: Call) -> tuple[int, ...]:
    """Per level from `grid_anchors`, or from the sizes of the objectness maps [N, A, H, W]."""
    grid = _method(run, "grid_anchors", generator)
    if grid is not None:
        return run.lengths(grid.result)
    head = run.module("rpn.head")
    objectness = head.result.get(0) if head is not None and head.result is not None else None
    return tuple(a * h * w for _, a, h, w in run.shapes(objectness))


def _proposing(run: Pass, rpn: Call, levels: list[str]) -> Iterator[Step]:
    choosing = _method(run, "_get_top_n_idx", rpn)
    if choosing is not None:
        ks = [_whole(call.result) or 0 for call in run.methods("_topk_min", choosing)]
        images = (run.shapes(choosing.result)[0][1],) * _batch(run)[0]
        limit = _whole(_result(_method(run, "pre_nms_top_n", rpn)))
        yield Step("top_k", images, tuple(zip(levels, ks, strict=False)), limit)
    yield from _suppressing(run, _method(run, "filter_proposals", rpn), "clipped", "rpn_nms")
    if rpn.result is not None:
        limit = _whole(_result(_method(run, "post_nms_top_n", rpn)))
        yield Step("proposals", run.lengths(rpn.result.get(0)), limit=limit)
    yield from _sampled(run, _method(run, "compute_loss", rpn))


def _suppressing(run: Pass, around: Call | None, before: str, after: str) -> Iterator[Step]:
    """Yield how many boxes went into the NMS of each image, and how many came out."""
    calls = run.methods("batched_nms", around)
    if calls:
        scores = _attribute(around, "score_thresh")
        into = tuple(n for call in calls for n in run.lengths(call.args.get("boxes")))
        out = tuple(n for call in calls for n in run.lengths(call.result))
        yield Step(before, into, limit=scores)
        yield Step(after, out, limit=_number(calls[0].args.get("iou_threshold")))


def _sampled(run: Pass, around: Call | None) -> Iterator[Step]:
    """Yield the anchors that the RPN's losses look at: the sampler's two lists of 0/1 masks."""
    sampler = _method(run, "__call__", around)
    if sampler is None or sampler.result is None or len(sampler.result.items) != 2:
        return
    positive, negative = (_ones(run, masks) for _, masks in sampler.result.items)
    if positive and len(positive) == len(negative):
        both = tuple(p + n for p, n in zip(positive, negative, strict=True))
        yield Step("anchor_samples", both)
        yield Step("positive_anchors", positive)


def _ones(run: Pass, masks: Value) -> tuple[int, ...]:
    found = run.summaries(masks)
    if any(summary.mean is None for summary in found):
        return ()
    return tuple(round((summary.mean or 0) * summary.numel) for summary in found)


def _sampling(run: Pass, heads: Call) -> Iterator[Step]:
    """Yield the proposals chosen for training; label 0 is the background."""
    chosen = _method(run, "select_training_samples", heads)
    if chosen is None or chosen.result is None:
        return
    yield Step("samples", run.lengths(chosen.result.get(0)))
    found = run.summaries(chosen.result.get(2))
    if all(s.zeros is not None for s in found):
        yield Step("positives", tuple(round((1 - (s.zeros or 0)) * s.numel) for s in found))


def _pooling(run: Pass, levels: list[str]) -> Iterator[Step]:
    """Yield the pooled boxes; `roi_align` runs once per level, on the boxes that belong to it."""
    pooler = run.module("roi_heads.box_roi_pool")
    if pooler is not None:
        aligned = run.methods("roi_align", pooler)
        per_level = [n for call in aligned for n in run.lengths(call.args.get("boxes"))]
        names = _pooled_levels(run, aligned, levels)
        images = run.lengths(pooler.args.get("boxes"))
        yield Step("rois", images, tuple(zip(names, per_level, strict=False)))


def _pooled_levels(run: Pass, aligned: list[Call], levels: list[str]) -> list[str]:
    """Name the map that each `roi_align` read: the pyramid's level with that very tensor."""
    backbone = run.module("backbone")
    states = list(backbone.result.tensors()) if backbone and backbone.result else []
    names = dict(zip(states, levels, strict=False))
    inputs = [next(iter(call.args.tensors()), -1) for call in aligned]
    return [names.get(state, str(i)) for i, state in enumerate(inputs)]


def _detecting(run: Pass) -> Iterator[Step]:
    around = _method(run, "postprocess_detections", run.model)
    yield from _suppressing(run, around, "candidates", "nms")
    result = run.model.result
    if result is not None and result.kind == "sequence" and run.model is not run.transform:
        boxes = [image.get("boxes") for _, image in result.items]
        if all(box is not None for box in boxes):
            images = tuple(n for box in boxes for n in run.lengths(box))
            yield Step("detections", images, limit=_attribute(around, "detections_per_img"))


def _heads(run: Pass) -> Iterator[tuple[str, tuple[Shape, ...]]]:
    names = (
        *("box_roi_pool", "box_head", "box_predictor", "mask_roi_pool", "mask_head"),
        *("mask_predictor", "keypoint_roi_pool", "keypoint_head", "keypoint_predictor"),
    )
    for name in names:
        call = run.module(f"roi_heads.{name}")
        if call is not None and call.result is not None:
            yield name, tuple(run.shapes(call.result))


def _losses(run: Pass) -> Iterator[tuple[str, float]]:
    result = run.model.result
    if result is not None and result.kind == "mapping":
        for name, leaf in result.leaves():
            summary = run.trace.tensors[leaf.tensor].summary if leaf.tensor is not None else None
            if summary is not None and summary.numel == 1:
                yield name, float("nan") if summary.mean is None else summary.mean


def _missing(run: Pass, known: set[str]) -> tuple[str, ...]:
    if "function" in run.trace.settings.grains or run.module("roi_heads") is None:
        return ()
    training = any(True for _ in _losses(run))
    unwanted = {"candidates", "nms"} if training else {"samples"}
    return tuple(step for step in FUNCTION_STEPS if step not in known | unwanted)


# --- small readings -------------------------------------------------------------------------------


def _result(call: Call | None) -> Value | None:
    return call.result if call is not None else None


def _whole(value: Value | None) -> int | None:
    return value.scalar if value is not None and isinstance(value.scalar, int) else None


def _number(value: Value | None) -> float | None:
    return value.scalar if value is not None and isinstance(value.scalar, (int, float)) else None


def _attribute(method: Call | None, name: str) -> float | None:
    """Return a plain attribute of the module that a method belongs to."""
    owner = method.args.get("self") if method is not None else None
    return _number(owner.get(name)) if owner is not None else None


# --- strides --------------------------------------------------------------------------------------


def strides(trace: Trace) -> dict[int, tuple[int, ...]]:
    """Return, by call id, the strides of the feature maps that a call returned.

    Only of calls that work on the padded batch (of another model than a detector: on its first
    argument with four axes), and of ops only where they run in a module of their own: a permuted
    or pooled tensor is no map of the image.
    """
    found: dict[int, tuple[int, ...]] = {}
    batch: Shape | None = None
    since = 0
    for call in trace.calls:
        if call.parent is None:
            batch, since = _first_batch(trace, call), call.start
        elif batch_of(call) is not None:
            batch, since = _tensor_shape(trace, batch_of(call)), call.end
        if batch is not None and call.start >= since and _works_on_maps(trace, call):
            shapes = (trace.tensors[i].summary.shape for i in _results(call))
            known = (_map_stride(shape, batch) for shape in shapes)
            found[call.id] = tuple(dict.fromkeys(stride for stride in known if stride))
    return {id: strides for id, strides in found.items() if strides}


def _works_on_maps(trace: Trace, call: Call) -> bool:
    if call.stage in NOT_MAPS or call.kind == "function":
        return False
    inside = call.parent is not None and trace.calls[call.parent].kind == "module"
    return call.kind == "module" or inside


def _results(call: Call) -> Iterable[int]:
    return call.result.tensors() if call.result is not None else ()


def _first_batch(trace: Trace, call: Call) -> Shape | None:
    shapes = (trace.tensors[state].summary.shape for state in call.args.tensors())
    return next((shape for shape in shapes if len(shape) == 4), None)


def _tensor_shape(trace: Trace, value: Value | None) -> Shape | None:
    return next((trace.tensors[i].summary.shape for i in value.tensors()), None) if value else None


def _map_stride(shape: Shape, batch: Shape) -> int | None:
    if len(shape) != 4 or shape[0] != batch[0]:
        return None
    return stride_of((shape[2], shape[3]), (batch[2], batch[3]))


def stride_of(size: Size, whole: Size) -> int | None:
    """Return how many input pixels lie between neighbours of a feature map, or None.

    Convolutions round sizes up or down and may cut borders off, so that 13×17 of 800×1088 is
    stride 64: that power of two is taken which explains both sizes to less than one cell, or a
    twentieth of the map. Several explain a map of a cell or two.

    Args:
        size: height and width of the feature map.
        whole: height and width of the input, in pixels.
    """
    if min(*size, *whole) < 1:
        return None
    sides = tuple(zip(size, whole, strict=True))
    fitting = [
        stride
        for stride in (2**n for n in range(12))
        if all(abs(w / stride - s) < max(1, s / 20) for s, w in sides)
    ]
    if len(fitting) == 1:
        found: int | None = fitting[0]
        return found
    # Of several that fit, or where no power of two does, only an exact divisor is believed.
    divisors = fitting or {w // s for s, w in sides}
    exact = [stride for stride in divisors if all(w == s * stride for s, w in sides)]
    return exact[0] if exact else None
