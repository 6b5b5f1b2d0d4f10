"""The step explorer: tree, source, tensors, picture. It is the page, which needs no kernel."""

from __future__ import annotations

from tracer.record import Trace
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Shown
from tracer.views.explorers.explorer import Explorer
from tracer.views.page import Page, page


def explorer(
    trace: Trace, lang: str, *, height: int = 760, at: str = "", tour: str = ""
) -> Explorer:
    """Return the step explorer; the options are `Recording.explore`'s."""
    made = page(trace, lang=lang, at=at, tour=tour, touring=bool(tour))
    frame = Page(made, height)._repr_html_()
    stripped = told.note(told.say("no_frames", lang), muted=True)
    return Explorer("steps", lang, (), lambda: Shown(frame), lambda values: frame + stripped)
