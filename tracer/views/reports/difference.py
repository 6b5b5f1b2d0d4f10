"""Two recordings compared: the answer in a sentence, and the calls that differ."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tracer.errors import InputError, MissingError, TracerError, near
from tracer.foreign import clean
from tracer.languages import listed
from tracer.numbers import Cell, number
from tracer.rcnn.anatomy import anatomies
from tracer.rcnn.anatomy.agreement import IOU, Outcome, agree
from tracer.rcnn.classes import class_name, names_in
from tracer.record import Trace, Value
from tracer.record.comparison import (
    LEAST,
    STATUSES,
    Comparison,
    Difference,
    Pair,
)
from tracer.views.kit.differences import (
    around_parting,
    called,
    notes,
    odd,
    part,
    say,
    setting_name,
    short,
    standing,
    verdict,
)
from tracer.views.reports.contract import tree
from tracer.views.reports.formats import json_text
from tracer.views.reports.report import Column, Row, Table
from tracer.views.reports.rows import Names, choose, several

# --- the calls ------------------------------------------------------------------------------------


def difference(
    compared: Comparison, *, grain: Names | None = None, stage: Names | None = None,
    path: Names | None = None, status: Names | None = None, above: float = 0.0, lang: str = "en",
) -> Table:  # fmt: skip
    """Return one line per call that differs; above them the answer, beneath what it rests on.

    The options are those of `Compared.report`.
    """
    shown = _shown(compared, grain, stage, path, status, above)
    columns = (
        Column("call", say("call", lang), floor=32),
        Column("status", say("status", lang), rank=1, floor=10),
        Column("what", say("what", lang), rank=4),
        Column("first", say("first", lang), rank=2),
        Column("second", say("second", lang), rank=2),
        Column("change", say("change", lang), "number", rank=3),
        Column("by", say("by", lang), rank=9),
    )
    around = around_parting(compared)
    rows = tuple(_row(compared, index, around, lang) for index in shown)
    said, differing = notes(compared, lang), len(_differing(compared))
    if len(shown) < differing:
        cut = say("note.shown", lang, shown=f"{len(shown):,}", count=f"{differing:,}")
        said = (cut, *said)
    common = _changes(compared, "first_changes", "second_changes")
    return Table(columns, rows, verdict(compared, lang), said, lang=lang, common=common)


def _changes(compared: Comparison, *keys: str) -> dict[str, tuple[str, ...]]:
    """Return what was changed on purpose in either run, under these keys, where anything was."""
    both = (trace.settings.changes for trace in (compared.first, compared.second))
    return {key: done for key, done in zip(keys, both, strict=True) if done}


def _differing(compared: Comparison) -> list[int]:
    return [i for i, pair in enumerate(compared.pairs) if pair.status != "same" or pair.moved]


def _shown(
    compared: Comparison,
    grain: Names | None,
    stage: Names | None,
    path: Names | None,
    status: Names | None = None,
    above: float = 0.0,
) -> list[int]:
    """Return the indices of the pairs that differ and are asked for."""
    chosen = _chosen(compared, grain, stage, path)
    wanted = STATUSES if status is None else several(status)
    for name in wanted:
        if name not in STATUSES:
            raise InputError(f"no status {name!r}{near(name, STATUSES)} (of {', '.join(STATUSES)})")
    asked = [
        i
        for i in _differing(compared)
        if compared.pairs[i].status in wanted and (not above or compared.pairs[i].change > above)
    ]
    found = [i for i in asked if i in chosen or (grain is None and i == compared.divergence)]
    if found or grain is not None:
        return found
    # no module differs: what does is a function, or an op, that a setting was handed to
    finer = _chosen(compared, "all", stage, path)
    return [i for i in asked if i in finer]


def _chosen(
    compared: Comparison, grain: Names | None, stage: Names | None, path: Names | None
) -> set[int]:
    """Return the indices of the pairs that are asked for in either recording."""
    ids: list[set[int]] = []
    missing: list[MissingError] = []
    for trace in (compared.first, compared.second):
        try:
            ids.append({c.id for c in choose(trace, grain, stage, path, default=("module",))})
        except MissingError as error:
            ids.append(set())
            missing.append(error)
    if len(missing) > 1:
        raise missing[0]
    return {
        index
        for index, pair in enumerate(compared.pairs)
        if (pair.first is not None and pair.first.id in ids[0])
        or (pair.second is not None and pair.second.id in ids[1])
    }


def _row(compared: Comparison, index: int, around: set[int], lang: str) -> Row:
    pair = compared.pairs[index]
    status = say(f"status_of.{standing(compared, index, around)}", lang)
    if pair.moved:
        status = listed([status, say("status_of.moved", lang)], lang)
    cells = (called(pair), status, *_worst(compared, pair, lang))
    mark = "error" if index == compared.divergence else ""
    return Row(cells, mark=mark, call=None if pair.first is None else pair.first.id)


def _worst(compared: Comparison, pair: Pair, lang: str) -> tuple[Cell, ...]:
    """Return what differs most in a call, in either recording, how far, and how that is known."""
    found = pair.results or tuple(d for d in pair.inputs if not d.parameter)
    if not found and pair.settings:
        first = pair.settings[0]
        sides = clean(first.first, 60), clean(first.second, 60)
        if first.values:
            name = say("part.parameter", lang, name=first.name)
            return name, *sides, None, say("way.fingerprint", lang)
        what = say("part.setting", lang, name=setting_name(first, lang))
        return what, *sides, None, None
    if not found:
        return None, None, None, None, None
    worst = max(found, key=lambda d: d.change)
    what = part(worst, "result" if pair.results else "argument", lang)
    figures = [
        _figures(trace, value) if worst.kind == "values" else short(trace, value, lang)
        for trace, value in ((compared.first, worst.first), (compared.second, worst.second))
    ]
    told = math.isfinite(worst.change) and worst.change != LEAST
    change = worst.change if told else None
    return what, *figures, change, say(f"way.{worst.by}", lang) if worst.by else None


def _figures(trace: Trace, value: Value | None) -> str:
    """``0.02 ± 1.3``: the mean and the standard deviation, and what is NaN or infinite."""
    assert value is not None
    assert value.tensor is not None
    summary = trace.tensors[value.tensor].summary
    parts = [number(x) for x in (summary.mean, summary.std) if x is not None]
    return f"{' ± '.join(parts)}{odd(summary)}"


# --- for other programs ---------------------------------------------------------------------------


def to_json(
    compared: Comparison,
    *,
    grain: Names | None = None,
    stage: Names | None = None,
    path: Names | None = None,
) -> str:
    """Return a comparison as one JSON object, the same in every language; see docs/json.md.

    Args:
        compared: two recordings.
        grain: kinds of call, of those that differ, as `difference` takes them.
        stage: only calls of this stage, or of these.
        path: only calls of this path, label or pattern, or of these, and what ran in them.

    Raises:
        InputError, MissingError: an unknown grain, stage or path.
    """
    shown = _shown(compared, grain, stage, path)
    calls = ",\n".join(json_text(_record(compared, index)) for index in shown)
    rest = json_text(_about(compared))
    return f'{rest[:-1]}, "differing": [\n{calls}\n]}}'


def _about(compared: Comparison) -> dict[str, Any]:
    parting = None if compared.divergence is None else compared.pairs[compared.divergence]
    return {
        "verdict": compared.verdict,
        "said": verdict(compared),
        "first": compared.first.called(),
        "second": compared.second.called(),
        "changes": [list(t.settings.changes) for t in (compared.first, compared.second)],
        "tolerance": compared.tolerance,
        "calls": len(compared.pairs),
        "counts": compared.counts,
        "divergence": None if parting is None else _labels(parting),
        "branch": _branch(compared),
        "environment": [[s.name, s.first, s.second] for s in compared.environment],
        "parameters": list(compared.parameters),
        "evidence": compared.evidence,
        "detections": _outcomes(compared),
    }


def _labels(pair: Pair) -> list[str | None]:
    return [None if call is None else call.label for call in (pair.first, pair.second)]


def _branch(compared: Comparison) -> dict[str, Any] | None:
    branch = compared.branch
    if branch is None:
        return None
    return {
        "call": _labels(compared.pairs[branch.pair]),
        "after": None if branch.at is None else list(branch.at),
        "to": [branch.first, branch.second],
        "names": [name.name for name in branch.names],
    }


def _record(compared: Comparison, index: int) -> dict[str, Any]:
    pair = compared.pairs[index]
    return {
        "call": _labels(pair),
        "status": pair.status,
        "moved": pair.moved,
        "arguments": [_told(compared, it) for it in pair.inputs],
        "results": [_told(compared, it) for it in pair.results],
        "settings": [[s.name, s.first, s.second] for s in pair.settings],
    }


def _told(compared: Comparison, it: Difference) -> dict[str, Any]:
    sides = [
        None if value is None else tree(trace, value)
        for trace, value in ((compared.first, it.first), (compared.second, it.second))
    ]
    return {
        "name": it.name,
        "differs": it.kind,
        "by": it.by or None,
        "change": it.change if math.isfinite(it.change) and it.change != LEAST else None,
        "first": sides[0],
        "second": sides[1],
    }


def _outcomes(compared: Comparison) -> list[dict[str, Any]] | None:
    """Return what became of each detection; None where one of the two holds none."""
    try:
        found = agree(*(parts.results for parts in anatomies(compared.first, compared.second)))
    except TracerError:
        return None
    return [
        {"image": it.image, "became": it.kind, "labels": list(it.labels),
         "scores": list(it.scores), "iou": it.iou}
        for it in found
    ]  # fmt: skip


# --- the detections -------------------------------------------------------------------------------


def detections(compared: Comparison, *, lang: str = "en") -> Table:
    """Return what became of every detection, matched by IoU; see `Compared.detections`."""
    found = agree(*(parts.results for parts in anatomies(compared.first, compared.second)))
    count = {kind: sum(o.kind == kind for o in found) for kind in _KINDS}
    columns = (
        Column("image", say("detections.image", lang), "count"),
        Column("what", say("detections.what", lang)),
        Column("class_a", say("detections.class_a", lang)),
        Column("score_a", say("detections.score_a", lang), "number"),
        Column("class_b", say("detections.class_b", lang)),
        Column("score_b", say("detections.score_b", lang), "number"),
        Column("iou", say("detections.iou", lang), "number"),
    )
    title = say(
        "detections.title", lang, kept=count["kept"] + count["relabelled"],
        vanished=count["vanished"], appeared=count["appeared"],
    )  # fmt: skip
    rows = tuple(Row(tuple(_cells(compared, outcome, lang))) for outcome in found)
    told, common = (
        (say("detections.note", lang, iou=IOU),),
        _changes(compared, "changes_a", "changes_b"),
    )
    return Table(columns, rows, title, told, lang=lang, common=common)


_KINDS = ("kept", "relabelled", "vanished", "appeared")


def _cells(compared: Comparison, outcome: Outcome, lang: str) -> Iterable[Cell]:
    yield outcome.image
    yield say(f"detections.{outcome.kind}", lang)
    traces = compared.first, compared.second
    for trace, label, score in zip(traces, outcome.labels, outcome.scores, strict=True):
        names = names_in(trace.classes, lang)
        yield None if label is None else class_name(names, label, lang)
        yield score
    yield outcome.iou
