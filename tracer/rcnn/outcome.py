"""What a recorded run ended with, looked at for what is wrong though nothing raised.

NaN, losses of boxes that are exactly 0, proposals or detections that are none. It is read from the
statistics of the tensors, so that nothing need have been kept whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracer.errors import MissingError
from tracer.numbers import dims, number
from tracer.rcnn.anatomy.backbone import maps_of
from tracer.rcnn.anatomy.reading import Pass, find_pass, fitting
from tracer.rcnn.findings import Finding
from tracer.record import Call, TensorSummary, Trace, Value

GOOD = 0.7
"""The objectness from which on a proposal is called good: untrained ones have about a half."""
_BOX_LOSSES = {
    "loss_rpn_box_reg": "loss-rpn-zero",
    "loss_box_reg": "loss-roi-zero",
    "bbox_regression": "loss-roi-zero",
}


def of_run(trace: Trace) -> Iterator[Finding]:
    """Find what went wrong in a recorded run of any kind, the first of several passes."""
    yield from _nan(trace)
    try:
        run = find_pass(trace)
    except MissingError:
        return
    with fitting("what the run ended with"):
        yield from _memory(run)
        yield from _none_proposed(run)
        yield from _zero_losses(run)
        yield from _none_detected(run)


def maps(trace: Trace) -> dict[str, tuple[int, ...]]:
    """Return the shapes [N, C, H, W] of what the backbone returned, by name; none if it did not."""
    try:
        run = find_pass(trace)
    except MissingError:
        return {}
    call = run.module("backbone")
    if call is None or call.result is None:
        return {}
    return {name: run.shape(value) for name, value in maps_of(call.result)}


def batch(trace: Trace) -> tuple[int, ...]:
    """Return the shape [N, C, H, W] of the padded batch, or nothing if there is none."""
    try:
        run = find_pass(trace)
    except MissingError:
        return ()
    tensors = () if run.transform.result is None else run.transform.result.tensors()
    first = next(iter(tensors), None)
    return () if first is None else trace.tensors[first].summary.shape


# --- NaN ------------------------------------------------------------------------------------------


def _nan(trace: Trace) -> Iterator[Finding]:
    """The first tensor with a NaN, if any came out of a module: within a function it may be meant.

    A loss may compute with places that it leaves out afterwards, as that of FCOS does.
    """
    if not any(_holds_nan(trace, call.result) for call in trace.calls if call.kind == "module"):
        return
    states = [state for state in trace.tensors if state.summary.nan]
    first = next((state for state in states if not state.name), states[0])
    call = None if first.producer is None else trace.calls[first.producer]
    facts = {
        "shape": dims(first.summary.shape),
        "nan": first.summary.nan,
        "all": first.summary.numel,
        "call": "–" if call is None else call.label,
        "inputs": "–" if call is None else ", ".join(_ranges(trace, call)) or "–",
    }
    yield Finding("nan", facts)


def _holds_nan(trace: Trace, value: Value | None) -> bool:
    return value is not None and any(trace.tensors[s].summary.nan for s in value.tensors())


def _ranges(trace: Trace, call: Call) -> Iterator[str]:
    """What goes into a call: ``input 2×3×64×64 (-2.1 … 2.64)``, parameters by their names."""
    for name, leaf in call.args.leaves():
        if leaf.tensor is not None:
            state = trace.tensors[leaf.tensor]
            yield f"{state.name or name} {_range(state.summary)}"


def _range(summary: TensorSummary) -> str:
    odd = [f"{n:,} {word}" for n, word in ((summary.nan, "NaN"), (summary.inf, "∞")) if n]
    known = summary.min is not None and summary.max is not None
    ends = f"{number(summary.min)} … {number(summary.max)}" if known else ""  # type: ignore[arg-type]
    inside = "; ".join(filter(None, (ends, *odd)))
    return f"{dims(summary.shape)}{f' ({inside})' if inside else ''}"


def _memory(run: Pass) -> Iterator[Finding]:
    """A run that asked for more memory than there is: how large its batch was."""
    error = run.trace.error
    words = ("OutOfMemory", "out of memory", "not enough memory", "can't allocate memory")
    if error is not None and any(word in f"{error.type} {error.message}" for word in words):
        shape = batch(run.trace)
        yield Finding("memory", {"batch": dims(shape), "images": shape[0] if shape else 0})


# --- nothing left ---------------------------------------------------------------------------------


def _none_proposed(run: Pass) -> Iterator[Finding]:
    call = run.module("rpn")
    boxes = None if call is None or call.result is None else call.result.get(0)
    counts = [run.shape(value)[0] for _, value in boxes.items] if boxes is not None else []
    empty = [image for image, count in enumerate(counts) if not count]
    if empty:
        yield Finding("proposals-none", {"image": empty[0]}, "warning")


def _zero_losses(run: Pass) -> Iterator[Finding]:
    result = run.model.result
    if not run.training or result is None or result.kind != "mapping":
        return
    targets = run.model.args.get("targets") or run.model.args.get("1")
    boxes, labels = (_of_targets(run, targets, name) for name in ("boxes", "labels"))
    ends = [end for s in labels for end in (s.min, s.max) if end is not None]
    facts = {
        "objects": sum(s.shape[0] for s in boxes if s.shape),
        "labels": f"{min(ends)} … {max(ends)}" if ends else "–",
    }
    for name, value in result.items:
        if name in _BOX_LOSSES and run.state(value).summary.max == 0:
            yield Finding(_BOX_LOSSES[name], {"loss": name, **facts}, "warning")


def _of_targets(run: Pass, targets: Value | None, name: str) -> list[TensorSummary]:
    each = [] if targets is None else [target.get(name) for _, target in targets.items]
    return [
        run.state(value).summary for value in each if value is not None and value.kind == "tensor"
    ]


def _none_detected(run: Pass) -> Iterator[Finding]:
    """Pictures without detections whose proposals were good, and how far their scores were off."""
    call = run.function("RoIHeads.postprocess_detections")
    if call is None or call.result is None:
        return
    scores = call.result[1]
    objectness = _objectness(run)
    above = [op for op in run.named("op", "gt", call) if len(op.args.items) == 2]
    for image, (_, kept) in enumerate(scores.items):
        if run.shape(kept)[0] or image >= len(above) or image >= len(objectness):
            continue
        best, threshold = _compared(run, above[image])
        if objectness[image] >= GOOD and best is not None and best <= threshold:
            every = run.named("op", "softmax", call)[0].result
            assert every is not None
            surest, classes = run.state(every).summary.max or 0, run.shape(every)[-1]
            facts = {"image": image, "objectness": objectness[image], "best": best}
            kind = "detections-chance" if surest < 1.5 / classes else "detections-below"
            yield Finding(kind, {**facts, "threshold": threshold, "classes": classes}, "warning")
            return


def _objectness(run: Pass) -> Sequence[float]:
    """The best objectness of each image's proposals, 0–1; 0 where there are none."""
    call = run.function("RegionProposalNetwork.filter_proposals")
    if call is None or call.result is None:
        return ()
    return [run.state(value).summary.max or 0.0 for _, value in call.result[1].items]


def _compared(run: Pass, op: Call) -> tuple[float | None, float]:
    (_, scores), (_, threshold) = op.args.items
    best = run.state(scores).summary.max if scores.tensor is not None else None
    return best, float(threshold.scalar or 0.0) if threshold.kind == "scalar" else 0.0
