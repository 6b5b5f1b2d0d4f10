"""Odd recordings through every view; ``TRACER_FUZZ=10000`` tries so many of `fuzz`'s mutations."""

from __future__ import annotations

import dataclasses
import os
import traceback

import fuzz
import handmade
import numpy as np
import pytest
from screens import play

from tracer.errors import MissingError, TracerError
from tracer.rcnn.anatomy import fitting
from tracer.record import Trace
from tracer.record.checks import damage

COUNT = int(os.environ.get("TRACER_FUZZ", "200"))


def test_every_view_takes_every_mutation():
    assert [fault for seed in range(COUNT) for fault in fuzz.faults(seed)] == []


def with_summaries(trace: Trace, **changes):
    return dataclasses.replace(
        trace,
        blobs={},
        tensors=tuple(
            dataclasses.replace(
                state,
                kept=False,
                preview=None,
                summary=dataclasses.replace(state.summary, **changes),
            )
            for state in trace.tensors
        ),
    )


def without_pixels() -> Trace:
    """Small pictures of no rows, of no columns, of neither."""
    trace = handmade.tiny_pass()
    sizes = iter([(0, 3), (3, 0), (0, 0)] * 10)
    blobs = {
        name: np.zeros((len(array), *next(sizes)), np.uint8) if name[0] == "p" else array
        for name, array in trace.blobs.items()
    }
    return dataclasses.replace(trace, blobs=blobs)


def renumbered(trace: Trace, *names: str) -> Trace:
    """The children of a container with other names."""
    modules = dict(trace.modules)
    children = tuple((name, path) for name, path in zip(names, list(modules)[2:], strict=False))
    modules["body"] = dataclasses.replace(modules["body"], children=children)
    return dataclasses.replace(trace, modules=modules)


ODD = {
    "no modules": lambda: dataclasses.replace(handmade.failed_pass(), modules={}, parameters=()),
    "a construction without modules": lambda: dataclasses.replace(
        handmade.tiny_construction(), modules={}, parameters=()
    ),
    "an unknown kind": lambda: dataclasses.replace(handmade.tiny_pass(), kind="other"),
    "no kind": lambda: dataclasses.replace(handmade.tiny_construction(), kind=""),
    "large sizes": lambda: with_summaries(handmade.tiny_pass(), shape=(2**31, 2**31, 1)),
    "sizes of none": lambda: with_summaries(handmade.tiny_pass(), shape=()),
    "no pixels": without_pixels,
    "children with large numbers": lambda: renumbered(handmade.tiny_pass(), "9" * 5000, "9" * 5001),
    "children of one name": lambda: renumbered(handmade.tiny_pass(), "0", "0"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_recordings(odd):
    trace = ODD[odd]()
    assert damage(trace) == []
    found = []
    for name, view in fuzz.views(trace, slow=None).items():
        try:
            view()
        except TracerError:
            pass
        except Exception:
            found.append(f"{name}: {traceback.format_exc()}")
    assert found == []


@pytest.mark.parametrize("shape", [(2**32, 2**31), (2**62,) * 40, (0, 2**64), (10**400,)])
def test_sizes_that_no_tensor_has_are_damage(shape):
    trace = with_summaries(handmade.tiny_pass(), shape=shape)
    assert damage(trace)[0] == "tensor state 0: its shape has more values than a tensor can have"


@pytest.mark.parametrize("odd", ["no modules", "no pixels"])
def test_full_screen(odd):
    play(ODD[odd](), "n n n n", size=(120, 36))


def test_nothing_to_print_is_an_empty_table():
    table = ODD["no modules"]().architecture()
    assert str(table) == ""


def test_what_does_not_fit_is_named():
    said = (
        "the boxes cannot be read: what the recording holds of it does not fit together "
        r"\(IndexError: list index out of range\)"
    )
    with pytest.raises(MissingError, match=said), fitting("the boxes"):
        [][0]
    with pytest.raises(MissingError, match="not kept"), fitting("the boxes"):
        raise MissingError("not kept")
    with pytest.raises(KeyboardInterrupt), fitting("the boxes"):
        raise KeyboardInterrupt
