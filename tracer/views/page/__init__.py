"""The page: a recording as one HTML file to step through, without Python and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracer.errors import InputError, TracerError
from tracer.languages import checked, languages
from tracer.record import Trace
from tracer.stepper.address import read, tick_at
from tracer.views.page.data import REDUCTIONS, Contents, contents, steps
from tracer.views.page.frame import HEIGHT, Page
from tracer.views.page.guides import guides, questions
from tracer.views.page.pack import Press
from tracer.views.page.shell import document

BUDGET = 6_000_000
"""How many bytes a page may have, unless told otherwise."""

__all__ = ["BUDGET", "HEIGHT", "Page", "page", "write_page"]


def page(
    trace: Trace, *, lang: str | None = None, budget: int = BUDGET, at: str = "", tour: str = "",
    touring: bool = False,
) -> str:  # fmt: skip
    """Return a recording as one self-contained HTML document; the options are `Recording.page`'s.

    A recording too large for its budget even with all left out gives a larger page.
    """
    address = read(at)
    lang = address.get("lang", lang)
    if lang is not None:
        checked(lang)
    if budget <= 0:
        raise InputError(f"a page's budget is a number of bytes from 1; found {budget}")
    if not trace.calls:
        raise TracerError("this recording holds no call, so there is nothing to show in a page")
    it = replace(
        contents(trace),
        at=_opening(trace, address),
        view=address.get("view"),
        tours=guides(trace, tour),
        guesses=questions(trace),
        touring=touring,
    )
    title = trace.called()
    press, frame = Press(), len(document("", title, lang or languages()[0]))
    data = it.data(lang)
    for name, reduction in REDUCTIONS:
        if frame + press.size(data, it.arrays) <= budget:
            break
        it = _reduced(it, name, reduction(it))
        data = it.data(lang)
    return document(press.pack(data, it.arrays), title, lang or languages()[0])


def _opening(trace: Trace, address: Mapping[str, str]) -> int | None:
    """Return the tick to open at: what the address names, else a builder within its decorators."""
    asked = tick_at(trace, address)
    if asked is not None or trace.kind == "pass" or trace.error:
        return asked
    outer = trace.calls[0]
    builder = next((call.id for call in trace.calls[1:] if call.path == outer.path), None)
    return next((line.tick for line in trace.lines if line.call == builder), None)


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
