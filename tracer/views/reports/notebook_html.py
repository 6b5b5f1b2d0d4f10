"""What a notebook shows of a whole recording."""

from __future__ import annotations

from dataclasses import replace

from tracer.rcnn.findings import told
from tracer.record import Trace
from tracer.views.kit.html_text import escape, lang_attribute
from tracer.views.reports import word
from tracer.views.reports.board import stages
from tracer.views.reports.formats import STYLE, html_fragment
from tracer.views.reports.names import failure, title


def trace_html(trace: Trace, lang: str = "en") -> str:
    """Return a recording at a glance: what ran and how it ended, what was found, and its stages."""
    counts = (
        f"{len(trace.calls):,} {word('calls_recorded', lang)}",
        f"{len(trace.lines):,} {word('lines_recorded', lang)}",
        f"{len(trace.tensors):,} {word('tensors_recorded', lang)}",
    )
    environment = (f"{key} {value}" for key, value in trace.environment.items() if value)
    facts = " · ".join([*counts, *environment])
    board = stages(trace, lang=lang)
    ended = () if trace.error is None else (failure(trace, lang),)
    said = (*trace.notes, *ended, *told(trace, lang))
    board = replace(board, title="", notes=tuple(note for note in board.notes if note not in said))
    head = f'<style>{STYLE}</style><div class="tracer-report"{lang_attribute(lang)}>'
    return (
        f"{head}<strong>{escape(title(trace, lang))}</strong><p>{escape(facts)}</p>"
        f"{''.join(f'<p>{escape(note)}</p>' for note in said)}</div>{html_fragment(board)}"
        f"{page_fold(trace, lang)}"
    )


PAGE_BUDGET = 2_000_000
"""Bytes of the page that a displayed recording carries: the notebook keeps them."""


def page_fold(trace: Trace, lang: str = "en") -> str:
    """Return a button that unfolds the page to step through, in a frame; ``""`` without calls."""
    from tracer.views.page import page
    from tracer.views.page.frame import framed

    if not trace.calls:
        return ""
    frame = framed(page(trace, lang=lang, budget=PAGE_BUDGET))
    summary = f"<summary{lang_attribute(lang)}>{escape(word('open_page', lang))}</summary>"
    return f"<details>{summary}{frame}</details>"
