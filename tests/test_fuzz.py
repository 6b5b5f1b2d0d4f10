"""Odd recordings through every view; ``TRACER_FUZZ=10000`` tries so many of `fuzz`'s mutations."""

from __future__ import annotations

import dataclasses
import os
import random
import traceback

import fuzz
import handmade
import large_recordings
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from screens import play
from sound_recordings import traces
from test_conformance import expression, tensors_at
from test_page import recording_of

from tracer.errors import MissingError, TracerError
from tracer.rcnn.anatomy import fitting
from tracer.record import Trace
from tracer.record.checks import damage, problems
from tracer.stepper import Stepper
from tracer.views.kit.shapes import shape_text
from tracer.views.page import data

COUNT = int(os.environ.get("TRACER_FUZZ", "200"))


@pytest.mark.parametrize("part", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_every_view_takes_every_mutation(part):
    assert [fault for seed in range(part, COUNT, 4) for fault in fuzz.faults(seed)] == []


def test_every_expression_is_answered_or_refused():
    """Twice as many as mutations: 20,000 of `TRACER_FUZZ=10000`; also over kept values."""
    draw, found = random.Random(7), []
    stepper = Stepper(handmade.tiny_pass())
    for number in range(2 * COUNT):
        stepper.goto(draw.choice(stepper.timeline.ticks))
        names = tensors_at(stepper)
        asked = expression(draw, [*names, *(f"{name}.data" for name in names)])
        try:
            stepper.do(f"p {asked}")
        except TracerError:
            pass
        except Exception as error:
            found.append(f"{number}: {asked}: {error!r}")
    assert found == []


@pytest.mark.slow
@settings(suppress_health_check=list(HealthCheck), max_examples=max(COUNT // 5, 1), deadline=None)
@given(trace=traces(), seed=strategies.integers(0, 99))
def test_every_view_takes_every_sound_recording(trace, seed):
    """Forty, and 2,000 of `TRACER_FUZZ=10000`."""
    assert problems(trace) == []
    assert faults_of(fuzz.views(trace, slow=random.Random(seed))) == []


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


def faults_of(views) -> list[str]:
    found = []
    for name, view in views.items():
        try:
            view()
        except TracerError:
            pass
        except Exception:
            found.append(f"{name}: {traceback.format_exc()}")
    return found


@pytest.mark.parametrize("odd", ODD)
def test_odd_recordings(odd):
    trace = ODD[odd]()
    assert damage(trace) == []
    assert faults_of(fuzz.views(trace, slow=None)) == []


SMALL = {
    "long paths": 30,
    "a list in 2,000": 50,
    "levels of two in a value": 12,
    "levels of two in 20": 6,
    "levels of two modules": 10,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", large_recordings.MAKERS)
def test_recordings_of_odd_proportions(name):
    size = next((n for part, n in SMALL.items() if part in name), 300)
    trace = large_recordings.MAKERS[name](size)
    assert problems(trace) == []
    assert faults_of(fuzz.views(trace, slow=random.Random(name))) == []


def test_what_is_too_deep_or_shared_too_often_is_cut_and_said():
    deep = large_recordings.nested(150)
    tree = deep.tree()
    assert len(tree) == 101
    assert "more than 100 levels deep" in tree.notes[-1]
    assert len(deep.tree(depth=120)) == 121
    assert len(deep.table()) == 150

    shared = large_recordings.shared_modules(16).architecture()
    assert [row.cells[0] for row in shared.rows[16:20]] == [
        "(m): Twice()",
        "(n): Twice()",
        ")",
        "(n): Twice(…)",
    ]
    assert "written out at the first" in shared.notes[0]
    assert large_recordings.shared_modules(4).architecture().notes == ()


def test_a_long_stack_shows_its_ends_and_the_selected_call():
    stepper = Stepper(large_recordings.nested(300))
    stepper.do("goto 299")
    lines = stepper.do("w").text.split("\n")
    assert len([line for line in lines if line.startswith(("> ", "  odd"))]) == 200
    assert "  … 100 calls between these" in lines
    stepper.do("up 150")
    assert len([line for line in stepper.do("w").text.split("\n") if line.startswith("> ")]) == 1


def test_shapes_of_very_many_tensors_are_cut_and_counted():
    trace = large_recordings.shared_value(14)
    value = trace.calls[1].result
    assert len(shape_text(trace, value)) < 5000
    assert "more" in shape_text(trace, value)
    assert len(list(value.tensors())) == 2**14


def test_a_page_holds_so_many_steps_and_says_what_it_lacks(monkeypatch):
    monkeypatch.setattr(data, "MOST_STEPS", 50)
    for trace, left, calls in (
        (large_recordings.nested(30), [], 30),
        (large_recordings.nested(30, lines=3), ["lines"], 30),
        (large_recordings.side_by_side(200), ["calls"], 50),
        (large_recordings.chain(200), ["calls"], 50),
    ):
        page, _ = recording_of(trace.page().html)
        assert page["left_out"] == left
        assert len(page["labels"]["notices"]) == bool(left)
        root = dict(zip(page["trace"]["columns"]["Trace"], page["trace"]["root"], strict=False))
        assert len(root["calls"]) == calls


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


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_a_head_that_predicts_for_more_anchors_than_there_are(training):
    """It runs, for torchvision shapes deltas as it needs them: what is looked at does not fit."""
    torch = pytest.importorskip("torch")
    import broken

    import tracer

    model = broken.with_fewer_anchors().train(training)
    targets = [{"boxes": torch.tensor([[4.0, 4, 40, 40]]), "labels": torch.tensor([1])}]
    given = ([torch.rand(3, 64, 80)], targets) if training else ([torch.rand(3, 64, 80)],)
    trace = tracer.trace(model, *given, keep="anatomy")
    (finding,) = [each for each in trace.findings if each.kind == "head-anchors"]
    assert "predicts 3 anchors per cell, and the anchor generator makes 2" in finding.text
    assert trace.error is None
    figures = {"figures": lambda: fuzz._figures(trace, "en")}
    assert faults_of(fuzz.views(trace, slow=None) | figures) == []
