"""The tables of a deck: sizes, counts and parameters of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tracer.errors import MissingError, near
from tracer.numbers import count, dims, fraction, large, number
from tracer.rcnn.board import Board, Map, read_board
from tracer.rcnn.classes import class_name
from tracer.record import Call, Module, TensorSummary, Trace, Value
from tracer.views.slides.deck import Cells
from tracer.views.slides.design import texts
from tracer.views.slides.subject import Subject

MOST_ROWS = 11
"""What a slide has room for."""


def table(subject: Subject, name: str) -> Cells:
    """Return one of `TABLES`.

    Raises:
        MissingError: there is no such table, or the recording lacks what it shows.
    """
    if name not in TABLES:
        raise MissingError(
            f"there is no table {name!r}{near(name, TABLES)} (there is {', '.join(TABLES)})"
        )
    return TABLES[name](subject)


def _cells(head: Iterable[str], rows: Iterable[Iterable[str]], numbers: Iterable[int]) -> Cells:
    kept = tuple(tuple(row) for row in rows)[:MOST_ROWS]
    return Cells(tuple(head), kept, frozenset(numbers))


def _board(subject: Subject) -> Board:
    board = read_board(subject.trace)
    if board is None:
        raise MissingError("the recording holds no pass of a torchvision detector: no such table")
    return board


# --- the whole ------------------------------------------------------------------------------------


def in_and_out(subject: Subject) -> Cells:
    """What the model was given, and what it gave back."""
    run = subject.parts.run.model
    given = [(f"images[{i}]", v) for i, (_, v) in enumerate(_given(run)) if v.tensor is not None]
    found = list(run.result.leaves()) if run.result is not None else []
    rows = [_tensor_row(subject, name, "images", value) for name, value in given[:3]]
    rows += [
        _tensor_row(subject, _python(path), path.rpartition(".")[2], value)
        for path, value in found
        if value.tensor is not None
    ]
    return _cells(subject.heads("tensors"), rows, ())


def _given(run: Call) -> tuple[tuple[str, Value], ...]:
    images = run.args.get("images") or run.args.get("x")
    return images.items if images is not None else ()


def _python(path: str) -> str:
    """``0.boxes`` as one writes it in Python: ``out[0]["boxes"]``."""
    parts = path.split(".")
    return "out" + "".join(f"[{p}]" if p.isdecimal() else f'["{p}"]' for p in parts)


def _tensor_row(subject: Subject, name: str, kind: str, value: Value) -> tuple[str, ...]:
    summary = subject.trace.tensors[value.tensor or 0].summary
    return name, dims(summary.shape), _meaning(subject, kind, summary)


def _meaning(subject: Subject, kind: str, summary: TensorSummary) -> str:
    """What a tensor is, in words with its range; of a loss, its value."""
    key = f"means.{kind}" if summary.numel else "means.nothing"
    low, high = ("–" if each is None else number(each) for each in (summary.min, summary.max))
    if key in texts:
        return subject.say(key, low=low, high=high)
    return low if low == high else f"{low} … {high}"


def costs(subject: Subject) -> Cells:
    """The parameters and the multiply-adds of the model's main parts."""
    modules = subject.trace.modules
    if "" not in modules:
        raise MissingError("the recording holds no modules: there is nothing to count")
    root = modules[""]
    work = Counter[str]()
    for call in subject.trace.calls:
        if call.kind == "module":
            work[call.path] += call.macs
    rows = [_costs_row(part, root, work) for part in (*_main_parts(root, subject.trace), root)]
    return _cells(subject.heads("costs"), rows, range(1, 5))


def _costs_row(part: Module, root: Module, work: Counter[str]) -> tuple[str, ...]:
    return (
        part.path or part.type,
        count(part.params),
        fraction(part.params / root.params) if root.params else "–",
        large(work[part.path]),
        fraction(work[part.path] / work[root.path]) if work[root.path] else "–",
    )


def _main_parts(root: Module, trace: Trace) -> list[Module]:
    """The root's children; of a backbone its own."""
    found: list[Module] = []
    for name, path in root.children:
        module = trace.modules[path]
        inside = [trace.modules[p] for _, p in module.children]
        found += inside if name == "backbone" and 0 < len(inside) <= 4 else [module]
    return found


# --- backbone and pyramid -------------------------------------------------------------------------


def resnet(subject: Subject) -> Cells:
    """C1 to C5: blocks, output, stride, parameters."""
    maps = [m for m in _board(subject).stages if m.name.startswith("C")]
    if not maps or not subject.parts.backbone.resnet:
        raise MissingError(f"the backbone of {subject.trace.subject} is no ResNet")
    head = subject.heads("maps")
    return _cells(head, [_resnet_row(subject, m) for m in maps], (2, 4, 5))


def _resnet_row(subject: Subject, feature: Map) -> tuple[str, ...]:
    module = _module_named(subject.trace, feature.place)
    blocks = str(len(module.children)) if module and module.type == "Sequential" else "–"
    params = count(module.params) if module else "–"
    place = "conv1, bn1, relu" if feature.name == "C1" else feature.place
    if feature.name == "C1":
        stem = [_module_named(subject.trace, name) for name in ("conv1", "bn1")]
        params = count(sum(m.params for m in stem if m))
    return (
        feature.name,
        place,
        blocks,
        dims(feature.shape[1:]),
        str(feature.stride or "–"),
        params,
    )


def _module_named(trace: Trace, name: str) -> Module | None:
    """The first module whose path ends so: a backbone may lie anywhere."""
    return next((m for p, m in trace.modules.items() if p == name or p.endswith(f".{name}")), None)


def anchors(subject: Subject) -> Cells:
    """The anchors of each level."""
    found = subject.parts.anchors
    rows = [
        (
            level.name,
            dims(level.map.shape[-2:]),
            str(step[0]),
            str(len(base)),
            ", ".join(sorted({str(round(_side(box))) for box in base.tolist()}, key=int)),
            count(amount),
        )
        for level, base, step, amount in zip(
            found.levels, found.base, found.steps, found.counts, strict=True
        )
    ]
    total = (subject.say("in_all"), "", "", "", "", count(len(found)))
    head = subject.heads("anchors")
    return _cells(head, [*rows, total], range(2, 6))


def _side(box: list[float]) -> float:
    found: float = ((box[2] - box[0]) * (box[3] - box[1])) ** 0.5
    return found


# --- what comes out -------------------------------------------------------------------------------


def detections(subject: Subject) -> Cells:
    """The best detections of the image."""
    found = subject.parts.detections[subject.image]
    names = subject.trace.classes
    boxes = found.boxes.xyxy.tolist()
    rows = [
        (
            class_name(names, int(label), subject.lang),
            f"{score:.3f}",
            *(f"{side:.1f}" for side in box),
        )
        for label, score, box in zip(found.labels, found.scores, boxes, strict=True)
    ]
    if not rows:
        raise MissingError("nothing was detected in this image: a table of detections is empty")
    head = subject.heads("detections")
    return _cells(head, rows[:8], range(1, 6))


TABLES: dict[str, Callable[[Subject], Cells]] = {
    "in-and-out": in_and_out,
    "costs": costs,
    "resnet": resnet,
    "anchors": anchors,
    "detections": detections,
}
"""The tables that an outline can name."""
