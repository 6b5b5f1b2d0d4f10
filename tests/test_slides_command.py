"""``tracer slides``: what it writes, lists and refuses."""

from __future__ import annotations

import re

import pytest
from anatomy_passes import recorded

from tracer.cli import main
from tracer.views.slides import catalogue, reveal

pytestmark = pytest.mark.slow

OUTLINE = '[[slide]]\nuse = "anchor-table"\n\n[[slide]]\nuse = "losses"\n'


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return recorded(targets=True).trace.save(tmp_path_factory.mktemp("pass") / "a&b.safetensors")


@pytest.fixture
def outline(tmp_path):
    path = tmp_path / "talk.toml"
    path.write_text(OUTLINE, "utf-8")
    return str(path)


def slides(saved, *options):
    return main(["slides", str(saved), *map(str, options)])


def test_what_was_written_and_what_was_left_out(saved, outline, tmp_path, capsys):
    file = tmp_path / "deck.html"
    assert slides(saved, "-o", file, "--outline", outline, "--lang", "both") == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"{re.escape(str(file))}: 2 slides, \d+\.\d MB\n", out)
    assert err.startswith("left out: 'losses' (")
    assert "line 4" in err
    assert err.count("\n") == 1
    text = file.read_text("utf-8")
    assert "https://revealjs.com" in text
    assert "Permission is hereby granted" in text
    assert text.count("<section id=") == 2
    assert 'class="step"' not in text


def test_steps_on_request(saved, tmp_path):
    outline = tmp_path / "steps.toml"
    outline.write_text('[[slide]]\nuse = "two-questions"\n', "utf-8")
    counts = {}
    for option in ("--steps", "--no-steps"):
        assert slides(saved, "-o", tmp_path / "deck.html", "--outline", outline, option) == 0
        counts[option] = (tmp_path / "deck.html").read_text("utf-8").count('<li class="fragment"')
    assert counts == {"--steps": 4, "--no-steps": 0}


def test_strict_is_an_error(saved, outline, tmp_path, capsys):
    assert slides(saved, "-o", tmp_path / "deck.html", "--outline", outline, "--strict") == 2
    assert "tracer: slide 'losses'" in capsys.readouterr().err
    assert not (tmp_path / "deck.html").exists()


def test_the_page_is_linked_and_written(saved, outline, tmp_path, capsys):
    (tmp_path / "talks").mkdir()
    file, page = tmp_path / "talks" / "deck.html", tmp_path / "my page.html"
    assert slides(saved, "-o", file, "--outline", outline, "--page", page) == 0
    assert "tracerPage" in page.read_text("utf-8")
    assert 'href="../my%20page.html#call=rpn.anchor_generator%230' in file.read_text("utf-8")
    assert "the page that the slides link into" in capsys.readouterr().err


def test_a_page_beside_the_recording_is_linked(saved, outline, tmp_path):
    beside = saved.with_name("a&b.html")
    beside.write_text("a page")
    try:
        assert slides(saved, "-o", saved.with_name("deck.html"), "--outline", outline) == 0
        text = saved.with_name("deck.html").read_text("utf-8")
    finally:
        beside.unlink()
    assert 'href="a%26b.html#call=' in text


REFUSED = {
    "ending": (("-o", "deck.key"), r"written as \.html, \.pptx, \.pdf; found 'deck\.key'"),
    "near ending": (("-o", "deck.htm"), r"did you mean '\.html'"),
    "folder": (("-o", "nowhere/deck.html"), "there is no folder 'nowhere'"),
    "stage": (("-o", "deck.html", "--stages", "fnp"), "no stage 'fnp'; did you mean 'fpn'"),
    "language": (("-o", "deck.html", "--lang", "de"), "argument --lang: invalid choice: 'de'"),
    "theme": (("-o", "deck.html", "--theme", "drak"), "did you mean 'dark'"),
    "image": (("-o", "deck.html", "--stages", "rpn", "--image", "7"), "there is no image 7"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_refuses(case, saved, tmp_path, monkeypatch, capsys):
    options, expected = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    assert slides(saved, *options) == 2
    err = capsys.readouterr().err
    assert re.search(expected, err)
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_list_names_every_slide(lang, capsys):
    assert main(["slides", "--list", "--lang", lang]) == 0
    out = capsys.readouterr().out
    for key, entry in catalogue().items():
        assert re.search(rf"^  {'[+]' if entry.extra else ' '} {key} ", out, re.MULTILINE)
    assert "{" not in out
    assert ("特征金字塔" in out) == (lang == "zh")


def test_a_list_of_one_stage(capsys):
    assert main(["slides", "--list", "--stages", "fpn"]) == 0
    out = capsys.readouterr().out
    assert "fpn-merges" in out
    assert "funnel" not in out


def test_a_recording_has_to_be_named(capsys):
    assert main(["slides"]) == 2
    assert "name a recording, or --list" in capsys.readouterr().err


def test_reveal_travels_with_its_licence_and_names_its_version():
    assert "Permission is hereby granted, free of charge" in reveal.file("LICENSE")
    assert re.fullmatch(r"\d+\.\d+\.\d+", reveal.version())
    assert "sourceMappingURL" not in reveal.file("reveal.js")
