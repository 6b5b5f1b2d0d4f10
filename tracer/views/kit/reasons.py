"""Why a tensor has the shape that it has: the arithmetic of the steps that led to it.

A tensor is followed backwards from what a call gave to what went into it: each step is the op (or,
where ops were not recorded, the module) that made a state out of the one before. What a step does
to the sizes is read off its recorded settings. Boxes have no such arithmetic, their number is what
limits and thresholds leave; those calls of a detector are explained from its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tracer.languages import Texts, listed
from tracer.numbers import dims
from tracer.record import Call, Trace, Value, query

Shape = tuple[int, ...]
say = Texts("shapes")
SHOWN = 6
"""So many steps are told in full; of a longer way only those that change height or width, and the
last that changes the channels."""


@dataclass(frozen=True)
class Step:
    """One op, or module without recorded ops, on the way to a tensor.

    Attributes:
        call: what ran.
        name: of the module that it ran in, relative to the call asked about; else the op's name.
        before, after: the shapes of what it read and of what it made.
        added: the shape that a term of the sum had before it was resized, if this is a sum of
            which one term was.
    """

    call: Call
    name: str
    before: Shape
    after: Shape
    added: Shape | None = None


def reasons(trace: Trace, call: Call, state: int, lang: str) -> tuple[str, ...]:
    """Return why a tensor that a call gave has its shape, a sentence each.

    Args:
        trace: the recording.
        call: what gave the tensor.
        state: the tensor's state.
        lang: the language.
    """
    for explain in (_batch, _anchors, _pooled, _boxes):
        told = explain(trace, call, state, lang)
        if told:
            return tuple(told)
    return tuple(_told(trace, list(steps(trace, call, state)), lang))


def shape_of(trace: Trace, value: Value | int) -> Shape:
    """Return a tensor's shape; of no tensor, the empty one."""
    state = value.tensor if isinstance(value, Value) else value
    return () if state is None else trace.tensors[state].summary.shape


# --- the way back ---------------------------------------------------------------------------------


def steps(trace: Trace, call: Call, state: int) -> Iterator[Step]:
    """Yield the steps within a call that led to a tensor, the last one first."""
    given = set(call.args.tensors())
    seen: set[int] = set()
    while state not in given and state not in seen:
        seen.add(state)
        maker = query.producer(trace, state)
        if maker is None or not call.start <= maker.start <= maker.end <= call.end:
            return
        source = _read_from(trace, maker)
        if source is None:
            return
        shapes = shape_of(trace, source), shape_of(trace, state)
        yield Step(maker, _name(trace, call, maker), *shapes, _resized_term(trace, maker))
        state = source


def _read_from(trace: Trace, maker: Call) -> int | None:
    """The first tensor among the arguments that is no parameter or buffer of the model."""
    return next((s for s in maker.args.tensors() if not trace.tensors[s].name), None)


def _module_of(trace: Trace, maker: Call) -> Call | None:
    around = (maker, *query.ancestors(trace, maker))
    return next((call for call in around if call.kind == "module"), None)


def _name(trace: Trace, call: Call, maker: Call) -> str:
    """``layer2.0.conv2`` within ``backbone.body``; an op of no small module by its own name."""
    module = _module_of(trace, maker)
    inner = module is not None and not trace.modules[module.path].children
    if module is None or not inner:
        return maker.path
    if call.kind != "module" or not module.path.startswith(f"{call.path}.") or not call.path:
        return module.path
    start = len(call.path) + 1
    while module.path[start].isdecimal() and start:
        start = module.path.rfind(".", 0, start - 1) + 1
    return module.path[start:]


def _resized_term(trace: Trace, maker: Call) -> Shape | None:
    """For ``lateral + upsampled``: the size that the upsampled one had before."""
    if maker.kind != "op" or maker.path.strip("_") not in ("add", "iadd"):
        return None
    for state in list(maker.args.tensors())[1:]:
        made_by = query.producer(trace, state)
        if made_by is not None and made_by.path == "interpolate":
            source = _read_from(trace, made_by)
            return None if source is None else shape_of(trace, source)
    return None


# --- what a step does to the sizes ----------------------------------------------------------------


def _told(trace: Trace, way: list[Step], lang: str) -> list[str]:
    """The steps that can be told, in the order in which they ran."""
    told = [(step, _of_step(trace, step, lang)) for step in reversed(way)]
    known = [(step, text) for step, text in told if text]
    if not way:
        return [say("handed_on", lang)]
    if not known or way[0].after == ():
        return [_plainly(way, lang)]
    return [text for step, text in known if len(known) <= SHOWN or step in _decisive(known)]


def _decisive(known: list[tuple[Step, str]]) -> list[Step]:
    """The steps that change height or width, and the last one that changes the channels."""
    steps = [step for step, _ in known]
    spatial = [s for s in steps if s.before[2:] != s.after[2:] or s.added is not None]
    channels = [s for s in steps if s.before[:2] != s.after[:2]]
    return spatial + channels[-1:]


def _plainly(way: list[Step], lang: str) -> str:
    """Nothing is known of the steps but their names and what they did to the shape."""
    if way[0].after == ():
        return say("single_number", lang)
    all_names = listed(list(dict.fromkeys(step.name for step in reversed(way)))[:4], lang)
    if way[0].after == way[-1].before:
        return say("value_by_value", lang, names=all_names)
    went = " → ".join(dims(s) for s in (way[-1].before, way[0].after))
    return say("step", lang, names=all_names, went=went)


def _of_step(trace: Trace, step: Step, lang: str) -> str:
    name = step.call.path if step.call.kind == "op" else step.call.type
    for words, explain in _EXPLAINED.items():
        if name in words:
            return explain(trace, step, lang)
    return ""


@dataclass(frozen=True)
class Window:
    """How a kernel moves: (vertical, horizontal) each."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    ceil: bool = False


def _window(trace: Trace, step: Step) -> Window | None:
    """The settings of the module that a convolution or pooling ran in, else the op's own."""
    module = _module_of(trace, step.call)
    settings = dict(trace.modules[module.path].settings) if module is not None else {}
    if "kernel_size" not in settings:
        return _window_of_op(trace, step.call)
    pairs = [_pair(settings.get(name, default)) for name, default in _WINDOW]
    extra = trace.modules[module.path].extra if module is not None else ""
    return _made(pairs, "ceil_mode=True" in extra)


def _made(pairs: list[Shape | None], ceil: bool) -> Window | None:
    kernel, stride, padding, dilation = pairs
    if kernel is None or stride is None or padding is None or dilation is None:
        return None
    return Window(kernel, stride, padding, dilation, ceil)


_WINDOW = (("kernel_size", ""), ("stride", "1"), ("padding", "0"), ("dilation", "1"))


def _window_of_op(trace: Trace, op: Call) -> Window | None:
    """A pooling without a module, as in the level that the FPN adds: its numbers by name."""
    if op.path != "max_pool2d" or len(op.args.items) < 2:
        return None
    named = [op.args.get(name) for name in ("stride", "padding", "dilation")]
    ceil = op.args.get("ceil_mode")
    pairs = [_pair_of(value) for value in (op.args.items[1][1], *named)]
    return _made(pairs, bool(ceil and ceil.scalar))


def _pair(text: str) -> Shape | None:
    """``"3×3"`` or ``"3"`` as (3, 3)."""
    parts = text.split("×")
    if not all(part.isdecimal() for part in parts) or len(parts) > 2:
        return None
    return (int(parts[0]), int(parts[-1]))


def _pair_of(value: Value | None) -> Shape | None:
    if value is None:
        return None
    scalars = [item.scalar for _, item in value.items] or [value.scalar]
    numbers = [n for n in scalars if isinstance(n, int)]
    return (numbers[0], numbers[-1]) if len(numbers) == len(scalars) else None


def _axis(window: Window, axis: int, size: int, after: int) -> str:
    """``⌊(128 + 2·1 − 3) / 2⌋ + 1 = 64``; only the result where the formula does not give it."""
    kernel, stride = window.kernel[axis], window.stride[axis]
    padding, reach = window.padding[axis], window.dilation[axis] * (window.kernel[axis] - 1) + 1
    over = size + 2 * padding - reach
    rounded = -(-over // stride) if window.ceil else over // stride
    if rounded + 1 != after:
        return f"{size} → {after}"
    pad = f" + 2·{padding}" if padding else ""
    wide = f"{reach}" if reach == kernel else f"({window.dilation[axis]}·({kernel} − 1) + 1)"
    left, right = "⌈⌉" if window.ceil else "⌊⌋"
    return f"{left}({size}{pad} − {wide}) / {stride}{right} + 1 = {after}"


def _sizes(window: Window, step: Step, lang: str) -> str:
    (h, w), (new_h, new_w) = step.before[-2:], step.after[-2:]
    same = all(
        (window.kernel[i], window.stride[i], window.padding[i]) == (1, 1, 0) for i in range(2)
    )
    if same:
        return say("each_cell", lang, h=h, w=w)
    down, across = _axis(window, 0, h, new_h), _axis(window, 1, w, new_w)
    return say("both_sides", lang, down=down, across=across)


def _named(window: Window, step: Step, lang: str) -> str:
    """``layer2.0.conv2 (3×3, stride 2, padding 1)``."""
    kernel = dims(window.kernel)
    stride, padding = (_one(pair) for pair in (window.stride, window.padding))
    return say("kernel", lang, name=step.name, kernel=kernel, stride=stride, padding=padding)


def _one(pair: Shape) -> str:
    return str(pair[0]) if pair[0] == pair[1] else dims(pair)


def _convolution(trace: Trace, step: Step, lang: str) -> str:
    window = _window(trace, step)
    if window is None or len(step.after) != 4:
        return ""
    channels, name = step.after[1], _named(window, step, lang)
    sizes = _sizes(window, step, lang)
    return say("convolution", lang, name=name, sizes=sizes, channels=channels, given=step.before[1])


def _pooling(trace: Trace, step: Step, lang: str) -> str:
    window = _window(trace, step)
    if window is None or len(step.after) != 4:
        return ""
    name, sizes = _named(window, step, lang), _sizes(window, step, lang)
    return say("pooling", lang, name=name, sizes=sizes, channels=step.after[1])


def _linear(trace: Trace, step: Step, lang: str) -> str:
    ins, outs, rows = step.before[-1], step.after[-1], step.after[0]
    return say("linear", lang, name=step.name, outs=outs, ins=ins, rows=rows)


def _flattening(trace: Trace, step: Step, lang: str) -> str:
    if len(step.after) != 2 or step.after[0] != step.before[0] or len(step.before) < 3:
        return ""
    product = "·".join(str(n) for n in step.before[1:])
    return say("flattened", lang, name=step.name, product=product, all=step.after[-1])


def _resizing(trace: Trace, step: Step, lang: str) -> str:
    before, after = dims(step.before[-2:]), dims(step.after[-2:])
    return say("resized", lang, name=step.name, before=before, after=after, channels=step.after[1])


def _summing(trace: Trace, step: Step, lang: str) -> str:
    if step.added is None:
        return ""
    before, after = dims(step.added[-2:]), dims(step.after[-2:])
    return say("summed", lang, before=before, after=after)


_EXPLAINED: dict[tuple[str, ...], Callable[[Trace, Step, str], str]] = {
    ("conv2d", "Conv2d"): _convolution,
    ("max_pool2d", "MaxPool2d", "avg_pool2d", "AvgPool2d"): _pooling,
    ("linear", "Linear"): _linear,
    ("flatten",): _flattening,
    ("interpolate",): _resizing,
    ("add", "add_", "__add__", "__iadd__"): _summing,
}


# --- parts of a detector --------------------------------------------------------------------------


def _function(trace: Trace, call: Call, name: str) -> Call | None:
    """The call itself if it has that name, else the first of that name in it."""
    if call.path == name:
        return call
    inside = (c for c in trace.calls[call.id :] if c.start <= call.end)
    return next((c for c in inside if c.kind == "function" and c.path == name), None)


def _batch(trace: Trace, call: Call, state: int, lang: str) -> list[str]:
    """The padded batch of the transform: sizes of each image, then the largest, rounded up."""
    result = call.result
    images = None if result is None else (result.get(0) or result)
    if images is None or images.get("image_sizes") is None or images["tensors"].tensor != state:
        return []
    given, sizes = call.args.get("images"), images["image_sizes"]
    told = []
    for (i, size), (_, before) in zip(sizes.items, given.items if given else (), strict=False):
        old, new = dims(shape_of(trace, before)[-2:]), dims(_pair_of(size) or ())
        scale = (_pair_of(size) or (0, 0))[0] / shape_of(trace, before)[-2]
        told.append(say("image", lang, i=i, old=old, scale=scale, new=new))
    return [*told, _padded(trace, call, state, lang)]


def _padded(trace: Trace, call: Call, state: int, lang: str) -> str:
    shape = shape_of(trace, state)
    batching = _function(trace, call, "GeneralizedRCNNTransform.batch_images")
    value = None if batching is None else batching.args.get("size_divisible")
    by = (value is not None and value.scalar) or "size_divisible"
    rows, columns = shape[-2:]
    return say("batch", lang, by=by, rows=rows, columns=columns)


def _anchors(trace: Trace, call: Call, state: int, lang: str) -> list[str]:
    """Anchors: cells times anchors per cell, level by level."""
    laying = _function(trace, call, "AnchorGenerator.grid_anchors")
    if laying is None or call.type != "AnchorGenerator" or laying.result is None:
        return []
    grids = [_pair_of(v) or (0, 0) for _, v in laying.args["grid_sizes"].items]
    counts = [shape_of(trace, v)[0] for _, v in laying.result.items]
    parts = [
        f"{h}·{w}·{count // (h * w)} = {count:,}"
        for (h, w), count in zip(grids, counts, strict=False)
        if h * w
    ]
    each = listed(parts, lang, clauses=True)
    return [say("anchors", lang, each=each, total=sum(counts))]


def _pooled(trace: Trace, call: Call, state: int, lang: str) -> list[str]:
    """RoIAlign's output: boxes of all images, the maps' channels, the bins."""
    shape, boxes = shape_of(trace, state), call.args.get("boxes")
    if call.type != "MultiScaleRoIAlign" or boxes is None or len(shape) != 4:
        return []
    counts = [shape_of(trace, v)[0] for _, v in boxes.items]
    total = " + ".join(f"{n:,}" for n in counts)
    total = total if len(counts) == 1 else f"{total} = {sum(counts):,}"
    bins, channels = dims(shape[-2:]), shape[1]
    return [
        say("rows", lang, total=total),
        say("bins", lang, bins=bins, channels=channels),
    ]


_BOXES = (
    "rpn",
    "roi_heads",
    "RegionProposalNetwork.filter_proposals",
    "RoIHeads.postprocess_detections",
    "(root)",
)


def _boxes(trace: Trace, call: Call, state: int, lang: str) -> list[str]:
    """Proposals and detections: how many there are is what the filter leaves."""
    name = call.path.rpartition(".")[2] if call.kind == "module" else call.path
    if (name or "(root)") not in _BOXES or len(shape_of(trace, state)) not in (1, 2):
        return []
    if name in ("rpn", "RegionProposalNetwork.filter_proposals"):
        return _proposals(trace, call, state, lang)
    return _detections(trace, call, state, lang)


def _own(trace: Trace, call: Call, function: str) -> dict[str, object]:
    """The numbers that a function's own object held: thresholds, limits."""
    found = _function(trace, call, function)
    own = None if found is None else found.args.get("self")
    return {} if own is None else {name: value.scalar for name, value in own.items}


def _proposals(trace: Trace, call: Call, state: int, lang: str) -> list[str]:
    own = _own(trace, call, "RegionProposalNetwork.filter_proposals")
    limit = _function(trace, call, "RegionProposalNetwork.post_nms_top_n")
    if not own or limit is None or limit.result is None:
        return []
    left, most = shape_of(trace, state)[0], limit.result.scalar
    return [
        say("proposals", lang, left=left, iou=own["nms_thresh"], most=most),
        *_columns(trace, state, lang),
    ]


def _detections(trace: Trace, call: Call, state: int, lang: str) -> list[str]:
    own = _own(trace, call, "RoIHeads.postprocess_detections")
    if not own:
        return []
    left = shape_of(trace, state)[0]
    return [
        say("detections", lang, left=left, **own),
        *_columns(trace, state, lang),
    ]


def _columns(trace: Trace, state: int, lang: str) -> list[str]:
    if shape_of(trace, state)[1:] != (4,):
        return []
    return [say("corners", lang)]
