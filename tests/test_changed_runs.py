"""A recording in which something was changed on purpose says so wherever it is shown."""

from __future__ import annotations

import html
import json
from dataclasses import replace

import pytest
from explored import needed
from kinds import detector, pictures
from recordings import shared
from screens import play
from test_dap import served

import tracer
from tracer import cli
from tracer.views.explorers import EXPLORERS
from tracer.views.figures import FIGURES
from tracer.views.page.labels import labels
from tracer.views.reports.parameters import parameters
from tracer.views.screen.prompt import subject
from tracer.views.slides import deck

pytestmark = pytest.mark.slow

PLACE = "rpn.nms_thresh: 0.7 → 0.3"
LANGUAGES = ("en", "zh")


def _record():
    import torch

    with torch.no_grad():
        return tracer.trace(
            detector(), pictures(), grain="line", keep="anatomy", change={"rpn.nms_thresh": 0.3}
        )


@pytest.fixture(scope="module")
def trace():
    return shared("changed-on-purpose", _record)


@pytest.fixture(scope="module")
def titled(trace):
    """With a title of its own, which is shown instead of the model's name."""
    return replace(trace, environment={**trace.environment, "title": "Lecture 3"})


def _page(trace, lang):
    return tracer.views.page.page(trace, lang=lang)[:2000] + str(labels(trace, []))


def _figures(trace, lang, folder):
    return trace.figures(folder, lang=lang, stages=("overview",)).read_text("utf-8")


VIEWS = {
    "table": lambda it, lang: it.table(lang=lang).to("text"),
    "table, markdown": lambda it, lang: it.table(lang=lang).to("markdown"),
    "table, html": lambda it, lang: it.table(lang=lang).to("html"),
    "tree": lambda it, lang: it.tree(lang=lang).to("text"),
    "board": lambda it, lang: it.board(lang=lang).to("text"),
    "architecture": lambda it, lang: it.architecture(lang=lang).to("text"),
    "architecture, annotated": lambda it, lang: it.architecture(annotated=True, lang=lang).to(
        "markdown"
    ),
    "parameters": lambda it, lang: parameters(it, lang=lang).to("text"),
    "stories": lambda it, lang: it.why(lang=lang).to("text"),
    "one story": lambda it, lang: it.why(box=[5, 5, 40, 40], lang=lang).to("text"),
    "JSON": lambda it, lang: it.to_json(path="roi_heads.box_head.fc6"),
    "notebook": lambda it, lang: it._repr_html_()[:2000],
    "repr": lambda it, lang: repr(it),
    "page": _page,
    "deck": lambda it, lang: deck(it, lang=lang).slides[0].title,
    "deck of a stage": lambda it, lang: deck(it, lang=lang, stages=("rpn",)).slides[0].title,
    "deck of a tour": lambda it, lang: deck(it, lang=lang, tour="ten-stops").slides[0].title,
    "a figure": lambda it, lang: FIGURES["nms"].draw(it, lang=lang).get_supxlabel(),
    "prompt": lambda it, lang: subject(it),
    "screen": lambda it, lang: play(it, size=(160, 40), lang=lang)[1],
    "comparison": lambda it, lang: tracer.compare(it, it).report(lang=lang).to("text"),
}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_says_it(trace, view, lang):
    assert PLACE in html.unescape(VIEWS[view](trace, lang))


@pytest.mark.parametrize("view", ["page", "deck of a stage"])
def test_a_title_of_its_own_hides_nothing(titled, view):
    assert PLACE in VIEWS[view](titled, "en")


def test_the_index_of_figures_says_it(trace, titled, tmp_path):
    for it in (trace, titled):
        assert PLACE in html.unescape(_figures(it, "en", tmp_path))


@pytest.mark.parametrize("name", [name for name in EXPLORERS if name != "steps"])
def test_every_explorer_says_it(trace, name):
    shown = trace.explore(name, **needed(name, trace)).shown()
    assert PLACE in html.unescape(shown.html)


@pytest.mark.parametrize(
    "command",
    [["explain", "FILE", "--stage", "rpn"], ["guess", "FILE", "--answers"],
     ["tour", "ten-stops", "FILE"],
     ["show", "FILE", "--as", "contract"], ["show", "FILE", "--as", "architecture"]],
    ids=lambda command: " ".join(command[:1] + command[2:]),
)  # fmt: skip
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_command_says_it(trace, tmp_path, capsys, command, lang):
    file = str(trace.save(tmp_path / "a.safetensors"))
    assert cli.main([file if part == "FILE" else part for part in command] + ["--lang", lang]) == 0
    said = capsys.readouterr().out
    assert PLACE in said.replace("\\", "")


def test_an_editor_says_it(trace, tmp_path):
    file = str(trace.save(tmp_path / "a.safetensors"))
    with served() as client:
        client.begin(recording=file)
        assert PLACE in client.ask("threads")["threads"][0]["name"]


def test_programs_read_it_in_every_call_of_such_a_recording_alone(trace):
    assert all(call["changes"] == [PLACE] for call in json.loads(trace.to_json()))
    plain = replace(trace, settings=replace(trace.settings, changes=()))
    assert not any("changes" in call for call in json.loads(plain.to_json()))


def test_a_run_as_it_is_is_called_what_it_is(trace):
    plain = replace(trace, subject="FasterRCNN", settings=replace(trace.settings, changes=()))
    assert plain.called() == "FasterRCNN"
    assert plain.called("Lecture 3") == "Lecture 3"
    assert plain.architecture().notes == ()
