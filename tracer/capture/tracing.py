"""`trace`: record one call of a model or of a builder."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from tracer.capture.calls import Progress
from tracer.capture.domains import domain_of
from tracer.capture.interventions import Change
from tracer.capture.keep import Keep
from tracer.capture.recorder import BUDGET, OnStep, Recorder
from tracer.errors import InputError, near
from tracer.recording import Recording


def trace(
    target: nn.Module | Callable[..., Any],
    /,
    *inputs: Any,
    grain: str | Iterable[str] | None = None,
    keep: Keep = None,
    only: str | Iterable[str] | None = None,
    packages: Iterable[str] = (),
    previews: bool = True,
    fingerprints: bool = False,
    budget: int = BUDGET,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
    change: Mapping[str, Change] | None = None,
    **keywords: Any,
) -> Recording:
    """Call a model (a pass) or a builder (a construction) once, and return the recording.

    The model is called the way it always is: ``trace(model, images)``,
    ``trace(model, images, targets)``; a builder likewise:
    ``trace(fasterrcnn_resnet50_fpn, weights=None)``. Mode, gradients and random state are the
    caller's; nothing of them is changed. A keyword of the model that is called like an option here
    is given to it beforehand: ``trace(functools.partial(model, keep=0.5), images, keep=True)``.

    Args:
        target: a module (also in a `functools.partial`), or any callable that builds one.
        *inputs: its positional arguments; for a torchvision detector the list of images (float
            tensors [3, H, W], values 0–1), then in training the targets (a list of dicts with
            ``boxes`` [N, 4] as x1, y1, x2, y2 in pixels of that image, and ``labels`` [N]).
        grain: how fine: ``"module"``, ``"function"``, ``"op"`` or ``"line"``, each with what is
            coarser; several names mean exactly these. By default ``"op"`` for a pass,
            ``"function"`` for a construction.
        keep: which tensors are kept whole; of all others there are statistics and a small picture.
            ``"anatomy"`` is what figures, slides and explorers of a detector draw from;
            ``"backbone.fpn"`` and patterns such as ``"backbone.body.*"`` the results of calls;
            ``"args:rpn.head"`` what a call was given, ``"within:rpn.head"`` what functions and ops
            in it gave; with ``"<20MB"`` at its end, tensors below that size. Several in a list, or
            with commas between; True is all, and a function ``(path, kind, role) -> bool`` decides
            by itself.
        only: patterns of paths, ``"backbone.*"``; calls elsewhere are not recorded.
        packages: whose functions and lines are recorded too, beside torchvision and the packages
            of the model's classes.
        previews: take small pictures and histograms.
        fingerprints: take 64 bits of every tensor and parameter, by which `tracer.compare` sees
            whether two recordings are equal bit for bit, without any data kept.
        budget: bytes of kept data in memory; what is over waits on disk.
        classes: the names of the detector's classes by label, the background first; by default
            the model's own attribute ``classes``.
        progress: called as ``progress(calls so far, path)`` when a module begins.
        on_step: called as ``on_step(recorder, tick, frame)`` at each call start, line and call
            end; it may block, or raise to end the run (`RunLeft` ends it without an error).
        change: what is changed on purpose while it runs, by its place, and put back after it:
            ``{"rpn.nms_thresh": 0.5, "backbone.fpn[pool]": "zero"}``; see
            `tracer.capture.interventions`.
        **keywords: its other keyword arguments.

    Raises:
        InputError: inputs of a shape that the model cannot take, before it runs; a keyword that
            neither the model nor this function knows, and that is nearly one of theirs; a change
            that has no place in it, or took none.
        Exception: whatever the call itself raises, unchanged; `last_trace` has the recording up
            to there.

    Example:
        >>> trace = tracer.trace(model, images, grain="line", keep="anatomy")
        >>> trace.find("backbone.fpn").result
        >>> trace.page().save("pass.html")
    """
    options: dict[str, Any] = {
        "keep": keep,
        "only": only,
        "packages": packages,
        "previews": previews,
        "fingerprints": fingerprints,
        "budget": budget,
        "classes": classes,
        "progress": progress,
        "on_step": on_step,
        "change": change,
    }
    target, inputs, keywords = taken_apart(target, inputs, keywords)
    if isinstance(target, nn.Module):
        domain_of(target).check_inputs(target, inputs, keywords)
        options["grain"] = "op" if grain is None else grain
        both = in_both(trace, target, keywords, {**options, "grain": grain})
        recorder = recorder_of(target, both, **options)
        with keywords_explained(trace, target, keywords), recorder:
            target(*inputs, **keywords)
        return recorder.trace
    if not callable(target):
        raise InputError(
            f"trace takes a model (nn.Module) or a callable that builds one; found "
            f"{type(target).__name__}"
        )
    with keywords_explained(trace, target, keywords):
        return _trace_construction(target, inputs, keywords, grain, options)


def _trace_construction(
    builder: Callable[..., Any],
    inputs: tuple[Any, ...],
    keywords: dict[str, Any],
    grain: str | Iterable[str] | None,
    options: dict[str, Any],
) -> Recording:
    if grain is None:
        grain = ("module", "function")
    elif grain == "line":  # what a builder's tensor functions do is fill weights
        grain = ("module", "function", "line")
    with Recorder(builder=builder, grain=grain, **options) as recorder:
        recorder.build(builder, inputs, keywords)
    return recorder.trace


# --- keywords of the model, and ours --------------------------------------------------------------


def taken_apart(
    target: Any, inputs: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Return a model out of a `functools.partial`, and all that it is to be called with."""
    if isinstance(target, functools.partial) and isinstance(target.func, nn.Module):
        return target.func, (*target.args, *inputs), {**target.keywords, **keywords}
    return target, inputs, keywords


def in_both(
    ours: Callable[..., Any],
    target: Callable[..., Any],
    keywords: Mapping[str, Any],
    given: Mapping[str, Any],
) -> str:
    """Say which options that were given to us the model has too, and how it gets them; or ``""``.

    Args:
        ours: the function that has the options.
        target: the model.
        keywords: what it is called with: of these it is clear whose they are.
        given: our options with their values.
    """
    own = inspect.signature(ours).parameters
    theirs = {*options_of(target)} - {*keywords}
    names = [n for n, value in given.items() if value is not own[n].default and n in theirs]
    if not names:
        return ""
    assigned = ", ".join(f"{name}=…" for name in names)
    return (
        f"{assigned} was taken as {ours.__name__}'s; the model takes {assigned} too, which is "
        f"given to it with functools.partial(model, {assigned})"
    )


def recorder_of(target: nn.Module, both: str, **options: Any) -> Recorder:
    """Return a recorder that says `both` with what it refuses, else in its notes.

    Raises:
        InputError: see `Recorder`.
    """
    try:
        recorder = Recorder(target, **options)
    except InputError as error:
        if both:
            raise InputError(f"{error}; {both}") from error
        raise
    if both:
        recorder.tree.note(both)
    return recorder


@contextmanager
def keywords_explained(
    ours: Callable[..., Any], target: Callable[..., Any], keywords: Mapping[str, Any]
) -> Iterator[None]:
    """Say of a keyword that a call did not take what may have been meant.

    Args:
        ours: the function that was called with the keywords, and has options of its own.
        target: what it passed those on to that are none of them.
        keywords: these.

    Raises:
        InputError: instead of the TypeError that ended the call, where a name is near.
    """
    try:
        yield
    except TypeError as error:
        for name in keywords:
            hint = near(name, {*options_of(ours), *options_of(target)})
            if hint and f"unexpected keyword argument {name!r}" in str(error):
                said = f"neither {ours.__name__} nor what it calls takes {name}={hint}"
                raise InputError(said) from error
        raise


def options_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names by which a function, or a module's forward, takes keywords."""
    called = function.forward if isinstance(function, nn.Module) else function
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return ()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(p.name for p in parameters if p.kind in named)
