"""The record: pure data, without torch; reads and writes itself, and knows nobody above it."""

from tracer.record.model import (
    Call,
    Failure,
    Finding,
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
    "Finding",
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
