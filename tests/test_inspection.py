"""Mistakes that torchvision runs with in silence leave a note; sound inputs leave none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.models import detection

import tracer
from tracer.errors import InputError
from tracer.rcnn import inspection, models

pytestmark = pytest.mark.slow

SIZE = (100, 200)
BOXES = [[10.0, 20, 60, 70], [120, 30, 190, 99]]


def kinds(boxes, given="corners"):
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    places = [f"box {i}" for i in range(len(boxes))]
    return [f.kind for f in inspection.of_boxes(boxes, SIZE, places, given)]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], []),
        (BOXES, []),
        ([[0, 0, 200, 100], [-0.5, -0.9, 200.4, 100.9]], []),
        ([[10, 20, 10, 70]], ["boxes-flat"]),
        ([*BOXES, [60, 70, 10, 20]], ["boxes-swapped"]),
        ([[190, 90, 150, 60]], ["boxes-swapped"]),
        ([[120, 50, 60, 40], [10, 10, 50, 60]], ["boxes-xywh"]),
        ([[150, 20, 260, 70]], ["boxes-outside"]),
        ([[150, 20, 260, 70], *BOXES, [5, 5, 5, 9]], ["boxes-flat", "boxes-outside"]),
        ([[0.1, 0.2, 0.5, 0.9], [0, 0, 1, 1]], ["boxes-fractions"]),
    ],
)
def test_boxes_are_told_by_what_is_wrong_with_them(boxes, expected):
    assert kinds(boxes) == expected


def test_corners_in_the_place_of_sizes_are_told():
    assert kinds([[120, 50, 300, 140]], "sizes") == ["boxes-corners"]  # 120, 50, 180, 90
    assert kinds([[120, 50, 160, 90]], "sizes") == []


def test_every_finding_has_its_texts_and_numbers():
    made = [
        *inspection.of_picture(0, 255, "it"),
        *inspection.of_picture(-2, 2, "it"),
        *inspection.of_labels(np.array([-1, 0, 9]), 5, ["a", "b", "c"]),
    ]
    assert [f.kind for f in made] == [
        *("picture-255", "picture-normalised"),
        *("labels-negative", "labels-background", "labels-large"),
    ]
    for each in made:
        for lang in ("en", "zh"):
            assert "{" not in each.sentence(lang) + each.why(lang)
    assert "c has label 9, and the model knows 1 to 4" in made[-1].found()


@pytest.fixture(scope="module")
def detector():
    return models.build("fasterrcnn_mobilenet_v3_large_320_fpn", num_classes=5, min_size=64)


def image():
    return torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(0))


def target(boxes=BOXES, labels=(1, 4)):
    return {"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)}


@pytest.mark.parametrize(
    ("images", "targets", "note"),
    [
        ([image() * 255], [target()], r"images[0] has values from"),
        ([image() * 4 - 2], [target()], "as if it were normalised already"),
        ([image()], [target([[10.0, 20, 60, 700], BOXES[0]])], "does not lie in the picture"),
        ([image()], [target([[0.1, 0.2, 0.5, 0.6], [0.5, 0.5, 0.9, 0.9]])], "between 0 and 1"),
        ([image()], [target(labels=(0, 4))], "has label 0, which is the background's"),
    ],
)
def test_what_runs_in_silence_leaves_a_note(detector, images, targets, note):
    trace = tracer.trace(detector.train(), images, targets, grain="module", previews=False)
    assert trace.error is None
    assert [note in each.text for each in trace.findings] == [True]


def test_a_label_that_is_too_large_is_noted_beside_the_failure(detector):
    with pytest.raises(IndexError):
        tracer.trace(detector.train(), [image()], [target(labels=(1, 7))], grain="module")
    assert "the model knows 1 to 4" in tracer.last_trace().error.cause.text


def test_a_recorder_notes_it_too_and_changes_nothing(detector):
    pictures = [image() * 255]
    with torch.no_grad():
        plain = detector.eval()(pictures)
        with tracer.Recorder(detector, grain="module", previews=False) as recorder:
            recorded = detector(pictures)
    assert all(torch.equal(plain[0][key], recorded[0][key]) for key in plain[0])
    assert "divide it by 255" in recorder.trace.findings[0].text


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "fcos_resnet50_fpn"])
def test_sound_inputs_leave_no_note(name):
    model = models.build(name, num_classes=5, min_size=64).train()
    with tracer.Recorder(model, grain="module", previews=False) as recorder:
        model([image()], [target(labels=(1, 4))])
    assert recorder.trace.findings == ()


def test_label_0_is_a_class_where_each_has_a_sigmoid():
    with torch.device("meta"):
        fcos = detection.fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=5)
    from tracer.rcnn.inputs import findings

    assert list(findings(fcos, ([image()], [target(labels=(0, 4))]), {})) == []


# Patterns that fit nothing


@pytest.mark.parametrize("option", ["keep", "only"])
def test_a_pattern_of_a_part_that_is_not_there_is_refused_before_the_run(detector, option):
    with pytest.raises(
        InputError, match=rf"{option}= '.*' fits no .*; did you mean 'backbone\.fpn"
    ):
        tracer.Recorder(detector, **{option: "backbone.fpm"})
    with pytest.raises(InputError, match="fits no module"):
        tracer.Recorder(detector, **{option: ["rpn.*", "roi_heads.mask*"]})


def test_a_pattern_that_fitted_nothing_is_noted_after_the_run(detector):
    options = {"keep": ["args:batched_nsm", "batched_nms", "rpn.*<1MB", "anatomy"]}
    with torch.no_grad():
        trace = tracer.trace(detector.eval(), [image()], previews=False, **options)
    said = "keep= 'args:batched_nsm' fits no call that was recorded; did you mean 'batched_nms'"
    assert [note.startswith(said) for note in trace.notes] == [True]
