"""Markup in every text of a recording is text, in each file that a browser opens."""

from __future__ import annotations

import dataclasses

import handmade
import kinds
import pytest
import stories
from odd_recordings import poisoned

from tracer.record.checks import problems

pytestmark = pytest.mark.slow

MARKUP = (
    "'\"></script></style></title></textarea>-->]]><script>hit=1</script>"
    "<img src=https://example.org/x onerror=hit=1><svg onload=hit=1></svg>"
    "<a href='javascript:hit=1'>{{hit=1}}${hit=1}<base href=https://example.org>"
    "<meta http-equiv=refresh content='0;url=https://example.org'>&lt;img src=x onerror=hit=1&gt;"
)
STORIES = (handmade.tiny_pass, handmade.failed_pass, stories.pyramid_pass)


def page(trace, folder):
    return trace.page().save(folder / "page.html")


def deck(trace, folder):
    return trace.slides(folder / "deck.html")


def notebook(trace, folder):
    return _written(folder, trace._repr_html_())


def reports(trace, folder):
    made = (trace.table(), trace.tree(), trace.board(), trace.architecture())
    return _written(folder, "\n".join(report.to("html") for report in made))


def explorer(trace, folder):
    return _written(folder, trace.explore("compare", other=trace).shown().html)


def _written(folder, body):
    path = folder / "view.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{body}", "utf-8")
    return path


@pytest.mark.parametrize("view", [page, deck, notebook, reports, explorer])
@pytest.mark.parametrize("story", STORIES)
def test_markup_in_a_recording_runs_and_fetches_nothing(browser, tmp_path, story, view):
    trace = poisoned(story(), MARKUP)
    assert problems(trace) == []
    holds_words_alone(browser, view(trace, tmp_path))


def test_nor_does_markup_in_the_index_of_figures(browser, tmp_path):
    """Of a detector's pass whose parts keep their names, so that there is something to draw."""
    sound = kinds.recorded("two pictures")
    named = {"subject": MARKUP, "classes": tuple(f"{name}{MARKUP}" for name in sound.classes)}
    dataclasses.replace(sound, **named).figures(tmp_path, names=("detections", "transform"))
    holds_words_alone(browser, tmp_path / "index.html")


def holds_words_alone(browser, file):
    context = browser.new_context()
    asked, said = [], []
    shown = context.new_page()
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    shown.goto(file.as_uri())
    shown.wait_for_timeout(500)
    assert shown.evaluate("typeof hit") == "undefined"
    assert (shown.url.partition("#")[0], said) == (file.as_uri(), [])
    assert [url for url in asked if "example.org" in url] == []
    assert shown.locator("[onerror], [onload], a[href^=javascript], base").count() == 0
    context.close()
