"""Live numbers for the commentary: what a placeholder such as ``{proposals}`` stands for.

A placeholder is the name of a fact (`FACTS`: ``{anchors_per_image}``) or reads the call that is
being explained: ``{args.boxes}``, ``{result.0}``, ``{local.keep}``, with ``.min``, ``.max`` or
``.zeros`` at the end for a tensor's summary; or a number of one object's story: ``{object.class}``
(`tracer.rcnn.stories.numbers`). A tensor reads as its shape. What the trace does not
hold is None, never an error: a sentence of which a number is missing is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tracer.foreign import clean, in_prose
from tracer.languages import Texts, about, listed
from tracer.numbers import count, dims, number
from tracer.rcnn.classes import class_name, names_in
from tracer.rcnn.removed import removed_of
from tracer.rcnn.stories.numbers import number_of
from tracer.record import Call, TensorSummary, Trace, Value

phrase = Texts("explain")
PLACEHOLDER = re.compile(r"\{([a-z][\w.]*)\}")
_SPACE_IN_CHINESE = re.compile("(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
ROOTS = ("args", "result", "local", "object")
_STATISTICS = ("min", "max", "zeros")
_FPN_KEYS = ("0", "1", "2", "3", "pool")


@dataclass(frozen=True)
class Here:
    """The place in a trace that numbers are asked about.

    Attributes:
        trace: the recording.
        call: the call that is being explained, for ``{args…}``, ``{result…}`` and ``{call_macs}``.
        stage: the stage that is being explained, for ``{stage_macs}``.
        lang: the language, for the way that lists and large numbers are written.
        local: the locals of `call` as they stand at the place that is being explained.
    """

    trace: Trace
    call: Call | None = None
    stage: str = ""
    lang: str = "en"
    local: dict[str, Value] = field(default_factory=dict)

    # --- reading the trace ---

    def module(self, path: str) -> Call | None:
        """Return the first call of a module."""
        return next((c for c in self.trace.calls if c.kind == "module" and c.path == path), None)

    def functions(self, name: str) -> list[Call]:
        """Return all calls of a function."""
        return [c for c in self.trace.calls if c.kind == "function" and c.path == name]

    def result(self, path: str, *keys: str | int) -> Value:
        """Return what a module gave back, or a part of it.

        Raises:
            LookupError: it did not run, or gave nothing of that kind.
        """
        call = self.module(path)
        if call is None or call.result is None:
            raise LookupError(path)
        return _part(call.result, keys)

    def summary(self, value: Value) -> TensorSummary:
        """Return the summary of a tensor.

        Raises:
            LookupError: the value is none.
        """
        if value.tensor is None:
            raise LookupError("not a tensor")
        return self.trace.tensors[value.tensor].summary

    def kept(self, value: Value) -> Any:
        """Return a tensor's full values.

        Raises:
            LookupError: the value is no tensor, or they were not kept.
        """
        if value.tensor is None:
            raise LookupError("not a tensor")
        return self.trace.data(value.tensor)

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self.summary(value).shape

    def lengths(self, value: Value) -> list[int]:
        """Return the first size of each tensor in a sequence."""
        return [self.shape(item)[0] for _, item in value.items]

    # --- writing numbers ---

    def listing(self, parts: Iterable[object]) -> str:
        """Join what belongs together, as the language does."""
        return listed(map(_plain, parts), self.lang)

    def large(self, count: int) -> str:
        """Write a large number with a unit word: ``"11.8 billion"``, ``"118 亿"``."""
        for unit in about("large", self.lang).split(" | "):
            size, word = unit.split()
            if count >= float(size):
                number = count / float(size)
                return (f"{number:.3g}" if number < 1000 else f"{number:,.0f}") + f" {word}"
        return f"{count:,}"


def read(name: str, here: Here) -> str | None:
    """Return what a placeholder stands for, or None if the trace does not tell."""
    try:
        if name.split(".")[0] in ROOTS:
            told = _read_value(name.split("."), here)
            return None if told is None else in_prose(told)
        found = FACTS[name](here)
    except (LookupError, StopIteration, ValueError, TypeError, ZeroDivisionError):
        return None
    return None if found is None else in_prose(_plain(found))


def fill(template: str, here: Here, more: Mapping[str, str | None] | None = None) -> str | None:
    """Fill a sentence's placeholders, from `more` first; None if one of them is missing."""
    known = more or {}
    names = PLACEHOLDER.findall(template)
    values = {name: known[name] if name in known else read(name, here) for name in names}
    if any(value is None for value in values.values()):
        return None
    filled = PLACEHOLDER.sub(lambda match: str(values[match[1]]), template)
    return _SPACE_IN_CHINESE.sub("", filled)


def _plain(value: object) -> str:
    return number(value) if isinstance(value, (bool, int, float)) else str(value)


def _part(value: Value, keys: Iterable[str | int]) -> Value:
    for key in keys:
        value = value[key]
    return value


# --- the call at hand -----------------------------------------------------------------------------


def _read_value(parts: list[str], here: Here) -> str | None:
    root, keys = parts[0], parts[1:]
    if root == "object":
        return number_of(here.trace, keys, here.lang)
    statistic = keys.pop() if keys and keys[-1] in _STATISTICS else ""
    value = _part(_start(root, keys, here), keys)
    if statistic:
        return _statistic(here.summary(value), statistic)
    return _show(value, here)


def _start(root: str, keys: list[str], here: Here) -> Value:
    if root == "local":
        return here.local[keys.pop(0)]
    if here.call is None:
        raise LookupError("no call")
    value = here.call.args if root == "args" else here.call.result
    if value is None:
        raise LookupError(root)
    return value


def _statistic(summary: TensorSummary, name: str) -> str | None:
    value = getattr(summary, name)
    if value is None:
        return None
    return f"{value:.0%}" if name == "zeros" else _plain(value)


def _show(value: Value, here: Here) -> str | None:
    if value.tensor is not None:
        shape = here.shape(value)
        return count(shape[0]) if len(shape) == 1 else dims(shape, "1")
    if value.kind == "scalar":
        scalar = value.scalar
        return _plain(scalar) if isinstance(scalar, float) else str(scalar)
    if value.kind == "sequence" and all(v.kind in ("scalar", "sequence") for _, v in value.items):
        inner = [_show(item, here) for _, item in value.items]
        return None if None in inner else f"({', '.join(str(text) for text in inner)})"
    return None


# --- facts: pictures and features -----------------------------------------------------------------


def _given(here: Here) -> list[tuple[int, ...]]:
    call = here.module("transform")
    if call is None:
        raise LookupError("transform")
    return [here.shape(item)[-2:] for _, item in call.args["images"].items]


def _resized(here: Here) -> list[tuple[int, ...]]:
    sizes = here.result("transform", 0, "image_sizes")
    return [tuple(int(str(n.scalar)) for _, n in size.items) for _, size in sizes.items]


def _batch(here: Here) -> tuple[int, ...]:
    return here.shape(here.result("transform", 0, "tensors"))


def _scale_factors(here: Here) -> str:
    pairs = zip(_resized(here), _given(here), strict=True)
    return here.listing(f"{new[0] / old[0]:.3f}" for new, old in pairs)


def _padding_share(here: Here) -> str:
    images, _, height, width = _batch(here)
    used = sum(h * w for h, w in _resized(here))
    return f"{1 - used / (images * height * width):.0%}"


def _divisible(here: Here) -> int:
    """Of what number the batch's sides are multiples."""
    by = here.functions("GeneralizedRCNNTransform.batch_images")[0].args["size_divisible"].scalar
    if not isinstance(by, int):
        raise LookupError("size_divisible")
    return by


def _rounded(axis: int) -> Callable[[Here], str]:
    """A side of the batch as it is worked out: ``"⌈561 / 32⌉ × 32 = 18 × 32 = 576"``."""

    def read_side(here: Here) -> str:
        by, side = _divisible(here), _batch(here)[2 + axis]
        largest = max(size[axis] for size in _resized(here))
        times, rest = divmod(side, by)
        if rest or times != -(-largest // by):
            raise LookupError("another rule")
        return f"⌈{largest} / {by}⌉ × {by} = {times} × {by} = {side}"

    return read_side


def _pyramid(here: Here) -> dict[str, tuple[int, ...]]:
    """The shapes of the backbone's maps by the paper's name (P2…P6), or by their key."""
    value = here.result("backbone")
    if value.tensor is not None:
        return {"": here.shape(value)}
    keys = tuple(key for key, _ in value.items)
    names = [f"P{k}" for k in range(2, 7)] if keys == _FPN_KEYS else [f'"{key}"' for key in keys]
    return {name: here.shape(v) for name, (_, v) in zip(names, value.items, strict=True)}


def _body(key: str) -> Callable[[Here], str]:
    def read_shape(here: Here) -> str:
        if not here.result("backbone").get("3"):  # a body that is no ResNet numbers otherwise
            raise LookupError(key)
        return dims(here.shape(here.result("backbone.body", key)))

    return read_shape


def _strides(here: Here) -> list[str]:
    height, width = _batch(here)[-2:]
    return [dims((height // s[-2], width // s[-1])) for s in _pyramid(here).values()]


# --- facts: a stage of a ResNet ---


def _stage_call(here: Here) -> Call:
    stages = {stage.name: stage for stage in here.trace.stages}
    return here.trace.calls[stages[here.stage].calls[0]]


def _within(here: Here, call: Call) -> list[Call]:
    """The modules that a call ran, without those within them."""
    return [c for c in here.trace.calls if c.parent == call.id and c.kind == "module"]


def _given_to(here: Here, call: Call) -> tuple[int, ...]:
    return here.shape(next(value for _, value in call.args.items if value.tensor is not None))


def _made_by(here: Here, call: Call) -> tuple[int, ...]:
    if call.result is None:
        raise LookupError(call.path)
    return here.shape(call.result)


def _way(here: Here, call: Call) -> str:
    return f"{dims(_given_to(here, call))} → {dims(_made_by(here, call))}"


def _blocks(here: Here) -> str:
    kinds = Counter(block.type for block in _within(here, _stage_call(here)))
    if not kinds:
        raise LookupError("blocks")
    return here.listing(f"{n} × {name}" for name, n in kinds.items())


def _stage_stride(which: Callable[[Here, Call], tuple[int, ...]]) -> Callable[[Here], int]:
    return lambda here: _batch(here)[-2] // which(here, _stage_call(here))[-2]


def _first_block(here: Here) -> Call:
    return _within(here, _stage_call(here))[0]


def _projection(here: Here) -> str:
    """The shortcut's convolution of a stage's first block; none in the others."""
    first, *others = _within(here, _stage_call(here))
    ways = [
        [c for c in _within(here, it) if c.path.endswith(".downsample")] for it in (first, *others)
    ]
    if not ways[0] or any(ways[1:]):
        raise LookupError("downsample")
    return _way(here, ways[0][0])


def _halving(here: Here) -> str:
    """The convolution of a stage's first block, beside the shortcut's, that halves the map."""
    for call in _within(here, _first_block(here)):
        if call.type == "Conv2d" and _given_to(here, call)[-2:] != _made_by(here, call)[-2:]:
            return f"{call.path.rpartition('.')[2]} {_way(here, call)}"
    raise LookupError("stride")


# --- facts: proposals -----------------------------------------------------------------------------


def _anchors_per_level(here: Here) -> list[int]:
    maps = [here.shape(item) for _, item in here.result("rpn.head", 0).items]
    return [a * h * w for _, a, h, w in maps]


def _top_per_level(here: Here) -> str:
    limit = here.functions("RegionProposalNetwork.pre_nms_top_n")[0].result
    if limit is None or not isinstance(limit.scalar, int):
        raise LookupError("limit")
    return here.listing(min(limit.scalar, n) for n in _anchors_per_level(here))


def _rois_per_level(here: Here) -> str:
    pooler = here.module("roi_heads.box_roi_pool")
    if pooler is None:
        raise LookupError("box_roi_pool")
    inside = [c for c in here.functions("roi_align") if pooler.start < c.start < pooler.end]
    counts = [here.shape(call.args["boxes"])[0] for call in inside]
    names = [name for name in _pyramid(here) if name not in ("P6", '"pool"')]
    return here.listing(f"{name} {count(n)}" for name, n in zip(names, counts, strict=True))


def _coder(here: Here) -> str:
    """What the deltas of a decoding are divided by: for dx, dy, dw, dh."""
    found = [c.args.items[1][1].scalar for c in _ops(here, "div")[:4]]
    if len(found) < 4:
        raise LookupError("weights")
    return f"({', '.join(_plain(float(str(weight))) for weight in found)})"


def _clamp(here: Here) -> float:
    """What a decoding clamps dw and dh to."""
    return float(str(_ops(here, "clamp")[0].args["max"].scalar))


def _ops(here: Here, name: str) -> list[Call]:
    """The operations of a name within the call that is being explained."""
    if here.call is None:
        raise LookupError("no call")
    inside = here.trace.calls[here.call.id :]
    return [c for c in inside if c.kind == "op" and c.path == name and c.end < here.call.end]


def _nms(within: str) -> Callable[[Here], list[tuple[int, int]]]:
    """Of each picture how many boxes NMS was given within a function, and how many it left."""

    def read_counts(here: Here) -> list[tuple[int, int]]:
        outer = here.functions(within)[0]
        calls = [c for c in here.functions("batched_nms") if outer.start < c.start < outer.end]
        if not calls:
            raise LookupError("nms")
        return [(here.shape(c.args["boxes"])[0], _made_by(here, c)[0]) for c in calls]

    return read_counts


def _removed_at_levels(here: Here) -> str:
    names = list(_pyramid(here))
    counts = removed_of(here.trace, "proposals")
    return _by_picture(here, [[f"{names[level]} {count(n)}" for level, n in it] for it in counts])


def _removed_of_classes(here: Here) -> str:
    """The classes of which most were removed, with their numbers."""
    pictures = removed_of(here.trace, "detections")
    limit = 8 if len(pictures) == 1 else 4
    told = []
    for counts in pictures:
        most = sorted(counts, key=lambda it: -it[1])[:limit]
        names = (class_name(here.trace.classes, label, here.lang) for label, _ in most)
        parts = [f"{name} {count(n)}" for name, (_, n) in zip(names, most, strict=True)]
        told.append([*parts, *(["…"] if len(counts) > limit else [])])
    return _by_picture(here, told)


def _by_picture(here: Here, told: list[list[str]]) -> str:
    """Each picture's counts; of several by its index in the batch."""
    each = [here.listing(parts or ["0"]) for parts in told]
    if len(each) == 1:
        return each[0]
    named = (phrase("nms.picture", here.lang, image=i, parts=it) for i, it in enumerate(each))
    return phrase("nms.between", here.lang).join(named)


_RPN_NMS = _nms("RegionProposalNetwork.filter_proposals")
_HEADS_NMS = _nms("RoIHeads.postprocess_detections")


# --- facts: training ------------------------------------------------------------------------------


def _samplers(here: Here) -> list[Call]:
    return here.functions("BalancedPositiveNegativeSampler.__call__")


def _drawn(here: Here, sampler: Call, which: int) -> int:
    """How many examples a sampler drew: its masks hold ones and zeros."""
    if sampler.result is None:
        raise LookupError("sampler")
    masks = [here.summary(mask) for _, mask in sampler.result[which].items]
    return sum(round((mask.mean or 0.0) * mask.numel) for mask in masks)


def _labelled(here: Here, name: str) -> int:
    """How many anchors the RPN's sampler found to be positive (or negative), over the batch."""
    sampler = _samplers(here)[0]
    found = [
        here.shape(value)[0]
        for line in here.trace.lines
        if line.call == sampler.id
        for changed, value in line.changed
        if changed == name
    ]
    if not found:
        raise LookupError(name)
    return sum(found)


def _ignored(here: Here) -> int:
    total = sum(here.lengths(_samplers(here)[0].args["matched_idxs"]))
    return total - _labelled(here, "positive") - _labelled(here, "negative")


def _loss(name: str) -> Callable[[Here], float]:
    def read_loss(here: Here) -> float:
        mean = here.summary(here.result("", name)).mean
        if mean is None:
            raise LookupError(name)
        return float(mean)

    return read_loss


def _loss_sum(here: Here) -> float:
    return sum(_loss(name)(here) for name, _ in here.result("").items if name.startswith("loss"))


# --- facts: how a run failed ----------------------------------------------------------------------


def _error(here: Here) -> str:
    if here.trace.error is None:
        raise LookupError("no error")
    return clean(f"{here.trace.error.type}: {here.trace.error.message}", 300)


def _cause(here: Here) -> str:
    error = here.trace.error
    if error is None or error.cause is None:
        raise LookupError("no cause")
    return clean(error.cause.text, 400)


def _place(here: Here) -> str:
    if here.call is None:
        raise LookupError("no call")
    return clean(here.call.label, 120)


# --- facts: the answer, and what it cost ----------------------------------------------------------


def _detections(here: Here) -> list[int]:
    return [here.shape(image["boxes"])[0] for _, image in here.result("").items]


def _thresholdings(here: Here) -> list[Call]:
    """The comparisons of the candidates' scores with the threshold, one for each image."""
    outer = here.functions("RoIHeads.postprocess_detections")[0]
    return [c for c in here.trace.calls if c.parent == outer.id and c.path in ("gt", "__gt__")]


def _scores(here: Here) -> list[TensorSummary]:
    """What is known of the candidates' scores, image by image; background is no candidate."""
    found = [here.summary(call.args.items[0][1]) for call in _thresholdings(here)]
    if not found:
        raise LookupError("scores")
    return found


def _passing(here: Here) -> str | None:
    """How many candidates score over the threshold: the comparison holds ones and zeros."""
    results = [call.result for call in _thresholdings(here)]
    masks = [here.summary(result) for result in results if result is not None]
    return here.listing(f"{round((mask.mean or 0.0) * mask.numel):,}" for mask in masks) or None


def _detection_nms(here: Here) -> str:
    outer = here.functions("RoIHeads.postprocess_detections")[0]
    inside = [c for c in here.functions("batched_nms") if outer.start < c.start < outer.end]
    return str(inside[0].args["iou_threshold"].scalar)


def _classes(here: Here) -> int:
    return here.shape(here.result("roi_heads.box_predictor", 0))[1]


def _best_score(here: Here) -> float | None:
    best = [here.summary(image["scores"]).max for _, image in here.result("").items]
    return max((float(score) for score in best if score is not None), default=None)


def _best_class(here: Here) -> str:
    """What the best detection is called; where names are known and the answer was kept whole."""
    best = []
    for _, image in here.result("").items:
        scores, labels = (here.kept(image[name]) for name in ("scores", "labels"))
        best += [(float(scores[i]), int(labels[i])) for i in scores.argsort()[-1:]]
    if not here.trace.classes:
        raise LookupError("class names")
    return class_name(here.trace.classes, max(best)[1], here.lang)


def _class_names(here: Here, limit: int = 5) -> str:
    """The first labels with their names."""
    names = names_in(here.trace.classes, here.lang)
    if not names:
        raise LookupError("class names")
    more = ["…"] if len(names) > limit else []
    return here.listing([*(f"{i} {name}" for i, name in enumerate(names[:limit])), *more])


def _macs(here: Here) -> int:
    return sum(call.macs for call in here.trace.calls if call.parent is None)


def _stage_macs(here: Here) -> int:
    stages = {stage.name: stage for stage in here.trace.stages}
    return sum(here.trace.calls[call].macs for call in stages[here.stage].calls)


def _params(path: str, which: str) -> Callable[[Here], int]:
    return lambda here: getattr(here.trace.modules[path], which)


def _norm_layers(here: Here) -> str:
    kinds = Counter(m.type for m in here.trace.modules.values() if "BatchNorm" in m.type)
    if not kinds:
        raise LookupError("normalisation")
    return here.listing(f"{count} × {name}" for name, count in kinds.items())


def _counted(counts: Callable[[Here], int]) -> Callable[[Here], str | None]:
    def in_words(here: Here) -> str | None:
        found = counts(here)
        return here.large(found) if found else None

    return in_words


FACTS: dict[str, Callable[[Here], object]] = {
    "error": _error,
    "cause": _cause,
    "place": _place,
    "images": lambda here: _batch(here)[0],
    "original_sizes": lambda here: here.listing(map(dims, _given(here))),
    "resized_sizes": lambda here: here.listing(map(dims, _resized(here))),
    "batch_shape": lambda here: dims(_batch(here)),
    "scale_factors": _scale_factors,
    "padding_share": _padding_share,
    "size_divisible": _divisible,
    "rounded_height": _rounded(0),
    "rounded_width": _rounded(1),
    "blocks": _blocks,
    "first_block": lambda here: _first_block(here).path,
    "stage_given": lambda here: dims(_given_to(here, _stage_call(here))),
    "stage_made": lambda here: dims(_made_by(here, _stage_call(here))),
    "channels_given": lambda here: _given_to(here, _stage_call(here))[1],
    "channels_made": lambda here: _made_by(here, _stage_call(here))[1],
    "stride_given": _stage_stride(_given_to),
    "stride_made": _stage_stride(_made_by),
    "projection": _projection,
    "halving": _halving,
    "stem": lambda here: dims(here.shape(here.result("backbone.body.maxpool"))),
    "c2": _body("0"),
    "c3": _body("1"),
    "c4": _body("2"),
    "c5": _body("3"),
    "p5": lambda here: dims(_pyramid(here)["P5"]),
    "p6": lambda here: dims(_pyramid(here)["P6"]),
    "pyramid": lambda here: here.listing(
        f"{n} {dims(s)}".strip() for n, s in _pyramid(here).items()
    ),
    "level_names": lambda here: here.listing(_pyramid(here)),
    "strides": lambda here: here.listing(_strides(here)),
    "p6_stride": lambda here: dict(zip(_pyramid(here), _strides(here), strict=True))["P6"],
    "anchors_per_image": lambda here: sum(_anchors_per_level(here)),
    "anchors_per_level": lambda here: " + ".join(map(count, _anchors_per_level(here))),
    "top_per_level": _top_per_level,
    "proposals": lambda here: here.listing(here.lengths(here.result("rpn", 0))),
    "coder_weights": _coder,
    "coder_limit": _clamp,
    "rpn_nms_given": lambda here: here.listing(given for given, _ in _RPN_NMS(here)),
    "rpn_nms_removed": lambda here: here.listing(given - left for given, left in _RPN_NMS(here)),
    "rpn_nms_levels": _removed_at_levels,
    "nms_given": lambda here: here.listing(given for given, _ in _HEADS_NMS(here)),
    "nms_removed": lambda here: here.listing(given - left for given, left in _HEADS_NMS(here)),
    "nms_classes": _removed_of_classes,
    "rois": lambda here: here.shape(here.result("roi_heads.box_roi_pool"))[0],
    "rois_per_level": _rois_per_level,
    "pooled": lambda here: dims(here.shape(here.result("roi_heads.box_roi_pool"))),
    "box_features": lambda here: dims(here.shape(here.result("roi_heads.box_head"))),
    "class_logits": lambda here: dims(here.shape(here.result("roi_heads.box_predictor", 0))),
    "box_regression": lambda here: dims(here.shape(here.result("roi_heads.box_predictor", 1))),
    "classes": _classes,
    "even_share": lambda here: f"{1 / _classes(here):.3g}",
    "even_loss": lambda here: math.log(_classes(here)),
    "score_threshold": lambda here: str(_thresholdings(here)[0].args.items[1][1].scalar),
    "candidates": lambda here: here.listing(f"{scores.numel:,}" for scores in _scores(here)),
    "highest_candidate": lambda here: max(s.max for s in _scores(here) if s.max is not None),
    "passing": _passing,
    "detection_nms": _detection_nms,
    "detections": lambda here: here.listing(_detections(here)),
    "best_score": _best_score,
    "best_class": _best_class,
    "class_names": _class_names,
    "rpn_positive": lambda here: _labelled(here, "positive"),
    "rpn_negative": lambda here: _labelled(here, "negative"),
    "rpn_ignored": _ignored,
    "drawn_positive": lambda here: _drawn(here, here.call or _samplers(here)[0], 0),
    "drawn_negative": lambda here: _drawn(here, here.call or _samplers(here)[0], 1),
    "proposals_in": lambda here: here.listing(
        here.lengths(here.functions("RoIHeads.select_training_samples")[0].args["proposals"])
    ),
    "roi_positive": lambda here: _drawn(here, _samplers(here)[1], 0),
    "loss_objectness": _loss("loss_objectness"),
    "loss_rpn_box_reg": _loss("loss_rpn_box_reg"),
    "loss_classifier": _loss("loss_classifier"),
    "loss_box_reg": _loss("loss_box_reg"),
    "loss_mask": _loss("loss_mask"),
    "loss_keypoint": _loss("loss_keypoint"),
    "loss_sum": _loss_sum,
    "macs": _counted(_macs),
    "stage_macs": _counted(_stage_macs),
    "stage_share": lambda here: f"{_stage_macs(here) / _macs(here):.1%}",
    "call_macs": _counted(lambda here: here.call.macs if here.call else 0),
    "parameters": _params("", "params"),
    "trainable": _params("", "trainable"),
    "body_parameters": _params("backbone.body", "params"),
    "body_trainable": _params("backbone.body", "trainable"),
    "fpn_parameters": _params("backbone.fpn", "params"),
    "rpn_parameters": _params("rpn", "params"),
    "roi_parameters": _params("roi_heads", "params"),
    "norm_layers": _norm_layers,
}
