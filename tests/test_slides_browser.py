"""The HTML deck in a browser: no request, no overflow, steps, speaker's window, links, print."""

from __future__ import annotations

import io
from dataclasses import replace

import handmade_decks
import pytest
from anatomy_passes import recorded as anatomy_pass
from browsers import Opened
from matplotlib.figure import Figure

from tracer.views.figures.sheet import SMALLEST
from tracer.views.slides import catalogue, deck
from tracer.views.slides import illustrations as pictures
from tracer.views.slides.deck import Pictures
from tracer.views.slides.design import FIGURE, OPENING
from tracer.views.slides.handout import unstepped
from tracer.views.slides.html import write_html

pytestmark = pytest.mark.slow

HOSTILE = "</script><img src=x onerror=alert(1)>"
SCREEN = {"viewport": {"width": 1280, "height": 720}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("decks")


@pytest.fixture(scope="module")
def talk(recorded, folder):
    """A short talk with its page beside it."""
    outline = folder / "talk.toml"
    keys = ("title", "fpn-merges", "fpn-code", "fpn-idea", "sources")
    outline.write_text("".join(f'[[slide]]\nuse = "{key}"\n' for key in keys), "utf-8")
    recorded.page().save(folder / "the page.html")
    made = deck(recorded, outline=outline, page="the page.html", strict=True)
    return write_html(made, folder / "talk.html")


@pytest.fixture(scope="module")
def everything(folder):
    """Every slide of the catalogue, in both languages; text takes the room that it takes."""
    with pytest.MonkeyPatch.context() as patch:
        paper = [side / pictures.ZOOM for side in FIGURE]
        patch.setattr(pictures, "drawn", lambda *a, **k: Pictures((Figure(paper),), "a figure"))
        outline = folder / "all.toml"
        own = {k: entry for k, entry in catalogue().items() if k != "guess-loss"}  # of training
        outline.write_text("".join(f'[[slide]]\nuse = "{k}"\n' for k in own), "utf-8")
        trace = anatomy_pass(targets=True).trace
        made = deck(trace, lang="both", outline=outline, page="p.html", strict=True)
    asked = sum(bool(entry.guess) for entry in own.values())  # on one slide, answered on the next
    assert len(made.slides) == 2 * (len(own) + asked)
    return write_html(made, folder / "all.html")


MEASURE = """() => {
  const found = [];
  const texts = "h2, .body, .part, .points li, figcaption, td, th, .line, .source, footer > *";
  const check = (section, step) => {
    const room = section.getBoundingClientRect();
    for (const box of section.querySelectorAll(texts + ", .listing, pre, .beside, .beside li")) {
      const its = box.getBoundingClientRect();
      if (!its.width) continue;
      const slack = 1.5;
      const wide = box.scrollWidth > box.clientWidth + slack && box.clientWidth > 0;
      const tall = box.scrollHeight > box.clientHeight + slack && box.clientHeight > 0;
      const out = its.left < room.left || its.right > room.right + slack
        || its.top < room.top || its.bottom > room.bottom + slack;
      if (wide || tall || out) found.push([section.id, step, box.className || box.tagName,
        box.scrollWidth, box.clientWidth, box.scrollHeight, box.clientHeight].join(" "));
    }
    const [body, foot] = [".body", "footer"].map((name) =>
      section.querySelector(name).getBoundingClientRect());
    if (!section.matches(".title") && body.bottom > foot.top + 1) found.push(`${section.id} body`);
  };
  Reveal.getSlides().forEach((section, number) => {
    Reveal.slide(number, 0, -1);
    for (let step = 0; step < 20; step += 1) {
      check(section, step);
      if (!Reveal.availableFragments().next) break;
      Reveal.nextFragment();
    }
  });
  return found;
}"""

SMALL = """() => [...document.querySelectorAll(
    "section h2, section li, section p, section figcaption, section label *, section output,"
    + "section footer *, .slide-number")]
  .filter((each) => !each.closest(".code, .notes") && each.textContent.trim())
  .filter((each) => parseFloat(getComputedStyle(each).fontSize) < 24)
  .map((each) => `${each.closest("section")?.id} ${each.tagName} ${each.textContent}`)"""


def test_nothing_runs_over_in_either_language(everything, browser):
    with Opened(browser, everything, **SCREEN) as opened:
        assert opened.view.evaluate(MEASURE) == []
        assert opened.problems == []


def test_the_measure_sees_what_runs_over(talk, browser, folder):
    text = talk.read_text("utf-8")
    long = folder / "long.html"
    long.write_text(text.replace("</h2>", " word" * 250 + "</h2>", 2), "utf-8")
    with Opened(browser, long, **SCREEN) as opened:
        assert any(line.startswith("fpn-merges") for line in opened.view.evaluate(MEASURE))


def test_text_is_large_enough_for_the_last_row(everything, browser):
    with Opened(browser, everything, **SCREEN) as opened:
        assert opened.view.evaluate(SMALL) == []


SCALES = """([full, opening]) => Reveal.getSlides().flatMap((section, number) => {
  const inches = section.classList.contains("title") ? opening : full;
  Reveal.slide(number, 0, -1);
  return [...section.querySelectorAll(".pictures img")].map((image) => {
    const shown = Math.min(image.clientWidth / image.naturalWidth,
      image.clientHeight / image.naturalHeight) * image.naturalWidth;
    return [section.id, shown / (inches * 96)];
  });
})"""


def test_figures_are_as_large_as_their_text_needs(everything, browser):
    """Their smallest text has 18 points on the slide, where no long title or caption shrinks it."""
    with Opened(browser, everything, **SCREEN) as opened:
        scales = opened.view.evaluate(
            SCALES, [FIGURE[0] / pictures.ZOOM, OPENING[0] / pictures.ZOOM]
        )
    assert len(scales) > 40
    assert [name for name, scale in scales if scale * SMALLEST["slide"] < 18] == []


def test_no_request_and_nothing_blocked(talk, browser):
    with Opened(browser, talk, offline=True, **SCREEN) as opened:
        for _ in range(30):
            opened.press("ArrowRight")
        assert opened.view.evaluate("Reveal.isLastSlide()")
        assert opened.requests == [opened.url]
        assert opened.problems == []
        assert opened.view.evaluate("[...document.images].every((i) => i.naturalWidth > 500)")


def test_the_policy_stops_what_is_not_the_decks(talk, browser, folder):
    """A script and a style that were put into the file do not run."""
    text = talk.read_text("utf-8")
    added = "<script>document.title = 'run'</script><style>h2 { display: none }</style>"
    changed = folder / "changed.html"
    before, end, after = text.rpartition("</body>")
    changed.write_text(f"{before}{added}{end}{after}", "utf-8")
    with Opened(browser, changed, **SCREEN) as opened:
        assert opened.view.title() != "run"
        assert opened.view.locator("section.present h2").is_visible()
        assert len([p for p in opened.problems if "Content Security Policy" in p]) == 2


# --- steps ----------------------------------------------------------------------------------------

SHOWN = """() => [...Reveal.getCurrentSlide().querySelectorAll("img")]
  .filter((image) => !image.matches(".fragment:not(.visible)")).length"""
MARKED = """() => [...Reveal.getCurrentSlide().querySelectorAll(".line.here")]
  .map((line) => Number(line.dataset.line))"""


def test_merges_step_by_keyboard(talk, browser):
    with Opened(browser, talk, "#/fpn-merges", **SCREEN) as opened:
        counts = [opened.view.evaluate(SHOWN)]
        while opened.view.evaluate("Reveal.availableFragments().next"):
            opened.press("ArrowRight")
            counts.append(opened.view.evaluate(SHOWN))
        assert counts == [1, 2, 3, 4, 5, 6]
        opened.press("ArrowLeft")
        assert opened.view.evaluate(SHOWN) == 5
        assert opened.view.evaluate("Reveal.getCurrentSlide().id") == "fpn-merges"


def test_code_advances_line_by_line(talk, browser):
    with Opened(browser, talk, "#/fpn-code", **SCREEN) as opened:
        steps = opened.view.evaluate(
            "() => [...Reveal.getCurrentSlide().querySelectorAll('.beside li')]"
            ".map((step) => step.dataset.lines.split(' ').map(Number))"
        )
        assert len(steps) == 5
        assert opened.view.evaluate(MARKED) == []
        for lines in steps:
            opened.press("ArrowRight")
            assert opened.view.evaluate(MARKED) == lines
        assert "last_inner: 1×256" in opened.text("section.present .beside li") or (
            "last_inner: 2×256" in opened.text("section.present .beside li")
        )
        opened.press("ArrowLeft")
        assert opened.view.evaluate(MARKED) == steps[-2]


def test_without_steps_everything_is_there(browser, folder):
    made = unstepped(handmade_decks.deck("en"))
    with Opened(browser, write_html(made, folder / "whole.html"), "#/code", **SCREEN) as opened:
        assert opened.view.evaluate("document.querySelectorAll('.fragment').length") == 0
        assert opened.view.evaluate(MARKED) == [52, 53, 59]
        assert "52 names: list of 4" in opened.text("section.present .beside li")
        assert opened.problems == []


# --- the speaker's window -------------------------------------------------------------------------


WHOLE = """() => [...document.querySelectorAll(".copy")].every((copy) => {
  const room = copy.getBoundingClientRect();
  return [...copy.querySelectorAll("h2, footer")].map((each) => each.getBoundingClientRect())
    .every((its) => its.top >= room.top && its.bottom <= room.bottom + 1 && its.left >= room.left);
})"""


def test_the_speaker_sees_notes_and_the_next_slide(talk, browser):
    with Opened(browser, talk, "#/fpn-code", offline=True, **SCREEN) as opened:
        with opened.context.expect_page() as found:
            opened.press("s")
        window = found.value
        problems = []
        window.on("console", lambda message: problems.append(message.text))
        said = window.locator(".said").inner_text()
        assert "two maps per level" in said.lower()
        assert window.locator(".copy h2").all_inner_texts() == [
            "The same in code: last_inner is what travels down",
            "The pyramid: fine and deep at once",
        ]
        assert window.evaluate("getComputedStyle(document.body).display") == "grid"
        assert window.evaluate(WHOLE)
        window.keyboard.press("ArrowRight")
        assert opened.view.evaluate(MARKED) != []
        assert window.locator(".copy").first.locator(".line.here").count() == 1
        window.get_by_role("button", name="Back").click()
        assert opened.view.evaluate(MARKED) == []
        assert opened.requests == [opened.url]
        assert opened.problems == problems == []


# --- links, print, hostile names ------------------------------------------------------------------


def test_links_open_the_page_at_the_step(talk, browser):
    with Opened(browser, talk, "#/fpn-code", **SCREEN) as opened:
        first = opened.view.locator("section.present .beside li").first
        line = int(first.get_attribute("data-lines"))
        with opened.context.expect_page() as found:
            opened.view.locator("section.present a.step").click()
        page = found.value
        page.wait_for_selector("html[data-ready]", state="attached")
        position = "tracerPage.cursor.position"
        assert page.evaluate(f"{position}.call.label") == "backbone.fpn#0"
        assert page.evaluate(f"{position}.line.line") == line


def test_print_has_a_page_for_each_slide(talk, browser):
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed: pip install pypdf")
    with Opened(browser, talk, **SCREEN) as opened:
        printed = opened.view.pdf(prefer_css_page_size=True, print_background=True)
        count = opened.view.evaluate("Reveal.getTotalSlides()")
    pages = pypdf.PdfReader(io.BytesIO(printed)).pages
    assert len(pages) == count
    width, height = pages[0].mediabox[2:]
    assert abs(float(width) / float(height) - 16 / 9) < 0.01
    assert "results" in pages[2].extract_text()


def test_hostile_names_stay_text(recorded, browser, folder):
    modules = dict(recorded.modules)
    modules[""] = replace(modules[""], type=HOSTILE)
    trace = replace(recorded, modules=modules, subject=HOSTILE)
    outline = folder / "hostile.toml"
    outline.write_text(f"[[slide]]\nuse = 'title'\n[[slide]]\nuse = 'costs'\ntitle = '{HOSTILE}'")
    file = write_html(deck(trace, outline=outline), folder / "<b>hostile.html")
    with Opened(browser, file, **SCREEN) as opened:
        view = opened.view
        assert HOSTILE in view.title()
        assert view.locator("h2").all_inner_texts() == [f"{HOSTILE} step by step", HOSTILE]
        assert view.locator("td", has_text=HOSTILE).count() == 1
        assert view.locator("img").count() == 0
        assert opened.requests == [opened.url]
        assert opened.problems == []


def test_a_deck_of_hostile_texts(browser, folder):
    file = write_html(handmade_decks.hostile(), folder / "texts.html")
    with Opened(browser, file, **SCREEN) as opened:
        assert opened.view.locator("section script, section [onerror]").count() == 0
        assert "<script>alert(1)</script>" in opened.text("section.present h2")
        assert opened.problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_decks_of_every_kind_of_part(theme, browser, folder):
    made = handmade_decks.deck("both", theme)
    file = write_html(made, folder / f"parts-{theme}.html")
    with Opened(browser, file, **SCREEN) as opened:
        assert opened.view.evaluate("Reveal.getTotalSlides()") == len(made.slides)
        ids = opened.view.evaluate("Reveal.getSlides().map((slide) => slide.id)")
        assert len(set(ids)) == len(ids)
        paper = opened.view.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 31)"}[theme]
        assert opened.problems == []
