"""The step debugger: a cursor over a Trace, forwards and backwards, and its command language."""

from __future__ import annotations

from tracer.stepper import (  # noqa: F401 (they register commands)
    flow,
    looking,
    moving,
    stopping,
    teaching,
)
from tracer.stepper.breakpoints import Breakpoint, Location
from tracer.stepper.evaluate import EvaluationError
from tracer.stepper.language import COMMANDS, Reply, Stepper
from tracer.stepper.positions import Position, Timeline

__all__ = [
    "COMMANDS",
    "Breakpoint",
    "EvaluationError",
    "Location",
    "Position",
    "Reply",
    "Stepper",
    "Timeline",
]
