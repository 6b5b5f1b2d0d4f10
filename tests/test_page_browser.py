"""The page in a real browser: stepping, search, links, languages, keys, and what it lets in."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import re

import handmade
import pytest
import stories
from browsers import Opened, chromium

from tracer.errors import MissingError
from tracer.stepper import Stepper
from tracer.views.page import page, write_page
from tracer.views.page.address import read, tick_at

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
def browser():
    with chromium() as found:
        yield found


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

    import tracer

    with torch.no_grad():
        trace = tracer.trace(rcnn, two_images, grain="line", keep="anatomy")
    return write_page(trace, tmp_path_factory.mktemp("drawn") / "pass.html")


@pytest.fixture(scope="module")
def trained(rcnn, two_images, two_targets, tmp_path_factory):
    """A recorded training pass that kept what the drawings need, and its page."""
    import tracer

    model = copy.deepcopy(rcnn).train()
    trace = tracer.trace(model, two_images, two_targets, keep="anatomy")
    return trace, write_page(trace, tmp_path_factory.mktemp("trained") / "pass.html")


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
        opened.view.get_by_role("button", name="Into what comes next").click()
        assert opened.tick == 1
        opened.view.get_by_role("button", name="Last step").click()
        assert opened.tick == 37
        slider = opened.view.get_by_role("slider", name="Timeline")
        slider.evaluate("it => { it.value = 13; it.dispatchEvent(new Event('input')); }")
        opened.until("tracerPage.cursor.tick === 13")
        assert "step 13 of 37" in opened.text(".where")


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
        assert "Stopped at breakpoint" in opened.text(".message")
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
        assert "Nothing here is called nothing" in type_in("p nothing")
        assert type_in("fly") != ""
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


def test_the_address_bar_follows_the_steps(browser, files):
    with Opened(browser, files["pyramid"]) as opened:
        opened.press("s", "s")
        opened.until("location.hash === '#call=(root)%230&line=17'.replace(/[()]/g, escape)")


def test_a_wrong_link_opens_at_the_beginning(browser, files):
    with Opened(browser, files["tiny"], "#call=%3Cimg%3E&line=x&round=-1") as opened:
        assert opened.tick == 0
        assert opened.problems == []


# --- languages, looks, sizes ----------------------------------------------------------------------


def test_the_language_switches_in_place(browser, real):
    with Opened(browser, real, "#call=RegionProposalNetwork.filter_proposals") as opened:
        english = opened.text(".commentary h2")
        opened.view.get_by_role("button", name="以中文显示").click()
        chinese = opened.text(".commentary h2")
        assert "funnel" in english
        assert re.search("[一-鿿]", chinese)
        assert opened.view.locator(".language").inner_text() == "English"
        assert "filter_proposals" in opened.hash.replace("%2E", ".")
        said = opened.view.locator("body").inner_text()
        assert "Commentary" not in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_follow_the_system_and_can_be_switched(browser, files, scheme):
    other = {"light": "dark", "dark": "light"}[scheme]
    ground = "getComputedStyle(document.body).backgroundColor"
    with Opened(browser, files["tiny"], color_scheme=scheme) as opened:
        assert opened.view.evaluate("document.documentElement.dataset.scheme") == scheme
        before = opened.view.evaluate(ground)
        opened.view.get_by_role("button", name="Light or dark").click()
        assert opened.view.evaluate("document.documentElement.dataset.scheme") == other
        assert opened.view.evaluate(ground) != before


def test_a_phone_shows_one_panel_at_a_time(browser, real):
    with Opened(browser, real, viewport={"width": 390, "height": 800}) as opened:
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
        assert opened.view.locator(".commentary").is_visible()
        outside = opened.view.locator(".focused .line:not(.inside)")
        assert outside.count() > 100
        assert not outside.first.is_visible()


# --- keyboard and screen reader -------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_axe_finds_no_serious_fault(browser, drawn, scheme, lang):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="axe is not installed: pip install axe-playwright-python",
    )
    address = f"#call=RegionProposalNetwork.filter_proposals&line=277&lang={lang}"
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
        counts = [
            int(re.sub(r"\D", "", t)) for t in rows.locator(".funnel-count").all_inner_texts()
        ]
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

    import tracer

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
        frame.get_by_role("button", name="以中文显示").click()
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
