"""A recording in which something was changed on purpose says so wherever it is shown."""

from __future__ import annotations

import csv
import html
import io
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
from tracer.testing import assert_same, write_golden
from tracer.views.explorers import EXPLORERS
from tracer.views.figures import FIGURES
from tracer.views.page.labels import labels
from tracer.views.reports.parameters import parameters
from tracer.views.reports.table import contract
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


ROWS = {
    "table": lambda it: it.table(),
    "tree": lambda it: it.tree(),
    "board": lambda it: it.board(),
    "architecture": lambda it: it.architecture(),
    "architecture, annotated": lambda it: it.architecture(annotated=True),
    "parameters": parameters,
    "stories": lambda it: it.why(),
    "one story": lambda it: it.why(box=[5, 5, 40, 40]),
    "contract": contract,
}


def _as_it_is(trace):
    return replace(trace, settings=replace(trace.settings, changes=()))


@pytest.mark.parametrize("name", ROWS)
def test_every_row_for_programs_says_it_of_such_a_recording_alone(trace, name):
    made, plain = ROWS[name](trace), ROWS[name](_as_it_is(trace))
    rows = json.loads(made.to("json"))
    assert rows
    assert all(row.pop("changes") == [PLACE] for row in rows)
    assert rows == json.loads(plain.to("json"))
    lines = list(csv.DictReader(io.StringIO(made.to("csv"))))
    assert list(lines[0])[-1] == "changes"
    assert all(row["changes"] == PLACE for row in lines)
    assert "changes" not in plain.to("csv").splitlines()[0]
    assert made.records()[0]["changes"] == PLACE
    assert set(made.dataframe()["changes"]) == {PLACE}


def test_a_comparison_says_to_programs_which_of_the_two_it_was(trace):
    plain = _as_it_is(trace)
    for pair, done, key, side in (
        (tracer.compare(plain, trace), [[], [PLACE]], "second_changes", "changes_b"),
        (tracer.compare(trace, plain), [[PLACE], []], "first_changes", "changes_a"),
    ):
        assert json.loads(pair.to_json())["changes"] == done
        assert pair.report().to("csv").splitlines()[0].endswith(f",by,{key}")
        found = json.loads(pair.detections().to("json"))
        assert found
        assert all(row[side] == [PLACE] and len(row) == 8 for row in found)


def test_the_stories_as_data_say_it(trace, tmp_path, capsys):
    file = str(trace.save(tmp_path / "a.safetensors"))
    assert cli.main(["why", file, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == [PLACE]


def test_a_contract_of_shapes_is_held_to_whatever_was_changed(trace, tmp_path):
    plain = _as_it_is(trace)
    for golden, found in ((plain, trace), (trace, plain), (trace, trace)):
        assert_same(found, write_golden(golden, tmp_path / "shapes.csv"))
    file = tmp_path / "shapes.csv"
    file.write_text(file.read_text("utf-8").replace("\nrpn.head,", "\nrpn.other,"), "utf-8")
    with pytest.raises(AssertionError, match="the calls are not those") as error:
        assert_same(trace, file)
    lines = str(error.value).splitlines()[2:]
    assert [line.split(",")[0].strip() for line in lines] == ["- rpn.other", "+ rpn.head"]


def test_a_run_as_it_is_is_called_what_it_is(trace):
    plain = replace(trace, subject="FasterRCNN", settings=replace(trace.settings, changes=()))
    assert plain.called() == "FasterRCNN"
    assert plain.called("Lecture 3") == "Lecture 3"
    assert plain.architecture().notes == ()
