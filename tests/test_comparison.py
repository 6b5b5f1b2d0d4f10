"""Two recordings compared: the calls are matched, and the first that parts is the one changed."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any

import handmade
import kinds
import numpy as np
import pytest
import torch
from torch import nn

import tracer
from tracer import cli
from tracer.errors import InputError, MissingError
from tracer.record import Call, Trace
from tracer.record.alignment import Match, align
from tracer.record.comparison import Comparison, compare
from tracer.testing import assert_same


class Block(nn.Module):
    """Two ways to one sum, with a write in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.left = nn.Linear(width, width)
        self.right = nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True))
        self.scale = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.left(x) * self.scale
        if out.sum() > 0:
            out = out + 1
        out += self.right(x)
        return out


def chain(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(Block(6) for _ in range(4)), *more).eval()


def recorded(model: nn.Module, x: torch.Tensor | None = None, **options: Any) -> Trace:
    given = torch.linspace(-1, 1, 12).reshape(2, 6) if x is None else x
    with torch.no_grad():
        return tracer.trace(model, given, **{"grain": "line", **options})


def culprit(compared: Comparison) -> Call:
    assert compared.divergence is not None
    return compared.pairs[compared.divergence].call


def around(trace: Trace, call: Call) -> list[str]:
    """The paths of the modules around a call, and its own."""
    found = [call.path]
    while call.parent is not None:
        call = trace.calls[call.parent]
        found.append(call.path)
    return found


# --- matching -------------------------------------------------------------------------------------


def sound(first: Trace, second: Trace) -> tuple[Match, ...]:
    """Match two recordings, and hold the result to what `align` promises."""
    found = align(first, second)
    mine = [m.first.id for m in found if m.first is not None]
    other = [m.second.id for m in found if m.second is not None]
    assert mine == list(range(len(first.calls)))
    assert sorted(other) == list(range(len(second.calls)))
    partner = {m.first.id: m.second.id for m in found if m.first and m.second}
    for match in found:
        if match.first and match.second and not match.moved and match.first.parent is not None:
            assert partner[match.first.parent] == match.second.parent
    return found


@pytest.mark.slow
def test_a_recording_is_matched_with_itself():
    trace = kinds.recorded("two pictures")
    assert all(m.first is m.second and not m.moved for m in sound(trace, trace))


@pytest.mark.slow
@pytest.mark.parametrize("pair", [("two pictures", "training"), ("no lines", "failed late")])
def test_different_runs_are_matched_by_path(pair):
    first, second = map(kinds.recorded, pair)
    modules = [m for m in sound(first, second) if m.first and m.second and m.first.kind == "module"]
    assert modules
    assert all(m.first.path == m.second.path for m in modules)


def test_an_added_module_is_the_only_one_without_a_counterpart():
    first, second = recorded(chain()), recorded(chain(nn.Tanh()))
    alone = [m for m in sound(first, second) if not m.first or not m.second]
    assert {m.second.path for m in alone if m.second} == {"4", "tanh"}
    assert not any(m.first for m in alone)


def test_a_module_that_runs_elsewhere_has_moved():
    class Early(Block):
        def forward(self, x):
            return self.right(x) + self.left(x)

    class Late(Block):
        def forward(self, x):
            return self.left(x) + self.right(x)

    torch.manual_seed(0)
    first, second = recorded(Early(6)), recorded(Late(6))
    moved = [m for m in sound(first, second) if m.moved]
    assert {m.first.path for m in moved if m.first and m.first.kind == "module"} <= {
        *("left", "right", "right.0", "right.1")
    }
    assert moved


def many(count: int, extra: int) -> Trace:
    """A call with very many side by side in it, one of them another."""
    draft = handmade.Draft()
    with draft.call("module", "", "Net"):
        for index in range(count):
            with draft.call("op", "other" if index == extra else "add", "torch"):
                pass
    return draft.trace("pass", "Net")


@pytest.mark.slow
def test_very_many_calls_side_by_side_are_matched_by_their_numbers():
    first, second = many(20_000, 7_000), many(20_000, 9_000)
    found = sound(first, second)
    assert sum(1 for m in found if m.first and m.second) == 20_000


# --- where they part ------------------------------------------------------------------------------


def test_the_same_run_twice_is_the_same():
    compared = compare(recorded(chain()), recorded(chain()))
    assert compared.same
    assert compared.verdict == "same"
    assert compared.divergence is compared.branch is None


LAYERS = [f"{block}.{part}" for block in range(4) for part in ("left", "right.0")]


@pytest.mark.parametrize("path", LAYERS)
@pytest.mark.parametrize("keep", [None, True])
def test_the_layer_whose_weights_were_changed_is_the_one_that_parts(path, keep):
    model = chain()
    first = recorded(model, keep=keep)
    model.get_submodule(path).weight.data[0, 0] += 0.5
    second = recorded(model, keep=keep)
    compared = compare(first, second)
    assert compared.verdict == "origin"
    assert path in around(first, culprit(compared))
    by = {d.by for d in compared.pairs[compared.divergence].results}
    assert by == {"data" if keep else "statistics"}


def test_a_changed_attribute_parts_where_it_is_used():
    model = chain()
    first = recorded(model)
    model[2].scale = 2.0
    compared = compare(first, recorded(model))
    call = culprit(compared)
    assert around(first, call)[1] == "2"
    pair = compared.pairs[compared.divergence]
    assert [(d.kind, d.first.scalar, d.second.scalar) for d in pair.inputs] == [
        ("scalar", 1.0, 2.0)
    ]


def test_a_branch_is_named_with_what_made_it_so():
    model = chain()
    first = recorded(model)
    model[1].left.bias.data += 10.0
    compared = compare(first, recorded(model))
    branch = compared.branch
    assert branch is not None
    assert compared.pairs[branch.pair].call.path == "1"
    assert branch.text == "if out.sum() > 0:"
    assert {d.name for d in branch.names} == {"out"}
    lines = (branch.first, branch.second)
    assert sorted(lines) == [branch.at[0] + 1, branch.at[0] + 2]


def test_other_inputs_are_no_divergence():
    compared = compare(recorded(chain()), recorded(chain(), torch.ones(2, 6)))
    assert compared.verdict == "inputs"
    assert compared.divergence is None


class Detector(nn.Module):
    """What of a detector makes two recordings differ: modes, batches, frozen layers, heads."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, classes)

    def forward(
        self, images: list[torch.Tensor], targets: list[torch.Tensor] | None = None
    ) -> torch.Tensor:
        sides = [max(image.shape[axis] for image in images) for axis in (1, 2)]
        batch = images[0].new_full((len(images), 3, *sides), 0)
        for place, image in zip(batch, images, strict=True):
            place[:, : image.shape[1], : image.shape[2]] = image
        found: torch.Tensor = self.head(self.body(batch).mean((2, 3)))
        if self.training:
            assert targets is not None
            return nn.functional.cross_entropy(found, torch.cat(targets))
        return found


def detector(**options: int) -> Detector:
    torch.manual_seed(0)
    return Detector(**options).eval()


def detected(
    model: nn.Module, count: int = 1, targets: list[torch.Tensor] | None = None, **options: Any
) -> Trace:
    images = [torch.linspace(0, 1, 3 * 8 * (8 + i)).reshape(3, 8, 8 + i) for i in range(count)]
    given = [images] if targets is None else [images, targets]
    with torch.no_grad():
        return tracer.trace(model, *given, **{"grain": "line", "fingerprints": True, **options})


def test_in_training_mode_the_batch_norm_parts_though_targets_were_given():
    first = detected(detector())
    compared = tracer.compare(first, detected(detector().train(), targets=[torch.tensor([1])]))
    assert compared.verdict == "inputs"
    assert culprit(compared).path == "batch_norm"
    assert ("mode", "eval", "train") in [(s.name, s.first, s.second) for s in compared.environment]
    for lang, here in (("en", "in body.1#0"), ("zh", "body.1#0 中")):
        said = compared.report(lang=lang).title
        assert "targets" in said
        assert here in said
        assert "False → True" in said


def test_a_picture_in_a_batch_parts_where_it_is_padded():
    compared = tracer.compare(detected(detector()), detected(detector(), 2))
    assert compared.verdict == "inputs"
    assert culprit(compared).path == "new_full"
    assert "1×3×8×8 float32 → 2×3×8×9 float32" in compared.report().title


def test_what_is_frozen_is_told_in_words():
    model = detector()
    first = detected(model)
    model.body[0].requires_grad_(False)
    compared = tracer.compare(first, detected(model))
    assert compared.verdict == "settings"
    assert compared.parameters == ("body.0.weight", "body.0.bias")
    assert compared.report().column("what") == ["setting trainable parameters"]
    assert compared.report(lang="zh").column("what") == ["设置 可训练参数个数"]


def test_another_head_parts_at_the_head():
    compared = tracer.compare(detected(detector()), detected(detector(classes=5)))
    assert "in head#0" in compared.report().title
    assert "parameter head.weight, 3×8 float32 → 5×8 float32" in compared.report().title


def test_autocast_is_told_with_how_far_it_is():
    model = detector()
    first = detected(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        compared = tracer.compare(first, detected(model))
    assert culprit(compared).path == "conv2d"
    assert "1×8×6×6 float32 → 1×8×6×6 bfloat16, Δ " in compared.report().title
    assert "autocast – → bfloat16" in " ".join(compared.report().notes)
    assert "autocast" not in first.environment


def test_a_call_that_has_another_number_is_told_with_both():
    class Again(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.scale > 1:
                x = self.left(x)
            return self.left(self.right(x))

    first, second = Again(6).eval(), Again(6).eval()
    first.scale = 2.0
    rows = tracer.compare(recorded(first), recorded(second)).report().column("call")
    assert "left#1 → #0" in rows


def test_two_that_agree_have_no_empty_table():
    text = tracer.compare(detected(detector()), detected(detector())).report().to("text")
    assert text.startswith("A and B agree bit for bit") or text.startswith("A and B agree in")
    assert "───" not in text


def test_what_was_changed_on_purpose_is_the_reason():
    model = detector()
    compared = tracer.compare(detected(model), detected(model, change={"body.1": "zero"}))
    assert "It was changed on purpose: body.1 = zero." in compared.report().title
    assert "A: Detector. B: Detector [body.1 = zero]." in compared.report().notes
    assert "这是有意改动的：body.1 = zero。" in compared.report(lang="zh").title


def test_programs_read_a_comparison():
    model = detector()
    compared = tracer.compare(detected(model), detected(model, change={"body.1": "zero"}))
    told = json.loads(compared.to_json())
    assert told["verdict"] == "origin"
    assert told["divergence"] == ["body.1#0", "body.1#0"]
    assert told["second"] == "Detector [body.1 = zero]"
    assert sum(told["counts"].values()) == told["calls"] == len(compared.pairs)
    parting = next(d for d in told["differing"] if d["call"] == ["body.1#0", "body.1#0"])
    assert parting["status"] == "origin"
    assert parting["results"][0]["first"]["shape"] == [1, 8, 6, 6]
    assert json.loads(compared.to_json(path="head"))["differing"][-1]["status"] == "follows"


def test_what_is_drawn_at_random_parts_where_it_is_drawn():
    model = chain(nn.Dropout()).train()
    first, second = recorded(model), recorded(model)
    compared = compare(first, second)
    assert "4" in around(first, culprit(compared))


def test_a_failure_parts_at_the_call_that_failed():
    with pytest.raises(RuntimeError):
        recorded(chain(kinds.Broken()))
    failed = tracer.last_trace()
    good = recorded(chain(nn.Identity()))
    compared = compare(good, failed)
    assert culprit(compared).path == "4"
    (found,) = compared.pairs[compared.divergence].results
    assert found.kind == "error"


def test_up_to_the_tolerance_values_are_the_same():
    model = chain()
    first = recorded(model, keep=True)
    model[0].left.bias.data += 1e-6
    second = recorded(model, keep=True)
    assert compare(first, second).verdict == "origin"
    assert compare(first, second, tolerance=1e-3).same


def test_another_dtype_is_a_difference_unless_the_tolerance_covers_it():
    model = chain()
    first = recorded(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        second = recorded(model)
    compared = compare(first, second)
    assert {d.kind for d in compared.pairs[compared.divergence].results} == {"dtype"}
    assert compare(first, second, tolerance=0.5).verdict != "origin"


@pytest.mark.parametrize(
    ("a", "b", "change"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, float("nan")], [1.0, float("nan")], 0.0),
        ([1.0, float("inf")], [1.0, float("nan")], float("inf")),
        ([0.0, 2.0], [0.0, 3.0], 1 / np.std([0.0, 2.0], ddof=1)),
        ([1.0, 1.0], [1.0, 4.0], 3.0),
    ],
)
def test_values_differ_by_their_largest_distance(a, b, change):
    first, second = (recorded(nn.Identity(), torch.tensor(x), keep=True) for x in (a, b))
    (given, *_) = compare(first, second).pairs
    found = max((d.change for d in given.inputs), default=0.0)
    assert found == pytest.approx(change)


# --- a detector -----------------------------------------------------------------------------------


def passes(change: Callable[[nn.Module], None]) -> tuple[Trace, Trace]:
    model = kinds.detector()
    with torch.no_grad():
        model(kinds.pictures())  # RoIAlign's scales are inferred in the first pass, and kept
        first = tracer.trace(model, kinds.pictures(), keep="anatomy")
        change(model)
        return first, tracer.trace(model, kinds.pictures(), keep="anatomy")


@pytest.mark.slow
def test_a_threshold_of_the_rpn_parts_at_its_nms():
    def change(model: Any) -> None:
        model.rpn.nms_thresh = 0.3

    first, second = passes(change)
    compared = tracer.compare(first, second)
    assert culprit(compared).path == "nms"
    assert "rpn" in around(first, culprit(compared))
    assert "0.7 → 0.3" in compared.report().title
    assert "0.7 → 0.3" in compared.report(lang="zh").title


@pytest.mark.slow
def test_detections_are_told_one_by_one():
    def change(model: Any) -> None:
        model.roi_heads.detections_per_img = 3

    first, second = passes(change)
    found = tracer.compare(first, second).detections().column("what")
    assert found.count("kept") == 3
    assert found.count("only in A") == len(found) - 3


@pytest.mark.slow
def test_two_models_are_compared_as_far_as_they_agree():
    compared = tracer.compare(
        kinds.recorded("no lines"), kinds.recorded("one-stage with a pyramid")
    )
    counts = compared.counts
    assert counts["first"]
    assert counts["second"]
    assert sum(counts.values()) == len(compared.pairs)


@pytest.mark.slow
def test_two_constructions_are_compared():
    trace = kinds.recorded("construction")
    assert compare(trace, trace).same


# --- told and refused -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_pass_is_not_compared_with_a_construction():
    with pytest.raises(InputError, match="a pass cannot be compared with a construction"):
        compare(kinds.recorded("no lines"), kinds.recorded("construction"))


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_is_a_number_from_0_on(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        compare(handmade.tiny_pass(), handmade.tiny_pass(), tolerance=tolerance)


def test_a_path_that_neither_has_is_refused():
    compared = tracer.compare(handmade.tiny_pass(), handmade.tiny_pass())
    with pytest.raises(MissingError, match="nowhere"):
        compared.report(path="nowhere")


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_of_recording_is_compared_with_itself(kind):
    trace = kinds.recorded(kind)
    compared = tracer.compare(trace, trace)
    assert compared.same
    assert len(compared.report()) == 0


def test_the_command_says_where_two_recordings_part(tmp_path, capsys):
    model = chain()
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    recorded(model).save(paths[0])
    model[3].left.weight.data += 1
    recorded(model).save(paths[1])
    files = [str(path) for path in paths]
    assert cli.main(["diff", *files]) == 0
    assert "3.left" in capsys.readouterr().out.splitlines()[0]
    assert cli.main(["diff", *files, "--exit-code"]) == 1
    assert cli.main(["diff", files[0], files[0], "--exit-code"]) == 0
    capsys.readouterr()
    assert cli.main(["diff", *files, "--format", "csv", "--grain", "all"]) == 0
    assert capsys.readouterr().out.startswith("call,status,what,")
    assert cli.main(["diff", *files, "--lang", "zh"]) == 0
    assert "分开" in capsys.readouterr().out


def test_the_command_refuses_what_is_no_recording(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    recorded(chain()).save(path)
    other = tmp_path / "b.safetensors"
    other.write_text("no recording")
    assert cli.main(["diff", str(path), str(other)]) == 2
    assert str(other) in capsys.readouterr().err


def test_a_comparison_is_its_data_with_reports():
    compared = tracer.compare(handmade.tiny_pass(), handmade.tiny_pass())
    plain = compare(handmade.tiny_pass(), handmade.tiny_pass())
    for each in dataclasses.fields(plain):
        if each.name not in ("first", "second"):
            assert getattr(compared, each.name) == getattr(plain, each.name)


def test_random_changes_are_found():
    """Whichever leaf module's output is changed, in whichever order, that module is the first."""
    rng = random.Random(0)
    model = chain()
    first = recorded(model)
    leaves = [n for n, m in model.named_modules() if n and not list(m.children())]
    for path in rng.sample(leaves, 6):
        handle = model.get_submodule(path).register_forward_hook(lambda m, a, out: out + 0.25)
        compared = compare(first, recorded(model))
        handle.remove()
        assert path in around(first, culprit(compared)), path


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_the_command_draws_how_far_results_are_apart(tmp_path, capsys, form):
    model = chain()
    first = recorded(model)
    model[2].right[0].weight.data[0, 0] += 0.5
    files = [str(t.save(tmp_path / f"{n}.safetensors")) for n, t in
             (("a", first), ("b", recorded(model)))]  # fmt: skip
    out = tmp_path / f"depth.{form}"
    assert cli.main(["diff", *files, "--format", form, "-o", str(out)]) == 0
    assert out.stat().st_size > 1000
    assert cli.main(["diff", *files, "--format", form, "--grain", "op"]) == 2
    assert "--grain" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_figure_marks_the_module_that_parts(lang):
    model = chain()
    first = recorded(model)
    model[2].right[0].weight.data[0, 0] += 0.5
    compared = tracer.compare(first, recorded(model))
    (ax,) = compared.figure(lang=lang).axes
    assert "2.right.0#0" in {text.get_text().strip() for text in ax.texts}
    paths = [p.call.path for p in compared.pairs if p.call.kind == "module"]
    inner = [p for p in paths if p and not any(q.startswith(f"{p}.") for q in paths)]
    drawn = sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() in "ov^")
    assert drawn == len(inner)


class Clamped(nn.Module):
    """Hands a number of its own to an operation."""

    def __init__(self, most: float) -> None:
        super().__init__()
        self.most = most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(max=self.most)


def test_where_no_module_differs_what_does_is_listed():
    first, second = (tracer.trace(Clamped(most), torch.ones(3)) for most in (5.0, 6.0))
    compared = tracer.compare(first, second)
    assert compared.verdict == "settings"
    assert compared.report().column("call") == ["clamp#0"]
    assert len(compared.report(grain="module")) == 0
    with pytest.raises(AssertionError, match=r"clamp#0 \| settings \| argument max \| 5.0 \| 6.0"):
        assert_same(second, first)
