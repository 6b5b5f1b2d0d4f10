"""The deck that is made from a recording: catalogue, outlines, figures in steps, code, errors."""

from __future__ import annotations

import base64
import dataclasses
import io
import itertools
import json
import re

import numpy as np
import pytest
from anatomy_passes import recorded
from matplotlib.figure import Figure
from PIL import Image

import tracer
from tracer.errors import InputError, MissingError
from tracer.languages import Texts
from tracer.rcnn import facts, texts
from tracer.record.query import find_call
from tracer.stepper.address import read, tick_at
from tracer.views.figures import FIGURES
from tracer.views.slides import assembly as build
from tracer.views.slides import catalogue, deck, outline, subject
from tracer.views.slides import illustrations as pictures
from tracer.views.slides.deck import Cells, Code, Pictures, Points
from tracer.views.slides.design import STAGES
from tracer.views.slides.excerpts import code, find_function
from tracer.views.slides.tables import TABLES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def evaluated():
    return recorded(targets=True).trace


@pytest.fixture(scope="module")
def lecture(evaluated):
    """One lecture in both languages."""
    return deck(evaluated, lang="both", stages=["fpn"], page="pass.html")


@pytest.fixture
def drawn_blank(monkeypatch):
    """Figures that take no time: what is asked for is noted, an empty one comes back."""
    asked = []

    def blank(it, name, **options):
        assert name in FIGURES
        asked.append(name)
        return Pictures((Figure((2, 1)),), f"{name} {it.lang}")

    monkeypatch.setattr(pictures, "drawn", blank)
    return asked


def by_key(made, lang="en"):
    return {slide.key: slide for slide in made.slides if slide.lang == lang}


def part(slide, kind):
    return next(p for p in slide.parts if isinstance(p, kind))


# --- the catalogue --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", outline.catalogue())
def test_what_the_catalogue_names_is_there(key, evaluated):
    entry = catalogue()[key]
    every = [entry.title, entry.caption, *entry.points, *entry.notes]
    assert entry.stage in STAGES
    assert all(entry.title.values())
    said = entry.notes or entry.about or entry.figure or entry.flow or entry.guess
    assert said, "the speaker has nothing to say"
    assert not entry.figure or entry.figure in FIGURES
    assert not entry.table or entry.table in TABLES
    for name in entry.about:
        assert tuple(name.split(".", 1)) in texts.entries()
    for english, chinese in (text.values() for text in every if text):
        assert bool(english) == bool(chinese)
        names = [set(facts.PLACEHOLDER.findall(text)) for text in (english, chinese)]
        assert names[0] == names[1]
        assert names[0] <= {*facts.FACTS, *subject.FACTS}
    if entry.code:
        shown = code(subject.Subject(evaluated, "en"), entry.code, entry.at)
        assert len(shown.code.steps) == len(entry.at), "a line to dwell on is not in the source"


KINDS = {
    "eval": {"targets": True},
    "train": {"train": True},
    "mobile": {"name": "fasterrcnn_mobilenet_v3_large_fpn"},
    "one level": {"name": "one level"},
    "one stage": {"name": "retinanet_resnet50_fpn"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_outline_fits_the_recording(kind, drawn_blank):
    trace = recorded(**KINDS[kind]).trace
    made = deck(trace)
    stages = {slide.stage for slide in made.slides}
    assert made.left_out == ()
    assert [made.slides[i].key for i in (0, -1)] == ["title", "sources"]
    assert 25 <= len(made.slides) <= 48 or kind in ("one stage", "one level", "mobile")
    assert ("losses" in stages) == (kind == "train")
    assert ("detections" in drawn_blank) == (kind != "train")
    assert ("merges" in drawn_blank) == (kind != "one level")
    assert ("rpn" in stages) == (kind != "one stage")
    assert ("recall" in drawn_blank) == (kind in ("eval", "train"))
    assert ("arXiv:1708.02002" in str(made.slides[-1])) == (kind == "one stage")


TWO_STAGE = ("fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_fpn")


@pytest.mark.parametrize("name", TWO_STAGE)
def test_what_a_deck_says_of_its_model_is_so(name):
    run = recorded(name=name, targets=name == TWO_STAGE[0] or None)
    told = subject.Subject(run.trace, "en")
    model, rpn, heads = run.model, run.model.rpn, run.model.roi_heads
    _, features = run.forward
    batch = [-(-max(size) // 32) * 32 for size in zip(*run.forward[0].image_sizes, strict=True)]
    strides = [batch[0] // f.shape[-2] for f in features.values()]
    expected = {
        "divisible": model.transform.size_divisible,
        "pyramid_channels": model.backbone.out_channels,
        "scales": len(set(strides)),
        "rpn_convolutions": len(rpn.head.conv),
        "per_cell": rpn.anchor_generator.num_anchors_per_location()[0],
        "largest_anchor": max(rpn.anchor_generator.sizes[-1]),
        "bins": "×".join(map(str, heads.box_roi_pool.output_size)),
        "box_weights": ", ".join(f"{w:g}" for w in heads.box_coder.weights),
        "least_score": heads.score_thresh,
        "most_boxes": heads.detections_per_img,
    }
    found = {key: told.told({"en": f"{{{key}}}"}) for key in expected}
    assert found == {key: str(value) for key, value in expected.items()}


def test_a_deck_says_nothing_of_parts_that_the_model_lacks(drawn_blank):
    trace = recorded(name=TWO_STAGE[1]).trace
    told = subject.Subject(trace, "en")
    assert told.about("stage.layer1") == ()
    assert told.about("function.Bottleneck.forward") == ()
    assert told.about("function.RPNHead.forward")
    said = {slide.key: slide.title for slide in deck(trace).slides}
    assert "15 for each cell" in said["base-anchors"]
    assert "bottleneck-code" not in said
    names = re.compile(r"\bC[1-5]\b|\bP[2-4]\b|[{}]")
    shown = [*said.values(), *(p for s in deck(trace).slides for x in s.parts for p in _lines(x))]
    assert [line for line in shown if names.search(line)] == []


def test_the_builder_is_shown_for_what_it_builds(evaluated):
    def has(trace):
        return subject.Subject(trace, "en").has("resnet50")

    def with_head(kind):
        modules = {
            path: dataclasses.replace(m, type=kind) if path == "roi_heads.box_head" else m
            for path, m in evaluated.modules.items()
        }
        return dataclasses.replace(evaluated, modules=modules)

    assert evaluated.modules["roi_heads.box_head"].type == "TwoMLPHead"
    assert has(evaluated)
    assert has(with_head("TwoMLPHead"))
    assert not has(with_head("FastRCNNConvFCHead")), "that of v2"
    assert not has(recorded(name=TWO_STAGE[1]).trace)


def _lines(shown):
    return shown.lines if isinstance(shown, Points) else [getattr(shown, "caption", "")]


def test_the_whole_walkthrough_is_covered(drawn_blank, evaluated):
    made = deck(evaluated)
    here = {slide.stage for slide in made.slides}
    assert here == set(STAGES) - {"losses", "activations"}
    assert all(slide.notes for slide in made.slides)
    assert all(slide.parts for slide in made.slides)


def test_it_opens_with_the_photo_and_shows_the_building_of_what_was_seen(drawn_blank, evaluated):
    made = deck(evaluated)
    first = made.slides[0]
    assert first.layout == "title"
    assert {type(each) for each in first.parts} == {Pictures, Points}
    stages = [slide.stage for slide in made.slides]
    assert stages.index("build") > stages.index("postprocess")
    assert [slide.key for slide in made.slides][-2:] == ["summary", "sources"]
    asked = [slide for slide in made.slides if slide.title.startswith("A question: ")]
    assert len(asked) == 2
    assert all(part({s.key: s for s in asked}[each.key], Points).stepwise for each in asked)


SENTENCE = re.compile(r"[.!?。！？][”)）]*(\{\w+\})?$")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
def test_notes_are_whole_sentences(kind, lang, drawn_blank):
    made = deck(recorded(**KINDS[kind]).trace, lang=lang)
    blank = tuple(f"{name} {lang}" for name in drawn_blank)
    notes = {(slide.key, note) for slide in made.slides for note in slide.notes}
    assert [n for n in notes if not SENTENCE.search(n[1]) and not n[1].endswith(blank)] == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_remarks_on_figures_are_whole_sentences(lang):
    remarks = {k: v for k, v in Texts("figures").all(lang).items() if k.endswith(".note")}
    assert len(remarks) > 25
    assert [key for key, text in remarks.items() if not SENTENCE.search(text.strip())] == []


def test_code_is_that_of_the_block_in_the_figure(drawn_blank, evaluated):
    slides = by_key(deck(evaluated))
    assert "backbone.body.layer2.1%230" in slides["bottleneck"].step
    assert "backbone.body.layer2.1%230" in slides["bottleneck-code"].step


def test_a_construction_has_slides_too(built, drawn_blank):
    made = deck(built, lang="zh")
    assert "make-layer" in by_key(made, "zh")
    assert drawn_blank == []
    steps = part(by_key(made, "zh")["make-layer"], Code).steps
    assert any("self" not in text and text for step in steps for text in step.beside)


# --- a lecture ------------------------------------------------------------------------------------


def test_a_lecture_has_its_stage_alone(lecture):
    keys = [slide.key for slide in lecture.slides if slide.lang == "en"]
    inside = [key for key, entry in catalogue().items() if entry.stage == "fpn"]
    assert keys == ["title", *inside, "sources"]
    assert lecture.title == "Feature pyramid"
    assert lecture.slides[0].title == "Feature pyramid"
    assert lecture.slides[1].title == "特征金字塔"
    assert [s.lang for s in lecture.slides] == ["en", "zh"] * len(keys)


def test_numbers_are_the_recordings_own(lecture, evaluated):
    c2 = find_call(evaluated, "backbone.body.layer1").result
    shape = evaluated.tensors[c2.tensor].summary.shape
    written = "×".join(map(str, shape))
    for lang in ("en", "zh"):
        lines = part(by_key(lecture, lang)["fpn-idea"], Points).lines
        assert written in lines[0]
        assert all("{" not in line for line in lines)


def test_every_slide_has_notes_in_its_language(lecture):
    for slide in lecture.slides:
        said = " ".join(slide.notes)
        chinese = sum("\u4e00" <= letter <= "\u9fff" for letter in said)
        assert said
        assert "`" not in said
        assert (chinese > len(said) / 4) == (slide.lang == "zh"), slide.key


def test_links_lead_to_steps_of_the_page(lecture, evaluated):
    linked = [slide for slide in lecture.slides if slide.step]
    assert {"fpn-merges", "fpn-code", "pyramid"} <= {slide.key for slide in linked}
    for slide in linked:
        address = read(slide.step)
        assert address.pop("lang") == slide.lang
        assert tick_at(evaluated, address) is not None


def test_code_links_to_the_first_line_that_it_dwells_on(recorded):
    shown = code(subject.Subject(recorded, "en"), "FeaturePyramidNetwork.forward")
    call = find_call(recorded, "backbone.fpn")
    line = next(x for x in recorded.lines if x.tick == tick_at(recorded, read_step(shown.step)))
    assert line.call == call.id
    assert line.line == shown.code.steps[0].lines[0]


def read_step(step):
    return {name: text for name, text in read(step).items() if name != "lang"}


def test_code_has_the_shapes_beside_its_lines(recorded):
    at = ["inner_top_down = F.interpolate", "last_inner = inner_lateral +"]
    shown = code(subject.Subject(recorded, "en"), "FeaturePyramidNetwork.forward", at)
    lines = shown.code.text.splitlines()
    first = [lines[step.lines[0] - shown.code.first].strip() for step in shown.code.steps]
    assert [text.startswith(a) for text, a in zip(first, at, strict=True)] == [True, True]
    assert not lines[0].startswith(" ")
    upsampled = next(
        value
        for line in recorded.lines
        if line.line == shown.code.steps[0].lines[0] and line.call == find_call(
            recorded, "backbone.fpn").id
        for name, value in line.changed
        if name == "inner_top_down"
    )  # fmt: skip
    shape = recorded.tensors[upsampled.tensor].summary.shape
    expected = f"inner_top_down: {'×'.join(map(str, shape))}"
    assert shown.code.steps[0].beside == (expected, "round 1 of 3")
    assert shown.said[0].startswith(f"{shown.code.steps[0].lines[0]}: The coarser level")


def test_code_that_did_not_run_is_shown_with_remarks(recorded):
    shown = code(subject.Subject(recorded, "zh"), "ResNet._make_layer")
    assert all(len(step.beside) == 1 for step in shown.code.steps)
    assert shown.step == ""
    with pytest.raises(MissingError, match=r"did you mean 'ResNet\._make_layer'"):
        find_function(recorded, "ResNet.make_layer")


# --- steps of a figure ----------------------------------------------------------------------------


def pixels(figure) -> np.ndarray:
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=40)
    return np.asarray(Image.open(written).convert("RGB")).astype(int)


def test_merges_are_shown_step_by_step(lecture):
    figures = part(by_key(lecture)["fpn-merges"], Pictures).figures
    assert len(figures) == 2 + 4  # the backbone's maps, the laterals, and the four rows
    shown = [(pixels(figure) < 250).any(2) for figure in figures]
    counts = [int(one.sum()) for one in shown]
    assert counts == sorted(set(counts)), "each step shows more"
    for before, after in itertools.pairwise(shown):
        assert (before & ~after).sum() < 0.01 * before.sum(), "what was there stays where it was"


def test_the_last_step_is_the_whole_figure(evaluated):
    it = subject.Subject(evaluated, "en")
    whole = FIGURES["funnel"].draw(it.parts, size="slide")
    figures = pictures.drawn(it, "funnel", theme="light", size=(12.2, 5.35)).figures
    assert len(figures) == len(it.parts.rpn.proposals(0).funnel.steps)
    numbers = [text.get_text() for text in whole.axes[0].texts]
    last = figures[-1].axes[0]
    assert [text.get_text() for text in last.texts if text.get_visible()] == numbers
    first = [t.get_text() for t in figures[0].axes[0].texts if t.get_visible()]
    assert f"{len(it.parts.anchors):,}" in first
    assert len(first) < len(numbers)


def test_figures_leave_the_title_to_the_slide(evaluated):
    it = subject.Subject(evaluated, "zh")
    made = pictures.drawn(it, "pyramid", theme="dark", size=(12.2, 5.35))
    figure = made.figures[0]
    visible = [text.get_text() for text in figure.texts if text.get_visible()]
    assert figure.get_suptitle() not in visible
    assert figure.get_suptitle() in made.alt
    assert "\n" not in made.alt


def test_everything_at_once(evaluated):
    """Without steps: whole figures, points that are there, all lines to dwell on in one step."""
    stepwise, whole = (deck(evaluated, stages=["fpn"], steps=steps) for steps in (True, False))
    for one, other in zip(stepwise.slides, whole.slides, strict=True):
        for before, after in zip(one.parts, other.parts, strict=True):
            assert type(before) is type(after)
            if isinstance(before, Pictures):
                assert len(after.figures) == 1
            if isinstance(before, Points):
                assert after.lines == before.lines
                assert not after.stepwise
            if isinstance(before, Code):
                lines = [line for step in before.steps for line in step.lines]
                assert [list(step.lines) for step in after.steps] == [lines]
    assert len(part(by_key(stepwise)["fpn-merges"], Pictures).figures) > 1


def test_shapes_stay_beside_code_that_is_shown_at_once(recorded, drawn_blank):
    (step,) = part(by_key(deck(recorded, steps=False, stages=["fpn"]))["fpn-code"], Code).steps
    assert step.beside[0].startswith(f"{step.lines[0]} last_inner: ")


def test_remarks_are_not_beside_code_that_is_shown_at_once(evaluated):
    (code_slide,) = (s for s in deck(evaluated, steps=False, stages=["build"]).slides
                     if s.key == "builder")  # fmt: skip
    (step,) = part(code_slide, Code).steps
    assert len(step.lines) >= 5
    assert step.beside == ()


# --- outlines -------------------------------------------------------------------------------------


def written(folder, text):
    path = folder / "talk.toml"
    path.write_text(text, "utf-8")
    return path


def test_an_outline_chooses_orders_and_adds(tmp_path, evaluated, drawn_blank):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    path = written(tmp_path, """
title = { en = "My lecture", zh = "我的课" }

[[slide]]
use = "pyramid"

[[slide]]
use = "pipeline"
title = "Before anything else"
caption = ""

[[slide]]
title = { en = "In the lab", zh = "在实验室" }
points = ["There are {anchors} anchors and {braces}", { en = "English", zh = "中文" }]
picture = "red.png"
stage = "rpn"
notes = "Say hello."

[[slide]]
key = "sizes"
title = "Sizes"
table = { head = ["what", "how many"], rows = [["anchors", "{anchors}"], ["fingers", 10]] }
""")  # fmt: skip
    made = deck(evaluated, lang="both", outline=path)
    assert made.title == "My lecture"
    assert [s.key for s in made.slides[::2]] == ["pyramid", "pipeline", "slide-3", "sizes"]
    english, chinese = by_key(made), by_key(made, "zh")
    assert english["pipeline"].title == chinese["pipeline"].title == "Before anything else"
    assert part(english["pipeline"], Pictures).caption == ""
    anchors = f"{len(subject.Subject(evaluated, 'en').parts.anchors):,}"
    assert part(english["slide-3"], Points).lines[1] == "English"
    assert part(chinese["slide-3"], Points).lines[1] == "中文"
    assert (
        part(english["slide-3"], Points).lines[0] == f"There are {anchors} anchors and {{braces}}"
    )
    assert english["slide-3"].notes == ("Say hello.",)
    assert part(english["sizes"], Cells).rows == (("anchors", anchors), ("fingers", "10"))
    red = part(english["slide-3"], Pictures)
    assert red.alt == "In the lab"
    assert (pixels(red.figures[0]).reshape(-1, 3)[:, 0] > 240).mean() > 0.9


WRONG = {
    "unknown slide": (
        '[[slide]]\nuse = "pyramid"\n\n[[slide]]\nuse = "pirámid"\n',
        "line 5: there is no slide 'pirámid'; did you mean 'pyramid'?",
    ),
    "no near slide": ('[[slide]]\nuse = "zzzzz"\n', "line 2.*tracer slides --list"),
    "unknown field": ('[[slide]]\ntitel = "x"\n', "line 2: a slide has no field 'titel'.*'title'"),
    "unknown table": ('[[slides]]\nuse = "title"\n', "line 1: there is no 'slides'.*'slide'"),
    "wrong type": (
        '[[slide]]\npoints = """\na\nb"""\nstepwise = "yes"\n',
        "line 5: 'stepwise' is true or false; found 'yes'",
    ),
    "wrong language": (
        '[[slide]]\ntitle = { en = "a", de = "b" }\n', "line 2: 'title' is a text, or one for each"
    ),
    "wrong stage": ('[[slide]]\nstage = "fpm"\n', "line 2: 'stage' is one of.*did you mean 'fpn'"),
    "ragged table": (
        '[[slide]]\ntable = { head = ["a"], rows = [["1", "2"]] }\n',
        "line 2: 'table' is a name, or",
    ),
    "no slides": ('title = "x"\n', "has no slides: each begins with a line"),
    "no TOML": ('[[slide]]\ntitle = "x\n', "is no valid TOML.*line 2"),
    "about nothing": ('[[slide]]\ntitle = "x"\nabout = "stage.fpm"\n', "nothing about 'stage.fpm'"),
    "no picture": (
        '[[slide]]\ntitle = "x"\npicture = "none.png"\n', "line 1.*'.*none.png'.*No such"
    ),
    "no notebook": ('[[slide]]\nnotebook = "talk.toml"\n', "line 1: .*is no Jupyter notebook"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_outline_says_where(case, tmp_path, evaluated):
    text, expected = WRONG[case]
    with pytest.raises(InputError, match=expected):
        deck(evaluated, outline=written(tmp_path, text))


def test_an_outline_that_is_not_there(tmp_path, evaluated):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        deck(evaluated, outline=tmp_path / "none.toml")


def test_what_cannot_be_drawn_is_left_out_or_an_error(tmp_path, evaluated):
    path = written(tmp_path, """
[[slide]]
use = "anchor-table"

[[slide]]
figure = "looses"

[[slide]]
use = "losses"
""")  # fmt: skip
    made = deck(evaluated, outline=path)
    assert [slide.key for slide in made.slides] == ["anchor-table"]
    unknown, untrained = made.left_out
    assert "slide-2" in unknown
    assert f"{path}, line 5" in unknown
    assert "did you mean 'losses'" in unknown
    assert "'losses'" in untrained
    assert "training mode" in untrained
    with pytest.raises(MissingError, match=r"line 5.*did you mean 'losses'"):
        deck(evaluated, outline=path, strict=True)


def test_a_figure_refuses_options_that_it_lacks(tmp_path, evaluated):
    text = '[[slide]]\nfigure = "head"\noptions = { chanel = 3 }\n'
    with pytest.raises(InputError, match=r"'head' cannot be drawn with .*chanel"):
        deck(evaluated, outline=written(tmp_path, text))


def test_a_recording_without_kept_tensors_has_the_rest(drawn_blank, monkeypatch):
    bare = recorded(keep=None).trace
    monkeypatch.undo()
    made = deck(bare, stages=["rpn"])
    keys = {slide.key for slide in made.slides}
    assert {"rpn-idea", "filter-code"} <= keys
    assert "objectness" not in keys
    assert any("'objectness'" in line and 'keep="anatomy"' in line for line in made.left_out)
    with pytest.raises(MissingError, match="keep"):
        deck(bare, stages=["rpn"], strict=True)


# --- what cannot be made --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"lang": "de"}, "there is no language 'de'.*en, zh, both"),
        ({"theme": "darc"}, "there is no theme 'darc'; did you mean 'dark'"),
        ({"stages": ["fnp"]}, "there is no stage 'fnp'; did you mean 'fpn'"),
        ({"stages": ["losses"]}, "slides of losses are for other recordings .*training"),
    ],
)
def test_options_that_do_not_fit(options, expected, evaluated):
    with pytest.raises((InputError, MissingError), match=expected):
        deck(evaluated, **options)


# --- notebooks ------------------------------------------------------------------------------------


def notebook(path, *cells):
    data = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(data), "utf-8")
    return path


def shown(*outputs, tags=("slide",)):
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags)},
        "source": "1",
        "outputs": outputs,
    }


def png(colour) -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def test_tagged_cells_become_slides(tmp_path, evaluated):
    text = {"cell_type": "markdown", "metadata": {}, "source": ["# Our heading\n", "Look closely."]}
    figure = {"output_type": "display_data", "data": {"image/png": png("blue"), "text/plain": "x"}}
    printed = {"output_type": "stream", "name": "stdout", "text": ["a table\n", "of text\n"]}
    notebook(tmp_path / "own.ipynb", text, shown(figure), shown(printed, tags=()), shown(printed))
    path = written(tmp_path, '[[slide]]\nnotebook = "own.ipynb"\nstage = "fpn"\n')
    made = deck(evaluated, lang="both", outline=path)
    first, second = made.slides
    assert (first.title, first.stage, first.notes) == ("Our heading", "fpn", ("Look closely.",))
    blue = part(first, Pictures)
    assert blue.caption == "own.ipynb, [2]"
    assert (pixels(blue.figures[0]).reshape(-1, 3)[:, 2] > 240).mean() > 0.9
    assert part(second, Code).text == "a table\nof text"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([shown(tags=())], "no cell of 'own.ipynb' is tagged 'slide'"),
        ([shown()], "cell 1 of 'own.ipynb' is tagged 'slide' and has shown no picture"),
    ],
)
def test_notebooks_without_slides(cells, expected, tmp_path, evaluated):
    notebook(tmp_path / "own.ipynb", *cells)
    path = written(tmp_path, '[[slide]]\nuse = "anchor-table"\n[[slide]]\nnotebook = "own.ipynb"\n')
    made = deck(evaluated, outline=path)
    assert len(made.slides) == 1
    assert expected in made.left_out[0]


# --- from a notebook ------------------------------------------------------------------------------


def test_a_trace_writes_its_slides(tmp_path, evaluated):
    path = written(tmp_path, '[[slide]]\nuse = "anchor-table"\n[[slide]]\nuse = "losses"\n')
    with pytest.warns(UserWarning, match="left out: 'losses'"):
        file = evaluated.slides(tmp_path / "deck.html", outline=path, lang="zh")
    assert file == tmp_path / "deck.html"
    assert "锚框数" in file.read_text("utf-8")
    with pytest.raises(InputError, match=r"written as \.html, \.pptx, \.pdf; found"):
        tracer.Recording.slides(evaluated, tmp_path / "deck.key")


def test_titles_of_decks(evaluated):
    nothing = outline.Outline(())
    assert build._title(nothing, (), evaluated, "en") == "FasterRCNN step by step"
    assert build._title(nothing, ("fpn", "rpn"), evaluated, "zh") == "特征金字塔、RPN"
