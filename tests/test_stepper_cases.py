"""The shared cases, which the page's own stepper is held to as well."""

from __future__ import annotations

import contextlib

import case_files
import pytest

from tracer.errors import TracerError
from tracer.stepper import Stepper

CASES = case_files.read_cases()


@pytest.mark.parametrize("name", CASES)
def test_a_script_leads_where_the_case_says(name):
    case = CASES[name]
    stepper = Stepper(case_files.read_trace(case["trace"]))
    for number, step in enumerate(case["steps"], 1):
        said = None
        with contextlib.suppress(TracerError):
            said = stepper.do(step["do"]).text
        at = f"step {number}: {step['do']}"
        assert (said is None) == step.get("error", False), at
        assert stepper.tick == step["at"], at
        if "says" in step:
            assert said == step["says"], at


@pytest.mark.parametrize("name", case_files.TRACES)
def test_the_traces_are_the_stories(name):
    told = case_files.TRACES[name]()
    assert case_files.read_trace(name)._fields() == told._fields()


def test_every_move_is_in_some_case():
    done = {step["do"].split()[0] for case in CASES.values() for step in case["steps"]}
    moves = "s n r until c ] rs rn rr rc [ goto first last find u d b tbreak watch cl ignore"
    assert set(moves.split()) <= done
