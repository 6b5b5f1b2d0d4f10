"""What a slide lets one try: the boxes that are shown are those that the numbers say."""

from __future__ import annotations

import itertools
from dataclasses import replace

import handmade_decks
import numpy as np
import pytest
from anatomy_passes import recorded
from browsers import Opened

from tracer.errors import MissingError
from tracer.rcnn.anatomy import anatomy
from tracer.views.slides import deck
from tracer.views.slides.deck import Deck, Interactive, Pictures, Points, Slide, stilled
from tracer.views.slides.interactive import INTERACTIVES, interactive
from tracer.views.slides.subject import Subject

pytestmark = pytest.mark.slow

SCREEN = {"viewport": {"width": 1280, "height": 720}}
KEYS = ("anchors-tried", "proposals-tried", "detections-tried")


@pytest.fixture(scope="module")
def trace():
    return recorded(targets=True).trace


@pytest.fixture(scope="module")
def made(trace, tmp_path_factory):
    """The slides of the catalogue that one can try, in both languages."""
    outline = tmp_path_factory.mktemp("tried") / "tried.toml"
    outline.write_text("".join(f'[[slide]]\nuse = "{key}"\n' for key in KEYS), "utf-8")
    return deck(trace, lang="both", outline=outline, strict=True)


def part(slide):
    return next(each for each in slide.parts if isinstance(each, Interactive))


def of(made, key, lang="en"):
    return part(next(s for s in made.slides if s.key == key and s.lang == lang))


def every_place(it):
    return itertools.product(*(range(len(slider.values)) for slider in it.sliders))


# --- what is shown --------------------------------------------------------------------------------


def test_anchors_are_the_best_of_their_level(made, trace):
    it, parts = of(made, "anchors-tried"), anatomy(trace)
    level, best = it.sliders
    names = [each.name for each in parts.pyramid.levels]
    assert level.texts == (*names, "all")
    for number in range(len(names)):
        logits = parts.rpn.objectness(number)
        anchors = parts.anchors.xyxy[parts.anchors.start(number) :][: logits.size]
        # torchvision counts a level's anchors cell by cell, within a cell shape by shape.
        order = np.argsort(-logits.transpose(1, 2, 0).ravel(), kind="stable")
        for place, count in enumerate(map(int, best.values)):
            shown = it.marks.xyxy[it.shown((number, place))]
            expected = np.round(anchors[order[:count]].astype(float), 1)
            assert sorted(map(tuple, shown)) == sorted(map(tuple, expected))
    everywhere = it.shown((len(names), len(best.values) - 1))
    assert everywhere.all()
    assert len(it.marks) == len(parts.rpn.proposals(0).funnel.step("top_k").kept)


def test_proposals_are_those_above_a_score_and_within_the_best(made, trace):
    it, found = of(made, "proposals-tried"), anatomy(trace).rpn.proposals(0)
    scores = np.sort(found.scores.astype(float))[::-1].round(4)
    for high, many in every_place(it):
        least, most = it.sliders[0].values[high], int(it.sliders[1].values[many])
        assert it.shown((high, many)).sum() == (scores[:most] >= least).sum()
    assert it.shown((0, len(it.sliders[1].values) - 1)).all(), "all of them can be seen"


def test_detections_are_those_of_a_score_and_a_class(made, trace):
    it, found = of(made, "detections-tried"), anatomy(trace).detections[0]
    labels = np.unique(found.labels)
    for high, which in every_place(it):
        kept = found.scores.astype(float).round(4) >= it.sliders[0].values[high]
        kept &= (which == 0) | (found.labels == labels[which - 1])
        assert it.shown((high, which)).tolist() == kept.tolist()


def test_a_picture_without_detections_can_be_shown(trace, monkeypatch):
    subject = Subject(trace, "en")
    found = subject.parts.detections[0]
    empty = replace(
        found, labels=found.labels[:0], scores=found.scores[:0],
        resized=found.resized.take(np.arange(0)),
    )  # fmt: skip
    monkeypatch.setitem(subject.parts.__dict__, "detections", (empty,))
    it = interactive(subject, "detections", theme="light", size=(12.2, 5.35))
    assert it.shown().sum() == 0
    assert it.still.caption.startswith("0 of 0 detections")


def test_a_name_that_is_not_known(trace):
    with pytest.raises(MissingError, match="called 'anchor'; did you mean 'anchors'"):
        interactive(Subject(trace, "en"), "anchor", theme="light", size=(8, 5))


# --- formats that cannot move ---------------------------------------------------------------------


def test_stills_say_what_they_show_and_where_more_is(made):
    for slide in made.slides:
        it = part(slide)
        assert f"{it.shown().sum():,}" in it.still.caption
        assert all(s.texts[s.start] in it.still.caption for s in it.sliders)
        assert ("in the HTML deck" in it.still.caption) == (slide.lang == "en")
        assert ("HTML 幻灯片里可以" in it.still.caption) == (slide.lang == "zh")


def test_a_still_draws_the_boxes_that_are_shown(made):
    for slide in made.slides:
        it = part(slide)
        boxes = [p for p in it.still.figures[0].axes[0].patches if p.get_fill() is False]
        assert len(boxes) == it.shown().sum() > 0


def test_stilled_decks_move_nowhere(made):
    still = stilled(made)
    kinds = [type(each) for slide in still.slides for each in slide.parts]
    assert kinds == [Pictures] * len(made.slides)
    assert [slide.title for slide in still.slides] == [slide.title for slide in made.slides]


# --- in the browser -------------------------------------------------------------------------------

COUNT = "() => document.querySelector('section.present output').textContent"


@pytest.fixture(scope="module")
def file(made, tmp_path_factory):
    from tracer.views.slides.html import write_html

    return write_html(made, tmp_path_factory.mktemp("deck") / "deck.html")


def write(slides, path):
    from tracer.views.slides.html import write_html

    return write_html(Deck("d", tuple(slides)), path)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("key", KEYS)
def test_sliders_show_what_python_counts(key, lang, made, file, browser):
    it = of(made, key, lang)
    address = f"#/{key}" + ("-zh" if lang == "zh" else "")
    with Opened(browser, file, address, offline=True, **SCREEN) as opened:
        assert opened.view.evaluate(COUNT) == it.count.replace("{shown}", f"{it.shown().sum():,}")
        sliders = opened.view.locator("section.present input")
        places = [slider.start for slider in it.sliders]
        for number, slider in enumerate(it.sliders):
            sliders.nth(number).focus()
            opened.press("Home")
            for place in range(len(slider.values)):
                places[number] = place
                expected = it.count.replace("{shown}", f"{it.shown(places).sum():,}")
                assert opened.view.evaluate(COUNT) == expected
                said = sliders.nth(number).get_attribute("aria-valuetext")
                assert said == slider.texts[place]
                opened.press("ArrowRight")
            assert opened.view.evaluate("Reveal.getState().indexh") == made.slides.index(
                next(s for s in made.slides if s.key == key and s.lang == lang)
            )
        assert opened.requests == [opened.url]
        assert opened.problems == []


def test_the_drawing_follows_the_slider(file, browser):
    with Opened(browser, file, "#/anchors-tried", **SCREEN) as opened:
        before = opened.view.evaluate(
            "document.querySelector('section.present canvas').toDataURL()"
        )
        opened.view.locator("section.present input").nth(1).focus()
        opened.press("Home")
        after = opened.view.evaluate("document.querySelector('section.present canvas').toDataURL()")
        assert before != after


def test_boxes_are_drawn_where_they_are(browser, tmp_path):
    """A grey picture of 40 by 30: the middle of a box's upper edge has the colour of its group."""
    slide = Slide("one", "One", (handmade_decks.interactive("en", name="cat"),))
    with Opened(browser, write([slide], tmp_path / "one.html"), **SCREEN) as opened:
        colour = """([x, y]) => {
          const canvas = document.querySelector("canvas");
          const scale = canvas.width / 40;
          const data = canvas.getContext("2d").getImageData(x * scale, y * scale, 1, 1).data;
          return [...data.slice(0, 3)];
        }"""
        assert opened.view.evaluate(colour, [20, 11]) == [0x00, 0x72, 0xB2]
        assert opened.view.evaluate(colour, [30, 15]) == [0xE6, 0x9F, 0x00]
        red, green, blue = opened.view.evaluate(colour, [36, 20])
        assert red == green == blue, "the third has too low a score"
        opened.view.locator("input").first.focus()
        opened.press("Home")
        assert opened.view.evaluate(colour, [36, 20]) == [0xE6, 0x9F, 0x00]


def test_other_keys_are_the_decks(made, file, browser):
    """A slider has the arrows; what a presenter's remote sends turns the slide."""
    here = "Reveal.getCurrentSlide().id"
    with Opened(browser, file, "#/anchors-tried", **SCREEN) as opened:
        opened.view.locator("section.present input").first.focus()
        opened.press("ArrowRight")
        assert opened.view.evaluate(here) == "anchors-tried"
        opened.press("PageDown")
        assert opened.view.evaluate(here) == "anchors-tried-zh"
        opened.view.locator("section.present input").first.focus()
        opened.press("Escape")
        assert not opened.view.evaluate("Reveal.isOverview()")
        opened.press("ArrowRight")
        assert opened.view.evaluate(here) == "proposals-tried"
        opened.press("Tab", "Tab")
        assert opened.problems == []


def test_sliders_and_drawings_have_names(made, file, browser):
    with Opened(browser, file, "#/detections-tried", **SCREEN) as opened:
        it = of(made, "detections-tried")
        for slider in it.sliders:
            assert opened.view.get_by_role("slider", name=slider.label).is_visible()
        assert opened.view.get_by_role("img", name=it.still.alt).is_visible()
        assert opened.view.get_by_role("status").inner_text() == opened.view.evaluate(COUNT)


def test_the_speaker_sees_and_moves_the_sliders(made, file, browser):
    with Opened(browser, file, "#/anchors-tried", offline=True, **SCREEN) as opened:
        with opened.context.expect_page() as found:
            opened.press("s")
        window = found.value
        copy = window.locator(".copy").first
        assert copy.locator("output").inner_text() == opened.view.evaluate(COUNT)
        drawn = "each => each.getContext('2d').getImageData(9, 9, 1, 1).data[3]"
        assert copy.locator("canvas").evaluate(drawn) == 255
        opened.view.locator("section.present input").nth(1).focus()
        opened.press("Home")
        shown = [opened.view.evaluate(COUNT), copy.locator("output").inner_text()]
        assert shown == [of(made, "anchors-tried").count.replace("{shown}", "1")] * 2
        copy.locator("input").nth(1).focus()
        window.keyboard.press("ArrowRight")
        shown = [opened.view.evaluate(COUNT), copy.locator("output").inner_text()]
        assert shown == [of(made, "anchors-tried").count.replace("{shown}", "2")] * 2
        window.keyboard.press("PageDown")
        assert opened.view.evaluate("Reveal.getCurrentSlide().id") == "anchors-tried-zh"
        assert opened.problems == []


def test_hostile_names_stay_text(browser, tmp_path):
    name = "</script><img src=x onerror=alert(1)>&quot;"
    it = replace(handmade_decks.interactive("en", name=name), count=f"{{shown}} {name}")
    with Opened(browser, write([Slide("h", "H", (it,))], tmp_path / "h.html"), **SCREEN) as opened:
        assert opened.view.evaluate(COUNT) == f"2 {name}"
        assert opened.view.get_by_role("slider", name=name).count() == 1
        assert opened.view.locator("img").count() == 1
        assert opened.view.locator("[onerror]").count() == 0
        assert opened.requests == [opened.url]
        assert opened.problems == []


def test_an_outline_chooses_one_beside_points(trace, browser, tmp_path):
    outline = tmp_path / "own.toml"
    outline.write_text(
        '[[slide]]\ntitle = "Ours"\ninteractive = "anchors"\npoints = ["one", "two"]\n'
        '[[slide]]\ntitle = "None"\ninteractive = "anchor"\n'
    )
    own = deck(trace, outline=outline)
    assert [type(each) for each in own.slides[0].parts] == [Interactive, Points]
    (reason,) = own.left_out
    assert "own.toml, line 5" in reason
    assert "did you mean 'anchors'" in reason
    with Opened(browser, write(own.slides, tmp_path / "own.html"), **SCREEN) as opened:
        canvas, sliders, points = (
            opened.view.locator(f"section.present {name}").bounding_box()
            for name in ("canvas", ".sliders", ".points")
        )
        assert canvas["width"] > 600
        assert canvas["y"] + canvas["height"] <= sliders["y"]
        assert sliders["y"] + sliders["height"] < 668
        assert sliders["x"] + sliders["width"] < points["x"]


def test_every_interactive_part_is_on_a_slide():
    from tracer.views.slides import catalogue

    named = {entry.interactive for entry in catalogue().values()} - {""}
    assert named == set(INTERACTIVES)
