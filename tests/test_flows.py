"""Flows: what moves, held against the recording and torchvision; played in page and deck."""

from __future__ import annotations

import json
import re

import kinds
import numpy as np
import pytest
import torch
from browsers import Opened
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_iou, nms

from tracer.errors import MissingError
from tracer.languages import languages
from tracer.rcnn.anatomy import anatomy
from tracer.views.kit.flows import FLOWS, flow_of
from tracer.views.kit.flows.model import HEIGHT, WIDTH
from tracer.views.page import write_page
from tracer.views.slides import deck
from tracer.views.slides.deck import Moving
from tracer.views.slides.handout import unstepped
from tracer.views.slides.html import write_html
from tracer.views.slides.moving import draw_step
from tracer.views.slides.pages import pages

pytestmark = pytest.mark.slow

ALL = tuple(FLOWS)


@pytest.fixture(scope="module")
def parts():
    return anatomy(kinds.recorded("two pictures"))


def boxes_of(flow, step):
    """The places of the outlines of a step, by item."""
    frame = flow.steps[step]
    return {i: place for i, (place, _) in frame.places.items() if flow.items[i].kind == "box"}


# --- data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_every_flow_is_whole_and_stays_on_its_board(parts, name):
    flow = flow_of(parts, name)
    assert len(flow.steps) >= 4
    for step in flow.steps:
        assert set(step.said) == set(languages())
        assert all(step.said.values())
        assert "{" not in "".join(step.said.values())
        numbers = [sorted(re.findall(r"\d+", text)) for text in step.said.values()]
        assert numbers[0] == numbers[1], step.said
        assert step.places
        assert set(step.places) <= set(range(len(flow.items)))
    images = [
        place
        for step in flow.steps
        for i, (place, _) in step.places.items()
        if flow.items[i].kind == "image"
    ]
    for x, y, width, height in images:
        assert x >= -1
        assert y >= -1
        assert x + width <= WIDTH + 1
        assert y + height <= HEIGHT + 1
    assert all(
        flow.steps[n].places != flow.steps[n + 1].places for n in range(len(flow.steps) - 1)
    ) or name in ("anchors", "nms", "stride")
    assert len(json.dumps(flow.data())) < 60_000


def test_padding_says_the_sizes_of_the_batch(parts):
    model, pictures = kinds.detector(), kinds.pictures(2)
    images, _ = model.transform(pictures)
    said = [step.said["en"] for step in flow_of(parts, "padding").steps]
    for picture in pictures:
        assert "×".join(map(str, picture.shape[1:])) in said[0]
    for size in images.image_sizes:
        assert "×".join(map(str, size)) in said[1]
    assert "×".join(map(str, images.tensors.shape)) in said[-1]
    for axis, side in enumerate(images.tensors.shape[2:]):
        largest = max(size[axis] for size in images.image_sizes)
        assert f"⌈{largest} / 32⌉ × 32 = {side // 32} × 32 = {side}" in said[2]


def test_stride_says_what_the_convolution_does(parts):
    conv = kinds.detector().backbone.body.conv1
    flow = flow_of(parts, "stride")
    said = [step.said["en"] for step in flow.steps]
    images, _ = kinds.detector().transform(kinds.pictures(2))
    made = conv(images.tensors).shape[-2:]
    assert "×".join(map(str, made)) in said[-1]
    window = next(i for i in boxes_of(flow, 1))
    first, second = (boxes_of(flow, n)[window] for n in (1, 2))
    cell = first[2] / conv.kernel_size[0]
    assert second[0] - first[0] == pytest.approx(conv.stride[1] * cell)


def test_decoding_moves_as_the_box_coder_does(parts):
    flow = flow_of(parts, "decode")
    said = flow.steps[1].said["en"] + flow.steps[2].said["en"]
    deltas = [
        float(re.search(rf"{name} = (-?[\d.]+)", said)[1]) for name in ("dx", "dy", "dw", "dh")
    ]
    found = parts.rpn.proposals(0)
    kept = found.funnel.steps[-1].kept[:20]
    anchor = next(a for a in kept if np.allclose(found.deltas[a], deltas, atol=0.006))
    coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
    box = coder.decode_single(
        torch.tensor(found.deltas[[anchor]]), torch.tensor(parts.anchors.xyxy[[anchor]])
    )[0]
    size = f"{box[3] - box[1]:.0f}×{box[2] - box[0]:.0f}"
    assert size in said
    places = [
        next(iter(p for i, p in boxes_of(flow, n).items() if not flow.items[i].dashed))
        for n in range(3)
    ]
    own = parts.anchors.xyxy[anchor]
    scale = places[0][2] / float(own[2] - own[0])
    assert places[2][2] == pytest.approx(float(box[2] - box[0]) * scale, rel=1e-3)
    assert places[1][0] - places[0][0] == pytest.approx(deltas[0] * places[0][2], abs=1.5)


def test_nms_removes_what_torchvision_removes(parts):
    from tracer.views.kit.flows.boxes import _candidates, _neighbours

    boxes, scores, funnel, _ = _candidates(parts)
    best, gone, other = _neighbours(boxes, scores, funnel)
    shown = [best, *gone, *([] if other is None else [other])]
    xyxy = torch.tensor(boxes[shown])
    limit = funnel.step("nms").limit
    kept = nms(xyxy, torch.tensor(np.asarray(scores)[shown].astype(np.float32)), limit).tolist()
    assert sorted(kept) == [0] + ([len(shown) - 1] if other is not None else [])
    said = " ".join(step.said["en"] for step in flow_of(parts, "nms").steps)
    for overlap in box_iou(xyxy[:1], xyxy)[0, 1:]:
        assert f"{overlap:.2f}" in said


def test_levels_go_where_they_are_assigned(parts):
    flow = flow_of(parts, "levels")
    pooling = parts.roi_heads.box
    for step in flow.steps[1:]:
        side = float(re.search(r"√\(w·h\) = ([\d.]+)", step.said["en"])[1])
        index = int(np.abs(pooling.sides() - side).argmin())
        assert step.said["en"].endswith(f": {pooling.level_of(index).name}.")


def test_a_merge_repeats_and_adds(parts):
    flow = flow_of(parts, "merge")
    merge = next(m for m in parts.pyramid.merges if m.top is not None)
    lateral, upsampled, added, _ = merge.planes(0)
    np.testing.assert_allclose(
        lateral.values + upsampled.values, added.values, rtol=1e-4, atol=1e-5
    )
    assert "×".join(map(str, merge.top.shape[-2:])) in flow.steps[0].said["en"]
    assert flow.items[0].image.shape == upsampled.values.shape


def test_what_a_recording_lacks_is_said(parts):
    with pytest.raises(MissingError, match="did you mean 'nms'"):
        flow_of(parts, "nsm")
    bare = anatomy(kinds.recorded("nothing kept"))
    for name in ("nms", "align", "padding"):
        with pytest.raises(MissingError):
            flow_of(bare, name)
    with pytest.raises(MissingError):
        flow_of(anatomy(kinds.recorded("one-stage")), "stride")


# --- played ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_page(kinds.recorded("two pictures"), tmp_path_factory.mktemp("flow") / "p.html")


def picture_of(view):
    return view.evaluate("document.querySelector('.flow canvas').toDataURL()")


@pytest.mark.parametrize("name", ALL)
def test_the_page_plays_every_flow_step_by_step(browser, page, name):
    with Opened(browser, page, reduced_motion="reduce") as opened:
        view = opened.view
        view.get_by_label("Drawing").select_option(f"flow_{name}")
        view.wait_for_timeout(150)
        steps = int(re.search(r"1/(\d+)", opened.text(".flow-told"))[1])
        seen = [picture_of(view)]
        for _ in range(steps - 1):
            view.get_by_role("button", name="Next step").click()
            view.wait_for_timeout(30)
            seen.append(picture_of(view))
        assert len(set(seen)) >= steps - 1
        assert f"{steps}/{steps}" in opened.text(".flow-told")
        assert view.get_by_role("button", name="Next step").is_disabled()
        view.get_by_role("button", name="Step back").click()
        assert f"{steps - 1}/{steps}" in opened.text(".flow-told")
        assert opened.problems == []


def test_a_flow_plays_a_step_a_second_and_stops(browser, page):
    with Opened(browser, page) as opened:
        view, told = opened.view, opened.view.locator(".flow-told")
        view.locator(".watch").click()
        assert view.get_by_label("Drawing").input_value() == "flow_nms"
        view.get_by_role("button", name="Play").click()
        told.filter(has_text="2/").wait_for()
        view.get_by_role("button", name="Stop", exact=True).click()
        there = told.inner_text()
        view.wait_for_timeout(1600)
        assert told.inner_text() == there
        view.keyboard.press("Enter")  # the focus is on the button: it plays on
        told.filter(has_text=re.compile(r"^[4-9]/")).wait_for()
        assert opened.problems == []


def test_a_step_moves_unless_motion_is_not_wanted(browser, page):
    different = []
    for wanted in ("no-preference", "reduce"):
        with Opened(browser, page, reduced_motion=wanted) as opened:
            view = opened.view
            view.get_by_label("Drawing").select_option("flow_levels")
            view.wait_for_timeout(300)
            view.get_by_role("button", name="Next step").click()
            view.wait_for_timeout(1200)
            at_rest = picture_of(view)
            pictures = view.evaluate(
                """async () => {
                  const board = document.querySelector('.flow canvas');
                  const seen = new Set();
                  document.querySelectorAll('.flow button')[2].click();
                  for (let i = 0; i < 40; i++) {
                    await new Promise(requestAnimationFrame);
                    seen.add(board.toDataURL());
                  }
                  return seen.size;
                }"""
            )
            assert at_rest
            different.append(pictures)
    assert different[0] > 2
    assert different[1] == 1


def test_the_deck_has_flows_and_questions(browser, tmp_path):
    outline = tmp_path / "o.toml"
    outline.write_text('[[slide]]\nuse = "flow-nms"\n[[slide]]\nuse = "guess-level"\n', "utf-8")
    made = deck(kinds.recorded("two pictures"), outline=outline, lang="both")
    assert [slide.key for slide in made.slides] == [
        "flow-nms", "flow-nms", *["guess-level", "guess-level-answer"] * 2,
    ]  # fmt: skip
    moving = made.slides[0].parts[0]
    assert isinstance(moving, Moving)
    assert len(moving.still.figures) == len(moving.flow.steps)
    keys = [page.slide.key for page in pages(made)]
    assert keys.count("guess-level") == 2, "a page for the question, one for the answer"
    assert keys.count("flow-nms") == 2 * len(moving.flow.steps)
    question, answer = made.slides[2:4]
    assert "✓" not in " ".join(question.parts[0].lines)
    assert answer.parts[0].lines[1].startswith("✓ ")
    assert answer.step.startswith("#call=")
    file = write_html(made, tmp_path / "d.html")
    with Opened(browser, file, viewport={"width": 1280, "height": 720}) as opened:
        view = opened.view
        told = view.locator("section.present .flow-told")
        assert "1/" in told.inner_text()
        view.locator("section.present .flow-controls button").nth(2).click()
        view.keyboard.press("Enter")
        assert "3/" in told.inner_text()
        view.keyboard.press("ArrowRight")
        assert "逐" in view.locator("section.present").inner_text() or "1/" in told.inner_text()
        assert opened.requests == [file.as_uri()] or all(
            r.startswith(("file:", "data:")) for r in opened.requests
        )
        assert opened.problems == []


@pytest.mark.parametrize("lang", languages())
@pytest.mark.parametrize("name", ALL)
def test_what_is_said_at_a_step_fits_on_its_slide(name, lang):
    parts = anatomy(kinds.recorded("two pictures"))
    flow = flow_of(parts, name)
    longest = max(range(len(flow.steps)), key=lambda n: len(flow.steps[n].said[lang]))
    made = draw_step(parts, flow=flow, number=longest, lang=lang, size="slide")
    made.draw_without_rendering()
    said = made.axes[0]._left_title.get_window_extent()
    assert said.x0 >= 0
    assert said.x1 <= made.bbox.x1
    assert said.y1 <= made.bbox.y1


def test_a_handout_has_all_steps_of_a_flow_on_one_page(tmp_path):
    outline = tmp_path / "o.toml"
    outline.write_text('[[slide]]\nuse = "flow-nms"\n', "utf-8")
    made = unstepped(deck(kinds.recorded("two pictures"), outline=outline, lang="zh"))
    moving = made.slides[0].parts[0]
    (figure,) = moving.still.figures
    said = [ax.get_title(loc="left").replace("\n", "") for ax in figure.axes]
    assert said == [f"{n}. {step.said['zh']}" for n, step in enumerate(moving.flow.steps, 1)]
    assert len(pages(made)) == len(made.slides)
    # Eight steps of a square board: four beside each other make it larger than three or eight.
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 4)


def test_a_deck_follows_a_tour():
    made = deck(kinds.recorded("two pictures"), tour="pyramid", lang="zh")
    keys = [slide.key for slide in made.slides]
    assert keys[0] == "title"
    assert keys[-1] == "sources"
    assert keys[1] == "pyramid-1"
    asked = [key for key in keys if key.endswith("-question")]
    assert asked
    assert all(f"{key.removesuffix('-question')}-answer" in keys for key in asked)
    assert any(isinstance(part, Moving) for slide in made.slides for part in slide.parts)
    with pytest.raises(MissingError, match="stop 2 of 'failure'"):
        deck(kinds.recorded("two pictures"), tour="failure", strict=True)
    assert deck(kinds.recorded("failed late"), tour="failure").left_out == ()
