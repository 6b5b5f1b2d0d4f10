"""The commentary: complete in both languages, true to the source, right in its numbers."""

from __future__ import annotations

import ast
import copy
import dataclasses
import json
import re
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path

import handmade
import pytest
import stories

import tracer
from tracer import cli
from tracer.errors import InputError, MissingError
from tracer.languages import languages
from tracer.numbers import dims
from tracer.rcnn import facts, narration, texts
from tracer.rcnn.narration import commentary, explain, function_of
from tracer.rcnn.removed import removed_of
from tracer.record import Trace
from tracer.record.query import lines_of
from tracer.record.statements import statements

CJK = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"`([^`]+)`")

# What the commentary promises to answer.
PROMISED = {
    "p6-not-pooled",
    "delta-weights",
    "why-anchors",
    "nms-limits",
    "thresholds",
    "size-800-1333",
    "normalise-inside",
    "boxes-or-deltas",
    "batch-size-per-image",
    "training-samples",
    "image-size-or-padded",
    "label-zero",
    "sampling-ratio-and-scales",
    "no-losses-in-eval",
    "frozen-batch-norm",
    "what-changed",
}


# --- recordings -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(rcnn, two_images, two_targets):
    """A pass in training mode with every grain; of a copy, since batch statistics change."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(2)
        return tracer.trace(copy.deepcopy(rcnn).train(), two_images, two_targets, grain="line")


@pytest.fixture(scope="module")
def coarse(rcnn, two_images):
    """The pass of `recorded`, but modules only."""
    import torch

    with torch.no_grad():
        return tracer.trace(rcnn, two_images, grain="module")


def small_backbone():
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    return resnet_fpn_backbone(backbone_name="resnet18", weights=None)


def family(name: str) -> list[Trace]:
    """Record Mask or Keypoint R-CNN on ResNet-18, training and evaluation."""
    import torch
    from torchvision.models import detection

    with torch.random.fork_rng():
        torch.manual_seed(3)
        sizes = {
            "min_size": 64,
            "max_size": 64,
            "rpn_post_nms_top_n_train": 50,
            "box_score_thresh": 0.0,
            "box_detections_per_img": 4,
        }
        if name == "mask":
            model = detection.MaskRCNN(small_backbone(), num_classes=3, **sizes)
        else:
            model = detection.KeypointRCNN(
                small_backbone(), num_classes=2, num_keypoints=17, **sizes
            )
        target = {
            "boxes": torch.tensor([[8.0, 8.0, 48.0, 56.0]]),
            "labels": torch.tensor([1]),
            "masks": torch.ones(1, 64, 64, dtype=torch.uint8),
            "keypoints": torch.full((1, 17, 3), 20.0),
        }
        image = torch.rand(3, 64, 64)
        training = tracer.trace(model.train(), [image], [target], grain="line")
        with torch.no_grad():
            return [training, tracer.trace(model.eval(), [image], grain="line")]


@pytest.fixture(scope="module")
def relatives():
    """Mask and Keypoint R-CNN, and the box head of the second version by itself."""
    import torch
    from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead

    head = FastRCNNConvFCHead((8, 7, 7), [8], [16], norm_layer=torch.nn.BatchNorm2d)
    return [
        *family("mask"),
        *family("keypoint"),
        tracer.trace(head, torch.rand(2, 8, 7, 7), grain="line"),
    ]


@pytest.fixture(scope="module")
def runs(recorded, trained, built):
    """The pass in both modes, and the construction."""
    return {"eval": recorded, "train": trained, "construction": built}


@pytest.fixture(scope="module")
def named(rcnn, two_images):
    """A pass that knows what the classes are called, and keeps what filters were given."""
    import torch

    classes = ("__background__", *(f"thing {i}" for i in range(1, 91)))
    with torch.no_grad():
        return tracer.trace(rcnn, two_images, grain="line", keep=["", "anatomy"], classes=classes)


# --- the texts ------------------------------------------------------------------------------------


def pairs():
    """Every (place, English, Chinese)."""
    return [(place, pair["en"], pair["zh"]) for place, pair in texts._pairs()]


def test_nothing_lacks_a_language():
    assert texts.missing_languages() == []


@pytest.mark.parametrize("lacking", ["en", "zh"])
def test_a_lacking_language_is_found(monkeypatch, lacking):
    full = {"en": "text", "zh": "文字"}
    table = {
        "title": full,
        "text": full,
        "here": [full],
        "lines": [{"at": "x = 1", **full, lacking: " "}],
    }
    entry = texts.Entry("function", "f", table)
    monkeypatch.setattr(texts, "entries", lambda: {("function", "f"): entry})
    assert texts.missing_languages() == [f"function 'f', line 'x = 1': no {lacking}"]
    del table["title"]
    assert f"function 'f', title: no {lacking}" in texts.missing_languages()


def test_each_language_is_written_in_itself():
    words = re.compile(r"[a-z]{4}")  # formulas and sentences of numbers alone have none
    said = [(p, en, zh) for p, en, zh in pairs() if words.search(re.sub(r"`.*?`|{.*?}", "", en))]
    assert len(said) > 500
    assert [place for place, en, _ in said if CJK.search(en)] == []
    chineseless = {place for place, _, zh in said if not CJK.search(zh)}
    assert {p for p in chineseless if not p.endswith(", title") and "{" not in p} == set()


def test_both_languages_have_the_same_paragraphs():
    for place, en, zh in pairs():
        assert len(texts.paragraphs(en)) == len(texts.paragraphs(zh)), place


def test_both_languages_name_the_same_code():
    for place, en, zh in pairs():
        assert set(CODE.findall(en)) == set(CODE.findall(zh)), place


def test_both_languages_give_the_same_decimals():
    """Thresholds, weights and the like; whole numbers may be written as words."""
    number = re.compile(r"(?<![\w.])\d+\.\d+(?![\w])(?! million)")
    for place, en, zh in pairs():
        assert Counter(number.findall(en)).keys() == Counter(number.findall(zh)).keys(), place


def test_both_languages_have_the_same_placeholders():
    for place, (english, chinese) in texts.placeholders().items():
        assert english == chinese, place


def test_every_placeholder_is_a_known_name():
    used = {name for english, _ in texts.placeholders().values() for name in english}
    for tour in files("tracer.tours").iterdir():
        if tour.name.endswith(".toml"):
            used.update(facts.PLACEHOLDER.findall(tour.read_text("utf-8")))
    named = {name for name in used if name.split(".")[0] not in facts.ROOTS}
    assert named == set(facts.FACTS), "a name that no fact has, or a fact that no text tells"


def test_only_sentences_about_this_run_have_placeholders():
    for entry in texts.entries().values():
        for lang in languages():
            told = [entry.title(lang), *entry.text(lang), *(line[lang] for line in entry.lines)]
            assert not facts.PLACEHOLDER.search(" ".join(told)), entry.key


def test_a_wrapped_paragraph_is_joined_as_its_language_wants():
    assert texts.paragraphs("one\ntwo\n\nthree") == ("one two", "three")
    assert texts.paragraphs("锚框有\n三种。\n用 `a`\n和 b，\nc") == ("锚框有三种。用 `a` 和 b，c",)


def test_every_citation_has_its_paper_and_every_paper_is_cited():
    cited = set()
    for entry in texts.entries().values():
        for text in entry.table.get("papers", ()):
            cited.add(text.partition(" ")[0])
            for lang in languages():
                assert "arXiv:" in texts.citation(text, lang)
    assert cited == set(texts._files()["papers.toml"])


def test_a_citation_is_written_out_in_both_languages():
    assert texts.citation("lin2017 §4.2, eq. 1", "en") == (
        "Lin et al., “Feature Pyramid Networks for Object Detection”, CVPR 2017, "
        "arXiv:1612.03144, §4.2, eq. 1"
    )
    assert texts.citation("lin2017 §4.2, eq. 1", "zh").endswith("，arXiv:1612.03144，§4.2，式 1")
    assert texts.citation("girshick2015 §2.3", "en").startswith("Girshick, “Fast R-CNN”")
    with pytest.raises(KeyError):
        texts.citation("nobody2000 §1", "en")


# --- true to the installed source -----------------------------------------------------------------


def qualified_names(tree: ast.AST, prefix: str = ""):
    """Yield (qualified name, node) of every function and method, nested ones included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from qualified_names(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}", node
            yield from qualified_names(node, f"{prefix}{node.name}.<locals>.")
        else:
            yield from qualified_names(node, prefix)


@pytest.fixture(scope="module")
def installed():
    """The functions of the installed torchvision by qualified name: how their statements begin.

    Of files in which nothing is remarked on, the names alone.
    """
    import torchvision

    root = Path(torchvision.__file__).parent
    found: dict[str, list[str]] = {}
    for path in [*root.glob("*.py"), *root.glob("ops/*.py"), *root.glob("models/**/*.py")]:
        text = path.read_text("utf-8")
        functions = [*qualified_names(ast.parse(text))]
        lines, told = text.splitlines(), any(name in texts.anchors() for name, _ in functions)
        known = statements(text) if told else {}
        for name, node in functions:
            body = range(node.body[0].lineno, node.end_lineno + 1)
            first = (n for n in body if n in known and known[n].first == n)
            found.setdefault(name, []).extend(lines[n - 1].strip() for n in first)
    return found


def test_every_function_is_there(installed):
    import torch
    import torchvision

    inherited = {"MaskRCNNHeads", "MaskRCNNPredictor", "KeypointRCNNHeads", "FastRCNNConvFCHead"}
    for key in texts.keys("function"):
        owner = key.partition(".")[0]
        if key in installed or hasattr(torch.nn, owner):
            continue
        assert owner in {*inherited, "Conv2dNormActivation"}, key
        assert "forward" not in vars(getattr(torchvision.ops, owner, object)), key


def test_every_remark_finds_its_line(installed):
    remarks = [(f, anchor) for f, anchors in texts.anchors().items() for anchor in anchors]
    assert len(remarks) > 150
    for function, anchor in remarks:
        assert any(line.startswith(anchor) for line in installed[function]), (function, anchor)


def test_remarks_follow_the_order_of_the_source(installed):
    for function, anchors in texts.anchors().items():
        lines = installed[function]
        first = [next(i for i, s in enumerate(lines) if s.startswith(a)) for a in anchors]
        assert first == sorted(set(first)), function


def test_numbers_of_the_text_are_the_librarys_defaults():
    import inspect
    import math

    import torch
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.faster_rcnn import _default_anchorgen
    from torchvision.models.resnet import BasicBlock, Bottleneck

    defaults = {k: p.default for k, p in inspect.signature(FasterRCNN).parameters.items()}
    claims = {
        "min_size": 800,
        "max_size": 1333,
        "rpn_pre_nms_top_n_train": 2000,
        "rpn_pre_nms_top_n_test": 1000,
        "rpn_post_nms_top_n_train": 2000,
        "rpn_post_nms_top_n_test": 1000,
        "rpn_nms_thresh": 0.7,
        "rpn_fg_iou_thresh": 0.7,
        "rpn_bg_iou_thresh": 0.3,
        "rpn_batch_size_per_image": 256,
        "rpn_positive_fraction": 0.5,
        "rpn_score_thresh": 0.0,
        "box_score_thresh": 0.05,
        "box_nms_thresh": 0.5,
        "box_detections_per_img": 100,
        "box_fg_iou_thresh": 0.5,
        "box_bg_iou_thresh": 0.5,
        "box_batch_size_per_image": 512,
        "box_positive_fraction": 0.25,
    }
    assert {name: defaults[name] for name in claims} == claims
    sides = _default_anchorgen().cell_anchors[0]
    assert (sides[:, 2:] - sides[:, :2]).tolist() == [[46, 22], [32, 32], [22, 46]]

    def weights(block):
        return sum(p.numel() for p in block.parameters() if p.dim() == 4)

    assert weights(Bottleneck(256, 64)) == 69_632
    assert weights(BasicBlock(256, 256)) == 1_179_648
    assert weights(BasicBlock(64, 64)) == 73_728
    assert math.exp(math.log(1000 / 16)) == pytest.approx(62.5)
    # P6 of a frame that is 800 high: 13 rows, hence anchors every 61 pixels.
    p5 = torch.zeros(1, 1, 25, 34)
    assert 800 // torch.nn.functional.max_pool2d(p5, 1, 2).shape[-2] == 61


def test_levels_change_at_112_224_and_448_pixels():
    import torch
    from torchvision.ops.poolers import LevelMapper

    sides = torch.tensor([1.0, 111.9, 112.0, 223.9, 224.0, 447.9, 448.0, 2000.0])
    boxes = torch.stack([sides * 0, sides * 0, sides, sides], dim=1)
    assert LevelMapper(2, 5)([boxes]).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


# --- everything that runs is explained ------------------------------------------------------------


@pytest.mark.parametrize("run", ["eval", "train", "construction"])
def test_every_function_of_faster_rcnn_has_its_own_text(runs, run):
    calls = (call for call in runs[run].calls if call.kind != "op")
    ran = {function_of(call, runs[run]) for call in calls}
    assert len(ran) > 30
    assert ran - set(texts.keys("function")) == set()


def unexplained(trace: Trace) -> set[str]:
    """The functions about which nothing is written, neither for themselves nor for their stage."""
    calls = [call for call in trace.calls if call.kind != "op"]
    return {function_of(c, trace) for c in calls if commentary(call=c, trace=trace) is None}


def test_everything_that_the_relatives_run_is_explained(relatives):
    for trace in relatives[:4]:
        assert unexplained(trace) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "builder",
    [
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "retinanet_resnet50_fpn",
        "fcos_resnet50_fpn",
    ],
)
def test_everything_that_other_detectors_run_is_explained(builder, two_images):
    import torch
    from torchvision.models import detection

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(4)
        build = getattr(detection, builder)
        model = build(weights=None, weights_backbone=None, min_size=64, max_size=128).eval()
        trace = tracer.trace(model, two_images[:1], grain=("module", "function"))
    unknown = unexplained(trace)
    staged = {stage.name for stage in trace.stages}
    assert staged <= set(texts.keys("stage"))
    # What runs outside of every stage is the model's own frame: small methods of the root.
    assert all(name.startswith(("RetinaNet.", "FCOS.")) for name in unknown), unknown


def test_an_unknown_function_is_found(recorded):
    import dataclasses

    strange = dataclasses.replace(recorded.calls[0], kind="function", path="strange", stage="")
    trace = dataclasses.replace(recorded, calls=(strange,))
    assert unexplained(trace) == {"strange"}


def test_functions_are_at_home_in_the_stage_that_they_run_in(runs):
    ran: dict[str, set[str]] = {}
    for trace in runs.values():
        for call in (c for c in trace.calls if c.kind != "op"):
            ran.setdefault(function_of(call, trace), set()).add(call.stage or "model")
    backbone = {"model", "stem", "layer1", "layer2", "layer3", "layer4"}
    for name, stages in ran.items():
        home = texts.entries()["function", name].home[1]
        assert home in stages or (home == "backbone" and stages <= backbone) or not home, name


def test_every_stage_has_a_title(runs):
    for trace in runs.values():
        for stage in trace.stages:
            for lang in languages():
                assert narration.stage_title(stage.name, lang, trace.kind) != stage.name
    assert narration.stage_title("encoder") == "encoder"


def test_a_stage_of_a_construction_has_its_own_text(recorded, built):
    passed, constructed = (commentary("rpn", trace=trace) for trace in (recorded, built))
    assert passed.title != constructed.title


# --- questions ------------------------------------------------------------------------------------


def test_every_promised_question_is_answered():
    assert set(texts.keys("question")) >= PROMISED
    for question in (*narration.questions("en"), *narration.questions("zh")):
        assert question.title.rstrip().endswith(("?", "？"))
        assert len(" ".join(question.text)) > 80


def test_every_question_is_attached_to_things_that_exist():
    known = set(texts.keys("stage", "construction", "function"))
    for entry in texts.questions():
        assert entry.table["about"], entry.key
        assert set(entry.table["about"]) <= known, entry.key


def test_a_question_is_shown_with_its_function_and_stage():
    for where in ({"stage": "fpn"}, {"function": "LastLevelMaxPool.forward"}):
        assert "p6-not-pooled" in [q.key for q in commentary(**where).questions]


@pytest.mark.parametrize("words", ["label-zero", "label zero", "标签 0", "num_classes large"])
def test_a_question_is_found_by_key_or_words(words):
    assert explain(None, question=words).startswith("## What is label 0")


def test_questions_are_listed():
    listed = explain(None, question="", lang="both").splitlines()
    assert len(listed) == len(texts.keys("question"))
    assert "- `label-zero`: What is label 0" in "\n".join(listed)


def test_an_unknown_question_names_the_nearest():
    with pytest.raises(MissingError, match="did you mean 'label-zero'"):
        explain(None, question="label-zerro")


# --- numbers --------------------------------------------------------------------------------------


def templates():
    """Every (entry, remark or "", how many sentences with numbers it has)."""
    for entry in texts.entries().values():
        for at, table in [("", entry.table), *((line["at"], line) for line in entry.lines)]:
            yield (entry.where, entry.key, at), len(table.get("here", ()))


def told(trace: Trace):
    """The same, with those sentences only that can be told of a trace."""
    for entry in texts.entries().values():
        if entry.where == "question":
            shown = narration._question(entry, "en", facts.Here(trace))
            yield (entry.where, entry.key, ""), len(shown.here)
            continue
        shown = narration._written(entry, "en", narration._place(trace, entry, None, "en"))
        yield (entry.where, entry.key, ""), len(shown.here)
        for note in shown.notes:
            yield (entry.where, entry.key, note.anchor), len(note.here)


def test_every_sentence_with_numbers_is_told_by_some_recording(runs, relatives, named):
    best: Counter[tuple[str, str, str]] = Counter()
    for trace in (*runs.values(), *relatives, named):
        for place, count in told(trace):
            best[place] = max(best[place], count)
    assert [place for place, count in templates() if best[place] < count] == []


def number(name: str, trace: Trace, **more) -> str | None:
    return facts.read(name, facts.Here(trace, **more))


def test_numbers_of_the_pictures(recorded, two_images):
    assert number("images", recorded) == "2"
    assert number("original_sizes", recorded) == "60×80, 100×80"
    assert number("resized_sizes", recorded) == "64×85, 80×64"
    assert number("batch_shape", recorded) == "2×3×96×96"
    assert number("scale_factors", recorded) == "1.067, 0.800"
    assert number("padding_share", recorded) == f"{1 - (64 * 85 + 80 * 64) / (2 * 96 * 96):.0%}"


def test_numbers_of_the_proposals(recorded, rcnn, two_images):
    import torch
    from torchvision.ops.poolers import LevelMapper

    with torch.no_grad():
        images, _ = rcnn.transform(two_images)
        features = rcnn.backbone(images.tensors)
        anchors = rcnn.rpn.anchor_generator(images, list(features.values()))
        proposals, _ = rcnn.rpn(images, features)
    counts = [len(boxes) for boxes in proposals]
    levels = torch.bincount(LevelMapper(2, 5)(proposals), minlength=4).tolist()
    assert number("anchors_per_image", recorded) == f"{len(anchors[0]):,}"
    assert number("anchors_per_level", recorded) == "1,728 + 432 + 108 + 27 + 12"
    assert number("top_per_level", recorded) == "1,000 / 432 / 108 / 27 / 12"
    assert number("proposals", recorded) == f"{counts[0]}, {counts[1]}"
    assert number("rois", recorded) == f"{sum(counts):,}"
    assert number("rois_per_level", recorded, lang="zh") == "、".join(
        f"P{k} {n}" for k, n in enumerate(levels, 2)
    )
    assert number("strides", recorded) == "4×4, 8×8, 16×16, 32×32, 48×48"


def test_numbers_of_the_batch_are_worked_out(recorded):
    assert number("size_divisible", recorded) == "32"
    assert number("rounded_height", recorded) == "⌈80 / 32⌉ × 32 = 3 × 32 = 96"
    assert number("rounded_width", recorded) == "⌈85 / 32⌉ × 32 = 3 × 32 = 96"


@pytest.mark.parametrize("name", ["layer1", "layer2", "layer3", "layer4"])
def test_a_stage_of_a_resnet_tells_its_own_numbers(recorded, rcnn, name):
    layer = getattr(rcnn.backbone.body, name)
    call = next(c for c in recorded.calls if c.path == f"backbone.body.{name}")
    given = recorded.tensors[call.args["input"].tensor].summary.shape
    made = recorded.tensors[call.result.tensor].summary.shape
    said = {fact: number(fact, recorded, stage=name) for fact in ("blocks", "halving")}
    assert said["blocks"] == f"{len(layer)} × Bottleneck"
    assert number("channels_given", recorded, stage=name) == f"{given[1]:,}"
    assert number("channels_made", recorded, stage=name) == f"{made[1]:,}"
    assert number("stride_given", recorded, stage=name) == str(96 // given[2])
    assert number("stride_made", recorded, stage=name) == str(96 // made[2])
    assert number("first_block", recorded, stage=name) == f"backbone.body.{name}.0"
    assert number("projection", recorded, stage=name) == f"{dims(given)} → {dims(made)}"
    halves = layer[0].conv2.stride == (2, 2)
    assert (said["halving"] is not None) == halves
    if halves:
        assert said["halving"].startswith("conv2 ")
    told = commentary(call=call, trace=recorded)
    assert told.key == name
    assert said["blocks"] in told.here[0]


def test_what_nms_removed_is_counted(recorded, named, rcnn, two_images):
    import torch
    from torchvision.ops import batched_nms

    given, found = [], []

    def counted(boxes, scores, groups, threshold):
        kept = batched_nms(boxes, scores, groups, threshold)
        given.append((groups, kept))
        return kept

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr("torchvision.ops.boxes.batched_nms", counted)
        rcnn(two_images)
    for groups, kept in given:
        left = torch.bincount(groups[kept], minlength=91)
        gone = torch.bincount(groups, minlength=91) - left
        found.append({k: int(gone[k]) for k in groups.unique().tolist()})
    sums = [len(groups) - len(kept) for groups, kept in given]
    told = [number(name, recorded) for name in ("rpn_nms_removed", "nms_removed")]
    assert [re.findall(r"[\d,]*\d", text) for text in told] == [
        [f"{n:,}" for n in pair] for pair in (sums[:2], sums[2:])
    ]
    pictures = (found[:2], found[2:])
    assert [sum(it.values()) for it in found] == sums
    for which, counts in zip(("proposals", "detections"), pictures, strict=True):
        assert [dict(it) for it in removed_of(named, which)] == counts
    levels = [", ".join(f"P{k + 2} {n:,}" for k, n in it.items()) for it in pictures[0]]
    assert number("rpn_nms_levels", named) == f"image 0: {levels[0]}; image 1: {levels[1]}"
    told = number("nms_classes", named).split("; ")
    for image, (text, counts) in enumerate(zip(told, pictures[1], strict=True)):
        most = max(counts, key=counts.get)
        assert text.startswith(f"image {image}: thing {most} {counts[most]}, ")
    chinese = number("nms_classes", named, lang="zh").split("；")
    assert [text.partition("：")[0] for text in chinese] == ["图片 0", "图片 1"]
    assert number("rpn_nms_levels", recorded) is None  # it did not keep the boxes


def test_a_decoding_tells_its_weights_and_its_clamp(recorded):
    first, second = (c for c in recorded.calls if c.path == "BoxCoder.decode")
    assert number("coder_weights", recorded, call=first) == "(1, 1, 1, 1)"
    assert number("coder_weights", recorded, call=second) == "(10, 10, 5, 5)"
    for call in (first, second):
        assert number("coder_limit", recorded, call=call) == "4.135"
        assert any("w·exp(dw)" in text for text in commentary(call=call, trace=recorded).text)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    "where",
    [{"function": "RPNHead.forward"}, {"function": "BoxCoder.decode"}, {"stage": "roi_heads"}],
)
def test_the_box_formula_stands_where_one_looks(where, lang):
    text = " ".join(commentary(**where, lang=lang).text)
    assert "cx + dx·w" in text
    assert "h·exp(dh)" in text


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("where", [{"stage": "fpn"}, {"function": "LastLevelMaxPool.forward"}])
def test_p6_is_said_to_be_for_the_rpn_alone(where, lang):
    text = " ".join(commentary(**where, lang=lang).text)
    assert "RoIAlign" in text
    assert "RPN" in text


def test_class_names_are_told_where_they_are_known(named, recorded, rcnn, two_images):
    import torch

    with torch.no_grad():
        answer = rcnn(two_images)
    best = max(answer, key=lambda image: image["scores"].max())
    label = best["labels"][best["scores"].argmax()]
    assert number("best_class", named) == named.classes[label]
    told = "0 background, 1 thing 1, 2 thing 2, 3 thing 3, 4 thing 4, …"
    assert number("class_names", named) == told
    assert number("class_names", recorded) is None
    assert number("best_class", recorded) is None
    coco = dataclasses.replace(named, classes=("__background__", "cat", "dog"))
    assert facts.read("class_names", facts.Here(coco, lang="zh")) == "0 背景、1 猫、2 狗"


def test_numbers_of_the_answer(recorded, rcnn, two_images):
    import torch

    with torch.no_grad():
        answer = rcnn(two_images)
    found = [len(image["boxes"]) for image in answer]
    best = max(image["scores"].max().item() for image in answer)
    assert number("detections", recorded) == f"{found[0]}, {found[1]}"
    assert number("best_score", recorded) == f"{best:.4g}"
    assert number("classes", recorded) == "91"
    parameters = sum(p.numel() for p in rcnn.parameters())
    assert number("parameters", recorded) == f"{parameters:,}"


def test_numbers_of_training(trained, rcnn, two_images, two_targets):
    import torch
    from torchvision.ops import box_iou

    model = copy.deepcopy(rcnn)
    with torch.no_grad():
        images, targets = model.transform(two_images, two_targets)
        features = list(model.backbone(images.tensors).values())
        anchors = model.rpn.anchor_generator(images, features)
    labels = [
        model.rpn.proposal_matcher(box_iou(target["boxes"], boxes))
        for target, boxes in zip(targets, anchors, strict=True)
    ]
    matched = torch.cat(labels)
    assert number("rpn_positive", trained) == f"{int((matched >= 0).sum()):,}"
    assert number("rpn_negative", trained) == f"{int((matched == -1).sum()):,}"
    assert number("rpn_ignored", trained) == f"{int((matched == -2).sum()):,}"
    result = trained.calls[0].result
    losses = {name: trained.tensors[leaf.tensor].summary.mean for name, leaf in result.leaves()}
    assert len(losses) == 4
    for name, value in losses.items():
        assert number(name, trained) == f"{value:.4g}"
    assert number("loss_sum", trained) == f"{sum(losses.values()):.4g}"
    sampler = next(c for c in trained.calls if c.path.startswith("BalancedPositiveNegative"))
    drawn = [
        int(number(f"drawn_{kind}", trained, call=sampler)) for kind in ("positive", "negative")
    ]
    assert sum(drawn) == 2 * 256
    assert int(number("roi_positive", trained)) <= 2 * 128


def test_numbers_of_a_call_and_of_a_stage(recorded):
    conv = next(c for c in recorded.calls if c.path == "backbone.body.conv1")
    macs = 2 * 64 * 48 * 48 * 7 * 7 * 3
    assert conv.macs == macs
    assert number("call_macs", recorded, call=conv) == f"{macs / 1e6:.3g} million"
    assert number("call_macs", recorded, call=conv, lang="zh") == f"{macs / 1e4:,.0f} 万"
    assert number("args.input", recorded, call=conv) == "2×3×96×96"
    assert number("result", recorded, call=conv) == "2×64×48×48"
    share = macs / recorded.calls[0].macs
    assert number("stage_share", recorded, stage="stem") == f"{share:.1%}"
    assert number("args.nothing.0", recorded, call=conv) is None
    assert number("local.nothing", recorded, call=conv) is None


def test_a_remark_tells_the_locals_of_its_own_line(recorded):
    """`boxes` changes from line to line of the funnel: each remark has its own number."""
    call = next(c for c in recorded.calls if c.path.endswith(".filter_proposals"))
    notes = {note.anchor: note for note in commentary(call=call, trace=recorded).notes}
    first = next(c for c in recorded.calls if c.path == "remove_small_boxes")
    kept = recorded.tensors[first.result.tensor].summary.shape[0]
    assert f" {kept:,} " in notes["keep = box_ops.remove_small_boxes"].here[0]
    final = recorded.tensors[call.result[0][0].tensor].summary.shape[0]
    assert f" {final:,} " in notes["keep = keep[: self.post_nms_top_n()]"].here[0]
    source = recorded.sources[call.source.file].text.splitlines()
    for anchor, note in notes.items():
        assert source[note.line - 1].strip().startswith(anchor)


def test_whatever_ran_is_said_to_have_run(recorded):
    seen = 0
    for call in recorded.calls:
        said = commentary(call=call, trace=recorded) if call.kind != "op" else None
        source = recorded.sources[call.source.file].text.splitlines() if call.source else []
        ran = [source[line.line - 1].strip() for line in lines_of(recorded, call)]
        for note in said.notes if said and ran else ():
            assert note.ran or not any(text.startswith(note.anchor) for text in ran), note
            seen += note.ran
    assert seen > 200


def test_a_remark_within_a_statement_is_on_the_statement():
    trace = stories.wrapped_pass()
    assert narration._line_number(trace, trace.calls[0], "[x, 1],") == 7
    assert narration._line_number(trace, trace.calls[0], "return x") == 10


def test_what_did_not_run_is_said(recorded):
    notes = commentary(function="RoIHeads.forward", trace=recorded).notes
    ran = {note.anchor: note.ran for note in notes}
    assert ran["boxes, scores, labels = self.postprocess_detections"]
    assert not ran["loss_classifier, loss_box_reg = fastrcnn_loss"]
    assert "did not run here" in explain(recorded, function="RoIHeads.forward")


def test_lines_are_explained_by_their_source_text(recorded):
    """Every recorded line that a remark is about gets it, by the text of the line alone."""
    explained = 0
    for line in recorded.lines:
        call = recorded.calls[line.call]
        text = recorded.sources[call.source.file].text.splitlines()[line.line - 1]
        found = commentary(call=call, line_text=text, trace=recorded)
        if found is not None:
            assert text.strip().startswith(found.key)
            explained += 1
    assert explained > 100
    assert commentary(function="RPNHead.forward", line_text="return logits, bbox_reg") is None


def test_another_call_tells_its_own_numbers(recorded):
    first, second = [c for c in recorded.calls if c.path == "BoxCoder.decode"]
    texts_of_both = {commentary(call=c, trace=recorded).here for c in (first, second)}
    assert len(texts_of_both) == 2
    assert commentary(call=second, trace=recorded).call == second.id


# --- where numbers are missing --------------------------------------------------------------------


def everything(trace: Trace | None) -> list[str]:
    """Explain all there is, in both languages."""
    told = [explain(trace, lang="both")]
    told += [explain(trace, function=name, lang="both") for name in texts.keys("function")]
    told += [explain(trace, question=key, lang="both") for key in texts.keys("question")]
    return told


def unfilled(text: str) -> list[str]:
    """What looks like a placeholder (or a number that is none) outside of code."""
    return re.findall(r"\{[a-z][\w.]*\}|None×|×None", CODE.sub("", text))


def test_without_a_trace_there_are_no_numbers():
    for text in everything(None):
        assert text
        assert not unfilled(text)
        assert "In this run" not in text
        assert "本次运行" not in text


@pytest.mark.parametrize("story", ["tiny_pass", "failed_pass", "tiny_construction", "hostile_pass"])
def test_another_models_trace_is_no_error(story):
    for text in everything(getattr(handmade, story)()):
        assert not unfilled(text)


def test_another_models_parts_are_not_taken_for_stages():
    """A classifier may well have parts called backbone and head."""
    draft = handmade.Draft()
    with draft.call("module", "", "Classifier"):
        with draft.call("module", "backbone", "Body", stage="backbone"):
            pass
        with draft.call("module", "head", "Linear", stage="head") as head:
            pass
    trace = draft.trace("pass", "Classifier")
    assert explain(trace) == "## backbone\n\n## head"
    assert commentary("head", trace=trace) is None
    assert commentary(call=trace.calls[head.id], trace=trace).key == "Linear.forward"
    assert "not one of torchvision's detectors" in explain(handmade.Draft().trace("pass", "X"))


def test_a_coarse_trace_tells_what_it_has(coarse):
    for text in everything(coarse):
        assert not unfilled(text)
    assert number("anchors_per_image", coarse) == "2,307"
    assert number("rois_per_level", coarse) is None
    assert "RoIs on" not in explain(coarse, stage="roi_heads")


def test_every_run_is_told_whole(runs):
    for trace in runs.values():
        for text in everything(trace):
            assert not unfilled(text)


# --- asking ---------------------------------------------------------------------------------------


def test_a_path_is_explained_by_pattern_class_or_stage(recorded):
    assert "Lateral connection" in explain(recorded, path="backbone.fpn.inner_blocks.2")
    assert "Lateral connection" in explain(recorded, path="backbone.fpn.inner_blocks.2.0")
    assert "RPNHead.forward" in explain(recorded, path="rpn.head")
    numbers = explain(recorded, path="rpn.head.cls_logits#3")
    assert "2×256×3×3 → 2×3×3×3" in numbers


def test_a_function_without_text_falls_back_to_its_stage(relatives):
    text = explain(relatives[3], path="roi_heads.keypoint_predictor.kps_score_lowres", lang="both")
    assert "Nothing is written about `roi_heads.keypoint_predictor.kps_score_lowres#0`" in text
    assert "没有专门针对" in text
    assert "(`roi_heads`)" in text


def test_the_last_part_of_a_name_is_enough(recorded):
    assert explain(recorded, function="filter_proposals").startswith("## The funnel")
    assert explain(recorded, function="RPNHead").startswith("## One small head")
    # Two classes have this method; the one that ran is meant.
    assert "RoIHeads" in explain(recorded, function="postprocess_detections")
    with pytest.raises(MissingError, match="several functions are called 'postprocess_detections'"):
        explain(None, function="postprocess_detections")


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"stage": "rpm"}, "no stage 'rpm'; did you mean 'rpn'"),
        ({"function": "filter_proposal"}, "RegionProposalNetwork.filter_proposals"),
        ({"path": "rpn.heed"}, "did you mean 'rpn.head'"),
    ],
)
def test_an_unknown_name_gets_the_nearest(recorded, asked, answer):
    with pytest.raises(MissingError, match=re.escape(answer)):
        explain(recorded, **asked)


def test_other_languages_are_refused(recorded):
    with pytest.raises(InputError, match="no language 'de'"):
        explain(recorded, lang="de")
    with pytest.raises(InputError, match="no language 'both'"):
        commentary("rpn", lang="both")


def test_what_is_not_written_is_none():
    assert commentary(stage="encoder") is None
    assert commentary(function="nothing") is None
    assert commentary() is None


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(recorded, tmp_path_factory):
    path = tmp_path_factory.mktemp("narration") / "pass.safetensors"
    recorded.save(path)
    return str(path)


def test_the_command_explains(saved, recorded, capsys):
    asked = {
        ("--stage", "fpn"): {"stage": "fpn"},
        ("--path", "rpn.head"): {"path": "rpn.head"},
        ("--function", "filter_proposals", "--lang", "zh"): {
            "function": "filter_proposals",
            "lang": "zh",
        },
        ("--question", "label", "zero", "--lang", "both"): {
            "question": "label zero",
            "lang": "both",
        },
        (): {},
    }
    for words, names in asked.items():
        assert cli.main(["explain", saved, *words]) == 0
        assert capsys.readouterr().out == explain(recorded, **names) + "\n"


def test_the_command_lists_questions_without_a_recording(capsys):
    assert cli.main(["explain", "--question"]) == 0
    assert capsys.readouterr().out.count("- `") == len(texts.keys("question"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--stage", "rpm"], "did you mean 'rpn'"),
        (["--path", "rpn.heed"], "did you mean 'rpn.head'"),
        (["--lang", "de"], "invalid choice"),
    ],
)
def test_the_command_refuses_in_one_line(saved, capsys, words, says):
    assert cli.main(["explain", saved, *words]) != 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert says in told.err


def test_a_path_needs_a_recording(capsys):
    assert cli.main(["explain", "--path", "rpn.head"]) != 0
    assert "name the recording too" in capsys.readouterr().err


def test_explaining_loads_neither_torch_nor_a_plotting_library(saved):
    code = (
        "import sys; from tracer.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'torchvision', 'matplotlib'} & set(sys.modules); "
        "sys.exit(code or (3 if heavy else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", saved, "--stage", "rpn"], capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("why is batch norm frozen", "frozen-batch-norm"),
        ("what is the difference between roi pool and roi align", "roialign-not-roipool"),
        ("does a label begin at zero", "label-zero"),
        ("标签为什么从1开始", "label-zero"),
        ("我自己的主干网络跑不通", "own-backbone"),
    ],
)
def test_a_question_is_found_by_a_users_own_words(words, key):
    assert narration._matching(words)[0].key == key


def test_words_that_no_question_has_find_none():
    with pytest.raises(MissingError, match="no question matches"):
        narration.explain(None, question="zebra unicorn banana")


CHAPTERS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_ends_with_questions_that_are_answered(chapter):
    cells = json.loads(chapter.read_text("utf-8"))["cells"]
    ends = [text for cell in cells[-2:] if "--question" in (text := "".join(cell["source"]))]
    assert ends
    (line,) = (line for line in ends[-1].splitlines() if "tracer explain" in line)
    named = re.findall(r"`(?:tracer explain [^`]*--question )?([a-z0-9]+(?:-[a-z0-9]+)+)`", line)
    assert named
    assert set(named) <= {question.key for question in narration.questions()}


@pytest.mark.parametrize("lang", ["en", "zh", "both"])
def test_of_a_run_that_failed_it_is_said_first_how_and_where(tmp_path, capsys, lang):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(5, 1))
    with pytest.raises(RuntimeError):
        tracer.trace(model, torch.ones(1, 2))
    failed = tracer.last_trace()
    failed.save(tmp_path / "failed.safetensors")
    assert cli.main(["explain", str(tmp_path / "failed.safetensors"), "--lang", lang]) == 0
    first = capsys.readouterr().out.split("\n\n")[0]
    assert "RuntimeError" in first
    assert failed.calls[failed.error.call].label in first
