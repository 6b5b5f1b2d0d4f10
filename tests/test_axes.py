"""What the axes of tensors are called, held against what torchvision's functions take and give."""

from __future__ import annotations

import kinds
import pytest

from tracer.languages import Texts
from tracer.rcnn.anatomy.axes import MAPS, NAMES, axes
from tracer.record.query import find_call

pytestmark = pytest.mark.slow


def named(recording, name, argument):
    call = find_call(recording, name)
    value = call.result if argument == "->" else call.args[argument]
    return axes(recording).get(next(value.tensors()))


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("transform", "images", ("channels", "height", "width")),
        ("backbone.body.bn1", "->", MAPS),
        ("backbone.body.relu", "->", MAPS),
        ("backbone.fpn", "->", MAPS),
        ("BoxCoder.decode", "rel_codes", ("boxes", "deltas")),
        ("BoxCoder.decode", "->", ("boxes", "classes", "coords")),
        ("RegionProposalNetwork.filter_proposals", "proposals", ("batch", "anchors", "coords")),
        ("rpn", "->", ("proposals", "coords")),
        ("roi_heads.box_roi_pool", "->", ("rois", "channels", "height", "width")),
        ("RoIHeads.postprocess_detections", "class_logits", ("rois", "classes")),
        ("RoIHeads.postprocess_detections", "box_regression", ("rois", "class_deltas")),
        ("GeneralizedRCNNTransform.postprocess", "->", ("boxes", "coords")),
    ],
)
def test_axes_are_called_what_the_tensor_is(name, argument, expected):
    assert named(kinds.recorded("two pictures"), name, argument) == expected


def test_what_is_not_known_has_no_names():
    recording = kinds.recorded("two pictures")
    made = {c.result.tensor for c in recording.calls if c.kind == "op" and c.path == "arange"}
    assert made
    assert not made & set(axes(recording))


def test_targets_and_matches_of_a_training_pass():
    recording = kinds.recorded("training")
    assert named(recording, "Matcher.__call__", "match_quality_matrix") == ("targets", "boxes")
    assert named(recording, "BoxCoder.encode", "->") == ("boxes", "deltas")
    assert named(recording, "(root)", "targets") == ("targets", "coords")


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_there_are_as_many_names_as_axes(kind):
    recording = kinds.recorded(kind)
    for state, names in axes(recording).items():
        assert len(names) == len(recording.tensors[state].summary.shape)
        assert not {"coords", "deltas"} & set(names[:-1])


def test_the_page_has_a_word_for_each_name():
    words = {key for key in Texts("page").all("en") if key.startswith("axis_")}
    assert words == {f"axis_{name}" for name in NAMES}
