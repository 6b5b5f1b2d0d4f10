"""The record: pure data, without torch; reads and writes itself, and knows nobody above it."""

from tracer.record.model import (
    Call,
    Failure,
    Line,
    Module,
    ParameterRecord,
    Preview,
    Scalar,
    Settings,
    Source,
    SourceFile,
    Stage,
    TensorState,
    TensorSummary,
    Trace,
    Value,
)

__all__ = [
    "Call",
    "Failure",
    "Line",
    "Module",
    "ParameterRecord",
    "Preview",
    "Scalar",
    "Settings",
    "Source",
    "SourceFile",
    "Stage",
    "TensorState",
    "TensorSummary",
    "Trace",
    "Value",
]
