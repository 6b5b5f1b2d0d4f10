"""`trace`: record one call of a model or of a builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import nn

from tracer.capture.calls import Progress
from tracer.capture.domains import domain_of
from tracer.capture.keep import Keep
from tracer.capture.recorder import BUDGET, OnStep, Recorder
from tracer.errors import InputError
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
    budget: int = BUDGET,
    classes: Sequence[str] | None = None,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
    **keywords: Any,
) -> Recording:
    """Call a model (a pass) or a builder (a construction) once, and return the recording.

    The model is called the way it always is: ``trace(model, images)``,
    ``trace(model, images, targets)``; a builder likewise:
    ``trace(fasterrcnn_resnet50_fpn, weights=None)``. Mode, gradients and random state are the
    caller's; nothing of them is changed.

    Args:
        target: a module, or any callable that builds one.
        *inputs: its positional arguments; for a torchvision detector the list of images (float
            tensors [3, H, W], values 0–1), then in training the targets (a list of dicts with
            ``boxes`` [N, 4] as x1, y1, x2, y2 in pixels of that image, and ``labels`` [N]).
        grain: how fine: ``"module"``, ``"function"``, ``"op"`` or ``"line"``, each with what is
            coarser; several names mean exactly these. By default ``"op"`` for a pass,
            ``"function"`` for a construction.
        keep: which tensors are kept whole: a pattern or several (see `KeepRule`), True for all,
            or a function ``(path, kind, role) -> bool``.
        only: patterns of paths; calls elsewhere are not recorded.
        packages: whose functions and lines are recorded too, beside torchvision and the packages
            of the model's classes.
        previews: take small pictures and histograms.
        budget: bytes of kept data in memory; what is over waits on disk.
        classes: the names of the detector's classes by label, the background first; by default
            the model's own attribute ``classes``.
        progress: called as ``progress(calls so far, path)`` when a module begins.
        on_step: called as ``on_step(recorder, tick, frame)`` at each call start, line and call
            end; it may block, or raise to end the run (`RunLeft` ends it without an error).
        **keywords: its other keyword arguments.

    Raises:
        InputError: inputs of a shape that the model cannot take, before it runs.
        Exception: whatever the call itself raises, unchanged; `last_trace` has the recording up
            to there.
    """
    options: dict[str, Any] = {
        "keep": keep,
        "only": only,
        "packages": packages,
        "previews": previews,
        "budget": budget,
        "classes": classes,
        "progress": progress,
        "on_step": on_step,
    }
    if isinstance(target, nn.Module):
        domain_of(target).check_inputs(target, inputs, keywords)
        with Recorder(target, grain="op" if grain is None else grain, **options) as recorder:
            target(*inputs, **keywords)
        return recorder.trace
    if not callable(target):
        raise InputError(
            f"trace takes a model (nn.Module) or a callable that builds one; found "
            f"{type(target).__name__}"
        )
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
