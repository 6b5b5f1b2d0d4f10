"""The page: a recording as one HTML file to step through, without Python and without a network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tracer.errors import InputError, TracerError
from tracer.languages import checked
from tracer.record import Trace
from tracer.views.page.address import read, tick_at
from tracer.views.page.data import REDUCTIONS, Contents, contents, steps
from tracer.views.page.frame import HEIGHT, Page
from tracer.views.page.pack import Press
from tracer.views.page.shell import document

BUDGET = 6_000_000
"""How many bytes a page may have, unless told otherwise."""

__all__ = ["BUDGET", "HEIGHT", "Page", "page", "write_page"]


def page(trace: Trace, *, lang: str = "en", budget: int = BUDGET, at: str = "") -> str:
    """Return a recording as one self-contained HTML document.

    Args:
        trace: the recording.
        lang: the language that it opens in; it holds every one.
        budget: bytes that it may have. What does not fit is left out, the least important first,
            and the page says what. A recording too large even then gives a larger page.
        at: the step that it opens at, as in a link to it: ``"call=backbone.fpn&line=196"``. A line
            may be named by a part of its text, ``"call=backbone.fpn&text=inner_top_down"``: the
            first line of that call to run that contains it. A ``lang=`` in it goes before `lang`.

    Raises:
        InputError: there is no such language, the budget is no positive number, or `at` is no
            address.
        MissingError: the recording has no such step.
        TracerError: the recording holds no call.
    """
    address = read(at)
    lang = checked(address.get("lang", lang))
    if budget <= 0:
        raise InputError(f"a page's budget is a number of bytes from 1; found {budget}")
    if not trace.calls:
        raise TracerError("this recording holds no call, so there is nothing to show in a page")
    it = replace(contents(trace), at=tick_at(trace, address))
    title = trace.environment.get("title") or trace.subject
    press, frame = Press(), len(document("", title, lang))
    for name, reduction in REDUCTIONS:
        if frame + press.size(it.data(lang), it.arrays) <= budget:
            break
        it = _reduced(it, name, reduction(it))
    return document(press.pack(it.data(lang), it.arrays), title, lang)


def _reduced(before: Contents, name: str, after: Contents) -> Contents:
    """Return the smaller contents, with what was left out noted, if anything was."""
    same = steps(after.trace) == steps(before.trace) and set(after.arrays) == set(before.arrays)
    shapes = all(after.arrays[n].shape == a.shape for n, a in before.arrays.items() if same)
    if (same and shapes) or not after.trace.calls:
        return before
    return replace(after, left_out=(*before.left_out, name))


def write_page(trace: Trace, path: str | Path, *, overwrite: bool = False, **options: Any) -> Path:
    """Write the page to a file and return its path; the other options are `page`'s.

    Raises:
        InputError: it cannot be written, or would replace another kind of file.
    """
    return Page(page(trace, **options)).save(path, overwrite=overwrite)
