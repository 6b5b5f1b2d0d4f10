"""Two recordings on one page, in a real browser: they step together, and what differs is seen."""

from __future__ import annotations

import re

import handmade
import pytest
import stories
from browsers import Opened
from test_comparison import chain, recorded
from test_page_browser import PHONE, faults
from test_pair import MADE

import tracer
from tracer.record.comparison import compare
from tracer.views.page.pair import pair_page

pytestmark = pytest.mark.slow

STORIES = {
    **MADE,
    "hostile": lambda: (handmade.hostile_pass(), handmade.hostile_pass()),
    "other kinds of values": lambda: (stories.wrapped_pass(), stories.pyramid_pass()),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The page of each two, as files."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, make in STORIES.items():
        (folder / f"{name}.html").write_text(pair_page(compare(*make())), "utf-8")
    return {name: folder / f"{name}.html" for name in STORIES}


@pytest.fixture(scope="module")
def changed(rcnn, two_images, tmp_path_factory):
    """The page of a detector's pass and of another one with a threshold changed."""
    import torch

    options = {"grain": "line", "keep": "anatomy"}
    with torch.no_grad():
        first = tracer.trace(rcnn, two_images, **options)
        second = tracer.trace(rcnn, two_images, change={"rpn.nms_thresh": 0.3}, **options)
    file = tmp_path_factory.mktemp("changed") / "pair.html"
    file.write_text(pair_page(compare(first, second)), "utf-8")
    return file


TOGETHER = """tracerPage.sides.every((side, i) => {
  const { stands, ticks, pair } = tracerPage.here.step;
  const call = side.cursor.position.call;
  return side.cursor.tick === stands[i] && (ticks[i] == null || call === pair.calls[i]);
})"""


@pytest.mark.parametrize("name", STORIES)
def test_every_page_opens_steps_together_and_asks_for_nothing(browser, files, name):
    with Opened(browser, files[name]) as opened:
        for key in [
            "Home",
            "s",
            "s",
            "s",
            "ArrowRight",
            "o",
            "]",
            "s",
            "[",
            "ArrowLeft",
            "S",
            "d",
            "D",
            "f",
            "End",
            "ArrowLeft",
            "Home",
        ]:
            opened.press(key)
            assert opened.view.evaluate(TOGETHER), key
        assert opened.requests == [opened.url]
        assert opened.problems == []


def test_into_goes_through_every_step_of_both(browser, files):
    with Opened(browser, files["another branch"]) as opened:
        opened.press("Home")
        seen = []
        for _ in range(opened.view.evaluate("tracerPage.steps.length")):
            seen.append(opened.view.evaluate("tracerPage.here.step.index"))
            opened.press("s")
        visible = "tracerPage.steps.filter(s => s.pair.call.kind !== 'op').map(s => s.index)"
        assert list(dict.fromkeys(seen)) == opened.view.evaluate(visible)


def test_it_opens_where_the_two_part_and_a_button_leads_there(browser, files):
    compared = compare(*MADE["another branch"]())
    with Opened(browser, files["another branch"]) as opened:
        there = "tracerPage.here.step.pair.id"
        assert opened.view.evaluate(there) == compared.divergence
        assert "A and B part at" in opened.text(".parting")
        opened.press("Home")
        opened.view.get_by_role("button", name="Where they part").click()
        assert opened.view.evaluate(there) == compared.divergence
        opened.view.get_by_role("button", name="Where control parts").click()
        lines = opened.view.evaluate("tracerPage.sides.map(s => s.cursor.place.line)")
        assert tuple(lines) == compared.branch.at


def test_what_only_one_has_is_shown_so(browser, files):
    with Opened(browser, files["a layer more"]) as opened:
        index = "tracerPage.steps.findIndex(s => s.pair.status === 'second')"
        opened.view.evaluate(f"tracerPage.go({index})")
        assert opened.view.locator(".side.is-absent").count() == 1
        assert opened.view.locator(".side-A.is-absent .absent").inner_text() == "A has no such step"
        assert "only in B" in opened.text(".at-hand")


def test_differences_are_walked_and_marked(browser, changed):
    with Opened(browser, changed) as opened:
        assert "0.7 → 0.3" in opened.text(".parting")
        assert opened.view.locator(".side-A .differs").count() > 0
        texts = opened.view.locator(".side-B .apart").all_inner_texts()
        assert "0.7 → 0.3" in texts
        first = opened.view.evaluate("tracerPage.here.step.index")
        opened.press("d")
        second = opened.view.evaluate("tracerPage.here.step.index")
        assert second > first
        opened.press("D")
        assert opened.view.evaluate("tracerPage.here.step.index") == first
        opened.press("D", "D", "D", "D")
        assert "No earlier difference" in opened.text(".message")


def test_a_tensor_that_is_chosen_is_shown_of_both(browser, changed):
    with Opened(browser, changed) as opened:
        opened.view.locator(".side-A button.tensor").nth(1).click()
        chosen = opened.view.locator('[aria-pressed="true"] .name').all_inner_texts()
        assert len(chosen) == 2
        assert chosen[0] == chosen[1]


def test_the_list_of_calls_is_cut_to_differences(browser, changed):
    with Opened(browser, changed) as opened:
        counts = []
        for choice in ("own", "all"):
            opened.view.locator(".calls select").select_option(choice)
            counts.append(opened.view.locator(".calls .row").count())
        assert 0 < counts[0] < counts[1]
        opened.view.locator(".calls .row").first.click()
        assert opened.view.evaluate(TOGETHER)


def test_the_detections_of_both_are_pictures_and_a_table(browser, changed):
    with Opened(browser, changed) as opened:
        opened.view.locator('.tabs [data-tab="detections"]').click()
        assert opened.view.locator(".detections canvas").count() == 2
        slider = opened.view.locator(".detections input[type=range]")
        slider.evaluate("it => { it.value = 0; it.dispatchEvent(new Event('input')); }")
        assert opened.view.locator(".outcomes tr").count() > 1
        opened.press("Escape")
        assert opened.view.locator(".side-A").is_visible()


def test_a_detection_that_one_lacks_is_pointed_at_and_says_why(browser, changed):
    with Opened(browser, changed) as opened:
        opened.view.locator('.tabs [data-tab="detections"]').click()
        slider = opened.view.locator(".detections input[type=range]")
        slider.evaluate("it => { it.value = 0; it.dispatchEvent(new Event('input')); }")
        fact = opened.view.locator(".detections .scene-facts")
        alone = opened.view.locator(".outcomes tr.vanished button")
        alone.first.click()
        assert alone.first.get_attribute("aria-pressed") == "true"
        assert re.search(r"in B as an object: lost at|B has detection \d+ here", fact.inner_text())
        picture = opened.view.locator(".detections canvas").nth(1)  # of the pass that lacks it
        picture.scroll_into_view_if_needed()
        told = set()
        frame = picture.bounding_box()
        for across in range(5, 100, 10):
            for down in range(5, 100, 10):
                x, y = frame["width"] * across / 100, frame["height"] * down / 100
                opened.view.mouse.move(frame["x"] + x, frame["y"] + y)
                told.add(fact.inner_text())
        assert any(text.startswith("A: ") and "in B as an object" in text for text in told)
        assert any(text.startswith("B: ") and "in A as an object" in text for text in told)
        assert any(" · B: " in text and "\n" not in text for text in told)
        opened.view.locator(".language").click()
        opened.view.locator(".outcomes tr.vanished button").first.click()
        assert re.search("在 B 中追踪：丢在|B 在这里有检测结果", fact.inner_text())
        assert opened.problems == []


def test_the_language_switches_in_place(browser, changed):
    with Opened(browser, changed) as opened:
        step = opened.view.evaluate("tracerPage.here.step.index")
        opened.view.locator(".language").click()
        assert "分开" in opened.text(".parting")
        assert opened.view.evaluate("tracerPage.here.step.index") == step
        assert opened.view.get_attribute("html", "lang") == "zh-Hans"


def test_what_differs_is_said_in_each_language(browser, tmp_path):
    """Also what is no number: a row that was swapped has the same statistics and other bits."""
    model = chain()
    pair = [recorded(model, fingerprints=True)]
    model[2].left.weight.data = model[2].left.weight.data.flip(0)
    model[3].left.requires_grad_(False)
    pair.append(recorded(model, fingerprints=True))
    file = tmp_path / "pair.html"
    file.write_text(pair_page(compare(*pair)), "utf-8")
    with Opened(browser, file) as opened:
        assert "other bits" in opened.text(".at-hand")
        frozen = "tracerPage.steps.find(({ pair }) => pair.call.label === '3.left#0')"
        opened.view.evaluate(f"tracerPage.go({frozen}.index)")
        assert "trainable parameters 42 → 0" in opened.text(".at-hand")
        opened.view.locator(".language").click()
        assert "可训练参数个数 42 → 0" in opened.text(".at-hand")
        opened.press("f")
        assert "比特不同" in opened.text(".at-hand")
        assert "other bits" not in opened.text("body")


def test_a_phone_shows_both_one_above_the_other(browser, changed):
    with Opened(browser, changed, viewport=PHONE) as opened:
        for tab, part in (("source", ".source"), ("values", ".variables")):
            opened.view.locator(f'.tabs [data-tab="{tab}"]').click()
            boxes = [opened.view.locator(f".side-{n} {part}").bounding_box() for n in "AB"]
            assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
        width = opened.view.evaluate("document.documentElement.scrollWidth")
        assert width <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en-US", "zh-CN"])
def test_axe_finds_no_serious_fault(browser, changed, scheme, lang):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe is not installed: pip install axe-playwright-python",
    )
    with Opened(browser, changed, color_scheme=scheme, locale=lang) as opened:
        assert faults(axe.Axe().run(opened.view)) == []
        opened.view.locator('.tabs [data-tab="detections"]').click()
        assert faults(axe.Axe().run(opened.view)) == []
        opened.press("Escape", "?")
        assert faults(axe.Axe().run(opened.view)) == []


def test_whole_numbers_have_their_histogram(browser, tmp_path):
    """Their ends are exact, which arithmetic on other numbers must not meet."""
    import torch

    class Whole(torch.nn.Module):
        def forward(self, x):
            return (x * 10).long() - 20

    trace = tracer.trace(Whole(), torch.linspace(0, 10, 300))
    with Opened(browser, trace.page().save(tmp_path / "whole.html")) as opened:
        opened.press("End")
        opened.drawn()
        assert opened.view.locator(".histogram").count() == 1
        assert opened.problems == []
