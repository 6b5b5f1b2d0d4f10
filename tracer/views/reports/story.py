"""What became of an object, a box or a detection, in words: a station to a row."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracer.errors import option
from tracer.numbers import Cell, box_size
from tracer.rcnn.classes import class_name
from tracer.rcnn.findings import changed as changed_run
from tracer.rcnn.stories import Step, Stories, Story, false_ones, missed_ones, why
from tracer.rcnn.stories.given import targets_of
from tracer.record import Trace
from tracer.views.kit.stories import (
    changed,
    false_summary,
    named,
    notes_of,
    say,
    state,
    station,
    summary,
    told,
    verdict,
)
from tracer.views.reports.names import changes
from tracer.views.reports.report import Column, Row, Table


def story(
    trace: Trace, *, missed: bool = False, false: bool = False,
    targets: Sequence[Mapping[str, Any]] | str | os.PathLike[str] | None = None, lang: str = "en",
    **asked: Any,
) -> Table:  # fmt: skip
    """Return what became of an object, a box or a detection; the options are `Recording.why`'s."""
    given = targets_of(trace, targets) if isinstance(targets, str | os.PathLike) else targets
    found = why(trace, targets=given, **asked)
    if isinstance(found, Story):
        made = story_table(found, trace, lang=lang)
    elif false:
        made = false_table(found, trace.classes, lang=lang)
    else:
        made = objects_table(found, trace.classes, missed=missed, lang=lang)
    notes = (*changed_run(trace, lang), *made.notes)
    return replace(made, notes=notes, common=changes(trace))


def story_table(story: Story, trace: Trace, *, lang: str = "en") -> Table:
    """Return a story: the verdict above, a row for each station, what would have helped below.

    Args:
        story: as `tracer.why` tells it.
        trace: the recording that it is of.
        lang: the language.
    """
    columns = (
        Column("station", say("station_of", lang)),
        Column("call", say("call", lang), rank=5),
        Column("left", say("left", lang), "count"),
        Column("iou", say("iou", lang), "overlap"),
        Column("score", say("score", lang), "number"),
        Column("what", say("what", lang), "prose"),
    )
    rows = tuple(_row(step, story, trace, lang) for step in story.steps)
    notes = (*notes_of(story, trace.classes, lang), say("note.read", lang))
    title = verdict(story, trace.classes, lang) + say("stop", lang)
    return Table(columns, rows, title, notes, lang=lang)


def _row(step: Step, story: Story, trace: Trace, lang: str) -> Row:
    left = None if story.about == "detection" else step.left
    name = station(step.name, lang)
    call = "" if step.call is None else trace.calls[step.call].path.rpartition(".")[2]
    what = told(step, trace.classes, lang)
    cells = (name, call, left, step.iou, step.score, what)
    return Row(cells, mark="error" if step.lost else "", call=step.call)


# --- many -----------------------------------------------------------------------------------------


def objects_table(
    stories: Stories, names: Sequence[str] = (), *, missed: bool = False, lang: str = "en"
) -> Table:
    """Return a row for each object: found, or the station that lost it and what would have helped.

    Args:
        stories: of an image or of a batch.
        names: of the classes by label.
        missed: only those that were lost.
        lang: the language.
    """
    chosen = missed_ones(stories) if missed else stories.objects
    if not stories.known:  # then there is only what was detected
        chosen = (*chosen, *stories.detections)
    rows = tuple(Row(_object_cells(s, names, lang), mark="error" if s.lost else "") for s in chosen)
    unknown = () if stories.known else (say("note.no_targets", lang, option=option(targets=None)),)
    notes = (*unknown, say("note.one", lang))
    return Table(_columns(lang), rows, summary(stories, lang), notes, lang=lang)


def false_table(stories: Stories, names: Sequence[str] = (), *, lang: str = "en") -> Table:
    """Return a row for each false detection: which kind of error it is, and on which object.

    Args:
        stories: of an image or of a batch.
        names: of the classes by label.
        lang: the language.
    """
    rows = tuple(Row(_detection_cells(story, names, lang)) for story in false_ones(stories))
    title = false_summary(stories, lang)
    return Table(_columns(lang), rows, title, (say("note.tide", lang),), lang=lang)


def _columns(lang: str) -> tuple[Column, ...]:
    return (
        Column("image", say("image", lang), "count", rank=4),
        Column("number", say("number", lang), "count"),
        Column("class", say("class", lang)),
        Column("size", say("size", lang), rank=3),
        Column("outcome", say("outcome", lang)),
        Column("score", say("score", lang), "number", rank=2),
        Column("iou", say("iou", lang), "overlap", rank=1),
        Column("what", say("what", lang), "prose"),
    )


def _object_cells(story: Story, names: Sequence[str], lang: str) -> tuple[Cell, ...]:
    what = ""
    if story.lost:
        reason = told(story.step(story.lost), names, lang)
        helps = (changed(story.changes, lang),) if story.changes else ()
        what = say("join", lang).join([reason, *helps])
    return (*_first(story, names, lang), state(story, lang), story.score, story.overlap, what)


def _detection_cells(story: Story, names: Sequence[str], lang: str) -> tuple[Cell, ...]:
    values = {
        "partner": story.partner,
        "overlap": story.overlap,
        **named(story.facts, names, lang),
    }
    what = say(f"kind.{story.kind}", lang).format(**values)
    return (*_first(story, names, lang), state(story, lang), story.score, story.overlap, what)


def _first(story: Story, names: Sequence[str], lang: str) -> tuple[Cell, ...]:
    label = "" if story.label is None else class_name(names, story.label, lang)
    return (story.image, story.number, label, box_size(story.box))
