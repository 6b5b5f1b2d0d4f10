"""All that is found about a run once it is over, and the likely cause of its failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tracer.rcnn import model_checks, outcome
from tracer.rcnn.findings import Finding, cause, in_order
from tracer.rcnn.stages import detector_at
from tracer.record import Trace


def diagnose(model: Any, trace: Trace) -> tuple[tuple[Finding, ...], Finding | None]:
    """Look at the model that ran, and at what it left.

    Args:
        model: a detector, or a module with one in it, as it stands after the run.
        trace: the recording, with what was found about the inputs.

    Returns:
        The findings, errors first; and the likely cause, if the run failed and there is one.
    """
    found = in_order(_findings(model, trace))
    error = trace.error
    return found, None if error is None else cause(found, error.traceback)


def _findings(model: Any, trace: Trace) -> Iterator[Finding]:
    yield from map(Finding.of, trace.findings)
    detector = part_of(model)
    if detector is not None:
        channels = (outcome.batch(trace) or (0, 0))[1]
        yield from model_checks.of_model(detector, outcome.maps(trace), channels)
    results = tuple(outcome.of_run(trace))
    if any(each.kind == "nan" for each in results):
        from tracer.rcnn.checkpoint import spoiled

        yield from spoiled(model.state_dict())
    yield from results


def part_of(model: Any) -> Any:
    """Return the part of a module that is a detector: itself, mostly; None if there is none."""
    where = detector_at(dict(model.named_modules()))
    return None if where is None else model.get_submodule(where.removesuffix("."))
