"""The page's parts in Python, and its stepper against the shared cases."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import case_files
import handmade
import numpy as np
import pytest
import stories
from pygments.lexers.javascript import JavascriptLexer
from pygments.token import Token

import tracer.views.page as page_module
from tracer.cli import main
from tracer.errors import InputError, TracerError
from tracer.languages import Texts
from tracer.numbers import number
from tracer.rcnn.anatomy import anatomy as anatomy_of
from tracer.rcnn.removed import nms_counts
from tracer.record import Source, Trace, Value
from tracer.record.codec import decode
from tracer.stepper import Stepper
from tracer.views.kit.scene import places
from tracer.views.page import page, pair, shell
from tracer.views.page.data import contents, only_calls
from tracer.views.page.highlight import KINDS, tokens
from tracer.views.page.labels import _made, labels
from tracer.views.page.pack import Press, unpack
from tracer.views.page.shell import MAIN, SHARED, bundle, document, modules, static

FOLDER = Path(page_module.__file__).parent
TRACES = {
    "tiny": handmade.tiny_pass,
    "failed": handmade.failed_pass,
    "construction": handmade.tiny_construction,
    "hostile": handmade.hostile_pass,
    "pyramid": stories.pyramid_pass,
    "two roots": stories.two_roots,
}


def recording_of(html: str):
    """What is embedded in a page."""
    return unpack(re.search(r'<script type="text/plain" id="recording">([^<]*)<', html)[1])


def trace_of(html: str) -> Trace:
    """The trace in a page, its arrays aside."""
    data, _ = recording_of(html)
    fields = decode(data["trace"], Trace, (Source, Value), frozenset({"blobs"}))
    return Trace(**fields)


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


# --- what is embedded -----------------------------------------------------------------------------


def test_packing_and_unpacking_gives_the_same():
    arrays = {"a": np.arange(7, dtype=np.uint8), "b": np.ones((2, 3), np.float32)}
    data, found = unpack(Press().pack(({"text": "</script>\ud800"},), arrays))
    assert data == {"text": "</script>\ud800"}
    assert all(np.array_equal(found[n], a) and found[n].dtype == a.dtype for n, a in arrays.items())


@pytest.mark.parametrize("name", TRACES)
def test_a_page_holds_the_whole_trace(name):
    trace = TRACES[name]()
    found = trace_of(page(trace))
    assert found.calls == trace.calls
    assert found.lines == trace.lines
    assert found.sources == trace.sources
    assert [s.producer for s in found.tensors] == [s.producer for s in trace.tensors]
    for mine, its in zip(found.tensors, trace.tensors, strict=True):
        assert mine.summary.shape == its.summary.shape
        if its.summary.mean is None:
            assert mine.summary.mean is None
        else:
            assert mine.summary.mean == pytest.approx(its.summary.mean, rel=1e-5)


def test_previews_and_small_kept_tensors_are_in_the_page():
    trace = handmade.tiny_pass()
    _, arrays = recording_of(page(trace))
    for state in trace.tensors:
        if state.preview:
            assert np.array_equal(arrays[f"preview/{state.id}"], trace.preview(state.id))
        if state.kept:
            assert np.array_equal(arrays[f"data/{state.id}"], trace.data(state.id))


@pytest.mark.parametrize(
    "text", ["", "\n", "def f(x):\n    return 'é𝄞'\r\n", "x = (", "\x00\ud800"]
)
def test_tokens_cover_the_text_in_utf16_units(text):
    runs = tokens(text)
    assert sum(runs[1::2]) == len(text.encode("utf-16-le", "surrogatepass")) // 2
    assert all(kind in range(len(KINDS)) for kind in runs[::2])


def test_tokens_tell_keywords_from_names_and_strings():
    runs = tokens("def f(): return 'x'")
    kinds = [KINDS[kind] for kind in runs[::2]]
    assert kinds[0] == "k"
    assert "f" in kinds
    assert kinds[-1] == "s"


# --- the document ---------------------------------------------------------------------------------


def test_the_document_lets_nothing_in_but_what_it_is():
    html = page(handmade.tiny_pass())
    elements = Elements(html).found
    policy = next(a["content"] for _, a in elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    links = [value for _, a in elements for name, value in a.items() if name in ("src", "href")]
    assert not links
    assert Counter(tag for tag, _ in elements)["script"] == 2


def test_hostile_names_add_no_element():
    harmless = Counter(tag for tag, _ in Elements(page(handmade.tiny_pass())).found)
    hostile = Counter(tag for tag, _ in Elements(page(handmade.hostile_pass())).found)
    assert hostile == harmless


def test_a_template_word_in_a_title_is_text():
    assert "<title>{{script}}</title>" in document("", "{{script}}", "en")


MAINS = (MAIN, pair.MAIN)
"""The page of a recording, and that of two."""


def test_every_module_is_in_a_page():
    own = {f.name for f in FOLDER.glob("*.js")}
    assert own | set(SHARED) == {name for main in MAINS for name in modules(main)}


@pytest.mark.parametrize("main", MAINS)
def test_modules_come_after_what_they_import(main):
    order = modules(main)
    pattern = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)
    exported = {name: set(pattern.findall(static(name))) for name in order}
    for name in order:
        taken = re.findall(r'^import (.*?) from "\./([\w-]+\.js)";$', static(name), re.MULTILINE)
        for names, needed in taken:
            assert order.index(needed) < order.index(name), f"{name} imports {needed}"
            if names.startswith("{"):
                wanted = set(names.strip("{} ").split(", "))
                assert wanted <= exported[needed], f"{name} takes from {needed}: {names}"


@pytest.mark.parametrize("main", MAINS)
def test_the_bundle_holds_no_import_and_no_export(main):
    assert bundle(main).count("await(async()=>{") == len(modules(main))
    assert not re.search(r"^(import|export)\b", bundle(main), re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("main", MAINS)
def test_the_bundle_says_what_its_modules_say(main):
    """What takes the blanks out knows no template within a template: write none."""

    def said(code):
        lexed = JavascriptLexer().get_tokens(code)
        return [t for kind, t in lexed if t and not (kind in Token.Comment or kind in Token.Text)]

    written = said("".join(shell._enclosed(name) for name in modules(main)))
    lost = next((w for w, b in zip(written, said(bundle(main)), strict=False) if w != b), None)
    assert lost is None
    assert len(written) == len(said(bundle(main)))


@pytest.mark.parametrize("main", MAINS)
def test_the_script_sets_text_never_markup(main):
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert forbidden not in bundle(main), forbidden
    for network in ("fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "import("):
        assert network not in bundle(main), network


def test_every_text_that_the_script_names_is_there_and_every_text_is_named():
    texts = [key for key in Texts("page").all("en") if "." not in key]
    assert len(texts) > 120
    script = bundle()
    named = set(re.findall(r"""(?:say|nothing)\(\s*"(\w+)\"""", script))
    assert named <= set(texts), named - set(texts)
    # Keys that are put together at run time begin with a word and an underscore.
    drawings = "".join(
        (FOLDER / f"{name}.py").read_text("utf-8")
        for name in ("boxes", "drawings", "labels", "beside", "story")
    )
    stems = set(re.findall(r"say\(`(\w+_)\$", script))
    stems |= set(re.findall(r'(?:said|texts)\(f"(\w+_)\{', drawings))
    words = set(re.findall(r"\w+", script + drawings))
    idle = [k for k in texts if k not in words and not any(k.startswith(s) for s in stems)]
    assert idle == []


CEILING = 140_000
"""Bytes of script, style and frame: of all that a page has beside its recording."""


@pytest.mark.parametrize("main", MAINS)
def test_the_pages_own_part_stays_small(main):
    sizes = {name: len(static(name).encode()) for name in (*modules(main), "page.css", "page.html")}
    assert len(document("", "", "en", main).encode()) < CEILING, sizes


# --- the budget -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(recorded):
    return page(recorded)


def test_a_page_within_its_budget_leaves_nothing_out(whole):
    assert recording_of(whole)[0]["left_out"] == []


def test_a_smaller_budget_leaves_out_the_least_important_first(recorded, whole):
    smaller = page(recorded, budget=len(whole) - 1)
    assert recording_of(smaller)[0]["left_out"] == ["op_previews"]
    assert len(smaller) < len(whole)
    kept = recording_of(smaller)[1]
    for call in recorded.calls:
        if call.kind == "module" and call.result:
            for state in call.result.tensors():
                if recorded.tensors[state].preview:
                    assert f"preview/{state}" in kept


def test_parts_are_pressed_once_and_their_lengths_add_up():
    rng = np.random.default_rng(0)
    arrays = {f"a{n}": rng.integers(0, 9, (n, 7)).astype(np.float32) for n in range(4)}
    first, second = {"lang": "en", "trace": list(range(500))}, {"left_out": []}
    press = Press()
    for chosen in (arrays, {n: a[:1] for n, a in arrays.items()}, {}):
        packed = press.pack((first, {}, second), chosen)
        assert len(packed) == press.size((first, {}, second), chosen)
        data, found = unpack(packed)
        assert data == {**first, **second}
        assert {n: a.tolist() for n, a in found.items()} == {
            n: a.tolist() for n, a in chosen.items()
        }


def test_the_smallest_budget_still_gives_a_page(recorded):
    smallest = page(recorded, budget=1)
    data, arrays = recording_of(smallest)
    assert "lines" in data["left_out"]
    assert not arrays
    found = trace_of(smallest)
    modules_of = [c.path for c in recorded.calls if c.kind == "module"]
    assert [c.path for c in found.calls if c.kind == "module"] == modules_of


def test_a_trace_without_ops_is_sound(recorded):
    from tracer.record.query import problems

    fewer = only_calls(recorded, lambda call: call.kind != "op")
    assert not any(call.kind == "op" for call in fewer.calls)
    # Ticks stay as they were, with gaps; all else holds.
    assert [p for p in problems(fewer) if "is due" not in p] == []
    by_tick = {call.start: call for call in recorded.calls}
    for call in fewer.calls:
        assert by_tick[call.start].label == call.label


@pytest.fixture(scope="module")
def drawn(rcnn, two_images):
    """The contents of a pass that kept what the drawings need."""
    import torch

    import tracer

    with torch.no_grad():
        return contents(tracer.trace(rcnn, two_images, keep="anatomy"))


def test_every_drawing_has_a_name_of_its_own_and_its_stage(drawn):
    stages = [stage.name for stage in drawn.trace.stages]
    texts = drawn.data("en")[1]["texts"]
    for image in drawn.scenes["images"]:
        names = [texts[f"kind_{drawing['key']}"] for drawing in image["drawings"]]
        for lang in range(2):
            assert len({name[lang] for name in names}) == len(names)
        order = list(dict.fromkeys(drawing["stage"] for drawing in image["drawings"]))
        assert order[0] == ""
        assert order[1:] == [name for name in stages if name in order]


def test_what_teaches_at_a_call_is_drawn_there(drawn):
    calls, keys = drawn.trace.calls, drawn.scenes["fits"]
    fits = {(call.path, call.nth): key for call, key in zip(calls, keys, strict=True)}
    assert fits["transform", 0] == "flow_padding"
    assert fits["backbone.body.conv1", 0] == "flow_stride"
    assert fits["BoxCoder.decode", 0] == "flow_decode"  # of anchors; of RoIs it is another one
    assert fits["BoxCoder.decode", 1] != "flow_decode"
    assert fits["rpn", 0] == "proposals"
    assert fits["GeneralizedRCNNTransform.postprocess", 0] == "detections"


def test_drawings_say_what_nms_removed(drawn):
    parts = anatomy_of(drawn.trace)
    for n, image in enumerate(drawn.scenes["images"]):
        drawings = {drawing["key"]: drawing for drawing in image["drawings"]}
        for key, funnel in (
            ("proposals", parts.rpn.proposals(n).funnel),
            ("detections", parts.detections[n].funnel),
        ):
            gone = len(funnel.removed("nms"))
            counts = nms_counts(funnel)
            assert sum(count for _, count in counts) == gone
            for note in drawings[key]["note"]:
                assert f"{gone:,}" in note
                assert all(f" {count:,}" in note for _, count in counts)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        (((2, 4, 8, 10), (2, 4, 4, 5), (2, 4, 2, 3)), "a…c 8×10…2×3"),
        (((1, 4, 6), (1, 4, 6)), "2 × 1×4×6"),
    ],
)
def test_the_map_tells_several_maps_in_one_notation(shapes, said):
    import torch

    import tracer

    class Maps(torch.nn.Module):
        def forward(self, x):
            return {name: torch.zeros(shape) for name, shape in zip("abc", shapes, strict=False)}

    trace = tracer.trace(Maps(), torch.zeros(1), grain="op")
    short, every = _made(trace, trace.calls[0].result)
    assert short == said
    assert every.startswith(f"a {'×'.join(map(str, shapes[0]))}, b ")


def test_the_map_tells_levels_and_boxes_of_every_image(drawn):
    made = labels(drawn.trace, ())["stages"]
    sizes = [level.map.shape for level in anatomy_of(drawn.trace).pyramid.levels]
    first, last = ("×".join(map(str, size[2:])) for size in (sizes[0], sizes[-1]))
    assert made["fpn"][0] == f"P2…P6 {first}…{last}"
    assert made["fpn"][1].split(", ")[4] == f"P6 {'×'.join(map(str, sizes[-1]))}"
    counts = [len(boxes) for boxes in anatomy_of(drawn.trace).detections]
    assert made["postprocess"][0] in (f"{counts[0]}×4 + {counts[1]}×4", f"2 × {counts[0]}×4")


def test_drawings_of_a_pass_that_kept_nothing_are_left_out(recorded):
    drawn = contents(recorded).scenes["images"]
    assert [image["image"] for image in drawn] == [0]  # whose maps the small pictures are
    keys = {drawing["key"] for image in drawn for drawing in image["drawings"]}
    assert "proposals" not in keys
    assert "losses" not in keys


# --- where it opens -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "tick"),
    [
        ("", None),
        ("lang=zh", None),
        ("call=double", 24),
        ("#call=double%231&at=end", 38),
        ("call=(root)&line=18", 3),
        ("call=(root)&line=18&round=2", 13),
        ("line=pyramid.py:20", 18),
        ("text=results.insert(0", 6),
        ("call=(root)&text=lateral%20=&round=1", 8),
        ("call=(root)&text=lateral = self", 3),
        ("text=double(x * 2", 26),
    ],
)
def test_a_page_opens_at_an_address(address, tick):
    html = page(stories.pyramid_pass(), at=address)
    assert recording_of(html)[0]["at"] == tick
    assert f'lang="{"zh-Hans" if "lang=zh" in address else "en"}"' in html


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("call=doubel", "did you mean 'double'"),
        ("call=double#9", "there is no 'double#9'"),
        ("cal=double", "did you mean 'call'"),
        ("call=double&call=double", "names 'call' twice"),
        ("call=double&at=", "without a value"),
        ("call=double&at=start", "'end' or left out"),
        ("call=double&line=5&text=x", "one of line=, text= and at="),
        ("call=(root)&line=99", "line 99 did not run in (root)#0; near it ran: 23"),
        ("call=(root)&line=pyramid.py:18", "line= is a number beside call="),
        ("line=18", "FILE:LINE without it"),
        ("line=pyramids.py:18", "did you mean 'pyramid.py'"),
        ("call=(root)&line=18&round=9", "ran 3 times; found round=9"),
        ("call=(root)&line=18&round=x", "counts from 0; found 'x'"),
        ("call=(root)&text=lateral = self.iner[idx](x[idx])", "did you mean 'lateral = self.inner"),
        ("call=inner.0&text=x", "inner.0#0"),
        ("at=end", "names a call= or a line too"),
        ("lang=fr", "no language 'fr'"),
        ("view=all", "view= is one of plain, full, large; found 'all'"),
    ],
)
def test_an_address_without_such_a_step_says_what_is_near(address, said):
    with pytest.raises(TracerError) as refused:
        page(stories.pyramid_pass(), at=address)
    assert said in str(refused.value)


def test_a_page_without_lines_opens_at_the_call(recorded):
    place = "call=RegionProposalNetwork.filter_proposals&text=objectness"
    data, _ = recording_of(page(recorded, budget=1, at=place))
    lines = {line.tick: line for line in recorded.lines}
    call = recorded.calls[lines[data["at"]].call]
    assert call.path == "RegionProposalNetwork.filter_proposals"


def test_a_builder_opens_within_its_decorators():
    import torchvision

    import tracer

    trace = tracer.trace(torchvision.models.squeezenet1_1, grain="line")
    data, _ = recording_of(page(trace))
    line = next(line for line in trace.lines if line.tick == data["at"])
    source = trace.calls[line.call].source
    assert source.file.endswith("squeezenet.py")
    assert trace.calls[0].source.file.endswith("_utils.py")
    asked, _ = recording_of(page(trace, at="call=0"))
    assert asked["at"] == 0


# --- bad input ------------------------------------------------------------------------------------


def test_a_language_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no language 'fr'"):
        page(handmade.tiny_pass(), lang="fr")


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_has_to_be_positive(budget):
    with pytest.raises(InputError, match="number of bytes"):
        page(handmade.tiny_pass(), budget=budget)


def test_an_empty_recording_has_no_page():
    with pytest.raises(TracerError, match="nothing to show"):
        page(stories.empty())


def test_the_command_writes_the_page_beside_the_recording(tmp_path, capsys):
    file = tmp_path / "pass.safetensors"
    handmade.tiny_pass().save(file)
    assert main(["page", str(file)]) == 0
    assert "pass.html" in capsys.readouterr().out
    assert (tmp_path / "pass.html").read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lang", "fr"], "invalid choice: 'fr'"),
        (["--budget", "0"], "number of megabytes"),
        (["--budget", "nan"], "number of megabytes"),
        (["--at", "call=bodi"], "did you mean 'body'"),
        (["-o", "missing/pass.html"], "no folder"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handmade.tiny_pass().save("pass.safetensors")
    assert main(["page", "pass.safetensors", *arguments]) != 0
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


# --- the stepper ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(in_node):
    """What came out differently, by case."""
    packed = {
        name: Press().pack(contents(case_files.read_trace(name)).data("en"), {})
        for name in case_files.TRACES
    }
    cases = case_files.read_cases()
    given = {n: {"recording": packed[c["trace"]], "steps": c["steps"]} for n, c in cases.items()}
    return in_node("page_cases.mjs", given=given)


def test_numbers_are_written_alike_in_the_script_and_in_python(in_node):
    given = [0, 7, -3, 999, 1000, 4000, 82_000, 1234567, -25557032, 0.1234567, 1.5, 999.96]
    given += [1234.6, 9999.4, 9999.6, 12345.6, 1e-3, 1.23456e-4, 9.9996e-5, -2.5e-9, 3.14e17]
    theirs = in_node("page_numbers.mjs", given=given)
    assert theirs == [number(value) for value in given]
    assert theirs[5] == "4,000"
    assert number(4000.0) == "4,000"


def test_a_tensor_is_told_as_the_terminal_tells_it(in_node):
    trace = handmade.tiny_pass()
    lines = ["goto body.relu", "p input", "r", "p result", "goto body.conv", "p input"]
    given = {"recording": Press().pack(contents(trace).data("en"), {}), "starts": [0]}
    (theirs,) = in_node("page_answers.mjs", given=[{**given, "lines": lines}])
    stepper = Stepper(trace)
    ours = [stepper.do(line).text for line in lines]
    told = [(a, b) for line, a, (b, _) in zip(lines, ours, theirs, strict=True) if line[0] == "p"]
    assert len(told) == 3
    assert [b for _, b in told] == [a for a, _ in told]


@pytest.mark.parametrize("name", case_files.read_cases())
def test_the_pages_stepper_goes_where_the_case_says(outcomes, name):
    assert outcomes[name] == []


# --- RoIAlign -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aligned(rcnn, two_images):
    """A pass that kept what the drawings need, its anatomy, and what the page draws of RoIAlign."""
    import torch

    import tracer
    from tracer.rcnn.anatomy import anatomy

    with torch.no_grad():
        trace = tracer.trace(rcnn, two_images, keep=["anatomy", "backbone.fpn"])
    found = contents(trace)
    drawings = found.scenes["images"][1]["drawings"]
    drawing = next(drawing for drawing in drawings if drawing["key"] == "align")
    arrays = {name: found.arrays[drawing[name]["array"]] for name in ("grids", "pooled")}
    return anatomy(trace).roi_heads.box, drawing, arrays


def test_the_pages_roi_align_samples_where_the_anatomy_does(aligned, in_node):
    pooling, _, arrays = aligned
    found = in_node("page_geometry.mjs", given={"grids": arrays["grids"].tolist(), "bins": [7, 7]})
    assert len(found) == len(pooling.boxes[1]) > 10
    for index, (across, down) in enumerate(found):
        samples = pooling.grid(index, 1).samples
        assert np.allclose(across, np.unique(samples[..., 0]), atol=1e-4)
        assert np.allclose(down, np.unique(samples[..., 1]), atol=1e-4)


def test_the_pages_pooled_values_are_those_of_the_anatomy(aligned):
    pooling, drawing, arrays = aligned
    for index, level in enumerate(pooling.assigned[1]):
        low, high = drawing["planes"][level]["range"]
        mean = pooling.pooled(index, 1).mean(0).ravel()
        shown = low + arrays["pooled"][index] / 255 * (high - low)
        assert np.allclose(shown, np.clip(mean, low, high), atol=(high - low) / 200)


# --- labels ---------------------------------------------------------------------------------------


def placed(in_node, boxes, size=(60, 14), picture=(640, 480)):
    given = {"boxes": boxes, "sizes": [size] * len(boxes), "picture": picture}
    found = in_node("page_spots.mjs", given=[given])[0]
    ours = places(np.asarray(boxes, float), given["sizes"], picture)  # of figures and explorers
    assert [corner and tuple(corner) for corner in found] == ours
    return [corner and (*corner, corner[0] + size[0], corner[1] + size[1]) for corner in found]


def test_labels_stay_inside_and_apart(in_node):
    rng = np.random.default_rng(0)
    corners = rng.uniform((0, 0), (600, 440), (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (40, 2))], 1)
    found = [place for place in placed(in_node, boxes.tolist()) if place]
    assert len(found) > 20
    for i, (x1, y1, x2, y2) in enumerate(found):
        assert min(x1, y1) >= 0
        assert (x2, y2) <= (640, 480)
        for left, top, right, bottom in found[:i]:
            assert (
                x1 >= right - 1e-6 or left >= x2 - 1e-6 or y1 >= bottom - 1e-6 or top >= y2 - 1e-6
            )


def test_a_label_leaves_small_objects_in_sight(in_node):
    large, small = (
        [100, 100, 400, 400],
        [105, 84, 125, 99],
    )  # the small one where the label would be
    first, second = placed(in_node, [large, small])
    for x1, y1, x2, y2 in (first, second):
        assert x1 >= small[2] or x2 <= small[0] or y1 >= small[3] or y2 <= small[1]


# --- in a notebook --------------------------------------------------------------------------------


def test_in_a_notebook_the_page_is_in_a_frame_of_its_own():
    shown = handmade.hostile_pass().page(height=500)._repr_html_()
    ((tag, attributes),) = Elements(shown).found
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert "height:500px" in attributes["style"]
    assert attributes["srcdoc"] == page(handmade.hostile_pass())


def test_the_page_object_is_short_in_text_and_can_be_saved(tmp_path):
    shown = handmade.tiny_pass().page(lang="zh")
    assert len(repr(shown)) < 100
    assert shown.save(tmp_path / "p.html").read_text("utf-8") == str(shown)
    with pytest.raises(TracerError, match="there is no folder"):
        shown.save(tmp_path / "nowhere" / "p.html")


def test_a_displayed_recording_unfolds_its_page():
    found = [tag for tag, _ in Elements(handmade.tiny_pass()._repr_html_()).found]
    assert found[-3:] == ["details", "summary", "iframe"]
    assert "iframe" not in stories.empty()._repr_html_()
