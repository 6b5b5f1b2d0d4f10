"""The step explorer: tree, source, tensors, picture. It is the page, which needs no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.record import Trace
from tracer.views.explorers import side_notes as told
from tracer.views.explorers.controls import Shown
from tracer.views.explorers.explorer import Explorer
from tracer.views.page import Page, page


def explorer(trace: Trace, lang: str, *, height: int = 760, at: str = "") -> Explorer:
    """Return the step explorer.

    Args:
        trace: a recording.
        lang: the language that it opens in.
        height: of the frame, in pixels.
        at: the step that it opens at, as `Recording.page` takes it.
    """
    frame = Page(page(trace, lang=lang, at=at), height)._repr_html_()

    def still(values: Mapping[str, Any]) -> dict[str, str | bytes]:
        return {"text/html": frame + told.note(_stripped(lang), muted=True)}

    return Explorer("steps", lang, (), lambda: Shown(frame), still)


def _stripped(lang: str) -> str:
    return told.say("no_frames", lang)
