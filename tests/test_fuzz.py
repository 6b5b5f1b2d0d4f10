"""Some of the mutations of `fuzz`; ``TRACER_FUZZ=10000`` tries so many."""

from __future__ import annotations

import os

import fuzz

COUNT = int(os.environ.get("TRACER_FUZZ", "150"))


def test_every_view_takes_every_mutation():
    assert [fault for seed in range(COUNT) for fault in fuzz.faults(seed)] == []
