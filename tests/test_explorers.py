"""The explorers: what they compute, what they show, and that they leave nothing behind."""

from __future__ import annotations

import base64
import builtins
import gc
import io
import re
import sys
import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from explored import needed, pretended
from PIL import Image

import tracer
from tracer.errors import InputError, MissingError
from tracer.rcnn.anatomy import anatomy
from tracer.rcnn.anatomy.filtering import batched_nms, detection_filter, proposal_filter
from tracer.views.explorers import EXPLORERS, anchors, keep, proposals, pyramid, roi_align
from tracer.views.explorers import quiz as quiz_explorer
from tracer.views.explorers.controls import Choice, Several, Slider
from tracer.views.kit.guesses.shapes import USUAL
from tracer.views.kit.questions import predict

WITH_CONTROLS = [name for name in EXPLORERS if name != "steps"]
WITH_PICTURES = ["pyramid", "anchors", "proposals", "story", "roi_align", "what_if"]


@pytest.fixture(scope="module")
def kept(rcnn, two_images):
    """A pass with all that the explorers draw from, the finest level included."""
    import torch

    with torch.no_grad():
        return tracer.trace(
            rcnn, two_images, keep=["anatomy", "*fpn.layer_blocks.0", "roi_heads.box_roi_pool"]
        )


@pytest.fixture(scope="module")
def parts(kept):
    return anatomy(kept)


def opened(trace, name, lang="en", **options):
    return trace.explore(name, lang=lang, **{**needed(name, trace), **options})


def places(control):
    """A few values that a control can take, its ends among them."""
    if isinstance(control, Slider):
        middle = control.low + (control.high - control.low) / 3
        middle = int(middle) if isinstance(control.step, int) else middle
        return [control.low, control.high, middle, control.value]
    values = [value for _, value in control.options]
    return [tuple(values[:2]), ()] if isinstance(control, Several) else values[:6]


# --- what they compute ----------------------------------------------------------------------------


def test_the_recorded_settings_give_the_recorded_proposals_and_detections(parts):
    for image in range(2):
        refilter = proposal_filter(parts.rpn, image)
        found, recorded = refilter(refilter.recorded), parts.rpn.proposals(image)
        assert len(recorded.boxes) > 100
        assert np.array_equal(found.boxes.xyxy, recorded.boxes.xyxy)
        assert np.array_equal(found.scores, recorded.scores)
        for step in found.steps:
            assert np.array_equal(np.sort(step.kept), np.sort(recorded.funnel.step(step.name).kept))
        second = detection_filter(parts.detections[image])
        again, detections = second(second.recorded), parts.detections[image]
        assert len(detections) > 10
        assert np.array_equal(again.boxes.xyxy, detections.resized.xyxy)
        assert np.array_equal(again.scores, detections.scores)
        assert np.array_equal(again.group[again.kept], detections.labels)


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"nms_thresh": 0.5}, {"nms_thresh": 0.5}),
        ({"post_nms_top_n": 50}, {"_post_nms_top_n": {"training": 50, "testing": 50}}),
        ({"pre_nms_top_n": 40}, {"_pre_nms_top_n": {"training": 40, "testing": 40}}),
        ({"score_thresh": 0.5}, {"score_thresh": 0.5}),
    ],
)
def test_other_settings_give_what_the_model_gives_with_them(
    rcnn, two_images, parts, monkeypatch, change, option
):
    """The oracle is the model itself, run again with the option changed."""
    import torch

    for name, value in option.items():
        monkeypatch.setattr(rcnn.rpn, name, value)
    with torch.no_grad():
        images, _ = rcnn.transform(two_images)
        expected, _ = rcnn.rpn(images, rcnn.backbone(images.tensors))
    for image in range(2):
        refilter = proposal_filter(parts.rpn, image)
        found = refilter(replace(refilter.recorded, **change))
        want = expected[image].numpy()
        assert len(want) != len(parts.rpn.proposals(image).boxes)
        assert found.boxes.xyxy.shape == want.shape
        np.testing.assert_allclose(found.boxes.xyxy, want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"score_thresh": 0.2}, {"score_thresh": 0.2}),
        ({"nms_thresh": 0.1}, {"nms_thresh": 0.1}),
        ({"detections_per_img": 3}, {"detections_per_img": 3}),
    ],
)
def test_other_thresholds_of_the_second_filter(
    rcnn, two_images, parts, monkeypatch, change, option
):
    import torch

    second = detection_filter(parts.detections[0])
    if "score_thresh" in change:
        change = option = {"score_thresh": float(np.median(parts.detections[0].scores))}
    for name, value in option.items():
        monkeypatch.setattr(rcnn.roi_heads, name, value)
    with torch.no_grad():
        expected = rcnn(two_images)[0]
    found = second(replace(second.recorded, **change))
    assert not np.array_equal(expected["scores"].numpy(), parts.detections[0].scores)
    np.testing.assert_allclose(found.scores, expected["scores"].numpy(), rtol=1e-5)
    assert np.array_equal(found.group[found.kept], expected["labels"].numpy())


@pytest.mark.parametrize("count", [0, 1, 60, 999, 1200])
def test_nms_keeps_what_torchvision_keeps(count):
    """On both sides of the number from which torchvision goes group by group."""
    import torch
    from torchvision.ops import batched_nms as theirs

    random = np.random.default_rng(count)
    corners = random.uniform(0, 60, (count, 2))
    sides = random.uniform(5, 60, (count, 2))
    boxes = np.concatenate([corners, corners + sides], 1).astype(np.float32)
    scores = random.permutation(count).astype(np.float32) / max(count, 1)
    groups = random.integers(0, 4, count)
    for threshold in (0.3, 0.5, 0.7):
        want = theirs(*map(torch.from_numpy, (boxes, scores, groups)), threshold).numpy()
        assert np.array_equal(batched_nms(boxes, scores, groups, threshold), want)


def test_proposals_that_were_not_recorded_give_no_detection(parts):
    scene = proposals.scene_of(parts, "en")
    chosen = replace(scene.rpn.recorded, post_nms_top_n=20)
    left, detections, shared = proposals.refilter(scene, chosen, scene.box.recorded)
    assert len(left.kept) == shared == 20
    assert len(detections.steps[0].kept) == 20 * scene.box.classes
    chosen = replace(scene.rpn.recorded, nms_thresh=0.2)
    left, detections, shared = proposals.refilter(scene, chosen, scene.box.recorded)
    assert shared <= len(left.kept)
    assert len(detections.steps[0].kept) == shared * scene.box.classes


@pytest.mark.parametrize(("ratio", "size"), [(2, 7), (0, 7), (1, 3), (4, 14), (0, 1)])
def test_the_pooled_map_is_torchvisions(parts, kept, ratio, size):
    import torch
    from torchvision.ops import roi_align as theirs

    scene = roi_align.scene_of(parts, "en", image=1)
    for box in (0, 5, 17):
        level = scene.pooling.level_of(box, 1)
        maps = scene.maps(level)
        grid = roi_align.grid_of(scene, box, ratio, size)
        boxes = torch.from_numpy(scene.pooling.boxes[1].xyxy[box : box + 1])
        place = int(scene.pooling.assigned[1][box])
        want = theirs(
            torch.from_numpy(maps[None]), [boxes], (size, size), scene.pooling.scales[place], ratio
        )
        np.testing.assert_allclose(grid.pool(maps), want[0].numpy(), rtol=1e-4, atol=1e-4)


def test_anchors_of_a_cell_are_the_recorded_ones(parts):
    found = parts.anchors
    for index, level in enumerate(found.levels):
        row, column = (n // 2 for n in level.map.shape[-2:])
        down, right = found.steps[index]
        boxes, cell = anchors.cell_anchors(found, index, 0.0, 0.0, column * right, row * down)
        assert cell == (row, column)
        assert np.array_equal(boxes, found.xyxy[found.at_cell(index, row, column)])


def test_other_sizes_are_laid_out_as_torchvision_lays_them(parts):
    import torch
    from torchvision.models.detection.anchor_utils import AnchorGenerator

    assert anchors.ratios_of(parts.anchors) == [0.5, 1.0, 2.0]
    for size in anchors.SIZES:
        want = AnchorGenerator().generate_anchors((size,), (0.5, 1.0, 2.0)).numpy()
        found = anchors.base_anchors(size, np.asarray([0.5, 1, 2], np.float32))
        assert np.array_equal(found, want)
    boxes, _ = anchors.cell_anchors(parts.anchors, 0, 256.0, 2.0, 10, 10)
    assert boxes.shape == (1, 4)
    assert torch.is_tensor(torch.from_numpy(boxes))


def test_a_point_has_one_cell_in_every_level(parts):
    scene = pyramid.scene_of(parts, "en")
    height, width = scene.picture.resized_size
    for level in scene.levels:
        down, right = level.map.stride
        for x, y in ((0, 0), (width - 1, height - 1), (width / 2, height / 3)):
            row, column = level.map.cells().at(x, y)
            last = [size - 1 for size in level.map.shape[-2:]]
            assert abs(y - row * down) <= down / 2 or row == last[0]
            assert abs(x - column * right) <= right / 2 or column == last[1]
            plane = scene.plane(level, 7)
            assert pyramid.value_at(plane, (row, column)) == level.map.data()[0, 7, row, column]


def test_what_is_kept_next_time_costs_what_is_said(rcnn, two_images, kept):
    import torch

    chosen = ("backbone.fpn", "backbone", "rpn.head", "backbone.body.layer3.0.relu", "transform")
    with torch.no_grad():
        again = tracer.trace(rcnn, two_images, keep=list(chosen))
    stored = sum(again.data(s.id).nbytes for s in again.tensors if s.kept and s.summary.numel)
    assert keep.cost(kept, chosen) == stored > 0
    assert keep.cost(kept, ("backbone.fpn",)) == keep.cost(kept, ("backbone.fpn", "backbone"))
    shown = kept.explore("keep").set(depth=5, modules=chosen)
    assert all(path in shown.html for path in chosen)
    assert keep.text_of(stored) in shown.html


def test_two_passes_differ_where_they_differ(rcnn, two_images, kept):
    import torch

    with torch.no_grad():
        other = tracer.trace(rcnn, [two_images[0], two_images[1] * 0.5])
        single = tracer.trace(rcnn, two_images[:1])
    assert "Nothing." in kept.explore("compare", other=kept).shown().html
    values = kept.explore("compare", other=other).set(above=0.01).html
    assert "backbone.body.conv1#0" in values
    assert "±" in values
    shown = kept.explore("compare", other=single)
    assert "2×64×48×48" in shown.shown().html
    assert "2×64×48×48" not in shown.set(differing="second").html


@pytest.fixture(scope="module")
def to_rerun(rcnn, two_images):
    """A pass from which the end can run again."""
    import torch

    keep = ["anatomy", "args:transform", "transform", "backbone.body"]
    with torch.no_grad():
        return tracer.trace(rcnn, two_images, keep=keep)


@pytest.mark.parametrize(
    ("controls", "change"),
    [
        ({"level": "P3"}, {"backbone.fpn[1]": "zero"}),
        ({"level": "P6", "how": "noise"}, {"backbone.fpn[pool]": "noise:0"}),
        ({"level": "P2", "how": "without", "channel": 7}, {"backbone.fpn[0]": "without:7"}),
        ({"rpn_nms_thresh": 0.3}, {"rpn.nms_thresh": 0.3}),
        ({"box_score_thresh": 0.02, "level": "P4"},
         {"backbone.fpn[2]": "zero", "roi_heads.score_thresh": 0.02}),
    ],
)  # fmt: skip
def test_what_if_shows_what_the_model_gives_with_the_change(
    rcnn, two_images, to_rerun, controls, change
):
    """The oracle is the model itself, changed, on the whole pass."""
    import torch

    asked = []

    @torch.no_grad()
    def run(change):
        asked.append(change)
        return tracer.rerun(to_rerun, rcnn, start="backbone.fpn", keep="anatomy", change=change)

    explorer = to_rerun.explore("what_if", run=run, image=1, score=0.0)
    assert not asked
    shown = explorer.set(**controls)
    assert asked == [change]
    with torch.no_grad():
        whole = tracer.trace(rcnn, two_images, keep="anatomy", change=change)
    first, second = tracer.compare(to_rerun, whole), tracer.compare(to_rerun, run(change))
    assert first.detections().rows == second.detections().rows
    kinds = [row.cells[1] for row in second.detections().rows if row.cells[0] == 1]
    assert f"{kinds.count('only in A')} only in A" in shown.html
    explorer.set(score=0.5)
    explorer.set(**controls)
    assert asked == [change, change], "what was run is remembered"


def test_what_if_refuses_a_run_that_does_not_make_the_change(kept):
    explorer = kept.explore("what_if", run=lambda change: kept)
    with pytest.raises(InputError, match="did not make the change of backbone"):
        explorer.set(level="P2")
    explorer = kept.explore("what_if", run=lambda change: None)
    with pytest.raises(InputError, match="returned a NoneType"):
        explorer.set(level="P2")


def test_what_if_without_a_change_is_the_recording(kept):
    shown = kept.explore("what_if", run=lambda **_: pretended(kept, {})).shown()
    assert "Nothing is changed" in shown.html
    assert "0 only in A, 0 only in B" in shown.html


def test_the_quiz_asks_about_the_usual_calls_and_the_other_kinds(kept):
    asked = quiz_explorer.questions(kept)
    assert set(USUAL) <= set(asked)
    assert {guess.kind for guess in asked.values()} >= {"shape", "in_place", "anchors", "level"}
    assert asked == quiz_explorer.questions(kept)
    for name in USUAL:
        it = asked[name]
        shapes = [choice.text["en"] for choice in it.choices]
        assert len(set(shapes)) >= 3
        assert [bool(predict(kept, name, shape)) for shape in shapes].index(True) == it.right


def test_the_quiz_follows_its_question(kept):
    explorer = kept.explore("quiz")
    assert "What shape" in explorer.shown().html
    asked = quiz_explorer.questions(kept)["backbone.fpn[pool]"]
    right = "abcd"[asked.right]
    shown = explorer.set(asked="backbone.fpn[pool]", guess=right)
    assert "Right" in shown.html
    assert explorer.set(asked="rpn.head[0][0]").html.count("What shape") == 1
    assert explorer.values["guess"] is None
    with pytest.raises(InputError, match="there is no guess"):
        explorer.set(guess="z")


def test_the_quiz_starts_with_any_call(kept):
    assert "backbone.fpn[2]" in kept.explore("quiz", asked="backbone.fpn[2]").shown().html
    with pytest.raises(MissingError, match="did you mean"):
        kept.explore("quiz", asked="backbone.fnp")


def test_a_model_of_another_kind_has_questions_too():
    import torch
    from torchvision.models import resnet18

    trace = tracer.trace(resnet18(weights=None).eval(), torch.zeros(1, 3, 64, 64))
    asked = quiz_explorer.questions(trace)
    assert "conv1" in asked
    assert "relu" not in asked
    assert trace.explore("quiz").shown().html
    with pytest.raises(MissingError):
        trace.explore("anchors")


@pytest.mark.slow
def test_levels_may_have_different_channels():
    """SSD's maps do: not every level has the channel that is asked for."""
    import torch
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    with torch.no_grad():
        trace = tracer.trace(model, [torch.rand(3, 64, 64)], keep="anatomy")
    explorer = trace.explore("pyramid")
    last = explorer.controls["level"].options[-1][1]
    shown = explorer.set(level=last, channel=explorer.controls["channel"].high)
    assert re.search(r"has only \d+ channels", shown.html)
    assert shown.picture


# --- what they show -------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", WITH_CONTROLS)
def test_every_control_can_stand_anywhere(kept, name, lang):
    explorer = opened(kept, name, lang)
    for control in list(explorer.controls):
        for value in places(explorer.controls[control]):
            shown = explorer.set(**{control: value})
            assert explorer.values[control] == value
            assert shown.html
            assert bool(shown.picture) == (name in WITH_PICTURES)
            if shown.picture:
                assert Image.open(io.BytesIO(shown.picture)).width == shown.width
            if lang == "zh":
                assert re.search("[\u4e00-\u9fff]", shown.html)
    assert all(control.label for control in explorer.controls.values())


@pytest.mark.parametrize("name", WITH_PICTURES)
def test_a_change_is_seen(kept, name):
    change = {
        "pyramid": {"level": "P2", "channel": 4},
        "anchors": {"level": "P6"},
        "proposals": {"rpn_nms_thresh": 0.1},
        "story": {"asked": "detection 1"},
        "roi_align": {"output_size": 2},
        "what_if": {"score": 0.0},
    }[name]
    explorer = opened(kept, name)
    before = explorer.shown()
    after = explorer.set(**change)
    assert before.picture != after.picture
    assert before.html != after.html
    assert explorer.set(**{n: explorer.values[n] for n in change}) == after


@pytest.mark.parametrize("name", WITH_CONTROLS)
def test_the_widgets_follow_and_lead(kept, name):
    """A reader's change goes to the explorer, an explorer's to the widgets."""
    ipywidgets = pytest.importorskip("ipywidgets")
    explorer = opened(kept, name)
    live = explorer.widget
    assert isinstance(live, ipywidgets.Box)
    by_name = dict(zip(explorer.controls, live.children[0].children, strict=True))
    for control in list(explorer.controls):
        value = places(explorer.controls[control])[1]
        by_name[control].value = value
        assert explorer.values[control] == value
        assert live.children[1].children[1].value == explorer.shown().html
    start = next(iter(explorer.controls))
    explorer.set(**{start: places(explorer.controls[start])[0]})
    assert by_name[start].value == explorer.values[start]
    explorer.close()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", EXPLORERS)
def test_a_still_is_seen_where_no_kernel_runs(kept, name, lang):
    pytest.importorskip("ipywidgets")
    explorer = opened(kept, name, lang)
    still, *views = explorer.outputs()
    assert "application/vnd.jupyter.widget-view+json" not in still
    if name in WITH_PICTURES:
        picture = Image.open(io.BytesIO(base64.b64decode(still["image/png"])))
        assert min(picture.size) > 300
        assert len({tuple(p) for p in np.asarray(picture.convert("RGB")).reshape(-1, 3)[::97]}) > 50
    else:
        assert "<" in still["text/html"]
    assert len(views) == (name != "steps")
    for view in views:
        assert view["application/vnd.jupyter.widget-view+json"]["model_id"]
        assert "run this cell" in view["text/plain"] or "运行这个单元格" in view["text/plain"]
    explorer.close()


def test_the_step_explorer_is_the_page(kept):
    html = kept.explore("steps", lang="zh").still()["text/html"]
    assert "<iframe sandbox=" in html
    assert "nbviewer" in html
    assert html.startswith('<div lang="zh-CN">')


def test_only_chinese_texts_name_their_language(kept):
    for name in ("anchors", "quiz"):
        for lang, marked in (("en", False), ("zh", True)):
            explorer = kept.explore(name, lang=lang)
            texts = [explorer.shown().html, explorer.still().get("text/html", "")]
            assert {'lang="zh-CN"' in text for text in texts if text} == {marked}
            assert ("zh" in explorer.widget._dom_classes) == marked
            explorer.close()


@pytest.mark.parametrize("name", ["anchors", "quiz"])
def test_without_ipywidgets_the_still_and_what_to_install(kept, name, monkeypatch):
    real = builtins.__import__

    def missing(module, *rest, **more):
        if module.partition(".")[0] == "ipywidgets":
            raise ImportError(module)
        return real(module, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    still, line = opened(kept, name).outputs()
    assert {"image/png", "text/html"} & set(still)
    assert line == {
        "text/plain": "ipywidgets is not installed, so this picture stands still: "
        "pip install ipywidgets"
    }


def test_what_was_not_kept_says_how_to_keep_it(recorded, rcnn, two_images):
    import torch

    from tracer.rcnn.domain import PRESETS

    without_maps = [p for p in PRESETS["anatomy"] if not re.search(r"head<|pool<|_blocks", p)]
    with pytest.raises(MissingError, match='keep="anatomy"'):
        recorded.explore("proposals")
    with torch.no_grad():
        usual = tracer.trace(rcnn, two_images, keep=without_maps)
    shown = usual.explore("pyramid").set(level="P2", channel=200)
    assert "layer_blocks.0" in shown.html
    boxes = anatomy(usual).roi_heads.box
    finest = int(np.flatnonzero(boxes.assigned[0] == 0)[0])
    explorer = usual.explore("roi_align")
    shown = explorer.set(box=finest)
    assert "nothing is pooled" in shown.html
    assert shown.picture
    assert explorer.still() == {"image/jpeg": shown.picture}


def test_a_training_pass_has_no_second_filter(in_training, two_images, two_targets):
    trace = tracer.trace(in_training, two_images, two_targets, keep="anatomy")
    explorer = trace.explore("proposals")
    assert "rpn_nms_thresh" in explorer.controls
    assert "box_nms_thresh" not in explorer.controls
    assert "detections" not in dict(explorer.controls["show"].options)
    assert trace.explore("anchors").shown().picture


@pytest.mark.parametrize("name", WITH_CONTROLS)
def test_every_control_starts_where_an_option_says(kept, name):
    explorer = opened(kept, name)
    for control in explorer.controls.values():
        value = places(control)[1]
        assert opened(kept, name, **{control.name: value}).values[control.name] == value


def test_wrong_names_and_values(kept):
    with pytest.raises(InputError, match="did you mean 'anchors'"):
        kept.explore("anchor")
    with pytest.raises(InputError, match="no language 'de'"):
        kept.explore("anchors", lang="de")
    with pytest.raises(InputError, match="anchors has no option 'levle'; did you mean 'level'"):
        kept.explore("anchors", levle="P3")
    with pytest.raises(InputError, match="compare needs a second recording"):
        kept.explore("compare")
    with pytest.raises(InputError, match="what_if needs what runs the pass again"):
        kept.explore("what_if")
    explorer = kept.explore("pyramid")
    for change in (
        {"level": "P9"},
        {"channel": 256},
        {"channel": 1.5},
        {"blend": "much"},
        {"z": 1},
    ):
        before = dict(explorer.values)
        with pytest.raises(InputError):
            explorer.set(**change)
        assert explorer.values == before
    with pytest.raises(InputError, match="there is no level 'P9'"):
        kept.explore("pyramid", level="P9")


# --- what they leave behind -----------------------------------------------------------------------


def held():
    """Every widget that ipywidgets holds, by its id: all that were not closed."""
    pytest.importorskip("ipywidgets")
    from ipywidgets.widgets import widget

    return widget._instances


def drag(explorer, times=100):
    """Move every control in turn, through its widget as a reader does."""
    by_name = dict(zip(explorer.controls, explorer.widget.children[0].children, strict=True))
    names = list(explorer.controls)
    for i in range(times):
        name = names[i % len(names)]
        choices = places(explorer.controls[name])
        by_name[name].value = choices[(i // len(names)) % len(choices)]


@pytest.mark.parametrize("name", WITH_CONTROLS)
def test_a_hundred_changes_leave_nothing_behind(kept, name):
    widgets = held()
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    def traced():
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def count():
        gc.collect()
        figures = sum(isinstance(thing, Figure) for thing in gc.get_objects())
        return len(widgets), len(pyplot.get_fignums()), figures

    explorer = opened(kept, name)
    drag(explorer, 75)  # what is computed once and kept is there now
    before = count()
    tracemalloc.start()
    drag(explorer, 5)
    start = traced()
    drag(explorer, 20)
    grown = traced() - start
    tracemalloc.stop()
    assert count() == before
    assert grown < 1_000_000, "twenty pictures have more: they would pile up"
    explorer.close()


@pytest.mark.parametrize("name", WITH_CONTROLS)
def test_a_closed_explorer_is_gone(kept, name):
    widgets = held()
    before = set(widgets)
    explorer = opened(kept, name)
    explorer.outputs()
    drag(explorer, 10)
    assert set(widgets) > before
    gone = weakref.ref(explorer)
    explorer.close()
    del explorer
    gc.collect()
    assert gone() is None
    assert set(widgets) == before


def test_a_cell_that_runs_again_closes_what_it_showed(kept, monkeypatch):
    from tracer.views.explorers import explorer as module

    widgets, running = held(), ["cell-1", "run-1"]
    monkeypatch.setattr(module, "running_cell", lambda: tuple(running))
    monkeypatch.setattr(module, "_SHOWN", {})
    monkeypatch.setattr("IPython.display.display", lambda *outputs, **options: None)

    def show():
        explorer = kept.explore("quiz")
        assert explorer.widget.children
        explorer._ipython_display_()
        return explorer

    before = len(widgets)
    first, second = show(), show()  # two in one run: both stay
    one = (len(widgets) - before) // 2
    assert one > 3
    running[1] = "run-2"
    again = show()
    assert len(widgets) == before + one
    running[:] = ["cell-2", "run-3"]
    other = show()
    running[:] = ["", ""]  # not in a notebook: nothing is known, nothing is closed
    last = show()
    assert len(widgets) == before + 3 * one
    for explorer in (first, second, again, other, last):
        explorer.close()
    assert len(widgets) == before


def test_choices_say_what_there_is():
    control = Choice("level", "level", (("P2", "P2"), ("P3", "P3")), "P2")
    with pytest.raises(
        InputError, match=r"there is no level 'P33'; did you mean 'P3'\? \(there is P2, P3\)"
    ):
        control.check("P33")
