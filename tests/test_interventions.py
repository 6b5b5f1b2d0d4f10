"""What is changed on purpose: it takes place, the recording says so, and the model is as before."""

from __future__ import annotations

import copy
from typing import Any

import kinds
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import tracer
from tracer import cli
from tracer.errors import InputError, MissingError
from tracer.record.query import find_call


class Parts(nn.Module):
    """A dict of two maps, one of which is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"a": nn.Conv2d(3, 4, 1), "b": nn.Conv2d(3, 4, 1)})
        self.gather = Gather()
        self.relu = nn.ReLU(inplace=True)
        self.limit = 0.5
        self.sizes = (1, 2)
        self.table = {"train": 10, "test": 5}

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.gather({name: part(x) for name, part in self.body.items()})
        for name in found:
            found[name] = self.relu(found[name])
        return {**found, "low": found["a"].clamp(max=self.limit)}


class Gather(nn.Module):
    def forward(self, maps: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(maps)


X = torch.linspace(-1, 1, 3 * 4 * 4).reshape(1, 3, 4, 4)


@pytest.fixture
def model() -> Parts:
    torch.manual_seed(0)
    return Parts().eval()


def run(model: nn.Module, **options: Any) -> tuple[tracer.Recording, dict[str, torch.Tensor]]:
    found: list[dict[str, torch.Tensor]] = []
    handle = model.register_forward_hook(lambda m, a, out: found.append(out))
    try:
        with torch.no_grad():
            trace = tracer.trace(model, X.clone(), keep=True, **options)
    finally:
        handle.remove()
    return trace, found[0]


def untouched(model: nn.Module, before: dict[str, Any]) -> bool:
    """No hook is left, and every attribute is the very object it was."""
    hooks = [m._forward_hooks or m._forward_pre_hooks for m in model.modules()]
    return not any(hooks) and all(vars(model)[name] is value for name, value in before.items())


CHANGES = {
    "zero": lambda x: torch.zeros_like(x),
    "constant:0.25": lambda x: torch.full_like(x, 0.25),
    "channel:2": lambda x: x * torch.tensor([0, 0, 1.0, 0]).reshape(1, 4, 1, 1),
    "without:2": lambda x: x * torch.tensor([1.0, 1, 0, 1]).reshape(1, 4, 1, 1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("place", ["body.a", "gather[a]"])
def test_a_result_is_replaced(model, change, place):
    before = dict(vars(model))
    trace, out = run(model, change={place: change})
    with torch.no_grad():
        a, b = (model.body[name](X) for name in ("a", "b"))
    assert torch.equal(out["a"], CHANGES[change](a).relu())
    assert torch.equal(out["b"], b.relu())
    assert trace.settings.changes == (f"{place} = {change}",)
    assert untouched(model, before)


def test_the_recording_has_what_was_put_there(model):
    trace, _ = run(model, change={"body.a": "constant:3"})
    call = find_call(trace, "body.a")
    assert (trace.data(call.result.tensor) == 3).all()
    used = find_call(trace, "gather").args["maps"]["a"]
    assert used.tensor == call.result.tensor


def test_noise_is_of_a_seed_and_leaves_the_random_state(model):
    state = torch.get_rng_state()
    _, first = run(model, change={"body.a": "noise:1"})
    _, again = run(model, change={"body.a": "noise:1"})
    _, other = run(model, change={"body.a": "noise:2"})
    assert torch.equal(first["a"], again["a"])
    assert not torch.equal(first["a"], other["a"])
    assert torch.equal(torch.get_rng_state(), state)


def test_one_call_of_several(model):
    _, plain = run(model)
    _, out = run(model, change={"relu#1": "zero"})
    assert torch.equal(out["a"], plain["a"])
    assert not out["b"].any()


def test_all_tensors_of_a_result(model):
    _, out = run(model, change={"gather": "zero"})
    assert not any(tensor.any() for tensor in out.values())


def test_a_patch_from_another_recording(model):
    other = copy.deepcopy(model)
    other.body["a"].weight.data += 1
    source, theirs = run(other)
    trace, out = run(model, change={"gather[a]": source})
    assert torch.equal(out["a"], theirs["a"])
    assert "patched from a recording of Parts" in trace.settings.changes[0]


def test_a_function_of_ones_own(model):
    _, plain = run(model)
    _, out = run(model, change={"relu": lambda x: x * 2})
    assert torch.equal(out["b"], plain["b"] * 2)


def test_settings_are_changed_and_put_back(model):
    before = dict(vars(model))
    trace, out = run(model, change={"limit": 0.1, "table.test": 7, "sizes": [3, 4]})
    assert out["low"].max() <= 0.1
    assert trace.settings.changes == (
        "limit: 0.5 → 0.1",
        "table.test: 5 → 7",
        "sizes: (1, 2) → (3, 4)",
    )
    assert untouched(model, before)
    assert model.table == {"train": 10, "test": 5}


def test_everything_is_put_back_when_the_run_raises(model):
    model.gather.forward = kinds.Broken().forward
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="do not fit"):
        run(model, change={"limit": 0.1, "body.a": "zero"})
    assert untouched(model, before)
    assert tracer.last_trace().settings.changes == ("limit: 0.5 → 0.1", "body.a = zero")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"limt": 0.1}, "limit"),
        ({"body.c": "zero"}, "body.a"),
        ({"body.c#1": "zero"}, "no module 'body.c'"),
        ({"body.a[": "zero"}, "no place"),
        ({"limit": "high"}, "limit is 0.5, a float; 'high' does not fit"),
        ({"sizes": "large"}, "does not fit"),
        ({"body.a": "zeros"}, "zero"),
        ({"body.a": "zero:1"}, "zero, constant:X"),
        ({"body.a": "constant"}, "constant:X"),
        ({"body.a": "channel:two"}, "no number"),
        ({"body.a": 0.5}, "a module's result"),
    ],
)
def test_what_cannot_be_is_refused_before_the_run(model, changes, error):
    ran = []
    model.register_forward_pre_hook(lambda *_: ran.append(1))
    with pytest.raises(InputError, match=error):
        tracer.trace(model, X, change=changes)
    assert not ran


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"body.a": "channel:4"}, "no channel 4"),
        ({"gather[c]": "zero"}, "nothing at 'c'"),
        ({"body.a[0]": "zero"}, "a single tensor"),
        ({"body.a": lambda x: x[0]}, "1×4×4×4 float32; 4×4×4 float32 does not fit"),
        ({"body.a": lambda x: None}, "NoneType does not fit"),
        ({"relu#2": "zero"}, "relu#2 never ran"),
    ],
)
def test_what_does_not_fit_the_run_ends_it(model, changes, error):
    before = dict(vars(model))
    with pytest.raises(InputError, match=error):
        tracer.trace(model, X, change=changes)
    assert untouched(model, before)


def test_a_patch_that_was_not_kept_says_what_to_keep(model):
    source = tracer.trace(model, X)
    with pytest.raises(MissingError, match=r'record with keep="body\.a"'):
        tracer.trace(model, X, change={"body.a": source})


@pytest.mark.slow
def test_a_level_of_the_pyramid_and_a_threshold_of_a_detector():
    model = kinds.detector()
    changes = {
        "backbone.fpn[pool]": "zero",
        "rpn.nms_thresh": 0.3,
        "rpn._post_nms_top_n.testing": 20,
        "transform.min_size": [80],
    }
    with torch.no_grad():
        plain = model(kinds.pictures())
        trace = tracer.trace(model, kinds.pictures(), keep="anatomy", change=changes)
        again = model(kinds.pictures())
    pool = find_call(trace, "backbone.fpn").result["pool"]
    assert not trace.data(pool.tensor).any()
    assert len(trace.settings.changes) == 4
    (found,) = find_call(trace, "rpn").result["0"].tensors()
    assert trace.tensors[found].summary.shape == (20, 4)
    for before, after in zip(plain, again, strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_saved_recording_says_what_was_changed(model, tmp_path):
    trace, _ = run(model, change={"limit": 0.1})
    loaded = tracer.load(trace.save(tmp_path / "a.safetensors"))
    assert loaded.settings.changes == trace.settings.changes
    for lang in ("en", "zh"):
        assert "limit: 0.5 → 0.1" in loaded.table(lang=lang).title


@pytest.mark.slow
def test_the_command_changes_what_it_is_told(tmp_path, capsys):
    picture = tmp_path / "a.png"
    Image.fromarray(np.full((60, 80, 3), 99, np.uint8)).save(picture)
    run = ["run", str(picture), "--model", "fasterrcnn_resnet18_fpn", "--min-size", "64"]
    plain, other, patched = (str(tmp_path / f"{n}.safetensors") for n in "abc")
    assert cli.main([*run, "--keep", "backbone.fpn", "-o", plain]) == 0
    change = ["--change", "rpn.nms_thresh=0.3", "--change", "backbone.fpn[pool]=zero"]
    assert cli.main([*run, *change, "-o", other]) == 0
    assert cli.main([*run, "--change", f"backbone.fpn[0]=patch:{plain}", "-o", patched]) == 0
    assert tracer.load(other).settings.changes == (
        "rpn.nms_thresh: 0.7 → 0.3",
        "backbone.fpn[pool] = zero",
    )
    assert tracer.compare(tracer.load(plain), tracer.load(patched)).verdict != "origin"
    capsys.readouterr()
    assert cli.main([*run, "--change", "rpn.nms_tresh=0.3", "-o", other]) == 2
    assert "rpn.nms_thresh" in capsys.readouterr().err
    assert cli.main([*run, "--change", "rpn", "-o", other]) == 2
    assert cli.main(["run", "--build", "--change", "a=1", "-o", other]) == 2


def test_a_place_without_a_name_has_nothing_near_it():
    with pytest.raises(InputError, match=r"neither a module nor a setting ''$"):
        tracer.trace(torch.nn.Linear(2, 2), torch.ones(1, 2), change={"": "zero"})
