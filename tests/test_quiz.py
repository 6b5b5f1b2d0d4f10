"""Guesses of shapes: what is right, what is said of the rest, and why."""

from __future__ import annotations

import re

import pytest

from tracer.errors import InputError, MissingError
from tracer.record import query
from tracer.views.kit.questions import outputs, predict
from tracer.views.kit.reasons import shape_of


def recorded_shape(trace, path, *keys):
    value = query.find_call(trace, path).result
    for key in keys:
        value = value[key]
    return shape_of(trace, value)


def test_a_right_guess_with_and_without_the_batch_axis(recorded):
    shape = recorded_shape(recorded, "backbone.fpn", "pool")
    assert shape[:2] == (2, 256)
    for guess in (shape, shape[1:], list(shape), "×".join(str(n) for n in shape[1:])):
        answer = predict(recorded, "backbone.fpn[pool]", guess)
        assert answer
        assert answer.right is True
        assert answer.shape == shape
        assert str(answer).startswith("Right: backbone.fpn[pool] gives")


def test_a_wrong_guess_names_what_is_wrong_and_gives_the_arithmetic(recorded):
    batch, channels, height, width = recorded_shape(recorded, "backbone.body.conv1")
    answer = predict(recorded, "backbone.body.conv1", (channels, height * 2, width))
    assert answer.right is False
    assert not answer
    assert "right: channels, width; not yet: height" in answer.verdict
    assert f"{batch}×{channels}×{height}×{width}" in answer.verdict
    (why,) = answer.why
    assert "(7×7, stride 2, padding 3)" in why
    assert f"⌊({height * 2} + 2·3 − 7) / 2⌋ + 1 = {height}" in why
    assert "64 filters" in why


def test_a_batch_axis_is_left_out_but_no_other(recorded):
    proposals = recorded_shape(recorded, "rpn", 0, 0)
    assert predict(recorded, "rpn[0][0]", proposals)
    assert not predict(recorded, "rpn[0][0]", proposals[1:]), "boxes are no batch"
    rows = recorded_shape(recorded, "roi_heads.box_head.fc6")
    assert predict(recorded, "roi_heads.box_head.fc6", rows[1:])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_without_a_guess_nothing_is_given_away(recorded, lang):
    answer = predict(recorded, "backbone.fpn[1]", ..., lang=lang)
    assert (answer.right, answer.shape, answer.why) == (None, None, ())
    shape = recorded_shape(recorded, "backbone.fpn", "1")
    for text in (str(answer), answer._repr_html_()):
        assert "×".join(str(n) for n in shape) not in text
    assert ("run the cell again" if lang == "en" else "再运行一次") in str(answer)
    assert "×".join(str(n) for n in answer.given[0]) in str(answer), "what goes in is no secret"


def test_every_arithmetic_told_is_right(recorded):
    """Each formula of each reason, of every tensor that any module gave, worked out anew."""
    formulas = 0
    for call in recorded.calls:
        if call.kind != "module":
            continue
        for keys in outputs(call):
            answer = predict(recorded, f"{call.path or '(root)'}#{call.nth}{keys}", (1,))
            assert answer.why, call.label
            for left, right in re.findall(r"([⌊⌈][^=]*?) = (\d+)", " ".join(answer.why)):
                sums = left.replace("−", "-").replace("·", "*").replace("/", "//")
                assert eval(sums.strip("⌊").replace("⌊", "").replace("⌋", "")) == int(right), left
                formulas += 1
    assert formulas > 100


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("backbone.fpn[0]", ["upsampled from", "256 filters"]),
        ("backbone.fpn[pool]", ["1×1, stride 2, padding 0", "pooling"]),
        ("backbone.body[3]", ["conv1 (7×7", "maxpool (3×3", "layer4.0.conv2 (3×3, stride 2"]),
        ("backbone.body.bn1", ["value by value"]),
        ("transform", ["60×80", "100×80", "multiple of 32"]),
        ("rpn.anchor_generator[0]", ["height · width · per cell"]),
        ("rpn.head[0][0]", ["3 filters give 3 channels"]),
        ("rpn[0][1]", ["post_nms_top_n = 1000", "x1, y1, x2, y2"]),
        ("roi_heads.box_roi_pool", ["one row per box", "7×7 bins"]),
        ("roi_heads.box_head", ["256·7·7 = 12,544", "1,024"]),
        ("(root)[0][boxes]", ["score > 0.01", "detections_per_img = 100"]),
        ("(root)[1][scores]", ["detections of this image"]),
    ],
)
def test_each_part_of_the_detector_has_its_reason(recorded, asked, words):
    english = " ".join(predict(recorded, asked, (1,)).why)
    chinese = predict(recorded, asked, (1,), lang="zh")
    assert 'lang="zh-CN"' in chinese._repr_html_()
    for word in words:
        assert word in english
    assert len(chinese.why) == len(predict(recorded, asked, (1,)).why)
    assert all(re.search("[\u4e00-\u9fff]", line) for line in (chinese.verdict, *chinese.why))
    numbers = [re.findall(r"\d+", line) for line in (english, " ".join(chinese.why))]
    assert sorted(numbers[0]) == sorted(numbers[1]), "both languages give the same numbers"


def test_modules_alone_are_enough(rcnn, two_images):
    """Without ops the settings of the modules give the arithmetic."""
    import torch

    import tracer

    with torch.no_grad():
        trace = tracer.trace(rcnn.backbone.body, two_images[0][None], grain="module")
    (why,) = predict(trace, "conv1", (1,)).why
    assert "(7×7, stride 2, padding 3)" in why
    assert "= 30" in why


def test_losses_are_single_numbers(in_training, two_images, two_targets):
    import tracer

    trace = tracer.trace(in_training, two_images, two_targets)
    answer = predict(trace, "rpn[1][loss_objectness]", ())
    assert answer
    assert "single number" in answer.why[0]


def test_what_cannot_be_found_says_what_is_near(recorded):
    with pytest.raises(MissingError, match=r"did you mean .*'backbone\.fpn'"):
        predict(recorded, "backbone.fnp", ...)
    with pytest.raises(MissingError, match=r"gave 5 tensors, ask for one: 'backbone\.fpn\[0\]'"):
        predict(recorded, "backbone.fpn", ...)
    with pytest.raises(MissingError, match=r"gave no 'pol'; did you mean 'pool'"):
        predict(recorded, "backbone.fpn[pol]", ...)
    with pytest.raises(MissingError, match="has calls #0 to #4"):
        predict(recorded, "rpn.head.conv.0.0#5", ...)
    with pytest.raises(InputError, match="names no call"):
        predict(recorded, "backbone.fpn[0", ...)
    with pytest.raises(MissingError, match="gave no tensor there"):
        predict(recorded, "rpn[1]", ...)


@pytest.mark.parametrize("guess", [None, "abc", 3.5, (1, -2), (1.5, 2), {}])
def test_what_is_no_shape_is_refused(recorded, guess):
    with pytest.raises(InputError, match=r"a guess is a shape, such as \(256, 16, 20\); found"):
        predict(recorded, "backbone.fpn[0]", guess)
    with pytest.raises(InputError, match="no language"):
        predict(recorded, "backbone.fpn[0]", ..., lang="de")


def test_a_call_that_raised_gave_nothing(rcnn):
    import torch

    import tracer

    with pytest.raises(RuntimeError):
        tracer.trace(rcnn.backbone.body.conv1, torch.zeros(1, 5, 8, 8))
    trace = tracer.last_trace()
    assert trace.error is not None
    with pytest.raises(MissingError, match="gave nothing"):
        predict(trace, "(root)", ...)


def test_texts_of_a_trace_are_escaped(recorded):
    answer = predict(recorded, "backbone.fpn[0]", (1,))
    hostile = type(answer)(
        "<b>", "en", (), (1,), False, (1,), "<script>alert(1)</script>", ("<img src=x>",)
    )
    assert "<script>" not in hostile._repr_html_()
    assert "<img" not in hostile._repr_html_()
