"""Step through torchvision's Faster R-CNN: record a real pass, then look at every part of it.

>>> import tracer
>>> recording = tracer.trace(model, images)
>>> recording.save("pass.safetensors")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracer.capture import Recorder, last_trace, rerun, trace
    from tracer.checkup import doctor
    from tracer.debugger import debug
    from tracer.rcnn.stories import why
    from tracer.record import Trace
    from tracer.recording import Recording, compare, load
    from tracer.stepper import Stepper
    from tracer.surveys.data import Survey
    from tracer.surveys.run import survey
    from tracer.surveys.store import load_survey, save_survey

__version__ = "0.2.0"

# Where each public name lives; loaded when it is first used, so that reading a recording does not
# load torch.
_HOMES = {
    "Recorder": "tracer.capture",
    "last_trace": "tracer.capture",
    "trace": "tracer.capture",
    "rerun": "tracer.capture",
    "Trace": "tracer.record",
    "Recording": "tracer.recording",
    "load": "tracer.recording",
    "compare": "tracer.recording",
    "Stepper": "tracer.stepper",
    "debug": "tracer.debugger",
    "doctor": "tracer.checkup",
    "why": "tracer.rcnn.stories",
    "Survey": "tracer.surveys.data",
    "survey": "tracer.surveys.run",
    "load_survey": "tracer.surveys.store",
    "save_survey": "tracer.surveys.store",
}

__all__ = [
    "Recorder",
    "Recording",
    "Stepper",
    "Survey",
    "Trace",
    "__version__",
    "compare",
    "debug",
    "doctor",
    "last_trace",
    "load",
    "load_survey",
    "rerun",
    "save_survey",
    "survey",
    "trace",
    "why",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tracer' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted({*globals(), *_HOMES})
