"""Two recordings side by side: where they part, and which calls differ."""

from __future__ import annotations

from functools import partial

from tracer.errors import InputError
from tracer.numbers import shown
from tracer.record import Trace
from tracer.record.comparison import STATUSES, Comparison, compare
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Choice, Shown, Slider
from tracer.views.explorers.explorer import Explorer
from tracer.views.kit.differences import say as words
from tracer.views.reports.difference import difference

ROWS = 60
"""So many rows are shown at once."""


def draw(
    compared: Comparison, lang: str, grain: str, differing: str, stage: str, above: float
) -> Shown:
    """Show where two recordings part, and the calls that differ, as far as they are wanted."""
    report = difference(
        compared, grain=grain, stage=stage or None, status=differing or None, above=above, lang=lang
    )
    rows = [
        [shown(cell, column.kind) for cell, column in zip(row.cells, report.columns, strict=True)]
        for row in report.rows[:ROWS]
    ]
    heads = [column.title for column in report.columns]
    parts = [told.note(report.title)]
    parts.append(told.table(heads, rows) if rows else told.note(told.say("nothing", lang)))
    if len(report) > ROWS:
        cut = told.say("first_rows", lang, rows=ROWS, total=len(report))
        parts.append(told.note(cut, muted=True))
    parts += [told.note(note, muted=True) for note in report.notes]
    return Shown(told.block(*parts))


def explorer(
    trace: Trace, lang: str, *, other: Trace | None = None, grain: str = "module",
    differing: str = "", stage: str = "", above: float = 0.0,
) -> Explorer:  # fmt: skip
    """Return the comparison of two recordings; the options are `Recording.explore`'s."""
    if not isinstance(other, Trace):
        raise InputError(
            "compare needs a second recording: recording.explore('compare', other=recording2)"
        )
    compared = compare(trace, other)
    grains = [(g, g) for g in ("module", "function", "op") if g in trace.settings.grains]
    stages = [s.name for s in trace.stages]
    every = told.say("all", lang)
    statuses = ((every, ""), *((words(f"status_of.{s}", lang), s) for s in STATUSES if s != "same"))
    controls = (
        Choice("grain", told.say("calls_of", lang), tuple(grains), grain, buttons=True),
        Choice("differing", told.say("that_differ_in", lang), statuses, differing),
        Choice("stage", told.say("stage", lang), ((every, ""), *((s, s) for s in stages)), stage),
        Slider("above", told.say("by_more_than", lang), 0.0, 3.0, above, 0.01),
    )  # fmt: skip
    return Explorer("compare", lang, controls, partial(draw, compared, lang))
