"""What is wrong with a detector is found before it runs, and told by a run that failed."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from broken import (
    SETUPS,
    Normed,
    Pyramid,
    anchors,
    masked,
    pictures,
    plain,
    pyramid,
    seen,
    targets,
    trained,
)
from recordings import shared
from torch import nn

import tracer
from tracer import cli
from tracer.errors import InputError
from tracer.languages import languages
from tracer.rcnn import models
from tracer.rcnn.findings import PLACES, QUESTIONS, Finding, say
from tracer.rcnn.narration import explain
from tracer.record.query import problems

RAISING = [each for each in SETUPS if each.raises]
SILENT = [each for each in SETUPS if not each.raises and not each.crashes]
IN_A_RUN = {"norm-batch", "anchors-objects"}  # of a training, not of one pass


def named(setups):
    return [pytest.param(each, id=each.name) for each in setups]


def kinds(found):
    return [each.kind for each in found]


def given(images, aims):
    return (images,) if aims is None else (images, aims)


def test_there_are_many_of_every_kind():
    assert len(SETUPS) >= 40
    assert len({each.name for each in SETUPS}) == len(SETUPS)


@pytest.mark.slow
@pytest.mark.parametrize("setup", named(SETUPS))
def test_the_doctor_finds_it_first(setup):
    model, images, aims = setup()
    found = tracer.doctor(model, images, aims)
    assert kinds(found)[:1] == [setup.expected]


@pytest.mark.slow
@pytest.mark.parametrize("setup", named(RAISING))
def test_a_run_that_fails_says_why(setup):
    model, images, aims = setup()
    with (
        torch.no_grad(),
        pytest.raises(Exception) as caught,  # noqa: PT011
        tracer.Recorder(model, grain="function", previews=False) as recorder,
    ):
        model(*given(images, aims))
    trace = recorder.trace
    assert problems(trace) == []
    if setup.expected == "run-failed":
        assert trace.error.cause is None
        return
    assert trace.error.cause is not None, kinds(trace.findings)
    assert trace.error.cause.kind == setup.expected
    if sys.version_info >= (3, 11):
        assert caught.value.__notes__ == [f"tracer: {trace.error.cause.text}"]


@pytest.mark.slow
@pytest.mark.parametrize("setup", named(SILENT))
def test_a_run_that_ends_wrongly_says_so(setup):
    model, images, aims = setup()
    with torch.no_grad(), tracer.Recorder(model, previews=False) as recorder:
        model(*given(images, aims))
    assert (setup.expected in kinds(recorder.trace.findings)) != (setup.expected in IN_A_RUN)
    assert recorder.trace.error is None


# --- the negative control -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(
    "healthy",
    [
        pytest.param(lambda: seen(plain()), id="one map"),
        pytest.param(lambda: trained(plain()), id="one map, training"),
        pytest.param(lambda: seen(pyramid()), id="four maps"),
        pytest.param(lambda: trained(pyramid()), id="four maps, training"),
        pytest.param(lambda: seen(plain(box_roi_pool=None)), id="default pooler"),
        pytest.param(lambda: seen(masked()), id="masks"),
        pytest.param(lambda: trained(pyramid(Pyramid("0 1 2 pool"))), id="a pool on top"),
        pytest.param(lambda: (plain(), pictures(2, 1, 64, 96), None), id="grey pictures"),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(healthy, static):
    model, images, aims = healthy()
    assert tracer.doctor(model, images, aims, static=static) == ()
    assert tracer.doctor(model, static=True) == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", models.DETECTORS)
def test_nothing_is_found_in_torchvisions_own(name):
    options = {} if name.startswith("ssd") else {"min_size": 64, "max_size": 96}
    if "rcnn" in name:  # each box takes a part of the time, and of the memory
        options |= {"box_batch_size_per_image": 32, "box_detections_per_img": 10}
    model = models.build(name, None, num_classes=5, **options).train()
    aims = targets(boxes=[[8.0, 6.0, 72.0, 56.0], [20.0, 4.0, 90.0, 60.0]], labels=(1, 4))
    for aim in aims:
        aim["masks"] = torch.ones(2, 64, 96, dtype=torch.uint8)
        aim["keypoints"] = torch.rand(2, 17, 3) * 40 + 10
    assert tracer.doctor(model, pictures(), aims) == ()
    assert tracer.doctor(model.eval(), pictures()) == ()


# --- checkpoints ----------------------------------------------------------------------------------

FILES = {
    "its own": (lambda: plain().state_dict(), []),
    "a training's": (lambda: {"model": plain().state_dict(), "epoch": 3}, ["weights-wrapped"]),
    "in parallel": (
        lambda: {f"module.{n}": w for n, w in plain().state_dict().items()},
        ["weights-prefix"],
    ),
    "compiled": (
        lambda: {f"_orig_mod.{n}": w for n, w in plain().state_dict().items()},
        ["weights-prefix"],
    ),
    "another number of classes": (lambda: plain(classes=7).state_dict(), ["weights-classes"]),
    "other anchors": (
        lambda: plain(rpn_anchor_generator=anchors((16,))).state_dict(),
        ["weights-anchors"],
    ),
    "another backbone": (lambda: plain(Normed(nn.BatchNorm2d)).state_dict(), ["weights-backbone"]),
    "a classifier": (
        lambda: {"conv1.weight": torch.ones(2), "fc.weight": torch.ones(2)},
        ["weights-backbone-only"],
    ),
    "an optimizer's": (
        lambda: torch.optim.SGD(plain().parameters(), 0.1).state_dict(),
        ["weights-optimizer"],
    ),
    "no weights": (lambda: {"epoch": 3}, ["weights-none"]),
    "diverged": (
        lambda: {n: w * float("nan") for n, w in plain().state_dict().items()},
        ["weights-nan"],
    ),
}


@pytest.mark.parametrize(("make", "expected"), FILES.values(), ids=FILES)
def test_a_checkpoint_is_held_against_a_model(tmp_path, make, expected):
    path = tmp_path / "a.pth"
    torch.save(make(), path)
    model = plain()
    before = state_of(model)
    assert kinds(tracer.doctor(model, static=True, weights=path)) == expected
    assert str(state_of(model)) == str(before)


def test_a_whole_model_is_said_to_be_one(tmp_path):
    torch.save(plain(), tmp_path / "whole.pth")
    found = tracer.doctor(plain(), static=True, weights=tmp_path / "whole.pth")
    assert kinds(found) == ["weights-pickled"]


@pytest.mark.parametrize(
    ("content", "en", "zh"),
    [
        (b"\x1f\x8b\x08", "compressed by gzip: unpack it first", "用 gzip 压缩过的文件：先解压"),
        (b"PK\x03\x04", "cut short: what is there is 4 bytes", "现有 4 字节"),
        (b"hello", "text that begins with 'hello'", "以 'hello' 开头的文本"),
    ],
)
def test_a_file_of_another_kind_is_named_in_every_language(tmp_path, content, en, zh):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    (found,) = tracer.doctor(plain(), static=True, weights=path)
    assert found.kind == "weights-foreign"
    assert en in found.sentence()
    assert zh in found.sentence("zh")


# --- it only looks --------------------------------------------------------------------------------


def state_of(model):
    """What a pass might change: numbers, modes, attributes of modules."""
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    plain_values = {
        name: {k: v for k, v in vars(module).items() if isinstance(v, (int, float, str, list))}
        for name, module in model.named_modules()
    }
    return tensors, str(plain_values), [module.training for module in model.modules()]


@pytest.mark.parametrize("training", [False, True])
def test_nothing_is_changed(training):
    model, images, aims = trained(plain(nn.Sequential(*norms())))
    model.train(training)
    before, random = state_of(model), torch.get_rng_state()
    grads = torch.is_grad_enabled()
    tracer.doctor(model, images, aims if training else None)
    tensors, values, modes = state_of(model)
    assert all(torch.equal(tensors[name], each) for name, each in before[0].items())
    assert (values, modes) == before[1:]
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.is_grad_enabled() == grads
    assert all(p.grad is None for p in model.parameters())
    assert model.roi_heads.box_roi_pool.scales is None, "the pooler remembers its first pass"


def norms():
    first = nn.Conv2d(3, 8, 3, stride=8, padding=1)
    body = nn.Sequential(first, nn.BatchNorm2d(8), nn.Dropout(0.2))
    return [body]


@pytest.fixture(autouse=True)
def _sequences_have_channels(monkeypatch):
    monkeypatch.setattr(nn.Sequential, "out_channels", 8, raising=False)


def test_a_model_that_cannot_be_copied_is_looked_at_all_the_same():
    model = plain()
    model.stream = (x for x in "a generator")
    assert kinds(tracer.doctor(model, pictures())) == ["uncopied"]


def test_a_failed_run_raises_what_it_raised():
    model, images, _ = next(each for each in RAISING if each.name == "sizes_in_a_flat_tuple")()
    with pytest.raises(AssertionError) as plainly:
        model(images)
    with pytest.raises(AssertionError) as recorded:
        tracer.trace(model, images, grain="module")
    assert str(recorded.value) == str(plainly.value)
    assert type(recorded.value) is type(plainly.value)


# --- what it is told of ---------------------------------------------------------------------------


def test_it_refuses_what_is_no_detector():
    with pytest.raises(InputError, match=r"a detector of torchvision's .* found Linear"):
        tracer.doctor(nn.Linear(2, 2))


def test_a_detector_within_a_module_is_found():
    model = nn.ModuleDict({"net": plain(rpn_anchor_generator=None)})
    assert kinds(tracer.doctor(model, static=True))[0] == "anchors-levels"


def test_without_a_pass_only_shapes_are_known():
    setup = next(each for each in SETUPS if each.name == "a_layer_that_divides_by_nothing")
    assert kinds(tracer.doctor(*setup(), static=True)) == []


def failed():
    model, images, _ = next(each for each in RAISING if each.name == "six_sizes_for_four_maps")()
    with pytest.raises(AssertionError):
        tracer.trace(model, images, grain="function")
    return tracer.last_trace()


@pytest.fixture(scope="module")
def failure():
    return shared("doctor-failed", failed)


def test_a_saved_failure_tells_its_cause_everywhere(failure, tmp_path, capsys):
    from tracer.stepper import Stepper
    from tracer.views.page.labels import labels

    path = failure.save(tmp_path / "failed.safetensors")
    said = "the backbone returns 4 maps"
    assert said in str(failure.table())
    assert "主干网络返回 4 张特征图" in str(failure.board(lang="zh"))
    assert said in str(labels(failure, ())["notices"])
    assert said in Stepper(failure).do("last").text
    assert cli.main(["explain", str(path), "--stage", "rpn"]) == 0
    assert said in capsys.readouterr().out
    assert cli.main(["doctor", str(path)]) == 1
    assert f"Found: {said}" in capsys.readouterr().out


def test_the_list_is_read_in_every_language_and_format(failure):
    found = tracer.doctor(failure)
    assert not found.healthy
    for lang in languages():
        texts = [found.to(form, lang) for form in ("text", "markdown", "json")]
        assert all(each.found(lang)[:20] in texts[0] for each in found)
        assert [each["kind"] for each in json.loads(texts[2])] == kinds(found)
        assert json.loads(texts[2])[0]["where"]["function"] == "AnchorGenerator.grid_anchors"
    assert "<dt>Found</dt>" in found._repr_html_()
    assert str(tracer.doctor(plain(), pictures())) == "Nothing was found that is wrong."
    with pytest.raises(InputError, match="no format 'pdf'"):
        found.to("pdf")


def test_a_finding_of_another_version_is_said_as_it_was():
    from tracer.record import Finding as Recorded

    old = Finding.of(Recorded("gone", {"n": 1}, "warning", "it was so: do so"))
    assert (old.found("zh"), old.sentence("zh"), old.why()) == (old.text, old.text, "")
    strange = Finding.of(Recorded("classes-one", {}, "error", "as it was"))
    assert strange.sentence() == strange.found() == "as it was"


def test_a_recording_from_before_is_looked_at_too():
    setup = next(each for each in SETUPS if each.name == "every_proposal_too_small")
    model, images, _ = setup()
    with torch.no_grad():
        old = replace(tracer.trace(model, images, grain="module"), findings=())
    assert kinds(tracer.doctor(old)) == ["proposals-none"]
    with pytest.raises(InputError, match="looked at as it is"):
        tracer.doctor(old, images)


def test_a_construction_is_looked_at_too():
    trace = tracer.trace(partial(plain, classes=1))
    assert kinds(tracer.doctor(trace)) == ["classes-one"]


@pytest.mark.parametrize("ending", ["", ".zh"])
def test_the_guide_shows_what_is_printed(ending, capsys):
    folder = Path(__file__).resolve().parents[1] / "docs" / "how-to"
    text = (folder / f"my-detector-does-not-run{ending}.md").read_text("utf-8")
    code, shown = re.findall(r"(?s)```(?:python)?\n(.*?)```", text)[:2]
    exec(compile(code, "guide", "exec"), {})
    assert capsys.readouterr().out == shown
    learning = (folder / f"my-detector-does-not-learn{ending}.md").read_text("utf-8")
    assert set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", learning)) <= set(KINDS)


# --- texts and places -----------------------------------------------------------------------------

KINDS = sorted(key.removesuffix(".found") for key in say.all("en") if key.endswith(".found"))


def test_every_kind_has_all_its_texts():
    for kind in KINDS:
        for part in ("found", "why", "do"):
            assert f"{kind}.{part}" in say, kind
    assert set(PLACES) <= set(KINDS)
    assert set(QUESTIONS) <= set(KINDS)


def test_places_are_where_the_source_has_them():
    from importlib.util import find_spec

    roots = {name: Path(find_spec(name).origin).parent.parent for name in ("torch", "torchvision")}
    for file, function in set(PLACES.values()):
        text = (roots[file.split("/")[0]] / file).read_text("utf-8")
        name = function.rpartition(".")[2]
        assert f"def {name}(" in text, (file, function)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_pointed_at_is_written(kind):
    about = Finding(kind, {}, text="x").about
    if about.startswith("--question"):
        assert explain(None, question=about.split()[1])
    elif about:
        assert explain(None, None, None, about.split()[1])


# --- the command ----------------------------------------------------------------------------------

SMALL = ["--model", "fasterrcnn_mobilenet_v3_large_320_fpn", "--min-size", "64"]


@pytest.fixture
def street(tmp_path):
    from torchvision.io import write_png

    path = tmp_path / "street.png"
    write_png((pictures(1)[0] * 255).byte(), str(path))
    return path


@pytest.mark.slow
def test_the_command_and_its_exit_codes(street, tmp_path, capsys):
    assert cli.main(["doctor", str(street), *SMALL]) == 0
    assert capsys.readouterr().out == "Nothing was found that is wrong.\n"
    one = [*SMALL, "--set", "num_classes=1", "--static"]
    assert cli.main(["doctor", *one, "--lang", "zh", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["kind"] == "classes-one"
    aims = tmp_path / "targets.json"
    aims.write_text(json.dumps([{"boxes": [[40, 30, 30, 20]], "labels": [0]}]))
    assert cli.main(["doctor", str(street), *SMALL, "--targets", str(aims)]) == 1
    out = capsys.readouterr().out
    assert out.index("boxes-xywh") < out.index("labels-background")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a model"),
        (["--lang", "fr"], "--lang: invalid choice: 'fr'"),
        (["--format", "html"], "--format: invalid choice: 'html'"),
        (["--targets", "a.json", "--model", "ssd300_vgg16"], "--targets needs the pictures"),
        (["a.pth", "b.pth"], "one checkpoint at a time"),
        (["gone.safetensors"], "gone.safetensors"),
    ],
)
def test_what_the_command_cannot_do(arguments, said, capsys):
    assert cli.main(["doctor", *arguments]) == 2
    assert said in capsys.readouterr().err
