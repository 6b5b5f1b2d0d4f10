"""A survey as tables, one for each question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from tracer.errors import InputError
from tracer.languages import Texts
from tracer.numbers import Cell, fraction
from tracer.rcnn.classes import class_name
from tracer.surveys import reading
from tracer.surveys.anchors import anchor_sets
from tracer.surveys.data import BOX_STEPS, IOUS, KINDS, RPN_STEPS, STATIONS, STEPS, Survey
from tracer.surveys.precision import precision
from tracer.views.reports.report import Column, Row, Table

say = Texts("survey")

NAMES = (
    *("overview", "sizes", "ratios", "levels", "anchors", "funnel", "recall", "proposals", "lost"),
    *("kinds", "precision", "pooling", "activations", "time", "odd", "problems"),
)
"""The tables of a report, in its order."""

MOST = 200
"""Problems that a report lists."""


def survey_table(
    survey: Survey, name: str, lang: str = "en", links: Mapping[int, str] | None = None
) -> Table | None:
    """Return a table of a survey; None where it has nothing to say.

    Args:
        survey: the survey.
        name: one of `NAMES`.
        lang: the language.
        links: where a page about an odd picture is, by the picture's number.
    """
    if name == "odd":
        return _odd(survey, lang, links or {})
    return _MAKERS[name](survey, lang)


def tables(
    survey: Survey, lang: str = "en", links: Mapping[int, str] | None = None
) -> dict[str, Table]:
    """Return all tables that have something to say, by name."""
    found = {name: survey_table(survey, name, lang, links) for name in NAMES}
    return {name: table for name, table in found.items() if table is not None and len(table)}


def _table(
    name: str,
    lang: str,
    columns: Iterable[tuple[str, str]],
    rows: Iterable[tuple[Cell, ...]],
    notes: Iterable[str] = (),
) -> Table:
    heads = tuple(Column(key, say(f"column.{key}", lang), kind) for key, kind in columns)
    body = tuple(map(Row, rows))
    return Table(heads, body, say(f"table.{name}", lang), tuple(notes), lang=lang)


def _overview(survey: Survey, lang: str) -> Table:
    return _table(
        "overview", lang, [("what", "text"), ("value", "text")],
        [(say(f"measure.{name}", lang), text) for name, text in _measures(survey)],
        _remarks(survey, lang),
    )  # fmt: skip


def _remarks(survey: Survey, lang: str) -> Iterator[str]:
    done = len(survey.numbers)
    if done < survey.total:
        yield say("partial", lang, done=done, total=survey.total)
    if survey.left_out:
        yield say("left_out", lang, count=len(survey.left_out))
    if survey.subject.static:
        yield say("static", lang)


def _measures(survey: Survey) -> Iterator[tuple[str, str]]:
    """The numbers to begin with, written out."""
    yield "model", survey.subject.model
    yield "pictures", f"{len(survey):,}"
    yield "left_out", f"{len(survey.left_out):,}"
    single = reading.single(survey)
    if survey.pictures["targets"].any():
        yield "objects", f"{int(single.sum()):,}"
        if not single.all():
            yield "crowds", f"{int((~single).sum()):,}"
        best = reading.best(survey)[single]
        if len(best) and not np.isnan(best).all():
            for limit, name in zip(reading.SHARES, ("below50", "below70"), strict=True):
                yield name, fraction(float((best < limit).mean()))
        positives = survey.pictures["positives"]
        if positives.size and positives.min() >= 0:
            yield "positives", f"{positives.sum(1).mean():.1f}"
        for iou, name in zip(IOUS, ("found50", "found75"), strict=True):
            share = reading.found_share(survey, iou)
            if share is not None and survey.subject.kind != "other":
                yield name, fraction(share)
        with_ap = _precision(survey)
        for name in ("ap", "ap50"):
            if with_ap:
                yield name, f"{with_ap[name]:.3f}"
    if not survey.subject.static:
        yield "detections", f"{len(survey.detections['label']):,}"
        yield "dead", f"{reading.dead_channels(survey):,}"
        yield "nan", f"{int((survey.pictures['nan'] + survey.pictures['inf']).clip(min=0).sum()):,}"
        if len(survey):
            yield "seconds", f"{survey.pictures['seconds'].mean():.3f}"


def _precision(survey: Survey) -> dict[str, float]:
    try:
        return precision(survey)
    except InputError:
        return {}


# --- objects and anchors --------------------------------------------------------------------------

_FIT = (
    ("objects", "count"), ("share", "fraction"), ("below50", "fraction"), ("below70", "fraction"),
    ("best", "overlap"), ("best_level", "text"),
)  # fmt: skip


def _fit(survey: Survey, chosen: np.ndarray) -> tuple[Cell, ...]:
    best = reading.best(survey)[chosen]
    levels = reading.best_level(survey)[chosen]
    total = max(int(reading.single(survey).sum()), 1)
    if np.isnan(best).any() or not len(best):
        return (len(chosen), len(chosen) / total, None, None, None, None)
    names = survey.subject.levels
    most = int(np.bincount(levels).argmax())
    near = (float((best < limit).mean()) for limit in reading.SHARES)
    return (len(chosen), len(chosen) / total, *near, float(np.median(best)), names[most])


def _sizes(survey: Survey, lang: str) -> Table:
    rows = [
        (_range(group.low, group.high), *_fit(survey, group.chosen))
        for group in reading.by_side(survey)
    ]
    return _table("sizes", lang, [("group", "text"), *_FIT], rows, [say("note.sizes", lang)])


def _ratios(survey: Survey, lang: str) -> Table:
    rows = [
        (_range(group.low, group.high), *_fit(survey, group.chosen))
        for group in reading.by_ratio(survey)
    ]
    return _table("ratios", lang, [("ratio", "text"), *_FIT], rows)


def _levels(survey: Survey, lang: str) -> Table:
    levels, single = reading.best_level(survey), reading.single(survey)
    rows = []
    for at, name in enumerate(survey.subject.levels):
        chosen = np.flatnonzero(single & (levels == at))
        if len(chosen):
            rows.append((name, *_fit(survey, chosen)[:-1]))
    return _table("levels", lang, [("level", "text"), *_FIT[:-1]], rows)


def _range(low: float, high: float) -> str:
    if low == 0:
        return f"< {high:g}"
    return f"≥ {low:g}" if np.isinf(high) else f"{low:g}–{high:g}"


def _anchors(survey: Survey, lang: str) -> Table | None:
    columns = [("set", "text"), ("sizes", "text"), ("aspects", "text"), ("near50", "fraction"),
               ("near70", "fraction"), ("mean", "overlap")]  # fmt: skip
    try:
        sets = anchor_sets(survey)
    except InputError:
        row = (say("none", lang), None, None, None, None, None)
        return _table("anchors", lang, columns, [row], [say("note.anchors_scipy", lang)])
    if not sets:
        return None
    rows: list[tuple[Cell, ...]] = [
        (say(f"anchors.{each.name}", lang), _tuples(each.sizes), _tuples(each.ratios[:1]),
         *each.near, each.mean)
        for each in sets
    ]  # fmt: skip
    notes = [say("note.anchors", lang)]
    if len(sets) == 1:
        notes.append(say("note.anchors_none", lang))
    return _table("anchors", lang, columns, rows, notes)


def _tuples(levels: Iterable[tuple[float, ...]]) -> str:
    return " | ".join(", ".join(f"{value:g}" for value in level) for level in levels)


# --- the funnel -----------------------------------------------------------------------------------


def _funnel(survey: Survey, lang: str) -> Table | None:
    chosen = reading.with_funnel(survey)
    if survey.subject.kind != "two-stage" or not chosen.any():
        return None
    rpn, box = survey.pictures["rpn"][chosen], survey.pictures["box"][chosen]
    levels = survey.subject.levels
    rows: list[tuple[Cell, ...]] = []
    for at, name in enumerate(STEPS[:-1]):
        inside = at < len(RPN_STEPS)
        counts = rpn[:, at].sum(1) if inside else box[:, at - len(RPN_STEPS)]
        means: list[Cell] = rpn[:, at].mean(0).tolist() if inside else [None] * len(levels)
        recalls = (reading.recall(survey, iou, name) for iou in IOUS)
        rows.append((say(f"step.{name}", lang), *_spread(counts), *recalls, *means))
    recalls = (reading.recall(survey, iou, "matched") for iou in IOUS)
    rows.append((say("step.matched", lang), *[None] * 4, *recalls, *[None] * len(levels)))
    columns = [("step", "text"), *((key, "number") for key in ("mean", "q10", "q50", "q90")),
               ("recall50", "fraction"), ("recall75", "fraction")]  # fmt: skip
    exact = int(survey.pictures["exact"][chosen].sum())
    notes = [say("note.funnel", lang), say("note.exact", lang, count=exact, all=int(chosen.sum()))]
    table = _table("funnel", lang, columns, [row[: len(columns)] for row in rows], notes)
    more = tuple(Column(f"level_{name}", name, "number", rank=3) for name in levels)
    return Table(
        (*table.columns, *more), tuple(map(Row, rows)), table.title, table.notes, lang=lang
    )


def _spread(counts: np.ndarray) -> tuple[Cell, ...]:
    found = reading.quantiles(counts)
    return (None,) * 4 if found is None else found


def _recall(survey: Survey, lang: str) -> Table | None:
    shown = ("rpn_all", "rpn_top_k", "rpn_nms", "rpn_top_n", "box_all", "box_score", "box_nms",
             "matched")  # fmt: skip
    if not len(reading.followed(survey)):
        return None
    rows = [
        (_range(group.low, group.high), len(group.chosen),
         *(reading.recall(survey, 0.5, step, group.chosen) for step in shown))
        for group in reading.by_side(survey)
    ]  # fmt: skip
    head = (Column("group", say("column.group", lang)),
            Column("objects", say("column.objects", lang), "count"))  # fmt: skip
    steps = tuple(Column(step, say(f"step.{step}", lang), "fraction") for step in shown)
    title = say("table.recall", lang)
    return Table((*head, *steps), tuple(map(Row, rows)), title, lang=lang)


def _proposals(survey: Survey, lang: str) -> Table | None:
    if not len(reading.followed(survey)):
        return None
    rows = [
        (top, *(reading.proposal_recall(survey, iou, top) for iou in IOUS)) for top in reading.TOP
    ]
    columns = [("top", "count"), ("recall50", "fraction"), ("recall75", "fraction")]
    return _table("proposals", lang, columns, rows)


def _lost(survey: Survey, lang: str) -> Table | None:
    total = len(reading.followed(survey))
    if not total:
        return None
    found = sorted(reading.lost(survey).items(), key=lambda item: -item[1])
    rows = [(say(f"station.{name}", lang), count, count / total) for name, count in found]
    columns = [("station", "text"), ("objects", "count"), ("share", "fraction")]
    return _table("lost", lang, columns, rows, [say("note.lost", lang)])


def _kinds(survey: Survey, lang: str) -> Table | None:
    found = reading.kinds(survey)
    total = sum(found.values())
    rows = [
        (say(f"kind.{name}", lang), count, count / total) for name, count in found.items() if count
    ]
    columns = [("kind", "text"), ("detections", "count"), ("share", "fraction")]
    return _table("kinds", lang, columns, rows, [say("note.kinds", lang)])


def _precisions(survey: Survey, lang: str) -> Table | None:
    columns = [("what", "text"), ("value", "overlap")]
    try:
        found = precision(survey)
    except InputError:
        note = say("note.precision_missing", lang)
        return _table("precision", lang, columns, [(say("none", lang), None)], [note])
    rows = [(say(f"precision.{name}", lang), value) for name, value in found.items()]
    return _table("precision", lang, columns, rows, [say("note.precision", lang)])


def _pooling(survey: Survey, lang: str) -> Table | None:
    names, rois = survey.subject.pooled, survey.pictures["rois"]
    if not names or not rois.size or rois.max() < 0:
        return None
    counts = rois[rois.min(1) >= 0].sum(0)
    sides, pooled = reading.sides(survey.objects["resized"]), survey.objects["pooled"]
    rows = []
    for at, name in enumerate(names):
        mine = np.flatnonzero((pooled == at) & reading.single(survey))
        median = float(np.median(sides[mine])) if len(mine) else None
        share = float(counts[at] / max(counts.sum(), 1))
        rows.append((name, int(counts[at]), share, len(mine), median))
    columns = [("level", "text"), ("rois", "count"), ("share", "fraction"), ("objects", "count"),
               ("side", "number")]  # fmt: skip
    return _table("pooling", lang, columns, rows)


# --- activations, time ----------------------------------------------------------------------------


def _activations(survey: Survey, lang: str) -> Table:
    rows = [
        (line.label, line.type, line.channels, line.low, line.high, line.mean, line.std,
         line.zeros, line.nan, line.inf, line.dead, line.constant, line.saturated,
         line.drift, line.stretch)
        for line in reading.lines(survey)
    ]  # fmt: skip
    columns = [
        ("module", "text"), ("type", "text"), ("channels", "count"),
        *((key, "number") for key in ("min", "max", "mean", "std")),
        *((key, "fraction") for key in ("zeros", "nan", "inf")),
        *((key, "count") for key in ("dead", "constant", "saturated")),
        ("drift", "number"), ("stretch", "number"),
    ]  # fmt: skip
    return _table("activations", lang, columns, rows, [say("note.activations", lang)])


def _time(survey: Survey, lang: str) -> Table | None:
    stages = survey.subject.stages
    if not stages or not len(survey):
        return None
    table, held = survey.pictures["stages"], survey.pictures["held"]
    total = max(float(table.sum(1).mean()), 1e-12)
    rows = [
        (name, float(table[:, at].mean()), float(table[:, at].mean()) / total,
         *np.quantile(table[:, at], (0.1, 0.5, 0.9)).tolist(), float(held[:, at].mean()) / 1e6)
        for at, name in enumerate(stages)
    ]  # fmt: skip
    spread = ((key, "seconds") for key in ("q10", "q50", "q90"))
    columns = [
        ("stage", "text"), ("seconds", "seconds"), ("share", "fraction"), *spread,
        ("memory", "number"),
    ]  # fmt: skip
    return _table("time", lang, columns, rows, [say("note.time", lang)])


# --- odd pictures ---------------------------------------------------------------------------------


def _odd(survey: Survey, lang: str, links: Mapping[int, str]) -> Table:
    rows = [
        (each.name, say(f"reason.{each.reason}", lang), _odd_value(each), each.about,
         links.get(each.number))
        for each in reading.odd_pictures(survey)
    ]  # fmt: skip
    columns = [("picture", "text"), ("reason", "text"), ("value", "text"), ("about", "text"),
               ("look", "text")]  # fmt: skip
    return _table("odd", lang, columns, rows, [say("note.odd", lang)])


def _odd_value(each: reading.Odd) -> str:
    if each.reason == "recall":
        return fraction(each.value)
    return f"{each.value:.1f} σ" if each.reason == "extreme" else f"{each.value:,.0f}"


def _problems(survey: Survey, lang: str) -> Table:
    rows = [
        (each.name, say(f"problem.{each.kind}", lang), each.text) for each in survey.problems[:MOST]
    ]
    left = len(survey.problems) - len(rows)
    notes = [say("more", lang, count=left)] if left > 0 else []
    columns = [("picture", "text"), ("kind", "text"), ("text", "prose")]
    return _table("problems", lang, columns, rows, notes)


_MAKERS = {
    "overview": _overview,
    "sizes": _sizes,
    "ratios": _ratios,
    "levels": _levels,
    "anchors": _anchors,
    "funnel": _funnel,
    "recall": _recall,
    "proposals": _proposals,
    "lost": _lost,
    "kinds": _kinds,
    "precision": _precisions,
    "pooling": _pooling,
    "activations": _activations,
    "time": _time,
    "problems": _problems,
}


# --- a row per picture, object, detection ---------------------------------------------------------


def records(survey: Survey, which: str) -> Table:
    """Return a row for each picture, object or detection.

    Args:
        survey: the survey.
        which: ``"pictures"``, ``"objects"`` or ``"detections"``.
    """
    columns = dict(_named(survey, which))
    cells = zip(*(values for values in columns.values()), strict=True)
    heads = tuple(Column(name, name) for name in columns)
    return Table(heads, tuple(Row(tuple(row)) for row in cells), say(f"table.{which}"))


def _named(survey: Survey, which: str) -> Iterator[tuple[str, list[Cell]]]:
    """Columns of plain values: arrays are spread over as many as they have numbers."""
    table = getattr(survey, which)
    subject = survey.subject
    names = dict(zip(survey.pictures["number"].tolist(), survey.names, strict=True))
    if which == "pictures":
        yield "name", list(survey.names)
    parts = {
        "size": ("height", "width"), "resized": ("height", "width"), "batch": ("height", "width"),
        "stages": subject.stages, "held": subject.stages, "rois": subject.pooled,
        "positives": subject.levels, "iou": subject.levels, "box": ("x1", "y1", "x2", "y2"),
        "rank": tuple(map(str, IOUS)),
    }  # fmt: skip
    for name, values in table.items():
        if name in ("grids", "rpn", "reached") or (which == "pictures" and name == "box"):
            yield from _steps(name, values)
        elif name == "resized" and which == "objects":
            yield from _spread_out("resized", values, parts["box"])
        elif values.ndim == 2:
            yield from _spread_out(name, values, parts[name])
        elif name == "picture":
            yield "picture", values.tolist()
            yield "name", [names[number] for number in values.tolist()]
        elif name in ("lost", "kind"):
            words = STATIONS if name == "lost" else KINDS
            yield name, [words[at] if at >= 0 else None for at in values.tolist()]
        elif name == "label":
            yield name, values.tolist()
            yield "class", [class_name(subject.classes, at) for at in values.tolist()]
        else:
            yield name, [_cell(value) for value in values.tolist()]


def _cell(value: Cell) -> Cell:
    return None if isinstance(value, float) and np.isnan(value) else value


def _spread_out(
    name: str, values: np.ndarray, parts: Iterable[str]
) -> Iterator[tuple[str, list[Cell]]]:
    for at, part in enumerate(parts):
        yield f"{name}_{part}", [_cell(value) for value in values[:, at].tolist()]


def _steps(name: str, values: np.ndarray) -> Iterator[tuple[str, list[Cell]]]:
    if name == "rpn":
        for at, step in enumerate(RPN_STEPS):
            yield f"rpn_{step}", values[:, at].sum(1).tolist()
    elif name == "box":
        for at, step in enumerate(BOX_STEPS):
            yield f"box_{step}", values[:, at].tolist()
    elif name == "reached":
        for which, iou in enumerate(IOUS):
            for at, step in enumerate(STEPS):
                yield f"{step}_{iou}", values[:, which, at].tolist()
