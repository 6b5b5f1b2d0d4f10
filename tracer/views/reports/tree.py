"""The call tree: who called whom, with which shapes, and what was overwritten in place."""

from __future__ import annotations

from tracer.errors import option
from tracer.record import Trace
from tracer.views.reports import word
from tracer.views.reports.columns import pick
from tracer.views.reports.ledger import Ledger
from tracer.views.reports.report import Table
from tracer.views.reports.rows import Names, choose, groups, handling_tensors, several
from tracer.views.reports.table import assemble

PASS = ("call", "type", "input", "output", "note")
DEEPEST = 100
"""Levels of a tree that are drawn if no depth is asked for; recursion can go thousands deep."""
CONSTRUCTION = ("call", "built_type", "built", "added", "note")


def tree(
    trace: Trace, *, grain: Names | None = None, stage: Names | None = None,
    path: Names | None = None, depth: int | None = None, columns: Names | None = None,
    fold: bool = True, lang: str = "en",
) -> Table:  # fmt: skip
    """Return the calls as a tree; the options are those of `Recording.tree`.

    A module's name is written relative to the module around it; `table` has the full paths. If no
    grain is asked for, functions of a pass that handle no tensor are left out.
    """
    default = PASS if trace.kind == "pass" else CONSTRUCTION
    fields = pick(several(columns) if columns is not None else default)
    calls = choose(trace, grain, stage, path, default=("module", "function"))
    notes: tuple[str, ...] = ()
    if trace.kind == "pass" and grain is None:
        kept = handling_tensors(trace, calls)
        notes = (
            (word("note_tensorless", lang, option=option(grain="all")),)
            if len(kept) < len(calls)
            else ()
        )
        calls = kept
    rows = groups(trace, calls, DEEPEST if depth is None else depth, fold)
    ledger = Ledger(trace, rows, calls, tree=True, lang=lang)
    if depth is None and sum(len(group.nodes) for group in rows) < len(calls):
        notes += (word("note_deep", lang, levels=DEEPEST, option=option(depth=None)),)
    return assemble(ledger, fields, "tree", notes)
