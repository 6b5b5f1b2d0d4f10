"""Commands that teach: guided tours, and questions to guess at before looking."""

from __future__ import annotations

from tracer.errors import MissingError
from tracer.stepper.language import Lessons, Reply, Stepper, command


@command("tour")
def tour(stepper: Stepper, argument: str) -> Reply:
    """Follow a guided tour, a stop at a time."""
    return _lessons(stepper).tour(stepper, argument)


@command("guess")
def guess(stepper: Stepper, argument: str) -> Reply:
    """Ask a question about the recording, or answer it."""
    return _lessons(stepper).guess(stepper, argument)


def _lessons(stepper: Stepper) -> Lessons:
    if stepper.lessons is None and stepper.teacher is not None:
        stepper.lessons = stepper.teacher(stepper.trace)
    if stepper.lessons is None:
        raise MissingError("tours and questions are about a finished recording: use tracer step")
    return stepper.lessons
