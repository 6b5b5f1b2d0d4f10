"""Step through torchvision's Faster R-CNN: record a real pass, then look at every part of it.

>>> import tracer
>>> recording = tracer.trace(model, images)
>>> recording.save("pass.safetensors")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracer.capture import Recorder, last_trace, trace
    from tracer.debugger import debug
    from tracer.record import Trace
    from tracer.recording import Recording, load
    from tracer.stepper import Stepper

__version__ = "0.2.0"

# Where each public name lives; loaded when it is first used, so that reading a recording does not
# load torch.
_HOMES = {
    "Recorder": "tracer.capture",
    "last_trace": "tracer.capture",
    "trace": "tracer.capture",
    "Trace": "tracer.record",
    "Recording": "tracer.recording",
    "load": "tracer.recording",
    "Stepper": "tracer.stepper",
    "debug": "tracer.debugger",
}

__all__ = [
    "Recorder",
    "Recording",
    "Stepper",
    "Trace",
    "__version__",
    "debug",
    "last_trace",
    "load",
    "trace",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tracer' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return sorted({*globals(), *_HOMES})
