"""Every view on every kind of recording: the page in a browser, decks and explorers."""

from __future__ import annotations

import re
from contextlib import suppress

import kinds
import pytest
from browsers import Opened
from explored import needed

from tracer.errors import MissingError
from tracer.views.explorers import EXPLORERS
from tracer.views.page import write_page
from tracer.views.page.data import contents, other_images
from tracer.views.slides import deck, markup
from tracer.views.slides.html import document

pytestmark = pytest.mark.slow


@pytest.fixture(params=kinds.KINDS)
def recording(request):
    return kinds.recorded(request.param)


# --- the page -------------------------------------------------------------------------------------


def test_an_image_in_the_page_has_something_drawn_on_it(recording):
    it = contents(recording)
    images = it.scenes.get("images", [])
    assert bool(it.scenes) == bool(images)
    assert all(image["drawings"] for image in images)
    assert [image["image"] for image in images] == sorted({image["image"] for image in images})


def test_a_smaller_page_keeps_the_drawings_of_the_first_image():
    it = contents(kinds.recorded("eight pictures"))
    assert [image["image"] for image in it.scenes["images"]] == list(range(8))
    fewer = other_images(it)
    assert fewer.scenes["images"] == it.scenes["images"][:1]
    drawn = {name for name in fewer.arrays if name.startswith("scene/")}
    assert drawn == {name for name in it.arrays if name.startswith(("scene/0/", "scene/loss"))}


def test_the_page_works(recording, browser, tmp_path):
    """All of it answers: keys, language, light, every tab, drawing and image, on two screens."""
    file = write_page(recording, tmp_path / "page.html")
    with Opened(browser, file) as opened:
        opened.press("ArrowRight", "s", "s", "]", "o", "Home", "[", "End", "S", "b", "C")
        if opened.view.locator("#app").get_attribute("data-view") == "plain":
            opened.view.locator(".views").click()
        for tab in opened.view.locator(".lower-tabs [role=tab]").all():
            tab.click()
            assert all(opened.view.evaluate(CHOOSE_ALL))
            opened.press("ArrowLeft", "s", "o")
        opened.view.locator(".enlarge").click()
        opened.view.locator(".language").click()
        opened.view.get_by_title("浅色或深色").click()
        opened.view.set_viewport_size({"width": 390, "height": 844})
        opened.press("Escape", "Escape")
        for tab in opened.view.locator("nav.tabs button").all():
            tab.click()
        opened.press("End")
        assert opened.view.evaluate("tracerPage.cursor.tick === tracerPage.cursor.last")
        opened.until("location.hash.includes('at=end')")
        assert opened.problems == []


CHOOSE_ALL = """() => {
  const at = (n) => document.querySelectorAll(".scene-head select")[n];
  const choices = (n) => [...(at(n)?.options ?? [null])];
  const choose = (n, i) => {
    const select = at(n);
    if (!select) return;
    select.selectedIndex = i;
    select.dispatchEvent(new Event("change"));
  };
  const told = [];
  choices(1).forEach((_, image) => {
    choose(1, image);
    choices(0).forEach((_, drawing) => {
      choose(0, drawing);
      const canvas = document.querySelector("canvas.scene");
      for (const type of canvas ? ["pointermove", "click"] : []) {
        const { left, top } = canvas.getBoundingClientRect();
        canvas.dispatchEvent(new MouseEvent(type, { clientX: left + 40, clientY: top + 30 }));
      }
      tracerPage.draw();
      const facts = document.querySelector(".flow-told") ?? document.querySelector(".scene-facts");
      if (facts?.offsetWidth) told.push(facts.textContent);
    });
  });
  return told;
}"""
"""Choose every drawing of every image, point at the picture, and return what is told."""


# --- the commentary -------------------------------------------------------------------------------

DEFAULTS = r"(?<![\d.,])(800|1,?333|90,?000|9 万|0\.05|100(?= detections| remain| 个))(?![\d,]*\d)"
WHOSE = re.compile(r"default|默认|COCO|[Pp]aper|论文|MobileNet|600|, say,|例如")


@pytest.mark.parametrize(
    "kind", ["two pictures", "training", "failed late", "one-stage", "empty detections"]
)
def test_a_number_in_the_commentary_is_the_runs_or_says_whose_it_is(kind):
    texts = contents(kinds.recorded(kind)).told["strings"]
    assert len(texts) > 50
    claims = [text for text in map(str, texts) if re.search(DEFAULTS, text)]
    assert [text for text in claims if not WHOSE.search(text)] == []


# --- decks and explorers --------------------------------------------------------------------------


def test_a_deck_is_made(recording, monkeypatch):
    """Every figure of it drawn; small, for nobody looks at its pixels here."""
    monkeypatch.setattr(markup, "PIXELS", 200)
    made = deck(recording)
    assert len(made.slides) > 1
    assert document(made).startswith("<!doctype html>")


@pytest.mark.parametrize("name", EXPLORERS)
def test_an_explorer_shows_or_says_what_is_missing(recording, name):
    with suppress(MissingError):
        assert recording.explore(name, **needed(name, recording)).shown().html
