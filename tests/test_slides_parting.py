"""The deck of two recordings: what it shows, in which languages, to which files it is written."""

from __future__ import annotations

import kinds
import pytest
import torch
from test_comparison import chain, detected, detector, recorded

import tracer
from tracer import cli
from tracer.errors import InputError
from tracer.views.slides.deck import Cells, Code, Pictures
from tracer.views.slides.parting import parting_deck


@pytest.fixture(scope="module")
def parted():
    model = chain()
    first = recorded(model)
    for module in model:
        module.left.bias.data += 2.0  # so that `if out.sum() > 0` goes the other way
    return tracer.compare(first, recorded(model))


def keys(made):
    return [slide.key.removeprefix("compared-") for slide in made.slides]


def test_it_says_where_they_part_how_far_and_at_which_line(parted):
    made = parting_deck(parted)
    assert keys(made) == ["title", "answer", "depth", "branch", "table"]
    title, answer, depth, branch, table = made.slides
    assert title.layout == "title"
    assert parted.report().title == " ".join(answer.parts[0].lines[:-1])
    assert "Control parts first" in answer.parts[0].lines[-1]
    assert isinstance(depth.parts[0], Pictures)
    assert "Where two recordings part" in depth.parts[0].alt
    assert isinstance(branch.parts[0], Code)
    assert "if out.sum() > 0:" in branch.parts[0].text
    assert parted.branch.at[0] in branch.parts[0].steps[0].lines
    assert len(branch.parts) == 1  # code fills its page: beside it stand the values of its lines
    assert isinstance(table.parts[0], Cells)
    assert any("0.left#0" in row[0] and row[1] == "parts within" for row in table.parts[0].rows)


def test_in_both_languages_each_slide_comes_in_one_and_then_in_the_other(parted):
    made = parting_deck(parted, lang="both")
    assert [slide.lang for slide in made.slides] == ["en", "zh"] * 5
    assert keys(made)[::2] == keys(made)[1::2]
    assert made.slides[1].title == "两份记录从哪里分开"
    assert "分开" in made.slides[3].parts[0].lines[0]


def test_what_differs_around_the_run_is_on_the_first_page():
    made = parting_deck(
        tracer.compare(
            detected(detector()), detected(detector().train(), targets=[torch.tensor([1])])
        )
    )
    assert "mode eval → train" in " ".join(made.slides[0].parts[0].lines)


def test_two_that_agree_say_so():
    trace = recorded(chain())
    made = parting_deck(tracer.compare(trace, trace))
    assert keys(made) == ["title", "same", "depth"]


@pytest.mark.slow
def test_of_detectors_it_shows_what_both_found():
    with torch.no_grad():
        model = kinds.detector()
        first = tracer.trace(model, kinds.pictures(), keep="anatomy")
        second = tracer.trace(
            model, kinds.pictures(), keep="anatomy", change={"roi_heads.nms_thresh": 0.1}
        )
    compared = tracer.compare(first, second)
    made = parting_deck(compared, lang="zh")
    assert keys(made)[-1] == "detections"
    assert "roi_heads.nms_thresh: 0.5 → 0.1" in made.slides[0].parts[0].lines[1]
    with pytest.raises(InputError, match="there is no image 3"):
        parting_deck(compared, image=3)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["html", "pdf", "pptx"])
def test_it_is_written_to_every_kind_of_file(parted, tmp_path, ending):
    file = parted.slides(tmp_path / f"a.{ending}", lang="both", theme="dark")
    assert file.stat().st_size > 10_000


def test_the_command_takes_a_second_recording(parted, tmp_path, capsys):
    files = [
        str(tracer.Recording.of(trace).save(tmp_path / f"{name}.safetensors"))
        for name, trace in (("a", parted.first), ("b", parted.second))
    ]
    deck = tmp_path / "deck.html"
    command = ["slides", files[0], "--against", files[1], "-o", str(deck), "--lang", "zh"]
    assert cli.main(command) == 0
    assert "两份记录从哪里分开" in deck.read_text("utf-8")
    assert cli.main([*command, "--stages", "fpn"]) == 2
    assert "--stages is for slides of one recording" in capsys.readouterr().err


@pytest.mark.parametrize("given", [{"lang": "xx"}, {"theme": "blue"}])
def test_what_cannot_be_is_refused(parted, given):
    with pytest.raises(InputError, match="there is no"):
        parting_deck(parted, **given)
