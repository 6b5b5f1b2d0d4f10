"""Questions about a recording: each right answer against torchvision's own computation."""

from __future__ import annotations

import ast
import random
import re
import sys
from collections import defaultdict
from functools import cache
from itertools import pairwise
from pathlib import Path

import handmade
import kinds
import numpy as np
import pytest
import torch
from recordings import shared
from torch.nn import functional
from torchvision.models.detection import _utils as det_utils
from torchvision.ops import batched_nms, box_iou
from torchvision.ops.poolers import initLevelMapper

from tracer.cli import main
from tracer.errors import InputError, MissingError
from tracer.languages import languages
from tracer.numbers import count, dims, number
from tracer.rcnn.anatomy import anatomy
from tracer.views.kit.guesses import KINDS, boxes, drawn, guesses, running, say, training
from tracer.views.kit.guesses.shapes import askable, shape_question
from tracer.views.screen.lessons import Lessons

SEEDS = range(4)


def right(guess, lang="en"):
    return guess.choices[guess.right].text[lang]


def asked(trace, kind, each=50):
    """Many questions of a kind, from several seeds."""
    found = [g for seed in SEEDS for g in guesses(trace, seed=seed, kinds=[kind], each=each)]
    assert found, kind
    return found


def run_hooked(model, *inputs):
    """Run a model; return by module, in order, what each call was given and what it gave."""
    seen = defaultdict(list)
    handles = []
    for path, module in model.named_modules():

        def before(_, given, path=path):
            seen[path].append([[g.clone() if torch.is_tensor(g) else g for g in given]])

        def after(_, given, gave, path=path):
            seen[path][-1].append(gave.clone() if torch.is_tensor(gave) else gave)

        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    with torch.no_grad():
        model(*inputs)
    for handle in handles:
        handle.remove()
    return seen


@pytest.fixture(scope="module")
def passed():
    return kinds.recorded("two pictures")


@pytest.fixture(scope="module")
def hooked():
    """What the modules of the recorded pass gave when the model ran by itself."""
    return run_hooked(kinds.detector(), kinds.pictures(2))


# --- the right answers ----------------------------------------------------------------------------


@pytest.mark.slow
def test_shapes_are_those_that_the_model_gives(passed, hooked):
    names = askable(passed)
    assert len(names) > 12
    for name in names:
        path, *keys = re.split(r"\[", name.replace("]", ""))
        value = hooked[path][0][1]
        for key in keys:
            items = list(value) if not hasattr(value, "keys") else value
            value = items[key] if hasattr(items, "keys") else items[int(key)]
        value = getattr(value, "tensors", value)
        if path == "transform":
            value = value[0].tensors
        guess = shape_question(passed, name, random.Random(0))
        assert right(guess) == dims(value.shape), name


@pytest.mark.slow
def test_writes_leave_what_the_modules_of_the_model_leave(passed, hooked):
    kinds_seen = set()
    for guess in asked(passed, "in_place"):
        call = next(call for call in passed.calls if call.end == guess.tick)
        module = next(
            c
            for c in passed.calls[call.id :: -1]
            if c.kind == "module" and c.start <= call.start < c.end
        )
        if module.type == "ReLU":
            before, _ = hooked[module.path][module.nth]
            left = torch.relu(before[0])
        else:  # a block's sum: what its last ReLU is given
            assert module.type == "BasicBlock"
            (left,), _ = hooked[f"{module.path}.relu"][-1]
        kinds_seen.add(module.type)
        low, high = float(left.min()), float(left.max())
        assert right(guess) == f"{number(low)} … {number(high)}"
    assert kinds_seen == {"ReLU", "BasicBlock"}


@pytest.mark.slow
def test_a_level_has_the_anchors_that_the_generator_makes(passed):
    model = kinds.detector()
    images, _ = model.transform(kinds.pictures(2))
    with torch.no_grad():
        features = model.backbone(images.tensors)
    maps = dict(zip(("P2", "P3", "P4", "P5", "P6"), features.values(), strict=True))
    each = model.rpn.anchor_generator.num_anchors_per_location()
    whole = len(model.rpn.anchor_generator(images, list(features.values()))[0])
    wanted = {
        name: m.shape[-1] * m.shape[-2] * n for (name, m), n in zip(maps.items(), each, strict=True)
    }
    assert sum(wanted.values()) == whole
    found = {re.match(r"P\d", g.ask["en"])[0]: right(g) for g in asked(passed, "anchors")}
    assert found == {name: count(n) for name, n in wanted.items()}


@pytest.mark.slow
def test_an_object_gets_the_anchors_that_torchvisions_matcher_gives_it():
    trace = kinds.recorded("training")
    parts = anatomy(trace)
    samples = parts.losses.anchors(0).matching
    quality = box_iou(torch.tensor(samples.targets.xyxy), torch.tensor(parts.anchors.xyxy))
    theirs = det_utils.Matcher(0.7, 0.3, allow_low_quality_matches=True)(quality)
    wanted = sorted(count(int((theirs == i).sum())) for i in range(len(quality)))
    found = guesses(trace, kinds=["anchors"], each=9)
    assert sorted(right(guess) for guess in found) == wanted
    for guess in found:
        assert guess.why[-1]["en"].endswith(f"{right(guess)} in all.")


@pytest.mark.slow
@pytest.mark.parametrize("read", [boxes._detected, boxes._proposed])
def test_the_boxes_that_survive_are_those_that_batched_nms_keeps(passed, read):
    found = read(anatomy(passed))
    limit = found.funnel.step("nms").limit
    trios = list(boxes._trios(found, random.Random(1)))[:30]
    for trio in trios:
        guess = boxes._survivor(passed, found, trio, random.Random(2))
        xyxy, scores, group = (
            torch.tensor(np.asarray(v)[list(trio)])
            for v in (found.boxes, found.scores, found.funnel.group)
        )
        kept = batched_nms(xyxy, scores.to(xyxy.dtype), group, limit).tolist()
        told = dict(re.findall(r"([ABC]): [^,]*, score ([\d.e-]+[\d])", guess.ask["en"]))
        said = [number(float(score)) for score in scores]
        if len(set(said)) < 3:
            continue
        names = sorted(name for name, score in told.items() if said.index(score) in kept)
        assert right(guess) == " + ".join(names), guess.ask["en"]
    assert trios or read is boxes._detected


@pytest.mark.slow
def test_levels_are_those_of_torchvisions_mapper():
    """Of a picture large enough for boxes of several levels."""
    sizes = {"min_size": 320, "max_size": 320, "rpn_post_nms_top_n_test": 100}
    large = shared("guesses-large", lambda: kinds._pass(model=sizes))
    rois = run_hooked(kinds.detector(**sizes), kinds.pictures())["roi_heads.box_roi_pool"][0][0][1]
    theirs = initLevelMapper(2, 5)(rois).tolist()
    parts = anatomy(large)
    pooling = parts.roi_heads.box
    draw = random.Random(0)
    for index in range(len(rois[0])):
        guess = boxes._level(parts, pooling, index, draw)
        assert right(guess) == f"P{theirs[index] + 2}"
        assert len(guess.choices) == 5, "P6 is to choose from too"
    assert len({right(guess) for guess in asked(large, "level")}) > 1


@pytest.mark.slow
def test_terms_belong_to_the_loss_that_sums_them(monkeypatch):
    """The largest term of each loss function, as torchvision calls it, and the loss returned."""
    trace = kinds.recorded("training")
    seen = {}

    def watched(name, function, loss):
        def call(*inputs, **options):
            caller = sys._getframe(1).f_code.co_name
            plain = {key: value for key, value in options.items() if key != "reduction"}
            seen[loss[caller]] = float(function(*inputs, **plain, reduction="none").max())
            return function(*inputs, **options)

        monkeypatch.setattr(functional, name, call)

    for name, loss in {
        "binary_cross_entropy_with_logits": {"compute_loss": "loss_objectness"},
        "cross_entropy": {"fastrcnn_loss": "loss_classifier"},
        "smooth_l1_loss": {"compute_loss": "loss_rpn_box_reg", "fastrcnn_loss": "loss_box_reg"},
    }.items():
        watched(name, getattr(functional, name), loss)
    target = {
        "boxes": torch.tensor([[5.0, 5.0, 40.0, 50.0], [30.0, 10.0, 70.0, 40.0]]),
        "labels": torch.tensor([1, 2]),
    }
    with torch.no_grad(), torch.random.fork_rng():
        kinds.detector().train()(kinds.pictures(), [target])
    found = guesses(trace, kinds=["loss"], each=9)
    assert {right(guess) for guess in found} == set(training.NAMES) == set(seen)
    for guess in found:
        if right(guess) in ("loss_rpn_box_reg",):  # no sample of it is drawn at random
            assert number(seen[right(guess)]) in guess.ask["en"]
        loss = next(it for it in anatomy(trace).losses.losses if it.name == right(guess))
        assert loss.computed == pytest.approx(loss.value, rel=1e-4)
        assert number(float(loss.terms.max())) in guess.ask["en"]


@cache
def statement_lines(file):
    """Return the first line of the statement that each line of a file is in."""
    found = {}
    for node in ast.walk(ast.parse(Path(file).read_text("utf-8"))):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            found.update(dict.fromkeys(range(node.lineno, last + 1), node.lineno))
    return found


@pytest.mark.slow
def test_the_next_line_is_the_one_that_python_runs(passed):
    """Lines as `sys.settrace` reports them while the model runs by itself."""
    lines = defaultdict(list)
    model, pictures = kinds.detector(), kinds.pictures(2)

    def local(frame, event, _):
        if event == "line":
            first = statement_lines(frame.f_code.co_filename)[frame.f_lineno]
            lines[id(frame)].append((frame.f_code.co_name, first))
        kept.append(frame)
        return local

    def watch(frame, event, _):
        if "torchvision" not in frame.f_code.co_filename:
            return None
        return local(frame, event, None)

    kept = []  # so that no two frames share a number
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        with torch.no_grad():
            model(pictures)
    finally:
        sys.settrace(before)
    following = {pair for ran in lines.values() for pair in pairwise(ran)}
    questions = asked(passed, "line")
    assert {"true", "false", "round"} <= {_way(guess) for guess in questions}
    for guess in questions:
        name, here = re.match(r"In `([^`]+)` line (\d+)", guess.ask["en"]).groups()
        function = name.rpartition(".")[2] if "." in name or name.islower() else "forward"
        after = int(right(guess).partition(":")[0])
        pairs = {(a[1], b[1]) for a, b in following if function in (a[0], "forward")}
        assert (int(here), after) in pairs, guess.ask["en"]


def _way(guess):
    said = guess.why[0]["en"]
    return "true" if "was true" in said else "false" if "was false" in said else "round"


# --- what every question is -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", kinds.KINDS)
def test_every_question_of_every_recording_is_whole(name):
    trace = kinds.recorded(name)
    ticks = {t for c in trace.calls for t in (c.start, c.end)} | {line.tick for line in trace.lines}
    for guess in guesses(trace, seed=1):
        assert guess.tick in ticks
        assert len(guess.choices) >= 2
        assert sum(not choice.mistake for choice in guess.choices) == 1
        for lang in languages():
            texts = [choice.text[lang] for choice in guess.choices]
            assert len(set(texts)) == len(texts)
            said = [guess.ask[lang], *texts, *(why[lang] for why in guess.why)]
            said += [choice.mistake[lang] for choice in guess.choices if choice.mistake]
            assert all(said), "no text is empty"
            assert guess.why
            numbers = [re.findall(r"\d+", text) for text in said]
            assert any(numbers)


@pytest.mark.slow
def test_a_detector_has_questions_of_every_kind_that_its_pass_can_have(passed):
    every = {guess.kind for guess in guesses(passed)}
    learnt = {guess.kind for guess in guesses(kinds.recorded("training"))}
    assert every == set(KINDS) - {"loss"}
    assert learnt == set(KINDS)
    assert {g.kind for g in guesses(kinds.recorded("no lines"))} == every - {"line"}


@pytest.mark.slow
def test_the_same_seed_asks_the_same(passed):
    assert guesses(passed, seed=5) == guesses(passed, seed=5)
    assert guesses(passed, seed=5) != guesses(passed, seed=6)
    places = {guess.right for seed in SEEDS for guess in guesses(passed, seed=seed)}
    assert places >= {0, 1, 2, 3}, "the right one is anywhere"


def test_an_answer_is_a_letter_or_what_it_says():
    (guess, *_) = drawn(handmade.tiny_pass(), kinds=["shape"])
    answer = right(guess)
    for said in (
        "abcd"[guess.right],
        answer,
        answer.replace("×", "x"),
        f" ({answer.replace('×', ', ')}) ",
    ):
        if "," not in said:
            assert guess.chosen(said, "en") == guess.right, said
            assert guess.verdict(said, "en")[0].startswith("Right")
    wrong = next(i for i in range(len(guess.choices)) if i != guess.right)
    told = guess.verdict("abcd"[wrong], "en")
    assert told[0].startswith("Not quite")
    assert told[1] == guess.choices[wrong].mistake["en"]
    assert guess.chosen("zzz", "en") is None


def test_the_forks_of_a_source():
    source = (
        "def f(x):\n    if x:\n        a = 1\n    elif y:\n        b = 2\n    for i in x:\n"
        "        c = i\n        d = c\n    return d\n"
    )
    found = running._forks(source)
    assert found[2].ways == {"true": 3, "false": 4}
    assert found[4].ways == {"true": 5, "false": 6}
    assert found[8].ways == {"header": 6, "out": 9, "body": 7}
    assert running._forks("def f(:") == {}
    assert running._forks("\0") == {}


# --- where they are asked -------------------------------------------------------------------------


def test_a_recording_that_holds_nothing_says_so(tmp_path, capsys):
    trace = handmade.tiny_pass()
    with pytest.raises(MissingError, match="nothing can be asked"):
        drawn(trace, kinds=["loss"])
    with pytest.raises(InputError, match="did you mean 'level'"):
        guesses(trace, kinds=["levl"])
    file = str(tmp_path / "pass.safetensors")
    trace.save(file)
    assert main(["guess", file, "--kind", "nms"]) != 0
    assert "nothing can be asked" in capsys.readouterr().err
    assert main(["guess", file, "--each", "0"]) != 0


def test_the_command_asks_and_judges(tmp_path, capsys, monkeypatch):
    import io

    file = str(tmp_path / "pass.safetensors")
    trace = handmade.tiny_pass()
    trace.save(file)
    guess = drawn(trace, kinds=["shape"])[0]
    letter = "abcd"[guess.right]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"nonsense\n{letter}\n"))
    assert main(["guess", file, "--kind", "shape", "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert "none of the answers is 'nonsense'" in out
    assert f"Right: {right(guess)}." in out
    assert "1 of 1 right" in out
    assert main(["guess", file, "--answers", "--lang", "zh"]) == 0
    out = capsys.readouterr().out
    assert "答对了" in out
    assert "先看" not in out
    assert say("title", "zh") == "先猜一猜"


def test_the_stepper_asks_judges_and_shows_where():
    from tracer.stepper import Stepper

    trace = handmade.tiny_pass()
    stepper = Stepper(trace)
    with pytest.raises(MissingError, match="use tracer step"):
        stepper.do("guess")
    stepper.lessons = Lessons(trace)
    with pytest.raises(InputError, match="no question is open"):
        stepper.do("guess a")
    with pytest.raises(InputError, match="no question was asked"):
        stepper.do("guess go")
    assert "a) " in stepper.do("guess").text
    guess = stepper.lessons.open
    with pytest.raises(InputError, match="none of the answers"):
        stepper.do("guess 99999")
    assert "Right" in stepper.do(f"guess {'abcd'[guess.right]}").text
    assert stepper.do("guess go").moved
    assert stepper.tick == guess.tick
