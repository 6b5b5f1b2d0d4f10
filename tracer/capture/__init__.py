"""The only part that touches a running model."""

from tracer.capture.domains import add_domain
from tracer.capture.recorder import Recorder, last_trace
from tracer.capture.rerunning import rerun
from tracer.capture.tracing import trace

__all__ = ["Recorder", "add_domain", "last_trace", "rerun", "trace"]
