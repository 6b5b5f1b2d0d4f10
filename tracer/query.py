"""Pure selections over a Trace: each function takes a record and returns new data."""

from __future__ import annotations

from tracer.record import Trace


def problems(trace: Trace) -> list[str]:
    """Return what breaks the record's promises, a sentence each; empty for a sound trace."""
    return [f"call {i} has id {c.id}" for i, c in enumerate(trace.calls) if c.id != i]
