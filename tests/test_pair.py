"""Two recordings on one page: their steps side by side, and what the page holds of both."""

from __future__ import annotations

import dataclasses
import re

import handmade
import kinds
import numpy as np
import pytest
import stories
import torch
from torch import nn

import tracer
from tracer import cli
from tracer.errors import InputError, MissingError, TracerError
from tracer.languages import Texts, languages
from tracer.rcnn.anatomy import anatomies
from tracer.rcnn.anatomy.agreement import agree
from tracer.rcnn.stories import followed, why
from tracer.record import Source, Trace, Value
from tracer.record.codec import decode
from tracer.record.comparison import Comparison, compare
from tracer.views.figures.detections import BEST
from tracer.views.figures.divergence import fig_both_detections
from tracer.views.kit.differences import verdict
from tracer.views.kit.stories import station
from tracer.views.page.pack import unpack
from tracer.views.page.pair import MAIN, pair_page
from tracer.views.page.shell import bundle
from tracer.views.page.together import together


class Net(nn.Module):
    """Two layers in an order of choice, and a branch."""

    def __init__(self, order: tuple[str, ...] = ("one", "two"), above: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("one", "two", "three")})
        self.order, self.above = order, above

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in self.order:
            x = self.layers[name](x)
        if x.sum() > self.above:
            x = x + 1
            x = x * 2
        return x


def recorded(*args: object, **options: object) -> Trace:
    with torch.no_grad():
        return tracer.trace(Net(*args).eval(), torch.ones(2, 4), grain="line", **options)  # type: ignore[arg-type]


MADE = {
    "the same twice": lambda: (handmade.tiny_pass(), handmade.tiny_pass()),
    "one failed": lambda: (handmade.tiny_pass(), handmade.failed_pass()),
    "constructions": lambda: (handmade.tiny_construction(), handmade.tiny_construction()),
    "other models": lambda: (stories.pyramid_pass(), handmade.repeated_pass()),
    "two roots": lambda: (stories.two_roots(), stories.pyramid_pass()),
    "a layer more": lambda: (recorded(), recorded(("one", "three", "two"))),
    "another order": lambda: (recorded(("one", "two", "three")), recorded(("three", "one", "two"))),
    "another branch": lambda: (recorded(("one",), -1e9), recorded(("one",), 1e9)),
}


@pytest.fixture(params=MADE, scope="module")
def compared(request) -> Comparison:
    return compare(*MADE[request.param]())


def all_ticks(trace: Trace) -> list[int]:
    calls = [tick for call in trace.calls for tick in (call.start, call.end)]
    return sorted([*calls, *(line.tick for line in trace.lines)])


# --- the steps ------------------------------------------------------------------------------------


def test_every_step_of_both_is_there_once(compared):
    steps = together(compared)
    for side, trace in ((0, compared.first), (1, compared.second)):
        assert sorted(s[side] for s in steps if s[side] is not None) == all_ticks(trace)
    assert not any(step.first is None and step.second is None for step in steps)


def test_steps_are_in_the_order_of_the_first(compared):
    ticks = [step.first for step in together(compared) if step.first is not None]
    assert ticks == sorted(ticks)
    if not any(pair.moved for pair in compared.pairs):
        ticks = [step.second for step in together(compared) if step.second is not None]
        assert ticks == sorted(ticks)


def test_matched_calls_begin_and_end_together(compared):
    steps = set(together(compared))
    for index, pair in enumerate(compared.pairs):
        for name in ("start", "end"):
            ends = [None if c is None else getattr(c, name) for c in (pair.first, pair.second)]
            assert (*ends, index) in steps


def test_a_step_lies_in_its_pair(compared):
    for first, second, index in together(compared):
        pair = compared.pairs[index]
        for tick, call in ((first, pair.first), (second, pair.second)):
            assert tick is None or (call is not None and call.start <= tick <= call.end)


def test_a_recording_with_itself_steps_alike():
    trace = handmade.tiny_pass()
    assert all(step.first == step.second for step in together(compare(trace, trace)))


def test_lines_that_only_one_runs_are_steps_of_it_alone():
    compared = compare(recorded(("one",), -1e9), recorded(("one",), 1e9))
    alone = [step for step in together(compared) if step.second is None]
    texts = compared.first.sources
    lines = {line.tick: line for line in compared.first.lines}
    found = []
    for step in alone:
        line = lines.get(step.first)
        if line is not None:
            file = compared.first.calls[line.call].source.file
            found.append(texts[file].text.splitlines()[line.line - 1].strip())
    assert found == ["x = x + 1", "x = x * 2"]


# --- detections that one of the two lacks ---------------------------------------------------------


@pytest.fixture(scope="module")
def thinned() -> Comparison:
    """A detector's pass, and one in which more is removed by the RPN's NMS."""
    model = kinds.detector()
    options = {"keep": "anatomy"}
    with torch.no_grad():
        first = tracer.trace(model, kinds.pictures(), **options)
        second = tracer.trace(model, kinds.pictures(), change={"rpn.nms_thresh": 0.3}, **options)
    return compare(first, second)


@pytest.mark.slow
def test_what_a_pass_lacks_is_followed_in_it(thinned):
    passes = anatomies(thinned.first, thinned.second)
    rows = held(pair_page(thinned))[0]["pair"]["detections"]["outcomes"]
    alone = [row for row in rows if row[1] in ("vanished", "appeared")]
    assert {row[1] for row in alone} == {"vanished", "appeared"}
    assert all((row[5] is None) == (row not in alone) for row in rows)
    for image, what, *places, _, (english, chinese) in alone[::6]:
        side = int(what == "vanished")
        given = [{"boxes": np.zeros((0, 4)), "labels": np.zeros(0)} for _ in passes[0].pictures]
        found, number = passes[1 - side].results[image], places[1 - side]
        given[image] = {"boxes": found.boxes.xyxy[number], "labels": found.labels[[number]]}
        (story,) = why(passes[side], targets=given, image=image).objects
        said = f"lost at “{station(story.lost, 'en')}”" if story.lost else "belongs to another one"
        assert f"{'AB'[side]} " in english
        assert said in english
        assert (station(story.lost, "zh") if story.lost else "已与另一个配对") in chinese


@pytest.mark.slow
def test_the_figure_dashes_what_a_pass_lacks_of_the_best_of_the_other(thinned):
    passes = anatomies(thinned.first, thinned.second)
    outcomes = agree(*(parts.results for parts in passes))
    drawn = fig_both_detections(thinned).axes
    for side, other in ((0, "second"), (1, "first")):
        alone = [getattr(it, other) for it in outcomes if it.kind == ("appeared", "vanished")[side]]
        boxes = passes[1 - side].results[0].boxes.xyxy[[n for n in alone if n < BEST]]
        dashed = [it for it in drawn[side].patches if it.get_linestyle() not in ("-", "solid")]
        found = [(*it.get_xy(), it.get_width(), it.get_height()) for it in dashed]
        assert found
        assert np.allclose(found, np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]))


@pytest.mark.slow
def test_of_other_pictures_or_classes_nothing_is_followed(thinned):
    model, parts = kinds.detector(num_classes=2), anatomies(thinned.first, thinned.first)[0]
    with torch.no_grad():
        fewer = tracer.trace(model, kinds.pictures(), keep="anatomy")
        other = tracer.trace(model, [p[:, :-4] for p in kinds.pictures()], keep="anatomy")
    found = parts.results[0]
    assert found.labels.max() > 1
    for trace, why_not in ((fewer, "the pass has 1 classes"), (other, "another picture")):
        with pytest.raises(MissingError, match=why_not):
            followed(anatomies(trace, trace)[0], found, range(len(found)))


# --- what the page holds --------------------------------------------------------------------------


def held(html: str):
    return unpack(re.search(r'id="recording">([^<]*)<', html)[1])


def decoded(data) -> Trace:
    return Trace(**decode(data["trace"], Trace, (Source, Value), frozenset({"blobs"})))


def test_a_page_holds_both_and_what_the_comparison_says(compared):
    data, arrays = held(pair_page(compared))
    assert decoded(data).calls == compared.first.calls
    assert decoded(data["second"]).calls == compared.second.calls
    about = data["pair"]
    assert about["verdict"] == [verdict(compared, lang) for lang in languages()]
    assert len(about["pairs"]) == len(compared.pairs)
    assert about["steps"] == [list(column) for column in zip(*together(compared), strict=True)]
    if compared.divergence is not None:
        assert about["first"] == compared.divergence
    own = [n for n in arrays if not n.startswith(("second/", "scene/"))]
    assert len(own) == sum(n.startswith(("preview/", "data/")) for n in arrays)
    for name, trace in (("preview/", compared.first), ("second/preview/", compared.second)):
        for state in trace.tensors:
            if state.preview:
                assert np.array_equal(arrays[f"{name}{state.id}"], trace.preview(state.id))


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_of_recording_has_a_page_beside_itself(kind):
    trace = kinds.KINDS[kind]()
    data, _ = held(pair_page(compare(trace, trace)))
    assert data["pair"]["steps"][0] == all_ticks(trace)


def test_it_opens_where_the_two_part():
    compared = compare(recorded(("one",), -1e9), recorded(("one",), 1e9))
    data, _ = held(pair_page(compared))
    first, second, status, *_ = data["pair"]["pairs"][data["pair"]["first"]]
    pair = compared.pairs[compared.divergence]
    assert (first, second, status) == (pair.first.start, pair.second.start, "origin")
    step = data["pair"]["branch"]
    line = next(x for x in compared.first.lines if x.tick == data["pair"]["steps"][0][step])
    assert line.line == compared.branch.at[0]


def test_two_that_agree_have_nothing_to_go_to():
    data, _ = held(pair_page(compare(handmade.tiny_pass(), handmade.tiny_pass())))
    assert data["pair"]["first"] is None
    assert data["pair"]["branch"] is None


def test_a_smaller_page_leaves_the_same_out_of_both():
    first, second = handmade.tiny_pass(), handmade.failed_pass()
    data, arrays = held(pair_page(compare(first, second), budget=1))
    assert {"ops", "lines"} <= set(data["left_out"])
    assert not [n for n in arrays if "preview" in n or "data" in n]
    traces = decoded(data), decoded(data["second"])
    starts = [{call.start for call in trace.calls} for trace in traces]
    for row in data["pair"]["pairs"]:
        assert all(tick is None or tick in known for tick, known in zip(row, starts, strict=False))
    places = [{t for c in trace.calls for t in (c.start, c.end)} for trace in traces]
    for ticks, known in zip(data["pair"]["steps"], places, strict=False):
        assert {tick for tick in ticks if tick is not None} == known


def test_hostile_names_are_data(compared):
    hostile = handmade.hostile_pass()
    html = pair_page(compare(hostile, dataclasses.replace(hostile, subject="</script><b>")))
    assert html.count("<script") == 2
    assert "<b>" not in html


def test_every_text_of_the_page_is_named_and_there():
    texts = {key for key in Texts("page").all("en") if key.startswith("pair.")}
    script = bundle(MAIN)
    outcomes = {f"pair.{key}" for key in Texts("diff").table("detections", "en")}
    assert set(re.findall(r'"(pair\.\w+)"', script)) <= texts | outcomes
    # Keys that are put together at run time begin with a word and an underscore.
    stems = set(re.findall(r"`(pair\.\w+_)\$", script))
    idle = [k for k in texts if f'"{k}"' not in script and not k.startswith(tuple(stems))]
    assert idle == []


@pytest.mark.parametrize("given", [{"lang": "xx"}, {"budget": 0}])
def test_what_cannot_be_is_refused(given):
    with pytest.raises(InputError):
        pair_page(compare(handmade.tiny_pass(), handmade.tiny_pass()), **given)


def test_a_recording_without_calls_is_refused():
    with pytest.raises(TracerError, match="without a call"):
        pair_page(compare(stories.empty(), stories.empty()))


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    files = []
    for name, trace in (("a", handmade.tiny_pass()), ("b", handmade.failed_pass())):
        files.append(str(trace.save(tmp_path / f"{name}.safetensors")))
    return files


def test_the_command_writes_the_page(two, tmp_path, capsys):
    assert cli.main(["diff", *two, "--format", "html", "--exit-code"]) == 1
    assert "a-b.html" in capsys.readouterr().out
    data, _ = held((tmp_path / "a-b.html").read_text("utf-8"))
    assert data["pair"]["names"] == ["a tiny pass", "a tiny pass"]
    assert cli.main(["diff", *two, "--format", "html", "-o", str(tmp_path / "x.html")]) == 0
    assert (tmp_path / "x.html").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "x.html"], "are for html, png, svg and pdf"),
        (["--format", "html", "--grain", "op"], "html shows every call"),
    ],
)
def test_the_command_refuses_what_does_not_go_together(two, options, said, capsys):
    assert cli.main(["diff", *two, *options]) == 2
    assert said in capsys.readouterr().err
