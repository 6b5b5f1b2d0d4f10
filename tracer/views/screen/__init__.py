"""The full-screen stepper, on Textual."""

from __future__ import annotations

from tracer.views.screen.app import LEAST, StepperApp

__all__ = ["LEAST", "StepperApp"]
