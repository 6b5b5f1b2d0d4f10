"""The page in a real browser: stepping, search, links, languages, keys, and what it lets in."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import re

import handmade
import pytest
import stories
from browsers import Opened
from demo_passes import recorded_demo

import tracer
from tracer.errors import MissingError
from tracer.rcnn.anatomy import anatomy
from tracer.stepper import Stepper
from tracer.stepper.address import read, tick_at
from tracer.tours import shipped
from tracer.views.page import page, write_page

pytestmark = pytest.mark.slow

STORIES = {
    "tiny": handmade.tiny_pass,
    "failed": handmade.failed_pass,
    "construction": handmade.tiny_construction,
    "repeated": handmade.repeated_pass,
    "hostile": handmade.hostile_pass,
    "pyramid": stories.pyramid_pass,
    "two roots": stories.two_roots,
    "wrapped": stories.wrapped_pass,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The page of each story, as files."""
    folder = tmp_path_factory.mktemp("pages")
    return {name: write_page(make(), folder / f"{name}.html") for name, make in STORIES.items()}


@pytest.fixture(scope="module")
def real(recorded, tmp_path_factory):
    """The page of a real pass."""
    return write_page(recorded, tmp_path_factory.mktemp("real") / "pass.html")


@pytest.fixture(scope="module")
def drawn(rcnn, two_images, tmp_path_factory):
    """The page of a pass that kept what the drawings need."""
    import torch

    with torch.no_grad():
        trace = tracer.trace(rcnn, two_images, grain="line", keep="anatomy")
    return write_page(trace, tmp_path_factory.mktemp("drawn") / "pass.html")


@pytest.fixture(scope="module")
def trained(rcnn, two_images, two_targets, tmp_path_factory):
    """A recorded training pass that kept what the drawings need, and its page."""

    model = copy.deepcopy(rcnn).train()
    trace = tracer.trace(model, two_images, two_targets, keep="anatomy")
    return trace, write_page(trace, tmp_path_factory.mktemp("trained") / "pass.html")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A recorded pass with objects that are found and objects that are lost, and its page."""
    trace = recorded_demo("plain")
    return trace, write_page(trace, tmp_path_factory.mktemp("found") / "pass.html")


# --- opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
def test_every_page_opens_steps_and_asks_for_nothing(browser, files, name):
    with Opened(browser, files[name]) as opened:
        for key in ("ArrowRight", "s", "s", "s", "o", "]", "[", "ArrowLeft", "End", "Home"):
            opened.press(key)
        assert opened.requests == [opened.url]
        assert opened.problems == []


def test_hostile_names_change_nothing(browser, files):
    with Opened(browser, files["hostile"]) as opened:
        opened.press("s", "s", "s", "s", "s", "End", "?")
        elements = "img, script, iframe, object, embed, link, form, base, a[href]"
        assert opened.view.locator(elements).count() == 2  # the recording, and the page's script
        assert opened.view.locator("[onerror], [onload], [src]").count() == 0
        shown = opened.view.locator("body").inner_text()
        assert handmade.HOSTILE_NAMES[0] in shown
        assert "\u202e" not in shown


def test_with_every_host_blocked_it_works_the_same(browser, real):
    context_options = {"offline": True}
    with Opened(browser, real, **context_options) as opened:
        opened.press("]", "]", "s")
        assert opened.requests == [opened.url]
        assert opened.problems == []


def test_a_damaged_page_says_so(browser, tmp_path):
    html = page(handmade.tiny_pass())
    start = html.index('id="recording">') + len('id="recording">')
    file = tmp_path / "damaged.html"
    file.write_text(html[: start + 300] + html[start + 340 :], "utf-8")
    context = browser.new_context()
    view = context.new_page()
    view.goto(file.as_uri())
    view.wait_for_selector("#damaged", state="visible")
    assert "damaged" in view.locator("body").inner_text()
    assert not view.locator("#too-old").is_visible()
    context.close()


# --- stepping -------------------------------------------------------------------------------------

KEYS = {
    "ArrowRight": "n",
    "ArrowLeft": "rn",
    "s": "s",
    "Shift+S": "rs",
    "o": "r",
    "Shift+O": "rr",
    "]": "]",
    "[": "[",
    "End": "last",
    "Home": "first",
    "c": "c",
    "Shift+C": "rc",
}
WALK = "s s s ArrowRight ArrowRight o ] s s Shift+S ArrowLeft Shift+O ] ] [ s s c Shift+C End Home"


@pytest.mark.parametrize("name", ["tiny", "pyramid", "construction", "repeated"])
def test_keys_go_where_the_stepper_goes(browser, files, name):
    stepper = Stepper(STORIES[name]())
    with Opened(browser, files[name]) as opened:
        for key in WALK.split():
            opened.press(key)
            with contextlib.suppress(MissingError):  # no stage is left in that direction
                stepper.do(KEYS[key])
            assert opened.tick == stepper.tick, key


def test_the_buttons_move_and_the_slider_scrubs(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        opened.view.get_by_role("button", name="Into ›").click()
        assert opened.tick == 1
        opened.view.get_by_role("button", name="Last").click()
        assert opened.tick == 37
        slider = opened.view.get_by_role("slider", name="Timeline")
        slider.evaluate("it => { it.value = 13; it.dispatchEvent(new Event('input')); }")
        opened.until("tracerPage.cursor.tick === 13")
        assert "step 13 of 37" in opened.text(".where")


def test_pointing_at_the_timeline_names_the_call(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        strip = opened.view.locator(".strip")
        strip.hover(position={"x": 3, "y": 3})
        assert opened.text(".tip").startswith("TinyNet · step ")
        strip.hover(position={"x": strip.bounding_box()["width"] * 0.43, "y": 30})
        assert opened.text(".tip").startswith("conv · body · step ")


def test_playing_moves_on_by_itself_and_stops_at_the_end(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        opened.view.get_by_label("Steps per second").select_option("32")
        opened.view.evaluate("document.activeElement.blur()")
        opened.press("Space")
        opened.until("tracerPage.cursor.tick === tracerPage.cursor.last")
        opened.until("!tracerPage.playing")


def test_the_line_at_hand_and_what_changed_are_shown(browser, files):
    with Opened(browser, files["tiny"], "#call=normalize&line=999") as opened:
        opened.press("s", "s")
        line = opened.view.locator(".line.here")
        assert "return centred" in line.inner_text()
        assert opened.text(".effect.fresh") == "centred = 3×6×8"
        assert "centred" in opened.text(".values .fresh")
        assert opened.view.locator(".line[aria-current=step]").count() == 1


def test_a_tensor_written_in_place_shows_its_later_values(browser, files):
    with Opened(browser, files["tiny"], "#call=body.relu") as opened:
        before = opened.text(".values .range")
        opened.press("o")
        after = opened.view.locator(".values .range").last.inner_text()
        assert before.startswith("-")
        assert after.startswith("0")
        opened.until("document.querySelector('.links').innerText.includes('written in place by')")


# --- breakpoints, commands, search ----------------------------------------------------------------


def test_a_write_in_place_shows_before_and_after(browser, drawn):
    at = "#view=full&call=backbone.body.layer1.0&text=out%20%2B%3D%20identity"
    with Opened(browser, drawn, at) as opened:
        opened.press("ArrowRight")
        line = (
            opened.view.locator(".line", has_text="out += identity").locator(".effect").inner_text()
        )
        state = opened.view.evaluate(
            """() => {
              const { call, tick } = tracerPage.cursor;
              const out = call.bound.get("out").filter(([from]) => from <= tick).at(-1)[1].tensor;
              return [tracerPage.cursor.trace.tensors[out.previous].ends, out.ends];
            }"""
        )
        before, after = (" … ".join(ends) for ends in state)
        assert before != after
        assert line.index(f"in place: {before}") < line.index(f"→ {after}")
        assert "zeros" in line
        opened.view.locator("#tab-tensor").click()
        opened.view.wait_for_selector(".writes")
        heads = opened.view.locator(".writes thead th").all_inner_texts()
        assert heads[:2] == ["before", "shown"]
        ranges = opened.view.locator(".writes tr", has_text="range").locator("td").all_inner_texts()
        assert ranges[:2] == [before, after]
        names = opened.view.locator(".writes tbody th").all_inner_texts()
        assert names[0] == "range"
        assert {"mean", "zeros"} <= set(names)


def test_a_breakpoint_in_the_margin_stops_both_ways(browser, files):
    with Opened(browser, files["pyramid"]) as opened:
        line = opened.view.locator(".line", has_text="lateral = self.inner")
        line.locator(".gutter").click()
        assert "breakpoint" in line.get_attribute("class")
        stops = []
        for _ in range(4):
            opened.press("c")
            stops.append(opened.tick)
        assert stops == [3, 8, 13, 41]
        opened.press("Shift+C")
        assert opened.tick == 13
        assert opened.text(".message") == "Breakpoint 1: tiny/pyramid.py:18 (hit 3)"
        opened.press("b")
        assert opened.view.locator(".line.breakpoint").count() == 0


def test_a_margin_within_a_statement_is_the_statements(browser, files):
    with Opened(browser, files["wrapped"]) as opened:
        inner = opened.view.locator(".line", has_text="[x, 1],")
        assert "ran" in inner.get_attribute("class")
        inner.locator(".gutter").click()
        assert "x = sum(" in opened.text(".line.breakpoint")
        opened.press("c")
        assert opened.tick == 2
        inner.locator(".gutter").click()
        assert opened.view.locator(".line.breakpoint").count() == 0


def test_a_margin_of_a_line_that_did_not_run_sets_nothing(browser, files):
    with Opened(browser, files["pyramid"]) as opened:
        opened.view.locator(".line", has_text="from torch import").locator(".gutter").click()
        assert opened.view.locator(".line.breakpoint").count() == 0
        assert "no such place" in opened.text(".message")


def test_commands_are_those_of_the_stepper(browser, files):
    with Opened(browser, files["pyramid"]) as opened:

        def type_in(line):
            opened.press(":")
            opened.view.keyboard.type(line)
            opened.press("Enter", "Escape")
            return opened.text(".message")

        type_in("b pyramid.py:19, idx == 1")
        type_in("c")
        assert opened.tick == 11
        assert type_in("p lateral.shape") == "(1, 4, 4, 4)"
        assert "nothing here, is called nothing" in type_in("p nothing")
        assert "help lists" in type_in("fly")
        assert type_in(":b double") == "Breakpoint 2: double: step 24, 29, 34 (3 in all)"
        assert type_in("b").splitlines()[1] == "2 double: hit 0 of 3 so far"
        assert type_in("cl 2") == "Deleted breakpoint 2: double"
        assert type_in("help rn").startswith("rn [N]")
        assert len(type_in("help").splitlines()) > 20
        opened.press("Escape")
        assert opened.text(".message") == ""
        assert type_in("last") == "This is the last step of the recording."
        assert opened.problems == []


def test_search_finds_by_path_function_and_shape(browser, files):
    with Opened(browser, files["tiny"]) as opened:

        def found(text):
            opened.press("/")
            opened.view.keyboard.press("Control+A")
            opened.view.keyboard.type(text)
            names = opened.view.locator(".tree .row .name").all_inner_texts()
            opened.press("Escape")
            return names

        assert found("body.c") == ["conv"]
        assert found("normal") == ["normalize"]
        assert found("4x6x8") == ["TinyNet", "body", "conv", "bn", "relu"]
        assert found("4x*x8") == found("4×6×8")
        assert found("nothing of the kind") == []
        assert len(found("")) > 2


def test_search_finds_words_of_the_commentary_and_of_code(browser, drawn):
    with Opened(browser, drawn, "#view=full") as opened:
        rows = opened.view.locator(".tree .hit")

        def found(text):
            opened.press("Escape", "/")
            opened.view.keyboard.press("Control+A")
            opened.view.keyboard.type(text)
            kinds = opened.view.locator(".tree .kind").all_inner_texts()
            return kinds, rows.all_inner_texts()

        kinds, hits = found("w·exp(dw)")
        assert [kind.split(" · ")[0] for kind in kinds] == ["Commentary"]
        assert all("w·exp(dw)" in hit for hit in hits)
        assert len(hits) == len(set(hits)) >= 2
        rows.first.click()
        assert "w·exp(dw)" in opened.text(".commentary .body")

        kinds, hits = found("bbox_xform_clip")
        assert any("self.bbox_xform_clip)" in hit and "_utils.py:" in hit for hit in hits)
        opened.press("ArrowDown", "End")  # out of the search; the row at hand is the first
        rows.filter(has_text="dw = torch.clamp").last.click()
        assert "torch.clamp" in opened.text(".line.here")

        kinds, _ = found("batched_nms")
        assert [kind.split(" · ")[0] for kind in kinds] == ["Calls", "Source"]
        assert found("not a word of any of them") == ([], [])
        opened.press("Escape")
        opened.view.get_by_role("button", name="中文").click()
        _, hits = found("取整")
        assert hits
        assert all("取整" in hit for hit in hits)
        assert opened.problems == []


def test_a_found_word_is_reached_by_keys(browser, drawn):
    with Opened(browser, drawn, "#view=full") as opened:
        opened.press("/")
        opened.view.keyboard.type("every second point of P5")
        opened.press("ArrowDown", "ArrowDown", "ArrowUp")
        assert opened.view.evaluate("document.activeElement.className") == "row hit"
        opened.press("Enter")
        assert "every second point of P5" in opened.text(".commentary .body")


def test_what_is_found_says_where_it_is(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        opened.press("/")
        opened.view.keyboard.type("conv")
        assert opened.view.locator(".row .path").all_inner_texts() == ["body."]
        opened.press("Escape", "/")
        opened.view.keyboard.type("normal")
        assert opened.view.locator(".row .path").all_inner_texts() == ["in TinyNet"]


def test_choosing_a_found_call_goes_there(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        opened.press("/")
        opened.view.keyboard.type("head")
        opened.press("Enter")
        assert opened.tick == 32


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny", "pyramid", "construction", "hostile"])
def test_the_link_of_every_step_leads_back_to_it(browser, files, name):
    with Opened(browser, files[name]) as opened:
        wrong = opened.view.evaluate(
            """() => tracerPage.cursor.positions.filter(({ tick }) => {
              tracerPage.go(tick);
              const link = tracerPage.address();
              tracerPage.cursor.goto(0);
              tracerPage.follow(link);
              return tracerPage.cursor.tick !== tick;
            }).map(({ tick }) => tick)"""
        )
        assert wrong == []


@pytest.mark.parametrize("name", ["tiny", "pyramid", "construction", "repeated"])
def test_the_link_of_every_step_is_read_alike_in_python(browser, files, name):
    trace = STORIES[name]()
    with Opened(browser, files[name]) as opened:
        links = opened.view.evaluate(
            """() => tracerPage.cursor.positions.map(({ tick }) => {
              tracerPage.go(tick);
              return [tick, tracerPage.address()];
            })"""
        )
    assert len(links) > 10
    assert [tick for tick, link in links if tick_at(trace, read(link)) != tick] == []


TEXTS = (
    *("text=results.insert(0", "text=double(x * 2", "call=(root)&text=lateral%20=&round=1"),
    *(
        "call=double%231&text=return",
        "text=x*2",
        "call=(root)&line=18&round=2",
        "line=pyramid.py:20",
    ),
)


WITHIN = ("call=(root)&line=8", "line=wrapped.py:9&round=1", "call=(root)&line=4")


@pytest.mark.parametrize(("name", "texts"), [("pyramid", TEXTS), ("wrapped", WITHIN)])
def test_a_line_named_otherwise_is_found_alike_in_python(browser, files, name, texts):
    trace = STORIES[name]()
    with Opened(browser, files[name]) as opened:
        for text in texts:
            opened.view.evaluate("it => { tracerPage.go(0); tracerPage.follow('#' + it); }", text)
            try:
                tick = tick_at(trace, read(text))
            except MissingError:
                tick = 0
            assert opened.tick == tick, text


def test_a_page_made_to_open_at_a_step_does_and_a_link_goes_before(browser, tmp_path):
    file = write_page(stories.pyramid_pass(), tmp_path / "at.html", at="call=double&at=end")
    with Opened(browser, file) as opened:
        assert opened.tick == stories.pyramid_pass().calls[4].end
        opened.press("Home")
        assert opened.tick == 0
    with Opened(browser, file, "#call=(root)&line=18") as opened:
        assert opened.tick == 3


def test_a_link_opens_at_its_step_and_in_its_language(browser, files):
    with Opened(browser, files["pyramid"], "#call=double%231&line=5&lang=zh") as opened:
        assert opened.tick == 30
        assert opened.view.evaluate("document.documentElement.lang") == "zh-Hans"
        opened.view.evaluate("location.hash = '#call=double%232'")
        opened.until("tracerPage.cursor.tick === 34")


def test_what_holds_the_page_in_a_frame_says_where_to_go(browser, files):
    with Opened(browser, files["pyramid"]) as opened:
        opened.view.evaluate(
            "postMessage({ call: 'double#1' }, '*'); postMessage('call=double%231&line=5', '*')"
        )
        opened.until("tracerPage.cursor.tick === 30")
        assert opened.problems == []


def test_the_address_bar_follows_the_steps(browser, files):
    with Opened(browser, files["pyramid"]) as opened:
        opened.press("s", "s")
        opened.until("location.hash === '#call=(root)%230&line=17'.replace(/[()]/g, escape)")


def test_a_wrong_link_opens_at_the_beginning_and_says_so(browser, files):
    with Opened(browser, files["tiny"], "#call=%3Cimg%3E&line=x&round=-1") as opened:
        assert opened.tick == 0
        assert "does not hold: <img>, x" in opened.text(".message")
        assert opened.problems == []


def test_messages_go_with_the_next_step_or_by_themselves(browser, files):
    with Opened(browser, files["tiny"], "#call=nothing") as opened:
        assert "does not hold" in opened.text(".message")
        opened.press("s")
        assert opened.text(".message") == ""
        opened.view.clock.install()
        opened.press("End")
        assert "last step" in opened.text(".message")
        opened.view.clock.fast_forward(20_000)
        assert opened.text(".message") == ""


# --- languages, looks, sizes ----------------------------------------------------------------------


def test_the_language_switches_in_place(browser, real):
    with Opened(browser, real, "#call=RegionProposalNetwork.filter_proposals") as opened:
        english = opened.text(".commentary h2")
        opened.view.get_by_role("button", name="中文").click()
        chinese = opened.text(".commentary h2")
        assert "funnel" in english
        assert re.search("[一-鿿]", chinese)
        assert opened.view.locator(".language").inner_text() == "English"
        assert "filter_proposals" in opened.hash.replace("%2E", ".")
        said = opened.view.locator("body").inner_text()
        assert "Commentary" not in said


@pytest.mark.parametrize(
    ("asked", "locale", "shown"),
    [
        (None, "zh-CN", "zh-Hans"),
        (None, "zh-TW", "zh-Hans"),
        (None, "fr-FR", "en"),
        ("en", "zh-CN", "en"),
        ("zh", "en-US", "zh-Hans"),
    ],
)
def test_the_language_is_the_browsers_unless_one_was_chosen(
    browser, tmp_path, asked, locale, shown
):
    file = write_page(handmade.tiny_pass(), tmp_path / "page.html", lang=asked)
    with Opened(browser, file, locale=locale) as opened:
        assert opened.view.evaluate("document.documentElement.lang") == shown
        opened.view.locator(".language").click()
        chosen = opened.view.evaluate("document.documentElement.lang")
        assert chosen != shown
        opened.view.reload()
        opened.view.wait_for_selector("html[data-ready]", state="attached")
        assert opened.view.evaluate("document.documentElement.lang") == chosen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_follow_the_system_and_can_be_switched(browser, files, scheme):
    other = {"light": "dark", "dark": "light"}[scheme]
    ground = "getComputedStyle(document.body).backgroundColor"
    with Opened(browser, files["tiny"], color_scheme=scheme) as opened:
        assert opened.view.evaluate("document.documentElement.dataset.scheme") == scheme
        before = opened.view.evaluate(ground)
        opened.view.get_by_role("button", name="Light/dark").click()
        assert opened.view.evaluate("document.documentElement.dataset.scheme") == other
        assert opened.view.evaluate(ground) != before


def test_a_phone_shows_one_panel_at_a_time(browser, real):
    with Opened(browser, real, "#view=full", viewport={"width": 390, "height": 800}) as opened:
        panels = (".calls", ".source", ".variables", ".commentary")

        def seen():
            return [p for p in panels if opened.view.locator(f".panel{p}").is_visible()]

        assert seen() == [".source"]
        for name, shown in (("Calls", ".calls"), ("Values", ".variables")):
            opened.view.locator(".tabs").get_by_role("button", name=name).click()
            assert seen() == [shown]
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert opened.view.evaluate(wide) <= 0
        for button in opened.view.locator(".controls button").all():
            assert button.is_visible()


PANES = (".calls", ".source", ".variables", ".panel.commentary", ".lower", ".map")
PHONE = {"width": 390, "height": 844}


def panes(opened):
    return {p for p in PANES if opened.view.locator(p).is_visible()}


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE])
def test_a_page_opens_with_its_picture_and_says_what_to_do(browser, drawn, viewport):
    with Opened(browser, drawn, viewport=viewport) as opened:
        opened.drawn()
        assert panes(opened) == {".panel.commentary", ".lower", ".map"}
        assert opened.view.locator("canvas.scene").bounding_box()["width"] > 340
        assert "“Stage ›”" in opened.text(".hint")
        opened.view.get_by_role("button", name="Stage ›", exact=True).click()
        assert not opened.view.locator(".hint").is_visible()
        opened.until("location.hash.length > 1")
        link = opened.view.evaluate("location.hash")
        assert ("view=plain" in link) == (viewport != PHONE)
        opened.view.get_by_role("button", name="Full view").click()
        assert {".source", ".map"} <= panes(opened)
        assert len(panes(opened)) == (2 if viewport == PHONE else 6)
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert opened.view.evaluate(wide) <= 0
    with Opened(browser, drawn, link, viewport=viewport) as opened:
        assert panes(opened) == {".panel.commentary", ".lower", ".map"}


def test_without_a_picture_a_phone_shows_source_and_commentary(browser, files):
    with Opened(browser, files["pyramid"], viewport=PHONE) as opened:
        assert panes(opened) == {".source", ".panel.commentary", ".map"}


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE])
def test_the_picture_is_enlarged_and_left_by_escape(browser, drawn, viewport):
    width = "document.querySelector('canvas.scene').getBoundingClientRect().width"
    with Opened(browser, drawn, "#call=0&view=full", viewport=viewport) as opened:
        if viewport == PHONE:
            opened.view.locator(".tabs").get_by_role("button", name="Values").click()
        opened.drawn()
        before = opened.view.evaluate(width)
        opened.view.locator(".enlarge").click()
        opened.drawn()
        assert opened.view.evaluate(width) >= before
        assert opened.view.evaluate(width) > 340
        cut = (
            "[...document.querySelectorAll('output')].filter(it => it.scrollWidth > it.offsetWidth)"
        )
        assert opened.view.evaluate(f"{cut}.length") == 0
        opened.press("Escape")
        assert opened.view.evaluate("document.querySelector('#app').dataset.view") == "full"
        opened.view.locator(".enlarge").click()
        opened.press("/")
        opened.view.keyboard.type("fpn")
        assert opened.view.locator(".tree .row").first.is_visible()
        assert opened.view.locator("#search").input_value() == "fpn"


@pytest.mark.parametrize("size", [(1280, 800), (1280, 500), (1024, 600), (910, 700), (390, 640)])
@pytest.mark.parametrize("view", ["plain", "full"])
def test_the_controls_stay_within_the_window(browser, drawn, size, view):
    viewport = {"width": size[0], "height": size[1]}
    places = """[...document.querySelectorAll(".controls :is(button, select, input, output)")]
        .map((it) => it.getBoundingClientRect()).filter(({ width }) => width)
        .map(({ left, right, top, bottom }) => [left, top, right, bottom])"""
    with Opened(browser, drawn, f"#view={view}", viewport=viewport) as opened:
        boxes = opened.view.evaluate(places)
        assert len(boxes) >= 4
        for left, top, right, bottom in boxes:
            assert left >= 0
            assert right <= size[0]
            assert top >= 0
            assert bottom <= size[1]
        for i, one in enumerate(boxes):
            for other in boxes[:i]:
                across = min(one[2], other[2]) - max(one[0], other[0])
                down = min(one[3], other[3]) - max(one[1], other[1])
                assert min(across, down) <= 0.5


@pytest.mark.parametrize("size", [(1280, 800), (1440, 900)])
def test_the_controls_of_the_picture_are_in_sight(browser, drawn, size):
    viewport = {"width": size[0], "height": size[1]}
    below = """() => document.querySelector(".scene-controls").getBoundingClientRect().bottom
        - document.querySelector(".picture").getBoundingClientRect().bottom"""
    with Opened(browser, drawn, "#view=plain", viewport=viewport) as opened:
        for name in opened.view.get_by_label("Drawing").locator("option").all_inner_texts():
            opened.view.get_by_label("Drawing").select_option(label=name)
            assert opened.view.evaluate(below) <= 0, name


def test_panes_are_resized_by_keys_and_by_dragging(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        width = lambda: opened.view.locator(".calls").bounding_box()["width"]  # noqa: E731
        divider = opened.view.get_by_role("separator").first
        before, tick = width(), opened.tick
        divider.focus()
        opened.press("ArrowRight", "ArrowRight")
        assert width() > before + 40
        assert opened.tick == tick
        box = divider.bounding_box()
        opened.view.mouse.move(box["x"] + 4, 400)
        opened.view.mouse.down()
        opened.view.mouse.move(200, 400)
        opened.view.mouse.up()
        assert width() == pytest.approx(188, abs=6)
        opened.view.locator(".language").click()
        assert width() == pytest.approx(188, abs=6)
        opened.view.get_by_role("separator").first.dblclick()
        assert width() == pytest.approx(before, abs=2)
        assert opened.problems == []


def test_names_go_before_shapes(browser, drawn):
    with Opened(browser, drawn, "#call=backbone.fpn") as opened:
        rows = opened.view.locator(".function .name", has_text="get_result_from_").locator("..")
        assert rows.count() > 5
        cut = """row => [...row.querySelectorAll('.name, .made')]
            .map(it => it.scrollWidth - it.offsetWidth)"""
        for row in rows.all():
            name, made = row.evaluate(cut)
            assert name <= 0
            assert made > 0
            assert "get_result" in row.inner_text()


def test_the_map_says_that_it_goes_on(browser, drawn):
    with Opened(browser, drawn, viewport=PHONE) as opened:
        there = opened.view.locator(".more.there")
        opened.until("document.querySelectorAll('.more.there').length === 1")
        assert there.inner_text() == "›"
        there.click()
        opened.until("document.querySelectorAll('.more.there').length === 2")
    with Opened(browser, drawn, viewport={"width": 1280, "height": 720}) as opened:
        assert opened.view.locator(".more.there").count() == 0


def test_print_of_the_plain_view_is_the_commentary_on_every_stage(browser, drawn):
    with Opened(browser, drawn) as opened:
        opened.drawn()
        opened.view.evaluate("dispatchEvent(new Event('beforeprint'))")
        opened.view.emulate_media(media="print")
        assert opened.view.locator("canvas.scene").is_visible()
        assert opened.view.locator(".whole h2").count() == opened.view.locator(".stage").count()
        assert opened.view.locator(".whole details:not([open])").count() == 0
        assert opened.view.locator(".whole p").first.is_visible()
        assert not opened.view.locator(".source").is_visible()
        opened.view.evaluate("dispatchEvent(new Event('afterprint'))")
        assert opened.view.locator(".whole *").count() == 0


def test_the_line_at_hand_comes_into_sight_when_the_panel_gets_its_size(browser, real):
    link, low = "#call=backbone.fpn&text=last_inner = inner_lateral", {"width": 900, "height": 60}
    with Opened(browser, real, link, viewport=low) as opened:
        opened.view.set_viewport_size({"width": 900, "height": 900})
        opened.until("""(() => {
            const [panel, line] = [".code", ".line.here"]
                .map((one) => document.querySelector(one).getBoundingClientRect());
            return line.top > panel.top + 30 && line.bottom < panel.bottom - 30;
        })()""")


def test_print_shows_the_function_and_hides_the_controls(browser, real):
    with Opened(browser, real, "#call=RegionProposalNetwork.filter_proposals") as opened:
        opened.view.emulate_media(media="print")
        assert not opened.view.locator(".controls button").first.is_visible()
        assert not opened.view.locator(".calls").is_visible()
        assert "filter_proposals" in opened.text(".where")
        assert opened.view.locator(".panel.commentary").is_visible()
        outside = opened.view.locator(".focused .line:not(.inside)")
        assert outside.count() > 100
        assert not outside.first.is_visible()


# --- tours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE])
def test_a_tour_is_offered_followed_left_and_taken_up(browser, drawn, viewport):
    with Opened(browser, drawn, viewport=viewport) as opened:
        bar = opened.view.locator(".tour")
        assert not bar.is_visible()
        opened.view.locator(".hint").get_by_role("button").first.click()
        assert "The answer first" in bar.inner_text()
        assert not opened.view.locator(".hint").is_visible()
        seen = {opened.tick}
        for _ in range(3):
            bar.get_by_role("button", name="Next ›").click()
            seen.add(opened.tick)
        assert len(seen) == 4
        assert "What comes out: P2" in bar.inner_text()
        assert opened.view.get_by_label("Drawing").input_value() == "merges"
        opened.view.keyboard.press("Enter")  # the focus stays on the button
        assert "each" in opened.text(".tour h2")
        assert opened.view.locator(".tensor.panel").is_visible()
        bar.get_by_role("button", name="Leave").click()
        assert not bar.is_visible()
        tick = opened.tick
        opened.press("s")
        opened.view.locator(".top").get_by_role("button", name="Tour").click()
        assert opened.tick == tick
        opened.press(",", ",")
        assert "3/10" in bar.get_by_label("Stops").evaluate("it => it.selectedOptions[0].text")
        bar.get_by_label("Stops").select_option("9")
        bar.get_by_role("button", name="Done").click()
        assert not bar.is_visible()
        opened.press(".")
        names = bar.get_by_label("Tours").locator("option").all_inner_texts()
        assert names[0] == "The pass in ten stops"
        bar.get_by_label("Tours").select_option(str(len(names) - 1))
        assert "1/" in bar.get_by_label("Stops").evaluate("it => it.selectedOptions[0].text")
        assert "The one that is followed" in bar.inner_text()
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert opened.view.evaluate(wide) <= 0
        assert opened.problems == []


def test_every_stop_shows_the_panel_that_it_names(browser, drawn):
    panels = {"picture": ".picture", "tensor": ".panel.tensor"}
    with Opened(browser, drawn) as opened:
        for stop in shipped()["ten-stops"].stops:
            opened.press(".")
            assert opened.view.locator(panels[stop.panel]).is_visible(), stop.at
            if stop.drawing:
                assert opened.view.get_by_label("Drawing").input_value() == stop.drawing


@pytest.mark.parametrize("view", ["plain", "full"])
@pytest.mark.parametrize("end", ["Leave", "Done"])
def test_a_tour_gives_back_the_view_that_one_was_in(browser, drawn, view, end):
    shown = "document.getElementById('app').dataset.view"
    with Opened(browser, drawn, f"#view={view}") as opened:
        bar = opened.view.locator(".tour")
        opened.press(".")
        bar.get_by_label("Tours").select_option(label="One Bottleneck")
        assert opened.view.evaluate(shown) == "full"  # its first stop is at the values
        assert opened.view.locator(".variables").is_visible()
        while end == "Done" and not bar.get_by_role("button", name="Done").count():
            opened.press(".")
        bar.get_by_role("button", name=end).click()
        assert opened.view.evaluate(shown) == view
        if view == "plain":
            assert opened.view.locator(".picture").is_visible()
        opened.press(".")
        bar.get_by_label("Stops").select_option("0")
        opened.view.get_by_role("button", name="Plain view").click()  # by one's own choice
        bar.get_by_role("button", name="Leave").click()
        assert opened.view.evaluate(shown) == "plain"
        assert opened.problems == []


def test_a_tours_texts_are_text_and_its_panels_come_into_sight(browser, tmp_path):
    stop = '[[stop]]\nat = "call=body.conv"\npanel = "{0}"\ntitle = "T{0}"\ntext = "{1}"\n'
    hostile = "<img src=x onerror=alert(1)> </script> `<b>`"
    stops = "".join(stop.format(p, hostile) for p in ("source", "values", "calls", "commentary"))
    file = tmp_path / "mine.toml"
    file.write_text(f'title = "<i>Mine</i>"\nkind = "pass"\n{stops}', "utf-8")
    panels = (".source", ".variables", ".calls", ".panel.commentary")
    made = write_page(handmade.tiny_pass(), tmp_path / "page.html", tour=str(file))
    for viewport in ({"width": 1440, "height": 900}, PHONE):
        with Opened(browser, made, viewport=viewport) as opened:
            assert "<i>Mine</i>" in opened.text(".hint")
            for panel in panels:
                opened.press(".")
                assert opened.view.locator(panel).is_visible(), panel
                assert hostile.replace("`", "") in opened.text(".tour")
            assert opened.view.locator("img, .tour i, .tour b").count() == 0
            assert opened.problems == []


def test_a_recording_without_tours_offers_none(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        assert opened.view.locator(".hint button").count() == 0
        assert opened.view.get_by_role("button", name="Tour").count() == 0
        opened.press(".", ",")
        assert opened.problems == []


# --- keyboard and screen reader -------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_axe_finds_no_serious_fault(browser, drawn, scheme, lang):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe is not installed: pip install axe-playwright-python",
    )
    address = f"#call=RegionProposalNetwork.filter_proposals&line=277&lang={lang}"
    with Opened(browser, drawn, f"#lang={lang}", color_scheme=scheme) as opened:
        assert faults(axe.Axe().run(opened.view)) == []
    with Opened(browser, drawn, address, color_scheme=scheme) as opened:
        for shown in ("tensor", "picture"):
            opened.view.locator(f"#tab-{shown}").click()
            result = axe.Axe().run(opened.view)
            assert faults(result) == []
        opened.press("?")
        assert faults(axe.Axe().run(opened.view)) == []


def faults(result) -> list[str]:
    """What axe found that is serious or worse."""
    found = result.response["violations"]
    assert result.response["passes"]
    return [
        f"{v['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
        for v in found
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


def test_the_tree_is_walked_by_keys_alone(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        opened.view.locator('.row[tabindex="0"]').focus()
        opened.press("ArrowDown", "ArrowDown", "ArrowRight")
        focused = "document.activeElement.querySelector('.name')?.textContent"
        assert opened.view.evaluate(focused) == "body"
        opened.press("ArrowDown", "Enter")
        assert opened.tick == 15
        opened.press("ArrowLeft")
        assert opened.view.evaluate(focused) == "body"


def test_the_help_opens_and_closes_by_keys(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        opened.press("?")
        assert opened.view.get_by_role("dialog").is_visible()
        opened.press("s")
        assert opened.tick == 0
        opened.press("Escape", "s")
        assert opened.tick == 1


def test_tab_reaches_every_part(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        reached = set()
        for _ in range(80):
            opened.press("Tab")
            part = "document.activeElement.closest('nav, section, footer, header')?.className"
            reached.add(opened.view.evaluate(part))
        wanted = {"top", "map", "panel calls", "panel source", "panel commentary", "timeline"}
        assert wanted <= reached


# --- the picture ----------------------------------------------------------------------------------

PLACES = {
    "merges": "backbone.fpn",
    "anchors": "AnchorGenerator.grid_anchors",
    "proposals": "RegionProposalNetwork.filter_proposals",
    "levels": "LevelMapper.__call__",
    "align": "roi_heads.box_roi_pool",
    "detections": "GeneralizedRCNNTransform.postprocess",
    "overlay": "backbone.body.layer1",
}
COLOURS = """canvas => new Set(new Uint32Array(
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""


@pytest.mark.parametrize("kind", PLACES)
def test_the_drawing_follows_the_call(browser, drawn, kind):
    with Opened(browser, drawn, f"#call={PLACES[kind]}") as opened:
        opened.view.locator("#tab-picture").click()
        assert opened.view.get_by_label("Drawing").input_value() == kind
        opened.drawn()
        canvas = opened.view.locator(".scene, .merge canvas").locator("visible=true").first
        assert canvas.evaluate(COLOURS) > 8
        assert opened.problems == []


def test_pointing_at_a_box_tells_its_fate(browser, drawn):
    with Opened(browser, drawn, f"#call={PLACES['proposals']}") as opened:
        opened.view.locator("#tab-picture").click()
        shown = opened.text(".scene-facts")
        assert re.match(r"\d+ boxes", shown)
        opened.view.get_by_label("box", exact=False).last.evaluate(
            "it => { it.value = 0; it.dispatchEvent(new Event('input')); }"
        )
        assert re.search(r"#0 from P\d, score", opened.text(".scene-facts"))
        rows = opened.view.locator(".funnel-row")
        assert rows.count() == 7
        left = rows.locator(".funnel-count:not(.quiet)").all_inner_texts()
        counts = [int(re.sub(r"\D", "", t)) for t in left]
        assert counts == sorted(counts, reverse=True)


TRAINED = {
    "anchor_matches": "RegionProposalNetwork.assign_targets_to_anchors",
    "roi_matches": "RoIHeads.select_training_samples",
    "losses": "fastrcnn_loss",
}


@pytest.mark.parametrize("kind", TRAINED)
def test_a_training_pass_shows_matches_and_losses(browser, trained, kind):
    trace, file = trained
    with Opened(browser, file, f"#call={TRAINED[kind]}") as opened:
        opened.view.locator("#tab-picture").click()
        assert opened.view.get_by_label("Drawing").input_value() == kind
        if kind == "losses":
            names = opened.view.locator(".loss b").all_inner_texts()
            assert names == [name for name, _ in trace.calls[0].result.items]
            assert "÷" in opened.text(".loss figcaption")
        else:
            groups = opened.view.locator(".groups button").all_inner_texts()
            assert groups == ["all", "positive", "low-quality match", "ignored", "negative"]
            slider = opened.view.locator("[data-name=box]")
            slider.evaluate("it => { it.value = 0; it.dispatchEvent(new Event('input')); }")
            said = opened.text(".scene-facts")
            match = r"#0, .* px: (positive|low-quality match), IoU [\d.]+ with target \d"
            assert re.search(match, said)
        assert opened.problems == []


def test_classes_have_their_names_as_text(browser, drawn, rcnn, two_images, tmp_path):
    import torch

    names = ("__background__", "</script><img onerror=x>", *map(str, range(2, 91)))
    with torch.no_grad():
        trace = tracer.trace(rcnn, two_images, keep="anatomy")
    trace = dataclasses.replace(trace, classes=names[: 1 + max(labels_of(trace), default=1)])
    address = f"#call={PLACES['detections']}"
    with Opened(browser, write_page(trace, tmp_path / "named.html"), address) as opened:
        opened.view.locator("#tab-picture").click()
        opened.view.wait_for_selector(".groups button")  # drawn in the next animation frame
        shown = opened.view.locator(".groups button").all_inner_texts()
        assert shown == ["all", *(names[label] for label in sorted(labels_of(trace, 0)))]
        assert opened.view.locator("img, iframe").count() == 0
        assert opened.problems == []


def labels_of(trace, image=None) -> set[int]:
    """The labels that were detected, in all images or in one."""
    from tracer.rcnn.anatomy import anatomy

    found = anatomy(trace).detections
    chosen = found if image is None else (found[image],)
    return {int(label) for each in chosen for label in each.labels}


def test_a_pass_without_kept_tensors_shows_no_picture_tab(browser, files):
    with Opened(browser, files["tiny"]) as opened:
        assert opened.view.locator("#tab-picture").count() == 0


STEPS = ".story li"


def lay(opened, phone=False):
    """Bring the stories into sight."""
    if phone:
        opened.view.locator(".tabs").get_by_role("button", name="Values").click()
    opened.view.locator("#tab-story").click()
    opened.drawn()


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE])
def test_an_object_or_a_detection_is_clicked_and_its_story_told(browser, found, viewport):
    trace, file = found
    stories = tracer.why(trace, image=0)
    lost = stories.missed[0]
    with Opened(browser, file, "#call=0&view=full", viewport=viewport) as opened:
        lay(opened, phone=viewport == PHONE)
        rows = opened.view.locator(".stories tbody tr")
        assert rows.count() == len(stories.objects) + len(stories.detections)
        assert f"Object {lost.number} of image 0" in opened.text(".scene-facts")
        assert opened.view.locator(STEPS).count() == len(lost.steps)
        assert len(opened.view.locator(f"{STEPS}.lost").all()) == 1
        wanted = next(each for each in stories.objects if not each.lost)
        opened.view.locator("canvas.scene").click(position=middle(opened, trace, wanted.box))
        assert re.match(r"(Object|Detection) \d+ of image 0", opened.text(".scene-facts"))
        number = stories.detections[0].number
        opened.view.get_by_role("button", name=f"detection {number}", exact=True).click()
        assert f"Detection {number} of image 0" in opened.text(".scene-facts")
        assert opened.view.locator(STEPS).count() == len(stories.detections[0].steps)
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert opened.view.evaluate(wide) <= 0
        assert opened.problems == []


def middle(opened, trace, box):
    """Where on the screen the middle of a box is, in original pixels, from the picture's corner."""
    height, width = anatomy(trace).pictures[0].original_size
    on_screen = opened.view.locator("canvas.scene").bounding_box()
    x, y = (box[0] + box[2]) / 2 / width, (box[1] + box[3]) / 2 / height
    return {"x": x * on_screen["width"], "y": y * on_screen["height"]}


def test_every_station_leads_to_its_step_by_keys_alone(browser, found):
    trace, file = found
    stories = tracer.why(trace, image=0)
    with Opened(browser, file, "#call=0&view=full") as opened:
        lay(opened)
        opened.view.locator("canvas.scene").focus()
        for _ in range(len(stories.objects) + len(stories.detections)):
            opened.press("ArrowLeft")
        opened.press("ArrowRight")
        story = stories.objects[1]
        assert "Object 1 of image 0" in opened.text(".scene-facts")
        for number, step in enumerate(story.steps):
            opened.view.locator(".story .link").nth(number).focus()
            opened.press("Enter")
            assert opened.tick == trace.calls[step.call].end
            assert "Object 1 of image 0" in opened.text(".scene-facts")
        opened.view.locator("#tab-picture").click()
        assert opened.view.get_by_label("Drawing").input_value() == "detections"
        opened.view.get_by_label("Drawing").select_option("stories")
        assert opened.view.locator("#tab-story").get_attribute("aria-selected") == "true"
        assert opened.problems == []


def test_the_columns_of_the_stories_are_all_in_sight(browser, found):
    _, file = found
    cut = """() => { const [outer, inner] = [".scroll", ".stories"].map((it) =>
        document.querySelector(it).getBoundingClientRect()); return inner.right - outer.right; }"""
    for viewport in ({"width": 1280, "height": 800}, PHONE):
        for lang in ("en", "zh"):
            with Opened(browser, file, f"#view=full&lang={lang}", viewport=viewport) as opened:
                if viewport == PHONE:
                    opened.view.locator('[data-tab="values"]').last.click()
                opened.view.locator("#tab-story").click()
                assert opened.view.locator(".stories thead th").count() == 5
                assert opened.view.evaluate(cut) <= 0.5


def test_stories_are_told_in_every_language_and_of_training(browser, found, trained):
    with Opened(browser, found[1], "#call=0&view=full&lang=zh") as opened:
        lay(opened)
        assert opened.text(".scene-facts").startswith("\u56fe\u7247 0")
    with Opened(browser, trained[1], "#call=0&view=full") as opened:
        lay(opened)
        assert "anchors matched" in opened.text(".story")
        assert opened.problems == []


def test_names_of_classes_in_stories_are_text(browser, found, tmp_path):
    names = ("__background__", *["</script><img src=x onerror=alert(1)>"] * 4)
    trace = dataclasses.replace(found[0], classes=names)
    with Opened(browser, write_page(trace, tmp_path / "named.html"), "#view=full") as opened:
        lay(opened)
        assert names[1] in opened.text(".stories")
        assert opened.view.locator("img, iframe").count() == 0
        assert opened.problems == []


# --- in a notebook --------------------------------------------------------------------------------


def test_it_works_in_a_frame_without_an_origin(browser, tmp_path):
    """As a notebook shows it; the frame cannot reach what is around it."""
    file = tmp_path / "notebook.html"
    shown = handmade.tiny_pass().page()._repr_html_()
    file.write_text(f"<!DOCTYPE html><html data-ready><body>{shown}</body></html>", "utf-8")
    with Opened(browser, file) as opened:
        frame = opened.view.frames[1]
        frame.wait_for_selector("html[data-ready]", state="attached")
        frame.locator("h1").click()
        opened.press("s")
        assert frame.evaluate("tracerPage.cursor.tick") == 1
        frame.get_by_role("button", name="中文").click()
        assert frame.evaluate("document.documentElement.lang") == "zh-Hans"
        reached = "() => { try { return parent.document.title; } catch { return null; } }"
        assert frame.evaluate(reached) is None
        assert [url for url in opened.requests if not url.startswith("about:")] == [opened.url]
        assert opened.problems == []


@pytest.mark.parametrize("at", ["", "&at=end"])
def test_the_whole_pass_shows_the_picture_with_its_detections(browser, drawn, at):
    with Opened(browser, drawn, f"#call=0{at}" if at else "") as opened:
        opened.drawn()
        assert opened.view.get_by_label("Drawing").input_value() == "detections"
        assert opened.view.locator("canvas.scene").is_visible()


# --- guessing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE])
def test_a_question_is_answered_by_choosing_or_typing(browser, drawn, viewport):
    with Opened(browser, drawn, viewport=viewport) as opened:
        view, bar = opened.view, opened.view.locator(".guess")
        assert not bar.is_visible()
        opened.press("g")
        assert bar.is_visible()
        assert not view.locator(".hint").is_visible()
        questions = view.evaluate("document.querySelectorAll('.guess option').length")
        assert questions >= 8
        before = opened.tick
        bar.locator(".choice").first.click()
        assert bar.locator(".is-right").count() == 1
        assert ("Right:" in bar.inner_text()) != ("Not quite" in bar.inner_text())
        assert opened.tick == before
        bar.get_by_role("button", name="Show where").click()
        assert opened.tick != before
        bar.get_by_role("button", name="Another ›").click()
        bar.locator("input").fill("b")
        bar.locator("input").press("Enter")
        assert "of 2 right" in bar.inner_text()
        bar.get_by_label("Questions").select_option("3")
        bar.locator("input").fill("nonsense")
        bar.locator("input").press("Enter")
        assert "Not quite" in bar.inner_text()
        assert "of 2 right" in bar.inner_text(), "what is none of the answers does not count"
        wide = "document.documentElement.scrollWidth - innerWidth"
        assert view.evaluate(wide) <= 0
        opened.press(".")  # a tour takes its place
        assert not bar.is_visible()
        opened.press("g")
        assert bar.is_visible()
        assert view.locator(".tour").is_hidden()
        bar.get_by_role("button", name="Leave").click()
        assert not bar.is_visible()
        assert opened.problems == []


def test_a_tour_is_taken_up_after_a_reload_and_without_storage(browser, drawn):
    with Opened(browser, drawn) as opened:
        opened.press(".", ".", ".")
        title = opened.text(".tour h2")
        opened.view.reload()
        opened.view.wait_for_selector("html[data-ready]", state="attached")
        offer = opened.view.locator(".hint .tool")
        assert "3/10" in offer.inner_text() or opened.view.locator(".hint").is_hidden()
        opened.view.locator(".top").get_by_role("button", name="Tour").click()
        assert opened.text(".tour h2") == title
        opened.view.add_init_script(
            "Object.defineProperty(window, 'localStorage', "
            "{ get() { throw new Error('forbidden'); } })"
        )
        opened.view.reload()
        opened.view.wait_for_selector("html[data-ready]", state="attached")
        opened.view.locator(".top").get_by_role("button", name="Tour").click()
        assert "The answer first" in opened.text(".tour h2")
        opened.press(".")
        assert opened.problems == []


def test_a_page_may_open_on_a_tour(browser, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "Mine"\nkind = "pass"\n[[stop]]\nat = "call=body.conv"\npanel = "source"\n'
        'title = "Here"\ntext = "There."\n',
        "utf-8",
    )
    made = write_page(handmade.tiny_pass(), tmp_path / "page.html", tour=str(file), touring=True)
    with Opened(browser, made) as opened:
        assert "Here" in opened.text(".tour")
        assert opened.view.locator(".source").is_visible()
        assert opened.problems == []


def test_help_lists_every_question_that_is_answered(browser, drawn):
    with Opened(browser, drawn) as opened:
        opened.press("?")
        asked = opened.view.locator("dialog.help details summary").all_inner_texts()
        assert len(asked) == len(set(asked)) > 15
        opened.view.locator("dialog.help details summary").first.click()
        assert opened.view.locator("dialog.help details p").first.is_visible()
        assert opened.problems == []
