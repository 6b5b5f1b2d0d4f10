"""The only part that touches a running model."""

from tracer.capture.recorder import Recorder, last_trace
from tracer.capture.tracing import trace

__all__ = ["Recorder", "last_trace", "trace"]
