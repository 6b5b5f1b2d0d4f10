"""The stages: what a teacher writes on the board, from the images to the detections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tracer.numbers import Cell, count, dims, number, shown
from tracer.rcnn.anatomy.reading import passes
from tracer.rcnn.board import Board, Map, Step, read_board
from tracer.rcnn.findings import told
from tracer.record import Stage, Trace
from tracer.views.kit.shapes import shape_text
from tracer.views.reports import word
from tracer.views.reports.columns import columns_of, pick
from tracer.views.reports.names import changes, failure, title
from tracer.views.reports.report import Column, Row, Table

IMAGES = 4
"""Up to so many images have a column each; more of them share one."""

Record = dict[str, Cell]


def stages(trace: Trace, *, lang: str = "en", nth: int = 0) -> Table:
    """Return the lines that sum up a run.

    Of a pass of a torchvision detector: image sizes, the padded batch, C1–C5 and P2–P6 with their
    strides, and how many boxes each step leaves, per level and per image; in training the losses.
    Of another model: its stages with their shapes. Of a construction: what each stage built.

    Args:
        trace: a pass or a construction.
        lang: the language.
        nth: which of several passes, from 0.
    """
    board = read_board(trace, nth) if trace.kind == "pass" else None
    if board is not None:
        return _detector(trace, board, lang, nth)
    return _outline(trace, lang) if trace.kind == "pass" else _construction(trace, lang)


# --- a detector -----------------------------------------------------------------------------------


def _detector(trace: Trace, board: Board, lang: str, nth: int) -> Table:
    columns = [
        Column("step", word("step", lang)),
        Column("what", word("what", lang), "prose", rank=2),
        Column("shape", word("shape_or_levels", lang), floor=26),
        Column("stride", word("stride", lang), "pixels", rank=3),
        *_image_columns(board.batch[0], lang),
    ]
    if board.losses:
        columns.append(Column("value", word("value", lang), "number"))
    notes = tuple(_notes(trace, board, lang, nth))
    return _table(trace, columns, _lines(board, lang), lang, notes)


def _image_columns(images: int, lang: str) -> list[Column]:
    if images > IMAGES:
        return [Column("images", word("each_image", lang))]
    return [Column(f"image_{i}", word("image_n", lang, n=i), "count") for i in range(images)]


def _per_image(cells: Sequence[str | int]) -> Record:
    if len(cells) > IMAGES:
        return {"images": ", ".join(shown(cell, "count") for cell in cells)}
    return {f"image_{i}": cell for i, cell in enumerate(cells)}


def _table(
    trace: Trace,
    columns: Sequence[Column],
    lines: Iterable[Record],
    lang: str,
    notes: Sequence[str],
) -> Table:
    rows = tuple(Row(tuple(line.get(column.key) for column in columns)) for line in lines)
    if trace.error is not None:
        notes = (*notes, failure(trace, lang))
    notes = (*notes, *told(trace, lang))
    return Table(
        tuple(columns), rows, title(trace, lang), tuple(notes), lang=lang, common=changes(trace)
    )


def _lines(board: Board, lang: str) -> Iterator[Record]:
    yield _line("images", lang) | _per_image([dims(size) for size in board.images])
    yield _line("resized", lang) | _per_image([dims(size) for size in board.resized])
    yield _line("scale", lang) | _per_image(list(_scales(board)))
    yield _line("batch", lang) | {"shape": dims(board.batch), "stride": 1}
    for level in (*board.stages, *board.features):
        yield _map(level, lang)
    before = [step for step in board.steps if step.name not in AFTER_HEADS]
    for step in before:
        yield _step(step, lang)
    for name, shapes in board.heads:
        yield {"step": name, "shape": ", ".join(map(dims, shapes))}
    for step in board.steps[len(before) :]:
        yield _step(step, lang)
    for name, value in board.losses:
        yield {"step": name, "what": word("loss", lang), "value": value}


AFTER_HEADS = ("candidates", "nms", "detections")
"""Steps that come after the box head has spoken."""


def _line(name: str, lang: str) -> Record:
    return {"step": word(f"step_{name}", lang), "what": word(f"what_{name}", lang)}


def _scales(board: Board) -> Iterator[str]:
    """By how much each image's height was scaled, ``×0.853``."""
    for (before, _), (after, _) in zip(board.images, board.resized, strict=False):
        yield f"×{after / before:.3g}" if before else ""


def _map(level: Map, lang: str) -> Record:
    what = word(f"what_{level.kind}", lang, key=level.place)
    return {"step": level.name, "what": what, "shape": dims(level.shape), "stride": level.stride}


def _step(step: Step, lang: str) -> Record:
    what = f"what_{step.name}{'' if step.limit is not None else '_any'}"
    limit = number(step.limit) if step.limit is not None else ""
    return {
        "step": word(f"step_{step.name}", lang),
        "what": word(what, lang, limit=limit) if what in word else None,
        "shape": " ".join(f"{level}:{count(n)}" for level, n in step.levels) or None,
        **_per_image(step.images),
    }


def _notes(trace: Trace, board: Board, lang: str, nth: int) -> Iterator[str]:
    runs = len(passes(trace))
    if runs > 1:
        yield word("note_passes", lang, nth=nth, count=runs)
    if board.missing:
        steps = word("comma", lang).join(word(f"step_{name}", lang) for name in board.missing)
        yield word("note_missing", lang, steps=steps)


# --- anything else --------------------------------------------------------------------------------


def _outline(trace: Trace, lang: str) -> Table:
    """One line per stage of a model that is no detector: what goes in and what comes out."""
    columns = _columns(("stage", "type", "calls", "input", "output", "macs", "all_time"), lang)
    return _table(trace, columns, (_outlined(trace, s) for s in trace.stages), lang, ())


def _columns(keys: Sequence[str], lang: str) -> list[Column]:
    """Return columns like those of the table; the first of them always stays."""
    first, *others = columns_of(pick(keys), lang)
    return [replace(first, rank=0), *others]


def _outlined(trace: Trace, stage: Stage) -> Record:
    calls = [trace.calls[id] for id in stage.calls]
    return {
        "stage": stage.name,
        "type": calls[0].type,
        "calls": len(calls),
        "input": shape_text(trace, calls[0].args) or None,
        "output": shape_text(trace, calls[-1].result) or None,
        "macs": sum(call.macs for call in calls) or None,
        "all_time": sum(call.seconds for call in calls),
    }


def _construction(trace: Trace, lang: str) -> Table:
    """One line per stage of a construction: its builders and what came of them."""
    columns = _columns(("stage", "path", "built_type", "built", "frozen", "all_time"), lang)
    columns.insert(1, Column("builders", word("builders", lang), rank=10))
    return _table(trace, columns, (_stage_built(trace, s) for s in trace.stages), lang, ())


def _stage_built(trace: Trace, stage: Stage) -> Record:
    """The finished part that has the stage's name, ``backbone.fpn`` for ``fpn``."""
    calls = [trace.calls[id] for id in stage.calls]
    line: Record = {
        "stage": stage.name,
        "builders": ", ".join(dict.fromkeys(call.path for call in calls)),
        "all_time": sum(call.seconds for call in calls),
    }
    parts = [m for m in trace.modules.values() if m.path.rpartition(".")[2] == stage.name]
    if not parts:
        return line
    part = min(parts, key=lambda module: module.path.count("."))
    made: Record = {"built_type": part.type, "path": part.path, "built": part.params}
    return {**line, **made, "frozen": part.params - part.trainable}
